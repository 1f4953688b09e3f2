"""Sentences to label: a CSV with a row per clip, what is said in it and around it."""

import csv
import dataclasses
from collections.abc import Iterable
from pathlib import Path

from emo_jax import csv_tables, files

COLUMNS = ('id', 'episode', 'start', 'end', 'text', 'before', 'after')


@dataclasses.dataclass(frozen=True)
class Sentence:
  """What is said in a clip.

  Attributes:
    id: the clip's.
    text: the sentence.
    before, after: its neighbours; empty at an episode's ends and where the file has none.
    episode: the video it comes from; empty where the file has none.
    start_s, end_s: when, in the video; 0 where the file has none.
  """

  id: str
  text: str
  before: str = ''
  after: str = ''
  episode: str = ''
  start_s: float = 0.0
  end_s: float = 0.0


def write(path: Path, sentences: Iterable[Sentence]) -> None:
  """Writes the CSV, whole or not at all."""
  with files.replacing(path) as partial, open(partial, 'w', newline='', encoding='utf-8') as f:
    rows = csv.writer(f, lineterminator='\n')
    rows.writerow(COLUMNS)
    for s in sentences:
      span = f'{s.start_s:.3f}', f'{s.end_s:.3f}'
      rows.writerow((s.id, s.episode, *span, s.text, s.before, s.after))


def read(path: Path) -> list[Sentence]:
  """Reads a CSV with at least the columns `id` and `text`.

  Raises:
    UserError: as `csv_tables.read_by_id`, or a time is no number.
  """
  return [
    Sentence(
      id=id,
      text=row['text'],
      before=row.get('before', ''),
      after=row.get('after', ''),
      episode=row.get('episode', ''),
      start_s=csv_tables.number(row.get('start') or '0', where),
      end_s=csv_tables.number(row.get('end') or '0', where),
    )
    for id, (where, row) in csv_tables.read_by_id(path, ('text',)).items()  # noqa: A001
  ]

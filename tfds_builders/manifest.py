"""The CSV manifest of a folder of clips: who signs what in which file, and its labels."""

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from emo_jax import csv_tables, labels
from emo_jax.errors import UserError

NAME = 'manifest.csv'
ITA_ID = 'ita_id'  # the column that names a sentence of the ITA corpus
VARIABLE = 'EMO_JAX_MANIFEST'
COLUMNS = ('file', 'signer', 'utterance', 'emotion', 'text')
_SIGNER = re.compile(r'[A-Za-z0-9_]+')
_ALL = 'all'  # TFDS's name of all splits together


@dataclasses.dataclass(frozen=True)
class Row:
  """One clip of a manifest.

  Attributes:
    path: of its video.
    signer, utterance, text: as written; the text may be empty.
    labels: label index per task, -1 where the cell is empty or the column absent.
  """

  path: Path
  signer: str
  utterance: str
  text: str
  labels: Mapping[str, int]

  @property
  def id(self) -> str:
    """The clip's id: the video's name without its ending."""
    return self.path.stem


def find(folder: Path, path: str | os.PathLike | None = None) -> Path:
  """The manifest's path: the one given, else EMO_JAX_MANIFEST, else manifest.csv in the folder."""
  return Path(path or os.environ.get(VARIABLE) or folder / NAME)


def digest(path: Path, texts: Mapping[str, str] | None = None) -> str:
  """sha256 of a manifest and the texts it is read with. Raises UserError if it cannot be read."""
  try:
    content = path.read_bytes()
  except OSError as error:
    raise UserError(
      f'cannot read {path} ({error.strerror}): write one with the columns {",".join(COLUMNS)}'
    ) from error
  if texts:
    content += json.dumps(texts, sort_keys=True).encode()
  return hashlib.sha256(content).hexdigest()


def read(path: Path, folder: Path, texts: Mapping[str, str] | None = None) -> list[Row]:
  """Reads the manifest at `path` of the clips in `folder`.

  Columns are `file` (relative to the folder), `signer`, `utterance`, `emotion` and `text`; further
  columns named after a task of `emo_jax.labels` hold its labels, others are ignored.

  Raises:
    UserError: no manifest, a column missing or repeated, a row with too many or too few cells, an
      unknown label or id of a text, a row without its file, a signer whose name cannot name a
      split, or two rows for one clip; with the line's number.
  """
  rows: dict[str, Row] = {}
  for where, cells in csv_tables.read(path, COLUMNS if texts is None else (*COLUMNS, ITA_ID))[1]:
    row = _row(folder, cells, where)
    if texts is not None:
      found = _text(cells[ITA_ID], texts, where)
      row = dataclasses.replace(row, text=row.text or found)
    if row.id in rows:
      raise UserError(f'{where}: a second row for {row.id}')
    rows[row.id] = row
  if not rows:
    raise UserError(f'{path} lists no clip')
  return list(rows.values())


def _text(text_id: str, texts: Mapping[str, str], where: str) -> str:
  if text_id and text_id not in texts:
    raise UserError(f'{where}: no sentence {text_id!r}{labels.nearest(text_id, texts)}')
  return texts[text_id] if text_id else ''


def _row(folder: Path, cells: Mapping[str, str], where: str) -> Row:
  video = folder / cells['file']
  if not cells['file'] or not video.is_file():
    raise UserError(f'{where}: no file {video}')
  if not _SIGNER.fullmatch(cells['signer']):
    raise UserError(
      f'{where}: signer {cells["signer"]!r} must be letters, digits and _ only: it names a split'
    )
  if cells['signer'] == _ALL:
    raise UserError(f'{where}: no signer can be called {_ALL!r}, which names all splits: rename it')
  try:
    found = {task: labels.index(task, cells.get(task, '')) for task in labels.TASKS}
  except UserError as error:
    raise UserError(f'{where}: {error}') from error
  return Row(video, cells['signer'], cells['utterance'], cells['text'], found)

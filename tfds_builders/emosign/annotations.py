"""EmoSign's published annotations, from its CSV or the Arrow file of its Hugging Face data set."""

import dataclasses
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from emo_jax import csv_tables, labels
from emo_jax.errors import UserError

NAME = 'emosign_dataset.csv'
VARIABLE = 'EMO_JAX_ANNOTATIONS'
SOURCE = 'the data set catfang/emosign on Hugging Face'

EMOTIONS = (
  'joy',
  'excited',
  'surprise_pos',
  'surprise_neg',
  'worry',
  'sadness',
  'fear',
  'disgust',
  'frustration',
  'anger',
)
COLUMNS = ('video_name', 'Sentiment', *EMOTIONS, 'Reasoning_1', 'Reasoning_2', 'Reasoning_3')
NEUTRAL = 'neutral'

_ABSENT, _STRONGEST = 1, 4  # of an intensity; the paper of EmoSign writes 0 to 3
_RAREST = 3  # a tie of fewer clips than this is no category of EmoSign's multi set
_VIDEO_NAMES = (
  re.compile(r'(?P<signer>[A-Z][a-z]+)_\d{4}-\d{1,2}-\d{1,2}_sc\d+_(?P<utterance>\d+)'),
  re.compile(r'\d+-(?P<signer>Ben)-[A-Za-z]+(?:-[A-Za-z]+)*_(?P<utterance>\d+)'),
)


@dataclasses.dataclass(frozen=True)
class Annotation:
  """What EmoSign says of one clip.

  Attributes:
    video: name of its video without the ending.
    signer: whom the name names.
    utterance: number of the utterance in ASLLRP, the end of the name.
    sentiment: -3 (very negative) to 3 (very positive).
    intensity: 1 (absent) to 4 per name in `EMOTIONS`.
    reasoning: in words, one text per annotator.
    expression: EmoSign's category, several joined by `+`, or '' where its rule gives none.
  """

  video: str
  signer: str
  utterance: str
  sentiment: int
  intensity: Mapping[str, int]
  reasoning: tuple[str, str, str]
  expression: str

  @property
  def is_single(self) -> bool:
    """Is it of the Single Expression Set?"""
    return bool(self.expression) and '+' not in self.expression

  @property
  def is_multi(self) -> bool:
    """Is it of the set of several expressions?"""
    return '+' in self.expression

  @property
  def labels(self) -> dict[str, int]:
    """Label index per task of `emo_jax.labels`; the emotion is that of the paper's Table 8."""
    expression = self.expression if self.is_single else ''
    sign = ('negative', 'neutral', 'positive')[1 + (self.sentiment > 0) - (self.sentiment < 0)]
    return dict(
      emotion=labels.index('emotion', expression),
      expression=labels.index('expression', expression),
      sentiment=labels.index('sentiment', str(self.sentiment)),
      sentiment3=labels.index('sentiment3', sign),
    )


def named(path: str | os.PathLike | None = None) -> Path | None:
  """The annotations that a user names: the path given, else EMO_JAX_ANNOTATIONS, else None."""
  chosen = path or os.environ.get(VARIABLE)
  return Path(chosen) if chosen else None


def in_folder(folder: Path) -> Path:
  """The annotations among the clips. Raises UserError if there are none or several."""
  if (folder / NAME).is_file():
    return folder / NAME
  found = sorted(folder.glob('*.arrow'))
  if not found:
    raise UserError(
      f'neither {NAME} nor an .arrow file in {folder}: give --annotations=FILE, from {SOURCE}'
    )
  if len(found) > 1:
    names = ', '.join(path.name for path in found)
    raise UserError(f'{names} in {folder}: say which with --annotations=FILE')
  return found[0]


def read(path: Path) -> list[Annotation]:
  """The annotations in a CSV, or in an Arrow file (its name ends in `.arrow`).

  Raises:
    UserError: it cannot be read, has not just the published columns (in any order), or a row has
      an unexpected video name, a second one for a video, or a value out of range; with the row.
  """
  columns, rows = _arrow(path) if path.suffix == '.arrow' else csv_tables.read(path, COLUMNS)
  _require_columns(path, columns)
  found: dict[str, Annotation] = {}
  for where, cells in rows:
    annotation = _annotation(cells, where)
    if annotation.video in found:
      raise UserError(f'{where}: a second row for {annotation.video}')
    found[annotation.video] = annotation
  if not found:
    raise UserError(f'{path} has no rows: take it from {SOURCE}')
  return _with_expressions(list(found.values()))


def digest(annotations: Iterable[Annotation]) -> str:
  """sha256 of what the annotations say, whatever their file's format, columns' and rows' order."""
  rows = sorted((dataclasses.asdict(a) for a in annotations), key=lambda row: row['video'])
  return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def strongest(intensity: Mapping[str, int]) -> tuple[str, ...]:
  """The categories that reach the largest intensity, by name: EmoSign's rule before its counts.

  Joy and excited make one category, happiness; without any emotion the clip is neutral.
  """
  of = {name: value for name, value in intensity.items() if name not in ('joy', 'excited')}
  of['happiness'] = max(intensity['joy'], intensity['excited'])
  most = max(of.values())
  if most == _ABSENT:
    return (NEUTRAL,)
  return tuple(sorted(name for name, value in of.items() if value == most))


def _with_expressions(annotations: Sequence[Annotation]) -> list[Annotation]:
  """With `expression`, for which the clips of every tie are counted."""
  patterns = [strongest(annotation.intensity) for annotation in annotations]
  clips = Counter(patterns)
  return [
    dataclasses.replace(a, expression='+'.join(p)) if len(p) == 1 or clips[p] >= _RAREST else a
    for a, p in zip(annotations, patterns, strict=True)
  ]


def _annotation(cells: Mapping[str, str], where: str) -> Annotation:
  """A row, without its expression."""
  name = cells['video_name']
  match = next(filter(None, (form.fullmatch(name) for form in _VIDEO_NAMES)), None)
  if not match:
    raise UserError(
      f'{where}: video_name {name!r} is neither <Signer>_<year>-<month>-<day>_sc<n>_<utterance> '
      'nor <n>-Ben-<topic>_<utterance>'
    )
  return Annotation(
    video=name,
    signer=match['signer'],
    utterance=match['utterance'],
    sentiment=_integer(cells, 'Sentiment', (-3, 3), where),
    intensity={e: _integer(cells, e, (_ABSENT, _STRONGEST), where) for e in EMOTIONS},
    reasoning=(cells['Reasoning_1'], cells['Reasoning_2'], cells['Reasoning_3']),
    expression='',
  )


def _integer(cells: Mapping[str, str], column: str, limits: tuple[int, int], where: str) -> int:
  text = cells[column]
  low, high = limits
  if not re.fullmatch('-?[0-9]', text) or not low <= int(text) <= high:
    raise UserError(f'{where}: {column} is {text!r}; it must be an integer from {low} to {high}')
  return int(text)


def _require_columns(path: Path, columns: Sequence[str]) -> None:
  """Raises UserError unless the columns are the published ones, each once, in any order."""
  missing = [name for name in COLUMNS if name not in columns]
  if missing:
    raise UserError(f'{path} lacks the column {", ".join(missing)}; it has {", ".join(columns)}')
  unknown = [name for name in columns if name not in COLUMNS]
  if unknown:
    near = labels.nearest(unknown[0], COLUMNS)
    raise UserError(f'{path} has the unknown column {", ".join(unknown)}{near}: take it out')
  if len(columns) > len(COLUMNS):
    raise UserError(f'{path} has a column more than once: keep one')


def _arrow(path: Path) -> tuple[tuple[str, ...], list[csv_tables.Row]]:
  """Columns and rows of an Arrow file, the cells as the CSV would have them."""
  try:
    import pyarrow
  except ImportError as error:
    raise UserError(
      f"reading {path} needs the package pyarrow: pip install -e '.[emosign]', or give the CSV"
    ) from error
  try:
    content = path.read_bytes()
  except OSError as error:
    raise UserError(f'cannot read {path}: {error.strerror or error}') from error
  # A file begins with this mark; a stream, as the package datasets writes it, does not.
  opened = pyarrow.ipc.open_file if content.startswith(b'ARROW1') else pyarrow.ipc.open_stream
  try:
    table = opened(content).read_all()
    table.validate(full=True)
  except (pyarrow.ArrowException, OSError) as error:
    raise UserError(f'{path} is no whole Arrow file: fetch it again from {SOURCE}') from error
  rows = [
    (f'{path}, row {number}', {n: '' if v is None else str(v).strip() for n, v in row.items()})
    for number, row in enumerate(table.to_pylist(), start=1)
  ]
  return tuple(table.column_names), rows

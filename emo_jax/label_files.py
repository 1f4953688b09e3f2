"""Label files: a CSV with a row per clip, its emotion and, from a model, a probability per emotion.

Columns are `id` and `label`; a model's files also have a column per emotion with its probability,
`model` and `revision`.
"""

import csv
import dataclasses
from pathlib import Path

from emo_jax import csv_tables, files, labels
from emo_jax.errors import UserError

PROVENANCE = ('model', 'revision')
_LEAST_SUM, _LARGEST_SUM = 0.99, 1.01  # of probabilities that were rounded


@dataclasses.dataclass(frozen=True)
class Label:
  """One clip's label.

  Attributes:
    label: name of the emotion, of `emo_jax.labels.EMOTIONS`.
    probabilities: per emotion, in that order; empty where a person labelled.
  """

  label: str
  probabilities: tuple[float, ...] = ()


@dataclasses.dataclass(frozen=True)
class LabelFile:
  """What a label file holds.

  Attributes:
    labels: by clip id, in the file's order.
    model, revision: of the model that labelled; empty where a person did.
  """

  labels: dict[str, Label]
  model: str = ''
  revision: str = ''


def header(with_model: bool) -> tuple[str, ...]:
  """The columns of a person's or of a model's file."""
  return ('id', 'label', *labels.EMOTIONS, *PROVENANCE) if with_model else ('id', 'label')


def row(id: str, label: Label, model: str = '', revision: str = '') -> tuple[str, ...]:  # noqa: A002
  """The cells of one clip."""
  if not label.probabilities:
    return id, label.label
  return id, label.label, *(f'{p:.6g}' for p in label.probabilities), model, revision


def write(path: Path, found: LabelFile) -> None:
  """Writes a label file, whole or not at all."""
  with files.replacing(path) as partial, open(partial, 'w', newline='', encoding='utf-8') as f:
    rows = csv.writer(f, lineterminator='\n')
    rows.writerow(header(bool(found.model)))
    rows.writerows(row(i, x, found.model, found.revision) for i, x in found.labels.items())


def read(path: Path) -> LabelFile:
  """Reads a label file.

  Raises:
    UserError: as `csv_tables.read_by_id`; a column that is unknown; an emotion that is unknown or
      empty; probabilities of some emotions only, outside 0..1 or that do not add up to 1; or rows
      of two models.
  """
  allowed = header(True)
  columns, rows = csv_tables.read(path, ('id', 'label'))
  for name in columns:
    if name not in allowed:
      near = labels.nearest(name, allowed)
      raise UserError(f'{path} has an unknown column {name!r}{near}; known: {", ".join(allowed)}')
  there = [name for name in labels.EMOTIONS if name in columns]
  if there and len(there) < len(labels.EMOTIONS):
    lacking = ', '.join(name for name in labels.EMOTIONS if name not in columns)
    raise UserError(f'{path} has probabilities but none of {lacking}: give all seven or none')
  found, origins = {}, {}
  for id, (where, cells) in csv_tables.by_id(rows).items():  # noqa: A001
    found[id] = _label(cells, bool(there), where)
    origins.setdefault(tuple(cells.get(name, '') for name in PROVENANCE), where)
  if len(origins) > 1:
    (one, _), (other, where) = list(origins.items())[:2]
    raise UserError(
      f'{where}: labelled by {" ".join(other).strip() or "nobody named"}, the rows before by '
      f'{" ".join(one).strip() or "nobody named"}: keep a file per model'
    )
  model, revision = next(iter(origins), ('', ''))
  return LabelFile(found, model, revision)


def _label(cells: dict[str, str], with_probabilities: bool, where: str) -> Label:
  try:
    index = labels.index('emotion', cells['label'])
  except UserError as error:
    raise UserError(f'{where}: {error}') from error
  if index == labels.UNKNOWN:
    raise UserError(f'{where}: no label')
  if not with_probabilities:
    return Label(labels.EMOTIONS[index])
  shares = tuple(csv_tables.number(cells[name], where) for name in labels.EMOTIONS)
  if min(shares) < 0 or max(shares) > 1:
    raise UserError(f'{where}: a probability lies outside 0 and 1')
  if not _LEAST_SUM <= sum(shares) <= _LARGEST_SUM:
    raise UserError(f'{where}: the probabilities add up to {sum(shares):.3f} instead of 1')
  return Label(labels.EMOTIONS[index], shares)

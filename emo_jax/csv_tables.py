"""CSV files that people bring: read strictly, with the line of what is wrong."""

import csv
import math
from collections.abc import Collection, Iterable
from pathlib import Path

from emo_jax.errors import UserError

Row = tuple[str, dict[str, str]]  # where it stands, for messages; cells by column, stripped


def read(path: Path, required: Collection[str]) -> tuple[tuple[str, ...], list[Row]]:
  """The columns and the rows of a CSV in UTF-8.

  Raises:
    UserError: it cannot be read, lacks a required column or has one twice, or a row has too many or
      too few cells.
  """
  try:
    with open(path, newline='', encoding='utf-8-sig') as f:
      reader = csv.reader(f, strict=True)
      lines = [(reader.line_num, cells) for cells in reader if cells]
  except UnicodeDecodeError as error:
    raise UserError(f'{path} is not UTF-8 ({error.reason}): save it as UTF-8') from error
  except OSError as error:
    raise UserError(f'cannot read {path}: {error.strerror or error}') from error
  except csv.Error as error:
    raise UserError(f'{path} is no CSV file: {error}') from error
  if not lines:
    raise UserError(f'{path} is empty; its first line must name the columns {", ".join(required)}')
  columns = tuple(name.strip() for name in lines[0][1])
  missing = [name for name in required if name not in columns]
  if missing:
    raise UserError(f'{path} lacks the column {", ".join(missing)}; it has {", ".join(columns)}')
  repeated = sorted({name for name in columns if columns.count(name) > 1})
  if repeated:
    raise UserError(f'{path} has the column {", ".join(repeated)} more than once: keep one')
  rows = []
  for number, cells in lines[1:]:
    where = f'{path}, line {number}'
    if len(cells) != len(columns):
      raise UserError(
        f'{where}: {len(cells)} cells for {len(columns)} columns; a cell with a comma needs quotes'
      )
    rows.append((where, dict(zip(columns, (cell.strip() for cell in cells), strict=True))))
  return columns, rows


def read_by_id(path: Path, required: Collection[str]) -> dict[str, Row]:
  """The rows by their column `id`, in order.

  Raises:
    UserError: as `read`, or an id is empty or there twice.
  """
  return by_id(read(path, ('id', *required))[1])


def by_id(rows: Iterable[Row]) -> dict[str, Row]:
  """Rows by their cell `id`, in order. Raises UserError if one is empty or there twice."""
  found: dict[str, Row] = {}
  for where, row in rows:
    if not row['id']:
      raise UserError(f'{where}: no id')
    if row['id'] in found:
      raise UserError(f'{where}: a second row for {row["id"]}')
    found[row['id']] = where, row
  return found


def number(text: str, where: str) -> float:
  """A finite number. Raises UserError if it is none."""
  try:
    value = float(text)
  except ValueError:
    value = math.nan
  if not math.isfinite(value):
    raise UserError(f'{where}: {text!r} is no number')
  return value

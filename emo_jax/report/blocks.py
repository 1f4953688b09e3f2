"""What a report is made of, before it is Markdown, CSV, LaTeX or a page.

In every text, words between backticks are code.
"""

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Number:
  """A number of a table, printed with its interval in brackets.

  Attributes:
    value: as printed, per cent for scores.
    low, high: ends of the 95 % interval; None where there is none.
    signed: a difference: the sign is always printed.
    decimals: printed.
    note: behind the number, such as `n=0`.
  """

  value: float | int
  low: float | int | None = None
  high: float | int | None = None
  signed: bool = False
  decimals: int = 2
  note: str = ''

  def number(self) -> str:
    """The value alone."""
    return f'{self.value:{"+" if self.signed else ""}.{self.decimals}f}'

  def interval(self) -> str:
    """`[low, high]`; empty where there is none."""
    if self.low is None or self.high is None:
      return ''
    return '[' + ', '.join(f'{x:.{self.decimals}f}' for x in (self.low, self.high)) + ']'

  def text(self) -> str:
    """All of it."""
    note = f'({self.note})' if self.note else ''
    return ' '.join(part for part in (self.number(), self.interval(), note) if part)


Cell = str | int | Number | None  # None: there is none

ABSENT = '-'


@dataclasses.dataclass(frozen=True)
class Column:
  """A column of a table: its name, the head it stands under, if any, and is it of numbers?"""

  name: str
  group: str = ''
  numeric: bool = True

  def full_name(self) -> str:
    """The name where a head has a single line."""
    return f'{self.group}: {self.name}' if self.group else self.name


@dataclasses.dataclass(frozen=True)
class Grid:
  """A table.

  Attributes:
    name: of its files.
    caption: what it shows.
    columns, rows: as many cells in each row as there are columns.
    notes: footnotes, numbered from 1.
    heads: how many columns from the left name the row.
  """

  name: str
  caption: str
  columns: tuple[Column, ...]
  rows: tuple[tuple[Cell, ...], ...]
  notes: tuple[str, ...] = ()
  heads: int = 1


@dataclasses.dataclass(frozen=True)
class Matrix:
  """A confusion matrix: counts of clips, true labels `names` in rows, decisions in `columns`."""

  names: tuple[str, ...]
  columns: tuple[str, ...]
  counts: tuple[tuple[int, ...], ...]


@dataclasses.dataclass(frozen=True)
class Picture:
  """A figure.

  Attributes:
    path: of the PNG.
    vector: of the same as SVG, where there is one.
    matrix: that it shows, which a page has as a table instead.
    caption: what it shows.
    alt: what it says, for who cannot see it.
  """

  path: Path
  caption: str
  alt: str
  vector: Path | None = None
  matrix: Matrix | None = None


@dataclasses.dataclass(frozen=True)
class Text:
  """A paragraph; a warning stands out."""

  text: str
  warning: bool = False


@dataclasses.dataclass(frozen=True)
class Listing:
  """Short paragraphs one below the other."""

  items: tuple[str, ...]


Block = Text | Listing | Grid | Picture


@dataclasses.dataclass(frozen=True)
class Section:
  """A heading with what stands below it.

  Attributes:
    anchor: its name in links.
    title: of the heading.
    blocks: in order.
    level: 2 for a section, 3 for a part of one.
    short: the title in the list of contents, where it is another.
  """

  anchor: str
  title: str
  blocks: tuple[Block, ...]
  level: int = 2
  short: str = ''


def shown(cell: Cell) -> str:
  """A cell as text."""
  if cell is None:
    return ABSENT
  if isinstance(cell, Number):
    return cell.text()
  return f'{cell:,}' if isinstance(cell, int) else cell


@dataclasses.dataclass(frozen=True)
class Document:
  """A report: `title`, sections in order, and what has to be said before anything else."""

  title: str
  warnings: tuple[str, ...]
  sections: tuple[Section, ...]

  def grids(self) -> list[Grid]:
    """All tables in order."""
    return [b for section in self.sections for b in section.blocks if isinstance(b, Grid)]

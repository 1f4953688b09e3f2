"""A report as Markdown, its tables as CSV and LaTeX."""

import csv
import io
import os
import re
from pathlib import Path

from emo_jax import run_report
from emo_jax.report.blocks import Block, Cell, Document, Grid, Listing, Number, Picture, shown

_LATEX = {
  '\\': r'\textbackslash{}',
  '{': r'\{',
  '}': r'\}',
  '%': r'\%',
  '&': r'\&',
  '_': r'\_',
  '#': r'\#',
  '$': r'\$',
  '~': r'\textasciitilde{}',
  '^': r'\textasciicircum{}',
  '<': r'\textless{}',
  '>': r'\textgreater{}',
  '|': r'\textbar{}',
}
_CODE = re.compile(r'`([^`]*)`')


def markdown(document: Document, folder: Path) -> str:
  """The whole report; figures are linked relative to `folder`."""
  parts = [f'# {markdown_text(document.title)}']
  parts += [f'> **{markdown_text(warning)}**' for warning in document.warnings]
  for section in document.sections:
    parts.append(f'{"#" * section.level} {markdown_text(section.title)}')
    parts += [_markdown_block(block, folder) for block in section.blocks]
  return '\n\n'.join(parts) + '\n'


def markdown_text(text: str) -> str:
  """Text that Markdown shows as it is, code apart."""
  parts = re.split(r'(`[^`]*`)', ' '.join(text.split()))
  escaped = [
    part if part.startswith('`') else re.sub(r'([\\*<\[\]|]|(?<!\w)_|_(?!\w))', r'\\\1', part)
    for part in parts
  ]
  return ''.join(escaped)


def markdown_grid(grid: Grid) -> str:
  """A table with its caption above and its footnotes below."""
  head = [markdown_text(column.full_name()) for column in grid.columns]
  rows = [[_markdown_cell(cell) for cell in row] for row in grid.rows]
  numbers = ', '.join(str(i) for i in range(1, len(grid.notes) + 1))
  caption = f'**{markdown_text(grid.caption)}**' + (f' (notes {numbers})' if numbers else '')
  notes = [f'{i}. {markdown_text(note)}' for i, note in enumerate(grid.notes, 1)]
  parts = [caption, run_report.markdown_table(head, rows), '\n'.join(notes)]
  return '\n\n'.join(part for part in parts if part)


def _markdown_cell(cell: Cell) -> str:
  # Brackets of intervals are no links: nothing follows them that would make them one.
  return shown(cell) if isinstance(cell, Number) else markdown_text(shown(cell))


def _markdown_block(block: Block, folder: Path) -> str:
  if isinstance(block, Grid):
    return markdown_grid(block)
  if isinstance(block, Picture):
    path = Path(os.path.relpath(block.path, folder)).as_posix()
    return f'![{markdown_text(block.alt)}]({path})\n\n*{markdown_text(block.caption)}*'
  if isinstance(block, Listing):
    return '\n'.join(f'- {markdown_text(item)}' for item in block.items)
  text = markdown_text(block.text)
  return f'> **{text}**' if block.warning else text


def csv_table(grid: Grid) -> str:
  """The numbers of a table; ends of intervals have columns of their own; absent: empty."""
  with_interval = [
    any(isinstance(row[i], Number) and row[i].low is not None for row in grid.rows)
    for i in range(len(grid.columns))
  ]
  head: list[str] = []
  for column, wide in zip(grid.columns, with_interval, strict=True):
    name = column.full_name() or 'what'
    head += [name, f'{name} low', f'{name} high'] if wide else [name]
  out = io.StringIO()
  writer = csv.writer(out, lineterminator='\n')
  writer.writerow(head)
  for row in grid.rows:
    cells: list[str | int | float] = []
    for cell, wide in zip(row, with_interval, strict=True):
      cells += _csv_cells(cell, wide)
    writer.writerow(cells)
  return out.getvalue()


def _csv_cells(cell: Cell, wide: bool) -> list[str | int | float]:
  if isinstance(cell, Number):
    values = [cell.value, cell.low, cell.high] if wide else [cell.value]
    return ['' if x is None else round(x, 4) for x in values]
  plain = '' if cell is None else cell.replace('`', '') if isinstance(cell, str) else cell
  return [plain, '', ''] if wide else [plain]


def latex_text(text: str) -> str:
  """Text that LaTeX prints as it is."""

  def escaped(part: str) -> str:
    return re.sub('"([^"]*)"', r"``\1''", ''.join(_LATEX.get(x, x) for x in part))

  parts = _CODE.split(text)
  return ''.join(
    rf'\texttt{{{escaped(part)}}}' if i % 2 else escaped(part) for i, part in enumerate(parts)
  )


def _latex_cell(cell: Cell) -> str:
  if cell is None:
    return '--'
  text = latex_text(shown(cell))
  return re.sub(r'(?<![\w.])([-+])(?=\d)', r'$\1$', text) if isinstance(cell, Number) else text


def latex(grid: Grid) -> str:
  """A table of plain LaTeX, with caption and footnotes; needs no package."""
  letters = ''.join('r' if column.numeric else 'l' for column in grid.columns)
  marks = ','.join(str(i) for i in range(1, len(grid.notes) + 1))
  lines = [
    r'\begin{table}',
    r'\centering',
    rf'\caption{{{latex_text(grid.caption)}' + (rf'$^{{{marks}}}$' if marks else '') + '}',
    rf'\label{{tab:{grid.name.replace("_", "-")}}}',
    r'\small\setlength{\tabcolsep}{3pt}',
    rf'\begin{{tabular}}{{{letters}}}',
    r'\hline',
    *_latex_head(grid),
    r'\hline',
    # A row may begin with a bracket, which the end of the row before would take for its own.
    *('{}' + ' & '.join(map(_latex_cell, row)) + r' \\' for row in grid.rows),
    r'\hline',
    r'\end{tabular}',
  ]
  if grid.notes:
    lines += [r'\par\smallskip', r'\begin{minipage}{\linewidth}\footnotesize\raggedright']
    lines += [rf'$^{{{i}}}$ {latex_text(note)}\par' for i, note in enumerate(grid.notes, 1)]
    lines.append(r'\end{minipage}')
  return '\n'.join([*lines, r'\end{table}']) + '\n'


def groups(grid: Grid) -> list[tuple[str, int]]:
  """Heads above columns with the number of columns each spans, in order."""
  found: list[tuple[str, int]] = []
  for column in grid.columns:
    if found and column.group and found[-1][0] == column.group:
      found[-1] = column.group, found[-1][1] + 1
    else:
      found.append((column.group, 1))
  return found


def _latex_head(grid: Grid) -> list[str]:
  names = '{}' + ' & '.join(latex_text(column.name) for column in grid.columns) + r' \\'
  if not any(column.group for column in grid.columns):
    return [names]
  spans = [rf'\multicolumn{{{span}}}{{c}}{{{latex_text(group)}}}' for group, span in groups(grid)]
  return [' & '.join(spans) + r' \\', names]

"""A report as one page that needs nothing else: no script, no font, no picture from elsewhere."""

import base64
import html
import re
import struct
from collections.abc import Sequence

from emo_jax.report import formats
from emo_jax.report.blocks import (
  Block,
  Cell,
  Document,
  Grid,
  Listing,
  Matrix,
  Number,
  Picture,
  Section,
  shown,
)
from emo_jax.report.charts import DPI
from emo_jax.report.style import CSS

_PIXELS = 96  # per inch, of a page
_SHORT = 24  # letters of a row's name that are kept on a line


def page(document: Document) -> str:
  """The whole page."""
  title = html.escape(document.title)
  warnings = ''.join(f'<p class="warning">{text(w)}</p>\n' for w in document.warnings)
  return (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    f'<title>{title}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n'
    '<a class="skip" href="#main">Skip to content</a>\n'
    f'<header>\n<h1>{title}</h1>\n{warnings}</header>\n'
    f'<div class="columns">\n{_contents(document.sections)}'
    f'<main id="main" tabindex="-1">\n{"".join(map(_section, document.sections))}</main>\n'
    '</div>\n</body>\n</html>\n'
  )


def text(plain: str) -> str:
  """Text with its code marked."""
  return re.sub(r'`([^`]*)`', r'<code>\1</code>', html.escape(plain))


def _contents(sections: Sequence[Section]) -> str:
  """A list of links, parts within their sections."""
  lines, inside = [], False
  for section in sections:
    if section.level == 3 and not inside:
      lines.append('<ol>')
    elif section.level == 2:
      lines += ['</ol></li>' if inside else '</li>'] if lines else []
    inside = section.level == 3
    name, colon, rest = (section.short or section.title).partition(': ')
    more = f'<span class="rest">: {text(rest)}</span>' if colon else ''
    breakable = re.sub(r'([/:_])', r'\1<wbr>', text(name))
    link = f'<a href="#{section.anchor}">{breakable}{more}</a>'
    lines.append(f'<li>{link}' + ('</li>' if inside else ''))
  lines.append('</ol></li>' if inside else '</li>')
  listed = '\n'.join(lines)
  return f'<nav aria-label="Contents">\n<h2>Contents</h2>\n<ol>\n{listed}\n</ol>\n</nav>\n'


def _section(section: Section) -> str:
  blocks, pictures = [], []
  for block in section.blocks:
    # Small pictures stand beside one another where there is room.
    if isinstance(block, Picture):
      pictures.append(_picture(block))
      continue
    blocks += _gathered(pictures)
    pictures = []
    blocks.append(_block(block))
  body = ''.join([*blocks, *_gathered(pictures)])
  level = section.level
  return (
    f'<section aria-labelledby="{section.anchor}">\n'
    f'<h{level} id="{section.anchor}">{text(section.title)}</h{level}>\n{body}</section>\n'
  )


def _gathered(pictures: Sequence[str]) -> list[str]:
  return [f'<div class="pictures">\n{"".join(pictures)}</div>\n'] if pictures else []


def _block(block: Block) -> str:
  if isinstance(block, Grid):
    return _grid(block)
  if isinstance(block, Listing):
    items = ''.join(f'<li>{text(item)}</li>\n' for item in block.items)
    return f'<ul>\n{items}</ul>\n'
  kind = ' class="warning"' if block.warning else ''
  return f'<p{kind}>{text(block.text)}</p>\n'


def _grid(grid: Grid) -> str:
  notes, marks = '', ''
  if grid.notes:
    numbered = list(enumerate(grid.notes, 1))
    items = ''.join(f'<li id="{grid.name}-note-{i}">{text(note)}</li>\n' for i, note in numbered)
    notes = f'<ol class="notes" aria-label="Notes">\n{items}</ol>\n'
    links = (f'<a href="#{grid.name}-note-{i}" aria-label="note {i}">{i}</a>' for i, _ in numbered)
    marks = f' <sup>{", ".join(links)}</sup>'
  name = f'{grid.name}-caption'
  body = ''.join(_row(row, grid, i) for i, row in enumerate(grid.rows))
  return (
    f'<figure class="grid">\n<figcaption id="{name}">{text(grid.caption)}{marks}</figcaption>\n'
    f'<div class="box" role="region" tabindex="0" aria-labelledby="{name}">\n'
    f'<table aria-labelledby="{name}">\n<thead>\n{_head(grid)}</thead>\n'
    f'<tbody>\n{body}</tbody>\n</table>\n</div>\n{notes}</figure>\n'
  )


def _head(grid: Grid) -> str:
  grouped = any(column.group for column in grid.columns)
  first, second, start = [], [], 0
  for group, span in formats.groups(grid):
    inside = grid.columns[start : start + span]
    if group:
      first.append(f'<th scope="colgroup" colspan="{span}" class="group">{text(group)}</th>')
    for i, column in enumerate(inside, start):
      rows = ' rowspan="2"' if grouped and not group else ''
      name = text(column.name) or '<span class="hidden">what</span>'
      cell = f'<th scope="col"{rows}{_kind(grid, i)}>{name}</th>'
      (second if group else first).append(cell)
    start += span
  lines = [first, second] if grouped else [first]
  return ''.join(f'<tr>{"".join(line)}</tr>\n' for line in lines)


def _kind(grid: Grid, i: int) -> str:
  """The class of a column: numbers to the right, the first one stays in sight."""
  said = [*(['number'] if grid.columns[i].numeric else []), *(['first'] if i == 0 else [])]
  return f' class="{" ".join(said)}"' if said else ''


def _row(row: Sequence[Cell], grid: Grid, number: int) -> str:
  cells = []
  merged = grid.heads > 1
  same_above = number > 0 and grid.rows[number - 1][0] == row[0]
  for i, cell in enumerate(row):
    kind = _kind(grid, i)
    if i == 0 and merged:
      if same_above:
        continue
      span = next(
        (n for n, other in enumerate(grid.rows[number:]) if other[0] != row[0]),
        len(grid.rows) - number,
      )
      cells.append(f'<th scope="rowgroup" rowspan="{span}"{kind}>{_cell(cell)}</th>')
    elif i < grid.heads:
      kind = ' class="short"' if i and len(shown(cell)) <= _SHORT else kind
      cells.append(f'<th scope="row"{kind}>{_cell(cell)}</th>')
    else:
      cells.append(f'<td{kind}>{_cell(cell)}</td>')
  new = ' class="new"' if merged and not same_above else ''
  return f'<tr{new}>{"".join(cells)}</tr>\n'


def _cell(cell: Cell) -> str:
  if isinstance(cell, Number):
    interval = cell.interval().replace('-', '\u2212')
    parts = [cell.number().replace('-', '\u2212')]
    parts += [f'<span class="small">{interval}</span>'] if interval else []
    parts += [f'<span class="small">({text(cell.note)})</span>'] if cell.note else []
    return ' '.join(parts)
  return '<span aria-label="none">\u2013</span>' if cell is None else text(shown(cell))


def _picture(picture: Picture) -> str:
  caption = f'<figcaption>{text(picture.caption)}</figcaption>\n'
  if picture.matrix:
    return f'<figure class="picture">\n{_matrix(picture.matrix, picture)}{caption}</figure>\n'
  kind, path = ('svg+xml', picture.vector) if picture.vector else ('png', picture.path)
  data = base64.b64encode(path.read_bytes()).decode()
  width, height = (round(n * _PIXELS / DPI) for n in _pixels(picture.path.read_bytes()))
  return (
    f'<figure class="picture">\n<div class="box" role="region" tabindex="0" '
    f'aria-label="{html.escape(picture.caption)}">'
    f'<img alt="{html.escape(picture.alt)}" width="{width}" height="{height}" '
    f'src="data:image/{kind};base64,{data}"></div>\n{caption}</figure>\n'
  )


def _pixels(png: bytes) -> tuple[int, int]:
  """Width and height, from where every PNG has them."""
  width, height = struct.unpack('>II', png[16:24])
  return width, height


def _matrix(matrix: Matrix, picture: Picture) -> str:
  """A confusion matrix as a table whose cells are shaded by the share of the true label."""
  head = ''.join(f'<th scope="col" class="number">{text(name)}</th>' for name in matrix.columns)
  rows = []
  for name, counts in zip(matrix.names, matrix.counts, strict=True):
    cells = []
    for count in counts:
      percent = round(100 * count / max(sum(counts), 1))
      shade = f' style="--share:{percent}%"' if percent else ''
      cells.append(f'<td class="number"{shade}>{count:,}</td>')
    rows.append(
      f'<tr><th scope="row" class="first">{text(name)}</th>{"".join(cells)}'
      f'<td class="number sum">{sum(counts):,}</td></tr>\n'
    )
  caption = html.escape(picture.caption)
  return (
    f'<div class="box" role="region" tabindex="0" aria-label="{caption}">\n'
    f'<table class="matrix" aria-label="{caption}">\n<thead>\n<tr><td class="first"></td>'
    f'<th scope="colgroup" class="group" colspan="{len(matrix.columns)}">decision</th>'
    '<td></td></tr>\n'
    f'<tr><th scope="col" class="first">true label</th>{head}'
    f'<th scope="col" class="number sum">clips</th></tr>\n</thead>\n'
    f'<tbody>\n{"".join(rows)}</tbody>\n</table></div>\n'
  )

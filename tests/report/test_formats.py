"""Tables that can be read back: CSV, Markdown and LaTeX."""

import csv
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from emo_jax import published
from emo_jax.report import formats
from emo_jax.report.blocks import Column, Grid, Number

HARD = '50 % of A_B & {C} | #1 ~ ^2 $3 \\n <4> "five"'
GRID = Grid(
  'hard',
  f'Caption: {HARD}',
  (Column('method', numeric=False), Column('ours', 'wAcc'), Column('paper', 'wAcc'), Column('n')),
  (
    (HARD, Number(12.3456, 10.0, 15.5), Number(-1.0, signed=True), 1092),
    ('[2] `configs/a_b.py`', None, Number(0.0, note='n=0'), None),
  ),
  ('A note: 5 % & more',),
)


def test_csv_parses_back():
  head, *rows = csv.reader(formats.csv_table(GRID).splitlines())
  assert head == ['method', 'wAcc: ours', 'wAcc: ours low', 'wAcc: ours high', 'wAcc: paper', 'n']
  assert rows == [
    [HARD, '12.3456', '10.0', '15.5', '-1.0', '1092'],
    ['[2] configs/a_b.py', '', '', '', '0.0', ''],
  ]


def test_every_csv_of_a_report_is_rectangular(synthetic, real):
  for folder in (synthetic, real):
    paths = list((folder / 'tables').glob('*.csv'))
    assert {*published.TABLES, *published.COUNTS} <= {path.stem for path in paths}
    for path in paths:
      with open(path, newline='') as f:
        rows = list(csv.reader(f))
      assert len({len(row) for row in rows}) == 1 and len(rows) > 1, path
      assert len(set(rows[0])) == len(rows[0]), path


def test_csv_has_the_numbers_of_the_report(real):
  with open(real / 'tables/table3.csv', newline='') as f:
    full = next(csv.DictReader(f))
  assert float(full['macro F1: paper']) == 12.11
  ours, low, high = (float(full[f'macro F1: ours{end}']) for end in ('', ' low', ' high'))
  assert low < ours < high
  assert float(full['macro F1: difference']) == pytest.approx(ours - 12.11, abs=0.0051)


def cells(line):
  return re.split(r'(?<!\\)\|', line)[1:-1]


def tables_of(text):
  """Runs of lines that begin with a stroke."""
  return [block.splitlines() for block in re.findall(r'(?m)(?:^\|.*\n)+', text)]


def test_markdown_is_well_formed(synthetic, real):
  for folder in (synthetic, real):
    text = (folder / 'report.md').read_text()
    for lines in tables_of(text):
      assert len({len(cells(line)) for line in lines}) == 1, lines[0]
      assert re.fullmatch(r'\|(-+\|)+', lines[1]) and len(lines) > 2
    for path in re.findall(r'!\[.*?\]\((.*?)\)', text):
      assert (folder / path).is_file() and path.endswith('.png')
  assert r'first \<2 s> \| 50 % & more' in (real / 'report.md').read_text()


def test_a_stroke_in_a_cell_does_not_end_it():
  (lines,) = tables_of(formats.markdown_grid(GRID) + '\n')
  assert [len(cells(line)) for line in lines] == [4] * 4
  assert '12.35 [10.00, 15.50]' in lines[2] and '0.00 (n=0)' in lines[3]


def test_latex_escapes():
  text = formats.latex(GRID)
  assert (
    r'50 \% of A\_B \& \{C\} \textbar{} \#1 \textasciitilde{} \textasciicircum{}2 \$3 '
    r"\textbackslash{}n \textless{}4\textgreater{} ``five''"
  ) in text
  assert r'{}[2] \texttt{configs/a\_b.py} & -- & 0.00 (n=0) & -- \\' in text
  assert r'12.35 [10.00, 15.50] & $-$1.00 & 1,092 \\' in text
  assert r'\multicolumn{2}{c}{wAcc}' in text and r'$^{1}$ A note: 5 \% \& more\par' in text


def require_latex(text):
  """As many cells in each row as columns, braces in pairs, no letter that has to be escaped."""
  depth = 0
  for letter in re.sub(r'\\[{}\\%&_#$]', '', text):
    depth += (letter == '{') - (letter == '}')
    assert depth >= 0
  assert depth == 0 and text.isascii()
  columns = len(re.search(r'\\begin\{tabular\}\{([lr]+)\}', text)[1])
  for line in text.splitlines():
    if line.endswith(r'\\'):
      spans = sum(int(n) - 1 for n in re.findall(r'\\multicolumn\{(\d+)\}', line))
      assert len(re.split(r'(?<!\\)&', line)) + spans == columns, line
    plain = re.sub(r'\\.|\$\^\{[\d,]+\}\$|\$[-+]\$', '', line)
    assert not re.search(r'[%#_$~^<>|"]', plain), line


def test_every_latex_of_a_report_is_sound(synthetic, real):
  for folder in (synthetic, real):
    for path in (folder / 'tables').glob('*.tex'):
      require_latex(path.read_text())


def test_latex_compiles(real, tmp_path):
  program = shutil.which('pdflatex') or shutil.which('tectonic')
  if not program:
    pytest.skip('no LaTeX here')
  tables = '\n'.join(path.read_text() for path in sorted((real / 'tables').glob('*.tex')))
  text = rf'\documentclass{{article}}\begin{{document}}{tables}\end{{document}}'
  (tmp_path / 'all.tex').write_text(text.replace(r'\begin{table}', r'\clearpage\begin{table}'))
  options = ['-interaction=nonstopmode', '-halt-on-error'] if 'pdflatex' in program else []
  done = subprocess.run([program, *options, 'all.tex'], cwd=tmp_path, capture_output=True)
  assert done.returncode == 0, done.stdout[-2000:]
  assert Path(tmp_path / 'all.pdf').stat().st_size

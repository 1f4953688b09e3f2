"""The files of a report."""

import sys
from collections.abc import Sequence
from pathlib import Path

from emo_jax import run_dir
from emo_jax.errors import UserError
from emo_jax.report import document, formats, mixing, page, rows


def report(workdirs: Sequence[Path], out: Path, allow_mixed: bool) -> tuple[Path, Path]:
  """Writes the report of finished runs; the same runs give the same bytes.

  Args:
    workdirs: of the runs.
    out: folder of the report.
    allow_mixed: put runs side by side that are not alike, and say so.

  Returns:
    The paths of the page and of the Markdown.

  Raises:
    UserError: as rows.collect and mixing.require_same, or `out` is the folder of a run or cannot be
      written.
  """
  collected = rows.collect(workdirs)
  mixed = mixing.require_same(collected, allow_mixed)
  for text in collected.empty:
    print(text, file=sys.stderr)
  if not collected.filled:
    print('no run fills a row of a table: all is under Other evaluations', file=sys.stderr)
  if (out / 'config.json').exists():
    raise UserError(f'{out} holds a run, whose own report would be lost: name another --out')
  try:
    (out / 'tables').mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise UserError(f'cannot write to {out}: {error.strerror or error}') from error
  print(f'{len(collected.runs)} runs read: comparing and drawing', file=sys.stderr)
  made = document.build(collected, mixed, out / 'figures')
  for grid in made.grids():
    run_dir.write_text(out / 'tables' / f'{grid.name}.csv', formats.csv_table(grid))
    run_dir.write_text(out / 'tables' / f'{grid.name}.tex', formats.latex(grid))
  markdown, html = out / 'report.md', out / 'report.html'
  run_dir.write_text(markdown, formats.markdown(made, out))
  run_dir.write_text(html, page.page(made))
  return html, markdown

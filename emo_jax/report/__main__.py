"""Finished runs side by side, beside the paper's tables.

python -m emo_jax.report WORKDIR... [--out=DIR] [--allow_mixed]

Writes `report.html`, a page that needs no other file; `report.md`; every table as CSV and LaTeX in
`tables`; every figure as PNG and SVG in `figures`. A run fills the row that its config names. Runs
on features of different keys, on synthetic beside real clips, or whose training clips different
classifiers labelled are refused unless --allow_mixed is given.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from emo_jax.errors import ArgumentParser, exit_status


def main(argv: Sequence[str]) -> None:
  """Reads the runs, writes the report and prints where it is."""
  parser = ArgumentParser(prog='python -m emo_jax.report', description=__doc__)
  parser.add_argument('workdirs', metavar='WORKDIR', nargs='+', help='of a finished run')
  parser.add_argument('--out', default='runs/report', help='folder of the report (runs/report)')
  parser.add_argument(
    '--allow_mixed', action='store_true', help='put runs side by side that are not alike'
  )
  arguments = parser.parse_args(argv)
  from emo_jax.report import write

  for path in write.report(
    [Path(x) for x in arguments.workdirs], Path(arguments.out), arguments.allow_mixed
  ):
    print(path)


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

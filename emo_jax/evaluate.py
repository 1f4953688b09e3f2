"""Scores a trained run on another corpus and adds the result to its report.

python -m emo_jax.evaluate WORKDIR --corpus=ejsl --split=all [--segment=last_2s] [--data_dir=DIR]
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from emo_jax import evaluation, run_dir, run_report, runtime
from emo_jax.errors import ArgumentParser, exit_status


def main(argv: Sequence[str]) -> None:
  """Evaluates; prints the table of the whole report."""
  parser = ArgumentParser(prog='python -m emo_jax.evaluate', description=__doc__)
  parser.add_argument('workdir', help='of a finished run')
  parser.add_argument('--corpus', required=True, help='<builder>[/<config>], such as ejsl')
  parser.add_argument('--split', required=True, help='<split>[+<split>], or all')
  parser.add_argument(
    '--segment', default='', help="full, random_2s or last_2s; default: the run's"
  )
  parser.add_argument('--data_dir', default='', help="where the corpus lies; default: the run's")
  arguments = parser.parse_args(argv)
  runtime.prepare()
  workdir = Path(arguments.workdir)
  evaluation.score_run(
    workdir, arguments.corpus, arguments.split, arguments.data_dir, arguments.segment
  )
  print(run_report.summary(run_report.read(workdir), run_dir.read_config(workdir)['paper']))
  print(workdir / 'report.md')


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

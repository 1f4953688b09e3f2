"""Labels sentences by hand, with one key per emotion.

python -m emo_jax.annotate SENTENCES.csv --out=LABELS.csv

SENTENCES.csv has the columns id and text, and before and after for a sentence's neighbours.
LABELS.csv (id,label) and its log, LABELS.csv.log, are on disk with every key; started again, the
program goes on where one stopped. A second annotator gives another --out. `h` shows the task and
the keys.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from emo_jax.errors import ArgumentParser, UserError, exit_status
from emo_jax.text import annotation, sentences


def main(argv: Sequence[str]) -> None:
  """Shows sentences until the user quits; prints how far the labels are."""
  parser = ArgumentParser(prog='python -m emo_jax.annotate', description=__doc__)
  parser.add_argument('sentences', metavar='SENTENCES.csv', help='what to label')
  parser.add_argument('--out', required=True, metavar='LABELS.csv', help="this annotator's labels")
  arguments = parser.parse_args(argv)
  to_label, out = sentences.read(Path(arguments.sentences)), Path(arguments.out)
  if not (sys.stdin.isatty() and sys.stderr.isatty()):
    raise UserError(
      'labelling needs a terminal: run it in one, without redirecting input or errors'
    )
  # Textual is an extra.
  from emo_jax.annotation_screen import AnnotationApp

  with annotation.Session(to_label, out) as session:
    problem = AnnotationApp(session).run()
  if problem:
    raise UserError(problem)
  print(
    f'{out}: {session.labelled} of {len(to_label)} sentences labelled, {session.skipped} skipped'
  )


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

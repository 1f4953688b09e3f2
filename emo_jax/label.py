"""Command: emotions of sentences, by a text classifier, or scores of classifiers on labelled ones.

  python -m emo_jax.label SUBTITLES.csv --out=LABELS.csv [--model=DIR|NAME[@REVISION]]
  python -m emo_jax.label --evaluate=LABELLED.csv [--model=... --model=...] [--report=FILE.json]
    [--text_column=text] [--label_column=label]

The first writes a row per sentence: its id, its most probable emotion, the probability of each, the
model and its revision. Killed at any moment and started again with the same words it goes on and
ends with the same file. A sentence is labelled by itself; one without text is refused.

The second prints, as JSON, each model's scores and, of several, which has the best macro F1 and on
which set it was chosen. A set on which a model was chosen is no test of that model.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from emo_jax import files
from emo_jax.errors import ArgumentParser, UserError, exit_status
from emo_jax.text import emotion, labelling, sentences, ter_metrics
from emo_jax.video import folders


def main(argv: Sequence[str]) -> None:
  """Labels or evaluates. Raises UserError for mistakes."""
  arguments = _arguments(argv)
  if target := arguments.out or arguments.report:
    folders.make_writable(Path(target).parent)
  if arguments.evaluate:
    _evaluate(arguments)
    return
  table, out = Path(arguments.sentences), Path(arguments.out)
  found = sentences.read(table)
  if not found:
    raise UserError(f'{table} has no sentence')
  if empty := [s.id for s in found if not s.text]:
    raise UserError(f'{table}: {empty[0]} has no text ({len(empty)} such): leave those rows out')
  classifier = emotion.load(arguments.model[0], arguments.device)
  labelling.label(classifier, found, out, arguments.batch_size)
  print(out)


def _evaluate(arguments: argparse.Namespace) -> None:
  labelled = ter_metrics.read(
    Path(arguments.evaluate), arguments.text_column, arguments.label_column
  )
  scored = []
  for model in arguments.model:
    print(model, file=sys.stderr, flush=True)
    classifier = emotion.load(model, arguments.device)
    scored.append(ter_metrics.score(classifier, labelled, arguments.batch_size))
  said = json.dumps(ter_metrics.compare(scored), indent=2)
  print(said)
  if arguments.report:
    try:
      with files.replacing(arguments.report) as partial:
        partial.write_text(said + '\n')
    except OSError as error:
      raise UserError(f'cannot write {arguments.report}: {error.strerror}') from error


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
  parser = ArgumentParser(prog='python -m emo_jax.label', description=__doc__)
  parser.add_argument('sentences', nargs='?', metavar='SUBTITLES.csv', help='with id and text')
  parser.add_argument('--out', metavar='LABELS.csv')
  parser.add_argument('--evaluate', metavar='LABELLED.csv', help='scores instead of labels')
  parser.add_argument(
    '--model',
    action='append',
    metavar='MODEL',
    help='directory of a transformers sequence classifier, or its name on the Hugging Face hub; '
    f'default {emotion.PAPERS_MODEL}, as in the paper',
  )
  parser.add_argument('--text_column', default='text', help='of LABELLED.csv')
  parser.add_argument('--label_column', default='label', help='of LABELLED.csv')
  parser.add_argument('--report', metavar='FILE.json', help='keeps what --evaluate prints')
  parser.add_argument('--device', default='auto', help="torch's name, such as cpu or cuda:1")
  parser.add_argument('--batch_size', type=_positive, default=32, help='sentences at once')
  arguments = parser.parse_args(argv)
  arguments.model = arguments.model or [emotion.PAPERS_MODEL]
  if not arguments.evaluate and not (arguments.sentences and arguments.out):
    raise UserError('give either SUBTITLES.csv and --out, or --evaluate')
  if arguments.evaluate and (arguments.sentences or arguments.out):
    raise UserError('--evaluate goes without SUBTITLES.csv and --out')
  if not arguments.evaluate and (len(arguments.model) > 1 or arguments.report):
    raise UserError('several --model and --report go with --evaluate; one model labels')
  return arguments


def _positive(text: str) -> int:
  if not text.isdecimal() or not int(text):
    raise argparse.ArgumentTypeError(f'{text!r} is not a whole number above 0')
  return int(text)


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

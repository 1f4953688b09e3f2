"""Asks a vision language model for the emotion of every clip of a data set.

  python -m emo_jax.vlm --corpus=emosign/single --videos=CLIPS --model=NAME --out=ANSWERS.jsonl
    [--base_url=URL] [--data_dir=DATA] [--task=emotion] [--with_captions [--captions=CSV]]

Any server with OpenAI's chat completions is asked, such as OpenAI itself, or vLLM or Ollama at home
(--base_url=http://localhost:8000/v1), at temperature 0. A clip is shown as frames, 10 per second as
in EmoSign; the answer is held to the task's labels where the server can do that. The data set says
which clips there are and what is true of them (emosign/labels needs no features); the model sees
neither labels nor names. The key is read from the environment (OPENAI_API_KEY, or the variable that
--api_key_env names); local servers need none.

ANSWERS.jsonl has a line per clip: `label`, null where the answer fits no class, and the answer as
it came. emo_jax.score reads it. Every answer is kept in ANSWERS.jsonl.cache: killed at any moment
and started again, nothing that was answered is asked again. With answers missing (the server
failed, or --max_cost was reached) ANSWERS.jsonl is not written, and the status is 1; it is 2 where
something must be mended first, such as the key, or an address at which nobody answers.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from emo_jax import csv_tables, files, labels, references
from emo_jax.errors import ArgumentParser, UserError, exit_status, first_of
from emo_jax.references import Reference
from emo_jax.video import folders
from emo_jax.vlm import asking, client, frames, kept_answers, secrets, wording
from emo_jax.vlm.asking import Outcome, Question
from emo_jax.vlm.client import Server
from emo_jax.vlm.kept_answers import Cache
from emo_jax.vlm.spending import Costs, Prices

_NAMED = 3  # clips that a message names


def main(argv: Sequence[str]) -> int:
  """Asks and writes the answers; returns 1 if some are missing. Raises UserError for mistakes."""
  arguments = _arguments(argv)
  prices = Prices(arguments.price_in, arguments.price_out, arguments.max_cost)
  shown = frames.Settings(arguments.fps, arguments.max_frames, arguments.max_side)
  out = Path(arguments.out)
  if out.exists() and not out.is_file():
    raise UserError(f'--out={out} is no file: name one')
  with Server(_server_settings(arguments), secrets.key_of(arguments.api_key_env)) as server:
    questions = _questions(arguments, shown)
    folders.make_writable(out.parent)
    with Cache(out.with_name(f'{out.name}.cache')) as cache:
      costs = Costs(prices)
      for question in questions:
        if kept := cache.get(question.key):
          costs.add(kept)
      _announce(server, questions, cache, costs, shown)
      outcome = asking.ask(server, questions, cache, costs, shown, arguments.concurrency)
      lines = [
        asking.line(question, kept) for question in questions if (kept := cache.get(question.key))
      ]
  _say(f'{len(lines)} of {len(questions)} clips answered, {costs.text}')
  if len(lines) < len(questions):
    return _incomplete(out, len(questions) - len(lines), len(questions), outcome)
  with files.replacing(out) as partial:
    partial.write_text(''.join(json.dumps(line) + '\n' for line in lines))
  if strange := [line['id'] for line in lines if line['no_class']]:
    _say(f'{len(strange)} answers fit no class: {first_of(strange, _NAMED)}')
  print(out)
  return 0


def _questions(arguments: argparse.Namespace, shown: frames.Settings) -> list[Question]:
  """A question per labelled clip.

  Raises:
    UserError: as `references` and `frames.find`, or a clip has no caption.
  """
  found = references.read(arguments.corpus, arguments.split, arguments.data_dir, arguments.task)
  if arguments.subset:
    found = references.subset(found, Path(arguments.subset))
  clips = found.labelled
  if left_out := len(found.clips) - len(clips):
    _say(f'{left_out} of {len(found.clips)} clips have no label for {arguments.task}: not asked')
  spans = frames.find(arguments.corpus, Path(arguments.videos), list(clips))
  captions = _captions(arguments, clips)
  digests = {video: frames.digest(video) for video in frames.by_video(spans)}
  questions = []
  for id_, span in spans.items():
    prompt = wording.Prompt(arguments.task, captions[id_])
    key = kept_answers.key(
      id=id_,
      model=arguments.model,
      base_url=arguments.base_url.rstrip('/'),
      prompt_version=wording.VERSION,
      prompt=prompt.text,
      labels=labels.names(arguments.task),
      frames=frames.identity(span, digests[span.video], shown),
      max_tokens=arguments.max_tokens,
    )
    questions.append(Question(clips[id_], span, prompt, key))
  return questions


def _captions(arguments: argparse.Namespace, clips: Mapping[str, Reference]) -> dict[str, str]:
  """Caption by clip, '' without --with_captions. Raises UserError if a clip has none."""
  if not arguments.with_captions:
    return dict.fromkeys(clips, '')
  rows = csv_tables.read_by_id(Path(arguments.captions), ('text',)) if arguments.captions else {}
  found = {
    id_: ' '.join((rows[id_][1]['text'] if id_ in rows else clip.text).split())
    for id_, clip in clips.items()
  }
  without = [id_ for id_, caption in found.items() if not caption]
  if without:
    raise UserError(
      f'{len(without)} of {len(clips)} clips have no caption ({first_of(without, _NAMED)}): give '
      'them by --captions=CSV with the columns id and text'
    )
  return found


def _announce(
  server: Server,
  questions: Sequence[Question],
  cache: Cache,
  costs: Costs,
  shown: frames.Settings,
) -> None:
  """Says what will be sent where."""
  left = [question for question in questions if cache.get(question.key) is None]
  images = sum(_images(question, shown) for question in left)
  _say(
    f'{len(questions)} clips: {len(questions) - len(left)} answered before, {len(left)} requests '
    f'with about {images:,} frames ({shown.fps:g} per second, at most {shown.most} of a clip and '
    f'{shown.max_side} pixels) go to {server.host}; see that the licence of the videos allows it'
  )
  if len(left) < len(questions):
    _say(f'answers from before: {costs.text}')


def _images(question: Question, shown: frames.Settings) -> int:
  try:
    return frames.count(question.span, shown)
  except UserError:
    return 0  # which is said when its turn comes


def _incomplete(out: Path, missing: int, total: int, outcome: Outcome) -> int:
  """Says what is missing and why. Raises UserError if nothing helps but the user."""
  for id_ in list(outcome.failed)[:_NAMED]:
    _say(f'{id_}: {outcome.failed[id_]}')
  if len(outcome.failed) > _NAMED:
    _say(f'and {len(outcome.failed) - _NAMED} more')
  why = f'; {outcome.stopped}' if outcome.stopped else ''
  stale = ' (there is one of an earlier call)' if out.exists() else ''
  said = f'{missing} of {total} answers are missing, {out} is not written{stale}{why}'
  if outcome.denied:
    raise UserError(said)
  _say(f'{said}; started again, it goes on with those')
  return 1


def _server_settings(arguments: argparse.Namespace) -> client.Settings:
  return client.Settings(
    model=arguments.model,
    base_url=arguments.base_url,
    timeout_s=arguments.timeout,
    retries=arguments.retries,
    max_wait_s=arguments.max_wait,
    max_tokens=arguments.max_tokens,
  )


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
  _refuse_keys(argv)
  parser = ArgumentParser(prog='python -m emo_jax.vlm', description=__doc__)
  references.add_flags(parser)
  parser.add_argument('--videos', required=True, metavar='DIR', help='called as the clips')
  parser.add_argument('--subset', default='', metavar='IDS.csv', help='ask of these clips alone')
  parser.add_argument('--task', choices=wording.QUESTIONS, default='emotion')
  parser.add_argument('--model', required=True, help='its name at the server')
  url = os.environ.get('OPENAI_BASE_URL') or client.OPENAI_URL
  parser.add_argument('--base_url', default=url, help="the server's (default: OpenAI's)")
  parser.add_argument('--api_key_env', metavar='NAME', help='variable that holds the key')
  parser.add_argument('--out', required=True, metavar='ANSWERS.jsonl')
  parser.add_argument('--with_captions', action='store_true', help='show the caption too')
  parser.add_argument('--captions', default='', metavar='CSV', help='id and text (default: stored)')
  parser.add_argument('--fps', type=_above_0, default=10.0, help='frames per second (10)')
  parser.add_argument('--max_frames', type=_count, default=200, help='of one clip (200)')
  parser.add_argument('--max_side', type=_count, default=512, help='pixels of a frame (512)')
  parser.add_argument('--max_tokens', type=_count_or_0, default=256, help='of an answer; 0: any')
  parser.add_argument('--concurrency', type=_count, default=4, help='requests at once (4)')
  parser.add_argument('--timeout', type=_above_0, default=120.0, help='seconds of silence (120)')
  parser.add_argument('--retries', type=_count_or_0, default=5, help='of a request (5)')
  parser.add_argument(
    '--max_wait',
    type=_at_least_0,
    default=60.0,
    help='longest wait before a retry, in seconds (60)',
  )
  parser.add_argument('--price_in', type=_at_least_0, help='of a million tokens sent')
  parser.add_argument('--price_out', type=_at_least_0, help='of a million tokens answered')
  parser.add_argument('--max_cost', type=_at_least_0, help='of this file, earlier calls included')
  arguments = parser.parse_args(argv)
  if arguments.captions and not arguments.with_captions:
    raise UserError('--captions is read with --with_captions only: give both or neither')
  secrets.require_url(arguments.base_url)
  return arguments


def _refuse_keys(argv: Sequence[str]) -> None:
  """A key among the flags would be in the shell's history, and in the message about the flag."""
  for word in argv:
    flag = word.partition('=')[0].lower().replace('-', '_').strip('_')
    if flag in ('api_key', 'apikey', 'key', 'token', 'openai_api_key'):
      raise UserError(
        f'no flag takes a key: set {secrets.KEY_VARIABLE}, or name another variable of the '
        'environment by --api_key_env'
      )


def _at_least_0(text: str) -> float:
  try:
    value = float(text)
  except ValueError:
    value = math.nan
  if not 0 <= value < math.inf:
    raise argparse.ArgumentTypeError(f'{text!r} is no number of at least 0')
  return value


def _above_0(text: str) -> float:
  value = _at_least_0(text)
  if not value:
    raise argparse.ArgumentTypeError(f'{text!r} is not above 0')
  return value


def _count(text: str) -> int:
  if not text.isdecimal() or not int(text):
    raise argparse.ArgumentTypeError(f'{text!r} is not a whole number above 0')
  return int(text)


def _count_or_0(text: str) -> int:
  return int(text) if text == '0' else _count(text)


def _say(line: str) -> None:
  print(line, file=sys.stderr, flush=True)


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

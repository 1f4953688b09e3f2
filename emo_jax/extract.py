"""Command: features of videos, one `.npz` per video.

  python -m emo_jax.extract --weights=FILE|random --out=DIR [--pose]
    [--hand_model=FILE | --hands_from=DIR] [--sampling=index|time] [--shard=I/N] VIDEO...

A video that is done already, with the same compatibility key, is skipped; one that was under way
goes on where it stopped. Videos that fail are listed in `extract_errors.csv` beside the others'
features (file, reason).
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from emo_jax import runtime
from emo_jax.errors import ArgumentParser, UserError, exit_status
from emo_jax.video import (
  clip,
  error_list,
  extractor,
  feature_files,
  folders,
  following,
  hand_model,
  pose_files,
  sampling,
)


def main(argv: Sequence[str]) -> int:
  """Extracts the videos; 1 if some failed. Raises UserError for other mistakes, or a full disk."""
  arguments = _arguments(argv)
  runtime.keep_programs()
  out = Path(arguments.out)
  number, count = arguments.shard
  every = feature_files.targets_of(arguments.videos, out)  # of all shards: names must differ
  targets = dict(sorted(every.items())[number - 1 :: count]) if count > 1 else every
  errors = out / error_list.name(arguments.shard)
  if arguments.pose:
    for target in targets.values():
      pose_files.require_replaceable(target.with_suffix('.pose'))
  pose_hands = pose_files.in_folder(arguments.hands_from, every)
  run = extractor.from_flags(arguments, pose_hands=pose_hands)
  folders.make_writable(out)
  failed = _unnameable(targets)
  wanted = {video: target for video, target in targets.items() if video not in failed}
  videos = {target: video for video, target in wanted.items()}
  for target, error in feature_files.extract_all(wanted, run):
    if arguments.pose and error is None:
      try:
        pose_files.write(target.with_suffix('.pose'), clip.load(target)[0])
      except UserError as unwritten:
        error = unwritten
    if error is None:
      print(target, flush=True)
    else:
      failed[videos[target]] = error
      error_list.write(errors, failed)
  error_list.write(errors, failed)
  if failed:
    print(
      f'{len(failed)} of {len(targets)} videos failed, listed in {errors}:',
      file=sys.stderr,
    )
    for error in failed.values():
      print(f'  {error}', file=sys.stderr)
  return 1 if failed else 0


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
  parser = ArgumentParser(prog='python -m emo_jax.extract', description=__doc__)
  parser.add_argument(
    '--weights', help=f'converted weights or `random` (env {extractor.WEIGHTS_VARIABLE})'
  )
  parser.add_argument('--out', required=True, help='folder of the .npz files')
  hands = parser.add_mutually_exclusive_group()
  hands.add_argument('--hand_model', help=f'hand_landmarker.task (env {hand_model.VARIABLE})')
  hands.add_argument('--hands_from', metavar='DIR', help='folder of <video>.pose files with hands')
  parser.add_argument('--pose', action='store_true', help='write <video>.pose beside the .npz too')
  parser.add_argument('--sampling', choices=sampling.RULES, default='index')
  parser.add_argument('--search', choices=following.SEARCHES, default='follow', help='for the face')
  extractor.add_engine_flags(parser)
  parser.add_argument(
    '--shard',
    type=_shard,
    default=(1, 1),
    metavar='I/N',
    help='the I-th of N equal shares of the videos, for N machines given the same list',
  )
  parser.add_argument('videos', nargs='+', metavar='VIDEO')
  return parser.parse_args(argv)


def _shard(text: str) -> tuple[int, int]:
  number, _, count = text.partition('/')
  if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
    raise argparse.ArgumentTypeError(f'{text!r} is not I/N with I from 1 to N')
  return int(number), int(count)


def _unnameable(targets: Mapping[Path, Path]) -> dict[Path, UserError]:
  """The videos whose `.npz` the file system refuses to name, mostly as too long, and why."""
  refused = {}
  for video, target in targets.items():
    try:
      os.lstat(feature_files.parts_folder(target))  # the longest of the names
    except FileNotFoundError:
      pass
    except OSError as error:
      refused[video] = UserError(f'{video}: {target} cannot be written ({error.strerror}): rename')
  return refused


if __name__ == '__main__':
  sys.stdout.reconfigure(errors='surrogateescape')  # names of folders need not be UTF-8
  sys.exit(exit_status(main, sys.argv[1:]))

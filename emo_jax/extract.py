"""Command: features of videos, one `.npz` per video.

  python -m emo_jax.extract --weights=FILE|random --out=DIR [--hand_model=FILE]
    [--sampling=index|time] VIDEO...

A video that is done already, with the same compatibility key, is skipped.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from emo_jax.errors import ArgumentParser, UserError, exit_status
from emo_jax.video import extractor, feature_files, hand_model, sampling


def main(argv: Sequence[str]) -> int:
  """Extracts the videos; 1 if some could not be decoded. Raises UserError for other mistakes."""
  arguments = _arguments(argv)
  targets = _targets(arguments.videos, Path(arguments.out))
  run = extractor.open_extractor(arguments.weights, arguments.hand_model, arguments.sampling)
  failed = []
  for target, error in feature_files.extract_all(targets, run):
    if error is None:
      print(target, flush=True)
    else:
      failed.append(error)
  if failed:
    print(f'{len(failed)} of {len(targets)} videos could not be decoded:', file=sys.stderr)
    for error in failed:
      print(f'  {error}', file=sys.stderr)
  return 1 if failed else 0


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
  parser = ArgumentParser(prog='python -m emo_jax.extract', description=__doc__)
  parser.add_argument(
    '--weights', help=f'converted weights or `random` (env {extractor.WEIGHTS_VARIABLE})'
  )
  parser.add_argument('--out', required=True, help='folder of the .npz files')
  parser.add_argument('--hand_model', help=f'hand_landmarker.task (env {hand_model.VARIABLE})')
  parser.add_argument('--sampling', choices=sampling.RULES, default='index')
  parser.add_argument('videos', nargs='+', metavar='VIDEO')
  return parser.parse_args(argv)


def _targets(videos: Sequence[str], out: Path) -> dict[Path, Path]:
  """Video -> its `.npz`. Raises UserError if two videos would write the same one."""
  targets = {}
  for video in map(Path, videos):
    target = out / f'{video.stem}.npz'
    for other, taken in targets.items():
      if taken == target:
        raise UserError(f'{other} and {video} would both become {target}: rename one')
    targets[video] = target
  return targets


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

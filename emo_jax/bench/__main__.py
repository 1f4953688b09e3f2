"""Command: how fast this machine extracts and trains, beside what people use today.

  python -m emo_jax.bench extract VIDEO... [--peer=COMMAND] [--weights=FILE|random]
  python -m emo_jax.bench embed
  python -m emo_jax.bench precision VIDEO... --checkpoint=WORKDIR
  python -m emo_jax.bench train [--batch=128 --frames=10 --features=596] [--mean_frames=N]
      [--peer=COMMAND]
  python -m emo_jax.bench input [--corpus=signsim:nonsigners+weak]
  python -m emo_jax.bench scaling [--out=scaling.png]

Each prints one line of JSON. `extract` takes videos through all stages; `--peer` is a command that
gets the same videos and ends with a line of JSON that holds `sampled_frames_per_s`. `embed` runs
the face backbone alone, beside PyTorch's where it is installed. `precision` says what bfloat16 does
to the features of videos and to what a finished run says of them. `train` is the training loop of a
config on made-up clips; its peer gets --batch, --frames and --features and ends with `clips_per_s`.
`input` is the way in of stored clips alone. `scaling` draws clips per second over batches, frames
and simulated devices, and what a pod would give on paper. Contenders take turns, so that what else
the machine does falls on all of them; figures are medians, but for the best of the matrix product.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from emo_jax import runtime
from emo_jax.bench import machine
from emo_jax.errors import ArgumentParser, UserError, exit_status
from emo_jax.models import lstm
from emo_jax.video import extractor, following, hand_model, sampling

# Module and function: loaded when asked for, since the time to a first step counts.
_BENCHES = dict(
  extract=('extraction', 'extract'),
  embed=('backbone', 'embed'),
  precision=('extraction', 'precision'),
  train=('training', 'measure_training'),
  input=('training', 'measure_input'),
  scaling=('scaling', 'measure_scaling'),
)
_PREPARED = dict.fromkeys(('extract', 'embed', 'precision'), runtime.keep_programs)


def main(argv: Sequence[str]) -> int:
  """Runs a benchmark and prints its line. Raises UserError for a user's mistake."""
  arguments = _arguments(argv)
  # As the commands do whose speed this is.
  _PREPARED.get(arguments.bench, runtime.prepare)()
  module, function = _BENCHES[arguments.bench]
  measured = getattr(importlib.import_module(f'emo_jax.bench.{module}'), function)(arguments)
  print(json.dumps(dict(bench=arguments.bench, **measured, device=machine.device())))
  return 0


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
  parser = ArgumentParser(prog='python -m emo_jax.bench', description=__doc__)
  parsers = parser.add_subparsers(dest='bench', required=True, metavar='|'.join(_BENCHES))
  whole = parsers.add_parser('extract', help='all stages, on videos')
  rounding = parsers.add_parser('precision', help='what bfloat16 changes')
  for each in (whole, rounding):
    each.add_argument('videos', nargs='+', metavar='VIDEO')
    each.add_argument('--weights', default='random', help='converted weights, random by default')
    each.add_argument('--hand_model', help=f'hand_landmarker.task (env {hand_model.VARIABLE})')
    each.add_argument('--sampling', choices=sampling.RULES, default='index')
    each.add_argument('--search', choices=following.SEARCHES, default='follow')
    extractor.add_engine_flags(each)
  rounding.add_argument('--checkpoint', required=True, metavar='WORKDIR', help='of a finished run')
  whole.add_argument('--peer', help='command that extracts the same videos and prints JSON')
  whole.add_argument('--readers', type=int, default=0, help='videos read at once (0: cores)')
  alone = parsers.add_parser('embed', help='the face backbone alone')
  alone.add_argument('--batch', type=int, default=16)
  learning = parsers.add_parser('train', help='the training loop, on made-up clips')
  way_in = parsers.add_parser('input', help='the way in of stored clips')
  for each in (learning, way_in):
    each.add_argument('--config', default='configs/eanwh.py', metavar='FILE')
    each.add_argument('--devices', type=int, default=0, help='of this process (0: all)')
  growing = parsers.add_parser('scaling', help='training over batches, frames and devices')
  growing.add_argument('--config', default='configs/eanwh.py', metavar='FILE')
  growing.add_argument('--out', type=Path, default=Path('scaling.png'), metavar='PNG')
  growing.add_argument('--seconds', type=float, default=4.0, help='of a run, after compiling')
  growing.add_argument('--chip_tflops', type=float, default=197, help='of a device (TPU v5e)')
  growing.add_argument('--chip_share', type=float, default=0.1, help='of it, that is reached')
  growing.add_argument('--link_gbs', type=float, default=50, help='GB/s from device to device')
  learning.add_argument('--batch', type=int, default=128)
  learning.add_argument('--frames', type=int, default=10, help='of a clip')
  learning.add_argument(
    '--mean_frames', type=float, default=0, help='of clips of unlike length (0: all have --frames)'
  )
  learning.add_argument('--features', type=int, default=596, help='of a frame: 512 or 596')
  learning.add_argument('--seconds', type=float, default=10.0, help='of a run, after compiling')
  learning.add_argument('--input', choices=('auto', 'resident', 'streamed'), default='auto')
  learning.add_argument('--lstm', choices=('auto', *lstm.WAYS), default='auto')
  learning.add_argument('--peer', help='command that trains at the same shapes and prints JSON')
  way_in.add_argument('--corpus', default='signsim:nonsigners+weak', metavar='SPEC')
  way_in.add_argument('--data_dir', default='', help="where it lies; default: TFDS's")
  way_in.add_argument('--batch', type=int, default=32)
  for each in (whole, alone, learning, growing):
    each.add_argument('--repeat', type=int, default=3, help='runs, of which the median counts')
  arguments = parser.parse_args(argv)
  for name, least in (('repeat', 1), ('batch', 1), ('frames', 1), ('readers', 0), ('seconds', 0)):
    count = getattr(arguments, name, least)
    if count < least:
      raise UserError(f'--{name} is {count}, must be at least {least}')
  return arguments


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

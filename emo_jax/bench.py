"""Command: how fast this machine extracts, beside what people use today.

  python -m emo_jax.bench extract VIDEO... [--peer=COMMAND] [--weights=FILE|random]
  python -m emo_jax.bench embed
  python -m emo_jax.bench precision VIDEO... --checkpoint=WORKDIR

Each prints one line of JSON. `extract` takes videos through all stages; `--peer` is a command that
gets the same videos and ends with a line of JSON that holds `sampled_frames_per_s`. `embed` runs
the face backbone alone, beside PyTorch's where it is installed. Contenders take turns, so that what
else the machine does falls on all of them; figures are medians. `precision` says what bfloat16 does
to the features of videos and to what a finished run says of them.
"""

import argparse
import json
import math
import resource
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emo_jax import finished_runs, inference, parallel
from emo_jax.errors import ArgumentParser, UserError, exit_status
from emo_jax.models import resnet
from emo_jax.video import engines, extractor, following, hand_model, sampling
from emo_jax.video.assembly import Failure, Part, Task

BOBSL_HOURS = 1460
_WEEK = 7


def main(argv: Sequence[str]) -> int:
  """Runs a benchmark and prints its line. Raises UserError for a user's mistake."""
  arguments = _arguments(argv)
  measured = _BENCHES[arguments.bench](arguments)
  print(json.dumps(dict(bench=arguments.bench, **measured, device=_device())))
  return 0


def extract(arguments: argparse.Namespace) -> dict[str, Any]:
  """Frames and seconds of video per second through all stages, and the peer's."""
  videos = [Path(video) for video in arguments.videos]
  run = extractor.from_flags(arguments, readers=arguments.readers)
  _extracted(run, videos[:1])  # compiles
  ours, peers = [], []
  for number in range(arguments.repeat):
    ours.append(_extracted(run, videos))
    _say(f'run {number + 1}: {ours[-1]["sampled_frames_per_s"]:.2f} sampled frames/s')
    if arguments.peer:
      peers.append(_peer(arguments.peer, videos))
      _say(f'run {number + 1}: {peers[-1]:.2f} sampled frames/s by the peer')
  median = sorted(ours, key=lambda x: x['sampled_frames_per_s'])[(len(ours) - 1) // 2]
  days = BOBSL_HOURS * 3600 / median['video_s_per_s'] / 86400
  _say(
    f'{BOBSL_HOURS:,} hours of such video: {days:.1f} days on this machine, '
    f'{math.ceil(days / _WEEK)} such machines for a week'
  )
  measured = dict(
    **median,
    runs=[x['sampled_frames_per_s'] for x in ours],
    peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    days_for_1460_h=round(days, 1),
    machines_for_a_week=math.ceil(days / _WEEK),
    engine=run.engine,
    precision=run.precision,
    hands=run.hands,
    search=arguments.search,
  )
  if peers:
    theirs = statistics.median(peers)
    ratio = round(statistics.median(x['sampled_frames_per_s'] for x in ours) / theirs, 2)
    measured |= dict(peer=dict(sampled_frames_per_s=theirs, runs=peers), times_the_peer=ratio)
  return measured


def _extracted(run: extractor.Extractor, videos: Sequence[Path]) -> dict[str, Any]:
  before, began = run.busy_s, time.perf_counter()
  frames, faces, video_s = 0, 0, 0.0
  for event in run.run([Task(video) for video in videos]):
    match event:
      case Failure():
        raise event.error
      case Part():
        frames += len(event.clip.face)
        faces += int(event.clip.face_present.sum())
        if event.last:
          # To the end of the last sampled frame: what comes after it is not counted.
          video_s += float(event.clip.time_s[-1]) + 1 / float(event.clip.fps)
  wall = time.perf_counter() - began
  stages = {stage: round(spent - before.get(stage, 0), 2) for stage, spent in run.busy_s.items()}
  measured = dict(
    videos=len(videos),
    sampled_frames=frames,
    faces=faces,
    video_s=round(float(video_s), 2),
    wall_s=round(wall, 2),
    sampled_frames_per_s=round(frames / wall, 2),
    video_s_per_s=round(float(video_s) / wall, 3),
    stage_s=stages,
  )
  if parallel.platform() != 'cpu':
    measured['outside_backbone_stage'] = round(1 - min(1, stages.get('backbone', 0) / wall), 3)
  return measured


def _peer(command: str, videos: Sequence[Path]) -> float:
  try:
    words = [*shlex.split(command), *map(str, videos)]
    done = subprocess.run(words, capture_output=True, text=True)
  except (OSError, ValueError) as error:
    raise UserError(f'--peer cannot be run: {error}') from error
  try:
    return float(json.loads(done.stdout.splitlines()[-1])['sampled_frames_per_s'])
  except (IndexError, KeyError, TypeError, ValueError) as error:
    last = (done.stderr.strip().splitlines() or ['it printed nothing'])[-1]
    raise UserError(
      f'--peer must end with a line of JSON that holds sampled_frames_per_s; it says: {last}'
    ) from error


def embed(arguments: argparse.Namespace) -> dict[str, Any]:
  """Crops per second of the face backbone alone, by engine and precision."""
  variables = resnet.random_variables(extractor.RANDOM_SEED)
  crops = np.random.default_rng(0).integers(0, 256, (arguments.batch, 224, 224, 3), np.uint8)
  contenders: dict[str, Callable] = {}
  for name in ('openvino', 'flax'):
    for precision in engines.PRECISIONS:
      try:
        engine = engines.open_engine(name, precision, variables, batch=arguments.batch)
      except UserError as error:
        _say(f'without {name}: {error}')
        break
      contenders[f'{name} {engine.precision}'] = engine.embed
  try:
    from emo_jax.torch_backbone import TorchBackbone

    for precision in engines.PRECISIONS:
      for layout in ('contiguous', 'channels_last'):
        net = TorchBackbone(variables, precision, layout)
        contenders[f'torch {precision} {layout}'] = net.embed
  except UserError as error:
    _say(f'without PyTorch: {error}')
  rates: dict[str, list[float]] = {name: [] for name in contenders}
  reference = None
  for number in range(arguments.repeat + 1):
    for name, run in contenders.items():
      began = time.perf_counter()
      features = np.asarray(run(crops), np.float32)
      rate = len(crops) / (time.perf_counter() - began)
      reference = features if reference is None else reference
      error = np.linalg.norm(features - reference) / np.linalg.norm(reference)
      if error > 2e-2:
        raise UserError(f'{name} computes other features (relative difference {error:.1e})')
      if number:  # the first round compiles
        rates[name].append(rate)
      _say(f'round {number}: {rate:6.1f} frames/s by {name}')
  median = {name: round(statistics.median(x), 1) for name, x in rates.items()}
  measured = dict(batch=arguments.batch, rounds=arguments.repeat, frames_per_s=median)
  ours = 'openvino' if 'openvino float32' in median else 'flax'
  times = {
    f'{precision}, torch {layout}': round(median[f'{ours} {precision}'] / torch, 2)
    for precision in engines.PRECISIONS
    for layout in ('contiguous', 'channels_last')
    if (torch := median.get(f'torch {precision} {layout}')) and f'{ours} {precision}' in median
  }
  return measured | ({f'{ours}_times_torch': times} if times else {})


def precision(arguments: argparse.Namespace) -> dict[str, Any]:
  """What bfloat16 changes against float32: features, and probabilities of a finished run."""
  finished = finished_runs.open_single(Path(arguments.checkpoint))
  alone = inference.one_by_one(finished.config)
  trained = inference.Trained(alone, finished.params, finished.report['temperature'])
  found: dict[str, list] = {}
  for name in engines.PRECISIONS:
    run = extractor.from_flags(arguments, precision=name)
    if run.precision != name:
      raise UserError(f'{run.engine} has no {name} on this machine')
    clips = [run.extract(video) for video in arguments.videos]
    splits = [inference.single(made, str(n), run.key) for n, made in enumerate(clips)]
    said = [list(trained(split)[0].probabilities.values()) for split in splits]
    found[name] = [np.concatenate([made.face for made in clips]), np.array(said)]
  (rounded, p_rounded), (exact, p_exact) = (found[name] for name in ('bfloat16', 'float32'))
  seen = exact.any(axis=1)
  if not seen.any():
    raise UserError('no face in these videos: nothing to compare')
  each = np.linalg.norm(rounded - exact, axis=1)[seen] / np.linalg.norm(exact, axis=1)[seen]
  change = np.abs(p_rounded - p_exact)
  return dict(
    videos=len(arguments.videos),
    frames=int(seen.sum()),
    relative_norm=float(np.linalg.norm(rounded - exact) / np.linalg.norm(exact)),
    relative_norm_of_a_frame=dict(median=float(np.median(each)), largest=float(each.max())),
    probability_change=dict(median=float(np.median(change)), largest=float(change.max())),
    decisions_changed=int((p_rounded.argmax(1) != p_exact.argmax(1)).sum()),
    inputs=list(finished.config['model']['inputs']),
    engine=run.engine,
  )


_BENCHES = dict(extract=extract, embed=embed, precision=precision)


def _device() -> str:
  return f'{parallel.describe()}, {parallel.cores()} cores of {_cpu_model()}'


def _cpu_model() -> str:
  try:
    lines = Path('/proc/cpuinfo').read_text().splitlines()
  except OSError:
    return 'unknown CPU'
  fields = dict(line.split(':', 1) for line in lines if ':' in line)
  fields = {name.strip(): value.strip() for name, value in fields.items()}
  flags = fields.get('flags', '').split()
  wide = [flag for flag in ('amx_bf16', 'avx512_bf16', 'avx512f', 'avx2') if flag in flags]
  return f'{fields.get("model name", "unknown CPU")} ({wide[0] if wide else "no AVX2"})'


def _say(line: str) -> None:
  print(line, file=sys.stderr, flush=True)


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
  parser = ArgumentParser(
    prog='python -m emo_jax.bench',
    description=__doc__,
  )
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
  for each in (whole, alone):
    each.add_argument('--repeat', type=int, default=3, help='runs, of which the median counts')
  arguments = parser.parse_args(argv)
  for name, least in (('repeat', 1), ('batch', 1), ('readers', 0)):
    count = getattr(arguments, name, least)
    if count < least:
      raise UserError(f'--{name} is {count}, must be at least {least}')
  return arguments


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

"""Videos through all stages of extraction, and what bfloat16 does to them."""

import argparse
import math
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emo_jax import finished_runs, inference, parallel
from emo_jax.bench import machine
from emo_jax.errors import UserError
from emo_jax.video import engines, extractor
from emo_jax.video.assembly import Failure, Part, Task

BOBSL_HOURS = 1460
_WEEK = 7


def extract(arguments: argparse.Namespace) -> dict[str, Any]:
  """Frames and seconds of video per second through all stages, and the peer's."""
  videos = [Path(video) for video in arguments.videos]
  run = extractor.from_flags(arguments, readers=arguments.readers)
  _extracted(run, videos[:1])  # compiles
  ours, peers = [], []
  for number in range(arguments.repeat):
    ours.append(_extracted(run, videos))
    machine.say(f'run {number + 1}: {ours[-1]["sampled_frames_per_s"]:.2f} sampled frames/s')
    if arguments.peer:
      peers.append(machine.peer(arguments.peer, [str(v) for v in videos], 'sampled_frames_per_s'))
      machine.say(f'run {number + 1}: {peers[-1]:.2f} sampled frames/s by the peer')
  median = sorted(ours, key=lambda x: x['sampled_frames_per_s'])[(len(ours) - 1) // 2]
  days = BOBSL_HOURS * 3600 / median['video_s_per_s'] / 86400
  machine.say(
    f'{BOBSL_HOURS:,} hours of such video: {days:.1f} days on this machine, '
    f'{math.ceil(days / _WEEK)} such machines for a week'
  )
  measured = dict(
    **median,
    runs=[x['sampled_frames_per_s'] for x in ours],
    peak_rss_mb=machine.peak_memory_mb(),
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

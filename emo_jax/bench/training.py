"""Training on made-up clips, and the way in of stored ones."""

import argparse
import contextlib
import itertools
import math
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from emo_jax import (
  config_flags,
  corpora,
  inference,
  labels,
  parallel,
  preprocess,
  provenance,
  resident,
  train,
  training_clips,
  training_input,
)
from emo_jax.bench import machine
from emo_jax.errors import UserError
from emo_jax.input_pipeline import STREAM_WIDTHS
from emo_jax.progress import Progress
from emo_jax.survey import survey

_BATCHES = 32  # in an epoch of made-up clips
_LOG_STEPS = 10
_SQUARE = 2048  # side of the matrices by which the device is measured
INPUTS = {512: ('face',), 596: ('face', 'hands')}


class _Enough(Exception):
  """Measured for as long as was asked."""


def measure_training(arguments: argparse.Namespace) -> dict[str, Any]:
  """Clips per second of the training loop, in turns with the peer."""
  config, split = _config(arguments), _made_up(arguments)
  ours, peers, products = [], [], []
  for number in range(arguments.repeat):
    ours.append(_trained(config, split, arguments.seconds))
    machine.say(f'run {number + 1}: {ours[-1]["clips_per_s"]:,.0f} clips/s')
    products.append(_product_flops())
    if arguments.peer:
      shape = [f'--{name}={getattr(arguments, name)}' for name in ('batch', 'frames', 'features')]
      peers.append(machine.peer(arguments.peer, shape, 'clips_per_s'))
      machine.say(f'run {number + 1}: {peers[-1]:,.0f} clips/s by the peer')
  rate = statistics.median(one['clips_per_s'] for one in ours)
  mean = statistics.mean(len(clip['time_s']) for clip in split.source)
  flops, product = rate * flops_of_clip(config, mean), max(products)
  measured = dict(
    batch=arguments.batch,
    frames=arguments.frames,
    mean_frames=round(mean, 1),
    features=arguments.features,
    temporal=config['temporal'],
    devices=config['devices'] or len(parallel.devices()),
    clips_per_s=round(rate, 1),
    step_ms=round(1000 * arguments.batch / rate, 3),
    runs=[one['clips_per_s'] for one in ours],
    model_gflop_per_s=round(flops / 1e9, 1),
    share_of_matrix_product=round(flops / product, 3),
    matrix_product_gflop_per_s=round(product / 1e9, 1),
    input_wait=round(statistics.median(one['input_wait'] for one in ours), 4),
    first_step_s=ours[0]['first_step_s'],
    peak_rss_mb=machine.peak_memory_mb(),
    input=config['train']['input'],
    lstm=inference.build_model(config).lstm,
  )
  if peers:
    theirs = statistics.median(peers)
    measured |= dict(
      peer=dict(clips_per_s=theirs, runs=peers), times_the_peer=round(rate / theirs, 2)
    )
  return measured


def _config(arguments: argparse.Namespace) -> dict[str, Any]:
  if arguments.features not in INPUTS:
    known = ', '.join(f'{n} ({" and ".join(names)})' for n, names in INPUTS.items())
    raise UserError(f'--features is {arguments.features}; a frame has {known}')
  config = config_flags.load_config(arguments.config).to_dict()
  config['model'] |= dict(inputs=INPUTS[arguments.features], lstm=arguments.lstm)
  config |= dict(
    temporal='windows' if arguments.frames <= preprocess.WINDOW else 'sequence',
    devices=arguments.devices,
    repeats=1,
    select='last',
    log_steps=_LOG_STEPS,
    checkpoint_steps=10**9,
  )
  config['train'] |= dict(
    segment='full',
    batch_size=arguments.batch,
    total_epochs=0,
    total_steps=10**6,
    input=arguments.input,
  )
  config['data'] |= dict(validation='')
  config['embedded'] |= dict(validation='')
  return config


def _made_up(arguments: argparse.Namespace) -> corpora.Split:
  """Clips of `frames` frames each, or of up to so many, enough for an epoch of 32 batches."""
  rng, mean = np.random.default_rng(0), arguments.mean_frames
  count = _BATCHES * arguments.batch
  if not 0 <= mean <= arguments.frames:
    raise UserError(f'--mean_frames is {mean:g}; clips have up to {arguments.frames}')

  def clip(number: int) -> dict[str, Any]:
    frames = arguments.frames
    if mean and number:  # one has them all
      frames = int(np.clip(rng.gamma(2.0, mean / 2), 1, frames))
    return dict(
      id=f'{number}'.encode(),
      face=rng.standard_normal((frames, STREAM_WIDTHS['face']), np.float32),
      face_present=np.ones(frames, bool),
      hand_points=rng.standard_normal((frames, 2, 21, 3), np.float32),
      hand_score=np.ones((frames, 2), np.float32),
      time_s=np.arange(frames, dtype=np.float32) / 5,
      labels=dict(emotion=int(rng.integers(len(labels.EMOTIONS)))),
    )

  made_up = 'none'
  key = provenance.compatibility_key(
    backbone='synthetic:bench',
    detector=made_up,
    resize=made_up,
    sampling=made_up,
    hand_model=made_up,
  )
  return corpora.Split('bench:train', [clip(i) for i in range(count)], key, ('emotion',))


def _trained(config: dict[str, Any], split: corpora.Split, seconds: float) -> dict[str, Any]:
  """One training of so many seconds after its first lines."""
  looks: list[tuple[int, float, float]] = []  # steps done, when, share spent waiting
  started: list[float | None] = []

  def look(step: int, progress: Progress) -> None:
    if step % _LOG_STEPS:  # only there the host has waited for the devices
      return
    if not looks:
      started.append(machine.since_start_s())
    looks.append((step, time.perf_counter(), progress.waited))
    if len(looks) > 2 and looks[-1][1] - looks[1][1] >= seconds:
      raise _Enough

  with tempfile.TemporaryDirectory() as workdir, contextlib.suppress(_Enough):
    train.fit(config, Path(workdir), split, None, look)
  steps = [
    (after - before) / (last - first)
    for (first, before, _), (last, after, _) in itertools.pairwise(looks[1:])
  ]
  step_s = statistics.median(steps)
  began = started[0] and round(started[0] - (_LOG_STEPS - 1) * step_s, 2)
  return dict(
    clips_per_s=round(config['train']['batch_size'] / step_s, 1),
    input_wait=statistics.median(waited for *_, waited in looks[2:]),
    first_step_s=began,
  )


def flops_of_clip(config: dict[str, Any], frames: int | float) -> float:
  """Of the matrix products in training on a clip."""
  inputs = sum(STREAM_WIDTHS[name] for name in config['model']['inputs'])
  first, second = config['model']['hidden']
  shown = preprocess.WINDOW if config['temporal'] == 'windows' else frames
  # Forward, and twice as many backward; but nothing comes from the state before the first frame,
  # and the features need no gradient.
  recurrent = 3 * (shown - 1) * (first**2 + second**2)
  pushed = shown * (2 * inputs * first + 3 * first * second)
  return 2.0 * (4 * (recurrent + pushed) + 3 * second * len(labels.EMOTIONS))


def parameters(config: dict[str, Any]) -> int:
  """Of the head: what an all-reduce adds over devices."""
  inputs = sum(STREAM_WIDTHS[name] for name in config['model']['inputs'])
  first, second = config['model']['hidden']
  layers = [(inputs, first), (first, second)]
  classes = len(labels.EMOTIONS)
  return sum(4 * n * (m + n + 1) for m, n in layers) + classes * (second + 1)


def _product_flops() -> float:
  """The most that a device reaches in products of float32 matrices, as JAX computes them."""
  a = jnp.asarray(np.random.default_rng(0).standard_normal((_SQUARE, _SQUARE), np.float32))
  product, spent = jax.jit(jnp.matmul), []
  product(a, a).block_until_ready()
  for _ in range(7):
    began = time.perf_counter()
    product(a, a).block_until_ready()
    spent.append(time.perf_counter() - began)
  return 2 * _SQUARE**3 / min(spent)


def measure_input(arguments: argparse.Namespace) -> dict[str, Any]:
  """Clips per second of the way in alone, in a first epoch and in a later one, both ways."""
  config = config_flags.load_config(arguments.config).to_dict()
  config['train'] |= dict(batch_size=arguments.batch)
  where, _ = corpora.locate(arguments.data_dir, arguments.corpus)
  split = corpora.open_split(arguments.corpus, where)
  how = inference.recipe(config, 'train', len(parallel.devices(arguments.devices)))
  clips = survey(split, how.task)
  keep, _ = training_clips.choose(config, clips, split.spec)
  two_epochs = 2 * -(-len(keep) // how.batch_size)
  steps = training_input.Steps(clips, keep, how, two_epochs, one_size=False)
  rates = dict(
    streamed=_epochs(training_input.streamed(split, steps, clips.frames), len(keep), how.batch_size)
  )
  began = time.perf_counter()
  inputs = config['model']['inputs']
  arrays = resident.load(split, steps, inputs, config['train']['resident_dtype'])
  load_s = time.perf_counter() - began
  rates['resident'] = _epochs(resident.batches(steps), len(keep), how.batch_size)
  return dict(
    corpus=split.spec,
    clips=len(keep),
    batch=arguments.batch,
    clips_per_s=rates,
    load_s=round(load_s, 2),
    resident_mb=round(sum(x.nbytes for x in arrays.values()) / 1e6, 1),
    peak_rss_mb=machine.peak_memory_mb(),
  )


def _epochs(batches: Iterator[Any], clips: int, batch_size: int) -> dict[str, float]:
  """Clips per second of the first and the second epoch."""
  found = {}
  for epoch in ('first', 'second'):
    began = time.perf_counter()
    for _ in range(math.ceil(clips / batch_size)):
      next(batches)
    found[epoch] = round(clips / (time.perf_counter() - began), 1)
  return found

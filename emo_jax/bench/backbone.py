"""The face backbone alone, beside PyTorch's where it is installed."""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from emo_jax.bench import machine
from emo_jax.errors import UserError
from emo_jax.models import resnet
from emo_jax.video import engines, extractor


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
        machine.say(f'without {name}: {error}')
        break
      contenders[f'{name} {engine.precision}'] = engine.embed
  try:
    from emo_jax.torch_backbone import TorchBackbone

    for precision in engines.PRECISIONS:
      for layout in ('contiguous', 'channels_last'):
        net = TorchBackbone(variables, precision, layout)
        contenders[f'torch {precision} {layout}'] = net.embed
  except UserError as error:
    machine.say(f'without PyTorch: {error}')
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
      machine.say(f'round {number}: {rate:6.1f} frames/s by {name}')
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

"""The weights and inputs that the reference's golden outputs were computed with."""

import json
import zlib
from pathlib import Path

import numpy as np

SEED = 20261121


def states(shared: Path) -> dict[str, dict[str, np.ndarray]]:
  """Model -> the torch port's tensors by name, filled by the golden outputs' rule."""
  shapes = json.loads((shared / 'golden/ean_torch_names_shapes.json').read_text())
  return {
    model: {name: _tensor(name, shape) for name, shape in named.items()}
    for model, named in shapes.items()
  }


def inputs() -> tuple[np.ndarray, np.ndarray]:
  """Face crops [2, 224, 224, 3] uint8 and windows of features [3, 10, 512] float32."""
  rng = np.random.default_rng(SEED)
  crops = rng.integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
  return crops, np.abs(rng.standard_normal((3, 10, 512))).astype(np.float32)


def outputs(shared: Path) -> dict[str, np.ndarray]:
  """The reference's `features`, `logits` and `lstm_logits`, labels in its own order."""
  with np.load(shared / f'golden/ean_torch_seed{SEED}.npz') as stored:
    return dict(stored)


def error(a: np.ndarray, b: np.ndarray) -> float:
  """The relative error of `a` against `b`."""
  return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def _tensor(name: str, shape: list[int]) -> np.ndarray:
  rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])
  if name.endswith('num_batches_tracked'):
    return np.zeros(shape, np.int64)
  if name.endswith('running_var') or (name.endswith('weight') and len(shape) == 1):
    return rng.uniform(0.5, 1.5, shape).astype(np.float32)
  if name.endswith('running_mean') or 'bias' in name:
    return (0.1 * rng.standard_normal(shape)).astype(np.float32)
  return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

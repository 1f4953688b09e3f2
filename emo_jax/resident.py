"""Features of a whole training set on the devices, where batches are gathered.

A batch is that of `emo_jax.input_pipeline` without `streams` and `shown`, which `gathered` adds on
the device: the same clips, in the same order, cut in the same way.
"""

import math
from collections.abc import Sequence
from typing import Any

import grain
import jax
import jax.numpy as jnp
import numpy as np

from emo_jax import input_pipeline, processes
from emo_jax.corpora import Split
from emo_jax.input_pipeline import CROP_SHAPE, CROPS, STREAM_WIDTHS, Batch
from emo_jax.survey import rounded_up
from emo_jax.training_input import Steps

DTYPES = ('float32', 'bfloat16')
_FEW = 4096  # frames, 10 MB of features


def size(frames: int, inputs: Sequence[str], dtype: str) -> int:
  """Bytes on a device of so many frames."""
  crops = math.prod(CROP_SHAPE) if CROPS in inputs else 0
  features = sum(width for name, width in STREAM_WIDTHS.items() if name in inputs)
  return frames * (crops + features * jnp.dtype(dtype).itemsize)


def load(split: Split, steps: Steps, inputs: Sequence[str], dtype: str) -> dict[str, np.ndarray]:
  """Reads the clips that are learnt from once; of several processes each reads its share.

  Of random segments, which are cut anew every epoch, the whole clips are kept.

  Args:
    split: the clips.
    steps: of the run.
    inputs: streams that the model reads.
    dtype: in which they are stored, one of DTYPES.

  Returns:
    What the devices get, clip after clip as the model sees them: streams by name [frames, width]
    and `shown` [frames], with some frames of zeros at the end.
  """
  once = steps.spans.whole().recipe
  parts: dict[str, list[np.ndarray]] = {
    name: [np.zeros((0, STREAM_WIDTHS[name]), dtype)] for name in inputs
  }
  shown = [np.zeros(0, bool)]
  for position in processes.own(len(steps.keep)):
    processes.beat()
    raw = split.source[int(steps.keep[position])]
    example = input_pipeline.prepare(raw, once, epoch=0)
    for name in inputs:
      parts[name].append(example.streams[name].astype(dtype))
    shown.append(example.shown)
  arrays = {name: np.concatenate(each) for name, each in parts.items()}
  arrays['shown'] = np.concatenate(shown)
  return {name: _rounded_up(processes.joined(x)) for name, x in arrays.items()}


def _rounded_up(x: np.ndarray) -> np.ndarray:
  """With frames that nobody asks for at the end: heads that learn from nearly as many, as those of
  several folds, share programs."""
  return np.pad(x, [(0, rounded_up(len(x), _FEW) - len(x))] + [(0, 0)] * (x.ndim - 1))


def batches(steps: Steps, first: int = 0) -> grain.DatasetIterator:
  """As training_input.streamed, of the same clips; they say where features lie."""
  begins = steps.spans.whole().first()

  def made_of(positions: list[int], epoch: int) -> Batch:
    at = [begins[p] + steps.spans.offset(p, epoch) for p in positions]
    return dict(first=steps.on_own_devices(np.array(at, np.int32)))

  return steps.iterator(first, made_of)


def gathered(batch: dict[str, Any], arrays: dict[str, Any], frames: int, masked: bool) -> Batch:
  """One device's batch with its features, each clip padded to `frames` with its last one."""
  length = batch['length']['face'][:, None]
  at = batch['first'][:, None] + jnp.minimum(jnp.arange(frames)[None, :], length - 1)
  found = {name: x[jnp.maximum(at, 0)] for name, x in arrays.items()}
  shown = found.pop('shown')
  streams = jax.tree.map(lambda x: x.astype(jnp.float32), found)
  return batch | dict(streams=streams) | (dict(shown=shown) if masked else {})

"""Features of a whole training set on the devices, where batches are gathered.

A batch is that of `emo_jax.input_pipeline` without `streams` and `shown`, which `gathered` adds on
the device: the same clips, in the same order, cut in the same way.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import grain
import jax
import jax.numpy as jnp
import numpy as np

from emo_jax import input_pipeline, preprocess
from emo_jax.corpora import Split
from emo_jax.input_pipeline import STREAM_WIDTHS, Batch, Recipe

DTYPES = ('float32', 'bfloat16')


@dataclasses.dataclass(frozen=True)
class Resident:
  """Clips as a model sees them, frame after frame.

  Attributes:
    ids, label: of each clip.
    first: [clips + 1] where its frames begin, and the end of the last one's.
    sampled: [frames] which of its clip's sampled frames each is.
    time_s: of each clip's sampled frames, by which random segments are cut.
    arrays: streams by name [frames, width] and `shown` [frames], what the devices get.
  """

  ids: Sequence[str]
  label: Sequence[int]
  first: np.ndarray
  sampled: np.ndarray
  time_s: Sequence[np.ndarray]
  arrays: dict[str, np.ndarray]


def size(frames: int, inputs: Sequence[str], dtype: str) -> int:
  """Bytes on a device of so many frames."""
  return frames * sum(STREAM_WIDTHS[name] for name in inputs) * jnp.dtype(dtype).itemsize


def load(
  split: Split, recipe: Recipe, keep: np.ndarray, inputs: Sequence[str], dtype: str
) -> Resident:
  """Reads the clips at indices `keep` once.

  Args:
    split, keep: as of input_pipeline.training_batches.
    recipe: a random segment is cut anew every epoch, other ones once.
    inputs: streams that the model reads.
    dtype: in which they are stored, one of DTYPES.
  """
  redrawn = recipe.segment == 'random_2s'
  once = dataclasses.replace(recipe, segment='full') if redrawn else recipe
  ids, label, first, sampled, time_s = [], [], [0], [], []
  parts: dict[str, list[np.ndarray]] = {name: [] for name in (*inputs, 'shown')}
  for index in keep:
    raw = split.source[int(index)]
    example = input_pipeline.prepare(raw, once, epoch=0)
    ids.append(example.id)
    label.append(example.label)
    first.append(first[-1] + example.length)
    sampled.append(example.frames)
    time_s += [raw['time_s']] if redrawn else []
    for name in inputs:
      parts[name].append(example.streams[name].astype(dtype))
    parts['shown'].append(example.shown)
  arrays = {name: np.concatenate(each) for name, each in parts.items()}
  return Resident(ids, label, np.array(first), np.concatenate(sampled), time_s, arrays)


def batches(resident: Resident, recipe: Recipe) -> grain.DatasetIterator:
  """As input_pipeline.training_batches, of the same clips; they say where features lie."""

  def span(position: int, epoch: int) -> tuple[int, int]:
    first, end = resident.first[position : position + 2].tolist()
    if not resident.time_s:
      return first, end - first
    chosen = input_pipeline.cut(resident.ids[position], resident.time_s[position], recipe, epoch)
    # A segment's frames follow one another, also where some were left out for want of a face.
    kept = np.flatnonzero(np.isin(resident.sampled[first:end], chosen))
    return (first + int(kept[0]), len(kept)) if len(kept) else (first, 0)

  hashes = [preprocess.clip_hash(id_) for id_ in resident.ids]

  def batch(positions: Sequence[int], epoch: int) -> Batch:
    first, length = zip(*(span(p, epoch) for p in positions), strict=True)
    found = input_pipeline.arranged(
      length, [hashes[p] for p in positions], [resident.label[p] for p in positions], recipe
    )
    padded = np.pad(np.array(first, np.int32), (0, recipe.padded_size - len(first)))
    return found | dict(first=recipe.split(padded))

  return input_pipeline.shuffled_batches(len(resident.ids), recipe, batch)


def gathered(batch: dict[str, Any], arrays: dict[str, Any], frames: int, masked: bool) -> Batch:
  """One device's batch with its features, each clip padded to `frames` with its last one."""
  length = batch['length']['face'][:, None]
  at = batch['first'][:, None] + jnp.minimum(jnp.arange(frames)[None, :], length - 1)
  found = {name: x[jnp.maximum(at, 0)] for name, x in arrays.items()}
  shown = found.pop('shown')
  streams = jax.tree.map(lambda x: x.astype(jnp.float32), found)
  return batch | dict(streams=streams) | (dict(shown=shown) if masked else {})

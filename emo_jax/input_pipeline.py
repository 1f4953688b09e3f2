"""Batches of clips for the devices: numpy cuts and pads.

A batch is a dict whose leaves have leading axes [D, B]: D devices, B clips each.
  streams: name -> [D, B, T, ...], T the same for all batches of a split; of resident features
    `first` [D, B] int32 instead, where a clip's frames begin.
  length: name -> [D, B] int32, real frames.
  labels: task -> [D, B] int32, -1 where unknown or padded.
  mask: [D, B] bool, False for padding.
  id: [D, B] uint32, a hash of the clip's id, by which its random draws are keyed.
  shown: [D, B, T] bool, False for frames that the model skips; under `mask` only.
  rows: clip, start [D, R] int32 and weight [D, R] float32: the model's sequences, each cut from a
    clip of the same device; a clip's weights sum to 1, padding weighs 0.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from emo_jax import coverage, labels, preprocess
from emo_jax.corpora import Split
from emo_jax.errors import UserError
from emo_jax.models.ean import CROPS
from emo_jax.recipe import Recipe

Batch = dict[str, Any]
_AUGMENTING = 1  # sets these draws apart from those of segments

# Features per frame of every stream a model may read.
STREAM_WIDTHS = {'face': 512, 'hands': 84}
CROP_SHAPE = (224, 224, 3)


@dataclasses.dataclass(frozen=True)
class Example:
  """One clip as a model sees it."""

  id: str
  label: int
  streams: dict[str, np.ndarray]
  frames: np.ndarray  # [T] which of the sampled frames these are
  shown: np.ndarray  # [T] bool, frames that the model does not skip
  coverage: dict[str, float]  # of the whole clip: emo_jax.coverage.shares
  signer: str | None
  utterance: str | None

  @property
  def length(self) -> int:
    return len(self.frames)


def prepare(raw: dict[str, Any], recipe: Recipe, epoch: int) -> Example:
  """A stored example as a model sees it; its random draws depend on seed, epoch and id only."""
  clip_id = raw['id'].decode()
  clip_hash = preprocess.clip_hash(clip_id)
  seen = recipe.seen(clip_hash, raw['time_s'], raw['face_present'], epoch)
  # Faces first: a segment may begin while a face seen before it is held.
  face, frames = preprocess.fill_faces(raw['face'], raw['face_present'], recipe.no_face)
  kept = np.isin(frames, seen)
  frames = frames[kept]
  streams = {}
  if 'face' in recipe.inputs:
    streams['face'] = face[kept]
  if 'hands' in recipe.inputs:
    streams['hands'] = preprocess.hand_features(
      raw['hand_points'][frames], raw['hand_score'][frames], recipe.hand_frame
    )
  if not all(np.isfinite(x).all() for x in streams.values()):
    raise UserError(f'the features of clip {clip_id} are not finite: extract its video again')
  if CROPS in recipe.inputs:
    streams[CROPS] = _crops(raw, clip_id, recipe, epoch)[kept]
  label = int(raw['labels'].get(recipe.task, labels.UNKNOWN))
  shown = raw['face_present'][frames] if recipe.no_face == 'mask' else np.ones(len(frames), bool)
  shares = coverage.shares(raw['face_present'], raw['hand_score'])
  who = (raw[name].decode() if name in raw else None for name in ('signer', 'utterance'))
  return Example(clip_id, label, streams, frames, shown, shares, *who)


def _crops(raw: dict[str, Any], clip_id: str, recipe: Recipe, epoch: int) -> np.ndarray:
  """The crop that each frame which is left shows, changed as the recipe says."""
  if CROPS not in raw:
    raise UserError(
      f'clip {clip_id} has features alone, but this run reads face crops: use a corpus built with '
      'them, like ejsl/crops, or a run on features extracted with its weights.safetensors'
    )
  present = raw['face_present']
  crops = np.asarray(raw[CROPS], np.uint8).reshape(-1, *CROP_SHAPE)
  rng = np.random.default_rng([recipe.seed, epoch, preprocess.clip_hash(clip_id), _AUGMENTING])
  crops = recipe.augmentation(crops, rng)
  number = np.maximum(np.cumsum(present) - 1, 0).astype(np.float32)[:, None]
  shown, _ = preprocess.fill_faces(number, present, recipe.no_face)
  return crops[shown[:, 0].astype(np.int64)]


def _rows(lengths: np.ndarray, temporal: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Clip, start and weight of every row of one device's clips."""
  if temporal == 'sequence':  # longest first, so that a model may leave out what the others lack
    clip = np.argsort(-lengths, kind='stable')[: (lengths > 0).sum()]
    return clip, np.zeros(len(clip), np.int64), np.ones(len(clip))
  starts = [preprocess.window_starts(n) for n in lengths.tolist()]
  counts = [len(s) for s in starts]
  clip = np.repeat(np.arange(len(lengths)), counts)
  weight = np.repeat([1 / max(c, 1) for c in counts], counts)
  return clip, np.concatenate([*starts, np.zeros(0, np.int64)]), weight


def features(examples: Sequence[Example], clips: int, frames: int, recipe: Recipe) -> Batch:
  """`streams` [clips, frames, width] of up to so many examples and, under `mask`, `shown`."""
  streams = {
    name: np.zeros((clips, frames, *CROP_SHAPE), np.uint8)
    if name == CROPS
    else np.zeros((clips, frames, STREAM_WIDTHS[name]), np.float32)
    for name in recipe.inputs
  }
  shown = np.ones((clips, frames), bool)
  for i, example in enumerate(examples):
    for name, value in example.streams.items():
      streams[name][i, : len(value)] = value
    shown[i, : example.length] = example.shown
  return dict(streams=streams) | (dict(shown=shown) if recipe.no_face == 'mask' else {})


def collate(examples: Sequence[Example], recipe: Recipe, frames: int) -> Batch:
  """Up to `recipe.batch_size` examples as one batch (module docstring), padded to like shapes."""
  batch = arranged(
    [example.length for example in examples],
    [preprocess.clip_hash(example.id) for example in examples],
    [example.label for example in examples],
    recipe,
  )
  own = features(examples, recipe.padded_size, frames, recipe)
  return batch | jax.tree.map(recipe.split, own)


def row_count(most: int, recipe: Recipe) -> int:
  """To how many rows those of a device are padded: multiples of its clips make few different shapes
  and little padding."""
  return max(1, -(-most // recipe.per_device)) * recipe.per_device


def arranged(
  length: Sequence[int],
  clip_hash: Sequence[int],
  label: Sequence[int],
  recipe: Recipe,
  rows_per_device: int = 0,
) -> Batch:
  """A batch of clips without its features: how long they are, and the rows cut from them.

  Args:
    length, clip_hash, label: of each clip.
    recipe: of the split.
    rows_per_device: to which they are padded; 0: `row_count`.
  """
  total = recipe.padded_size

  def padded_to(values, fill, dtype):
    return np.pad(np.array(values, dtype), (0, total - len(values)), constant_values=fill)

  lengths = recipe.split(padded_to(length, 0, np.int32))
  rows = [_rows(part, recipe.temporal) for part in lengths]
  count = rows_per_device or row_count(max(len(r[0]) for r in rows), recipe)
  padded = [
    np.stack([np.pad(r[field], (0, count - len(r[field]))) for r in rows]).astype(dtype)
    for field, dtype in enumerate((np.int32, np.int32, np.float32))
  ]

  return dict(
    length=dict.fromkeys((*STREAM_WIDTHS, CROPS), lengths),
    labels={recipe.task: recipe.split(padded_to(label, labels.UNKNOWN, np.int32))},
    mask=recipe.split(np.arange(total) < len(length)),
    id=recipe.split(padded_to(clip_hash, 0, np.uint32)),
    rows=dict(zip(('clip', 'start', 'weight'), padded, strict=True)),
  )


def stacked(batches: Sequence[Batch]) -> Batch:
  """Batches of several heads, or of several steps, as one, its leaves [D, number, ...], rows padded
  to like counts."""
  most = max(batch['rows']['clip'].shape[-1] for batch in batches)

  def padded_to_most(x):
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, most - x.shape[-1])])

  padded = [
    batch | dict(rows={name: padded_to_most(x) for name, x in batch['rows'].items()})
    for batch in batches
  ]
  return jax.tree.map(lambda *each: np.stack(each, axis=1), *padded)


def evaluation_batches(
  split: Split, recipe: Recipe, frames: int, draw: int = 0
) -> Iterator[tuple[list[Example], Batch]]:
  """Every clip once, in stored order, with the examples a batch was made of; of random segments the
  one of that number."""
  for first in range(0, len(split.source), recipe.batch_size):
    indices = range(first, min(first + recipe.batch_size, len(split.source)))
    examples = [prepare(split.source[i], recipe, epoch=draw) for i in indices]
    yield examples, collate(examples, recipe, frames)

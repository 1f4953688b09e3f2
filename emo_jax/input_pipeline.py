"""Batches of clips for the devices: Grain shuffles and prefetches, numpy cuts and pads.

Features come with every batch, or lie on the devices (emo_jax.resident) and batches say where: the
same clips in the same order either way.

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import grain
import jax
import numpy as np

from emo_jax import coverage, labels, preprocess
from emo_jax.corpora import Split
from emo_jax.errors import UserError
from tfds_builders import stored

Batch = dict[str, Any]

# Features per frame of every stream a model may read.
STREAM_WIDTHS = {'face': 512, 'hands': 84}
_SURVEYED = ('labels', 'face_present', 'hand_score', 'time_s')


@dataclasses.dataclass(frozen=True)
class Recipe:
  """What is done to every clip of a split.

  Attributes:
    task: whose labels are read.
    min_coverage: limits below which a clip is marked (emo_jax.coverage.low).
    segment, no_face, hand_frame: see emo_jax.preprocess.
    temporal: `windows` or `sequence`.
    batch_size: clips per batch over all devices.
    devices: over how many a batch is split.
    seed: of shuffling and of random segments.
  """

  task: str
  min_coverage: Mapping[str, float]
  segment: str
  no_face: str
  hand_frame: str
  temporal: str
  batch_size: int
  devices: int
  seed: int

  @property
  def padded_size(self) -> int:
    """Clips of a batch with those that fill it up to like numbers per device."""
    return -(-self.batch_size // self.devices) * self.devices

  def split(self, x: np.ndarray) -> np.ndarray:
    """[clips, ...] of a whole batch -> [D, B, ...]."""
    return x.reshape(self.devices, -1, *x.shape[1:])


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
    return len(self.streams['face'])


def cut(clip_id: str, time_s: np.ndarray, recipe: Recipe, epoch: int) -> np.ndarray:
  """Which of a clip's sampled frames are in its segment; a random one is drawn by seed, epoch and
  id."""
  rng = np.random.default_rng([recipe.seed, epoch, preprocess.clip_hash(clip_id)])
  return preprocess.cut_segment(time_s, recipe.segment, rng)


def prepare(raw: dict[str, Any], recipe: Recipe, epoch: int) -> Example:
  """A stored example as a model sees it; its random draws depend on seed, epoch and id only."""
  clip_id = raw['id'].decode()
  segment = cut(clip_id, raw['time_s'], recipe, epoch)
  # Faces first: a segment may begin while a face seen before it is held.
  face, frames = preprocess.fill_faces(raw['face'], raw['face_present'], recipe.no_face)
  kept = np.isin(frames, segment)
  frames = frames[kept]
  streams = dict(
    face=face[kept],
    hands=preprocess.hand_features(
      raw['hand_points'][frames], raw['hand_score'][frames], recipe.hand_frame
    ),
  )
  if not all(np.isfinite(x).all() for x in streams.values()):
    raise UserError(f'the features of clip {clip_id} are not finite: extract its video again')
  label = int(raw['labels'].get(recipe.task, labels.UNKNOWN))
  shown = raw['face_present'][frames] if recipe.no_face == 'mask' else np.ones(len(frames), bool)
  shares = coverage.shares(raw['face_present'], raw['hand_score'])
  who = (raw[name].decode() if name in raw else None for name in ('signer', 'utterance'))
  return Example(clip_id, label, streams, frames, shown, shares, *who)


@dataclasses.dataclass(frozen=True)
class Survey:
  """What one pass over a split tells before training.

  Attributes:
    label: [N] label index of every clip, -1 where unknown.
    length: [N] its sampled frames.
    has_face: [N] bool, clips with at least one face: the others teach nothing.
    coverage: share -> [N] float, of every clip (emo_jax.coverage.shares).
    frames: length to which clips are padded, the longest one's rounded up so that splits of like
      length share compiled programs.
  """

  label: np.ndarray
  length: np.ndarray
  has_face: np.ndarray
  coverage: dict[str, np.ndarray]
  frames: int


def survey(split: Split, task: str) -> Survey:
  """Reads every example of the split once."""
  rows = [
    (
      e['labels'].get(task, labels.UNKNOWN),
      len(e['time_s']),
      coverage.shares(e['face_present'], e['hand_score']),
    )
    for e in stored.parts(split.source, _SURVEYED)
  ]
  if not rows:
    raise UserError(f'{split.spec} has no clip')
  label, lengths, shares = zip(*rows, strict=True)
  of_clips = {what: np.array([s[what] for s in shares]) for what in coverage.SHARES}
  longest = max(lengths)
  step = 1 << max(3, longest.bit_length() - 4)  # above 64 frames at most an eighth is padding
  frames = max(16, -(-longest // step) * step)
  return Survey(
    np.array(label, np.int64), np.array(lengths), of_clips['face'] > 0, of_clips, frames
  )


def _rows(lengths: np.ndarray, temporal: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Clip, start and weight of every row of one device's clips."""
  if temporal == 'sequence':
    starts = [np.zeros(min(n, 1), np.int64) for n in lengths.tolist()]
  else:
    starts = [preprocess.window_starts(n) for n in lengths.tolist()]
  counts = [len(s) for s in starts]
  clip = np.repeat(np.arange(len(lengths)), counts)
  weight = np.repeat([1 / max(c, 1) for c in counts], counts)
  return clip, np.concatenate([*starts, np.zeros(0, np.int64)]), weight


def collate(examples: Sequence[Example], recipe: Recipe, frames: int) -> Batch:
  """Up to `recipe.batch_size` examples as one batch (module docstring), padded to like shapes."""
  total = recipe.padded_size
  streams = {
    name: np.zeros((total, frames, *value.shape[1:]), value.dtype)
    for name, value in examples[0].streams.items()
  }
  shown = np.ones((total, frames), bool)
  for i, example in enumerate(examples):
    for name, value in example.streams.items():
      streams[name][i, : len(value)] = value
    shown[i, : example.length] = example.shown
  batch = arranged(
    [example.length for example in examples],
    [preprocess.clip_hash(example.id) for example in examples],
    [example.label for example in examples],
    recipe,
  )
  batch['streams'] = {name: recipe.split(x) for name, x in streams.items()}
  return batch | (dict(shown=recipe.split(shown)) if recipe.no_face == 'mask' else {})


def arranged(
  length: Sequence[int], clip_id: Sequence[int], label: Sequence[int], recipe: Recipe
) -> Batch:
  """A batch of clips without its features: how long they are, and the rows cut from them."""
  per_device, total = recipe.padded_size // recipe.devices, recipe.padded_size

  def padded_to(values, fill, dtype):
    return np.pad(np.array(values, dtype), (0, total - len(values)), constant_values=fill)

  lengths = recipe.split(padded_to(length, 0, np.int32))
  rows = [_rows(part, recipe.temporal) for part in lengths]
  # Multiples of the clips per device: few different shapes, little padding.
  count = max(1, -(-max(len(r[0]) for r in rows) // per_device)) * per_device
  padded = [
    np.stack([np.pad(r[field], (0, count - len(r[field]))) for r in rows]).astype(dtype)
    for field, dtype in enumerate((np.int32, np.int32, np.float32))
  ]

  return dict(
    length=dict.fromkeys(STREAM_WIDTHS, lengths),
    labels={recipe.task: recipe.split(padded_to(label, labels.UNKNOWN, np.int32))},
    mask=recipe.split(np.arange(total) < len(length)),
    id=recipe.split(padded_to(clip_id, 0, np.uint32)),
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


def training_batches(
  split: Split, recipe: Recipe, frames: int, keep: np.ndarray
) -> grain.DatasetIterator:
  """Endless shuffled batches of the clips at indices `keep`, the last one of an epoch uneven.

  The iterator's state can be saved and restored; batches depend on the seed and their number only.
  """

  def batch(positions: Sequence[int], epoch: int) -> Batch:
    source = split.source
    return collate(
      [prepare(source[int(keep[p])], recipe, epoch) for p in positions], recipe, frames
    )

  return shuffled_batches(len(keep), recipe, batch)


def shuffled_batches(
  count: int, recipe: Recipe, made_of: Callable[[Sequence[int], int], Batch]
) -> grain.DatasetIterator:
  """Endless batches, each `made_of` positions below `count` and the number of their epoch."""
  order = grain.MapDataset.source(range(count)).shuffle(seed=recipe.seed).repeat()
  per_epoch = -(-count // recipe.batch_size)

  def batch(number: int) -> Batch:
    epoch, k = divmod(number, per_epoch)
    first = epoch * count + k * recipe.batch_size
    last = min(first + recipe.batch_size, (epoch + 1) * count)
    return made_of([order[i] for i in range(first, last)], epoch)

  # Batching by number keeps epochs apart, where batching a repeated dataset would run across them.
  numbers = grain.MapDataset.range(2**31 - 1).map(batch)
  return iter(numbers.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=4)))


def evaluation_batches(
  split: Split, recipe: Recipe, frames: int, draw: int = 0
) -> Iterator[tuple[list[Example], Batch]]:
  """Every clip once, in stored order, with the examples a batch was made of; of random segments the
  one of that number."""
  for first in range(0, len(split.source), recipe.batch_size):
    indices = range(first, min(first + recipe.batch_size, len(split.source)))
    examples = [prepare(split.source[i], recipe, epoch=draw) for i in indices]
    yield examples, collate(examples, recipe, frames)

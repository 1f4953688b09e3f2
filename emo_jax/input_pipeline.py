"""Batches of clips for the devices: Grain shuffles and prefetches, numpy cuts and pads.

A batch is a dict whose leaves have leading axes [D, B]: D devices, B clips each.
  streams: name -> [D, B, T, ...], T the same for all batches of a split.
  length: name -> [D, B] int32, real frames.
  labels: task -> [D, B] int32, -1 where unknown or padded.
  mask: [D, B] bool, False for padding.
  id: [D, B] uint32, a hash of the clip's id, by which its random draws are keyed.
  shown: [D, B, T] bool, False for frames that the model skips; under `mask` only.
  rows: clip, start [D, R] int32 and weight [D, R] float32: the model's sequences, each cut from a
    clip of the same device; a clip's weights sum to 1, padding weighs 0.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
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


@dataclasses.dataclass(frozen=True)
class Example:
  """One clip as a model sees it."""

  id: str
  label: int
  streams: dict[str, np.ndarray]
  shown: np.ndarray  # [T] bool, frames that the model does not skip
  coverage: dict[str, float]  # of the whole clip: emo_jax.coverage.shares
  signer: str | None
  utterance: str | None

  @property
  def length(self) -> int:
    return len(self.streams['face'])


def prepare(raw: dict[str, Any], recipe: Recipe, epoch: int) -> Example:
  """A stored example as a model sees it; its random draws depend on seed, epoch and id only."""
  clip_id = raw['id'].decode()
  rng = np.random.default_rng([recipe.seed, epoch, preprocess.clip_hash(clip_id)])
  segment = preprocess.cut_segment(raw['time_s'], recipe.segment, rng)
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
  return Example(clip_id, label, streams, shown, shares, *who)


@dataclasses.dataclass(frozen=True)
class Survey:
  """What one pass over a split tells before training.

  Attributes:
    label: [N] label index of every clip, -1 where unknown.
    has_face: [N] bool, clips with at least one face: the others teach nothing.
    coverage: share -> [N] float, of every clip (emo_jax.coverage.shares).
    frames: length to which clips are padded, the longest one's rounded up so that splits of like
      length share compiled programs.
  """

  label: np.ndarray
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
  frames = 1 << max(4, (longest - 1).bit_length()) if longest <= 64 else -(-longest // 64) * 64
  return Survey(np.array(label, np.int64), of_clips['face'] > 0, of_clips, frames)


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
  per_device = -(-recipe.batch_size // recipe.devices)
  total = per_device * recipe.devices
  streams = {
    name: np.zeros((total, frames, *value.shape[1:]), value.dtype)
    for name, value in examples[0].streams.items()
  }
  length, clip_id = np.zeros(total, np.int32), np.zeros(total, np.uint32)
  shown = np.ones((total, frames), bool)
  label = np.full(total, labels.UNKNOWN, np.int32)
  for i, example in enumerate(examples):
    for name, value in example.streams.items():
      streams[name][i, : len(value)] = value
    length[i], label[i] = example.length, example.label
    clip_id[i] = preprocess.clip_hash(example.id)
    shown[i, : example.length] = example.shown
  mask = np.arange(total) < len(examples)

  rows = [_rows(part, recipe.temporal) for part in length.reshape(recipe.devices, per_device)]
  # Multiples of the clips per device: few different shapes, little padding.
  count = max(1, -(-max(len(r[0]) for r in rows) // per_device)) * per_device
  padded = [
    np.stack([np.pad(r[field], (0, count - len(r[field]))) for r in rows]).astype(dtype)
    for field, dtype in enumerate((np.int32, np.int32, np.float32))
  ]

  def split(x):
    return x.reshape(recipe.devices, per_device, *x.shape[1:])

  return dict(
    streams={name: split(x) for name, x in streams.items()},
    length={name: split(length) for name in streams},
    labels={recipe.task: split(label)},
    mask=split(mask),
    id=split(clip_id),
    rows=dict(zip(('clip', 'start', 'weight'), padded, strict=True)),
    **(dict(shown=split(shown)) if recipe.no_face == 'mask' else {}),
  )


def stacked(batches: Sequence[Batch]) -> Batch:
  """Batches of several heads as one, its leaves [D, heads, ...], rows padded to like counts."""
  most = max(batch['rows']['clip'].shape[1] for batch in batches)
  padded = [
    batch
    | dict(
      rows={
        name: np.pad(value, [(0, 0), (0, most - value.shape[1])])
        for name, value in batch['rows'].items()
      }
    )
    for batch in batches
  ]
  return jax.tree.map(lambda *each: np.stack(each, axis=1), *padded)


def training_batches(
  split: Split, recipe: Recipe, frames: int, keep: np.ndarray
) -> grain.DatasetIterator:
  """Endless shuffled batches of the clips at indices `keep`, the last one of an epoch uneven.

  The iterator's state can be saved and restored; batches depend on the seed and their number only.
  """
  count = len(keep)

  def at_epoch(index: int, position: int) -> Example:
    return prepare(split.source[int(keep[position])], recipe, epoch=index // count)

  dataset = (
    grain.MapDataset.source(range(count))
    .shuffle(seed=recipe.seed)
    .repeat()
    .map_with_index(at_epoch)
  )
  per_epoch = -(-count // recipe.batch_size)

  def batch(number: int) -> Batch:
    epoch, k = divmod(number, per_epoch)
    first = epoch * count + k * recipe.batch_size
    last = min(first + recipe.batch_size, (epoch + 1) * count)
    return collate([dataset[i] for i in range(first, last)], recipe, frames)

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

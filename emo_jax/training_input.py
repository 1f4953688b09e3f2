"""Endless shuffled batches of the clips that are learnt from: Grain prefetches them.

Features come with every batch, or lie on the devices (emo_jax.resident) and batches say where: the
same clips in the same order either way. Of several processes each makes its own devices' part.
"""

import functools
from collections.abc import Callable, Sequence

import grain
import jax
import numpy as np

from emo_jax import input_pipeline, parallel
from emo_jax.corpora import Split
from emo_jax.input_pipeline import Batch
from emo_jax.recipe import Recipe
from emo_jax.survey import Spans, Survey

_PLANNED = 10**7  # clips whose batches are looked at in advance
_GROUPS, _STEP = 4, 8  # of rows, of frames


def grouped(
  longest: Sequence[tuple[tuple[int, int], ...]],
) -> tuple[tuple[int, int], ...]:
  """Groups of a model's rows that suffice for `Steps.longest` of several heads.

  Frames are rounded up, so that heads of like clips share programs.
  """
  found: list[tuple[int, int]] = []
  for quarter in zip(*longest, strict=True):
    rows, frames = quarter[0][0], max(n for _, n in quarter)
    frames = max(_STEP, -(-frames // _STEP) * _STEP)
    if rows and found and found[-1][1] == frames:
      found[-1] = (found[-1][0] + rows, frames)
    elif rows:
      found.append((rows, frames))
  return tuple(found)


class Steps:
  """Which clips each step of a run learns from, and how they are laid out.

  A batch depends on the seed and its number only; the last one of an epoch is uneven. Rows per
  device are padded to one of few sizes, all of which come in the first epoch, so that no later one
  has to wait for a program.

  Attributes:
    recipe: of the split.
    keep: indices of the clips that are learnt from, by which positions count.
    spans: of these clips.
    own: which devices' part of a batch this process makes.
    sizes: ascending numbers of rows.
    longest: of rows that are whole clips, longest first, how many each quarter has on a device and
      the most frames any of them has in the run; empty for windows.
  """

  def __init__(self, survey: Survey, keep: np.ndarray, recipe: Recipe, steps: int, one_size: bool):
    """Takes the survey of the split and how many `steps` there will be; `one_size` for batches that
    are stacked."""
    self.recipe, self.keep = recipe, keep
    self._clips = survey.chosen(keep)
    self.spans = Spans(self._clips, recipe)
    self.own = parallel.own_devices(recipe.devices)
    self._per_epoch = -(-len(keep) // recipe.batch_size)
    self._order = functools.lru_cache(maxsize=4)(self._shuffled)
    frames = self.spans.most()
    self._rows = np.array([recipe.rows(length) for length in frames.tolist()])
    epochs = -(-steps // self._per_epoch)
    planned = range(epochs if epochs * len(keep) <= _PLANNED else 0)
    whole_clips = recipe.temporal == 'sequence'
    self.longest = self._longest_of_quarters(frames, planned) if whole_clips else ()
    first, largest = self._sizes_needed(planned)
    self.sizes = (largest,) if one_size else tuple(sorted({*first, largest}))
    self._padded_first = largest not in first

  def _shuffled(self, epoch: int) -> np.ndarray:
    rng = np.random.default_rng([self.recipe.seed, epoch])
    return rng.permutation(len(self.keep))

  def _sizes_needed(self, epochs: Sequence[int]) -> tuple[set[int], int]:
    """Sizes that the batches of the first epoch need, and the largest that any of the run does; the
    largest there could be if no epochs are given."""
    first = set(self._needed(0))
    if epochs:
      return first, max(max(self._needed(epoch)) for epoch in epochs)
    worst = np.sort(self._rows)[-self.recipe.per_device :].sum()
    return first, input_pipeline.row_count(int(worst), self.recipe)

  def _on_devices(self, values: np.ndarray, epoch: int) -> np.ndarray:
    """Of each clip -> [batches, D, B] of an epoch, filled up with zeros."""
    how = self.recipe
    whole = np.zeros(self._per_epoch * how.batch_size, np.int64)
    whole[: len(values)] = values[self._order(epoch)]
    whole = whole.reshape(self._per_epoch, how.batch_size)
    whole = np.pad(whole, [(0, 0), (0, how.padded_size - how.batch_size)])
    return whole.reshape(self._per_epoch, how.devices, -1)

  def _needed(self, epoch: int) -> list[int]:
    """The size of every batch of an epoch, wherever random segments are cut."""
    most = self._on_devices(self._rows, epoch).sum(-1).max(-1)
    return [input_pipeline.row_count(int(n), self.recipe) for n in most]

  def _longest_of_quarters(
    self, frames: np.ndarray, epochs: Sequence[int]
  ) -> tuple[tuple[int, int], ...]:
    count = self.recipe.per_device
    starts = [count * i // _GROUPS for i in range(_GROUPS)]
    falling = -np.sort(-np.pad(frames, (0, count)))
    # No batch has more long clips than there are.
    longest = falling[starts]
    if epochs:
      each = [-np.sort(-self._on_devices(frames, epoch)) for epoch in epochs]
      longest = np.max([x[..., starts].max((0, 1)) for x in each], axis=0)
    ends = [*starts[1:], count]
    return tuple((end - start, int(n)) for start, end, n in zip(starts, ends, longest, strict=True))

  def batch(self, number: int) -> tuple[list[int], int, Batch]:
    """Positions of a batch's clips among those kept, its epoch, and the batch of all devices
    without features."""
    epoch, k = divmod(number, self._per_epoch)
    size = self.recipe.batch_size
    at = self._order(epoch)[k * size : (k + 1) * size].tolist()
    found = input_pipeline.arranged(
      [self.spans.length(p, epoch) for p in at],
      self._clips.clip_hash[at].tolist(),
      self._clips.label[at].tolist(),
      self.recipe,
      self._size(number, at),
    )
    return at, epoch, found

  def _size(self, number: int, at: Sequence[int]) -> int:
    """Rows per device of a batch."""
    if number == 0 and self._padded_first:
      return self.sizes[-1]
    rows = np.pad(self._rows[at], (0, self.recipe.padded_size - len(at)))
    most = self.recipe.split(rows).sum(-1).max()
    return next(n for n in self.sizes if n >= most)

  def iterator(
    self, first: int, made_of: Callable[[list[int], int], Batch]
  ) -> grain.DatasetIterator:
    """Endless batches of this process' devices from the one numbered `first` on, with what is
    `made_of` their positions and epoch."""
    per_device = self.recipe.per_device

    def batch(number: int) -> Batch:
      at, epoch, found = self.batch(number)
      own = at[self.own.start * per_device : self.own.stop * per_device]
      return jax.tree.map(lambda x: x[self.own], found) | made_of(own, epoch)

    numbers = grain.MapDataset.range(first, 2**31 - 1).map(batch)
    return iter(numbers.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=4)))

  def on_own_devices(self, x: np.ndarray) -> np.ndarray:
    """[clips, ...] of this process' part of a batch -> [its devices, B, ...], filled up."""
    devices = self.own.stop - self.own.start
    missing = devices * self.recipe.per_device - len(x)
    x = np.pad(x, [(0, missing)] + [(0, 0)] * (x.ndim - 1))
    return x.reshape(devices, -1, *x.shape[1:])


def streamed(split: Split, steps: Steps, frames: int, first: int = 0) -> grain.DatasetIterator:
  """Batches with their features from the one numbered `first` on, each clip padded to so many
  frames."""
  how, keep, source = steps.recipe, steps.keep, split.source
  clips = how.per_device * (steps.own.stop - steps.own.start)

  def made_of(positions: list[int], epoch: int) -> Batch:
    examples = [input_pipeline.prepare(source[int(keep[p])], how, epoch) for p in positions]
    own = input_pipeline.features(examples, clips, frames, how.no_face == 'mask')
    return jax.tree.map(steps.on_own_devices, own)

  return steps.iterator(first, made_of)

"""Endless shuffled batches of the clips that are learnt from: Grain prefetches them.

Features come with every batch, or lie on the devices (emo_jax.resident) and batches say where: the
same clips in the same order either way. Of several processes each makes its own devices' part.
"""

from collections.abc import Callable, Sequence

import grain
import jax
import numpy as np

from emo_jax import batch_plan, input_pipeline, parallel
from emo_jax.corpora import Split
from emo_jax.input_pipeline import Batch
from emo_jax.recipe import Recipe
from emo_jax.survey import Spans, Survey


class Steps:
  """Which clips each step of a run learns from, and how they are laid out.

  Rows per device are padded to one of few sizes, all of which come in the first epoch, so that no
  later one has to wait for a program.

  Attributes:
    recipe: of the split.
    keep: indices of the clips that are learnt from, by which positions count.
    spans: of these clips.
    own: which devices' part of a batch this process makes.
    sizes: ascending numbers of rows.
    longest: as `batch_plan.Plan`.
  """

  def __init__(self, survey: Survey, keep: np.ndarray, recipe: Recipe, steps: int, one_size: bool):
    """Takes the survey of the split and how many `steps` there will be; `one_size` for batches that
    are stacked."""
    self.recipe, self.keep = recipe, keep
    self._clips = survey.chosen(keep)
    self.spans = Spans(self._clips, recipe)
    self.own = parallel.own_devices(recipe.devices)
    self._order = batch_plan.Order(len(keep), recipe)
    frames = self.spans.most()
    self._rows = np.array([recipe.rows(length) for length in frames.tolist()])
    epochs = -(-steps // self._order.per_epoch)
    plan = batch_plan.plan(self._order, frames, self._rows, recipe, epochs)
    self.longest = plan.longest
    self.sizes = (plan.largest,) if one_size else tuple(sorted({*plan.first, plan.largest}))
    self._padded_first = plan.largest not in plan.first

  def batch(self, number: int) -> tuple[list[int], int, Batch]:
    """Positions of a batch's clips among those kept, its epoch, and the batch of all devices
    without features."""
    at, epoch = self._order.batch(number)
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
    own = input_pipeline.features(examples, clips, frames, how)
    return jax.tree.map(steps.on_own_devices, own)

  return steps.iterator(first, made_of)

"""What shapes suffice for every batch of a run, told before its first: so nothing compiles later.

An order depends on the seed and the epoch only, so all batches can be looked at in advance.
"""

import collections
import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from emo_jax import input_pipeline
from emo_jax.recipe import Recipe

_MOST_CLIPS = 10**7  # of all epochs that are looked at in advance: about a second
_EPOCH = 5_000  # clips that an epoch counts for besides its own
_GROUPS, _STEP = 4, 8  # of rows, of frames
_RARE = 16  # a size that fewer than one in so many batches need is not worth a program


class Order:
  """Which clips the batches of an epoch have: shuffled anew each epoch, the last one uneven.

  Attributes:
    per_epoch: batches.
  """

  def __init__(self, clips: int, recipe: Recipe):
    self._clips, self._recipe = clips, recipe
    self.per_epoch = -(-clips // recipe.batch_size)
    self._of = functools.lru_cache(maxsize=4)(self._shuffled)

  def _shuffled(self, epoch: int) -> np.ndarray:
    return np.random.default_rng([self._recipe.seed, epoch]).permutation(self._clips)

  def batch(self, number: int) -> tuple[list[int], int]:
    """Positions of its clips, and its epoch."""
    epoch, k = divmod(number, self.per_epoch)
    size = self._recipe.batch_size
    return self._of(epoch)[k * size : (k + 1) * size].tolist(), epoch

  def on_devices(self, epoch: int, *values: np.ndarray) -> Iterator[np.ndarray]:
    """Each [clips] -> [batches, D, B] of an epoch, filled up with zeros."""
    how, order = self._recipe, self._shuffled(epoch)
    for each in values:
      whole = np.zeros(self.per_epoch * how.batch_size, np.int64)
      whole[: len(order)] = each[order]
      whole = whole.reshape(self.per_epoch, how.batch_size)
      whole = np.pad(whole, [(0, 0), (0, how.padded_size - how.batch_size)])
      yield whole.reshape(self.per_epoch, how.devices, -1)


class Plan(NamedTuple):
  """Shapes of a run's batches.

  Attributes:
    first: numbers of rows per device that are common among batches of the first epoch.
    largest: what any batch of the run is.
    longest: of rows that are whole clips, longest first, how many each quarter has on a device and
      the most frames any of them has; empty for windows.
  """

  first: frozenset[int]
  largest: int
  longest: tuple[tuple[int, int], ...]


def plan(order: Order, frames: np.ndarray, rows: np.ndarray, recipe: Recipe, epochs: int) -> Plan:
  """Of clips that have at most so many `frames` and fill so many `rows`, both [clips]; of very long
  runs what there could be at worst, without a look at their batches."""
  starts = [recipe.per_device * i // _GROUPS for i in range(_GROUPS)]
  in_first = next(order.on_devices(0, rows)).sum(-1).max(-1).tolist()
  # Without the first batch, which may have to be padded to the largest size.
  sizes = collections.Counter(input_pipeline.row_count(n, recipe) for n in in_first[1:])
  if epochs * (len(frames) + _EPOCH) <= _MOST_CLIPS:
    found = [_most(*order.on_devices(epoch, rows, frames), starts) for epoch in range(epochs)]
    most = np.max(found, axis=0)
  else:  # no batch has more long clips than there are
    falling = [-np.sort(-np.pad(x, (0, recipe.per_device))) for x in (rows, frames)]
    most = _most(*(x[None, None, : recipe.per_device] for x in falling), starts)
  largest, *longest = most.tolist()
  of_quarter = np.diff([*starts, recipe.per_device]).tolist()
  return Plan(
    frozenset(size for size, batches in sizes.items() if batches * _RARE >= len(in_first)),
    input_pipeline.row_count(largest, recipe),
    tuple(zip(of_quarter, longest, strict=True)) if recipe.temporal == 'sequence' else (),
  )


def _most(rows: np.ndarray, frames: np.ndarray, starts: Sequence[int]) -> np.ndarray:
  """Of clips on devices [batches, D, B] -> the most rows of a device, and the most frames that any
  clip has in each part of the clips longest first."""
  longest = np.sort(frames)[..., ::-1][..., starts].max((0, 1))
  return np.array([rows.sum(-1).max(), *longest])


def grouped(
  longest: Sequence[tuple[tuple[int, int], ...]],
) -> tuple[tuple[int, int], ...]:
  """Groups of a model's rows that suffice for `Plan.longest` of several heads.

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

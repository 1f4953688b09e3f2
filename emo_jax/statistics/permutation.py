"""Is one run better than another on the same clips? Paired permutation test and interval."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from emo_jax import errors
from emo_jax.errors import UserError, first_of
from emo_jax.statistics import bootstrap, measures
from emo_jax.statistics.clips import Scored

_NAMED = 3  # clips that a message names
_SWAPS_AT_ONCE = 4_000_000
_TIE = 1e-10  # differences that are equal but for rounding


def compare(
  one: Scored, other: Scored, metric: str = 'macro_f1', draws: int = 10000, seed: int = 0
) -> dict[str, Any]:
  """How much better `one` is than `other` on the same clips, and whether chance explains it.

  The test is of these trained models, not of their recipes. If they do not differ, swapping what
  the two said of all clips of a cluster, in all repeats together, changes nothing but by chance:
  `p` is the share of such swaps with a difference at least as large, of either sign; of all swaps
  if there are no more than `draws`, else of `draws` random ones and the observed one. It is exact
  for exchangeable models with the same number of repeats. With different numbers each repeat of the
  fewer stands beside several of the more, in order of seed and draw, so that the difference remains
  that of the means over all repeats; one side is then noisier, and the test right for many clusters
  only.

  Args:
    one, other: of the same clips and labels.
    metric: of measures.names.
    draws: of swaps; the interval is from as many draws of the bootstrap, at most 2,000.
    seed: of the draws.

  Returns:
    `difference`, one less other as a fraction; `low`, `high`, its 95 % interval by the bootstrap
    with the same weights for both; `p`; the number of `clusters`.

  Raises:
    UserError: the two are of different tasks, clips, labels, signers or utterances, the metric is
      unknown, or all clips are of one unit of the bootstrap.
  """
  _require_comparable(one, other)
  errors.require(metric, measures.names(one.task), 'the metric')
  varied = np.concatenate(
    [
      measures.weighted(one, some)[metric] - measures.weighted(other, some)[metric]
      for some in bootstrap.chunks(one, min(draws, bootstrap.DRAWS), seed)
    ]
  )
  low, high = bootstrap.percentiles(varied)
  clusters = int(one.cluster.max()) + 1
  sums = _sums(one), _sums(other)
  observed = float(_differences(*sums, np.zeros((1, clusters), bool), one.task, metric)[0])
  extreme, seen = 0, 0
  for swaps in _swaps(clusters, draws, seed):
    found = _differences(*sums, swaps, one.task, metric)
    extreme += int((np.abs(found) >= abs(observed) - _TIE).sum())
    seen += len(found)
  unseen = int(2**clusters > draws)  # random swaps: the observed one counts as one more
  p = (extreme + unseen) / (seen + unseen)
  return dict(difference=observed, low=low, high=high, p=p, clusters=clusters)


def holm(p: Sequence[float]) -> list[float]:
  """p values adjusted for their number, in the given order (Holm 1979, step-down)."""
  order = np.argsort(p, kind='stable')
  steps = np.asarray(p, float)[order] * np.arange(len(p), 0, -1)
  adjusted = np.empty(len(p))
  adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
  return adjusted.tolist()


def _require_comparable(one: Scored, other: Scored) -> None:
  if one.task != other.task:
    raise UserError(f'one is scored on {one.task}, the other on {other.task}: score the same task')
  if one.ids != other.ids:
    differ = sorted(set(one.ids) ^ set(other.ids))
    raise UserError(
      f'{len(differ)} labelled clips are of one alone ({first_of(differ, _NAMED)}): score both on '
      'the same corpus and split'
    )
  for what in ('true', 'unit', 'cluster'):
    differ = [
      id_
      for id_, x, y in zip(one.ids, getattr(one, what), getattr(other, what), strict=True)
      if x != y
    ]
    if differ:
      of = 'labels' if what == 'true' else 'signers or utterances'
      raise UserError(
        f'the two differ in {of} of {len(differ)} clips ({first_of(differ, _NAMED)}): score both '
        'on the same build of the corpus'
      )


def _sums(clips: Scored) -> Float[np.ndarray, 'r clusters columns']:
  """measures.columns summed over the clips of each cluster."""
  found = []
  for p in clips.p:
    each = measures.columns(p, clips.true)
    found.append(np.zeros((clips.cluster.max() + 1, each.shape[1])))
    np.add.at(found[-1], clips.cluster, each)
  return np.stack(found)


def _swaps(clusters: int, draws: int, seed: int) -> Iterator[Bool[np.ndarray, 'some clusters']]:
  """Which clusters are swapped: every choice if there are no more than `draws`, else random."""
  exact = 2**clusters <= draws
  rng = np.random.default_rng(seed)
  total = 2**clusters if exact else draws
  size = max(1, _SWAPS_AT_ONCE // clusters)
  for start in range(0, total, size):
    some = np.arange(start, min(start + size, total))
    if exact:
      yield (some[:, None] >> np.arange(clusters) & 1).astype(bool)
    else:
      yield rng.random((len(some), clusters)) < 0.5


def _differences(
  one: Float[np.ndarray, 'r clusters columns'],
  other: Float[np.ndarray, 's clusters columns'],
  swaps: Bool[np.ndarray, 'some clusters'],
  task: str,
  metric: str,
) -> Float[np.ndarray, ' some']:
  """The differences of the mean scores once the chosen clusters are swapped."""
  pairs = math.lcm(len(one), len(other))
  found = np.zeros(len(swaps))
  chosen = swaps.astype(float)
  for i in range(pairs):
    x, y = one[i * len(one) // pairs], other[i * len(other) // pairs]
    moved = chosen @ (y - x)
    for sign, sums in ((1, x.sum(0) + moved), (-1, y.sum(0) - moved)):
      found += sign * measures.statistics(sums, task)[metric]
  return found / pairs

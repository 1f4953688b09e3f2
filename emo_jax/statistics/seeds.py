"""How scores vary with training anew: intervals and tests over seeds instead of over clips.

The tests over clips (`permutation`) are about the models that were trained. A way of training is
better than another only if its models are, seed after seed.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from emo_jax.predictions import Prediction, repeats, score

FEWEST = 3  # for an interval over them


def interval(values: Sequence[float]) -> tuple[float, float, float]:
  """Mean and 95 % Student interval over seeds; infinite for a single one."""
  mean, n = float(np.mean(values)), len(values)
  if n < 2:
    return mean, float('-inf'), float('inf')
  half = float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n))
  return mean, mean - half, mean + half


def scores(predictions: Sequence[Prediction], task: str, metric: str) -> dict[int, float]:
  """Seed -> a score of `emo_jax.metrics.NAMES`, the mean over its draws of random segments."""
  found: dict[int, list[Prediction]] = {}
  for repeat in repeats(predictions):
    found.setdefault(repeat[0].seed, []).extend(repeat)
  return {seed: score(of_seed, task)[metric] for seed, of_seed in found.items()}


def compare(one: Mapping[int, float], other: Mapping[int, float]) -> dict[str, float]:
  """The mean difference of two ways of training, paired by seed, with a 95 % Student interval and
  the p of the paired t test, two-sided.

  Args:
    one, other: seed -> score; seeds that only one has are left out.

  Returns:
    `difference`, `low`, `high`, `p`, and `seeds`, how many both have; without any, of no effect.
  """
  common = sorted(one.keys() & other.keys())
  if not common:
    return dict(difference=0.0, low=float('-inf'), high=float('inf'), p=1.0, seeds=0)
  differences = [one[seed] - other[seed] for seed in common]
  mean, low, high = interval(differences)
  if len(common) < 2 or np.ptp(differences) == 0:
    p = 1.0 if len(common) < 2 or mean == 0 else 0.0
  else:
    p = float(stats.ttest_1samp(differences, 0).pvalue)
  return dict(difference=mean, low=low, high=high, p=p, seeds=len(common))

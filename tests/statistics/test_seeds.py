"""Scores over seeds, against SciPy's paired t test and by hand."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from emo_jax import labels
from emo_jax.predictions import Prediction, score
from emo_jax.statistics import seeds


def test_the_test_is_the_paired_t_test():
  rng = np.random.default_rng(0)
  one, other = rng.uniform(size=(2, 6))
  found = seeds.compare(dict(enumerate(one)), dict(enumerate(other)) | {99: 0.0})
  want = stats.ttest_rel(one, other)
  assert found['p'] == pytest.approx(want.pvalue) and found['seeds'] == 6
  interval = want.confidence_interval(0.95)
  assert (found['low'], found['high']) == pytest.approx((interval.low, interval.high))
  assert found['difference'] == pytest.approx((one - other).mean())


@pytest.mark.parametrize(
  ('one', 'other', 'p'),
  [
    ({0: 0.5, 1: 0.6}, {0: 0.5, 1: 0.6}, 1.0),
    ({0: 0.5, 1: 0.5}, {0: 0.25, 1: 0.25}, 0.0),
    ({0: 0.9}, {0: 0.1}, 1.0),
  ],
)
def test_differences_that_do_not_vary(one, other, p):
  assert seeds.compare(one, other)['p'] == p


def test_scores_per_seed_are_means_over_draws():
  rng = np.random.default_rng(1)
  found = []
  for seed in (3, 4):
    for draw in (0, 1):
      for i, true in enumerate(labels.EMOTIONS * 4):
        p = dict(zip(labels.EMOTIONS, rng.dirichlet(np.ones(7)), strict=True))
        of_clip = Prediction(str(i), true, p, True, signer='s', utterance=str(i))
        found.append(dataclasses.replace(of_clip, seed=seed, draw=draw))
  wanted = {
    seed: np.mean(
      [
        score([p for p in found if (p.seed, p.draw) == (seed, draw)], 'emotion')['macro_f1']
        for draw in (0, 1)
      ]
    )
    for seed in (3, 4)
  }
  assert seeds.scores(found, 'emotion', 'macro_f1') == pytest.approx(wanted)

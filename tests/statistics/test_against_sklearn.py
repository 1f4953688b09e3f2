"""The scores, weighted and not, against scikit-learn's."""

import dataclasses

import numpy as np
import pytest
from sklearn import calibration as sk_calibration
from sklearn import metrics as sk

from emo_jax import labels, metrics
from emo_jax.statistics import bootstrap, measures
from emo_jax.statistics.calibration import calibration
from tests.statistics import simulated

K = simulated.K


def expected(true, predicted, weights=None):
  every = dict(labels=range(K), zero_division=0, sample_weight=weights)
  occurring = dict(labels=np.unique(true), average='macro', sample_weight=weights)
  found = dict(
    wacc=sk.recall_score(true, predicted, **occurring, zero_division=0),
    accuracy=sk.accuracy_score(true, predicted, sample_weight=weights),
    macro_f1=sk.f1_score(true, predicted, average='macro', **every),
    weighted_f1=sk.f1_score(true, predicted, average='weighted', **every),
  )
  f1 = sk.f1_score(true, predicted, average=None, **every)
  return found | {f'f1/{name}': x for name, x in zip(labels.EMOTIONS, f1, strict=True)}


@pytest.mark.parametrize('seed', range(150))
def test_rates_of_random_confusion_matrices(seed):
  rng = np.random.default_rng(seed)
  counts = rng.integers(0, 6, (K, K)) * (rng.random((K, K)) < rng.choice([0.15, 0.5, 1]))
  counts[rng.random(K) < 0.3] = 0  # classes that do not occur
  counts[:, rng.random(K) < 0.2] = 0  # or are never predicted
  counts[rng.integers(K), rng.integers(K)] += 1
  true, predicted = (np.repeat(x.reshape(-1), counts.reshape(-1)) for x in np.indices((K, K)))
  found = {name: value[0] for name, value in metrics.rates(counts[None]).items()}
  f1 = found.pop('f1')
  found |= {f'f1/{name}': x for name, x in zip(labels.EMOTIONS, f1, strict=True)}
  want = expected(true, predicted)
  assert {k: float(v) for k, v in found.items()} == pytest.approx(want, abs=1e-12)
  assert metrics.confusion(true, predicted, K).tolist() == (
    sk.confusion_matrix(true, predicted, labels=range(K)).tolist()
  )


@pytest.fixture(scope='module')
def soft():
  """Three repeats of a corpus with probabilities that are not calibrated."""
  clips, rng = simulated.corpus(), np.random.default_rng(7)
  logits = rng.normal(size=(3, len(clips.ids), K)) + np.eye(K)[clips.true]
  p = np.exp(2 * logits)
  return dataclasses.replace(clips, p=p / p.sum(-1, keepdims=True))


def proper_scores(p, true, weights=None):
  return dict(
    nll=sk.log_loss(true, p, labels=range(K), sample_weight=weights),
    brier=sk.brier_score_loss(true, p, labels=range(K), scale_by_half=False, sample_weight=weights),
  )


def test_nll_and_brier_and_their_sum_over_classes(soft):
  found = calibration(soft)
  each = [proper_scores(p, soft.true) for p in soft.p]
  for name in ('nll', 'brier'):
    assert found[name] == pytest.approx(np.mean([one[name] for one in each]), rel=1e-12)
  by_class = [sum(sk.brier_score_loss(soft.true == k, p[:, k]) for k in range(K)) for p in soft.p]
  assert found['brier'] == pytest.approx(np.mean(by_class), rel=1e-12)
  mean = np.mean([metrics.negative_log_likelihood(p, soft.true) for p in soft.p])
  assert found['nll'] == pytest.approx(mean, rel=1e-12)


def test_bins_and_ece_are_those_of_the_calibration_curve(soft):
  found = calibration(soft)
  right = (soft.p.argmax(-1) == soft.true).reshape(-1)
  confidence = soft.p.max(-1).reshape(-1)
  accuracy, mean = sk_calibration.calibration_curve(right, confidence, n_bins=10)
  filled = [b for b in found['bins'] if b['n']]
  assert [b['accuracy'] for b in filled] == pytest.approx(accuracy.tolist(), abs=1e-12)
  assert [b['confidence'] for b in filled] == pytest.approx(mean.tolist(), abs=1e-12)
  one = calibration(dataclasses.replace(soft, p=soft.p[:1]))
  weighted = sum(b['n'] * abs(b['accuracy'] - b['confidence']) for b in one['bins'] if b['n'])
  assert one['ece'] == pytest.approx(weighted / len(soft.ids), abs=1e-12)


def test_every_draw_of_the_bootstrap_is_what_sklearn_says_under_its_weights(soft):
  drawn = bootstrap.weights(soft, draws=12, seed=3)
  found = measures.weighted(soft, drawn)
  for i, weights in enumerate(drawn):
    each = [
      expected(soft.true, p.argmax(-1), weights) | proper_scores(p, soft.true, weights)
      for p in soft.p
    ]
    for name in each[0]:
      assert found[name][i] == pytest.approx(np.mean([one[name] for one in each]), abs=1e-10)
  assert set(found) == set(measures.names('emotion')) == {*each[0], 'ece'}

"""The paired test against brute force, other libraries, and simulations without any effect."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk
from statsmodels.stats import contingency_tables
from statsmodels.stats.multitest import multipletests

from emo_jax.errors import UserError
from emo_jax.statistics import bootstrap, measures, permutation
from emo_jax.statistics.clips import scored
from tests.statistics import simulated

K = simulated.K


def systems(seed, utterances=4, signers=2, repeats=(2, 2), spread=1.0, levels=(0.0, 0.6)):
  """Two systems on the same clips, each better on some utterances."""
  clips, rng = simulated.corpus(utterances, signers), np.random.default_rng(seed)
  return [
    dataclasses.replace(
      clips, p=simulated.decisions(rng, clips.true, clips.cluster, spread, r, level)
    )
    for r, level in zip(repeats, levels, strict=True)
  ]


def macro_f1(true, p):
  every = dict(labels=range(K), average='macro', zero_division=0)
  return np.mean([sk.f1_score(true, one.argmax(-1), **every) for one in p])


@pytest.mark.parametrize('seed', range(4))
def test_few_clusters_are_enumerated_as_by_brute_force(seed):
  one, other = systems(seed)
  found = permutation.compare(one, other)
  differences = []
  for swap in itertools.product([False, True], repeat=4):
    swapped = np.array(swap)[one.cluster][None, :, None]
    a, b = np.where(swapped, other.p, one.p), np.where(swapped, one.p, other.p)
    differences.append(macro_f1(one.true, a) - macro_f1(one.true, b))
  assert found['difference'] == pytest.approx(differences[0], abs=1e-12)
  extreme = np.abs(differences) >= abs(differences[0]) - 1e-9
  assert found['p'] == pytest.approx(extreme.mean(), abs=1e-12)
  assert found['clusters'] == 4


def test_random_swaps_come_near_the_enumeration():
  one, other = systems(1, utterances=9)
  exact = permutation.compare(one, other, 'accuracy', draws=512)['p']
  random = permutation.compare(one, other, 'accuracy', draws=511)['p']
  assert 0.02 < exact < 0.9
  assert random == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 511))
  assert random * 512 == pytest.approx(round(random * 512))


def test_single_clips_and_accuracy_give_the_exact_test_of_mcnemar():
  true = np.zeros(12, int)
  one, other = np.zeros(12, int), np.zeros(12, int)
  one[:2], other[2:11] = 1, 1  # 2 clips only the other has right, 9 only this one
  a, b = (
    scored(
      simulated.predictions(
        simulated.one_hot(x)[None], true.tolist(), [('X', f'u{i:02}') for i in range(12)]
      ),
      'emotion',
      'emosign',
    )
    for x in (one, other)
  )
  table = [[1, 9], [2, 0]]
  found = permutation.compare(a, b, 'accuracy')
  assert found['p'] == pytest.approx(contingency_tables.mcnemar(table, exact=True).pvalue)
  assert found['difference'] == pytest.approx(7 / 12)


@settings(max_examples=60, deadline=None)
@given(
  seed=st.integers(0, 100),
  metric=st.sampled_from(measures.names('emotion')),
  repeats=st.tuples(st.integers(1, 3), st.integers(1, 3)),
  utterances=st.sampled_from([3, 12]),
)
def test_the_other_way_round_the_sign_changes_and_p_does_not(seed, metric, repeats, utterances):
  one, other = systems(seed, utterances, repeats=repeats)
  there = permutation.compare(one, other, metric, draws=100, seed=seed)
  back = permutation.compare(other, one, metric, draws=100, seed=seed)
  assert back['difference'] == pytest.approx(-there['difference'], abs=1e-12)
  assert (back['low'], back['high']) == pytest.approx((-there['high'], -there['low']), abs=1e-12)
  assert back['p'] == there['p'] and 0 < there['p'] <= 1
  assert there['low'] <= there['high']


@pytest.mark.parametrize('utterances', [4, 30])
def test_a_run_does_not_differ_from_itself(utterances):
  one, _ = systems(0, utterances, repeats=(3, 1))
  found = permutation.compare(one, one)
  expected = dict(difference=0, low=0, high=0, p=1, clusters=utterances)
  assert found == pytest.approx(expected, abs=1e-12)


def test_the_difference_is_that_of_the_means_over_all_repeats():
  one, other = systems(3, repeats=(2, 3))
  found = permutation.compare(one, other)
  assert found['difference'] == pytest.approx(
    macro_f1(one.true, one.p) - macro_f1(other.true, other.p), abs=1e-12
  )
  # Saying everything twice is saying it once.
  again = dataclasses.replace(one, p=np.repeat(one.p, 2, 0))
  assert permutation.compare(again, other) == pytest.approx(found, abs=1e-12)


def test_the_interval_is_paired():
  # One is right where the other is, and on one clip in ten more.
  one, _ = systems(1, 60, repeats=(1, 1), spread=2.0)
  better = simulated.one_hot(one.true)[None]
  tenth = np.random.default_rng(0).random(len(one.ids)) < 0.1
  other = dataclasses.replace(one, p=np.where(tenth[None, :, None], better, one.p))
  found = permutation.compare(other, one, 'accuracy')
  low, high = bootstrap.intervals(one)['accuracy']
  assert 0 < found['low'] < found['difference'] < found['high']
  assert found['high'] - found['low'] < (high - low) / 2
  assert found['p'] < 0.001
  rows = bootstrap.weights(one)
  drawn = [measures.weighted(x, rows)['accuracy'] for x in (other, one)]
  assert np.quantile(drawn[0] - drawn[1], [0.025, 0.975]).tolist() == pytest.approx(
    [found['low'], found['high']]
  )


def test_what_cannot_be_compared_is_named():
  one, other = systems(0)
  renamed = dataclasses.replace(other, ids=('another', *other.ids[1:]))
  with pytest.raises(
    UserError, match=r'2 labelled clips are of one alone \(another, s0-u0000-00000\)'
  ):
    permutation.compare(one, renamed)
  relabelled = dataclasses.replace(other, true=np.roll(other.true, 1))
  with pytest.raises(UserError, match=r'differ in labels of 56 clips \(s0-u0000-00000, '):
    permutation.compare(one, relabelled)
  recut = dataclasses.replace(other, cluster=other.cluster[::-1].copy())
  with pytest.raises(UserError, match='differ in signers or utterances of 56 clips'):
    permutation.compare(one, recut)
  with pytest.raises(UserError, match='scored on emotion, the other on expression'):
    permutation.compare(one, dataclasses.replace(other, task='expression'))
  with pytest.raises(UserError, match="the metric is 'f1'; it must be one of wacc, accuracy"):
    permutation.compare(one, other, 'f1')


@pytest.mark.parametrize('n', [1, 2, 3, 7, 20])
def test_holm_is_that_of_statsmodels(n):
  rng = np.random.default_rng(n)
  p = np.round(rng.random(n) ** 3, 2).tolist()  # with ties
  assert permutation.holm(p) == pytest.approx(multipletests(p, method='holm')[1].tolist())


def test_holm_keeps_the_order_and_takes_nothing():
  assert permutation.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
  assert permutation.holm([]) == []


def rejections(simulations, utterances=20, repeats=(1, 1), **how):
  """Shares of simulations without effect that the test and a test clip by clip call one."""
  ours = clip_by_clip = 0
  for i in range(simulations):
    one, other = systems(i, utterances, repeats=repeats, levels=(0.0, 0.0), **how)
    ours += permutation.compare(one, other, draws=199, seed=i)['p'] <= 0.05
    right = [x.p[0].argmax(-1) == x.true for x in (one, other)]
    gained, lost = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    clip_by_clip += stats.binomtest(gained, gained + lost).pvalue <= 0.05
  return ours / simulations, clip_by_clip / simulations


def bounds(simulations):
  """Outside which a test of 5 % rejects once in a thousand times."""
  return [x / simulations for x in stats.binom.ppf([0.0005, 0.9995], simulations, 0.05)]


@pytest.mark.slow
@pytest.mark.parametrize('repeats', [(1, 1), (3, 3), (1, 4)])
def test_without_an_effect_one_in_twenty_is_called_one(repeats):
  low, high = bounds(800)
  ours, clip_by_clip = rejections(800, repeats=repeats, spread=2.0)
  assert low <= ours <= high
  assert clip_by_clip > 0.2  # clips of an utterance are taken for independent


@pytest.mark.slow
def test_an_effect_is_found():
  found = sum(
    permutation.compare(*systems(i, 40, levels=(0.0, 0.8)), draws=199, seed=i)['p'] <= 0.05
    for i in range(100)
  )
  assert found > 80

"""The bootstrap against theory, an explicit loop, and scores of fresh simulated corpora."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from emo_jax.errors import UserError
from emo_jax.statistics import bootstrap, measures
from emo_jax.statistics.clips import scored
from tests.statistics import simulated

K = simulated.K


def of(true, who, p=None, corpus='ejsl'):
  p = np.full((1, len(true), K), 1 / K) if p is None else p
  return scored(simulated.predictions(p, true, who), 'emotion', corpus)


@settings(max_examples=80, deadline=None)
@given(
  st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from('XY'), st.sampled_from('abcdef')),
    min_size=2,
    max_size=30,
  ).filter(lambda rows: len({row[1:] for row in rows}) > 1),
  st.sampled_from(['ejsl', 'emosign/single']),
)
def test_every_draw_has_as_many_clips_of_each_class_as_the_corpus(rows, name):
  clips = of([y for y, _, _ in rows], [(s, u) for _, s, u in rows], corpus=name)
  drawn = bootstrap.weights(clips, draws=50, seed=1)
  assert drawn.shape == (50, len(rows)) and (drawn >= 0).all()
  by_class = drawn @ np.eye(K)[clips.true]
  np.testing.assert_allclose(by_class, np.tile(np.bincount(clips.true, minlength=K), (50, 1)))
  for name, (low, high) in bootstrap.intervals(clips, draws=50).items():
    assert 0 <= low <= high <= (2 if name in ('nll', 'brier') else 1)


def test_episodes_keep_class_counts_too_though_each_mixes_classes():
  rng = np.random.default_rng(0)
  true = [0] * 3 + [1] * 20 + [6] * 200
  clips = of(true, [(f'e{rng.integers(16)}', str(i)) for i in range(223)], corpus='bobsl/m_c')
  drawn = bootstrap.weights(clips, draws=3000)
  counts = np.broadcast_to(np.bincount(clips.true, minlength=K), (3000, K))
  np.testing.assert_allclose(drawn @ np.eye(K)[clips.true], counts)
  # Clips of an episode and a class have one weight.
  for episode in range(len(clips.stratum)):
    own = drawn[:, (clips.unit == episode) & (clips.true == 6)]
    assert (own == own[:, :1]).all()


def test_of_three_units_two_are_drawn():
  clips = of([4, 4, 4], [('X', 'a'), ('X', 'b'), ('X', 'c')])
  seen = Counter(map(tuple, bootstrap.weights(clips, draws=18000)))
  twice = [(3, 0, 0), (0, 3, 0), (0, 0, 3)]
  once = [(1.5, 1.5, 0), (1.5, 0, 1.5), (0, 1.5, 1.5)]
  assert set(seen) == {*twice, *once}
  expected = [2000] * 3 + [4000] * 3
  assert stats.chisquare([seen[x] for x in [*twice, *once]], expected).pvalue > 1e-3


@pytest.mark.parametrize('sizes', [(2, 2, 2, 2), (3, 5, 40), (30, 30)])
def test_the_variance_of_a_mean_is_the_unbiased_one_of_stratified_samples(sizes):
  # Cochran, Sampling Techniques, section 5.3: sum over strata of N_h^2 s_h^2 / n_h, here N_h = n_h.
  rng = np.random.default_rng(sum(sizes))
  who = [(f's{h}', f'u{i:02}') for h, size in enumerate(sizes) for i in range(size)]
  clips = of([0] * len(who), who)
  values = rng.normal(size=len(who)) + 3 * np.repeat(np.arange(len(sizes)), sizes)
  drawn = bootstrap.weights(clips, draws=40000) @ values
  each = np.split(values, np.cumsum(sizes)[:-1])
  theory = sum(len(x) * np.var(x, ddof=1) for x in each)
  assert np.var(drawn) == pytest.approx(theory, rel=0.04)
  assert np.mean(drawn) == pytest.approx(values.sum(), abs=4 * np.sqrt(theory / 40000))


def test_draws_without_a_class_are_drawn_again():
  # 3 of 4 episodes are drawn; fear is in two. Both are drawn once in 3/16 of draws, none in 1/8.
  who = [('a', '1'), ('b', '2'), ('a', '3'), ('b', '4'), ('c', '5'), ('d', '6')]
  clips = of([4, 4, 6, 6, 6, 6], who, corpus='bobsl/m_c')
  drawn = bootstrap.weights(clips, draws=20000)[:, clips.true == 4]
  assert np.isclose(drawn, 1).all(1).mean() == pytest.approx((3 / 16) / (7 / 8), abs=0.012)


def by_explicit_loop(clips, draws, rng):
  """One draw after another, clip by clip, with scikit-learn."""
  found = []
  while len(found) < draws:
    weight = dict.fromkeys(range(len(clips.stratum)), 0.0)
    for stratum in set(clips.stratum.tolist()):
      members = [u for u, s in enumerate(clips.stratum) if s == stratum]
      for _ in range(len(members) - 1):
        weight[members[rng.integers(len(members))]] += len(members) / (len(members) - 1)
    w = np.array([weight[u] for u in clips.unit])
    totals = {y: sum(w[clips.true == y]) for y in set(clips.true.tolist())}
    if not all(totals.values()):
      continue
    w = np.array([
      x * sum(clips.true == y) / totals[y] for x, y in zip(w, clips.true.tolist(), strict=True)
    ])  # fmt: skip
    scores = [
      sk.f1_score(
        clips.true, p.argmax(-1), labels=range(K), average='macro', zero_division=0, sample_weight=w
      )
      for p in clips.p
    ]
    found.append(np.mean(scores))
  return np.array(found)


@pytest.mark.parametrize('name', ['ejsl', 'bobsl/m_c'])
def test_draws_are_distributed_as_those_of_an_explicit_loop(name):
  rng = np.random.default_rng(5)
  n = 60
  who = [(f's{rng.integers(6)}', f'u{rng.integers(12)}') for _ in range(n)]
  true = rng.choice([0, 1, 6], n, p=[0.2, 0.3, 0.5])
  p = rng.dirichlet(np.ones(K), (2, n)) + 0.3 * simulated.one_hot(true)
  clips = of(true.tolist(), who, p, name)
  slow = by_explicit_loop(clips, 800, rng)
  drawn = bootstrap.weights(clips, draws=6000)
  fast = measures.weighted(clips, drawn)['macro_f1']
  assert stats.ks_2samp(slow, fast).pvalue > 1e-3
  assert np.std(fast) == pytest.approx(np.std(slow), rel=0.08)
  low, high = bootstrap.intervals(clips, draws=6000)['macro_f1']
  assert (low, high) == pytest.approx(np.quantile(slow, [0.025, 0.975]).tolist(), abs=0.015)


def test_perfect_predictions_are_certain_and_perfect():
  clips = simulated.corpus()
  found = bootstrap.intervals(dataclasses.replace(clips, p=simulated.one_hot(clips.true)[None]))
  errors = ('nll', 'brier', 'ece')
  assert found == {k: (0, 0) if k in errors else (1, 1) for k in measures.names('emotion')}


def test_a_clip_per_class_leaves_nothing_to_vary():
  clips = of(list(range(K)), [('X', f'u{i}') for i in range(K)])
  assert (bootstrap.weights(clips, draws=100) == 1).all()
  assert bootstrap.intervals(clips, 100)['accuracy'] == pytest.approx((1 / 7, 1 / 7))


def test_a_class_nobody_shows_or_predicts_has_an_f1_of_zero():
  rng = np.random.default_rng(0)
  true = rng.integers(3, size=50)
  p = simulated.one_hot(rng.integers(3, size=50))[None]
  found = bootstrap.intervals(of(true.tolist(), [('X', f'u{i:02}') for i in range(50)], p), 200)
  assert found['f1/neutral'] == (0, 0) and found['f1/sadness'][0] > 0
  assert found['macro_f1'][1] < 3 / 7


@pytest.mark.parametrize('name', ['ejsl', 'bobsl/m_c'])
def test_one_unit_says_nothing_of_how_scores_vary(name):
  with pytest.raises(UserError, match=r'the labelled clips \(2\) are all of one unit'):
    bootstrap.intervals(of([0, 1], [('X', 'a'), ('X', 'a')], corpus=name))


def test_the_seed_decides_the_draws_and_chunks_do_not_repeat_them(monkeypatch):
  clips = simulated.corpus()
  assert (bootstrap.weights(clips, 30, 1) == bootstrap.weights(clips, 30, 1)).all()
  assert (bootstrap.weights(clips, 30, 1) != bootstrap.weights(clips, 30, 2)).any()
  monkeypatch.setattr(bootstrap, '_WEIGHTS_AT_ONCE', 4 * len(clips.ids))
  chunked = bootstrap.weights(clips, 30, 1)
  assert len(chunked) == 30 and len({tuple(w) for w in chunked}) == 30


def naive(clips, draws, rng):
  """Interval of the accuracy if clips are drawn one by one."""
  right = (clips.p[0].argmax(-1) == clips.true).astype(float)
  drawn = right[rng.integers(len(right), size=(draws, len(right)))].mean(1)
  return np.quantile(drawn, [0.025, 0.975])


def test_intervals_are_wider_than_clip_by_clip_where_clips_of_an_utterance_err_together():
  clips, rng = simulated.corpus(40), np.random.default_rng(3)
  widths = []
  for spread in (0.0, 3.0):
    p = simulated.decisions(rng, clips.true, clips.unit, spread)
    made = dataclasses.replace(clips, p=p)
    low, high = bootstrap.intervals(made, 1000)['accuracy']
    widths.append((high - low) / np.ptp(naive(made, 1000, rng)))
  assert widths[0] == pytest.approx(1, abs=0.2)
  assert widths[1] > 1.6


def coverage(clips, group, spread, simulations=400):
  """Shares of corpora whose interval of accuracy holds the truth: ours and clip by clip."""
  rng, truth = np.random.default_rng(11), None
  mean = simulated.decisions(rng, np.zeros(400_000, int), np.arange(400_000), spread)
  truth = float((mean[0].argmax(-1) == 0).mean())
  ours = theirs = 0
  for i in range(simulations):
    made = dataclasses.replace(clips, p=simulated.decisions(rng, clips.true, group, spread))
    low, high = bootstrap.intervals(made, 400, seed=i)['accuracy']
    ours += low <= truth <= high
    low, high = naive(made, 400, rng)
    theirs += low <= truth <= high
  return ours / simulations, theirs / simulations


@pytest.mark.slow
def test_intervals_hold_the_truth_about_as_often_as_they_say():
  clips = simulated.corpus(40)
  ours, _ = coverage(clips, np.arange(len(clips.ids)), 1.0)
  assert 0.92 <= ours <= 0.98
  ours, theirs = coverage(clips, clips.unit, 1.5)  # an utterance of a signer succeeds as a whole
  assert 0.92 <= ours <= 0.98
  assert theirs < 0.85


@pytest.mark.slow
def test_intervals_of_macro_f1_hold_the_truth_on_unbalanced_clips():
  # As in EmoSign: few clips per class and signer; the truth is the F1 of the expected confusion.
  rng = np.random.default_rng(2)
  counts = np.array([54, 29, 12, 10, 21, 12, 11])
  true = np.repeat(np.arange(K), counts)
  rows = 0.35 * np.eye(K) + 0.65 * rng.dirichlet(np.ones(K), K)
  expected = counts[:, None] * rows
  truth = (2 * np.diag(expected) / (expected.sum(0) + expected.sum(1))).mean()
  who = [(f's{rng.choice(3, p=[0.45, 0.3, 0.25])}', f'u{i:03}') for i in range(len(true))]
  clips = of(true.tolist(), who)
  held = 0
  for i in range(400):
    predicted = (rng.random((len(true), 1)) > rows[clips.true].cumsum(1)).sum(1).clip(max=K - 1)
    made = dataclasses.replace(clips, p=simulated.one_hot(predicted)[None])
    low, high = bootstrap.intervals(made, 400, seed=i)['macro_f1']
    held += low <= truth <= high
  assert 0.91 <= held / 400 <= 0.98

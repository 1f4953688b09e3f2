"""Agreement statistics against published figures and against what must hold of them."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from scipy import stats

from emo_jax import reliability

# "Emotion Recognition in Signers", Table 9, joy to neutral: both annotators' counts and those they
# agree on.
FIRST, SECOND = (59, 37, 35, 19, 21, 34, 1233), (251, 110, 92, 55, 33, 47, 850)
AGREED = (48, 25, 26, 10, 5, 8, 808)
# Gwet's example of pregnancies, as his package irrCAC prints it: 100 items, 3 labels.
PREGNANCIES = np.array([[13, 0, 0], [0, 20, 7], [0, 4, 56]])

COUNTS = st_numpy.arrays(np.int64, (4, 4), elements=st.integers(0, 30)).filter(np.any)


def counts_of(first, second) -> np.ndarray:
  found = np.zeros((len(set(first + second)),) * 2, np.int64)
  names = sorted(set(first + second))
  for a, b in zip(first, second, strict=True):
    found[names.index(a), names.index(b)] += 1
  return found


def of_the_paper() -> np.ndarray:
  """A confusion with Table 9's marginals and diagonal; the paper does not give the rest."""
  found = np.diag(AGREED)
  found[0, 1], found[1:4, 0], found[4:6, 6] = 11, (12, 9, 9), (16, 26)
  found[6, :6] = np.subtract(SECOND, found.sum(0))[:6]
  return found


def test_the_papers_agreement():
  counts = of_the_paper()
  assert tuple(counts.sum(1)) == FIRST and tuple(counts.sum(0)) == SECOND
  assert tuple(np.diag(counts)) == AGREED and counts.sum() == 1438 and np.trace(counts) == 930
  assert reliability.observed_agreement(counts) == pytest.approx(0.6467, abs=5e-5)
  assert reliability.gwet_chance_agreement(counts) == pytest.approx(0.0762, abs=5e-5)
  assert reliability.gwet_ac1(counts) == pytest.approx(0.6176, abs=5e-5)


@pytest.mark.parametrize(
  ('statistic', 'value'),
  [
    (reliability.gwet_ac1, 0.8493305),
    (reliability.gwet_ac1_standard_error, 0.04321747),
    (reliability.cohen_kappa, 0.7964094),
    (reliability.krippendorff_alpha, 0.7972585),
  ],
)
def test_what_gwets_package_prints(statistic, value):
  assert statistic(PREGNANCIES) == pytest.approx(value, abs=5e-8)


def test_kappas_paradox():
  # Gwet (2008): 118 of 125 agree on the frequent label, kappa is below zero.
  counts = np.array([[118, 5], [2, 0]])
  assert reliability.cohen_kappa(counts) == pytest.approx(-0.0234, abs=5e-5)
  assert reliability.gwet_ac1(counts) == pytest.approx(0.9408, abs=5e-5)


@pytest.mark.parametrize(
  ('first', 'second', 'alpha'),
  [('0100000010', '1110010000', 0.095), ('aabbdcccedda', 'babbbccceddd', 0.692)],
)
def test_krippendorffs_own_examples(first, second, alpha):
  # "Computing Krippendorff's Alpha-Reliability" (2011), sections A and B.
  assert reliability.krippendorff_alpha(counts_of(first, second)) == pytest.approx(alpha, abs=5e-4)


def test_ac1s_standard_error_is_the_jackknifes():
  counts = of_the_paper()
  cells = [tuple(at) for at in np.argwhere(counts)]
  n, values = counts.sum(), []
  for at in cells:
    less = counts.copy()
    less[at] -= 1
    values.append(reliability.gwet_ac1(less))
  weights = np.array([counts[at] for at in cells])
  mean = (weights * values).sum() / n
  jackknife = np.sqrt((n - 1) / n * (weights * (values - mean) ** 2).sum())
  error = reliability.gwet_ac1_standard_error(counts)
  assert error == pytest.approx(jackknife, rel=0.002)


def test_ac1s_standard_error_is_what_resampling_finds():
  counts, rng = of_the_paper(), np.random.default_rng(0)
  drawn = rng.multinomial(1438, counts.ravel() / 1438, size=4000).reshape(-1, 7, 7)
  spread = np.std([reliability.gwet_ac1(x) for x in drawn])
  assert reliability.gwet_ac1_standard_error(counts) == pytest.approx(spread, rel=0.05)


@settings(max_examples=100, deadline=None)
@given(counts=COUNTS, order=st.permutations(range(4)))
def test_neither_the_raters_nor_the_labels_have_an_order(counts, order):
  for statistic in (
    reliability.observed_agreement,
    reliability.gwet_chance_agreement,
    reliability.gwet_ac1,
    reliability.gwet_ac1_standard_error,
    reliability.cohen_kappa,
    reliability.krippendorff_alpha,
  ):
    value = statistic(counts)
    expected = value if value is None else pytest.approx(value, abs=1e-9)
    assert statistic(counts.T) == expected
    assert statistic(counts[np.ix_(order, order)]) == expected


@settings(max_examples=100, deadline=None)
@given(counts=COUNTS)
def test_how_the_coefficients_lie_to_each_other(counts):
  alpha, kappa = reliability.krippendorff_alpha(counts), reliability.cohen_kappa(counts)
  assume(alpha is not None and kappa is not None)
  n = counts.sum()
  shares = (counts.sum(0) + counts.sum(1)) / (2 * n)
  chance = (shares**2).sum()
  scott_pi = (np.trace(counts) / n - chance) / (1 - chance)
  assert 1 - alpha == pytest.approx((1 - scott_pi) * (2 * n - 1) / (2 * n), abs=1e-9)
  assert scott_pi <= kappa + 1e-9  # equal where both give each label as often
  many = counts * 10_000
  assert reliability.krippendorff_alpha(many) == pytest.approx(scott_pi, abs=1e-3)
  for coefficient in (alpha, kappa, reliability.gwet_ac1(counts)):
    assert -1 <= coefficient <= 1 + 1e-9


@settings(max_examples=50, deadline=None)
@given(diagonal=st.lists(st.integers(0, 30), min_size=3, max_size=3))
def test_perfect_agreement_is_1(diagonal):
  assume(sum(map(bool, diagonal)) > 1)
  counts = np.diag(diagonal)
  for statistic in (
    reliability.gwet_ac1,
    reliability.cohen_kappa,
    reliability.krippendorff_alpha,
  ):
    assert statistic(counts) == pytest.approx(1)
  assert reliability.gwet_ac1_standard_error(counts) == pytest.approx(0, abs=1e-7)


def test_independent_labels_agree_by_chance_alone():
  rng = np.random.default_rng(0)
  counts = stats.contingency.crosstab(*rng.integers(0, 3, (2, 30_000))).count
  for statistic in (
    reliability.gwet_ac1,
    reliability.cohen_kappa,
    reliability.krippendorff_alpha,
  ):
    assert abs(statistic(counts)) < 0.02


def test_one_label_throughout_leaves_kappa_and_alpha_undefined():
  counts = np.diag([5, 0, 0])
  assert reliability.gwet_ac1(counts) == 1
  assert reliability.cohen_kappa(counts) is None
  assert reliability.krippendorff_alpha(counts) is None


def test_labels_that_nobody_gave_lower_ac1s_chance():
  more = np.zeros((7, 7), np.int64)
  more[:3, :3] = PREGNANCIES
  assert reliability.gwet_chance_agreement(more) == pytest.approx(
    reliability.gwet_chance_agreement(PREGNANCIES) * 2 / 6
  )


def test_nothing_to_agree_on_is_an_error():
  with pytest.raises(ValueError, match='no item'):
    reliability.observed_agreement(np.zeros((7, 7), np.int64))

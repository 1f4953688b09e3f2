"""Averages by phase: worked out by hand, and intervals against scipy's."""

import numpy as np
import pytest
from scipy import stats

from emo_jax.explain import phases
from emo_jax.explain.attribution import ClipAttribution

LETTERS = dict(r='rest', s='signing', p='post_signing')


def clip(face, phase, hands=None, share=None, clip_id='a', predicted='joy', utterance=None):
  """A clip of which these are the contributions, five frames a second."""
  values = dict(face=face) | ({} if hands is None else dict(hands=hands))
  count = len(face)
  return ClipAttribution(
    id=clip_id,
    signer=None,
    utterance=utterance,
    true='joy',
    predicted=predicted,
    probability=0.5,
    at_baseline=dict(joy=0.25, anger=0.75),
    frame=np.arange(count),
    time_s=np.arange(count, dtype=np.float32) / 5,
    phase=np.array([LETTERS[c] for c in phase], object),
    streams={name: np.array(x, np.float64) for name, x in values.items()},
    share=np.ones(count) if share is None else np.array(share, np.float64),
  )


def test_relative_is_one_on_average_over_both_streams():
  found = phases.relative(clip([0.1, -0.3], 'rs', hands=[0.0, 0.2]))
  np.testing.assert_allclose(found['face'], [1 / 3, 1])
  np.testing.assert_allclose(found['hands'], [0, 2 / 3])
  assert np.isnan(phases.relative(clip([0.0], 'r'))['face']).all()


def test_averages_by_hand():
  found = phases.averages(
    [
      clip([0.1, 0.1, 0.2, -0.4], 'rssp', clip_id='a'),
      clip([0.3, 0.1], 'ss', clip_id='b', predicted='anger'),
    ]
  )
  every, rest = found['all'], found['all']['phases']['rest']
  assert (every['clips'], every['frames']) == (2, 6)
  assert (rest['clips'], rest['frames'], rest['share_of_frames']['mean']) == (1, 1, 0.125)
  # Of the first clip: 0.1 of a mean of 0.2; the second has no such frame.
  assert rest['streams']['face']['relative']['mean'] == pytest.approx(0.5)
  assert rest['streams']['face']['relative']['low'] is None  # of one clip
  signing = every['phases']['signing']['streams']['face']
  assert signing['relative']['mean'] == pytest.approx((0.75 + 1) / 2)
  assert signing['signed']['mean'] == pytest.approx((0.15 + 0.2) / 2)
  assert every['phases']['post_signing']['streams']['face']['signed']['mean'] == pytest.approx(-0.4)
  # Per place: rest 0.5, signing 0.75, after it 2 of the first clip.
  contrasts = {what: of['face']['mean'] for what, of in every['contrasts'].items()}
  assert contrasts == pytest.approx({'rest less signing': -0.25, 'post_signing less signing': 1.25})
  assert found['correct']['clips'] == found['wrong']['clips'] == 1
  assert list(found['predicted']) == ['joy', 'anger']


def test_differences_between_runs_are_of_the_same_clips():
  one = [clip([0.1, 0.3], 'sp', clip_id='a', hands=[1.0, 1.0]), clip([1.0], 's', clip_id='b')]
  other = [clip([0.2, 0.2], 'sp', clip_id='a'), clip([1.0], 's', clip_id='c')]
  found = phases.differences(one, other)
  assert found['clips'] == 1 and list(found['phases']['signing']) == ['face']
  assert found['phases']['signing']['face']['mean'] == pytest.approx(0.5 - 1)
  assert found['phases']['post_signing']['face']['mean'] == pytest.approx(1.5 - 1)
  assert found['contrasts']['post_signing less signing']['face']['mean'] == pytest.approx(1)


def test_what_is_shown_more_often_weighs_no_more_per_place():
  share = np.array([0.5, 0.5, 1, 2])
  (found,) = [phases.averages([clip(0.1 * share, 'rssp', share=share)])['all']['phases']]
  for phase in LETTERS.values():
    assert found[phase]['streams']['face']['per_place']['mean'] == pytest.approx(1)
  assert found['post_signing']['streams']['face']['relative']['mean'] == pytest.approx(2)
  assert found['post_signing']['places']['mean'] == 2


def test_intervals_are_those_of_scipy():
  values = np.random.default_rng(0).exponential(size=120)
  mean, low, high = phases.resampled(values[:, None], [str(i) for i in range(120)])
  theirs = stats.bootstrap((values,), np.mean, method='percentile', rng=np.random.default_rng(1))
  assert mean[0] == pytest.approx(values.mean())
  wanted = theirs.confidence_interval
  np.testing.assert_allclose([low[0], high[0]], [wanted.low, wanted.high], atol=0.02)


def test_repeats_of_a_clip_do_not_narrow_its_interval():
  values = np.random.default_rng(0).normal(size=(40, 1))
  names = [str(i) for i in range(40)]
  once = phases.resampled(values, names)
  assert once[2, 0] - once[1, 0] > 0.4
  often = phases.resampled(np.tile(values, (9, 1)), names * 9)
  np.testing.assert_allclose(often, once, rtol=1e-9, atol=1e-12)


def test_missing_values_are_left_out():
  found = phases.resampled(np.array([[1.0, np.nan], [3.0, np.nan]]), ['a', 'b'])
  assert found[0, 0] == 2 and found[1, 0] == 1 and found[2, 0] == 3
  assert np.isnan(found[:, 1]).all()


def test_clips_of_an_utterance_are_drawn_together_where_all_have_one():
  named = [clip([1.0], 'r', clip_id=c, utterance='u') for c in 'ab']
  assert phases.clusters(named) == ['u', 'u']
  assert phases.clusters([*named, clip([1.0], 'r', clip_id='c')]) == ['a', 'b', 'c']


def test_curves_are_aligned_at_the_last_signing_frame():
  clips = [
    clip([0.1, 0.2, 0.3, 0.4], 'rssp', clip_id='a'),
    clip([0.5, 0.6, 0.7], 'spp', clip_id='b'),
    clip([9.0, 9.0], 'rr', clip_id='never'),
  ]
  found = phases.aligned(clips)
  assert found.clips == 2
  # Both reach from the last signing frame to the next one.
  np.testing.assert_allclose(found.time_s, [0, 0.2], atol=1e-6)
  np.testing.assert_allclose(found.values['signed']['face'][0], [(0.3 + 0.5) / 2, (0.4 + 0.6) / 2])
  assert found.values['places'][''][0].tolist() == [1, 1]


def test_without_signing_there_is_nothing_to_align():
  assert phases.aligned([clip([1.0, 1.0], 'rr')]).clips == 0

"""Calibration at its extremes."""

import dataclasses

import numpy as np
import pytest

from emo_jax.statistics.calibration import calibration
from tests.statistics import simulated


def test_sure_and_right_is_perfect_and_sure_and_wrong_the_worst():
  clips = simulated.corpus(3)
  right = calibration(dataclasses.replace(clips, p=simulated.one_hot(clips.true)[None]))
  assert (right['nll'], right['brier'], right['ece']) == (0, 0, 0)
  wrong = simulated.one_hot((clips.true + 1) % 7)[None]
  worst = calibration(dataclasses.replace(clips, p=wrong))
  assert (worst['brier'], worst['ece']) == (2, 1)
  assert worst['nll'] == pytest.approx(12 * np.log(10))


def test_uniform_probabilities_on_balanced_clips_are_calibrated():
  found = calibration(simulated.corpus(3))
  assert found['ece'] == pytest.approx(0, abs=1e-12)
  assert found['nll'] == pytest.approx(np.log(7))
  assert found['brier'] == pytest.approx(6 / 7)
  filled = [b for b in found['bins'] if b['n']]
  assert [(b['low'], b['high'], b['n']) for b in filled] == [(0.1, 0.2, 42)]
  assert (filled[0]['confidence'], filled[0]['accuracy']) == pytest.approx((1 / 7, 1 / 7))


def test_bins_count_the_clips_of_one_repeat_and_empty_ones_have_no_mean():
  clips = simulated.corpus(3)
  p = np.stack([clips.p[0], simulated.one_hot(clips.true)])
  found = calibration(dataclasses.replace(clips, p=p))
  assert sum(b['n'] for b in found['bins']) == len(clips.ids)
  assert [b['n'] for b in found['bins']] == [0, 21, 0, 0, 0, 0, 0, 0, 0, 21]
  assert [b['confidence'] is None for b in found['bins']] == [b['n'] == 0 for b in found['bins']]
  assert found['nll'] == pytest.approx(np.log(7) / 2)

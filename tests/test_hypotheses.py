"""The verdicts on made-up scores, and the experiment itself on seeds that nothing was tuned on."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from emo_jax import controls, hypotheses
from emo_jax.statistics import seeds


def scores(**changed):
  """Every arm at 0.5 macro F1 and wAcc on five seeds but for those named by arm and segment."""
  even = {'macro_f1': [0.5] * 5, 'wacc': [1 / 7] * 5}
  arms = {arm: {s: dict(even) for s in entry[3]} for arm, entry in controls.ARMS.items()}
  for name, values in changed.items():
    arm, segment = name.split('__')
    arms[arm][segment]['macro_f1'] = values
  return arms


def test_an_effect_holds_if_its_interval_lies_above_zero():
  clear, unclear = [0.6, 0.61, 0.59, 0.6, 0.62], [0.7, 0.4, 0.65, 0.3, 0.6]
  found = hypotheses.judge(scores(EANwH__full=clear, EAN__last_2s=unclear))
  assert found['H3 hands over face alone']['verdict'] == 'holds'
  assert found['H3 hands over face alone']['mean'] == pytest.approx(0.104)
  assert found['H2 last 2 s over full clip']['verdict'] == 'fails'
  assert (
    found['H2 last 2 s over full clip']['low'] < 0 < found['H2 last 2 s over full clip']['high']
  )


def test_a_control_fails_if_the_effect_outlives_its_cause():
  found = hypotheses.judge(scores(**{'EANwH, no markers__full': [0.6, 0.61, 0.59, 0.6, 0.62]}))
  assert found['control, no markers: hands over face alone']['verdict'] == 'fails'
  assert found['control, hands shuffled: hands over face alone']['verdict'] == 'holds'


def test_shuffled_labels_must_be_at_chance_not_below_it():
  made = scores()
  made['EANwH, labels shuffled']['full']['wacc'] = [0.05, 0.06, 0.05, 0.04, 0.05]
  found = hypotheses.judge(made)
  assert found['control, EANwH labels shuffled: wAcc less chance (full)']['verdict'] == 'fails'
  assert found['control, EAN labels shuffled: wAcc less chance (full)']['verdict'] == 'holds'


def test_the_interval_is_students():
  # Mean 3, standard error 1/sqrt(2), 2.776 times it to either side at four degrees of freedom.
  mean, low, high = seeds.interval([1.0, 2.0, 3.0, 4.0, 5.0])
  assert (mean, low, high) == pytest.approx((3, 3 - 1.9632, 3 + 1.9632), abs=1e-3)
  assert np.isinf(seeds.interval([1.0])[1])


@pytest.mark.slow
@pytest.mark.timeout(2700)
def test_the_controls_hold_on_five_fresh_seeds(tmp_path, capsys):
  """Hypotheses are reported whatever comes out; controls must hold."""
  command = ['-m', 'emo_jax.hypotheses', f'--out={tmp_path}', '--hidden=64,32', '--epochs=3']
  # On the machine's own device, as a user's run: simulated ones only slow it down.
  plain = {name: value for name, value in os.environ.items() if name != 'XLA_FLAGS'}
  done = subprocess.run([sys.executable, *command], env=plain, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  with capsys.disabled():
    print('\n' + done.stdout)
  found = json.loads((tmp_path / 'hypotheses.json').read_text())
  assert found['seeds'] == [101, 102, 103, 104, 105]
  effects = found['effects']
  for effect in effects.values():
    assert len(effect['seeds']) == 5 and effect['low'] <= effect['mean'] <= effect['high']
  # Nine intervals of 95 % would fail in a fifth of all trainings by chance: Bonferroni's bound.
  names = [name for name in effects if name.startswith('control')]
  for name in names:
    side = 'two-sided' if 'chance' in name else 'greater'
    p = stats.ttest_1samp(effects[name]['seeds'], 0, alternative=side).pvalue
    assert p > 0.05 / len(names), name

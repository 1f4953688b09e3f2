"""Scores of each signer."""

import numpy as np
import pytest

from emo_jax import labels, predictions
from emo_jax.statistics.clips import scored
from emo_jax.statistics.signers import per_signer
from tests.statistics import simulated


def test_each_signer_has_the_scores_of_their_clips_alone():
  rng = np.random.default_rng(0)
  true = rng.integers(5, size=60).tolist()
  who = [('Rachel' if i % 3 else 'Ben', f'u{i:02}') for i in range(50)]
  who += [('Ann', f'u{i}') for i in range(50, 60)]
  made = simulated.predictions(rng.dirichlet(np.ones(7), (2, 60)), true, who)
  found = per_signer(scored(made, 'emotion', 'ejsl'))
  assert [(one['signer'], one['n']) for one in found] == [('Rachel', 33), ('Ben', 17), ('Ann', 10)]
  for one in found:
    own = [p for p in made if p.signer == one['signer']]
    alone = predictions.score(own, 'emotion')
    for name in ('n', 'wacc', 'accuracy', 'macro_f1'):
      assert one[name] == pytest.approx(alone[name])
    assert one['occur'] == {name: sum(p.true == name for p in own) // 2 for name in labels.EMOTIONS}


def test_signers_with_as_many_clips_are_in_order_of_their_names():
  clips = simulated.corpus(2, 3)
  assert [one['signer'] for one in per_signer(clips)] == ['s0', 's1', 's2']

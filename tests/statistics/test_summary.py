"""What a report gets."""

import json

import numpy as np

from emo_jax import labels, predictions
from emo_jax.statistics import measures
from emo_jax.statistics.summary import summary
from tests.statistics import simulated

K = simulated.K


def made(utterances=6, repeats=2):
  true, who = simulated.crossed(utterances, 2)
  p = np.random.default_rng(0).dirichlet(np.ones(K), (repeats, len(true)))
  return simulated.predictions(p + simulated.one_hot(np.array(true)) / 4, true, who)


def test_a_summary_goes_through_json_and_its_intervals_hold_the_scores():
  given = made()
  found = summary(given, 'emotion', 'ejsl', draws=500)
  assert json.loads(json.dumps(found, allow_nan=False)) == found
  assert (found['draws'], found['units']) == (500, 12)
  scores = predictions.score(given, 'emotion')
  scores |= {f'f1/{name}': scores['per_class_f1'][name] for name in labels.EMOTIONS}
  assert set(found['intervals']) == set(measures.names('emotion'))
  for name, (low, high) in found['intervals'].items():
    assert low < scores.get(name, found['calibration'].get(name)) < high or name == 'ece'
  assert found['calibration']['nll'] == scores['nll']
  assert [one['n'] for one in found['per_signer']] == [42, 42]


def test_the_order_of_the_lines_does_not_matter():
  given = made()
  assert summary(given, 'emotion', 'ejsl', 50) == summary(given[::-1], 'emotion', 'ejsl', 50)


def test_the_reason_stands_in_the_place_of_what_is_not_known():
  unlabelled = simulated.predictions(np.full((1, 1, K), 1 / K), [None], [('X', 'a')])
  assert summary(unlabelled, 'emotion', 'ejsl') == dict(
    unknown='no clip is labelled for emotion: there is nothing to score'
  )
  nameless = simulated.predictions(np.full((1, 1, K), 1 / K), [0], [(None, None)])
  assert 'score the run again' in summary(nameless, 'emotion', 'ejsl')['unknown']
  alone = simulated.predictions(np.full((1, 1, K), 1 / K), [0], [('X', 'a')])
  assert 'all of one unit' in summary(alone, 'emotion', 'ejsl')['unknown']

import numpy as np

from emo_jax.video import boxes as box_math


def test_a_box_falls_to_a_better_one_that_falls_itself():
  x = np.asarray([0.0, 4.0, 8.0])
  chain = np.stack([x, np.zeros(3), x + 10, np.full(3, 10.0)], axis=1)
  scores = np.asarray([0.9, 0.8, 0.7])
  assert box_math.suppress(chain, scores, 0.4, 'union').tolist() == [0]
  assert box_math.suppress(chain, scores, 0.5, 'union').tolist() == [0, 1, 2]
  assert box_math.suppress(chain, scores[::-1].copy(), 0.5, 'min').tolist() == [2]


def test_suppression_by_the_smaller_box():
  nested = np.asarray([[0.0, 0, 10, 10], [2, 2, 5, 5]])
  scores = np.asarray([0.5, 0.6])
  assert box_math.suppress(nested, scores, 0.7, 'union').tolist() == [1, 0]
  assert box_math.suppress(nested, scores, 0.7, 'min').tolist() == [1]


def test_suppression_of_many_boxes_equals_the_definition():
  rng = np.random.default_rng(0)
  low = rng.uniform(0, 300, (1300, 2))
  many = np.concatenate([low, low + rng.uniform(5, 40, (1300, 2))], axis=1)
  scores = rng.uniform(size=1300)
  kept = set()
  for i, box in enumerate(many):
    better = many[scores > scores[i]]
    shared = np.minimum(box[2:], better[:, 2:]) - np.maximum(box[:2], better[:, :2])
    shared = np.maximum(shared, 0).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + (better[:, 2:] - better[:, :2]).prod(axis=1) - shared
    if not (shared / union > 0.3).any():
      kept.add(i)
  found = box_math.suppress(many, scores, 0.3, 'union')
  assert set(found.tolist()) == kept
  assert (np.diff(scores[found]) < 0).all()


def test_nothing_to_suppress():
  assert box_math.suppress(np.zeros((0, 4)), np.zeros(0), 0.5, 'union').tolist() == []


def test_pyramid_of_the_reference():
  scales = box_math.pyramid(480, 480)
  assert len(scales) == 10 and scales[0] == 0.6
  assert int(480 * scales[-1]) >= 12
  assert box_math.pyramid(8, 8) == []


def test_square_keeps_the_centre_and_regression_counts_the_last_pixel():
  assert box_math.square(np.asarray([[0.0, 0, 4, 10]])).tolist() == [[-3, 0, 7, 10]]
  moved = box_math.regress(np.asarray([[0.0, 0, 9, 19]]), np.asarray([[0.1, 0.1, 0, -0.1]]))
  assert moved.tolist() == [[1, 2, 9, 17]]

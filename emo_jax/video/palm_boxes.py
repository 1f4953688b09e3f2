"""Palms from the output of MediaPipe's palm network: anchors, decoding, non-maximum suppression.

The network looks at a square of SIDE pixels. All constants are those of the graph
mediapipe/tasks/cc/vision/hand_detector/hand_detector_graph.cc.
"""

import numpy as np
from jaxtyping import Float

SIDE = 192  # pixels

_STRIDES = (8, 16, 16, 16)  # of the layers, with this many anchors at every point of each:
_ANCHORS_PER_POINT = 2
_MOST_OVERLAP = 0.3


def anchors() -> Float[np.ndarray, '2016 2']:
  """The anchors' centres, x and y as shares of the side, in the order of the network's output."""
  layers = []
  for stride in sorted(set(_STRIDES)):
    points = SIDE // stride
    centres = (np.arange(points) + 0.5) / points
    grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
    layers.append(np.repeat(grid, _ANCHORS_PER_POINT * _STRIDES.count(stride), axis=0))
  return np.concatenate(layers)


_ANCHORS = anchors()


def decode(
  outputs: Float[np.ndarray, '2016 18'], logits: Float[np.ndarray, '2016']
) -> tuple[Float[np.ndarray, 'k 9 2'], Float[np.ndarray, ' k']]:
  """The palms that score at least 0.5, not suppressed yet.

  Args:
    outputs: per anchor, in pixels of the square from the anchor's centre: centre of the box, its
      width and height, and 7 key points, x before y.
    logits: per anchor.

  Returns:
    Per palm the box's two corners and the key points, x and y as shares of the square's side; and
    scores.
  """
  # Logits of at least 0 are scores of at least 0.5.
  kept = np.flatnonzero((logits >= 0) & (outputs[:, 2:4] >= 0).all(axis=1))
  scores = 1 / (1 + np.exp(-np.minimum(logits[kept].astype(np.float64), 100)))
  values = outputs[kept].astype(np.float64).reshape(-1, 9, 2) / SIDE
  centre, size = values[:, :1] + _ANCHORS[kept, None], values[:, 1:2]
  keypoints = values[:, 2:] + _ANCHORS[kept, None]
  return np.concatenate([centre - size / 2, centre + size / 2, keypoints], axis=1), scores


def suppress(
  palms: Float[np.ndarray, 'k 9 2'], scores: Float[np.ndarray, ' k'], most: int
) -> Float[np.ndarray, 'm 9 2']:
  """Non-maximum suppression that averages: the best palms, at most `most`, best first.

  A palm and those whose boxes overlap with it by more than 0.3 (intersection over union) become
  one, their mean weighted by score.
  """
  order = np.argsort(-scores, kind='stable')
  found = []
  while len(order) and len(found) < most:
    best = palms[order[0]]
    near = overlap(best[:2], palms[order, :2]) > _MOST_OVERLAP
    if not near.any():  # a box without an area
      found.append(best)
      break
    found.append(np.average(palms[order[near]], axis=0, weights=scores[order[near]]))
    order = order[~near]
  return np.reshape(found, (-1, 9, 2))


def overlap(
  box: Float[np.ndarray, '2 2'], boxes: Float[np.ndarray, 'k 2 2']
) -> Float[np.ndarray, ' k']:
  """Intersection over union of upright boxes, given by their lower and upper corners."""
  sides = np.minimum(box[1], boxes[:, 1]) - np.maximum(box[0], boxes[:, 0])
  shared = np.maximum(sides, 0).prod(axis=1)
  union = (box[1] - box[0]).prod() + (boxes[:, 1] - boxes[:, 0]).prod(axis=1) - shared
  return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)

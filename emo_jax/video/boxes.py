"""Box arithmetic of the package `mtcnn` 1.0.0. Boxes are [k, 4] x0, y0, x1, y1 in pixels."""

import numpy as np
from jaxtyping import Float, Int

_ROWS = 512  # overlaps are computed for so many boxes at a time, which bounds the memory


def pyramid(width: int, height: int, min_face: int = 20, factor: float = 0.709) -> list[float]:
  """Scales at which P-Net's 12-pixel window looks for faces of `min_face` pixels and more.

  The count is the package's rounded one, so that the last window may be a little under 12 pixels
  of the frame's shorter side.
  """
  count = round(-(np.log(min(width, height) / 12) / np.log(factor) + 1))
  return [12 / min_face * factor**i for i in range(count)]


def windows(
  offsets: Float[np.ndarray, 'y x 4'],
  scores: Float[np.ndarray, 'y x'],
  threshold: float,
  scale: float,
) -> tuple[Float[np.ndarray, 'k 4'], Float[np.ndarray, ' k']]:
  """P-Net's windows above the threshold, regressed, in pixels of the unscaled frame."""
  y, x = np.nonzero(scores > threshold)
  # The network's stride is 2; its window is taken to span the pixel positions 1 to 12.
  corners = 2.0 * np.stack([x, y, x, y], axis=1) + [1, 1, 12, 12]
  return (corners + 11 * offsets[y, x]) / scale, scores[y, x]


def suppress(
  boxes: Float[np.ndarray, 'k 4'], scores: Float[np.ndarray, ' k'], threshold: float, method: str
) -> Int[np.ndarray, ' kept']:
  """Indices of the boxes that overlap no box of a higher score, best first.

  A box falls to any better one, also to one that falls itself: the package's rule, not the usual
  greedy one.

  Args:
    boxes, scores: the candidates.
    threshold: the largest overlap that is allowed.
    method: overlap relative to the `union` of the two boxes or to the smaller (`min`).
  """
  order = np.argsort(scores)[::-1]
  if len(order) < 2:
    return order
  boxes = boxes[order]
  area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
  kept = np.ones(len(boxes), bool)
  for start in range(0, len(boxes), _ROWS):
    rows = slice(start, min(start + _ROWS, len(boxes)))
    better = slice(0, rows.stop)
    low = np.maximum(boxes[rows, None, :2], boxes[None, better, :2])
    high = np.minimum(boxes[rows, None, 2:], boxes[None, better, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    if method == 'union':
      base = area[rows, None] + area[None, better] - shared
    else:
      base = np.minimum(area[rows, None], area[None, better])
    is_better = np.arange(rows.stop)[None, :] < np.arange(start, rows.stop)[:, None]
    with np.errstate(divide='ignore', invalid='ignore'):  # boxes without area overlap nothing
      kept[rows] = ~np.any((shared / base > threshold) & is_better, axis=1)
  return order[kept]


def regress(
  boxes: Float[np.ndarray, 'k 4'], offsets: Float[np.ndarray, 'k 4']
) -> Float[np.ndarray, 'k 4']:
  """Boxes moved by R-Net's or O-Net's offsets, which count the last pixel into width and height."""
  size = boxes[:, 2:] - boxes[:, :2] + 1
  return boxes + offsets * np.concatenate([size, size], axis=1)


def place(
  boxes: Float[np.ndarray, 'k 4'], points: Float[np.ndarray, 'k 10']
) -> Float[np.ndarray, 'k 5 2']:
  """O-Net's landmarks, five x then five y relative to the box before its regression, in pixels."""
  size = boxes[:, 2:] - boxes[:, :2] + 1
  relative = points.reshape(-1, 2, 5).transpose(0, 2, 1)
  return relative * size[:, None, :] + boxes[:, None, :2] - 1


def square(boxes: Float[np.ndarray, 'k 4']) -> Float[np.ndarray, 'k 4']:
  """Boxes with the shorter side lengthened to the longer one, about their centres."""
  size = boxes[:, 2:] - boxes[:, :2]
  side = size.max(axis=1, keepdims=True)
  corner = boxes[:, :2] + size / 2 - side / 2
  return np.concatenate([corner, corner + side], axis=1)


def clip(boxes: Float[np.ndarray, 'k 4'], width: int, height: int) -> Float[np.ndarray, 'k 4']:
  """Boxes cut to the pixels 0..width-1 and 0..height-1."""
  return np.clip(boxes, 0, [width - 1, height - 1, width - 1, height - 1])

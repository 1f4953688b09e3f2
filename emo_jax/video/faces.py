"""Faces in frames: the MTCNN cascade of the package `mtcnn` 1.0.0 in JAX, and whose face is kept.

Networks, resizing and cropping run jitted over batches of frames of one resolution; thresholds and
suppression, whose sizes depend on the data, run in numpy. Batches and candidates are padded to few
sizes, so that a resolution compiles once.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int32, UInt8

from emo_jax.models import mtcnn
from emo_jax.video import boxes as box_math
from emo_jax.video import libraries, mtcnn_weights

DETECTOR = 'mtcnn-1.0.0'
RESIZE = 'inter_area-224'

Faces = tuple[Float32[np.ndarray, 'k 4'], Float32[np.ndarray, ' k']]

# Whose face it is: the nearest centre, at most one face (its longer side) away from the last one;
# after so many seconds out of sight the largest face is taken again.
_FARTHEST = 1.0
_OUT_OF_SIGHT_S = 1.0

_THRESHOLDS = dict(pnet=0.6, rnet=0.7, onet=0.8)
_FRAMES = (
  4  # frames per call of P-Net: little padding for short clips, bounded memory for long ones
)
_CANDIDATES = (32, 128, 512)  # candidates per call of R-Net and O-Net


def crop_face(
  rgb: UInt8[np.ndarray, 'h w 3'], box: Float[np.ndarray, '4']
) -> UInt8[np.ndarray, '224 224 3']:
  """The face in a box of x0, y0, x1, y1, cut out as the reference does and resized by area.

  Coordinates are truncated to whole pixels and clipped into the frame; no margin, no alignment. A
  box that leaves nothing keeps one pixel.
  """
  cv2 = libraries.opencv()
  height, width = rgb.shape[:2]
  x0, y0, x1, y1 = (int(v) for v in box)
  x0, y0 = min(max(x0, 0), width - 1), min(max(y0, 0), height - 1)
  x1, y1 = max(min(x1, width - 1), x0 + 1), max(min(y1, height - 1), y0 + 1)
  return cv2.resize(rgb[y0:y1, x0:x1], (224, 224), interpolation=cv2.INTER_AREA)


def resize_area(
  x_NxCxHxW: Float[Array, 'n c h w'],
  rows: tuple[jax.Array, jax.Array],
  columns: tuple[jax.Array, jax.Array],
  shape: tuple[int, int],
) -> Float[Array, 'n c out_h out_w']:
  """Area resize as two products with banded matrices (`boxes.area_bands` of each axis)."""
  (index, weight), (n, c, _, w) = rows, x_NxCxHxW.shape
  bands = jnp.einsum('ncbkw,bok->ncbow', jnp.take(x_NxCxHxW, index, axis=2), weight)
  x = bands.reshape(n, c, -1, w)[:, :, : shape[0]]
  index, weight = columns
  bands = jnp.einsum('nchbk,bok->nchbo', jnp.take(x, index, axis=3), weight)
  return bands.reshape(n, c, shape[0], -1)[..., : shape[1]]


def crop_and_resize(
  images: Float[Array, 'n h w 3'], frame: Int32[Array, ' k'], boxes: Float[Array, 'k 4'], size: int
) -> Float[Array, 'k size size 3']:
  """Bilinear samples of [size, size] points in boxes, as tf.image.crop_and_resize takes them.

  Boxes are x0, y0, x1, y1 relative to width and height; points outside the image are zero.
  """
  height, width = images.shape[1:3]
  steps = jnp.arange(size, dtype=jnp.float32).reshape(1, -1)

  def axis(low, high, last):
    at = low[:, None] * last + steps * ((high - low)[:, None] * (last / (size - 1)))
    floor = jnp.floor(at)
    inside = (at >= 0) & (at <= last)
    pick = functools.partial(jnp.clip, min=0, max=last)
    return pick(floor).astype(int), pick(jnp.ceil(at)).astype(int), at - floor, inside

  x0, x1, dx, inside_x = axis(boxes[:, 0], boxes[:, 2], width - 1)
  y0, y1, dy, inside_y = axis(boxes[:, 1], boxes[:, 3], height - 1)
  frame = frame[:, None, None]
  dx, dy = dx[:, None, :, None], dy[:, :, None, None]

  def row(y):
    left, right = (
      images[frame, y[:, :, None], x0[:, None]],
      images[frame, y[:, :, None], x1[:, None]],
    )
    return left + (right - left) * dx

  top, bottom = row(y0), row(y1)
  inside = inside_y[:, :, None, None] & inside_x[:, None, :, None]
  return jnp.where(inside, top + (bottom - top) * dy, 0)


@functools.lru_cache(maxsize=8)
def _levels(width: int, height: int) -> tuple[list, list[tuple[int, int]]]:
  """Of every level of the pyramid: its scale with the bands of both axes, and its shape."""
  levels, shapes = [], []
  for scale in box_math.pyramid(width, height):
    shape = int(height * scale), int(width * scale)
    bands = [box_math.area_bands(s, o) for s, o in zip((height, width), shape, strict=True)]
    levels.append((scale, *bands))
    shapes.append(shape)
  return levels, shapes


def _normalise(rgb: jax.Array) -> jax.Array:
  return (rgb.astype(jnp.float32) - 127.5) / 128


@functools.partial(jax.jit, static_argnames='shapes')
def _propose(variables: dict, rgb: jax.Array, bands: list, shapes: tuple) -> list:
  """P-Net's offsets and scores on every level of the pyramid."""
  planes = _normalise(rgb).transpose(0, 3, 1, 2)
  return [
    mtcnn.PNet().apply(variables, resize_area(planes, rows, columns, shape).transpose(0, 2, 3, 1))
    for (rows, columns), shape in zip(bands, shapes, strict=True)
  ]


@functools.partial(jax.jit, static_argnames='net')
def _judge(
  variables: dict, rgb: jax.Array, frame: jax.Array, boxes: jax.Array, net: str
) -> tuple[jax.Array, jax.Array]:
  """Offsets and scores of R-Net or O-Net for candidates cut out of their frames."""
  if net == 'rnet':
    return mtcnn.RNet().apply(variables, crop_and_resize(_normalise(rgb), frame, boxes, 24))
  offsets, _, scores = mtcnn.ONet().apply(
    variables, crop_and_resize(_normalise(rgb), frame, boxes, 48)
  )
  return offsets, scores


class FaceDetector:
  """MTCNN with the thresholds and suppression of the package `mtcnn` 1.0.0."""

  def __init__(self):
    """Raises UserError if the package's weight files are missing or not the pinned ones."""
    self._variables = jax.device_put({net: mtcnn_weights.load(net) for net in _THRESHOLDS})

  def detect(self, rgb: UInt8[np.ndarray, 'n h w 3']) -> list[Faces]:
    """The faces of every frame, best first, whatever frames lie beside it.

    Args:
      rgb: [N, H, W, 3] frames of one resolution.

    Returns:
      Per frame boxes [k, 4] float32, x0, y0, x1, y1 in pixels, clipped into the frame, and their
      scores [k] float32.
    """
    found = []
    for start in range(0, len(rgb), _FRAMES):
      piece = rgb[start : start + _FRAMES]
      padded = np.concatenate([piece, np.zeros((_FRAMES - len(piece), *rgb.shape[1:]), np.uint8)])
      found += self._detect(jnp.asarray(padded), len(piece))
    return found

  def _detect(self, rgb: jax.Array, frames: int) -> list[Faces]:
    height, width = rgb.shape[1:3]
    candidates = self._proposals(rgb, frames)
    candidates = self._refine(rgb, candidates, 'rnet', 'union')
    candidates = self._refine(rgb, [(box_math.square(b), s) for b, s in candidates], 'onet', 'min')
    return [
      (box_math.clip(boxes, width, height).astype(np.float32), scores.astype(np.float32))
      for boxes, scores in candidates
    ]

  def _proposals(self, rgb: jax.Array, frames: int) -> list:
    levels, shapes = _levels(rgb.shape[2], rgb.shape[1])
    outputs = _propose(self._variables['pnet'], rgb, [b for _, *b in levels], tuple(shapes))
    outputs = jax.device_get(outputs)
    candidates = []
    for f in range(frames):
      boxes, scores = [np.zeros((0, 4))], [np.zeros(0, np.float32)]
      for (scale, *_), (offsets, score) in zip(levels, outputs, strict=True):
        b, s = box_math.windows(offsets[f], score[f], _THRESHOLDS['pnet'], scale)
        kept = box_math.suppress(b, s, 0.5, 'union')
        boxes.append(b[kept])
        scores.append(s[kept])
      boxes, scores = np.concatenate(boxes), np.concatenate(scores)
      kept = box_math.suppress(boxes, scores, 0.7, 'union')
      candidates.append((box_math.square(boxes[kept]), scores[kept]))
    return candidates

  def _refine(self, rgb: jax.Array, candidates: list, net: str, method: str) -> list:
    """Candidates that R-Net or O-Net takes for faces, regressed and suppressed, per frame."""
    height, width = rgb.shape[1:3]
    frame = np.repeat(np.arange(len(candidates)), [len(b) for b, _ in candidates])
    boxes = np.concatenate([b for b, _ in candidates])
    offsets, scores = self._judged(rgb, frame, boxes / [width, height, width, height], net)
    boxes = box_math.regress(boxes, offsets)
    refined = []
    for f in range(len(candidates)):
      mine = np.flatnonzero((frame == f) & (scores > _THRESHOLDS[net]))
      mine = mine[box_math.suppress(boxes[mine], scores[mine], 0.7, method)]
      refined.append((boxes[mine], scores[mine]))
    return refined

  def _judged(self, rgb: jax.Array, frame: np.ndarray, boxes: np.ndarray, net: str) -> tuple:
    offsets, scores = [np.zeros((0, 4), np.float32)], [np.zeros(0, np.float32)]
    for start in range(0, len(boxes), _CANDIDATES[-1]):
      rows = slice(start, start + _CANDIDATES[-1])
      count = len(boxes[rows])
      padding = min(size for size in _CANDIDATES if size >= count) - count
      o, s = _judge(
        self._variables[net],
        rgb,
        np.pad(frame[rows], (0, padding)).astype(np.int32),
        np.pad(boxes[rows], ((0, padding), (0, 0))).astype(np.float32),
        net,
      )
      offsets.append(np.asarray(o)[:count])
      scores.append(np.asarray(s)[:count])
    return np.concatenate(offsets), np.concatenate(scores)


class Follower:
  """Keeps to one person's face through a video, frames in order.

  The largest face at first sight. Afterwards the face whose centre is nearest to the last one's,
  if it is at most the longer side of the last box away; farther faces are other people, and the
  frame counts as one without the person's face. Once the person has not been seen for 1 s, the
  largest face is taken again.
  """

  def __init__(self):
    self._box = None
    self._seen_s = 0.0

  def pick(self, time_s: float, boxes: Float[np.ndarray, 'k 4']) -> int | None:
    """The index of the person's face among a frame's boxes, or None.

    Args:
      time_s: presentation time of the frame.
      boxes: x0, y0, x1, y1 of its faces.
    """
    if not len(boxes):
      return None
    size = boxes[:, 2:] - boxes[:, :2]
    if self._box is None or time_s - self._seen_s >= _OUT_OF_SIGHT_S:
      chosen = int(np.argmax(size.prod(axis=1)))
    else:
      last_size = self._box[2:] - self._box[:2]
      centres = boxes[:, :2] + size / 2 - (self._box[:2] + last_size / 2).reshape(1, 2)
      distance = np.linalg.norm(centres, axis=1) / last_size.max()
      chosen = int(np.argmin(distance))
      if distance[chosen] > _FARTHEST:
        return None
    self._box, self._seen_s = boxes[chosen], time_s
    return chosen

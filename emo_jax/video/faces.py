"""Faces in frames: the cascade of the package `mtcnn` 1.0.0, and the crop of a face.

The networks run in an engine; thresholds and suppression, whose sizes depend on the data, run in
numpy.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, UInt8

from emo_jax.video import boxes as box_math
from emo_jax.video import libraries
from emo_jax.video.engines import Engine

RESIZE = 'inter_area-224'

_THRESHOLDS = dict(pnet=0.6, rnet=0.7, onet=0.8)
_WINDOW = 12  # pixels of P-Net's window
# Frames, and bytes of them, that are searched together: arrays of more than 32 MB would be asked of
# the system, and returned to it, every time.
_AT_ONCE = (4, 16 << 20)


class Faces(NamedTuple):
  """The k faces of a frame, best first.

  Attributes:
    boxes: [k, 4] float32, x0, y0, x1, y1 in pixels, clipped into the frame.
    scores: [k] float32.
    points: [k, 5, 2] float32 landmarks, x and y in pixels, clipped into the frame: the eyes, the
      nose, the corners of the mouth, those on the image's left first.
  """

  boxes: Float32[np.ndarray, 'k 4']
  scores: Float32[np.ndarray, ' k']
  points: Float32[np.ndarray, 'k 5 2']


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


class FaceDetector:
  """MTCNN with the thresholds and suppression of the package `mtcnn` 1.0.0."""

  def __init__(self, engine: Engine):
    self._engine = engine

  def detect(
    self,
    rgb: UInt8[np.ndarray, 'n h w 3'],
    sides: tuple[float, float] = (0.0, np.inf),
  ) -> list[Faces]:
    """The faces of every frame, whatever frames lie beside it.

    Args:
      rgb: [N, H, W, 3] frames of one resolution.
      sides: the least and the largest window, in pixels of the frame, that P-Net looks through;
        everything by default, which is the package's search. R-Net and O-Net may still make a face
        smaller or larger.
    """
    count, limit = _AT_ONCE
    count = max(1, min(count, limit // max(1, rgb[:1].nbytes)))
    found = []
    for start in range(0, len(rgb), count):
      found += self._detect(rgb[start : start + count], sides)
    return found

  def _detect(self, rgb: np.ndarray, sides: tuple[float, float]) -> list[Faces]:
    height, width = rgb.shape[1:3]
    frames = self._engine.load(rgb)
    candidates = self._proposals(frames, len(rgb), (width, height), sides)
    candidates = self._refine(frames, candidates, 'rnet', 'union', (width, height))
    squares = [face._replace(boxes=box_math.square(face.boxes)) for face in candidates]
    return [
      Faces(
        box_math.clip(face.boxes, width, height).astype(np.float32),
        face.scores.astype(np.float32),
        np.clip(face.points, 0, [width - 1, height - 1]).astype(np.float32),
      )
      for face in self._refine(frames, squares, 'onet', 'min', (width, height))
    ]

  def _proposals(
    self, frames, count: int, size: tuple[int, int], sides: tuple[float, float]
  ) -> list[Faces]:
    per_frame = [[(np.zeros((0, 4)), np.zeros(0, np.float32))] for _ in range(count)]
    for scale in box_math.pyramid(*size):
      if not sides[0] <= _WINDOW / scale <= sides[1]:
        continue
      shape = int(size[1] * scale), int(size[0] * scale)
      offsets, scores = self._engine.propose(frames, shape)
      for f in range(count):
        b, s = box_math.windows(offsets[f], scores[f], _THRESHOLDS['pnet'], scale)
        kept = box_math.suppress(b, s, 0.5, 'union')
        per_frame[f].append((b[kept], s[kept]))
    found = []
    for levels in per_frame:
      boxes, scores = (np.concatenate(x) for x in zip(*levels, strict=True))
      kept = box_math.suppress(boxes, scores, 0.7, 'union')
      points = np.zeros((len(kept), 5, 2))
      found.append(Faces(box_math.square(boxes[kept]), scores[kept], points))
    return found

  def _refine(
    self, frames, candidates: list[Faces], net: str, method: str, size: tuple[int, int]
  ) -> list[Faces]:
    """Candidates that R-Net or O-Net takes for faces, regressed and suppressed, per frame."""
    frame = np.repeat(np.arange(len(candidates)), [len(c.boxes) for c in candidates])
    boxes = np.concatenate([c.boxes for c in candidates])
    offsets, points, scores = self._engine.judge(net, frames, frame, boxes / [*size, *size])
    points, boxes = box_math.place(boxes, points), box_math.regress(boxes, offsets)
    refined = []
    for f in range(len(candidates)):
      mine = np.flatnonzero((frame == f) & (scores > _THRESHOLDS[net]))
      mine = mine[box_math.suppress(boxes[mine], scores[mine], 0.7, method)]
      refined.append(Faces(boxes[mine], scores[mine], points[mine]))
    return refined

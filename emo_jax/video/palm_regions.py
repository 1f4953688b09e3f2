"""The squares of a frame in which MediaPipe's networks look for palms and for one hand's landmarks.

Their places, and how pixels and landmarks go from the frame into a square and back, are those of
the graphs in mediapipe/tasks/cc/vision/hand_detector and .../hand_landmarker.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

from emo_jax.video import libraries, palm_boxes

# MediaPipe turns palms by 90 radians, where it means degrees: hands lie aslant in the square.
_PALM_ANGLE = 90.0
_HAND_ANGLE = math.pi / 2

_PALM_SCALE, _PALM_SHIFT = 2.6, -0.5
_HAND_SCALE, _HAND_SHIFT = 2.0, -0.1

_PALM_WRIST, _PALM_MIDDLE_MCP = 0, 2  # of a palm's key points
_WRIST, _INDEX_MCP, _MIDDLE_MCP, _RING_MCP, _PINKY_MCP = 0, 5, 9, 13, 17
_PALM_LANDMARKS = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)  # all but the fingers' ends

_SAME_REGION = 0.5  # intersection over union
_NEAR, _LEAST_NEAR, _SAME_HAND = 0.2, 10, 0.2


@dataclasses.dataclass(frozen=True)
class Region:
  """A square, turned about its centre.

  Attributes:
    x, y: its centre, in pixels of the frame.
    side: in pixels.
    rotation: in radians, from the x axis towards the y axis.
  """

  x: float
  y: float
  side: float
  rotation: float = 0.0

  def box(self) -> Float[np.ndarray, '2 2']:
    """The corners of the square before it is turned."""
    half = self.side / 2
    return np.array([(self.x - half, self.y - half), (self.x + half, self.y + half)])

  def axes(self) -> tuple[Float[np.ndarray, '2'], Float[np.ndarray, '2']]:
    """The vectors along the square's sides, in pixels of the frame."""
    cos, sin = self.side * math.cos(self.rotation), self.side * math.sin(self.rotation)
    return np.array([cos, sin]), np.array([-sin, cos])

  def to_frame(self, points: Float[np.ndarray, '*n 2']) -> Float[np.ndarray, '*n 2']:
    """Points given as shares of the square's sides, in pixels of the frame."""
    across, down = self.axes()
    return (self.x, self.y) + (points[..., :1] - 0.5) * across + (points[..., 1:] - 0.5) * down

  def pixels(
    self, rgb: UInt8[np.ndarray, 'h w 3'], size: int, *, replicate: bool
  ) -> UInt8[np.ndarray, 'size size 3']:
    """The square's content, bilinear from places rounded to 1/32 pixel, as MediaPipe's OpenCV does.

    Args:
      rgb: the frame.
      size: pixels per side.
      replicate: whether the frame's border goes on beyond it; else it is black there.
    """
    cv2 = libraries.opencv()
    steps = np.arange(size) / size
    right, below = (np.outer(axis, steps).astype(np.float32) for axis in self.axes())
    origin = self.to_frame(np.zeros(2)).astype(np.float32)
    places = (origin[:, None] + below)[:, :, None] + right[:, None, :]
    # OpenCV's own warps have ceased to round, which moves landmarks by up to a pixel.
    rounded = cv2.convertMaps(*places, cv2.CV_16SC2)
    border = cv2.BORDER_REPLICATE if replicate else cv2.BORDER_CONSTANT
    return cv2.remap(rgb, *rounded, cv2.INTER_LINEAR, borderMode=border)


def whole(height: int, width: int) -> Region:
  """The smallest square around a frame, for the palm network."""
  return Region(width / 2, height / 2, float(max(height, width)))


def around_palm(palm: Float[np.ndarray, '9 2']) -> Region:
  """Where a palm's hand is expected.

  Args:
    palm: of `palm_boxes.suppress`, in pixels of the frame.
  """
  low, high = palm[:2]
  rotation = _rotation(palm[2 + _PALM_WRIST], palm[2 + _PALM_MIDDLE_MCP], _PALM_ANGLE)
  return _grown((low + high) / 2, high - low, rotation, _PALM_SCALE, _PALM_SHIFT)


def around_hand(points: Float[np.ndarray, '21 2']) -> Region:
  """Where a hand is expected in the next frame, from its landmarks in pixels."""
  fingers = ((points[_INDEX_MCP] + points[_RING_MCP]) / 2 + points[_MIDDLE_MCP]) / 2
  rotation = _rotation(points[_WRIST], fingers, _HAND_ANGLE)
  palm = points[[*_PALM_LANDMARKS]]
  middle, _ = _extent(palm)
  turned, size = _extent((palm - middle) @ _turn(-rotation).T)
  return _grown(middle + _turn(rotation) @ turned, size, rotation, _HAND_SCALE, _HAND_SHIFT)


def add(regions: Sequence[Region], new: Sequence[Region], most: int) -> list[Region]:
  """The regions and, of the new ones, those that are none of them again; the first `most`."""
  kept = list(regions)
  for region in new:
    boxes = np.reshape([other.box() for other in kept], (-1, 2, 2))
    if not (palm_boxes.overlap(region.box(), boxes) > _SAME_REGION).any():
      kept.append(region)
  return kept[:most]


def is_same_hand(one: Float[np.ndarray, '21 2'], other: Float[np.ndarray, '21 2']) -> bool:
  """Whether two hands, landmarks in pixels, lie upon one another: MediaPipe drops the later one."""
  near = _NEAR * max(_palm_size(one), _palm_size(other))
  if (np.linalg.norm(one - other, axis=1) < near).sum() < _LEAST_NEAR:
    return False
  box, others = (np.array([hand.min(axis=0), hand.max(axis=0)]) for hand in (one, other))
  return bool(palm_boxes.overlap(box, others[None])[0] > _SAME_HAND)


def _palm_size(points: Float[np.ndarray, '21 2']) -> float:
  corners = points[[_WRIST, _INDEX_MCP, _PINKY_MCP]]
  return float(np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1).max())


def _extent(points: Float[np.ndarray, 'n 2']) -> tuple[np.ndarray, np.ndarray]:
  """Middle and size of what the points cover; MediaPipe's upper ends are never below zero."""
  low, high = points.min(axis=0), np.maximum(points.max(axis=0), 0)
  return (low + high) / 2, high - low


def _rotation(start: np.ndarray, end: np.ndarray, target: float) -> float:
  """The angle that turns an upright square's `target` direction into the one from start to end."""
  (x, y) = end - start
  angle = target - math.atan2(-y, x)
  return angle - 2 * math.pi * math.floor((angle + math.pi) / (2 * math.pi))


def _turn(rotation: float) -> Float[np.ndarray, '2 2']:
  cos, sin = math.cos(rotation), math.sin(rotation)
  return np.array([[cos, -sin], [sin, cos]])


def _grown(
  centre: np.ndarray, size: np.ndarray, rotation: float, scale: float, shift: float
) -> Region:
  """A square around a turned rectangle, shifted along its height."""
  x, y = centre + _turn(rotation) @ np.array([0, shift * size[1]])
  return Region(float(x), float(y), scale * float(size.max()), rotation)

"""The signer's hands in the frames of one video, by MediaPipe's hand landmarker."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, UInt8

from emo_jax.errors import UserError
from emo_jax.video import libraries
from emo_jax.video.clip import HAND_SHAPE

SIDES = ('Left', 'Right')  # the order in a clip; MediaPipe's names

# MediaPipe's HAND_CONNECTIONS: the palm, then thumb to little finger.
_PALM = ((0, 1), (0, 5), (5, 9), (9, 13), (13, 17), (0, 17))
_FINGERS = tuple((i, i + 1) for base in (1, 5, 9, 13, 17) for i in range(base, base + 3))
CONNECTIONS = _PALM + _FINGERS

_WRIST, _MIDDLE_MCP = 0, 9
_BLANK = np.zeros((64, 64, 3), np.uint8)

Hands = tuple[Float32[np.ndarray, '2 21 3'], Float32[np.ndarray, '2']]


def assign(
  labels: Sequence[str], scores: Sequence[float], points: Float[np.ndarray, 'k 21 3']
) -> Hands:
  """Puts up to two detected hands on the signer's left and right.

  On video that is not mirrored the landmarker's label is the signer's own hand. Two hands with one
  label are either the same hand found twice (wrists nearer to each other than half a hand's length,
  taken as the larger distance from wrist to middle-finger MCP, the length of a palm), of which the
  one with the better score is kept; or two hands, of which the one with the better score keeps the
  label and the other is the other side.

  Args:
    labels: `Left` or `Right` per hand.
    scores: confidence of the label per hand.
    points: x, y, z per hand and landmark.

  Returns:
    Points [2, 21, 3] and scores [2], left then right, zeros where absent.
  """
  all_points, all_scores = np.zeros(HAND_SHAPE, np.float32), np.zeros(2, np.float32)
  order = sorted(range(len(labels)), key=lambda i: -scores[i])[:2]
  sides = [SIDES.index(labels[i]) for i in order]
  if len(order) == 2 and sides[0] == sides[1]:
    pair = points[order, :, :2]
    palm = np.linalg.norm(pair[:, _MIDDLE_MCP] - pair[:, _WRIST], axis=1).max()
    if np.linalg.norm(pair[0, _WRIST] - pair[1, _WRIST]) < palm:
      order = order[:1]
    else:
      sides[1] = 1 - sides[0]
  for i, side in zip(order, sides, strict=False):
    all_points[side], all_scores[side] = points[i], scores[i]
  return all_points, all_scores


class HandTracker:
  """Follows the hands through one video after the other, frames in order. Close it."""

  def __init__(self, task: bytes):
    """Takes the landmarker's file as bytes. Raises UserError if MediaPipe cannot load it."""
    self._mediapipe = libraries.mediapipe()
    vision = self._mediapipe.tasks.vision
    options = vision.HandLandmarkerOptions(
      base_options=self._mediapipe.tasks.BaseOptions(model_asset_buffer=task),
      running_mode=vision.RunningMode.VIDEO,
      num_hands=2,
    )
    try:
      self._landmarker = vision.HandLandmarker.create_from_options(options)
    except OSError as error:
      raise libraries.missing('MediaPipe', error) from error
    except (RuntimeError, ValueError) as error:
      reason = str(error).splitlines()[0]
      raise UserError(f'not a hand landmarker (--hand_model): {reason}') from error
    self._last_ms, self._start_ms = -1, 0
    self._tracking = False

  def start(self, video: Path) -> None:
    """Begins a video, or a part of one: nothing of the frames before is remembered.

    As good as a new landmarker, which takes 0.1 s to make.
    """
    if self._tracking:
      self._landmarks(_BLANK, self._last_ms + 1)  # loses the hands
    self._start_ms = self._last_ms + 1

  def __enter__(self) -> 'HandTracker':
    return self

  def __exit__(self, *_) -> None:
    self.close()

  def close(self) -> None:
    """Frees the landmarker."""
    self._landmarker.close()

  def detect(self, rgb: UInt8[np.ndarray, 'h w 3'], time_s: float) -> Hands:
    """The hands of the next frame.

    Args:
      rgb: the frame.
      time_s: its presentation time; the landmarker's clock ticks in ms and must move on.

    Returns:
      Points [2, 21, 3], signer's left then right, x and y in pixels, z in the same unit as x, and
      scores [2]; zeros where absent.
    """
    found = self._landmarks(rgb, max(self._last_ms + 1, self._start_ms + round(1000 * time_s)))
    height, width = rgb.shape[:2]
    points = [[(p.x, p.y, p.z) for p in hand] for hand in found.hand_landmarks]
    return assign(
      [sides[0].category_name for sides in found.handedness],
      [sides[0].score for sides in found.handedness],
      np.asarray(points, np.float64).reshape(-1, *HAND_SHAPE[1:]) * [width, height, width],
    )

  def _landmarks(self, rgb: np.ndarray, clock_ms: int):
    image = self._mediapipe.Image(
      image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(rgb)
    )
    found = self._landmarker.detect_for_video(image, clock_ms)
    self._last_ms, self._tracking = clock_ms, bool(found.hand_landmarks)
    return found

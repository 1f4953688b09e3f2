"""What a `.pose` file holds and where, checked against its size; the hands' points out of it.

The format (docs/specs of github.com/sign-language-processing/pose) has a header of named components
of named points, then coordinates [frames, people, points, dimensions] and confidences [frames,
people, points] as float32, at one constant frame rate.
"""

import dataclasses
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from emo_jax.errors import UserError
from emo_jax.video import libraries
from emo_jax.video.clip import HAND_SHAPE

# Left and right hand as estimators name them; all have the same 21 points in the same order.
MEDIAPIPE_HANDS = ('LEFT_HAND_LANDMARKS', 'RIGHT_HAND_LANDMARKS')
HANDS = (
  MEDIAPIPE_HANDS,
  ('hand_left_keypoints_2d', 'hand_right_keypoints_2d'),  # OpenPose
  ('LEFT_HAND_133', 'RIGHT_HAND_133'),  # AlphaPose
  ('LEFT_HAND_136', 'RIGHT_HAND_136'),
  ('LEFT_HAND', 'RIGHT_HAND'),  # COCO-WholeBody, as of MMPose
)

_VERSIONS = {0.1: struct.Struct('<HHH'), 0.2: struct.Struct('<fIH')}  # fps, frames, people
_FLOAT = np.dtype('<f4')
_LARGEST_HEADER = 1 << 17  # bytes; that of MediaPipe holistic, face mesh and all, has 15 thousand
_FARTHEST = 1e6  # pixels; a point farther off is none
_NAMES_SHOWN = 8

# What reading bytes that are no header raises in pose-format.
_HEADER_ERRORS = (struct.error, TypeError, ValueError, EOFError)


@dataclasses.dataclass(frozen=True)
class Layout:
  """A file's header, and where its body lies.

  Attributes:
    path: the file.
    width, height: of the estimator's frames, pixels.
    components: pose-format's, with `name`, `points` and `format`.
    fps: frames per second.
    shape: frames, people, points, dimensions.
    data_start: offset of the coordinates in bytes; the confidences follow them.
  """

  path: Path
  width: int
  height: int
  components: list[Any]
  fps: float
  shape: tuple[int, int, int, int]
  data_start: int


@dataclasses.dataclass(frozen=True)
class Hand:
  """A hand's place among all points, and how many coordinates of it to read: x, y and perhaps z."""

  points: slice
  axes: int


def read(path: Path) -> Layout:
  """Reads a file's header. Allocates by what the file holds, never by what its header claims.

  Raises:
    UserError: pose-format is not installed, or the file is absent, no `.pose` of version 0.1 or
      0.2, or broken off.
  """
  pose_format = libraries.pose_format()
  try:
    size = path.stat().st_size
    with open(path, 'rb') as f:
      head = f.read(_LARGEST_HEADER)
  except OSError as error:
    raise UserError(f'{path} cannot be read as a .pose file ({error.strerror})') from error
  version = round(float(np.frombuffer(head[:4], _FLOAT)[0]), 3) if len(head) >= 4 else math.nan
  if version not in _VERSIONS:
    raise UserError(f'{path} is not a .pose file of version 0.1 or 0.2')
  reader = pose_format.utils.reader.BufferReader(head)
  try:
    header = pose_format.PoseHeader.read(reader)
    fps, frames, people = _VERSIONS[version].unpack_from(head, reader.read_offset)
  except _HEADER_ERRORS as error:
    raise UserError(
      f'{path} is not a whole .pose file: its header is broken or breaks off'
    ) from error

  start = reader.read_offset + _VERSIONS[version].size
  dimensions = max((len(c.format) for c in header.components), default=1) - 1
  points = sum(len(c.points) for c in header.components)
  frame_bytes = people * points * (dimensions + 1) * _FLOAT.itemsize
  if not frame_bytes:
    frames = 0
  elif version == 0.1 and (size - start) % frame_bytes == 0:
    # Its count of frames has 16 bits, too few for long videos; the file's size tells.
    frames = max(frames, (size - start) // frame_bytes)
  if start + frames * frame_bytes > size:
    raise UserError(
      f'{path} is not a whole .pose file: its header tells of {frames} frames in '
      f'{start + frames * frame_bytes} bytes, it has {size}'
    )
  if not (math.isfinite(fps) and fps > 0 and header.dimensions.width and header.dimensions.height):
    raise UserError(
      f'{path}: its header has {fps:g} frames per second of '
      f'{header.dimensions.width}x{header.dimensions.height} pixels; none of these may be 0'
    )
  return Layout(
    path=path,
    width=header.dimensions.width,
    height=header.dimensions.height,
    components=header.components,
    fps=float(fps),
    shape=(frames, people, points, dimensions),
    data_start=start,
  )


def hands(layout: Layout) -> tuple[Hand | None, Hand | None]:
  """The left and the right hand, None where the file lacks it.

  Raises:
    UserError: there is neither; the message lists what there is.
  """
  found, offset = {}, 0
  for component in layout.components:
    count, axes = len(component.points), component.format
    if count == HAND_SHAPE[1] and axes.startswith('XY') and axes.endswith('C'):
      # Of other estimators' depth the unit is not known.
      deep = axes.startswith('XYZ') and component.name in MEDIAPIPE_HANDS
      found.setdefault(component.name, Hand(slice(offset, offset + count), 3 if deep else 2))
    offset += count
  for left, right in HANDS:
    if left in found or right in found:
      return found.get(left), found.get(right)
  shown = [f'{c.name!r:.40} ({len(c.points)} points)' for c in layout.components[:_NAMES_SHOWN]]
  more = ', ...' if len(layout.components) > _NAMES_SHOWN else ''
  raise UserError(
    f'{layout.path} holds no hand of 21 points under a known name '
    f'({", ".join(left for left, _ in HANDS)} or their right); '
    f'its components are {", ".join(shown) or "none"}{more}'
  )


def read_hands(
  layout: Layout,
) -> tuple[Float32[np.ndarray, 't 2 21 3'], Float32[np.ndarray, 't 2']]:
  """The hands of the person whose hands have the highest confidence in total, left then right.

  A hand is there where all its points have a confidence above 0 and a place; its score is their
  mean. Confidences above 1 count as 1. z, from the wrist on, is read where its unit is known, of
  MediaPipe's hands; else it is 0.

  Returns:
    Points, x and y in pixels of the file's frame, z in its widths, and scores; zeros where absent.

  Raises:
    UserError: as `hands`.
  """
  sides = hands(layout)
  frames, people = layout.shape[:2]
  points = np.zeros((frames, *HAND_SHAPE), np.float32)
  scores = np.zeros((frames, len(sides)), np.float32)
  if not frames:
    return points, scores
  data, confidence = _mapped(layout)
  totals = np.zeros(people)
  for hand in filter(None, sides):
    totals += _certain(confidence[:, :, hand.points]).sum(axis=(0, 2), dtype=np.float64)
  person = int(totals.argmax())
  for side, hand in enumerate(sides):
    if hand is None:
      continue
    points[:, side, :, : hand.axes] = data[:, person, hand.points, : hand.axes]
    certain = _certain(confidence[:, person, hand.points])
    placed = (np.abs(points[:, side]) < _FARTHEST).all(axis=-1)
    there = (placed & (certain > 0)).all(axis=-1)
    scores[:, side] = np.where(there, certain.mean(axis=-1, dtype=np.float64), 0)
  points[scores == 0] = 0
  points[..., 2] -= points[..., :1, 2]  # files moved as a whole lose MediaPipe's origin, the wrist
  return points, scores


def _mapped(layout: Layout) -> tuple[np.ndarray, np.ndarray]:
  """Coordinates and confidences, not read yet: of hundreds of points a few are wanted."""
  size = math.prod(layout.shape)
  count = size + math.prod(layout.shape[:3])
  floats = np.memmap(layout.path, _FLOAT, 'r', layout.data_start, (count,))
  return floats[:size].reshape(layout.shape), floats[size:].reshape(layout.shape[:3])


def _certain(confidence: np.ndarray) -> np.ndarray:
  """Confidences in memory, from 0 to 1; what is no number is 0."""
  return np.where(confidence > 0, np.minimum(confidence, 1), 0)

"""`.pose` files of the package pose-format: a clip written as one, the hands of one read.

For both directions:

- MediaPipe's components carry x and y in pixels and z in widths of the image, as pose-format's own
  estimator leaves it; in a clip z is in pixels.
- Left and right are the signer's own.
- Frame 0 is the video's first frame, at presentation time 0.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from emo_jax import files
from emo_jax.errors import UserError
from emo_jax.video import libraries, pose_layout, sampling
from emo_jax.video.clip import HAND_SHAPE, Clip
from emo_jax.video.decode import Video
from emo_jax.video.hands import CONNECTIONS, Hands

# Not FACE_LANDMARKS, which tools take for MediaPipe's face mesh. As in a clip, left is the image's.
FACE = 'FACE_DETECTION'
FACE_POINTS = (
  *('IMAGE_LEFT_EYE', 'IMAGE_RIGHT_EYE', 'NOSE', 'IMAGE_LEFT_MOUTH', 'IMAGE_RIGHT_MOUTH'),
  *('BOX_TOP_LEFT', 'BOX_TOP_RIGHT', 'BOX_BOTTOM_RIGHT', 'BOX_BOTTOM_LEFT'),
)
_FACE_LIMBS = ((0, 2), (1, 2), (2, 3), (2, 4), (3, 4), (5, 6), (6, 7), (7, 8), (8, 5))
_FACE_COLOUR = (128, 0, 0)

_FINGERS = ('INDEX_FINGER', 'MIDDLE_FINGER', 'RING_FINGER', 'PINKY')
_HAND_POINTS = (
  *('WRIST', 'THUMB_CMC', 'THUMB_MCP', 'THUMB_IP', 'THUMB_TIP'),
  *(f'{finger}_{joint}' for finger in _FINGERS for joint in ('MCP', 'PIP', 'DIP', 'TIP')),
)
_WRIST, _MIDDLE_MCP = 0, 9

_LONGEST = 500_000  # frames written: a day at 5 Hz, 400 MB; more is a video of broken times
_NEAR = 0.51  # frame periods between two frames of one moment: half a period, and rounding
_ASPECT_TOLERANCE = 0.05
_SECONDS_OFF, _SHARE_OFF = 1.0, 0.05  # by which a file may be shorter or longer than its video
_SMALLEST_PALM = 0.002  # of the width: below, coordinates are normalised ones and not pixels


def write(path: str | os.PathLike, clip: Clip) -> None:
  """Writes a clip's hands and face as a `.pose` file of version 0.2, whole or not at all.

  Components are MediaPipe's two hands, as pose-format names and colours them, and FACE_DETECTION:
  the detector's five landmarks and the corners of its box. The confidence of all points of a hand
  is its score and of all points of a face the detector's; 0, which pose-format masks, where absent.

  A `.pose` has one frame rate: the rate of sampling, not the video's. Evenly spaced frames are
  written one for one. Where spacings vary, the file's frames are a grid of the usual spacing, each
  the sampled frame nearest to it, and masked where none lies within half a spacing. So the file
  runs in time with its video; the exact times are in the `.npz`.

  Raises:
    UserError: as `require_replaceable`, the file cannot be written, or the clip's times do not
      increase or span more than a `.pose` can hold.
  """
  require_replaceable(path)
  pose_format = libraries.pose_format()
  header_module = pose_format.pose_header
  hand_colours = pose_format.utils.openpose.hand_colors
  hand = (list(_HAND_POINTS), list(CONNECTIONS), hand_colours, 'XYZC')
  face = (list(FACE_POINTS), list(_FACE_LIMBS), [_FACE_COLOUR], 'XYZC')
  components = [
    *(header_module.PoseHeaderComponent(name, *hand) for name in pose_layout.MEDIAPIPE_HANDS),
    header_module.PoseHeaderComponent(FACE, *face),
  ]
  rows, fps = _even_rows(clip.time_s, str(path))
  width, height = (int(n) for n in clip.frame_size)
  points, confidence = _points(clip)
  # The row past the last is the frame that is not there.
  points = np.pad(points, ((0, 1), (0, 0), (0, 0)))[rows]
  confidence = np.pad(confidence, ((0, 1), (0, 0)))[rows]
  pose = pose_format.Pose(
    header_module.PoseHeader(0.2, header_module.PoseHeaderDimensions(width, height), components),
    pose_format.numpy.NumPyPoseBody(fps, points[:, None], confidence[:, None]),
  )
  try:
    with files.replacing(path) as partial, open(partial, 'wb') as f:
      pose.write(f)
  except OSError as error:
    raise UserError(f'cannot write {path} ({error.strerror}): name another folder') from error


def require_replaceable(path: str | os.PathLike) -> None:
  """Raises UserError if `write` would not write there, before the work of hours is done.

  That is if pose-format is not installed, or a file is there that `write` did not make: an
  estimator's, perhaps, that takes as long to make again.
  """
  libraries.pose_format()
  if not Path(path).exists():
    return
  try:
    there = [component.name for component in pose_layout.read(Path(path)).components]
  except UserError:
    there = []
  if there != [*pose_layout.MEDIAPIPE_HANDS, FACE]:
    raise UserError(f'{path} was not written by this project: move it or name another folder')


def in_folder(
  folder: str | os.PathLike | None, videos: Iterable[Path]
) -> tuple[str | os.PathLike, str] | None:
  """The folder the videos' hands are taken from and the digest of its files; None without one."""
  return (folder, digest([pose_path(folder, v) for v in videos])) if folder else None


def digest(paths: Iterable[str | os.PathLike]) -> str:
  """What stands for the hand model in the compatibility key of hands from these files.

  A `.pose` does not name its estimator. What it tells of it is taken for it: name, number of points
  and format of every component in order, by which MediaPipe holistic, the same without its refined
  face mesh, OpenPose and files written here all differ. Size, frame rate and version of the format
  do not count. Two versions of an estimator with the same components cannot be told apart.

  Files that are absent or unreadable are left out: `HandReader` says what is wrong with each.

  Returns:
    `pose:<16 hexadecimal digits>`.

  Raises:
    UserError: two files differ in this, none can be read, or pose-format is not installed.
  """
  found, errors = {}, []
  for path in paths:
    try:
      layout = pose_layout.read(Path(path))
      pose_layout.hands(layout)
    except UserError as error:
      errors.append(error)
      continue
    components = [(c.name, len(c.points), c.format) for c in layout.components]
    hashed = hashlib.sha256(json.dumps(components).encode()).hexdigest()
    found.setdefault(f'pose:{hashed[:16]}', path)
  if not found:
    raise errors[0] if errors else UserError('no .pose file given')
  if len(found) > 1:
    a, b = list(found.values())[:2]
    raise UserError(
      f'{a} and {b} come from different estimators (their components differ): '
      'extract their videos apart, into folders of their own'
    )
  return next(iter(found))


def pose_path(folder: str | os.PathLike, video: str | os.PathLike) -> Path:
  """The `.pose` file of a video: of its name, in the folder."""
  return Path(folder) / f'{Path(video).stem}.pose'


def _even_rows(time_s: Float32[np.ndarray, ' t'], path: str) -> tuple[np.ndarray, float]:
  """Per frame of constant rate the sampled frame, T where there is none, and the rate."""
  if len(time_s) < 2:
    return np.arange(len(time_s)), float(sampling.RATE_HZ)
  times = time_s.astype(np.float64) - time_s[0]
  spacings = np.diff(times)
  increase = np.isfinite(times[-1]) and (spacings > 0).all()
  if not increase or times[-1] / np.median(spacings) > _LONGEST:
    raise UserError(f'{path}: no .pose can hold {len(times)} frames over {times[-1]:g} s')
  # The median is rounded as times are; the whole span is not.
  steps = np.maximum(np.round(spacings / np.median(spacings)), 1).sum()
  period = times[-1] / steps
  ticks = np.arange(int(steps) + 1) * period
  after = np.searchsorted(times, ticks).clip(1, len(times) - 1)
  rows = np.where(ticks - times[after - 1] <= times[after] - ticks, after - 1, after)
  return np.where(np.abs(times[rows] - ticks) <= _NEAR * period, rows, len(times)), 1 / period


def _points(clip: Clip) -> tuple[Float32[np.ndarray, 't p 3'], Float32[np.ndarray, 't p']]:
  """All points of a clip's frames in the order of the components, and their confidences."""
  frames = len(clip.time_s)
  corners = clip.face_box[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
  face = np.concatenate([clip.face_points, corners], axis=1)
  hands = clip.hand_points * np.float32([1, 1, 1 / max(int(clip.frame_size[0]), 1)])
  points = np.concatenate(
    [hands.reshape(frames, 2 * len(_HAND_POINTS), 3), np.pad(face, ((0, 0), (0, 0), (0, 1)))],
    axis=1,
  )
  face_score = np.where(clip.face_present, clip.face_score, 0)
  scores = np.concatenate([clip.hand_score, face_score[:, None]], axis=1)
  lengths = [len(_HAND_POINTS), len(_HAND_POINTS), len(FACE_POINTS)]
  return points.astype(np.float32), np.repeat(scores, lengths, axis=1).astype(np.float32)


class HandReader:
  """The hands of one video from an existing `.pose` file, in place of a `hands.HandTracker`.

  The hands are MediaPipe's, OpenPose's, AlphaPose's or COCO-WholeBody's; a file may hold one side
  alone. Of several people it is the one whose hands have the highest confidence in total. A hand is
  there where all its 21 points have a confidence above 0 and a place; its score is their mean. Only
  of MediaPipe's hands z is known to be in the unit of x; else it is 0.
  """

  def __init__(self, path: str | os.PathLike, video_fps: float | None = None):
    """Reads the hands; of a long file nothing else.

    Args:
      path: the `.pose` file, of version 0.1 or 0.2.
      video_fps: the video's nominal frame rate. A whole number in the file that is less than 1 off
        is that rate rounded, and the exact one is used: version 0.1 stores no fraction.

    Raises:
      UserError: pose-format is not installed, or the file is absent, not such a file, broken off,
        without a hand, or normalised: not in pixels.
    """
    self._path, layout = Path(path), pose_layout.read(Path(path))
    self._size = np.asarray([layout.width, layout.height])
    self._fps = layout.fps
    if video_fps and layout.fps == round(layout.fps) and abs(layout.fps - video_fps) < 1:
      self._fps = video_fps
    self._points, self._scores = pose_layout.read_hands(layout)
    palms = self._points[:, :, _MIDDLE_MCP, :2] - self._points[:, :, _WRIST, :2]
    palms = np.linalg.norm(palms[self._scores > 0], axis=-1)
    if len(palms) and np.median(palms) < _SMALLEST_PALM * layout.width:
      raise UserError(
        f'{path}: its hands are not in pixels of its {layout.width}x{layout.height} frame '
        '(normalised?): give the file as the estimator wrote it'
      )

  @property
  def duration_s(self) -> float:
    """How long the file's frames last, in seconds."""
    return len(self._scores) / self._fps

  def __enter__(self) -> 'HandReader':
    return self

  def __exit__(self, *_) -> None:
    pass  # the file is read and closed already

  def detect(self, rgb: UInt8[np.ndarray, 'h w 3'], time_s: float) -> Hands:
    """The hands of the file's frame nearest to a frame of the video.

    Args:
      rgb: the frame; its size is what the hands are scaled to.
      time_s: its presentation time.

    Returns:
      Points [2, 21, 3], signer's left then right, x and y in pixels of the frame, z in the same
      unit as x, and scores [2]; zeros where absent, or where no frame of the file lies within half
      a frame period.

    Raises:
      UserError: the file was made of frames of another aspect ratio.
    """
    height, width = rgb.shape[:2]
    aspect = (self._size[0] / self._size[1]) / (width / height)
    if abs(aspect - 1) > _ASPECT_TOLERANCE:
      raise UserError(
        f'{self._path} is of {self._size[0]}x{self._size[1]} frames, the video has '
        f'{width}x{height}, another aspect ratio: correct the width and height in its header'
      )
    position = time_s * self._fps
    nearest = min(max(round(position), 0), len(self._points) - 1)
    if nearest < 0 or abs(position - nearest) > _NEAR:
      return np.zeros(HAND_SHAPE, np.float32), np.zeros(2, np.float32)
    scale = np.asarray([width / self._size[0], height / self._size[1], width], np.float32)
    return self._points[nearest] * scale, self._scores[nearest]


class HandFolder:
  """The hands of one video after the other, from the `.pose` file of its name in a folder."""

  def __init__(self, folder: str | os.PathLike):
    """Looks at no file yet."""
    self._folder = Path(folder)
    self._video, self._reader = None, None

  def start(self, video: Path) -> None:
    """Begins a video, or a part of one. Raises UserError as `HandReader` and `decode.Video`."""
    if video != self._video:
      path, film = pose_path(self._folder, video), Video(video)
      reader = HandReader(path, film.fps)
      video_s = film.declared_frames / film.fps
      if video_s and abs(reader.duration_s - video_s) > max(_SECONDS_OFF, _SHARE_OFF * video_s):
        raise UserError(
          f'{path} lasts {reader.duration_s:.1f} s and its video {video_s:.1f} s: '
          'give the file that was made from this video'
        )
      self._video, self._reader = video, reader

  def detect(self, rgb: UInt8[np.ndarray, 'h w 3'], time_s: float) -> Hands:
    """The hands at a frame of the video begun: `HandReader.detect`."""
    return self._reader.detect(rgb, time_s)

  def close(self) -> None:
    """Lets go of the video's hands."""
    self._video, self._reader = None, None

"""Frames of a video file, one at a time: upright, RGB, with their index and presentation time."""

import dataclasses
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from emo_jax.errors import UserError
from emo_jax.video import container, libraries

# A file may end a little before the end its container declares; beyond both it counts as broken.
_FRAMES_MISSING = 5
_SECONDS_MISSING = 0.2
_SHARE_MISSING = 0.02

_HIGHEST_RATE_HZ = 1000  # sound with a cover picture declares its clock's rate


@dataclasses.dataclass(frozen=True)
class Frame:
  """A decoded frame.

  Attributes:
    index: among the decoded frames, from 0.
    time_s: presentation time in seconds.
    rgb: [H, W, 3] uint8, the rotation of the container's metadata applied.
  """

  index: int
  time_s: float
  rgb: np.ndarray


class Video:
  """A video file.

  Attributes:
    path: the file.
    fps: nominal frame rate, frames per second.
    declared_frames: how many frames the container declares or its duration implies; 0 if unknown.
  """

  def __init__(self, path: str | os.PathLike, threads: int = 0):
    """Opens a file.

    Args:
      path: the file.
      threads: that decode it; as many as there are cores by default, which takes a quarter more of
        their time than one does.

    Raises:
      UserError: there is no such file, it is not a video or it is not whole.
    """
    self.path, self._threads = Path(path), threads
    self._container = container.read(self.path)
    if self._container.missing_bytes:
      raise UserError(
        f'{path}: breaks off: at least {self._container.missing_bytes} bytes are missing; '
        'get or make the file again'
      )
    if self._container.mirrored:
      raise UserError(
        f'{path}: its metadata mirror the picture, which OpenCV cannot show; re-encode it'
      )
    capture = self._capture()
    cv2 = libraries.opencv()
    self.fps = float(capture.get(cv2.CAP_PROP_FPS))
    self.declared_frames = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
    capture.release()
    if not (math.isfinite(self.fps) and 0 < self.fps <= _HIGHEST_RATE_HZ):
      raise UserError(f'{path}: {self.fps:g} is no frame rate of a video; re-encode it')

  def frames(self, wanted: Callable[[int], bool] = lambda index: True) -> Iterator[Frame]:
    """Decodes from the start and yields the frames whose index is wanted, one at a time.

    Times are the container's; where it gives none or one that does not increase, a frame follows
    its predecessor at the nominal rate.

    Raises:
      UserError: the file yields no frame, its frames change size, or it breaks midway: more than
        5 frames and 2 % of the declared ones are missing and so are more than 0.2 s and 2 % of the
        declared duration at the end. (By number alone, an estimate for a file of varying frame
        rate would pass for a broken one; of a container that is whole and does not count its
        frames there is only an estimate, and it is not judged by that.)
    """
    cv2, capture = libraries.opencv(), self._capture()
    index, time_s, shape = -1, -1 / self.fps, None
    try:
      while capture.grab():
        index += 1
        presented = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        time_s = presented if presented > time_s else time_s + 1 / self.fps
        if not wanted(index):
          continue
        ok, bgr = capture.retrieve()
        if not ok:
          raise UserError(f'{self.path}: frame {index} cannot be decoded')
        shape = shape or bgr.shape
        if bgr.shape != shape:
          raise UserError(
            f'{self.path}: frame {index} is {bgr.shape[1]}x{bgr.shape[0]} after '
            f'{shape[1]}x{shape[0]}; re-encode it at one size'
          )
        yield Frame(index, time_s, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    except cv2.error as error:
      raise UserError(f'{self.path}: frame {index} cannot be decoded ({error.err})') from error
    finally:
      capture.release()
    self._require_complete(index + 1, time_s + 1 / self.fps)

  def _capture(self):
    cv2 = libraries.opencv()
    name = os.path.abspath(self.path)  # of `12:30.mp4` FFmpeg would take 12 for a protocol
    try:
      name.encode()
    except UnicodeEncodeError as error:  # which OpenCV does not survive
      raise UserError(f'{self.path}: its name or folder is not UTF-8; rename it') from error
    settings = [cv2.CAP_PROP_N_THREADS, self._threads] if self._threads else []
    capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, settings)
    if not capture.isOpened():
      raise UserError(
        f'{self.path}: cannot be opened as a video (damaged, without a picture or of an unknown '
        'format)'
      )
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture

  def _require_complete(self, decoded: int, end_s: float) -> None:
    if not decoded:
      raise UserError(f'{self.path}: no frame can be decoded')
    if self._container.whole:
      return
    # Of a clip cut without encoding it anew the frames before the cut are there and not shown.
    declared_s = self._container.seconds or self.declared_frames / self.fps
    missing = self.declared_frames - decoded
    by_number = missing > max(_FRAMES_MISSING, _SHARE_MISSING * self.declared_frames)
    by_time = declared_s - end_s > max(_SECONDS_MISSING, _SHARE_MISSING * declared_s)
    if by_number and by_time:
      raise UserError(
        f'{self.path}: breaks off after {decoded} of {self.declared_frames} frames; '
        'get or make the file again'
      )

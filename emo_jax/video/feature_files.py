"""Clips of many videos in `.npz` files: what is there is kept, what is missing is extracted."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from emo_jax import provenance
from emo_jax.errors import UserError
from emo_jax.video import clip, folders
from emo_jax.video.decode import Video
from emo_jax.video.extractor import Extractor

_REPORT_EVERY_S = 5


def extract_all(
  targets: Mapping[Path, Path], extractor: Extractor
) -> Iterator[tuple[Path, UserError | None]]:
  """Extracts every video whose file is not there yet, reporting progress on stderr.

  Args:
    targets: video -> its `.npz`; folders are made.
    extractor: of the features; files already there must have its key.

  Yields:
    Per video its file, and why the video could not be decoded or None.

  Raises:
    UserError: a folder cannot be written to, or a file already there is no clip, has another key or
      is of another video; before anything is extracted.
  """
  for folder in {target.parent for target in targets.values()}:
    folders.make_writable(folder)
  done = {v for v, target in targets.items() if is_done(target, v, extractor.key)}
  report = _Report([video for video in targets if video not in done])
  for video, target in targets.items():
    if video in done:
      print(f'{video}: already done', file=sys.stderr)
      yield target, None
      continue
    try:
      made = extractor.extract(video, report.progress)
    except UserError as error:
      report.failed(video, error)
      yield target, error
      continue
    info = provenance.information(
      engine='flax',
      precision='float32',
      video=video.name,
      video_bytes=str(video.stat().st_size),
    )
    clip.save(target, made, extractor.key, info)
    report.extracted(video, len(made.face), int(made.face_present.sum()))
    yield target, None


def is_done(target: Path, video: Path, key: Mapping[str, str]) -> bool:
  """Is the video's clip there?

  Raises:
    UserError: what is there is no clip, has another key or was made from another video.
  """
  if not target.exists():
    return False
  remedy = 'delete it or name another folder'
  key_there, info = clip.load_origin(target)
  provenance.require_same(key_there, dict(key), str(target), 'this extraction', remedy)
  # The size in place of a hash: hashing 1,460 hours of video on every resume would be too slow.
  there = info.get('video_bytes', 'unknown')
  if video.is_file() and there != str(size := video.stat().st_size):
    raise UserError(
      f'{target} was made from another video than {video} ({there} bytes against {size}): {remedy}'
    )
  return True


class _Report:
  """Progress on stderr. Time left is judged by the bytes of the videos."""

  def __init__(self, videos: Sequence[Path]):
    self._sizes = {video: video.stat().st_size if video.is_file() else 0 for video in videos}
    self._number = {video: n for n, video in enumerate(videos, start=1)}
    self._started = self._last = time.monotonic()
    self._video_started, self._finished_bytes = self._started, 0

  def progress(self, video: Video, index: int, frames: int, faces: int) -> None:
    """Reports within a video, every few seconds."""
    now = time.monotonic()
    if now - self._last < _REPORT_EVERY_S:
      return
    share = min(1.0, (index + 1) / max(video.declared_frames, index + 1))
    self._print(video.path, self._counts(frames, faces), share * self._sizes[video.path])

  def extracted(self, video: Path, frames: int, faces: int) -> None:
    """Reports a video's end."""
    self._end(video, self._counts(frames, faces))

  def failed(self, video: Path, error: UserError) -> None:
    """Reports a video that cannot be decoded."""
    self._end(video, f'failed: {error}')

  def _counts(self, frames: int, faces: int) -> str:
    rate = frames / (time.monotonic() - self._video_started)
    return f'{frames} frames, {faces} with a face, {rate:.1f} frames/s'

  def _end(self, video: Path, what: str) -> None:
    self._finished_bytes += self._sizes[video]
    self._print(video, what)
    self._video_started = time.monotonic()

  def _print(self, video: Path, what: str, bytes_within: float = 0.0) -> None:
    self._last = time.monotonic()
    done = self._finished_bytes + bytes_within
    left = (self._last - self._started) * (sum(self._sizes.values()) / done - 1) if done else 0
    number = f'video {self._number[video]}/{len(self._number)}'
    print(f'{number} {video.name}: {what}, {left:.0f} s left', file=sys.stderr, flush=True)

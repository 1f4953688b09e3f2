"""Clips of many videos in `.npz` files: what is there is kept, what is missing is extracted.

A long video is kept in parts while it is under way, in the folder `<name>.npz.parts`, so that an
interrupted run goes on where it stopped. A part depends on the ones before only by where they saw
the person's face last; an interrupted run ends with the same numbers as one that was not.
"""

import dataclasses
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from emo_jax import coverage, provenance
from emo_jax.errors import UserError
from emo_jax.video import assembly, clip, folders, video_id
from emo_jax.video.assembly import Failure, Part, Progress, Task
from emo_jax.video.extractor import Extractor

_REPORT_EVERY_S = 5
_REMEDY = 'delete it or name another folder'


def extract_all(
  targets: Mapping[Path, Path], extractor: Extractor
) -> Iterator[tuple[Path, UserError | None]]:
  """Extracts every video whose file is not there yet, reporting progress on stderr.

  Args:
    targets: video -> its `.npz`; folders are made.
    extractor: of the features; files and parts already there must have its key.

  Yields:
    Per video its file, and why the video could not be decoded or None; those that are done already
    first, the others as they are finished.

  Raises:
    UserError: a folder cannot be written to, or a file already there is no clip, has another key or
      is of another video, before anything is extracted; or a file cannot be written.
  """
  for folder in {target.parent for target in targets.values()}:
    folders.make_writable(folder)
  done = {v for v, target in targets.items() if is_done(target, v, extractor.key)}
  tasks = [_resumed(v, target, extractor) for v, target in targets.items() if v not in done]
  for video in [video for video in targets if video in done]:
    print(f'{video}: already done', file=sys.stderr)
    shutil.rmtree(parts_folder(targets[video]), ignore_errors=True)  # killed before this was done
    yield targets[video], None
  if not tasks:
    return
  report = _Report([task.video for task in tasks])
  for event in extractor.run(tasks):
    target = targets[event.task.video]
    match event:
      case Progress():
        report.progress(event)
      case Failure():
        report.failed(event)  # its parts are kept: what was wrong may pass
        yield target, event.error
      case Part(last=False):
        _save(parts_folder(target) / f'{event.number:05d}.npz', event, event.clip, extractor)
      case Part():
        earlier = [clip.load(path)[0] for path in _parts(target)[: event.number]]
        whole = clip.join([*earlier, event.clip])
        _save(target, event, whole, extractor)
        shutil.rmtree(parts_folder(target), ignore_errors=True)
        report.extracted(event.task.video, whole)
        yield target, None


def targets_of(videos: Sequence[str], out: Path) -> dict[Path, Path]:
  """Video -> its `.npz`. Raises UserError if two videos would write the same one."""
  targets: dict[Path, Path] = {}
  for video in map(Path, videos):
    target = out / f'{video.stem}.npz'
    for other, taken in targets.items():
      if taken == target:
        raise UserError(f'{other} and {video} would both become {target}: rename one')
    targets[video] = target
  return targets


def is_done(target: Path, video: Path, key: Mapping[str, str]) -> bool:
  """Is the video's clip there?

  Raises:
    UserError: what is there is no clip, has another key or was made from another video.
  """
  if not target.exists():
    return False
  _require_of(target, video, key)
  return True


def parts_folder(target: Path) -> Path:
  """Where the parts of a video that is under way are kept."""
  return target.with_name(f'{target.name}.parts')


def _require_of(path: Path, video: Path, key: Mapping[str, str]) -> dict[str, str]:
  """The information of a file of this video and key. Raises UserError if it is of another."""
  key_there, info = clip.load_origin(path)
  provenance.require_same(key_there, dict(key), str(path), 'this extraction', _REMEDY)
  if video.is_file() and info.get('video_id') != video_id.of(video):
    raise UserError(f'{path} was made from another video than {video}: {_REMEDY}')
  return info


def _parts(target: Path) -> list[Path]:
  """The parts that are there, without a gap from the first on."""
  found = sorted(parts_folder(target).glob('[0-9]*.npz'))
  return [path for number, path in enumerate(found) if path.stem == f'{number:05d}']


def _resumed(video: Path, target: Path, extractor: Extractor) -> Task:
  """The task that goes on after the parts that are there."""
  task = Task(video)
  for number, path in enumerate(_parts(target), start=1):
    info = _require_of(path, video, extractor.key)
    if any(info.get(name) != setting for name, setting in _settings(extractor).items()):
      break  # no clip is half of one precision, half of another: from here on they are made again
    part, _, _ = clip.load(path)
    (seen,) = part.face_present.nonzero()
    task = dataclasses.replace(task, parts=number, faces=task.faces + len(seen))
    if len(seen):
      last = seen[-1]
      task = dataclasses.replace(task, box=part.face_box[last], seen_s=float(part.time_s[last]))
  return task


def _settings(extractor: Extractor) -> dict[str, str]:
  return dict(engine=extractor.engine, precision=extractor.precision, hands=extractor.hands)


def _save(path: Path, part: Part, made: clip.Clip, extractor: Extractor) -> None:
  folders.make_writable(path.parent)
  info = provenance.information(
    **_settings(extractor),
    video=part.task.video.name,
    video_id=part.video_id,
  )
  clip.save(path, made, extractor.key, info)


class _Report:
  """Progress on stderr. Time left is judged by the bytes of the videos."""

  def __init__(self, videos: Sequence[Path]):
    self._sizes = {video: video.stat().st_size if video.is_file() else 0 for video in videos}
    self._number = {video: n for n, video in enumerate(videos, start=1)}
    self._started = self._last = time.monotonic()
    self._share: dict[Path, float] = {}
    self._frames: dict[Path, int] = {}
    self._resumed: dict[Path, tuple[float, int]] = {}

  def progress(self, event: Progress) -> None:
    """Takes note, and reports every few seconds."""
    video, frames = event.task.video, event.frames
    self._frames[video] = frames
    self._share[video] = (event.index + 1) / max(event.declared_frames, event.index + 1)
    # What an earlier run did says nothing about this one's speed.
    before = event.task.parts * assembly.PART
    self._resumed.setdefault(video, (self._share[video] * before / frames, before))
    if time.monotonic() - self._last >= _REPORT_EVERY_S:
      self._print(video, f'{frames} frames, {event.faces} with a face')

  def extracted(self, video: Path, made: clip.Clip) -> None:
    """Reports a video's end with its coverage."""
    self._share[video] = 1.0
    shares = coverage.shares(made.face_present, made.hand_score)
    hands = f'left {100 * shares["left_hand"]:.0f} %, right {100 * shares["right_hand"]:.0f} %'
    faces = int(made.face_present.sum())
    self._print(video, f'{len(made.face)} frames, {faces} with a face, hands: {hands}')

  def failed(self, event: Failure) -> None:
    """Reports a video that cannot be decoded."""
    self._share[event.task.video] = 1.0
    number = f'video {self._number[event.task.video]}/{len(self._number)}'
    print(f'{number} {event.task.video.name}: failed: {event.error}', file=sys.stderr, flush=True)

  def _print(self, video: Path, what: str) -> None:
    self._last = time.monotonic()
    spent = max(self._last - self._started, 1e-9)
    resumed = {v: share for v, (share, _) in self._resumed.items()}
    done = sum(self._sizes[v] * (s - resumed.get(v, 0)) for v, s in self._share.items())
    left = sum(size * (1 - self._share.get(v, 0)) for v, size in self._sizes.items())
    rate = sum(n - self._resumed[v][1] for v, n in self._frames.items()) / spent
    estimate = f', {spent * left / done:.0f} s left' if done else ''
    number = f'video {self._number[video]}/{len(self._number)}'
    line = f'{number} {video.name}: {what}, {rate:.1f} frames/s in all{estimate}'
    print(line, file=sys.stderr, flush=True)

"""Frames of clips as JPEG images: found, sampled, made small, with little of a video in memory."""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from emo_jax import csv_tables
from emo_jax.errors import UserError, first_of
from emo_jax.video import libraries, sampling
from emo_jax.video.decode import Video
from tfds_builders import manifest

ENDINGS = ('.mp4', '.mov', '.m4v', '.avi', '.mkv', '.webm', '.mpg', '.mpeg', '.wmv')
_SPAN = re.compile(r'(?P<video>.+)_(?P<start>\d+)_(?P<end>\d+)')  # of bobsl: milliseconds
_VERSION = 1  # of how frames become images: a change is another question to a model
_JPEG_QUALITY = 90
_HELD = 4  # times as many images as are kept at last: the more, the evener these are spread
_NAMED = 3  # ids that a message names


@dataclasses.dataclass(frozen=True)
class Span:
  """Where a clip lies: a video from `start_s` up to `end_s`, that excluded."""

  video: Path
  start_s: float = -math.inf
  end_s: float = math.inf


@dataclasses.dataclass(frozen=True)
class Settings:
  """How a clip is shown.

  Attributes:
    fps: images per second; a video of fewer frames gives all it has.
    most: images of one clip; of more, so many evenly spread ones are kept.
    max_side: pixels of an image's longer side; larger ones are made smaller.
  """

  fps: float
  most: int
  max_side: int


def find(corpus: str, folder: Path, ids: Sequence[str]) -> dict[str, Span]:
  """Id -> where its clip lies.

  A video is called as its clip, in the folder or one in it; a manifest of eJSL's form in the folder
  says otherwise. Clips of BOBSL are spans, by their ids, of videos called as the episode.

  Raises:
    UserError: a video is not there, or two are called the same.
  """
  if not folder.is_dir():
    raise UserError(f'{folder} is no folder: name the one with the videos by --videos')
  spans = {id_: _span(corpus, id_) for id_ in ids}
  names = {name for name, _, _ in spans.values()}
  videos = _listed(folder, names) if corpus.split('/')[0] == 'ejsl' else {}
  videos |= _named(folder, names - videos.keys())
  missing = [id_ for id_, (name, _, _) in spans.items() if name not in videos]
  if missing:
    raise UserError(
      f'{len(missing)} of {len(ids)} clips have no video in {folder} ({first_of(missing, _NAMED)}'
      f'): each is to be called as its clip, with the ending {", ".join(ENDINGS)}'
    )
  return {id_: Span(videos[name], start, end) for id_, (name, start, end) in spans.items()}


def count(span: Span, settings: Settings) -> int:
  """About how many images a clip gives, from what its container declares."""
  video = Video(span.video)
  last_s = max(0, video.declared_frames - 1) / video.fps
  seconds = min(span.end_s, last_s) - max(span.start_s, 0.0)
  every = math.floor(seconds * min(settings.fps, video.fps) + 1e-6) + 1
  return max(1, min(settings.most, every))


def digest(video: Path) -> str:
  """sha256 of a video file. Raises UserError if it cannot be read."""
  try:
    with open(video, 'rb') as f:
      return hashlib.file_digest(f, 'sha256').hexdigest()
  except OSError as error:
    raise UserError(f'cannot read {video}: {error.strerror or error}') from error


def identity(span: Span, video_digest: str, settings: Settings) -> str:
  """What the images of a clip are determined by."""
  how = dataclasses.asdict(settings) | dict(version=_VERSION, jpeg_quality=_JPEG_QUALITY)
  return json.dumps([video_digest, str(span.start_s), str(span.end_s), how], sort_keys=True)


def by_video(spans: Mapping[str, Span]) -> dict[Path, dict[str, Span]]:
  """The clips of each video, in order."""
  found: dict[Path, dict[str, Span]] = {}
  for id_, span in spans.items():
    found.setdefault(span.video, {})[id_] = span
  return found


def read(
  path: Path, spans: Mapping[str, Span], settings: Settings
) -> Iterator[tuple[str, list[bytes]]]:
  """Id and JPEG images of every clip of a video, which is read once; a clip as soon as it is over.

  Frames are those nearest to every 1/fps s from the video's first. In memory are the images of the
  clips that lie at one moment of the video, at most four times as many as are kept of each. A span
  in which no frame lies has no image.

  Raises:
    UserError: the video cannot be decoded.
  """
  left = dict(sorted(spans.items(), key=lambda item: item[1].end_s))
  kept = {id_: _Spread(settings.most) for id_ in left}
  for frame in sampling.nearest(Video(path).frames(), 1 / settings.fps):
    ms = round(frame.time_s * 1000)
    while left and ms >= (first := next(iter(left.items())))[1].end_s * 1000:
      yield first[0], kept.pop(first[0]).images
      del left[first[0]]
    if not left:
      return
    inside = [id_ for id_, span in left.items() if ms >= span.start_s * 1000]
    if wanted := [id_ for id_ in inside if kept[id_].wants()]:
      image = _jpeg(frame.rgb, settings.max_side)
      for id_ in wanted:
        kept[id_].add(image)
  for id_ in left:
    yield id_, kept.pop(id_).images


class _Spread:
  """Keeps evenly spread ones of images whose number is not known before: every 2^k-th."""

  def __init__(self, most: int):
    self._most, self._every, self._seen = most, 1, 0
    self._kept: list[bytes] = []

  def wants(self) -> bool:
    """Counts an image; is it one to `add`?"""
    self._seen += 1
    return (self._seen - 1) % self._every == 0

  def add(self, image: bytes) -> None:
    self._kept.append(image)
    if len(self._kept) > _HELD * self._most:
      self._kept, self._every = self._kept[::2], 2 * self._every

  @property
  def images(self) -> list[bytes]:
    """At most the largest number of them, evenly spread over what is held."""
    if len(self._kept) <= self._most:
      return self._kept
    places = np.linspace(0, len(self._kept) - 1, self._most).round().astype(int)
    return [self._kept[i] for i in places]


def _jpeg(rgb: UInt8[np.ndarray, 'h w 3'], max_side: int) -> bytes:
  cv2 = libraries.opencv()
  height, width = rgb.shape[:2]
  scale = max_side / max(height, width)
  if scale < 1:
    size = max(1, round(width * scale)), max(1, round(height * scale))
    rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
  bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
  ok, encoded = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
  assert ok
  return encoded.tobytes()


def _span(corpus: str, id_: str) -> tuple[str, float, float]:
  """Name of a clip's video, start and end in seconds."""
  if corpus.split('/')[0] != 'bobsl':
    return id_, -math.inf, math.inf
  match = _SPAN.fullmatch(id_)
  if not match:
    raise UserError(f'{id_!r} is no clip of {corpus}: expected <episode>_<start ms>_<end ms>')
  return match['video'], int(match['start']) / 1000, int(match['end']) / 1000


def _listed(folder: Path, names: Collection[str]) -> dict[str, Path]:
  """The videos of a manifest, if there is one."""
  path = manifest.find(folder)
  if not path.is_file():
    return {}
  files = [folder / cells['file'] for _, cells in csv_tables.read(path, ('file',))[1]]
  return {file.stem: file for file in files if file.stem in names and file.is_file()}


def _named(folder: Path, names: Collection[str]) -> dict[str, Path]:
  """The videos of these names in the folder and in folders in it."""
  found: dict[str, Path] = {}
  for path in sorted(folder.rglob('*')) if names else ():
    if path.suffix.lower() in ENDINGS and path.stem in names and path.is_file():
      if path.stem in found:
        raise UserError(f'{found[path.stem]} and {path} are both {path.stem}: keep one')
      found[path.stem] = path
  return found

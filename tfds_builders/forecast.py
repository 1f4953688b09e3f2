"""How much extraction of some videos will take, said before it begins: hours, bytes, room left."""

import random
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emo_jax import parallel
from emo_jax.errors import UserError
from emo_jax.video import clip
from emo_jax.video.decode import Video
from emo_jax.video.sampling import RATE_HZ

# Of more videos than this only a sample is opened, which takes some 10 ms each.
_MOST_OPENED, _SAMPLE = 200, 100

# Measured: 34 on two cores of a CPU with AVX512-BF16 (README, "How fast extraction is").
_FRAMES_PER_CORE_S = 17
_FRAME_BYTES = sum(
  int(np.prod(shape[1:])) * np.dtype(dtype).itemsize
  for shape, dtype in clip.FIELDS.values()
  if shape[:1] == (None,)
)


def announce(videos: Sequence[Path], folder: Path | None = None) -> None:
  """Prints on stderr the expected size and time of extracting videos into a data set; never raises.

  Lengths are what the containers declare: of all videos, or of a sample of 100 where there are more
  than 200, the rest by their bytes. Videos that cannot be opened count as empty. Without videos
  nothing is printed.

  Args:
    videos: that will be extracted.
    folder: where features and data set will lie, or will be made; what is free there is compared.
  """
  if not videos:
    return
  seconds = _seconds(videos)
  named = f'{len(videos):,} video{"s" if len(videos) > 1 else ""}'
  if not seconds:
    _say(f'{named} of unknown length: no forecast')
    return
  frames = seconds * RATE_HZ
  size = frames * _FRAME_BYTES
  cores = parallel.cores()
  _say(
    f'{named}, {duration(seconds)}: about {frames:,.0f} sampled frames, '
    f'{byte_size(size)} of features as .npz and as much again in the data set'
  )
  _say(
    f'extraction will take very roughly {duration(max(1, frames / _FRAMES_PER_CORE_S / cores))} on '
    f'{cores} core{"s" if cores > 1 else ""} with AVX512-BF16, longer on others; the progress '
    'tells better'
  )
  if folder is not None:
    _say_room(folder, 2 * size)


def announce_data_set(frames: int, folder: Path) -> None:
  """Prints on stderr how large a data set of so many sampled frames will be, and what is free."""
  size = frames * _FRAME_BYTES
  _say(f'{frames:,} sampled frames to be stored, {byte_size(size)}')
  _say_room(folder, size)


def duration(seconds: float) -> str:
  """`40 s`, `12 min`, `3.4 hours` or `10.1 days`."""
  for unit, length, most in (('s', 1, 90), ('min', 60, 5400), ('hours', 3600, 172800)):
    if seconds < most:
      return f'{seconds / length:.{1 if unit == "hours" else 0}f} {unit}'
  return f'{seconds / 86400:.1f} days'


def byte_size(count: float) -> str:
  """`1.3 MB`: in units of 1000."""
  for unit, size in (('TB', 1e12), ('GB', 1e9), ('MB', 1e6)):
    if count >= size:
      return f'{count / size:.1f} {unit}'
  return f'{count / 1e3:.1f} kB'


def _seconds(videos: Sequence[Path]) -> float:
  """How long all videos are together; 0 if that cannot be told."""
  if len(videos) <= _MOST_OPENED:
    return sum(map(_length, videos))
  # The same videos at every start.
  sample = random.Random(0).sample(list(videos), _SAMPLE)
  opened = sum(map(_bytes, sample))
  return sum(map(_length, sample)) * sum(map(_bytes, videos)) / opened if opened else 0.0


def _length(path: Path) -> float:
  try:
    video = Video(path)
  except UserError:  # extraction will say what is wrong with it
    return 0.0
  return video.declared_frames / video.fps


def _bytes(path: Path) -> int:
  try:
    return path.stat().st_size
  except OSError:
    return 0


def _say_room(folder: Path, needed: float) -> None:
  there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
  try:
    free = shutil.disk_usage(there).free
  except OSError:
    return
  _say(f'{byte_size(free)} are free in {folder}')
  if free < needed:
    _say(
      f'warning: {folder} has no room for about {byte_size(needed)}: make room or name another '
      'folder'
    )


def _say(line: str) -> None:
  print(line, file=sys.stderr, flush=True)

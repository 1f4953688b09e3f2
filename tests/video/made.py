"""Videos of every kind, made by the ffmpeg of the package imageio_ffmpeg, and its view of them."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np

CELLS = (4, 2)  # rows and columns of the cells that show a frame's number in binary


def ffmpeg(*arguments: object, frames: bytes | None = None) -> str:
  """Runs ffmpeg, raw frames on its stdin; returns its stdout."""
  command = [imageio_ffmpeg.get_ffmpeg_exe(), '-hide_banner', '-loglevel', 'error', '-y']
  done = subprocess.run([*command, *map(str, arguments)], input=frames, capture_output=True)
  assert done.returncode == 0, done.stderr.decode()
  return done.stdout.decode(errors='replace')


def numbered(
  path: Path, count: int, *options: object, size: tuple[int, int] = (64, 48), rate: str = '25'
) -> Path:
  """A video whose every frame shows its number; `options` are ffmpeg's for the output."""
  width, height = size
  rows = np.arange(height) * CELLS[0] // height
  columns = np.arange(width) * CELLS[1] // width
  bit = (rows[:, None] * CELLS[1] + columns)[None]
  pictures = ((np.arange(count)[:, None, None] >> bit) & 1).astype(np.uint8) * 255
  raw = ('-f', 'rawvideo', '-pix_fmt', 'gray', '-s', f'{width}x{height}', '-r', rate, '-i', '-')
  ffmpeg(*raw, *(options or ('-pix_fmt', 'yuv420p')), path, frames=pictures.tobytes())
  return path


def number(rgb: np.ndarray) -> int:
  """The number that a frame shows, read from the middle of every cell."""
  height, width = rgb.shape[:2]
  value = 0
  for row in range(CELLS[0]):
    for column in range(CELLS[1]):
      y = int((row + 0.5) * height / CELLS[0])
      x = int((column + 0.5) * width / CELLS[1])
      value |= int(rgb[y, x].mean() > 127) << (row * CELLS[1] + column)
  return value


def presented(path: Path) -> np.ndarray:
  """Presentation times in seconds of all frames, from the first, as ffmpeg decodes them."""
  lines = ffmpeg('-i', path, '-map', '0:v:0', '-fps_mode', 'passthrough', '-f', 'framecrc', '-')
  seconds, times = None, []
  for line in lines.splitlines():
    if line.startswith('#tb'):
      over, under = line.split(':')[1].split('/')
      seconds = int(over) / int(under)
    elif not line.startswith('#'):
      times.append(int(line.split(',')[2]) * seconds)
  return np.asarray(times) - times[0]


def truncated(path: Path, percent: int) -> Path:
  """The first so many per cent of a file's bytes."""
  content = path.read_bytes()
  short = path.with_name(f'{percent}_{path.name}')
  short.write_bytes(content[: len(content) * percent // 100])
  return short

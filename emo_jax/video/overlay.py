"""A video with what was found in it: the face, the hands, and a bar per label in a side panel.

OpenCV's own sans-serif font is used (OpenCV 5 renders outlines), in sizes that stay legible on
small videos too: those are enlarged first.
"""

import dataclasses
import functools
import itertools
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from emo_jax import files, palette
from emo_jax.errors import UserError
from emo_jax.video import libraries
from emo_jax.video.clip import Clip
from emo_jax.video.decode import Video
from emo_jax.video.hands import CONNECTIONS

# RGB
_FACE, _LEFT, _RIGHT = (255, 255, 255), palette.rgb(palette.ORANGE), palette.rgb(palette.SKY_BLUE)
_PANEL, _TEXT, _DIM, _TRACK = (32, 32, 32), (240, 240, 240), (170, 170, 170), (75, 75, 75)
_PARTS = {'face': _FACE, 'left hand': _LEFT, 'right hand': _RIGHT}

_ENLARGED_HEIGHT, _ENLARGED_WIDTH = 240, 320  # pixels a small video is enlarged towards
_TEXT_PX = (15, 48)  # smallest and largest height of letters
_REPORT_EVERY_S = 5


@dataclasses.dataclass(frozen=True)
class Shown:
  """What the panel says.

  Attributes:
    names: of the labels.
    probabilities: [n, k] per frame; the last row holds for all later frames, NaN is unknown.
    clip_lines: of the whole clip, at the panel's top.
    marks: what keeps the numbers from being scores, at the panel's foot.
  """

  names: Sequence[str]
  probabilities: np.ndarray
  clip_lines: Sequence[str]
  marks: Sequence[str]


def write(path: str | os.PathLike, video: Video, clip: Clip, shown: Shown) -> int:
  """Writes the overlay as MP4 (mp4v) at the video's nominal rate, without sound.

  What was found at a sampled frame is held until the next. One frame is in memory at a time.

  Returns:
    How many frames the video has.

  Raises:
    UserError: the video cannot be decoded or the file not written.
  """
  path, count = Path(path), 0
  with files.replacing(path) as partial:
    # OpenCV tells the container by the name's end.
    encoded = partial.with_name(f'{partial.name}.mp4')
    try:
      frames = _reported(_drawn(video, clip, shown), path, video.declared_frames)
      count = _encode(encoded, frames, video.fps)
      os.replace(encoded, partial)
    finally:
      encoded.unlink(missing_ok=True)
  return count


def decoded_frames(video: Video) -> int:
  """How many frames can be decoded, which a container may misstate. Raises UserError if none."""
  count = 0

  def none_wanted(index: int) -> bool:
    nonlocal count
    count = index + 1
    return False

  for _ in video.frames(none_wanted):
    pass
  return count


def _encode(path: Path, frames: Iterator[UInt8[np.ndarray, 'h w 3']], fps: float) -> int:
  """Encodes RGB frames of even size; returns how many."""
  cv2, count = libraries.opencv(), 0
  head = next(frames)
  height, width = head.shape[:2]
  codec = cv2.VideoWriter_fourcc(*'mp4v')
  writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, fps, (width, height))
  try:
    if not writer.isOpened():
      raise UserError(f'{path.parent}: a {width}x{height} video cannot be written there')
    for rgb in itertools.chain([head], frames):
      writer.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
      count += 1
  finally:
    writer.release()
  # The writer says nothing when a disk is full.
  written = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
  whole = written.isOpened() and int(written.get(cv2.CAP_PROP_FRAME_COUNT)) == count
  written.release()
  if not whole:
    raise UserError(f'{path.parent}: the overlay could not be written whole (is the disk full?)')
  return count


def _reported(frames: Iterator[np.ndarray], path: Path, declared: int) -> Iterator[np.ndarray]:
  """The same frames, with progress on stderr every few seconds."""
  started = last = time.monotonic()
  for number, frame in enumerate(frames, start=1):
    yield frame
    now = time.monotonic()
    if now - last >= _REPORT_EVERY_S:
      last, rate = now, number / (now - started)
      left = max(0, declared - number) / rate
      print(
        f'{path.name}: frame {number}/{max(declared, number)}, {rate:.0f} frames/s, '
        f'{left:.0f} s left',
        file=sys.stderr,
        flush=True,
      )


def _drawn(video: Video, clip: Clip, shown: Shown) -> Iterator[UInt8[np.ndarray, 'h w 3']]:
  """The overlay's frames."""
  cv2, canvas, panel, sampled, scale = libraries.opencv(), None, None, -1, 1
  for frame in video.frames():
    height, width = frame.rgb.shape[:2]
    if panel is None:
      scale = max(1, min(_ENLARGED_HEIGHT // height, _ENLARGED_WIDTH // width))
      panel = _Panel(height * scale, shown)
      # Encoders take even sizes.
      across, down = width * scale + panel.width, max(height * scale, panel.height)
      canvas = np.zeros((down + down % 2, across + across % 2, 3), np.uint8)
      canvas[:, width * scale :] = _PANEL
    while sampled + 1 < len(clip.frame_index) and clip.frame_index[sampled + 1] <= frame.index:
      sampled += 1
    image = np.repeat(np.repeat(frame.rgb, scale, 0), scale, 1) if scale > 1 else frame.rgb.copy()
    if sampled >= 0:
      _draw_found(cv2, image, clip, sampled, scale)
    top = (len(canvas) - len(image)) // 2
    canvas[top : top + len(image), : width * scale] = image
    row = shown.probabilities[min(frame.index, len(shown.probabilities) - 1)]
    seen = _seen(clip, sampled) if sampled >= 0 else (False,) * len(_PARTS)
    side = panel.drawn(tuple(row.tolist()), seen, int(frame.time_s))
    canvas[: panel.height, width * scale : width * scale + panel.width] = side
    yield canvas


def _seen(clip: Clip, sampled: int) -> tuple[bool, ...]:
  """Which of the parts were found in a sampled frame."""
  return bool(clip.face_present[sampled]), *(bool(x > 0) for x in clip.hand_score[sampled])


def _draw_found(cv2, image: np.ndarray, clip: Clip, sampled: int, scale: int) -> None:
  """Draws the face box and the hands of a sampled frame onto its image."""
  thick = max(1, round(len(image) / 480))

  def pixel(xy) -> tuple[int, int]:
    return round(float(xy[0]) * scale), round(float(xy[1]) * scale)

  def line(start, end, color):
    # A dark edge keeps light lines visible on light clothes.
    cv2.line(image, start, end, (0, 0, 0), thick + 2, cv2.LINE_AA)
    cv2.line(image, start, end, color, thick, cv2.LINE_AA)

  if clip.face_present[sampled]:
    x0, y0, x1, y1 = clip.face_box[sampled]
    corners = [pixel(c) for c in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
      line(start, end, _FACE)
  for side, color in enumerate((_LEFT, _RIGHT)):
    if clip.hand_score[sampled, side] > 0:
      points = [pixel(p) for p in clip.hand_points[sampled, side]]
      for a, b in CONNECTIONS:
        line(points[a], points[b], color)
      for point in points:
        cv2.circle(image, point, thick + 1, color, -1, cv2.LINE_AA)


class _Panel:
  """The side panel, drawn anew only when what it shows changes.

  Attributes:
    width, height: in pixels; the height is at least the video's.
  """

  def __init__(self, video_height: int, shown: Shown):
    self._cv2, self._shown = libraries.opencv(), shown
    self._font = self._cv2.FontFace('sans')
    self._px = int(np.clip(video_height // 30, *_TEXT_PX))
    self._line, self._pad = round(1.5 * self._px), round(0.8 * self._px)
    self._bar_x = 2 * self._pad + max(self._measure(name) for name in shown.names)
    self._bar_width = 7 * self._px
    self._number_x = self._bar_x + self._bar_width + self._pad // 2
    self.width = self._number_x + self._measure('100 %') + self._pad
    inside = self.width - 2 * self._pad
    self._head = [line for text in shown.clip_lines for line in self._wrapped(text, inside)]
    self._foot = [line for text in shown.marks for line in self._wrapped(text, inside)]
    lines = len(self._head) + 1 + len(shown.names) + len(_PARTS) + len(self._foot)
    self.height = max(video_height, lines * self._line + 5 * self._pad)
    # A value per label, which parts were found, and the second: the same for many frames.
    self.drawn = functools.lru_cache(maxsize=1)(self._draw)

  def _measure(self, text: str) -> int:
    """Width of a text in pixels."""
    box = self._cv2.getTextSize((0, 0), text, (0, 0), self._font, self._px)
    return box[0] + box[2]

  def _wrapped(self, text: str, width: int) -> list[str]:
    """The text's words in lines of at most `width` pixels; a longer word is broken."""
    lines = ['']
    for word in text.split():
      longer = f'{lines[-1]} {word}'.strip()
      if self._measure(longer) <= width:
        lines[-1] = longer
        continue
      lines += [''] if lines[-1] else []
      for letter in word:
        if lines[-1] and self._measure(lines[-1] + letter) > width:
          lines.append('')
        lines[-1] += letter
    return lines

  def _draw(self, row: tuple[float, ...], seen: tuple[bool, ...], second: int) -> np.ndarray:
    cv2, image = self._cv2, np.full((self.height, self.width, 3), _PANEL, np.uint8)
    y = self._pad

    def text(x: int, words: str, color=_TEXT) -> None:
      # The baseline, below letters of `px`, in the middle of the line.
      base = y + (self._line + round(0.7 * self._px)) // 2
      cv2.putText(image, words, (x, base), color, self._font, self._px)

    for words in self._head:
      text(self._pad, words)
      y += self._line
    text(self._pad, f'{second // 60}:{second % 60:02d}, at this frame:', _DIM)
    y += self._line + self._pad
    colors = palette.COLORS[: len(row)]
    best = max(row)  # NaN where nothing is known: no name stands out then
    for name, value, color in zip(self._shown.names, row, colors, strict=True):
      text(self._pad, name, _TEXT if value == best else _DIM)
      edge, low = round(0.35 * self._px), y + self._line - round(0.35 * self._px)
      right = self._bar_x + self._bar_width
      cv2.rectangle(image, (self._bar_x, y + edge), (right, low), _TRACK, -1)
      if value == value:
        filled = self._bar_x + round(value * self._bar_width)
        shade = _TEXT if color == palette.BLACK else palette.rgb(color)
        cv2.rectangle(image, (self._bar_x, y + edge), (filled, low), shade, -1)
        text(self._number_x, f'{100 * value:.0f} %', _TEXT if value == best else _DIM)
      y += self._line
    y += self._pad
    for (words, color), there in zip(_PARTS.items(), seen, strict=True):
      text(self._pad, words if there else f'no {words}', color if there else _DIM)
      y += self._line
    y += self._pad
    for words in self._foot:
      text(self._pad, words, _TEXT)
      y += self._line
    return image

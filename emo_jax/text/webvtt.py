"""Subtitles in WebVTT: when, and what is said."""

import dataclasses
import html
import re
from pathlib import Path

from emo_jax.errors import UserError

_LINE_END = re.compile(r'\r\n|\r|\n')
_ARROW = '-->'
_TIME = r'(?:\d{2,10}:)?[0-5]\d:[0-5]\d\.\d{3}'
# Only WebVTT's own: people also write `I <3 you`.
_TAG = re.compile(r'</?(?:c|i|b|u|v|lang|ruby|rt|font)(?:[.\s][^>]*)?>|<[\d:.]+>')
# Times with another arrow, which would pass for text.
_LIKE_TIMES = re.compile(r'[ \t]*\d+(?::\d+)+[.,]?\d*[ \t]*(?:-+|=+|\u2013)?(?:>|\u2192)[ \t]*\d+:')
_TIMES = re.compile(rf'[ \t]*{_TIME}[ \t]+-->[ \t]+{_TIME}(?:[ \t].*)?', re.ASCII)


@dataclasses.dataclass(frozen=True)
class Cue:
  """One subtitle.

  Attributes:
    start_s, end_s: when it is shown, in seconds.
    text: in one line, without tags; entities are decoded.
  """

  start_s: float
  end_s: float
  text: str


def read(path: Path) -> list[Cue]:
  """The cues of a `.vtt` file by start, then end; those without text are left out.

  Blocks and tags are read by webvtt-py. It names no lines and passes over times that it cannot
  read, so lines with times are found and checked here first.

  Raises:
    UserError: the file cannot be read, is not UTF-8 or no WebVTT; a time is broken; a cue does not
      end after its start; or webvtt-py is not installed.
  """
  try:
    import webvtt
  except ModuleNotFoundError as error:
    raise UserError("reading .vtt files needs webvtt-py: pip install 'emo_jax[bobsl]'") from error

  text = _decoded(path)
  lines = _LINE_END.split(text)
  if not re.fullmatch(r'WEBVTT(?:[ \t].*)?', lines[0]):
    raise UserError(f'{path}, line 1: {lines[0][:40]!r} is not WEBVTT: this is no WebVTT file')
  timed = [
    (number, line)
    for number, line in enumerate(lines, 1)
    if _ARROW in line or _LIKE_TIMES.match(line)
  ]
  for number, line in timed:
    if not _TIMES.fullmatch(line):
      raise UserError(
        f'{path}, line {number}: {line.strip()[:60]!r} is not HH:MM:SS.mmm --> HH:MM:SS.mmm'
      )
  captions = webvtt.from_string(text).captions  # each line with times begins one
  cues = [
    _cue(caption, f'{path}, line {number}')
    for caption, (number, _) in zip(captions, timed, strict=True)
  ]
  return sorted((cue for cue in cues if cue.text), key=lambda cue: (cue.start_s, cue.end_s))


def _decoded(path: Path) -> str:
  try:
    content = path.read_bytes()
  except OSError as error:
    raise UserError(f'cannot read {path}: {error.strerror or error}') from error
  try:
    return content.decode('utf-8-sig')
  except UnicodeDecodeError as error:
    number = len(_LINE_END.findall(content[: error.start].decode('latin-1'))) + 1
    raise UserError(f'{path}, line {number}: not UTF-8 ({error.reason}): save it so') from error


def _cue(caption, where: str) -> Cue:
  times = caption.start_time, caption.end_time
  start_s, end_s = (time.in_seconds() + time.milliseconds / 1000 for time in times)
  if end_s <= start_s:
    raise UserError(f'{where}: the cue ends at {caption.end}, not after its start {caption.start}')
  said = _TAG.sub('', ' '.join(caption.lines))  # a tag may go over lines
  return Cue(start_s, end_s, ' '.join(html.unescape(said).split()))

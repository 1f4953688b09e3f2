"""What a container says of itself, where OpenCV does not ask: is it all there, is it mirrored.

FFmpeg reads a file that was cut off as if it had been made so, and OpenCV passes no error on. The
lengths that the container declares tell: boxes of MP4 and MOV (ISO/IEC 14496-12), RIFF chunks of
AVI, the segment of Matroska and WebM (RFC 9559), the file size in ASF (WMV), packets of MPEG
transport streams. Others, such as FLV, Ogg and MPEG program streams, declare none.
"""

import dataclasses
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from emo_jax.errors import UserError

_HEAD = 4096
_PACKETS = ((188, 0), (192, 4))  # period of a transport stream's packets, place of their sync byte
_ASF_PROPERTIES = bytes.fromhex('a1dcab8c47a9cf118ee400c00c205365')
_BOXES = frozenset(
  (b'ftyp', b'styp', b'moov', b'moof', b'mdat', b'mfra', b'sidx', b'free', b'skip', b'wide')
)


@dataclasses.dataclass(frozen=True)
class Container:
  """A file's container.

  Attributes:
    missing_bytes: by how much its declared lengths reach beyond the file's end, more may follow; 0
      if it is whole or of a format that declares none.
    whole: its lengths vouch for its end, and it does not count its frames: a number of frames is
      only estimated from the longest stream, which may be sound.
    seconds: how long the picture is shown, edit lists applied; None where it is not said exactly.
    mirrored: the picture is to be shown mirrored.
  """

  missing_bytes: int = 0
  whole: bool = False
  seconds: float | None = None
  mirrored: bool = False


def read(path: Path) -> Container:
  """Looks into a file's container, reading a few of its bytes.

  Raises:
    UserError: it is no file, cannot be read, is empty or is text (FFmpeg would go on to open what a
      play list names, and to draw the text).
  """
  try:
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
      kind = 'a folder' if stat.S_ISDIR(mode) else 'no regular file'
      raise UserError(f'{path}: is {kind}; name a video file')
    with open(path, 'rb') as f:
      size, head = os.fstat(f.fileno()).st_size, f.read(_HEAD)
      if not head:
        raise UserError(f'{path}: cannot be opened as a video (the file is empty)')
      if _is_text(head):
        raise UserError(f'{path}: cannot be opened as a video (it is text)')
      found = _container(f, head, size)
      f.seek(max(0, size - _HEAD))
      # Downloads that were broken off may have been given their full size.
      return found if f.read().strip(b'\0') else dataclasses.replace(found, whole=False)
  except (FileNotFoundError, NotADirectoryError) as error:
    raise UserError(f'{path}: no such video file') from error
  except OSError as error:
    raise UserError(f'{path}: cannot be read ({error.strerror})') from error


def _is_text(head: bytes) -> bool:
  if any(byte < 32 and byte not in b'\t\n\r\f\x1b' for byte in head):
    return False
  try:
    head.decode()
  except UnicodeDecodeError as error:
    return len(head) == _HEAD and error.start > _HEAD - 4  # a character cut by reading the head
  return True


def _container(f: BinaryIO, head: bytes, size: int) -> Container:
  if head[4:8] in _BOXES:
    return _iso(f, size)
  if head[:4] == b'RIFF':
    return Container(missing_bytes=_riff_missing(f, size))
  if head[:4] == b'\x1aE\xdf\xa3':
    end = _matroska_end(head)
    return Container() if end is None else Container(max(0, end - size), whole=end <= size)
  if (properties := head.find(_ASF_PROPERTIES)) >= 0:
    length = int.from_bytes(head[properties + 40 : properties + 48], 'little')
    return Container(missing_bytes=max(0, length - size))
  for period, sync in _PACKETS:
    if len(head) > 3 * period and head[sync : sync + 3 * period : period] == b'GGG':
      return Container(missing_bytes=-size % period, whole=size % period == 0)
  return Container()


def _iso(f: BinaryIO, size: int) -> Container:
  found = Container()
  for kind, start, end in _boxes(f, 0, size):
    if end > size and kind in _BOXES:  # others may be rubbish after the end
      return Container(missing_bytes=end - size)
    if kind == b'moov':
      found = _movie(f, start, end)
    if kind == b'moof':  # fragments follow; the header's durations are void
      found = dataclasses.replace(found, whole=True)
  return found


def _movie(f: BinaryIO, start: int, end: int) -> Container:
  """The first track with a picture, by its header and the movie's."""
  scale = 0
  for kind, content, after in _boxes(f, start, end):
    if kind == b'mvhd':
      f.seek(content + (20 if _version(f, content) else 12))
      scale = int.from_bytes(f.read(4))
    for header, inner, _ in _boxes(f, content, after) if kind == b'trak' else ():
      if header != b'tkhd':
        continue
      wide = _version(f, inner)
      f.seek(inner + (28 if wide else 20))
      duration = int.from_bytes(f.read(8 if wide else 4))
      f.seek(16, os.SEEK_CUR)
      fields = f.read(44)
      if len(fields) < 44:
        continue
      a, b, _, c, d, *_, width, _ = struct.unpack('>9iII', fields)
      if width:
        unknown = duration in (0, 2**32 - 1, 2**64 - 1) or not scale
        return Container(seconds=None if unknown else duration / scale, mirrored=a * d - b * c < 0)
  return Container()


def _version(f: BinaryIO, content: int) -> bool:
  """Are a box's times 64 bits wide?"""
  f.seek(content)
  return f.read(1) == b'\1'


def _boxes(f: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
  """Type, start of the content and end of every box; the last may end beyond `end`."""
  while start + 8 <= end:
    f.seek(start)
    header = f.read(8)
    if len(header) < 8:  # a box within may claim to end beyond the file
      return
    length, kind = struct.unpack('>I4s', header)
    content = start + 8
    if length == 1:
      content, large = start + 16, f.read(8)
      length = int.from_bytes(large) if len(large) == 8 else 0
    if length < content - start:  # 0 is a box up to the end
      return
    yield kind, content, start + length
    start += length


def _riff_missing(f: BinaryIO, size: int) -> int:
  start = 0
  while start + 12 <= size:
    f.seek(start)
    name, length, form = struct.unpack('<4sI4s', f.read(12))
    if name != b'RIFF' or form not in (b'AVI ', b'AVIX') or length in (0, 0xFFFFFFFF):
      return 0  # rubbish after the end, or a length never filled in
    start += 8 + length
  return max(0, start - size)


def _matroska_end(head: bytes) -> int | None:
  """Where the segment ends; None if the file declares no length, as live recordings do."""
  ebml_length, start = _number(head, 4)
  if ebml_length is None:
    return None
  segment = start + ebml_length
  if head[segment : segment + 4] != b'\x18S\x80g':
    return None
  length, start = _number(head, segment + 4)
  return None if length is None else start + length


def _number(head: bytes, at: int) -> tuple[int | None, int]:
  """An EBML number, None if it stands for unknown, and where it ends."""
  first = head[at] if at < len(head) else 0
  width = 9 - first.bit_length()
  if not first or at + width > len(head):
    return None, at
  bits = 7 * width
  number = int.from_bytes(head[at : at + width]) & ((1 << bits) - 1)
  return (None if number == (1 << bits) - 1 else number), at + width

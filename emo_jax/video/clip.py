"""A clip: what extraction makes of one video, and the `.npz` file it is kept in.

Imports neither OpenCV nor MediaPipe: builders and training read clips without them.
"""

import contextlib
import dataclasses
import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from emo_jax import files
from emo_jax.errors import UserError

FACE_DIM = 512
HAND_SHAPE = (2, 21, 3)


@dataclasses.dataclass(frozen=True)
class Clip:
  """Features of one video's T sampled frames. Pixels are those of the decoded, upright frame.

  Attributes:
    face: [T, 512] float32, the backbone's `features` layer after ReLU; zeros without a face.
    face_present: [T] bool.
    face_score: [T] float32, the detector's confidence; 0 without a face.
    face_box: [T, 4] float32, x0, y0, x1, y1 in pixels.
    face_points: [T, 5, 2] float32, the detector's landmarks, x and y in pixels: the eyes, the nose,
      the corners of the mouth, those on the image's left first; zeros without a face.
    hand_points: [T, 2, 21, 3] float32, the signer's left and right hand; x and y in pixels, z in
      the same unit as x; zeros where absent.
    hand_score: [T, 2] float32, 0 where absent.
    time_s: [T] float32, presentation time in seconds.
    frame_index: [T] int32, index among the decoded frames.
    frame_size: [2] int32, width and height after rotation.
    fps: float32, nominal frame rate of the video.
  """

  face: np.ndarray
  face_present: np.ndarray
  face_score: np.ndarray
  face_box: np.ndarray
  face_points: np.ndarray
  hand_points: np.ndarray
  hand_score: np.ndarray
  time_s: np.ndarray
  frame_index: np.ndarray
  frame_size: np.ndarray
  fps: np.float32


# Shape with None for T, and dtype, of every field.
FIELDS = {
  'face': ((None, FACE_DIM), np.float32),
  'face_present': ((None,), np.bool_),
  'face_score': ((None,), np.float32),
  'face_box': ((None, 4), np.float32),
  'face_points': ((None, 5, 2), np.float32),
  'hand_points': ((None, *HAND_SHAPE), np.float32),
  'hand_score': ((None, 2), np.float32),
  'time_s': ((None,), np.float32),
  'frame_index': ((None,), np.int32),
  'frame_size': ((2,), np.int32),
  'fps': ((), np.float32),
}


def join(parts: Sequence[Clip]) -> Clip:
  """One clip of consecutive parts of a video."""
  rows = [name for name, (shape, _) in FIELDS.items() if shape[:1] == (None,)]
  fields = {name: np.concatenate([getattr(part, name) for part in parts]) for name in rows}
  return dataclasses.replace(parts[-1], **fields)


def save(path: str | os.PathLike, clip: Clip, key: dict[str, str], info: dict[str, str]) -> None:
  """Writes a clip with its compatibility key and information, as a whole or not at all.

  Raises:
    UserError: the file cannot be written.
  """
  fields = {name: np.asarray(getattr(clip, name), dtype) for name, (_, dtype) in FIELDS.items()}
  try:
    with files.replacing(path) as partial, open(partial, 'wb') as f:
      np.savez(f, key=json.dumps(key, sort_keys=True), info=json.dumps(info), **fields)
  except OSError as error:
    raise UserError(f'cannot write {path} ({error.strerror}): name another folder') from error


def load(path: str | os.PathLike) -> tuple[Clip, dict[str, str], dict[str, str]]:
  """Reads a clip, its compatibility key and its information.

  Raises:
    UserError: not such a file, or a field is missing or of another shape.
  """
  with _opened(path) as data:
    arrays = {name: data[name] for name in FIELDS}
    key, info = json.loads(str(data['key'])), json.loads(str(data['info']))
  frames = len(arrays['face'])
  for name, (shape, dtype) in FIELDS.items():
    want = tuple(frames if n is None else n for n in shape)
    if arrays[name].shape != want or arrays[name].dtype != dtype:
      raise UserError(
        f'{path}: {name} is {arrays[name].dtype}{list(arrays[name].shape)}, '
        f'expected {np.dtype(dtype)}{list(want)}: extract its video again'
      )
  return Clip(**(arrays | {'fps': np.float32(arrays['fps'])})), key, info


def load_origin(path: str | os.PathLike) -> tuple[dict[str, str], dict[str, str]]:
  """Compatibility key and information alone: clips of whole episodes are large.

  Raises:
    UserError: as `load`.
  """
  with _opened(path) as data:
    return json.loads(str(data['key'])), json.loads(str(data['info']))


def load_times(path: str | os.PathLike) -> np.ndarray:
  """The presentation times of the sampled frames alone, [T] float32 in seconds.

  Raises:
    UserError: as `load`.
  """
  with _opened(path) as data:
    return data['time_s']


@contextlib.contextmanager
def _opened(path: str | os.PathLike) -> Iterator[Mapping[str, np.ndarray]]:
  """The arrays of a file; whatever is wrong with it is a UserError."""
  try:
    with open(path, 'rb') as f:
      if not zipfile.is_zipfile(f):  # np.load would go on to read other formats
        raise zipfile.BadZipFile
      f.seek(0)
      with np.load(f, allow_pickle=False) as data:
        yield data
  except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
    # What numpy says advises unpickling; no file of this project needs that.
    reason = getattr(error, 'strerror', None) or 'not a .npz of this project'
    remedy = 'delete it and extract its video again'
    raise UserError(f'{path} is not a readable clip ({reason}): {remedy}') from error

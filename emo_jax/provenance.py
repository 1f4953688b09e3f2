"""What stored features were made with, and whether two sets of them may be mixed.

The compatibility key holds what changes the numbers: features of different keys are never mixed.
Everything else (engine, versions, machine, date) is information and never compared.
"""

import datetime
import importlib.metadata
import platform

from emo_jax.errors import UserError

FEATURE_VERSION = '3'
KEY_FIELDS = ('backbone', 'detector', 'resize', 'sampling', 'hand_model', 'feature_version')


def compatibility_key(
  *, backbone: str, detector: str, resize: str, sampling: str, hand_model: str
) -> dict[str, str]:
  """The key of a set of features.

  Args:
    backbone: sha256 of the backbone's tensors, `random:<seed>` or `synthetic:<generator>`.
    detector: the face detector with its version.
    resize: interpolation of the face crop.
    sampling: the rule that picks frames (`index` or `time`) with its rate.
    hand_model: sha256 of the hand landmarker's file, or `pose:<digest>` for hands of `.pose` files.
  """
  return dict(
    backbone=backbone,
    detector=detector,
    resize=resize,
    sampling=sampling,
    hand_model=hand_model,
    feature_version=FEATURE_VERSION,
  )


def is_random(key: dict[str, str]) -> bool:
  """Were the features made by a randomly initialised backbone? Then no figure is a score."""
  return key['backbone'].startswith('random:')


def is_synthetic(key: dict[str, str]) -> bool:
  """Were the features drawn by a generator instead of taken from video?"""
  return key['backbone'].startswith('synthetic:')


def differences(a: dict[str, str], b: dict[str, str]) -> list[str]:
  """One `field: x against y` per field in which the keys differ."""
  return [f'{f}: {a.get(f)} against {b.get(f)}' for f in KEY_FIELDS if a.get(f) != b.get(f)]


def require_same(a: dict[str, str], b: dict[str, str], what_a: str, what_b: str, remedy: str):
  """Raises UserError, printing what differs, unless both keys are the same."""
  different = differences(a, b)
  if different:
    raise UserError(f'{what_a} and {what_b} differ in {"; ".join(different)}: {remedy}')


def _version(package: str) -> str:
  try:
    return importlib.metadata.version(package)
  except importlib.metadata.PackageNotFoundError:
    return 'absent'


def information(**extra: str) -> dict[str, str]:
  """Package versions, machine and date; kept beside features and reports, never compared."""
  packages = ('jax', 'jaxlib', 'flax', 'openvino', 'opencv-python', 'mediapipe', 'numpy')
  versions = {p: _version(p) for p in packages}
  now = datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')
  return dict(
    date=now, machine=platform.machine(), python=platform.python_version(), **versions, **extra
  )

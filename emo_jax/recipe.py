"""How the clips of a split are prepared for a model."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from emo_jax import preprocess
from emo_jax.augmentation import Augmentation


@dataclasses.dataclass(frozen=True)
class Recipe:
  """What is done to every clip of a split.

  Attributes:
    task: whose labels are read.
    min_coverage: limits below which a clip is marked (emo_jax.coverage.low).
    segment, no_face, hand_frame: see emo_jax.preprocess.
    temporal: `windows` or `sequence`.
    batch_size: clips per batch over all devices.
    devices: over how many a batch is split.
    seed: of shuffling, random segments and augmentation.
    inputs: streams that the model reads.
    augmentation: of face crops.
  """

  task: str
  min_coverage: Mapping[str, float]
  segment: str
  no_face: str
  hand_frame: str
  temporal: str
  batch_size: int
  devices: int
  seed: int
  inputs: tuple[str, ...] = ('face', 'hands')
  augmentation: Augmentation = Augmentation()

  @property
  def per_device(self) -> int:
    """Clips of a batch on each device, with those that fill it up."""
    return -(-self.batch_size // self.devices)

  @property
  def padded_size(self) -> int:
    """Clips of a batch with those that fill it up to like numbers per device."""
    return self.per_device * self.devices

  def split(self, x: np.ndarray) -> np.ndarray:
    """[clips, ...] of a whole batch -> [D, B, ...]."""
    return x.reshape(self.devices, -1, *x.shape[1:])

  def seen(
    self, clip_hash: int, time_s: np.ndarray, face_present: np.ndarray, epoch: int
  ) -> np.ndarray:
    """Which of a clip's sampled frames a model sees, ascending; a random segment is drawn by seed,
    epoch and the clip's id."""
    kept = preprocess.kept_frames(face_present, self.no_face)
    if self.segment == 'full':
      return kept
    rng = np.random.default_rng([self.seed, epoch, clip_hash])
    return kept[np.isin(kept, preprocess.cut_segment(time_s, self.segment, rng))]

  def rows(self, length: int) -> int:
    """How many of the model's sequences a clip of so many frames is cut into."""
    return min(length, 1) if self.temporal == 'sequence' else len(preprocess.window_starts(length))

"""Changes of face crops that leave the expression: the same for all frames of a clip."""

import dataclasses

import numpy as np
from jaxtyping import UInt8

from emo_jax.video import libraries


@dataclasses.dataclass(frozen=True)
class Augmentation:
  """How far a clip's crops may be changed.

  Attributes:
    flip: probability of mirroring.
    rotation: degrees, either way.
    scale, shift: shares of the side, either way.
    contrast: share by which distances from mid-grey grow or shrink.
  """

  flip: float = 0.0
  rotation: float = 0.0
  scale: float = 0.0
  shift: float = 0.0
  contrast: float = 0.0

  def __call__(
    self, crops: UInt8[np.ndarray, 't s s 3'], rng: np.random.Generator
  ) -> UInt8[np.ndarray, 't s s 3']:
    """One change drawn for all crops of a clip; what lies outside is the nearest edge's."""
    cv2, side = libraries.opencv(), crops.shape[1]
    flips = rng.random() < self.flip
    turn, scale, dx, dy, contrast = rng.uniform(-1, 1, 5)
    middle = ((side - 1) / 2, (side - 1) / 2)
    matrix = cv2.getRotationMatrix2D(middle, self.rotation * turn, 1 + self.scale * scale)
    matrix[:, 2] += self.shift * side * np.array([dx, dy])
    changed = crops
    if len(crops) and (self.rotation or self.scale or self.shift):
      changed = np.stack(
        [cv2.warpAffine(x, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE) for x in crops]
      )
    if self.contrast:
      table = 128 + (1 + self.contrast * contrast) * (np.arange(256) - 128)
      changed = np.clip(np.round(table), 0, 255).astype(np.uint8)[changed]
    return np.ascontiguousarray(changed[:, :, ::-1]) if flips else changed

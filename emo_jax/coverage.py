"""How much of a clip's frames shows a face and hands, and which clips show too little."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

SHARES = ('face', 'left_hand', 'right_hand', 'hands')
# What training does with clips of low coverage, and how it is said.
CHOICES = {'keep': 'kept', 'drop': 'dropped'}
# Those of configs/eanwh.py, for who looks at a corpus without a config.
DEFAULT_LIMITS = {'face': 0.5, 'hands': 0.0}


def shares(
  face_present: Bool[np.ndarray, ' t'], hand_score: Float[np.ndarray, 't 2']
) -> dict[str, float]:
  """Shares of a clip's frames with a face, the left hand, the right, and `hands`: at least one.

  Of the whole clip, whatever segment is read: it says how well the clip's video could be read, so
  it has to be the same for every segment, epoch and random draw. 0 of a clip of no frame.
  """
  hand = hand_score > 0
  shown = (face_present, hand[:, 0], hand[:, 1], hand.any(1))
  frames = max(len(face_present), 1)
  return {what: np.count_nonzero(seen) / frames for what, seen in zip(SHARES, shown, strict=True)}


def low(coverage: Mapping[str, Any], limits: Mapping[str, float]) -> dict[str, Any]:
  """Is the share below its limit, per limit: of one clip's coverage or of arrays of many clips'.

  A limit of 0 marks none. Raises KeyError for a limit that is none of SHARES.
  """
  return {what: coverage[what] < limit for what, limit in limits.items()}


def low_text(limits: Mapping[str, float], marked: Mapping[str, int]) -> str:
  """How many clips are below which limit, as in `face below 0.5: 12`; limits of 0 are left out."""
  said = [
    f'{what} below {limit:g}: {marked.get(what, 0)}' for what, limit in limits.items() if limit
  ]
  return ', '.join(said) or 'no limit'

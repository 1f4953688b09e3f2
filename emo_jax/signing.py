"""When the hands of a clip are signing and when they rest, judged by how fast they move.

A rule of thumb for reading a timeline, measured against no annotation: no score depends on it.
"""

import numpy as np
from jaxtyping import Bool

from emo_jax.preprocess import MIDDLE_FINGER_MCP
from emo_jax.video.clip import Clip

MOVING_PALMS_PER_S = 1.0
# Moving hands blur and are lost for some frames: sightings so far apart still tell the speed, and
# so short a pause, as in a held sign, is part of the signing. Three frames at 5 Hz and a margin.
GAP_S = 0.7

_PALM = (0, 5, 9, 13, 17)


def is_signing(clip: Clip) -> Bool[np.ndarray, ' t']:
  """Is a hand moving at each of the clip's frames?

  Between two sightings of the same hand at most 0.7 s apart, its speed is that of the middle of its
  palm (the wrist and the roots of the four fingers: single points tremble on resting hands), in
  palms (wrist to middle-finger MCP, the clip's median) per second. At one palm per second or more
  the clip is signing from the one sighting to the other, and so it is in a pause of at most 0.7 s
  between two such times. Everything else is rest, hands that are not seen included.
  """
  moving = np.zeros(len(clip.time_s), bool)
  seen, points = clip.hand_score > 0, clip.hand_points[..., :2].astype(np.float64)
  if seen.any():
    across = points[..., MIDDLE_FINGER_MCP, :] - points[..., 0, :]
    palm = max(np.median(np.linalg.norm(across, axis=-1)[seen]), 1e-6)
    for side in range(seen.shape[1]):
      at = np.flatnonzero(seen[:, side])
      passed_s = np.diff(clip.time_s[at])
      middle = points[at, side][:, _PALM].mean(axis=1)
      moved = np.linalg.norm(np.diff(middle, axis=0), axis=-1) / palm
      fast = (passed_s <= GAP_S) & (moved >= MOVING_PALMS_PER_S * passed_s)
      for first, last in zip(at[:-1][fast], at[1:][fast], strict=True):
        moving[first : last + 1] = True
  at = np.flatnonzero(moving)
  for first, last in zip(at[:-1], at[1:], strict=True):
    if clip.time_s[last] - clip.time_s[first] <= GAP_S:
      moving[first:last] = True
  return moving

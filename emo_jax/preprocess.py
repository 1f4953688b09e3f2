"""From a stored clip to what a model sees: segment, faces held, canonical hands, windows.

All of it is cheap and runs on the host while training, so that changing one's mind never means
extracting videos again.
"""

import zlib

import numpy as np
from jaxtyping import Bool, Float, Int

SEGMENTS = ('full', 'random_2s', 'last_2s')
NO_FACE = ('hold', 'drop', 'mask')
HAND_FRAMES = ('canonical', 'wrist')
SEGMENT_S = 2.0
SLACK_S = 5e-4  # presentation times are rounded
WINDOW = 10
HOP = 5
MIDDLE_FINGER_MCP = 9


def clip_hash(clip_id: str) -> int:
  """A number in [0, 2^32) by the clip's id alone: what its random draws are keyed by."""
  return zlib.crc32(clip_id.encode())


def cut_segment(
  time_s: Float[np.ndarray, ' t'], segment: str, rng: np.random.Generator
) -> Int[np.ndarray, ' s']:
  """Indices of the frames of a segment (the paper's section 4.3); a clip of 2 s or less is whole.

  `last_2s` are the frames later than the last one's time less 2 s, `random_2s` the same for an end
  drawn uniformly among those at which 2 s have passed.
  """
  if segment == 'full' or not len(time_s) or time_s[-1] - time_s[0] < SEGMENT_S:
    return np.arange(len(time_s))
  end = time_s[-1]
  if segment == 'random_2s':
    frame_s = np.diff(time_s).mean()
    end = rng.choice(time_s[time_s - time_s[0] > SEGMENT_S - frame_s - SLACK_S])
  return np.flatnonzero((time_s > end - SEGMENT_S + SLACK_S) & (time_s <= end))


def most_frames(time_s: Float[np.ndarray, ' t']) -> int:
  """The most frames that a segment of 2 s of the clip may have, wherever it is cut."""
  if not len(time_s) or time_s[-1] - time_s[0] < SEGMENT_S:
    return len(time_s)
  before = np.searchsorted(time_s, time_s - SEGMENT_S + SLACK_S, side='right')
  return int((np.arange(1, len(time_s) + 1) - before).max())


def kept_frames(present: Bool[np.ndarray, ' t'], policy: str) -> Int[np.ndarray, ' s']:
  """Which frames are kept by the policy for those without a face: see `fill_faces`."""
  found = np.flatnonzero(present)
  return found if policy == 'drop' or not len(found) else np.arange(len(present))


def fill_faces(
  face: Float[np.ndarray, 't d'], present: Bool[np.ndarray, ' t'], policy: str
) -> tuple[Float[np.ndarray, 's d'], Int[np.ndarray, ' s']]:
  """Face features by the policy for frames without a face, and which frames are kept.

  `hold`: the last face found, before the first one that one; `drop`: the frame goes (the
  reference's scripts); `mask`: the frame stays and the model skips it, as Keras' Masking does. A
  clip without any face has no frame left under every policy.
  """
  kept = kept_frames(present, policy)
  if policy == 'hold' and len(kept):
    first = int(np.argmax(present))
    return face[np.maximum.accumulate(np.where(present, kept, first))], kept
  return face[kept], kept


def hand_features(
  points: Float[np.ndarray, 't 2 21 3'], score: Float[np.ndarray, 't 2'], frame: str = 'canonical'
) -> Float[np.ndarray, 't 84']:
  """The paper's 84 hand features (Appendix C.1): both hands' 21 points in the hand's own 2-D frame.

  `canonical`: the wrist is the origin, wrist to middle-finger MCP points along +y and has length 1.
  The transform of the work the paper cites is not public: this is its planar equivalent. `wrist`:
  the same without the rotation, so that the palm's direction is kept. x and y of 21 points, left
  hand then right; zeros where a hand is absent.
  """
  xy = points[..., :2] - points[..., :1, :2]
  axis = xy[..., MIDDLE_FINGER_MCP, :]
  square = (axis**2).sum(-1)
  usable = (score > 0) & (square > 1e-6)
  u, v = np.moveaxis(axis / np.where(usable, square, 1)[..., None], -1, 0)
  if frame == 'wrist':
    u, v = np.zeros_like(u), 1 / np.sqrt(np.where(usable, square, 1))
  # Rotates (u, v) onto +y and divides by its length at once.
  turn = np.stack([np.stack([v, -u], -1), np.stack([u, v], -1)], -2)
  turned = np.einsum('thij,thpj->thpi', turn, xy) * usable[..., None, None]
  return turned.reshape(len(points), 84).astype(np.float32)


def window_starts(length: int) -> Int[np.ndarray, ' w']:
  """First frames of a clip's windows of 10 at hop 5; a clip of at most 10 frames is one window."""
  if length <= WINDOW:
    return np.zeros(min(length, 1), np.int64)
  return np.arange(0, length, HOP)

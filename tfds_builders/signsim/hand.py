"""The hand stream: two kinematic hands that rest, sign and hold; they never see a label.

Keypoints in MediaPipe's order: 0 wrist, then thumb, index, middle, ring and little finger from
base to tip (5 index MCP, 9 middle MCP, 17 little finger MCP).
"""

import numpy as np

from emo_jax.video.clip import HAND_SHAPE
from tfds_builders.signsim import constants as c
from tfds_builders.signsim.streams import stream

# A pose: flexion of 5 x 3 joints, spread of 5 fingers, palm's orientation (3), wrist (2).
_FLEXION, _SPREAD, _PALM, _WRIST = slice(0, 15), slice(15, 20), slice(20, 23), slice(23, 25)
_POSE = 25
# The signer's left hand is on the picture's right.
_SIDE = np.array([1.0, -1.0])


def absent(frames: int) -> tuple[np.ndarray, np.ndarray]:
  """Points [T, 2, 21, 3] and scores [T, 2] of a clip that shows no hands."""
  return np.zeros((frames, *HAND_SHAPE), np.float32), np.zeros((frames, 2), np.float32)


def keypoints(seed: int, name: str, phases: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
  """Two hands of one clip.

  Args:
    seed: the corpus' seed.
    name: the clip's id, which names its random stream.
    phases: frames of rest, signing and hold.

  Returns:
    Points [T, 2, 21, 3] float32 of the signer's left and right hand, x and y in pixels of the
    frame, z in the same unit from the wrist; zeros where not seen. Scores [T, 2] float32.
  """
  rng = stream(seed, 'hand', name)
  rest, signing, hold = phases
  frames = sum(phases)
  at = np.concatenate([np.zeros(rest), np.arange(1, signing + 1), np.full(hold, signing)])
  at = at * c.SIGNS_PER_SECOND * c.FRAME_STEP / c.FPS  # in signs since rest
  poses = _poses(rng, int(np.ceil(at[-1])) + 1)
  before = np.minimum(at.astype(int), len(poses) - 2)
  share = (at - before)[:, None, None]
  pose = (1 - share) * poses[before] + share * poses[before + 1]
  points = _project(pose, rng.uniform(*c.PALM_PIXELS))
  points += c.POINT_JITTER * rng.standard_normal(points.shape)
  points[:, :, 0, 2] = 0
  moving = (np.arange(frames) >= rest) & (np.arange(frames) < rest + signing)
  missed = moving[:, None] & (rng.random((frames, 2)) < c.MOVING_MISSED)
  hidden = (rng.random() < c.REST_HIDDEN) & (np.arange(frames) < rest)
  seen = ~(missed | hidden[:, None])
  score = rng.uniform(*c.HAND_SCORE, size=(frames, 2)) * seen
  return (points * seen[:, :, None, None]).astype(np.float32), score.astype(np.float32)


def forward(flexion: np.ndarray, spread: np.ndarray) -> np.ndarray:
  """Keypoints [..., 21, 3] by forward kinematics: wrist at the origin, palm length 1, x to the
  little finger, y to the finger tips, z away from the camera that looks at the palm.

  Args:
    flexion: [..., 5, 3] bend of each finger's joints in radians, 0 when straight.
    spread: [..., 5] direction of each finger in the palm's plane, in radians from its own rest.
  """
  angle = spread + np.array(c.FINGER_SPREAD)
  bend = np.cumsum(flexion, axis=-1)
  along, into = np.cos(bend), np.sin(bend)
  bones = np.stack(
    [along * np.sin(angle)[..., None], along * np.cos(angle)[..., None], -into], axis=-1
  )
  bones = bones * np.array(c.FINGER_BONES)[:, :, None]
  base = np.pad(np.array(c.FINGER_BASES), ((0, 0), (0, 1)))
  base = np.broadcast_to(base[:, None], (*bones.shape[:-2], 1, 3))
  fingers = np.concatenate([base, base + np.cumsum(bones, axis=-2)], axis=-2)
  fingers = fingers.reshape(*flexion.shape[:-2], 20, 3)
  return np.concatenate([np.zeros_like(fingers[..., :1, :]), fingers], axis=-2)


def _poses(rng: np.random.Generator, signs: int) -> np.ndarray:
  # [1 + signs, 2, 25]: the relaxed pose, then one pose a sign.
  poses = np.zeros((1 + signs, 2, _POSE))
  shape = (signs, 2)
  curl = np.full((1 + signs, 2, 5, 1), c.RELAXED_CURL)
  curl[1:] = rng.random((*shape, 5, 1))
  flexion = curl * np.array(c.CLOSED_FLEXION)
  flexion[1:] += c.FLEXION_DEVIATION * rng.standard_normal((*shape, 5, 3))
  poses[..., _FLEXION] = flexion.reshape(1 + signs, 2, 15)
  poses[1:, :, _SPREAD] = c.SPREAD_DEVIATION * rng.standard_normal((*shape, 5))
  poses[0, :, _PALM] = (0.0, 0.0, c.RELAXED_ROLL)
  poses[1:, :, _PALM] = np.array(c.PALM_DEVIATION) * rng.standard_normal((*shape, 3))
  poses[0, :, _WRIST] = c.RELAXED_WRIST
  deviation = np.array(c.WRIST_DEVIATION) * rng.standard_normal((*shape, 2))
  poses[1:, :, _WRIST] = np.array(c.SIGNING_WRIST) + deviation
  return poses


def _project(pose: np.ndarray, palm_pixels: float) -> np.ndarray:
  # Poses [T, 2, 25] to keypoints [T, 2, 21, 3] in pixels, y downwards, the left hand mirrored.
  hand = forward(pose[..., _FLEXION].reshape(*pose.shape[:2], 5, 3), pose[..., _SPREAD])
  hand = np.einsum('tsij,tsnj->tsni', _rotation(pose[..., _PALM]), hand) * palm_pixels
  wrist = pose[..., _WRIST]
  x = c.FRAME_SIZE[0] / 2 + _SIDE[:, None] * (wrist[..., :1] + hand[..., 0])
  y = wrist[..., 1:] - hand[..., 1]
  return np.stack([x, y, hand[..., 2]], axis=-1)


def _rotation(angles: np.ndarray) -> np.ndarray:
  # [..., 3, 3] from pitch about x, then turn about y, then roll about z.
  (cx, cy, cz), (sx, sy, sz) = (np.moveaxis(f(angles), -1, 0) for f in (np.cos, np.sin))
  zero, one = np.zeros_like(cx), np.ones_like(cx)

  def matrix(*rows):
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

  pitch = matrix((one, zero, zero), (zero, cx, -sx), (zero, sx, cx))
  turn = matrix((cy, zero, sy), (zero, one, zero), (-sy, zero, cy))
  roll = matrix((cz, -sz, zero), (sz, cz, zero), (zero, zero, one))
  return roll @ turn @ pitch

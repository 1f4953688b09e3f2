"""Toy clips with phases: a hand rests, signs and is held; the label shows in chosen frames."""

import numpy as np

from emo_jax.corpora import Split
from tests import toys

REST, SIGNING, HOLD = 4, 6, 6
LENGTH = REST + SIGNING + HOLD
_HAND = np.random.default_rng(0).uniform(-20, 20, (21, 3))
_HAND[0], _HAND[9] = (0, 0, 0), (30, 40, 0)  # a palm of 50 pixels


def clip(rng: np.random.Generator, clip_id: str, label: int, shown: slice = slice(None)) -> dict:
  """The label shows in the face at the frames `shown`; faces are noise elsewhere, and hands sign
  the same whatever the label."""
  raw = toys.clip(rng, clip_id, LENGTH, label)
  noise = np.maximum(rng.standard_normal((LENGTH, 512)), 0).astype(np.float32)
  noise[shown] = raw['face'][shown]
  x = 40.0 * np.clip(np.arange(LENGTH) - REST, 0, SIGNING - 1)
  points = _HAND + rng.normal(0, 0.3, (LENGTH, 2, 21, 3)) + x[:, None, None, None] * (1, 0, 0)
  return raw | dict(
    face=noise, hand_points=points.astype(np.float32), utterance=b'u' + clip_id[-1:].encode()
  )


def split(count: int, seed: int, shown: slice = slice(None)) -> Split:
  rng = np.random.default_rng(seed)
  clips = [clip(rng, f'signed{seed}-{i:03d}', i % 7, shown) for i in range(count)]
  return Split(f'toy{seed}:train', clips, toys.KEY, ('emotion',))

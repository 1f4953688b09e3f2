import numpy as np
import pytest

from emo_jax import signing
from emo_jax.video.clip import FIELDS, Clip

HAND = np.random.default_rng(0).uniform(0, 40, (21, 3)).astype(np.float32)
HAND[0], HAND[9] = (0, 0, 0), (30, 40, 0)  # a palm of 50 pixels


def clip(x, seen=None, side=0, scale=1.0):
  """A hand at the x of every frame, in pixels, five frames a second."""
  frames = len(x)
  fields = {
    name: np.zeros([frames if n is None else n for n in shape], dtype)
    for name, (shape, dtype) in FIELDS.items()
  }
  fields['time_s'] = np.arange(frames, dtype=np.float32) / 5
  fields['hand_points'][:, side] = HAND + np.array(x, np.float32)[:, None, None] * (1, 0, 0)
  fields['hand_points'] *= np.float32(scale)
  fields['hand_score'][:, side] = np.ones(frames) if seen is None else seen
  return Clip(**fields | dict(fps=np.float32(25)))


@pytest.mark.parametrize('side', [0, 1])
@pytest.mark.parametrize('scale', [0.1, 1.0, 10.0])
def test_speed_is_in_palms_whatever_the_size_of_the_picture(side, scale):
  # 10 pixels in 0.2 s are one palm per second.
  moving = signing.is_signing(clip([0, 0, 0, 11, 22, 22, 22, 22, 22, 22], side=side, scale=scale))
  assert moving.tolist() == [False] * 2 + [True] * 3 + [False] * 5
  assert not signing.is_signing(clip([0, 9, 0, 9, 0], side=side, scale=scale)).any()


def test_a_hand_lost_while_it_moves_is_still_moving():
  x, seen = [0, 0, 0, 0, 90, 90, 90], [1, 1, 0, 0, 1, 1, 1]
  assert signing.is_signing(clip(x, seen)).tolist() == [False] + [True] * 4 + [False] * 2
  # After a second nobody knows.
  assert not signing.is_signing(clip([0, 0, 0, 0, 0, 0, 90], [1, 1, 0, 0, 0, 0, 1])).any()


def test_a_held_sign_is_no_rest():
  held = signing.is_signing(clip([0, 0, 20, 20, 20, 20, 40, 40, 40]))
  assert held.tolist() == [False] + [True] * 6 + [False] * 2


def test_without_hands_there_is_only_rest():
  assert not signing.is_signing(clip([0, 50, 0], [0, 0, 0])).any()
  assert signing.is_signing(clip([0])).tolist() == [False]

"""Segments, faces, hands and windows."""

import numpy as np
import pytest

from emo_jax import preprocess

RNG = np.random.default_rng(0)


def times(frames, step=0.2):
  return (np.arange(frames) * step).astype(np.float32)


@pytest.mark.parametrize(
  ('length', 'starts'),
  [  # facts of the reference's demo and of design: one window up to 10 frames, then hop 5
    (0, []),
    (1, [0]),
    (4, [0]),
    (10, [0]),
    (11, [0, 5, 10]),
    (12, [0, 5, 10]),
    (20, [0, 5, 10, 15]),
  ],
)
def test_window_starts(length, starts):
  assert preprocess.window_starts(length).tolist() == starts


def test_last_2s_are_the_last_ten_frames_at_5_fps():
  assert preprocess.cut_segment(times(22), 'last_2s', RNG).tolist() == list(range(12, 22))
  # 29.97 frames/s, every sixth: 0.2002 s apart.
  kept = preprocess.cut_segment(times(22, 6 / 29.97), 'last_2s', RNG)
  assert kept.tolist() == list(range(12, 22))


@pytest.mark.parametrize('segment', ['full', 'random_2s', 'last_2s'])
@pytest.mark.parametrize('frames', [0, 1, 9, 10])
def test_short_clips_are_whole(segment, frames):
  assert preprocess.cut_segment(times(frames), segment, RNG).tolist() == list(range(frames))


def test_random_2s_is_every_segment_of_ten_frames_equally_often():
  rng = np.random.default_rng(1)
  first = []
  for _ in range(2000):
    kept = preprocess.cut_segment(times(14), 'random_2s', rng)
    assert kept.tolist() == list(range(kept[0], kept[0] + 10))
    first.append(kept[0])
  assert np.bincount(first).tolist() == pytest.approx([400] * 5, rel=0.2)


def test_faces_without_a_find():
  face = np.arange(1, 6, dtype=np.float32)[:, None]
  present = np.array([False, True, False, False, True])
  held, frames = preprocess.fill_faces(face, present, 'hold')
  assert held[:, 0].tolist() == [2, 2, 2, 2, 5]
  assert frames.tolist() == [0, 1, 2, 3, 4]
  dropped, frames = preprocess.fill_faces(face, present, 'drop')
  assert (dropped[:, 0].tolist(), frames.tolist()) == ([2, 5], [1, 4])
  masked, frames = preprocess.fill_faces(face, present, 'mask')
  assert (masked[:, 0].tolist(), frames.tolist()) == ([1, 2, 3, 4, 5], [0, 1, 2, 3, 4])
  for policy in preprocess.NO_FACE:
    assert len(preprocess.fill_faces(face, np.zeros(5, bool), policy)[0]) == 0


def hand(rng, frames=3):
  return rng.uniform(0, 400, (frames, 2, 21, 3)).astype(np.float32), np.ones(
    (frames, 2), np.float32
  )


def test_hands_stand_on_the_wrist_with_the_middle_finger_up():
  points, score = hand(np.random.default_rng(2))
  xy = preprocess.canonical_hands(points, score).reshape(3, 2, 21, 2)
  np.testing.assert_allclose(xy[:, :, 0], 0, atol=1e-6)
  np.testing.assert_allclose(xy[:, :, 9], np.broadcast_to([0.0, 1.0], (3, 2, 2)), atol=1e-5)


def test_hands_do_not_change_when_the_picture_is_shifted_scaled_or_turned():
  points, score = hand(np.random.default_rng(3))
  turn = np.deg2rad(70)
  rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
  moved = points.copy()
  moved[..., :2] = 1.7 * points[..., :2] @ rotation.T + [30, -50]
  np.testing.assert_allclose(
    preprocess.canonical_hands(moved, score), preprocess.canonical_hands(points, score), atol=1e-3
  )


def test_absent_and_degenerate_hands_are_zeros():
  points, score = hand(np.random.default_rng(4))
  score[0, 1] = 0
  points[1, 0, 9] = points[1, 0, 0]
  found = preprocess.canonical_hands(points, score).reshape(3, 2, 42)
  assert not found[0, 1].any() and not found[1, 0].any()
  assert found[0, 0].any() and found[1, 1].any()
  assert np.isfinite(found).all()

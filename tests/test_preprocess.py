"""Segments, faces, hands and windows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emo_jax import preprocess

RNG = np.random.default_rng(0)
SETTLED = settings(deadline=None, derandomize=True, max_examples=200)


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


@SETTLED
@given(st.integers(1, 10_000))
def test_windows_cover_every_frame(length):
  starts = preprocess.window_starts(length)
  covered = np.unique(np.concatenate([np.arange(s, s + 10) for s in starts]))
  assert covered[:length].tolist() == list(range(length))
  if length <= 10:
    assert starts.tolist() == [0]
  else:  # hop 5, every start below the length
    assert starts[0] == 0 and (np.diff(starts) == 5).all()
    assert starts[-1] < length <= starts[-1] + 5


@SETTLED
@given(
  steps=st.lists(st.integers(1, 1000), max_size=60),
  start=st.integers(0, 10_000),
  segment=st.sampled_from(preprocess.SEGMENTS),
  seed=st.integers(0, 100),
)
def test_a_segment_is_a_run_of_frames_of_less_than_2s(steps, start, segment, seed):
  """Irregular times in whole milliseconds, as containers keep them."""
  ms = start + np.cumsum([0, *steps])
  kept = preprocess.cut_segment(
    (ms / 1000).astype(np.float32), segment, np.random.default_rng(seed)
  )
  assert kept.tolist() == list(range(kept[0], kept[-1] + 1))
  if segment == 'full' or ms[-1] - ms[0] < 2000:
    assert len(kept) == len(ms)
  else:
    end = ms[kept[-1]]
    assert end == ms[-1] if segment == 'last_2s' else end in ms
    # Frames later than the end less 2 s, but for rounding.
    inside = (ms <= end) & (ms > end - 2000 + 1)
    assert inside[kept[1:]].all() and set(np.flatnonzero(inside)) <= set(kept)


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
  """Points and scores of both hands, some 100 pixels long."""
  return rng.uniform(0, 400, (frames, 2, 21, 3)).astype(np.float32), np.ones(
    (frames, 2), np.float32
  )


def test_hands_stand_on_the_wrist_with_the_middle_finger_up():
  points, score = hand(np.random.default_rng(2))
  xy = preprocess.hand_features(points, score).reshape(3, 2, 21, 2)
  np.testing.assert_allclose(xy[:, :, 0], 0, atol=1e-6)
  np.testing.assert_allclose(xy[:, :, 9], np.broadcast_to([0.0, 1.0], (3, 2, 2)), atol=1e-5)


def test_hands_do_not_change_when_the_picture_is_shifted_scaled_or_turned():
  points, score = hand(np.random.default_rng(3))
  turn = np.deg2rad(70)
  rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
  moved = points.copy()
  moved[..., :2] = 1.7 * points[..., :2] @ rotation.T + [30, -50]
  np.testing.assert_allclose(
    preprocess.hand_features(moved, score), preprocess.hand_features(points, score), atol=1e-3
  )


def transformed(xy, angle, scale, shift, mirror):
  turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
  return scale * (xy * [-1 if mirror else 1, 1]) @ turn.T + shift


@SETTLED
@given(
  angle=st.floats(-np.pi, np.pi),
  scale=st.floats(0.1, 10),
  shift=st.tuples(st.floats(-1000, 1000), st.floats(-1000, 1000)),
  mirror=st.booleans(),
  seed=st.integers(0, 100),
)
def test_hands_under_any_similarity(angle, scale, shift, mirror, seed):
  points, score = hand(np.random.default_rng(seed))
  points[..., 9, :2] = points[..., 0, :2] + [60, -80]  # a palm of 100 pixels
  moved = points.copy()
  moved[..., :2] = transformed(points[..., :2], angle, scale, shift, mirror)
  expected = preprocess.hand_features(points, score).reshape(3, 2, 21, 2)
  found = preprocess.hand_features(moved, score).reshape(3, 2, 21, 2)
  # A mirrored hand has mirrored x; wrist and middle finger stay on the axis.
  np.testing.assert_allclose(found, expected * [-1 if mirror else 1, 1], atol=5e-3)
  np.testing.assert_allclose(found[:, :, 9], np.broadcast_to([0, 1], (3, 2, 2)), atol=1e-4)


@SETTLED
@given(
  absent=st.lists(st.booleans(), min_size=6, max_size=6), scale=st.sampled_from([0, 1e-7, 1, 1e5])
)
def test_absent_hands_are_zeros_and_nothing_overflows(absent, scale):
  points, score = hand(np.random.default_rng(5))
  score[np.reshape(absent, (3, 2))] = 0
  found = preprocess.hand_features(points * np.float32(scale), score).reshape(3, 2, 42)
  assert found.dtype == np.float32 and np.isfinite(found).all()
  assert not found[score == 0].any()
  assert (found[score > 0].any(axis=-1) == (scale >= 1)).all()


def test_absent_and_degenerate_hands_are_zeros():
  points, score = hand(np.random.default_rng(4))
  score[0, 1] = 0
  points[1, 0, 9] = points[1, 0, 0]
  found = preprocess.hand_features(points, score).reshape(3, 2, 42)
  assert not found[0, 1].any() and not found[1, 0].any()
  assert found[0, 0].any() and found[1, 1].any()
  assert np.isfinite(found).all()

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emo_jax.errors import UserError
from emo_jax.video import sampling
from emo_jax.video.decode import Video
from emo_jax.video.hands import HandTracker, assign


def hand(x, palm=40.0):
  """A hand whose wrist is at x, 100 and whose middle-finger MCP lies a palm above it."""
  points = np.full((21, 3), (x, 100.0, 1.0))
  points[9, 1] -= palm
  return points


def track(task, frames):
  with HandTracker(task.read_bytes()) as tracker:
    found = [tracker.detect(rgb, time_s) for time_s, rgb in frames]
  return np.stack([points for points, _ in found]), np.stack([scores for _, scores in found])


@pytest.fixture(scope='module')
def frames(shared):
  video = Video(shared / 'data/signing/Jsl_hello_with_two_hands.mp4')
  return [(frame.time_s, frame.rgb) for frame in video.frames(lambda i: i % 2 == 0)]


def test_hands_go_to_their_side():
  points, scores = assign(['Right', 'Left'], [0.9, 0.8], np.stack([hand(10), hand(300)]))
  assert points.shape == (2, 21, 3) and points.dtype == scores.dtype == np.float32
  assert points[:, 0, 0].tolist() == [300, 10]
  np.testing.assert_allclose(scores, [0.8, 0.9])


def test_one_hand_and_none():
  points, scores = assign(['Left'], [0.9], hand(10)[None])
  assert points[0, 0, 0] == 10 and not points[1].any() and scores[1] == 0
  points, scores = assign([], [], np.zeros((0, 21, 3)))
  assert not points.any() and not scores.any()


detection = st.tuples(
  st.sampled_from(['Left', 'Right']), st.floats(0.01, 1), st.integers(0, 300), st.integers(1, 80)
)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.lists(detection, max_size=4, unique_by=(lambda d: d[1], lambda d: d[2])))
def test_any_detections_are_assigned(detections):
  labels, scores, places, palms = zip(*detections, strict=True) if detections else [()] * 4
  hands = [hand(x, palm) for x, palm in zip(places, palms, strict=True)]
  stacked = np.reshape(hands, (-1, 21, 3))
  points, assigned = assign(labels, scores, stacked)
  assert ((assigned > 0) == points.any(axis=(1, 2))).all()
  kept = {float(x) for x in points[assigned > 0][:, 0, 0]}
  best = [places[i] for i in np.argsort(scores)[::-1][:2]]
  assert kept <= {float(x) for x in best} and len(kept) == (assigned > 0).sum()
  if detections:  # the best one is kept under its own label
    top = int(np.argmax(scores))
    side = ['Left', 'Right'].index(labels[top])
    assert points[side, 0, 0] == places[top] and assigned[side] == np.float32(scores[top])
  # In whatever order they come.
  again, scores_again = assign(labels[::-1], scores[::-1], stacked[::-1])
  assert (again == points).all() and (scores_again == assigned).all()


@pytest.mark.parametrize('order', [(0, 1), (1, 0)])
def test_two_hands_with_one_label_are_two_sides(order):
  both = np.stack([hand(10), hand(60)])  # more than a palm apart
  points, scores = assign(
    ['Left', 'Left'], np.asarray([0.9, 0.8])[[*order]].tolist(), both[[*order]]
  )
  assert points[:, 0, 0].tolist() == [10, 60]
  np.testing.assert_allclose(scores, [0.9, 0.8])


@pytest.mark.parametrize('order', [(0, 1), (1, 0)])
def test_the_same_hand_found_twice_is_kept_once(order):
  both = np.stack([hand(10), hand(45)])  # less than a palm apart
  points, scores = assign(
    ['Right', 'Right'], np.asarray([0.7, 0.9])[[*order]].tolist(), both[[*order]]
  )
  assert points[1, 0, 0] == 45 and not points[0].any()
  np.testing.assert_allclose(scores, [0, 0.9])


def test_hands_lie_in_the_frame_on_the_signers_side(hand_task, frames):
  points, scores = track(hand_task, frames)
  height, width = frames[0][1].shape[:2]
  both = (scores > 0).all(axis=1)
  assert both.mean() > 0.3
  # The signer faces the camera: the own left hand is on the image's right.
  assert (points[both, 0, 0, 0] > points[both, 1, 0, 0]).mean() > 0.9
  wrist = points[both][:, :, 0, :2]
  assert (wrist > -0.2 * width).all() and (wrist < [1.2 * width, 1.2 * height]).all()
  assert not points[scores == 0].any()


def test_a_mirrored_video_swaps_and_mirrors_the_hands(hand_task, frames, write_video):
  width = frames[0][1].shape[1]
  plain = write_video('plain.avi', [rgb for _, rgb in frames], 15.0)
  mirrored = write_video('mirrored.avi', [rgb[:, ::-1] for _, rgb in frames], 15.0)
  points, scores, swapped, swapped_scores = (
    value
    for path in (plain, mirrored)
    for value in track(hand_task, [(f.time_s, f.rgb) for f in Video(path).frames()])
  )
  same_sides = ((scores > 0) == (swapped_scores[:, ::-1] > 0)).all(axis=1)
  assert same_sides.mean() >= 0.7
  shared_hands = (scores > 0) & (swapped_scores[:, ::-1] > 0)
  back = swapped[:, ::-1].copy()
  back[..., 0] = width - back[..., 0]
  distance = np.linalg.norm((back - points)[..., :2], axis=-1).mean(axis=-1)[shared_hands]
  assert np.median(distance) < 0.02 * width
  assert (distance < 0.05 * width).mean() > 0.8


def test_time_may_stand_still(hand_task, frames):
  rgb = frames[0][1]
  with HandTracker(hand_task.read_bytes()) as tracker:
    for time_s in (0.0, 0.0, 0.0004, 0.0004, 5.0):
      tracker.detect(rgb, time_s)


def test_a_file_that_is_no_landmarker():
  with pytest.raises(UserError, match='not a hand landmarker'):
    HandTracker(b'nothing of the kind')


def test_a_video_begun_anew_is_as_good_as_a_new_tracker(hand_task, shared):
  task = hand_task.read_bytes()
  clips = [
    [(frame.rgb, frame.time_s) for frame in sampling.sample(Video(path), 'index')]
    for path in sorted((shared / 'data/signing').glob('Jsl_[a-c]*.mp4'))
  ]
  carried = 0
  with HandTracker(task) as shared_tracker:
    for frames in clips:
      shared_tracker.start(Path('any.mp4'))
      with HandTracker(task) as own_tracker:
        for rgb, time_s in frames:
          (points, score), (own_points, own_score) = (
            tracker.detect(rgb, time_s) for tracker in (shared_tracker, own_tracker)
          )
          assert np.array_equal(points, own_points) and np.array_equal(score, own_score)
      carried += (score > 0).any()
  assert carried  # or no clip would have had anything to forget

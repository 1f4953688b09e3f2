import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from emo_jax.errors import UserError
from emo_jax.video import palm_boxes, palm_regions, sampling
from emo_jax.video.decode import Video
from emo_jax.video.hands import HandTracker
from emo_jax.video.openvino_hands import OpenVinoHands
from emo_jax.video.palm_regions import Region
from emo_jax.video.pipeline import HandSource

DETECTOR, LANDMARKS = 'hand_detector.tflite', 'hand_landmarks_detector.tflite'


def read(path):
  return [(frame.rgb, frame.time_s) for frame in sampling.sample(Video(path), 'index')]


def follow(source, frames):
  """Points [n, 2, 21, 3] and scores [n, 2] of one video's frames."""
  source.start(Path('any.mp4'))
  found = [source.detect(rgb, time_s) for rgb, time_s in frames]
  return np.stack([points for points, _ in found]), np.stack([scores for _, scores in found])


def compare(found, expected):
  """Per frame whether the same hands are there; distances [k, 21] in pixels and in z of these."""
  (points, scores), (expected_points, expected_scores) = found, expected
  there, expected_there = scores > 0, expected_scores > 0
  both = there & expected_there
  apart = (points - expected_points)[both]
  same = (there == expected_there).all(axis=1)
  return same, np.linalg.norm(apart[..., :2], axis=-1), np.abs(apart[..., 2])


@pytest.fixture(scope='module')
def task(hand_task):
  return hand_task.read_bytes()


@pytest.fixture(scope='module')
def networks(task):
  with zipfile.ZipFile(io.BytesIO(task)) as archive:
    return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope='module')
def source(task):
  with OpenVinoHands(task) as hands:
    yield hands


@pytest.fixture(scope='module')
def tracker(task):
  with HandTracker(task) as hands:
    yield hands


@pytest.fixture(scope='module')
def clips(shared):
  names = (
    'signing/Jsl_hello_with_two_hands',
    'signing/Jsl_dog',
    'signing_hksl/Hksl_how_are_you',
  )
  return [read(shared / f'data/{name}.mp4') for name in names]


def test_it_is_a_source_of_hands(source):
  assert isinstance(source, HandSource)


def test_hands_found_anew_are_mediapipes(source, tracker, clips):
  compared = []
  for rgb, _ in [frame for frames in clips for frame in frames[1::2]]:
    compared.append(compare(*(follow(hands, [(rgb, 0.0)]) for hands in (source, tracker))))
  same, distance, depth = (np.concatenate(x) for x in zip(*compared, strict=True))
  assert same.all() and len(distance) >= 15
  assert np.median(distance) < 0.02 and (distance < 0.1).mean() > 0.98 and distance.max() < 0.5
  assert np.median(depth) < 0.02 and (depth < 0.1).mean() > 0.95


def test_hands_followed_are_mediapipes(source, tracker, clips):
  compared = [compare(follow(source, x), follow(tracker, x)) for x in clips]
  same, distance, depth = (np.concatenate(x) for x in zip(*compared, strict=True))
  assert same.all() and len(distance) >= 30
  assert np.median(distance) < 0.05 and (distance < 0.3).mean() > 0.95
  assert np.median(depth) < 0.05


@pytest.mark.slow
def test_hands_of_all_clips_are_mediapipes(source, tracker, shared):
  paths = sorted((shared / 'data').glob('signing*/*.mp4'))
  compared, scores = [], []
  for frames in map(read, paths):
    found, expected = follow(source, frames), follow(tracker, frames)
    compared.append(compare(found, expected))
    both = (found[1] > 0) & (expected[1] > 0)
    scores.append(np.abs(found[1] - expected[1])[both])
  same, distance, depth = (np.concatenate(x) for x in zip(*compared, strict=True))
  assert len(paths) == 67 and same.mean() >= 0.995
  # Changing 1 % of a frame's values by one moves MediaPipe's own landmarks by twice as much.
  assert np.median(distance) < 0.02
  assert (distance < 0.1).mean() > 0.88 and (distance < 1).mean() > 0.985
  assert np.median(depth) < 0.02 and np.median(np.concatenate(scores)) < 1e-3


def test_a_mirrored_frame_swaps_the_sides(source, tracker, clips):
  frames = [(rgb[:, ::-1], time_s) for rgb, time_s in clips[0]]
  found, expected = follow(source, frames), follow(tracker, frames)
  same, distance, _ = compare(found, expected)
  assert same.all() and np.median(distance) < 0.05
  plain = follow(source, clips[0])
  swapped = (found[1][:, ::-1] > 0) == (plain[1] > 0)
  assert swapped.mean() > 0.8


def test_a_video_begun_anew_is_as_good_as_a_new_source(source, task, clips):
  frames, carried = clips[0], 5
  follow(source, frames[:carried])
  again = follow(source, frames)
  with OpenVinoHands(task) as own:
    expected = follow(own, frames)
  assert all(np.array_equal(a, b) for a, b in zip(again, expected, strict=True))
  unforgotten, _ = follow(source, frames[:carried] + frames)
  assert not np.array_equal(unforgotten[carried:], again[0])  # or there was nothing to forget


def test_results_are_not_overwritten(source, clips):
  source.start(Path('any.mp4'))
  first = source.detect(*clips[0][0])
  kept = [x.copy() for x in first]
  follow(source, clips[1])
  assert all(np.array_equal(a, b) for a, b in zip(first, kept, strict=True))


def test_frames_are_left_as_they_are(source, clips):
  rgb = clips[0][0][0]
  before = rgb.copy()
  follow(source, [(rgb, 0.0)] * 2)
  assert np.array_equal(rgb, before)


@pytest.mark.parametrize('shape', [(17, 31), (1, 1), (1, 50), (480, 2), (240, 320)])
def test_no_hands(source, tracker, shape):
  noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
  for frame in (noise, np.zeros_like(noise)):
    for hands in (source, tracker):
      points, scores = follow(hands, [(frame, 0.0), (frame, 0.2)])
      assert points.shape == (2, 2, 21, 3) and not points.any() and not scores.any()


def test_a_hand_at_the_border_and_frames_of_another_size(source, tracker, clips):
  rgb = next(rgb for rgb, _ in clips[0] if (follow(tracker, [(rgb, 0.0)])[1] > 0).all())
  points, _ = follow(tracker, [(rgb, 0.0)])
  left = int(points[0, ..., 0].mean())  # through the middle of both hands
  frames = [(rgb, 0.0), (rgb[:, left:], 0.2), (rgb[: int(points[0, ..., 1].mean())], 0.4)]
  same, distance, _ = compare(follow(source, frames), follow(tracker, frames))
  assert same.all() and len(distance) >= 2 and np.median(distance) < 0.3


def test_bfloat16_stays_near(task, source, clips):
  with OpenVinoHands(task, 'bfloat16') as rough:
    same, distance, _ = compare(follow(rough, clips[0]), follow(source, clips[0]))
    assert rough.precision in ('bfloat16', 'float32')
  assert same.mean() > 0.9 and np.median(distance) < 1


def packed(members):
  task = io.BytesIO()
  with zipfile.ZipFile(task, 'w') as archive:
    for name, content in members.items():
      archive.writestr(name, content)
  return task.getvalue()


@pytest.mark.parametrize('hands', [OpenVinoHands, HandTracker])
def test_files_that_are_no_landmarkers(hands, task, networks):
  cut = packed({**networks, DETECTOR: networks[DETECTOR][:100_000]})
  for bad in (b'nothing of the kind', b'', task[: len(task) // 2], packed({}), cut):
    with pytest.raises(UserError, match=r'^not a hand landmarker \(--hand_model\): .+$'):
      hands(bad)


def test_files_with_other_networks(networks):
  swapped = {DETECTOR: networks[LANDMARKS], LANDMARKS: networks[DETECTOR]}
  for bad, why in (
    ({DETECTOR: networks[DETECTOR]}, f'it holds no {LANDMARKS}'),
    (swapped, f'{DETECTOR} has other inputs or outputs'),
    ({**networks, LANDMARKS: b'x' * 99}, f'{LANDMARKS} is not a network'),
  ):
    with pytest.raises(UserError, match=f'not a hand landmarker .*: {why}'):
      OpenVinoHands(packed(bad))


def test_anchors_cover_the_square_evenly():
  anchors = palm_boxes.anchors()
  assert anchors.shape == (24 * 24 * 2 + 12 * 12 * 6, 2)
  np.testing.assert_allclose(anchors.mean(axis=0), 0.5)
  np.testing.assert_allclose(anchors[:4], np.array([[1, 1], [1, 1], [3, 1], [3, 1]]) / 48)
  np.testing.assert_allclose(anchors[-1], [23 / 24, 23 / 24])


def test_overlapping_palms_become_their_weighted_mean():
  box = np.array([[0.2, 0.2], [0.4, 0.4]])
  palm = np.concatenate([box, np.full((7, 2), 0.3)])
  palms = np.stack([palm + 0.5, palm, palm + 0.02])
  found = palm_boxes.suppress(palms, np.array([0.6, 0.9, 0.7]), most=5)
  np.testing.assert_allclose(found, [palm + 0.02 * 0.7 / 1.6, palm + 0.5])
  assert len(palm_boxes.suppress(palms, np.array([0.6, 0.9, 0.7]), most=1)) == 1
  assert palm_boxes.suppress(palms[:0], np.zeros(0), most=2).shape == (0, 9, 2)


def test_a_turned_region_holds_the_turned_picture():
  rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
  upright = Region(32.0, 32.0, 64.0).pixels(rgb, 64, replicate=False)
  assert np.array_equal(upright, rgb)
  # A quarter turn: its first row runs down the frame's last column; corners, not pixels, turn.
  turned = Region(32.0, 32.0, 64.0, np.pi / 2).pixels(rgb, 64, replicate=True)
  assert np.array_equal(turned[1:], np.rot90(rgb)[:-1])


def test_beyond_the_frame_is_black_or_the_border():
  rgb = np.full((20, 10, 3), 7, np.uint8)
  square = palm_regions.whole(20, 10)
  assert (square.pixels(rgb, 20, replicate=True) == 7).all()
  seen = square.pixels(rgb, 20, replicate=False)[..., 0]
  assert (seen[:, 5:15] == 7).all() and not seen[:, :5].any() and not seen[:, 15:].any()


def test_the_region_of_a_hand_turns_with_it():
  rng = np.random.default_rng(0)
  points = rng.uniform(100, 200, (21, 2))
  region = palm_regions.around_hand(points)
  angle = 0.7
  turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
  turned = palm_regions.around_hand((points - 150) @ turn.T + 150)
  assert turned.side == pytest.approx(region.side)
  assert np.cos(turned.rotation - region.rotation) == pytest.approx(np.cos(angle))
  moved = turn @ (region.x - 150, region.y - 150) + 150
  np.testing.assert_allclose([turned.x, turned.y], moved)


def test_regions_that_are_there_already_are_not_added():
  first, near, far = (
    Region(50.0, 50.0, 40.0),
    Region(55.0, 50.0, 40.0, 1.0),
    Region(150.0, 50.0, 40.0),
  )
  assert palm_regions.add([first], [near, far], 2) == [first, far]
  assert palm_regions.add([], [near, first, far], 2) == [near, far]
  assert palm_regions.add([first, far], [Region(300.0, 300.0, 9.0)], 2) == [first, far]

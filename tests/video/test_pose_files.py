import dataclasses
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mediapipe.tasks.python.vision.hand_landmarker import HandLandmark, HandLandmarksConnections
from pose_format import Pose
from pose_format.pose_visualizer import PoseVisualizer
from pose_format.utils import generic, openpose

from emo_jax.errors import UserError
from emo_jax.video import pose_files
from emo_jax.video.clip import Clip

LEFT, RIGHT = 'LEFT_HAND_LANDMARKS', 'RIGHT_HAND_LANDMARKS'


def clip_of(times, size=(640, 480), shown=True, seed=0):
  """A clip of random hands and faces at these times; `shown` broadcasts to [T, 2] hands."""
  random, frames = np.random.default_rng(seed), len(times)
  shown = np.broadcast_to(shown, (frames, 2))
  present = shown.any(axis=1)
  points = random.uniform(-10, 1.1 * max(size), (frames, 2, 21, 3))
  points[..., 2] -= points[..., :1, 2]  # depth counts from the wrist
  faces = random.uniform(0, max(size), (frames, 9, 2)).astype(np.float32)
  return Clip(
    face=np.zeros((frames, 512), np.float32),
    face_present=present,
    face_score=(present * random.uniform(0.5, 1, frames)).astype(np.float32),
    face_box=faces[:, :2].reshape(frames, 4) * present[:, None],
    face_points=faces[:, 2:7] * present[:, None, None],
    hand_points=(points * shown[..., None, None]).astype(np.float32),
    hand_score=(shown * random.uniform(0.1, 1, (frames, 2))).astype(np.float32),
    time_s=np.asarray(times, np.float32),
    frame_index=np.arange(frames, dtype=np.int32),
    frame_size=np.asarray(size, np.int32),
    fps=np.float32(30),
  )


def header(version, size, components):
  """The bytes of a header, after the format's specification, of (name, points, format)s."""
  text = lambda s: struct.pack('<H', len(s)) + s.encode()  # noqa: E731
  data = struct.pack('<fHHHH', version, *size, 0, len(components))
  for name, points, form in components:
    data += text(name) + text(form) + struct.pack('<HHH', points, 0, 1)
    data += b''.join(text(f'p{i}') for i in range(points)) + struct.pack('<HHH', 255, 0, 0)
  return data


def pose_bytes(components, data, confidence, version=0.2, fps=25.0, size=(640, 480)):
  """A file with data [frames, people, points, axes] and confidence [frames, people, points]."""
  body = struct.Struct('<HHH' if version == 0.1 else '<fIH')
  fps = int(fps) if version == 0.1 else fps
  counts = body.pack(fps, len(data) % (65536 if version == 0.1 else 2**32), data.shape[1])
  floats = data.astype('<f4').tobytes() + confidence.astype('<f4').tobytes()
  return header(version, size, components) + counts + floats


def hands_file(path, frames=5, names=(LEFT, RIGHT), form='XYZC', people=1, seed=0, **options):
  """Writes a file of a 3-point body and two hands, all seen; returns its data and confidence."""
  random = np.random.default_rng(seed)
  components = [('BODY', 3, form), *((name, 21, form) for name in names)]
  points = sum(n for _, n, _ in components)
  data = random.uniform(0, 400, (frames, people, points, len(form) - 1)).astype(np.float32)
  data[..., 2:] /= 1000
  confidence = random.uniform(0.1, 1, data.shape[:3]).astype(np.float32)
  path.write_bytes(pose_bytes(components, data, confidence, **options))
  return data, confidence


def blank(width=640, height=480):
  return np.zeros((height, width, 3), np.uint8)


def detect(reader, times, frame=None):
  found = [reader.detect(blank() if frame is None else frame, float(t)) for t in times]
  return np.stack([points for points, _ in found]), np.stack([scores for _, scores in found])


def read_back(path):
  return Pose.read(path.read_bytes())


def part(pose, name):
  """A component's data [T, points, axes] and confidence [T, points] by pose-format."""
  one = pose.get_components([name])
  return one.body.data[:, 0], one.body.confidence[:, 0]


def test_pose_format_reads_what_is_written(tmp_path):
  shown = np.array([[1, 1], [1, 0], [0, 0], [0, 1]], bool)
  clip = clip_of([0, 0.2, 0.4, 0.6], shown=shown)
  pose_files.write(tmp_path / 'a.pose', clip)
  pose = read_back(tmp_path / 'a.pose')
  assert round(pose.header.version, 3) == 0.2 and pose.body.fps == pytest.approx(5)
  assert (pose.header.dimensions.width, pose.header.dimensions.height) == (640, 480)
  for side, name in enumerate((LEFT, RIGHT)):
    data, confidence = part(pose, name)
    # x and y in pixels, z in widths of the image, as pose-format's MediaPipe estimator has it.
    np.testing.assert_array_equal(data.data[..., :2], clip.hand_points[:, side, :, :2])
    np.testing.assert_allclose(data.data[..., 2] * 640, clip.hand_points[:, side, :, 2], rtol=1e-6)
    np.testing.assert_array_equal(confidence, np.repeat(clip.hand_score[:, side, None], 21, 1))
    np.testing.assert_array_equal(data.mask[:, 0, 0], ~shown[:, side])
  face, confidence = part(pose, 'FACE_DETECTION')
  np.testing.assert_array_equal(face.data[:, :5, :2], clip.face_points)
  np.testing.assert_array_equal(face.data[:, [5, 7], :2].reshape(-1, 4), clip.face_box)
  np.testing.assert_array_equal(
    face.data[:, [8, 6], :2].reshape(-1, 4), clip.face_box[:, [0, 3, 2, 1]]
  )
  np.testing.assert_array_equal(confidence, np.repeat(clip.face_score[:, None], 9, axis=1))
  assert [p.name for p in tmp_path.iterdir()] == ['a.pose']


def test_hands_are_named_as_mediapipe_and_pose_format_name_them(tmp_path):
  pose_files.write(tmp_path / 'a.pose', clip_of([0, 0.2]))
  pose = read_back(tmp_path / 'a.pose')
  connections = HandLandmarksConnections.HAND_CONNECTIONS
  lines = {frozenset((line.start, line.end)) for line in connections}
  for component in pose.header.components[:2]:
    assert component.points == [point.name for point in HandLandmark]
    assert {frozenset(limb) for limb in component.limbs} == lines
    assert len(component.limbs) == len(lines)
    assert [tuple(c) for c in component.colors] == openpose.hand_colors
  assert generic.detect_known_pose_format(pose) == 'holistic'
  assert generic.hands_indexes(pose.header) == [9, 21 + 9]
  generic.normalize_hands_3d(pose)
  assert pose.body.data.shape == (2, 1, 51 + 42, 3)


def test_the_visualizer_draws_hands_where_they_are(tmp_path):
  clip = clip_of([0, 0.2], shown=[[1, 0], [0, 0]])
  clip.hand_points[0, 0, :, :2] = (300, 100)
  clip = dataclasses.replace(clip, face_present=np.zeros(2, bool))
  pose_files.write(tmp_path / 'a.pose', clip)
  first, second = PoseVisualizer(read_back(tmp_path / 'a.pose')).draw()
  rows, columns = np.nonzero((first != 255).any(axis=-1))
  assert (abs(rows - 100) < 10).all() and (abs(columns - 300) < 10).all() and len(rows)
  assert (second == 255).all()


@settings(deadline=None, max_examples=60)
@given(
  frames=st.integers(1, 40),
  fps=st.sampled_from([23.976, 24.0, 25.0, 29.97, 50.0, 59.94]),
  jitter_s=st.sampled_from([0.0, 0.0005, 0.02]),
  size=st.tuples(st.integers(16, 4096), st.integers(16, 4096)),
  seed=st.integers(0, 999),
)
def test_a_clip_comes_back_whole(tmp_path_factory, frames, fps, jitter_s, size, seed):
  random, path = np.random.default_rng(seed), tmp_path_factory.mktemp('pose') / 'a.pose'
  times = np.arange(frames) * round(fps / 5) / fps
  times[1:] += random.uniform(-jitter_s, jitter_s, frames - 1)
  clip = clip_of(times, size, random.random((frames, 2)) < 0.7, seed)
  pose_files.write(path, clip)
  with pose_files.HandReader(path, fps) as reader:
    points, scores = detect(reader, times, blank(*size))
  np.testing.assert_array_equal(scores, clip.hand_score)
  np.testing.assert_array_equal(points[..., :2], clip.hand_points[..., :2])
  np.testing.assert_allclose(points[..., 2], clip.hand_points[..., 2], rtol=1e-5, atol=1e-3)


def test_hours_of_frames_stay_one_for_one(tmp_path):
  times = np.arange(36_000) * 6 / 29.97
  clip = clip_of(times)
  # A container's milliseconds.
  clip = dataclasses.replace(clip, time_s=np.round(times, 3).astype(np.float32))
  pose_files.write(tmp_path / 'a.pose', clip)
  pose = read_back(tmp_path / 'a.pose')
  assert len(pose.body.data) == 36_000 and pose.body.fps == pytest.approx(29.97 / 6, rel=1e-6)
  np.testing.assert_array_equal(part(pose, LEFT)[0].data[..., 0], clip.hand_points[:, 0, :, 0])


def test_irregular_frames_keep_their_times(tmp_path):
  times = [0, 0.2, 0.4, 1.4, 1.6, 1.65, 1.8]  # a gap, and a frame too many
  clip = clip_of(times)
  pose_files.write(tmp_path / 'a.pose', clip)
  pose = read_back(tmp_path / 'a.pose')
  wrists, confidence = part(pose, LEFT)
  for at, x, seen in zip(np.arange(len(wrists)) / pose.body.fps, wrists, confidence, strict=True):
    nearest = np.abs(np.asarray(times) - at).argmin()
    if abs(times[nearest] - at) > 0.12:
      assert not seen.any()
    else:
      np.testing.assert_array_equal(x.data[:, 0], clip.hand_points[nearest, 0, :, 0])
  assert 0.4 < (confidence > 0).all(axis=1).mean() < 0.9
  reader = pose_files.HandReader(tmp_path / 'a.pose')
  assert not detect(reader, [0.9, 1.0])[1].any()
  assert detect(reader, [0, 0.4, 1.4, 1.8])[1].all()


@pytest.mark.parametrize('times', [[0, 0.2, 0.2], [0, 0.2, 0.4, 1e6], [0, np.nan, 1], [0, np.inf]])
def test_times_that_no_file_can_hold(tmp_path, times):
  with pytest.raises(UserError, match='a.pose: no .pose can hold'):
    pose_files.write(tmp_path / 'a.pose', clip_of(times))
  assert not list(tmp_path.iterdir())


def test_no_frame_and_one(tmp_path):
  for frames in (0, 1):
    path = tmp_path / f'{frames}.pose'
    pose_files.write(path, clip_of([0.0] * frames))
    assert len(read_back(path).body.data) == frames
    assert detect(pose_files.HandReader(path), [0, 1])[1].all(axis=1).tolist() == [frames == 1, 0]


def test_another_estimators_file_is_not_replaced(tmp_path):
  path, clip = tmp_path / 'a.pose', clip_of([0, 0.2])
  pose_files.write(path, clip_of([0, 0.2, 0.4]))
  pose_files.write(path, clip)
  assert len(read_back(path).body.data) == 2
  hands_file(path)
  for content in (path.read_bytes(), b'something else'):
    path.write_bytes(content)
    with pytest.raises(UserError, match='a.pose was not written by this project: move it'):
      pose_files.write(path, clip)
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_written(tmp_path):
  (tmp_path / 'file').write_text('')
  for path in (tmp_path / 'file' / 'a.pose', tmp_path / 'absent' / 'a.pose'):
    with pytest.raises(UserError, match='cannot write .*a.pose .*: name another folder'):
      pose_files.write(path, clip_of([0, 0.2]))


@pytest.mark.parametrize('version', [0.1, 0.2])
def test_both_versions(tmp_path, version):
  path = tmp_path / 'a.pose'
  data, confidence = hands_file(path, version=version)
  np.testing.assert_array_equal(read_back(path).body.data.data, data)  # the file is a right one
  points, scores = detect(pose_files.HandReader(path), np.arange(5) / 25)
  for side, start in enumerate((3, 24)):
    hand = data[:, 0, start : start + 21]
    np.testing.assert_array_equal(points[:, side, :, :2], hand[..., :2])
    # z in widths of the image, counted from the wrist
    depth = 640 * (hand[..., 2] - hand[:, :1, 2])
    np.testing.assert_allclose(points[:, side, :, 2], depth, rtol=1e-5, atol=1e-3)
    mean = confidence[:, 0, start : start + 21].mean(axis=1)
    np.testing.assert_allclose(scores[:, side], mean, rtol=1e-6)
  assert points.dtype == scores.dtype == np.float32


def test_hands_scale_to_the_videos_frame(tmp_path):
  path = tmp_path / 'a.pose'
  hands_file(path)
  small = detect(pose_files.HandReader(path), [0, 0.04])[0]
  large = detect(pose_files.HandReader(path), [0, 0.04], blank(1920, 1440))[0]
  np.testing.assert_allclose(large, 3 * small, rtol=1e-6)
  with pytest.raises(UserError, match='a.pose is of 640x480 frames, the video has 480x640'):
    pose_files.HandReader(path).detect(blank(480, 640), 0.0)


@pytest.mark.parametrize(
  'names',
  [
    ('hand_left_keypoints_2d', 'hand_right_keypoints_2d'),
    ('LEFT_HAND_133', 'RIGHT_HAND_133'),
    ('LEFT_HAND_136', 'RIGHT_HAND_136'),
    ('LEFT_HAND', 'RIGHT_HAND'),
  ],
)
@pytest.mark.parametrize('form', ['XYC', 'XYZC'])
def test_other_estimators(tmp_path, names, form):
  path = tmp_path / 'a.pose'
  data, _ = hands_file(path, names=names, form=form)
  points, scores = detect(pose_files.HandReader(path), [0.0])
  np.testing.assert_array_equal(points[0, :, :, :2], data[0, 0, 3:, :2].reshape(2, 21, 2))
  assert not points[..., 2].any() and scores.all()  # the unit of their depth is not known


def test_the_package_knows_these_names():
  known = ['openpose', 'alphapose_133', 'alphapose_136', 'coco_wholebody_133']
  for components in map(generic.get_standard_components_for_known_format, known):
    hands = {c.name for c in components if len(c.points) == 21}
    assert hands in [set(names) for names in pose_files.pose_layout.HANDS]


def test_components_of_fewer_axes_than_the_file(tmp_path):
  path = tmp_path / 'a.pose'
  components = [('BODY', 1, 'XYZKC'), (LEFT, 21, 'XYZC'), (RIGHT, 21, 'XYC')]
  data = np.random.default_rng(0).uniform(0, 400, (2, 1, 43, 4))
  path.write_bytes(pose_bytes(components, data, np.ones((2, 1, 43))))
  points, _ = detect(pose_files.HandReader(path), [0.0])
  np.testing.assert_allclose(points[0, 0, :, :2], data[0, 0, 1:22, :2], rtol=1e-6)
  assert points[0, 0, 1:, 2].all() and not points[0, 1, :, 2].any()


def test_one_side_alone(tmp_path):
  path = tmp_path / 'a.pose'
  data, _ = hands_file(path, names=(RIGHT,))
  points, scores = detect(pose_files.HandReader(path), [0.0])
  assert not points[0, 0].any() and scores[0, 0] == 0 and scores[0, 1] > 0
  np.testing.assert_array_equal(points[0, 1, :, :2], data[0, 0, 3:, :2])


def test_of_several_people_the_surest_hands_are_taken(tmp_path):
  path = tmp_path / 'a.pose'
  components = [('BODY', 3, 'XYC'), (LEFT, 21, 'XYC'), (RIGHT, 21, 'XYC')]
  data = np.random.default_rng(0).uniform(0, 400, (4, 3, 45, 2))
  confidence = np.full((4, 3, 45), 0.4)
  confidence[:, 0, :3] = 9  # the body does not count
  confidence[1:, 1, 3:] = 0.9  # more in total, though nothing in the first frame
  confidence[0, 1, 3:] = 0
  confidence[:, 2, 3:24] = np.nan
  path.write_bytes(pose_bytes(components, data, confidence))
  points, scores = detect(pose_files.HandReader(path), np.arange(4) / 25)
  assert not scores[0].any() and not points[0].any()
  np.testing.assert_allclose(points[1:, 0, :, :2], data[1:, 1, 3:24], rtol=1e-6)
  np.testing.assert_allclose(scores[1:], 0.9, rtol=1e-6)


@pytest.mark.parametrize('x, certain', [(np.nan, 1), (np.inf, 1), (1e30, 1), (5, 0), (5, np.nan)])
def test_a_hand_without_all_its_points_is_absent(tmp_path, x, certain):
  path = tmp_path / 'a.pose'
  data, confidence = hands_file(path)
  data[2, 0, 3 + 7, 0], confidence[2, 0, 3 + 7] = x, certain
  components = [('BODY', 3, 'XYZC'), (LEFT, 21, 'XYZC'), (RIGHT, 21, 'XYZC')]
  path.write_bytes(pose_bytes(components, data, confidence))
  points, scores = detect(pose_files.HandReader(path), np.arange(5) / 25)
  assert (scores[:, 0] > 0).tolist() == [True, True, False, True, True]
  assert not points[2, 0].any() and scores[:, 1].all() and np.isfinite(points).all()


def test_frames_are_matched_by_time(tmp_path):
  path = tmp_path / 'a.pose'
  data, _ = hands_file(path, frames=10)
  times = [0.0, 0.019, 0.021, 0.2, 0.2199, 0.36, 0.38, 0.4, 9.0]
  points, scores = detect(pose_files.HandReader(path), times)
  np.testing.assert_array_equal(points[:7, 0, 0, 0], data[[0, 0, 1, 5, 5, 9, 9], 0, 3, 0])
  assert scores[:7].all() and not scores[7:].any() and not points[7:].any()


@pytest.mark.parametrize('stored', [29, 30])
def test_a_rounded_rate_does_not_drift(tmp_path, stored):
  path = tmp_path / 'a.pose'
  data, _ = hands_file(path, frames=3000, version=0.1, fps=stored)
  points, _ = detect(pose_files.HandReader(path, video_fps=29.97), [2990 / 29.97])
  assert points[0, 0, 0, 0] == data[2990, 0, 3, 0]
  # A rate of its own stays.
  points, _ = detect(pose_files.HandReader(path, video_fps=25.0), [2990 / stored])
  assert points[0, 0, 0, 0] == data[2990, 0, 3, 0]


def test_version_0_1_counts_no_more_than_65535_frames(tmp_path):
  path = tmp_path / 'a.pose'
  data = np.random.default_rng(0).uniform(0, 400, (65540, 1, 21, 2))
  contents = pose_bytes([(LEFT, 21, 'XYC')], data, np.ones((65540, 1, 21)), version=0.1)
  path.write_bytes(contents)
  points, _ = detect(pose_files.HandReader(path), [65539 / 25])
  np.testing.assert_allclose(points[0, 0, :, :2], data[65539, 0], rtol=1e-6)


def broken_files():
  data, certain = np.full((4, 1, 42, 3), 9.0), np.ones((4, 1, 42))
  data[..., 9, :] = 99.0
  hands = [(LEFT, 21, 'XYZC'), (RIGHT, 21, 'XYZC')]
  whole = pose_bytes(hands, data, certain)
  head = header(0.2, (640, 480), hands)
  no_pose = 'is not a .pose file of version 0.1 or 0.2'
  yield 'empty', b'', no_pose
  yield 'a video', b'\0\0\0\x20ftypisom' * 99, no_pose
  yield 'version 0.0', pose_bytes(hands, data, certain, version=0.0), no_pose
  yield 'a later version', pose_bytes(hands, data, certain, version=0.3), no_pose
  yield 'header cut', whole[:100], 'its header is broken or breaks off'
  yield 'four bytes', whole[:4], 'its header is broken or breaks off'
  yield 'counts cut', whole[: len(head) + 3], 'its header is broken or breaks off'
  yield 'no text', whole.replace(b'WRIST', b'').replace(b'LEFT', b'\xff\xfe\xff\xfe'), 'is broken'
  yield 'body cut', whole[:-1], r'tells of 4 frames in \d+ bytes, it has \d+'
  short = pose_bytes(hands, data, certain, version=0.1)[:-99]
  yield 'body cut, 0.1', short, 'tells of 4 frames'
  bomb = struct.pack('<fIH', 25, 2**32 - 1, 65535)
  yield 'billions of frames', head + bomb + bytes(99), 'tells of 4294967295 frames'
  most = struct.pack('<fHHHHHHHHH', 0.2, 640, 480, 0, 65535, 0, 0, 65535, 65535, 65535)
  yield 'a header of many', most + bytes(300_000), 'its header is broken or breaks off'
  yield 'rate 0', pose_bytes(hands, data, certain, fps=0.0), 'has 0 frames per second of 640x480'
  yield 'no rate', pose_bytes(hands, data, certain, fps=np.nan), 'has nan frames per second'
  yield 'no size', pose_bytes(hands, data, certain, size=(0, 480)), 'of 0x480 pixels'
  yield 'normalised', pose_bytes(hands, data / 999, certain), 'not in pixels of its 640x480 frame'
  other = [('POSE_LANDMARKS', 20, 'XYZC'), ('hand\n?', 21, 'XYZC'), (LEFT, 1, 'XYZC')]
  listed = r"its components are 'POSE_LANDMARKS' \(20 points\), 'hand\\n\?' \(21 points\), 'LEFT_HA"
  yield 'no hand', pose_bytes(other, data, certain), listed
  many = [(f'c{i}', 1, 'XYZC') for i in range(42)]
  yield 'many components', pose_bytes(many, data, certain), r"'c7' \(1 points\), \.\.\.$"
  axes = [(LEFT, 21, 'C'), (RIGHT, 21, 'YXZC')]
  yield 'other axes', pose_bytes(axes, data, certain), 'holds no hand'
  yield 'no component', pose_bytes([], data[:, :, :0, :0], certain[:, :, :0]), 'components are none'


@pytest.mark.parametrize(
  'contents, message', [pytest.param(c, m, id=name) for name, c, m in broken_files()]
)
def test_a_broken_file_ends_in_a_line(tmp_path, contents, message):
  path = tmp_path / 'a.pose'
  path.write_bytes(contents)
  with pytest.raises(UserError, match=message) as caught:
    pose_files.HandReader(path)
  assert str(path) in str(caught.value) and '\n' not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
  with pytest.raises(UserError, match=r'no.pose cannot be read as a .pose file \(No such file'):
    pose_files.HandReader(tmp_path / 'no.pose')
  with pytest.raises(UserError, match=r'cannot be read as a .pose file \(Is a directory'):
    pose_files.HandReader(tmp_path)


def test_nobody_in_billions_of_frames(tmp_path):
  head = header(0.2, (640, 480), [(LEFT, 21, 'XYC')])
  (tmp_path / 'a.pose').write_bytes(head + struct.pack('<fIH', 25, 2**32 - 1, 0))
  points, scores = detect(pose_files.HandReader(tmp_path / 'a.pose'), [0.0, 1.0])
  assert not points.any() and not scores.any()


@settings(deadline=None, max_examples=200)
@given(cut=st.integers(0, 2000), at=st.integers(0, 700), new=st.binary(max_size=8))
def test_damage_ends_in_hands_or_in_a_line(tmp_path_factory, cut, at, new):
  path = tmp_path_factory.getbasetemp() / 'damaged.pose'
  hands_file(path, frames=2)
  contents = path.read_bytes()
  contents = contents[:at] + new + contents[at + len(new) :]
  path.write_bytes(contents[: len(contents) - cut])
  try:
    points, scores = detect(pose_files.HandReader(path), [0.0, 0.04, 1e6])
  except UserError:
    return
  assert np.isfinite(points).all() and ((scores >= 0) & (scores <= 1)).all()


def test_the_digest_tells_estimators_apart(tmp_path):
  a, b, c, d = (tmp_path / f'{name}.pose' for name in 'abcd')
  hands_file(a)
  hands_file(b, frames=9, version=0.1, fps=30, size=(320, 240), seed=1)
  hands_file(c, form='XYC')
  hands_file(d, names=('LEFT_HAND', 'RIGHT_HAND'))
  own = tmp_path / 'own.pose'
  pose_files.write(own, clip_of([0, 0.2]))
  assert pose_files.digest([a]) == pose_files.digest([b]) == pose_files.digest([b, a])
  assert pose_files.digest([a]).startswith('pose:')
  assert len({pose_files.digest([path]) for path in (a, c, d, own)}) == 4
  with pytest.raises(UserError, match='a.pose and .*d.pose come from different estimators'):
    pose_files.digest([a, b, d])
  assert pose_files.digest([tmp_path / 'no.pose', a]) == pose_files.digest([a])
  with pytest.raises(UserError, match='no.pose cannot be read as a .pose file'):
    pose_files.digest([tmp_path / 'no.pose'])


def test_a_folder_serves_one_video_after_the_other(tmp_path, write_video):
  frames = [blank(64, 48)] * 12
  first, second = (write_video(f'{name}.avi', frames, 29.97) for name in ('one', 'two'))
  data, _ = hands_file(tmp_path / 'one.pose', frames=12, version=0.1, fps=29, size=(64, 48))
  hands = pose_files.HandFolder(tmp_path)
  for at in (0, 10):  # the second is a later part of the same video
    hands.start(first)
    points, _ = hands.detect(frames[0], at / 29.97)
    assert points[0, 0, 0] == data[at, 0, 3, 0]
  with pytest.raises(UserError, match='two.pose cannot be read'):
    hands.start(second)
  hands_file(tmp_path / 'two.pose', seed=1, size=(64, 48))
  hands.start(second)
  assert hands.detect(frames[0], 0.0)[0][0, 0, 0] != data[0, 0, 3, 0]
  hands_file(tmp_path / 'other.pose', frames=75, size=(64, 48))
  os.replace(tmp_path / 'other.pose', tmp_path / 'one.pose')
  with pytest.raises(UserError, match=r'one.pose lasts 3.0 s and its video 0.4 s: give the file'):
    hands.start(first)
  hands.close()


def test_without_the_package(tmp_path, monkeypatch):
  path = tmp_path / 'a.pose'
  hands_file(path)
  for name in [n for n in sys.modules if n.split('.')[0] == 'pose_format']:
    monkeypatch.delitem(sys.modules, name)
  monkeypatch.setitem(sys.modules, 'pose_format', None)
  uses = [
    lambda: pose_files.write(tmp_path / 'b.pose', clip_of([0, 0.2])),
    lambda: pose_files.require_replaceable(tmp_path / 'b.pose'),
    lambda: pose_files.digest([path]),
    lambda: pose_files.HandReader(path),
  ]
  for use in uses:
    with pytest.raises(
      UserError, match=r"pose-format is not installed: pip install 'emo_jax\[pose\]'"
    ):
      use()


def test_the_package_is_imported_when_needed():
  check = 'import sys, emo_jax.video.pose_files; assert "pose_format" not in sys.modules'
  subprocess.run([sys.executable, '-c', check], check=True)

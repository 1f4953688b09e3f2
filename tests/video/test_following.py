import cv2
import numpy as np
import pytest

from emo_jax.models import resnet
from emo_jax.video import engines, sampling
from emo_jax.video.decode import Frame, Video
from emo_jax.video.faces import FaceDetector, crop_face
from emo_jax.video.following import FaceSearch, Follower


def face(x, y, side):
  return [x, y, x + side, y + side]


def test_the_largest_face_is_followed_while_it_is_visible():
  follower = Follower()
  assert follower.pick(0.0, np.asarray([face(0, 0, 40.0), face(200, 0, 60)])) == 1
  # The other person comes closer to the camera and is larger now.
  assert follower.pick(0.2, np.asarray([face(0, 0, 90.0), face(210, 5, 55)])) == 1
  # The person turns away: nobody else is taken for them.
  assert follower.pick(0.4, np.asarray([face(0, 0, 90.0)])) is None
  assert follower.pick(0.6, np.zeros((0, 4))) is None
  assert follower.pick(0.8, np.asarray([face(0, 0, 90.0), face(215, 5, 55)])) == 1


def test_after_a_second_out_of_sight_the_largest_face_is_taken():
  follower = Follower()
  assert follower.pick(0.0, np.asarray([face(200, 0, 60.0)])) == 0
  others = np.asarray([face(0, 0, 30.0), face(0, 100, 90)])
  assert follower.pick(0.8, others) is None
  assert follower.pick(1.0, others) == 1
  assert follower.pick(1.2, np.asarray([face(0, 0, 200.0), face(0, 105, 90)])) == 1


def test_a_look_changes_nothing():
  follower = Follower()
  follower.pick(0.0, np.asarray([face(200, 0, 60.0)]))
  for _ in range(2):
    assert follower.look(0.2, np.asarray([face(200, 0, 60.0), face(230, 0, 60)])) == 0
  assert not follower.lost(0.9) and follower.lost(1.0) and Follower().lost(0.0)
  assert (
    Follower(np.asarray(face(200, 0, 60.0)), 0.0).look(0.2, np.asarray([face(0, 0, 90.0)])) is None
  )


@pytest.fixture(scope='module')
def engine():
  return engines.open_engine('auto', 'float32', resnet.random_variables(0))


def sampled(path):
  return list(sampling.sample(Video(path), 'index'))


def search(engine, how, frames, chunk=16):
  finder = FaceSearch(FaceDetector(engine), how)
  found = []
  for start in range(0, len(frames), chunk):
    piece = frames[start : start + chunk]
    found += finder.find(np.stack([f.rgb for f in piece]), [f.time_s for f in piece])
  return found


def iou(a, b):
  shared = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0).prod()
  return shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared)


def test_chunks_change_nothing(engine, shared):
  frames = sampled(shared / 'data/edge/face_noface.mov')
  whole = search(engine, 'follow', frames, len(frames))
  assert any(face is None for face in whole) and any(face is not None for face in whole)
  for chunk in (1, 5):
    for a, b in zip(search(engine, 'follow', frames, chunk), whole, strict=True):
      assert (a is None) == (b is None)
      if a is not None:
        np.testing.assert_allclose(a[0], b[0], atol=1e-3)


def test_a_full_search_is_the_detector_itself(engine, shared):
  frames = sampled(shared / 'data/signing/Jsl_age.mp4')[:5]
  faces = FaceDetector(engine).detect(np.stack([f.rgb for f in frames]))
  for found, alone in zip(search(engine, 'full', frames), faces, strict=True):
    assert np.array_equal(found[0], alone.boxes[0]) and found[1] == alone.scores[0]


def still(rgb, times):
  return [Frame(i, t, rgb) for i, t in enumerate(times)]


@pytest.mark.parametrize('shrunk', [2, 4, 6])
def test_a_small_face_in_a_large_frame_is_found_as_by_a_full_search(engine, shared, shrunk):
  signer = sampled(shared / 'data/signing/Jsl_bird.mp4')[0].rgb
  small = cv2.resize(signer, None, fx=1 / shrunk, fy=1 / shrunk, interpolation=cv2.INTER_AREA)
  rgb = np.full((720, 720, 3), 90, np.uint8)
  rgb[30 : 30 + small.shape[0], 450 : 450 + small.shape[1]] = small
  frames = still(rgb, [0.0, 0.2])
  for full, followed in zip(*(search(engine, x, frames) for x in ('full', 'follow')), strict=True):
    assert iou(full[0], followed[0]) > 0.9 and full[0][0] > 450


def test_the_largest_of_two_people_is_taken_whatever_their_sizes(engine, shared):
  signer = sampled(shared / 'data/signing/Jsl_bird.mp4')[0].rgb
  for left, right in ((1.0, 0.8), (0.5, 0.65), (0.3, 0.36)):
    rgb = np.full((480, 960, 3), 90, np.uint8)
    for x, scale in ((0, left), (480, right)):
      person = cv2.resize(signer, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
      rgb[: person.shape[0], x : x + person.shape[1]] = person
    (found,) = search(engine, 'follow', still(rgb, [0.0]))
    assert (found[0][0] > 480) == (right > left)


def embedded(engine, frames, numbers, found):
  crops = [crop_face(frames[i].rgb, found[i][0]) for i in numbers]
  pieces = [crops[start : start + engine.batch] for start in range(0, len(crops), engine.batch)]
  return np.concatenate([np.asarray(engine.embed(np.stack(piece))) for piece in pieces])


@pytest.mark.slow
def test_followed_faces_are_those_of_full_detection(engine, shared):
  overlaps, moved, between = [], [], []
  for path in sorted((shared / 'data').glob('signing*/*.mp4')):
    frames = sampled(path)
    full, followed = search(engine, 'full', frames), search(engine, 'follow', frames)
    seen = [i for i, face in enumerate(full) if face is not None]
    assert all(followed[i] is not None for i in seen), path.name
    if not seen:
      continue
    features = embedded(engine, frames, seen, full)
    moved += list(np.linalg.norm(embedded(engine, frames, seen, followed) - features, axis=1))
    between += list(np.linalg.norm(np.diff(features, axis=0), axis=1))
    overlaps += [iou(followed[i][0], full[i][0]) for i in seen]
  assert len(overlaps) > 800
  assert np.mean(np.asarray(overlaps) >= 0.85) >= 0.97
  assert np.mean(moved) <= np.mean(between)
  assert np.quantile(moved, 0.95) <= np.quantile(between, 0.95)

import dataclasses
import hashlib

import numpy as np
import pytest

from emo_jax import provenance
from emo_jax.errors import UserError
from emo_jax.models import resnet
from emo_jax.video import clip
from emo_jax.video.extractor import Extractor


def same(a, b):
  return all(
    np.array_equal(getattr(a, field.name), getattr(b, field.name))
    for field in dataclasses.fields(a)
  )


@pytest.fixture(scope='module')
def age(extractor, shared):
  return extractor.extract(shared / 'data/signing/Jsl_age.mp4')


def test_a_clip_keeps_its_contract(age, tmp_path, extractor):
  clip.save(tmp_path / 'age.npz', age, extractor.key, {})
  loaded, key, _ = clip.load(tmp_path / 'age.npz')
  assert same(loaded, age) and key == extractor.key
  assert age.frame_index.tolist() == list(range(0, 69, 6))
  np.testing.assert_allclose(age.time_s, age.frame_index / 30, atol=1e-3)
  assert age.frame_size.tolist() == [360, 480] and age.fps == 30
  assert age.face_present.all() and (age.face_score > 0.8).all() and (age.face >= 0).all()
  x0, y0, x1, y1 = age.face_box.T
  assert (x0 >= 0).all() and (x0 < x1).all() and (x1 < 360).all()
  assert (y0 >= 0).all() and (y0 < y1).all() and (y1 < 480).all()


def test_a_clip_does_not_depend_on_the_videos_before(age, extractor, shared):
  extractor.extract(shared / 'data/signing/Jsl_swim.mp4')
  assert same(extractor.extract(shared / 'data/signing/Jsl_age.mp4'), age)


def test_frames_without_a_face_are_zero(extractor, shared):
  made = extractor.extract(shared / 'data/edge/no_face.mp4')
  assert not made.face_present.any()
  assert not made.face.any() and not made.face_score.any() and not made.face_box.any()


def test_landmarks_lie_in_the_face(age):
  x0, y0, x1, y1 = np.moveaxis(age.face_box, -1, 0)
  x, y = np.moveaxis(age.face_points, -1, 0)
  assert (x0[:, None] < x).all() and (x < x1[:, None]).all()
  assert (y0[:, None] < y).all() and (y < y1[:, None]).all()
  left_eye, right_eye, nose, left_mouth, right_mouth = np.moveaxis(age.face_points, 1, 0)
  assert (left_eye[:, 0] < right_eye[:, 0]).all() and (left_mouth[:, 0] < right_mouth[:, 0]).all()
  assert (left_eye[:, 1] < nose[:, 1]).all() and (nose[:, 1] < left_mouth[:, 1]).all()


def test_a_person_is_followed_over_chunks(extractor, shared):
  made = extractor.extract(shared / 'data/edge/face_noface.mov')
  assert made.face_present[:15].all() and not made.face_present[16:].any()


def test_the_key_names_what_changes_the_numbers(extractor, hand_task):
  assert set(extractor.key) == set(provenance.KEY_FIELDS)
  assert provenance.is_random(extractor.key)
  assert extractor.key['sampling'] == 'index-5hz'
  assert len(extractor.key['hand_model']) == len(hashlib.sha256().hexdigest())
  other = Extractor(
    resnet.random_variables(0), 'random:0', hand_task, sampling='time', search='full'
  )
  assert provenance.differences(extractor.key, other.key) == [
    'detector: mtcnn-1.0.0-follow against mtcnn-1.0.0-full',
    'sampling: index-5hz against time-5hz',
  ]


def test_what_cannot_be_loaded(hand_task, tmp_path):
  with pytest.raises(UserError, match='unknown sampling rule'):
    Extractor({}, 'random:0', hand_task, 'never')
  with pytest.raises(UserError, match="unknown face search 'none'; there are follow, full"):
    Extractor({}, 'random:0', hand_task, search='none')
  with pytest.raises(UserError, match='the hand landmarker cannot be read'):
    Extractor({}, 'random:0', tmp_path / 'absent.task')

import cv2
import jax.numpy as jnp
import numpy as np
import pytest

from emo_jax.models import resnet
from emo_jax.video import engines
from emo_jax.video.decode import Video
from emo_jax.video.engines.flax_engine import crop_and_resize
from emo_jax.video.faces import FaceDetector, crop_face

CONFIDENT = 0.9
LANDMARKS = ('left_eye', 'right_eye', 'nose', 'mouth_left', 'mouth_right')


@pytest.fixture(scope='module', params=['flax', 'openvino'])
def detector(request):
  return FaceDetector(engines.open_engine(request.param, 'float32', resnet.random_variables(0)))


def read(path, wanted):
  if path.suffix == '.jpg':
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)[None]
  return np.stack([f.rgb for f in Video(path).frames(lambda i: i in wanted)])


def iou(a, b):
  shared = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0).prod()
  return shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared)


def largest(boxes):
  return boxes[np.argmax((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))]


def compare(detector, folder, expected):
  """Share of frames with the reference's number of faces, and IoU of the largest faces."""
  equal, overlaps = [], []
  for file, frames in expected.items():
    rgb = read(folder / file, {n for n, _ in frames})
    assert len(rgb) == len(frames)
    for (_, faces), (boxes, scores, _) in zip(frames, detector.detect(rgb), strict=True):
      assert boxes.dtype == scores.dtype == np.float32
      theirs = np.asarray([f['box_xywh'] for f in faces if f['confidence'] > CONFIDENT])
      ours = boxes[scores > CONFIDENT]
      equal.append(len(theirs) == len(ours))
      if len(theirs) and len(ours):
        theirs[:, 2:] += theirs[:, :2]
        overlaps.append(iou(largest(theirs), largest(ours)))
  return np.mean(equal), np.asarray(overlaps)


def require_equivalent(equal, overlaps):
  assert equal >= 0.98
  assert np.mean(overlaps >= 0.90) >= 0.98
  assert np.median(overlaps) >= 0.97


def test_faces_of_the_reference_on_signers(detector, golden, shared):
  require_equivalent(*compare(detector, shared / 'data/signing', golden('shuwa_jsl')))


@pytest.mark.slow
def test_faces_of_the_reference_on_other_videos(detector, golden, shared):
  require_equivalent(*compare(detector, shared / 'data/edge', golden('edge')))


def test_landmarks_of_the_reference(detector, golden, shared):
  distances = []
  for file, frames in golden('shuwa_jsl').items():
    rgb = read(shared / 'data/signing' / file, {n for n, _ in frames})
    for (_, theirs), ours in zip(frames, detector.detect(rgb), strict=True):
      if len(theirs) == len(ours.boxes) == 1:
        named = theirs[0]['keypoints']
        expected = [named[name] for name in LANDMARKS]
        distances.append(np.abs(ours.points[0] - expected).max())
  assert len(distances) > 50
  assert np.mean(np.asarray(distances) <= 0.6) >= 0.95  # the reference rounds to whole pixels


def test_five_faces_of_the_reference(detector, golden, shared):
  expected = {'multi_face.jpg': golden('edge')['multi_face.jpg']}
  require_equivalent(*compare(detector, shared / 'data/edge', expected))


def test_nothing_in_a_video_without_faces(detector, golden, shared):
  frames = golden('edge')['no_face.mp4']
  rgb = read(shared / 'data/edge/no_face.mp4', {n for n, _ in frames})
  assert [len(faces.boxes) for faces in detector.detect(rgb)] == [0] * len(frames)


def test_a_frame_does_not_depend_on_its_neighbours(detector, shared):
  rgb = read(shared / 'data/signing/Jsl_age.mp4', set(range(0, 36, 6)))
  together = detector.detect(rgb)
  alone = detector.detect(rgb[4:5]) + detector.detect(rgb[[5, 4, 0]])
  for i, faces in zip((4, 5, 4, 0), alone, strict=True):
    np.testing.assert_allclose(faces.boxes, together[i].boxes, atol=1e-3)
    np.testing.assert_allclose(faces.scores, together[i].scores, atol=1e-5)
    np.testing.assert_allclose(faces.points, together[i].points, atol=1e-3)


@pytest.mark.parametrize('shape', [(10, 10), (31, 200)])
def test_small_frames(detector, shape):
  assert [len(f.boxes) for f in detector.detect(np.zeros((1, *shape, 3), np.uint8))] == [0]


def test_no_frames(detector):
  assert detector.detect(np.zeros((0, 48, 64, 3), np.uint8)) == []


def test_crop_and_resize_is_bilinear_between_the_corners():
  image = np.random.default_rng(0).uniform(size=(2, 9, 11, 3)).astype(np.float32)
  box = np.asarray([[0.1, 0.2, 0.8, 0.7], [-0.5, 0.0, 0.5, 1.0]], np.float32)
  frame_of = jnp.asarray([1, 0], jnp.int32)
  crops = np.asarray(crop_and_resize(jnp.asarray(image), frame_of, jnp.asarray(box), 4))
  for k, frame in enumerate((1, 0)):
    for i in range(4):
      for j in range(4):
        y = (box[k, 1] + (box[k, 3] - box[k, 1]) * i / 3) * 8
        x = (box[k, 0] + (box[k, 2] - box[k, 0]) * j / 3) * 10
        expected = np.zeros(3)
        if 0 <= y <= 8 and 0 <= x <= 10:
          for yy, wy in ((int(y), 1 - y % 1), (min(int(y) + 1, 8), y % 1)):
            for xx, wx in ((int(x), 1 - x % 1), (min(int(x) + 1, 10), x % 1)):
              expected = expected + wy * wx * image[frame, yy, xx]
        np.testing.assert_allclose(crops[k, i, j], expected, atol=1e-5)
  assert not crops[1, :, 0].any()


def test_crop_has_no_margin_and_stays_in_the_frame():
  rgb = np.zeros((60, 80, 3), np.uint8)
  rgb[20:40, 10:50] = (200, 100, 50)
  crop = crop_face(rgb, np.asarray([10.9, 20.2, 50.7, 40.9]))
  assert (crop == (200, 100, 50)).all()
  for outside in ([-30.0, -20, 500, 400], [79.0, 59, 79, 59], [90.0, 70, 95, 75]):
    assert crop_face(rgb, np.asarray(outside)).shape == (224, 224, 3)
  area = cv2.resize(rgb[5:45, 5:75], (224, 224), interpolation=cv2.INTER_AREA)
  assert (crop_face(rgb, np.asarray([5.0, 5, 75, 45])) == area).all()

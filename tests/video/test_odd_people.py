"""Who is in the picture: nobody, two people, one who leaves; hands that cross or never show.

Where the faces are is what the package `mtcnn` found in the clips these videos are made of; whose
hand is which was judged by eye.
"""

import numpy as np
import pytest

from tests.video import made

SIZE = '360:480'


@pytest.fixture
def signing(shared):
  """signing(name) -> path of a clip."""
  return lambda name: shared / 'data/signing' / f'Jsl_{name}.mp4'


@pytest.fixture
def faces_of(golden):
  """faces_of(name) -> [N, 4] x0, y0, x1, y1 of the face in every sixth frame of a clip."""

  def load(name):
    boxes = [[f['box_xywh'] for f in faces] for _, faces in golden('shuwa_jsl')[f'Jsl_{name}.mp4']]
    boxes = np.asarray([box for (box,) in boxes], float)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)

  return load


def make(path, *inputs, graph, frames=None):
  """A video by one of ffmpeg's filter graphs, nearly lossless."""
  sources = [argument for source in inputs for argument in ('-i', source)]
  length = () if frames is None else ('-frames:v', frames)
  made.ffmpeg(*sources, '-filter_complex', graph, *length, '-an', '-crf', 10, path)
  return path


def overlap(a, b):
  """Intersection over union of boxes, row by row."""
  shared = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0)
  area = shared.prod(axis=1)
  sizes = [(box[:, 2:] - box[:, :2]).prod(axis=1) for box in (a, b)]
  return area / (sum(sizes) - area)


@pytest.mark.parametrize('left', [True, False])
def test_the_larger_at_first_sight_stays_the_one(extractor, signing, faces_of, tmp_path, left):
  """Beside the first person stands another, smaller at first, who then comes near."""
  order = '[first][second]' if left else '[second][first]'
  graph = (
    '[0]copy[first];[1]split[c][d];'
    f'[c]trim=end_frame=24,scale=216:288,pad={SIZE}:72:96[far];'
    f'[d]trim=start_frame=24,setpts=PTS-STARTPTS,crop=240:320:80:60,scale={SIZE}[near];'
    f'[far][near]concat=n=2[second];{order}hstack=shortest=1'
  )
  path = make(tmp_path / 'two.mp4', signing('age'), signing('swim'), graph=graph)
  first, second = faces_of('age'), faces_of('swim')
  side, other = ((b[:, 2:] - b[:, :2]).prod(axis=1) for b in (first, second))
  assert (other.max() * 0.36 < side.min()) and (other.min() * 2.25 > side.max())
  found = extractor.extract(path)
  assert found.face_present.all() and found.frame_size.tolist() == [720, 480]
  expected = first[: len(found.face_box)] + (0 if left else 360) * np.asarray([1, 0, 1, 0])
  assert (overlap(found.face_box, expected) > 0.8).all()


def test_five_people(extractor, shared, golden, tmp_path):
  ((_, faces),) = golden('edge')['multi_face.jpg']
  photo = shared / 'data/edge/multi_face.jpg'
  path = tmp_path / 'five.mkv'
  made.ffmpeg('-loop', 1, '-r', 25, '-i', photo, '-frames:v', 26, '-c:v', 'ffv1', path)
  found = extractor.extract(path)
  assert found.face_present.all() and len(found.face) == 6
  assert (overlap(found.face_box, found.face_box[:1]) > 0.9).all()
  boxes = np.asarray([face['box_xywh'] for face in faces])
  boxes[:, 2:] += boxes[:, :2]
  largest = boxes[np.argsort(-(boxes[:, 2:] - boxes[:, :2]).prod(axis=1))[:2]]  # by 1 % only
  assert overlap(found.face_box[:1].repeat(2, axis=0), largest).max() > 0.9


def test_a_person_who_leaves_and_returns(extractor, signing, faces_of, tmp_path):
  away = 'color=black:s=360x480:r=30,trim=end_frame=60[away];[0][away][1]concat=n=3'
  path = make(tmp_path / 'back.mp4', signing('swim'), signing('swim'), graph=away)
  found = extractor.extract(path)
  # 58, 60 and 58 frames of which every sixth is sampled.
  index = np.arange(0, 176, 6)
  there = (index < 58) | (index >= 118)
  assert found.frame_index.tolist() == index.tolist()
  assert found.face_present.tolist() == there.tolist()
  gone = ~there
  assert not found.face[gone].any() and not found.hand_score[gone].any()
  assert not found.hand_points[gone].any() and not found.face_box[gone].any()
  for start, part in ((0, index < 58), (118, index >= 118)):
    near = np.round((index[part] - start) / 6).astype(int)
    near = near.clip(max=len(faces_of('swim')) - 1)
    assert (overlap(found.face_box[part], faces_of('swim')[near]) > 0.7).all()
  assert found.hand_score[there].any(axis=1).mean() > 0.8


def test_hands_that_are_never_visible(extractor, signing, tmp_path):
  head = f'[0]crop=110:146:115:125,scale={SIZE}'
  path = make(tmp_path / 'head.mp4', signing('rice_field'), graph=head, frames=24)
  found = extractor.extract(path)
  assert found.face_present.all()
  assert not found.hand_score.any() and not found.hand_points.any()


@pytest.mark.parametrize('mirrored', [False, True])
def test_hands_that_cross(extractor, signing, tmp_path, mirrored):
  """From frame 24 to 42 the signer's right hand lies over and beyond the left one."""
  path = signing('hello_with_two_hands')
  if mirrored:
    path = make(tmp_path / 'mirrored.mp4', path, graph='[0]hflip')
  found = extractor.extract(path)
  upper, lower = (0, 1) if mirrored else (1, 0)
  crossing = (found.frame_index >= 24) & (found.frame_index <= 42)
  assert (found.hand_score[crossing] > 0.5).all() and crossing.sum() == 4
  centre = found.hand_points[crossing][..., :2].mean(axis=2)
  assert (centre[:, upper, 1] < centre[:, lower, 1] - 20).all()
  across = centre[:, upper, 0] - centre[:, lower, 0]
  assert (across < 0).all() if mirrored else (across > 0).all()
  before = (found.frame_index < 18) & (found.hand_score > 0).all(axis=1)
  left, right = found.hand_points[before][:, :, 0, 0].T
  assert before.any() and (left > right).all()


@pytest.mark.parametrize('kind', ['grey', 'turned'])
def test_grey_and_turned_pictures_of_a_signer(extractor, signing, faces_of, tmp_path, kind):
  path = tmp_path / 'swim.mp4'
  if kind == 'grey':
    made.ffmpeg('-i', signing('swim'), '-an', '-pix_fmt', 'gray', '-crf', 10, path)
  else:
    lying = make(tmp_path / 'lying.mp4', signing('swim'), graph='[0]transpose=clock')
    made.ffmpeg('-display_rotation', 90, '-i', lying, '-c', 'copy', path)
  found = extractor.extract(path)
  assert found.frame_size.tolist() == [360, 480]
  assert found.face_present.all()
  assert (overlap(found.face_box, faces_of('swim')) > 0.8).all()


@pytest.mark.parametrize('size', [(17, 31), (1, 1), (200, 4)])
def test_pictures_too_small_for_anybody(extractor, tmp_path, size):
  path = made.numbered(tmp_path / 'small.mkv', 7, '-c:v', 'ffv1', size=size)
  found = extractor.extract(path)
  assert found.frame_size.tolist() == list(size) and found.frame_index.tolist() == [0, 5]
  assert not found.face_present.any() and not found.hand_score.any()


@pytest.mark.slow
def test_4k(extractor, signing, faces_of, tmp_path):
  graph = '[0]scale=1620:2160,pad=3840:2160:1000:0'
  found = extractor.extract(make(tmp_path / '4k.mp4', signing('swim'), graph=graph, frames=8))
  assert found.frame_size.tolist() == [3840, 2160] and found.face_present.all()
  expected = faces_of('swim')[:2] * 4.5 + [1000, 0, 1000, 0]
  assert (overlap(found.face_box, expected) > 0.7).all()

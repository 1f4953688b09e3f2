"""The frames of clips that a model is shown: which, how many, how large, and out of which video."""

import cv2
import numpy as np
import pytest

from emo_jax.errors import UserError
from emo_jax.vlm import frames
from emo_jax.vlm.frames import Settings, Span
from tests.video import made

SETTINGS = Settings(10.0, 200, 512)


def numbers(images):
  """The numbers that JPEG images show."""
  decoded = [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR) for one in images]
  return [made.number(image) for image in decoded]


def read(path, spans, settings=SETTINGS):
  return {id_: numbers(images) for id_, images in frames.read(path, spans, settings)}


@pytest.mark.parametrize(
  ('rate', 'fps', 'want'),
  [
    ('25', 10, [0, 2, 5, 7, 10, 12, 15, 17, 20, 22]),  # nearest to every 0.1 s, the earlier of two
    ('30', 10, [0, 3, 6, 9, 12, 15, 18, 21, 24]),
    ('24', 1, [0, 24]),
    ('10', 25, list(range(25))),  # it has no more
  ],
)
def test_frames_are_those_nearest_to_the_rate(tmp_path, rate, fps, want):
  video = made.numbered(tmp_path / 'v.mp4', 25, rate=rate)
  span, settings = Span(video), Settings(float(fps), 200, 512)
  assert read(video, {'v': span}, settings) == {'v': want}
  assert frames.count(span, settings) == len(want)


@pytest.mark.parametrize('most', [1, 2, 5, 7, 50])
def test_of_a_long_clip_evenly_spread_frames_are_kept(tmp_path, most):
  video = made.numbered(tmp_path / 'v.mp4', 240, rate='10')
  found = read(video, {'v': Span(video)}, Settings(10.0, most, 512))['v']
  assert len(found) == most and found[0] == 0
  if most > 1:
    steps = np.diff(found)
    assert found[-1] > 240 * 0.85 and steps.min() > 0
    assert steps.max() <= 1.6 * steps.mean()


def test_large_frames_are_made_smaller_and_small_ones_left(tmp_path):
  video = made.numbered(tmp_path / 'v.mp4', 1, size=(128, 96))
  for side, shape in ((64, (48, 64, 3)), (128, (96, 128, 3)), (1000, (96, 128, 3))):
    ((_, (image,)),) = frames.read(video, {'v': Span(video)}, Settings(10.0, 9, side))
    assert cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR).shape == shape


def test_colours_are_kept(tmp_path):
  size, red = (32, 32), bytes([200, 30, 40])
  raw = ('-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', '32x32', '-r', '10', '-i', '-')
  made.ffmpeg(*raw, tmp_path / 'v.mp4', frames=red * 32 * 32 * 3)
  ((_, images),) = frames.read(tmp_path / 'v.mp4', {'v': Span(tmp_path / 'v.mp4')}, SETTINGS)
  bgr = cv2.imdecode(np.frombuffer(images[0], np.uint8), cv2.IMREAD_COLOR)
  assert bgr.shape[:2] == size
  np.testing.assert_allclose(bgr.mean((0, 1)), [40, 30, 200], atol=12)


def test_clips_of_bobsl_are_spans_of_episodes(tmp_path):
  """They may overlap; a video is read once for all of its clips."""
  made.numbered(tmp_path / '5085344787448740525.mp4', 60, rate='10')
  episode = '5085344787448740525'
  ids = [f'{episode}_{a}_{b}' for a, b in ((3000, 4000), (500, 1000), (800, 3200), (9000, 9500))]
  spans = frames.find('bobsl/m_c', tmp_path, ids)
  assert spans[ids[1]] == Span(tmp_path / f'{episode}.mp4', 0.5, 1.0)
  (video,) = frames.by_video(spans)
  assert read(video, spans) == {
    ids[1]: [5, 6, 7, 8, 9],
    ids[2]: list(range(8, 32)),
    ids[0]: list(range(30, 40)),
    ids[3]: [],  # past the end
  }
  assert frames.count(spans[ids[2]], SETTINGS) in (24, 25)
  with pytest.raises(UserError, match='is no clip of bobsl/m_c'):
    frames.find('bobsl/m_c', tmp_path, ['x'])


def test_a_manifest_says_where_clips_of_ejsl_lie(tmp_path):
  for folder in ('a', 'b'):
    (tmp_path / folder).mkdir()
    (tmp_path / folder / 'c1.mp4').touch()
  with pytest.raises(UserError, match='are both c1: keep one'):
    frames.find('ejsl', tmp_path, ['c1'])
  (tmp_path / 'manifest.csv').write_text(
    'file,signer,utterance,emotion,text\nb/c1.mp4,f1,u1,joy,\nb/absent.mp4,f1,u2,joy,\n'
  )
  assert frames.find('ejsl', tmp_path, ['c1']) == {'c1': Span(tmp_path / 'b' / 'c1.mp4')}
  with pytest.raises(UserError, match=r'1 of 2 clips have no video in .* \(absent\)'):
    frames.find('ejsl', tmp_path, ['c1', 'absent'])


def test_what_determines_the_frames_is_in_their_identity(tmp_path):
  video = made.numbered(tmp_path / 'v.mp4', 3)
  digest = frames.digest(video)
  one = frames.identity(Span(video), digest, SETTINGS)
  assert one == frames.identity(Span(tmp_path / 'other.mp4'), digest, SETTINGS)
  others = [
    frames.identity(Span(video, 0.0, 1.0), digest, SETTINGS),
    frames.identity(Span(video), 'f00', SETTINGS),
    *(
      frames.identity(Span(video), digest, Settings(*changed))
      for changed in ((9.0, 200, 512), (10.0, 199, 512), (10.0, 200, 511))
    ),
  ]
  assert len({one, *others}) == 6

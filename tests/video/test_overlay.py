import cv2
import numpy as np
import pytest

from emo_jax import labels
from emo_jax.errors import UserError
from emo_jax.video import libraries, overlay
from emo_jax.video.clip import FIELDS, Clip
from emo_jax.video.decode import Video

FRAMES, EVERY = 20, 6


def blank(height, width, count=FRAMES):
  return [np.full((height, width, 3), 90, np.uint8)] * count


def clip(height, width):
  """Sampled at frames 0, 6, 12 and 18, with nothing found."""
  index = np.arange(0, FRAMES, EVERY, dtype=np.int32)
  fields = {
    name: np.zeros([len(index) if n is None else n for n in shape], dtype)
    for name, (shape, dtype) in FIELDS.items()
  }
  fields |= dict(frame_index=index, time_s=(index / 30).astype(np.float32), fps=np.float32(30))
  return Clip(**fields | dict(frame_size=np.array([width, height], np.int32)))


def shown(probabilities=None, names=labels.EMOTIONS):
  if probabilities is None:
    probabilities = np.full((1, len(names)), 1 / len(names))
  return overlay.Shown(names, probabilities, ['clip (full): joy 14 %'], ['not a score'])


def written(path):
  return np.stack([frame.rgb for frame in Video(path).frames()]).astype(int)


def test_the_connections_are_mediapipes():
  theirs = libraries.mediapipe().tasks.vision.HandLandmarksConnections.HAND_CONNECTIONS
  assert {frozenset(pair) for pair in overlay.CONNECTIONS} == {
    frozenset((c.start, c.end)) for c in theirs
  }
  assert len(overlay.CONNECTIONS) == 21


@pytest.mark.parametrize('size', [(17, 31), (31, 17), (16, 16), (9, 1001), (360, 480), (1, 1)])
def test_every_frame_is_written_at_any_size(write_video, tmp_path, size):
  video = Video(write_video('v.avi', blank(*size)))
  height, width = next(video.frames()).rgb.shape[:2]
  count = overlay.write(tmp_path / 'o.mp4', video, clip(height, width), shown())
  assert count == FRAMES == overlay.decoded_frames(video)
  made = written(tmp_path / 'o.mp4')
  assert len(made) == FRAMES and Video(tmp_path / 'o.mp4').fps == pytest.approx(30)
  # The panel stays as large as its text needs, beside the video.
  assert made.shape[1] >= max(height, 250) and made.shape[2] >= width + 200
  assert made[..., -200:, :].max() > 200
  assert sorted(p.name for p in tmp_path.iterdir()) == ['o.mp4', 'v.avi']


def test_bars_are_held_and_as_long_as_their_probability(write_video, tmp_path):
  rows = np.zeros((EVERY + 1, 7))
  rows[:EVERY, 0], rows[EVERY, 3] = 1, 0.5
  video = Video(write_video('v.avi', blank(240, 320)))
  overlay.write(tmp_path / 'o.mp4', video, clip(240, 320), shown(rows))
  panel = written(tmp_path / 'o.mp4')[:, :, 320:]

  def pixels(frame, color):
    return int((np.abs(panel[frame] - color).max(-1) < 40).sum())

  orange, green = (230, 159, 0), (0, 158, 115)
  for frame in (1, EVERY - 1):
    assert pixels(frame, orange) > 500 and pixels(frame, green) < 50
  for frame in (EVERY, FRAMES - 1):
    assert pixels(frame, orange) < 50
    assert pixels(frame, green) == pytest.approx(pixels(1, orange) / 2, rel=0.15)


def test_unknown_probabilities_have_no_bar(write_video, tmp_path):
  video = Video(write_video('v.avi', blank(240, 320)))
  unknown = np.full((1, 7), np.nan)
  assert overlay.write(tmp_path / 'o.mp4', video, clip(240, 320), shown(unknown)) == FRAMES


def test_faces_and_hands_lie_where_they_were_found_and_are_held(write_video, tmp_path):
  found = clip(120, 160)
  found.face_present[1], found.face_box[1] = True, (20, 30, 60, 80)
  found.hand_score[2, 1], found.hand_points[2, 1, :, :2] = 0.9, (100, 50)
  video = Video(write_video('v.avi', blank(120, 160)))
  overlay.write(tmp_path / 'o.mp4', video, found, shown())
  made = written(tmp_path / 'o.mp4')
  top = (made.shape[1] - 240) // 2  # the video is enlarged twofold and centred

  def at(frame, x, y):
    return made[frame, top + 2 * y, 2 * x]

  for frame in (EVERY, 2 * EVERY - 1):
    assert at(frame, 40, 30).min() > 180 and abs(at(frame, 40, 55) - 90).max() < 20
  for frame in (EVERY - 1, 2 * EVERY):
    assert abs(at(frame, 40, 30) - 90).max() < 20
  blue = at(2 * EVERY, 100, 50)
  assert blue[2] > 180 and blue[2] - blue[0] > 80
  assert abs(at(3 * EVERY, 100, 50) - 90).max() < 20


def test_nothing_is_left_of_a_video_that_cannot_be_decoded(write_video, tmp_path):
  video = Video(write_video('v.avi', blank(48, 64)))
  video.path.write_bytes(b'no video any more')
  with pytest.raises(UserError, match='v.avi'):
    overlay.write(tmp_path / 'o.mp4', video, clip(48, 64), shown())
  assert [p.name for p in tmp_path.iterdir()] == ['v.avi']


def test_a_folder_that_is_not_there_is_named(write_video, tmp_path):
  video = Video(write_video('v.avi', blank(48, 64)))
  with pytest.raises(UserError, match='cannot be written'):
    overlay.write(tmp_path / 'missing' / 'o.mp4', video, clip(48, 64), shown())


def test_no_text_leaves_the_panel(write_video, tmp_path):
  """Text in a border of the panel would show as pixels other than its background."""
  names = ('a_very_long_name_of_a_label', 'i')
  many = overlay.Shown(
    names,
    np.array([[1.0, 0.0]]),
    ['clip (random_2s): a_very_long_name_of_a_label 100 %'],
    ['W' * 90],
  )
  video = Video(write_video('v.avi', blank(32, 32)))
  overlay.write(tmp_path / 'o.mp4', video, clip(32, 32), many)
  panel = written(tmp_path / 'o.mp4')[5, :, 32 * 7 :]
  assert cv2.__version__.startswith('5.')
  for border in (panel[:4], panel[-4:], panel[:, -4:], panel[:, 2:6]):
    assert abs(border - 32).max() < 30

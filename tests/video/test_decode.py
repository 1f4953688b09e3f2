import numpy as np
import pytest

from emo_jax.errors import UserError
from emo_jax.video.decode import Video


def gradients(count, size=(48, 64)):
  rng = np.random.default_rng(0)
  return [rng.integers(0, 255, (*size, 3), dtype=np.uint8) for _ in range(count)]


def test_frames_carry_index_time_and_rgb(write_video):
  colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)] * 4
  frames = [np.full((48, 64, 3), c, np.uint8) for c in colours]
  video = Video(write_video('colours.avi', frames, fps=10.0))
  decoded = list(video.frames())
  assert video.fps == 10 and video.declared_frames == 12
  assert [f.index for f in decoded] == list(range(12))
  np.testing.assert_allclose([f.time_s for f in decoded], np.arange(12) / 10, atol=1e-3)
  for frame, colour in zip(decoded, colours, strict=True):
    assert frame.rgb.shape == (48, 64, 3) and frame.rgb.dtype == np.uint8
    assert np.abs(frame.rgb.mean(axis=(0, 1)) - colour).max() < 10


def test_only_wanted_frames_are_made(write_video):
  video = Video(write_video('a.avi', gradients(10)))
  assert [f.index for f in video.frames(lambda i: i in (2, 7))] == [2, 7]


def test_a_phone_video_is_upright(shared):
  frame = next(Video(shared / 'data/edge/test_video.mp4').frames())
  assert frame.rgb.shape == (720, 540, 3)


def test_times_are_the_containers(shared):
  times = [f.time_s for f in Video(shared / 'data/edge/face_noface.mov').frames()]
  steps = np.diff(times)
  assert steps.min() == pytest.approx(0.0137, abs=1e-3)
  assert steps.max() == pytest.approx(0.0417, abs=1e-3)


def test_a_few_missing_frames_are_tolerated(shared):
  video = Video(shared / 'data/edge/no_face.mp4')
  assert video.declared_frames == 98
  assert len(list(video.frames())) == 95


def test_a_file_that_breaks_off_is_not_silently_cut(write_video):
  path = write_video('whole.avi', gradients(90))
  assert len(list(Video(path).frames())) == 90
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
  with pytest.raises(UserError, match=r'whole.avi: breaks off: at least \d+ bytes are missing'):
    list(Video(path).frames())


def test_an_abandoned_video_is_not_an_error(write_video):
  frames = Video(write_video('a.avi', gradients(90))).frames()
  assert next(frames).index == 0
  frames.close()


def test_files_that_are_no_videos(tmp_path):
  with pytest.raises(UserError, match='absent.mp4: no such video file'):
    Video(tmp_path / 'absent.mp4')
  broken = tmp_path / 'broken.mp4'
  broken.write_bytes(b'not a video' * 100)
  with pytest.raises(UserError, match='broken.mp4: cannot be opened as a video'):
    Video(broken)

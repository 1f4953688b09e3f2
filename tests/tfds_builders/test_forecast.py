"""What is said before an extraction is what it will roughly take, and never stops it."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from emo_jax.video import clip as clip_lib
from tests.tfds_builders import made
from tfds_builders import forecast

cv2 = pytest.importorskip('cv2')


@pytest.fixture(scope='module')
def video(tmp_path_factory) -> Path:
  """100 frames at 25 per second: 4 s, so 20 sampled frames."""
  path = tmp_path_factory.mktemp('video') / 'made.avi'
  writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 25, (64, 64))
  for _ in range(100):
    writer.write(np.zeros((64, 64, 3), np.uint8))
  writer.release()
  return path


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
  monkeypatch.setattr('os.sched_getaffinity', lambda _: {0, 1}, raising=False)


def test_length_frames_bytes_and_time(video, capsys):
  forecast.announce([video] * 170)
  out, err = capsys.readouterr()
  assert not out
  sizes, hours = err.splitlines()
  # 170 x 4 s = 680 s = 11 min, 3,400 sampled frames, at 17 per core and second 100 s on two.
  assert sizes.startswith('170 videos, 11 min: about 3,400 sampled frames, 8.9 MB of features')
  assert 'very roughly 2 min on 2 cores' in hours and 'progress tells better' in hours


def test_bytes_are_those_of_a_feature_file(tmp_path, video, capsys):
  path = tmp_path / 'clip.npz'
  clip_lib.save(path, made.clip(2000), {}, {})
  forecast.announce([video] * 100)  # 2,000 sampled frames
  (said,) = [part for part in capsys.readouterr().err.split(', ') if 'as .npz' in part]
  assert float(said.split(' MB')[0]) == pytest.approx(path.stat().st_size / 1e6, rel=0.02)


def test_of_many_videos_a_sample_is_opened(video, tmp_path, capsys, monkeypatch):
  opened = []

  class Counted(forecast.Video):
    def __init__(self, path):
      opened.append(path)
      super().__init__(path)

  monkeypatch.setattr(forecast, 'Video', Counted)
  copies = [tmp_path / f'{i}.avi' for i in range(201)]
  for copy in copies:
    copy.symlink_to(video)
  forecast.announce(copies)
  assert len(set(opened)) == len(opened) == 100
  assert '201 videos, 13 min: about 4,020 sampled frames' in capsys.readouterr().err


def test_what_cannot_be_opened_is_left_to_the_extraction(video, tmp_path, capsys):
  (tmp_path / 'text.mp4').write_text('no video')
  (tmp_path / 'cut.avi').write_bytes(video.read_bytes()[:3000])
  bad = [tmp_path / 'text.mp4', tmp_path / 'cut.avi', tmp_path / 'missing.mp4']
  forecast.announce([video, *bad])
  assert '4 videos, 4 s: about 20 sampled frames' in capsys.readouterr().err
  forecast.announce(bad)
  assert capsys.readouterr().err == '3 videos of unknown length: no forecast\n'
  forecast.announce(bad * 100)
  assert capsys.readouterr().err == '300 videos of unknown length: no forecast\n'


def test_without_videos_nothing_is_said(tmp_path, capsys):
  forecast.announce([], tmp_path)
  assert capsys.readouterr() == ('', '')


@pytest.mark.parametrize(('free', 'enough'), [(1_100_000, True), (1_000_000, False)])
def test_room_is_compared_where_the_folder_will_be(
  video, tmp_path, capsys, monkeypatch, free, enough
):
  asked = []
  usage = shutil.disk_usage(tmp_path)._replace(free=free)
  monkeypatch.setattr(shutil, 'disk_usage', lambda path: asked.append(path) or usage)
  folder = tmp_path / 'not' / 'yet'
  forecast.announce([video] * 10, folder)  # 200 frames of 2,629 bytes, twice: 1.05 MB
  lines = capsys.readouterr().err.splitlines()
  assert asked == [tmp_path] and not folder.exists()
  assert lines[2] == f'{free / 1e6:.1f} MB are free in {folder}'
  warnings = [line for line in lines if line.startswith('warning: ')]
  assert len(warnings) == (not enough)
  assert enough or 'no room for about 1.1 MB' in warnings[0]


@pytest.mark.parametrize(
  ('seconds', 'said'),
  [(0.4, '0 s'), (89, '89 s'), (91, '2 min'), (5400, '1.5 hours'), (172800, '2.0 days')],
)
def test_durations(seconds, said):
  assert forecast.duration(seconds) == said


@pytest.mark.parametrize(
  ('count', 'said'), [(900, '0.9 kB'), (2.5e6, '2.5 MB'), (7e9, '7.0 GB'), (1.2e13, '12.0 TB')]
)
def test_sizes(count, said):
  assert forecast.byte_size(count) == said

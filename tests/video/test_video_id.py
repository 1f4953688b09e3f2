import os

import pytest

from emo_jax.errors import UserError
from emo_jax.video import video_id

MIB = 2**20


@pytest.fixture
def identify(tmp_path):
  def of(content):
    path = tmp_path / 'video.mp4'
    path.write_bytes(content)
    return video_id.of(path)

  return of


def changed(content, at):
  return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize('size', [1, MIB - 1, MIB, MIB + 1, 2 * MIB - 1, 2 * MIB, 3 * MIB])
def test_a_changed_end_is_another_video(identify, size):
  content = os.urandom(size)
  own = identify(content)
  assert identify(content) == own and len(own) == 64
  places = {0, min(size, MIB) - 1, max(0, size - MIB), size - 1}
  others = {identify(changed(content, at)) for at in places}
  others |= {identify(content + b'\0'), identify(content[:-1])}
  assert own not in others


def test_videos_of_the_same_size_differ(identify, shared):
  swim = (shared / 'data/signing/Jsl_swim.mp4').read_bytes()
  age = (shared / 'data/signing/Jsl_age.mp4').read_bytes()
  size = max(len(swim), len(age))
  assert identify(swim.ljust(size, b'\0')) != identify(age.ljust(size, b'\0'))


def test_only_the_ends_are_read(tmp_path):
  path = tmp_path / 'episode.mp4'
  path.touch()
  os.truncate(path, 2**40)  # sparse
  assert len(video_id.of(path)) == 64


def test_what_cannot_be_read(tmp_path):
  with pytest.raises(UserError, match=r'absent.mp4: cannot be read \(No such file'):
    video_id.of(tmp_path / 'absent.mp4')

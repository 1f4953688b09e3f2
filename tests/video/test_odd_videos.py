"""Videos of odd kinds are decoded right, or refused with the reason; FFmpeg itself is the judge."""

import os

import numpy as np
import pytest

from emo_jax.errors import UserError
from emo_jax.models import resnet
from emo_jax.video import sampling
from emo_jax.video.decode import Video
from emo_jax.video.extractor import Extractor
from tests.video import made

RATES = {  # frames a second -> every how many-th frame the reference keeps
  '10': 2,
  '24000/1001': 5,
  '24': 5,
  '25': 5,
  '30000/1001': 6,
  '30': 6,
  '50': 10,
  '60': 12,
}

# Frames at 30 a second, then 10, then one after a pause.
VARYING = "setpts='if(lt(N,30),N/30,if(lt(N,50),1+(N-30)/10,6))/TB'"


def require_as_ffmpeg(path):
  """Every frame, its number and its time are those that ffmpeg finds; returns the frames."""
  frames, times = list(Video(path).frames()), made.presented(path)
  assert [frame.index for frame in frames] == list(range(len(times)))
  np.testing.assert_allclose([f.time_s - frames[0].time_s for f in frames], times, atol=2e-3)
  return frames


def reason(path):
  """Why a video is refused, without its name, in one line."""
  with pytest.raises(UserError) as refused:
    list(Video(path).frames())
  text = str(refused.value)
  assert text.startswith(f'{path}: ') and len(text.splitlines()) == 1
  return text.removeprefix(f'{path}: ')


@pytest.mark.parametrize(('rate', 'step'), RATES.items())
def test_frame_rates(tmp_path, rate, step):
  path = made.numbered(tmp_path / 'a.mp4', 61, rate=rate)
  over, _, under = rate.partition('/')
  fps = int(over) / int(under or 1)
  assert Video(path).fps == pytest.approx(fps, rel=1e-6)
  assert [made.number(f.rgb) for f in require_as_ffmpeg(path)] == list(range(61))
  taken = list(sampling.sample(Video(path), 'index'))
  assert [made.number(frame.rgb) for frame in taken] == list(range(0, 61, step))
  for frame in sampling.sample(Video(path), 'time'):
    assert made.number(frame.rgb) == frame.index
    off = frame.time_s - 0.2 * round(frame.time_s / 0.2)
    assert abs(off) <= 0.5 / fps + 1e-3


@pytest.mark.parametrize(
  ('name', 'options'),
  [
    ('a.mp4', ('-pix_fmt', 'yuv420p')),
    ('a.webm', ('-c:v', 'libvpx')),
    ('a.mkv', ('-c:v', 'ffv1')),
    ('live.webm', ('-c:v', 'libvpx', '-live', '1')),
  ],
)
def test_a_varying_frame_rate(tmp_path, name, options):
  path = tmp_path / name
  made.numbered(path, 51, '-vf', VARYING, '-fps_mode', 'vfr', *options, rate='30')
  frames = require_as_ffmpeg(path)
  assert [made.number(frame.rgb) for frame in frames] == list(range(51))
  times = made.presented(path)
  assert times[-1] == pytest.approx(6, abs=2e-3)
  ticks = 0.2 * np.arange(31)
  nearest = {int(np.argmin(np.abs(times - tick))) for tick in ticks}
  taken = [made.number(frame.rgb) for frame in sampling.sample(Video(path), 'time')]
  assert taken == sorted(nearest)


def test_a_clip_of_a_varying_frame_rate(hand_task, tmp_path):
  path = tmp_path / 'a.mp4'
  made.numbered(path, 51, '-vf', VARYING, '-fps_mode', 'vfr', '-pix_fmt', 'yuv420p', rate='30')
  times = made.presented(path)
  found = Extractor(resnet.random_variables(0), 'random:0', hand_task, 'time').extract(path)
  # Every sixth at 30 a second, every second at 10, and the last one after the pause.
  assert found.frame_index.tolist() == [*range(0, 30, 6), *range(30, 50, 2), 49, 50]
  np.testing.assert_allclose(found.time_s, times[found.frame_index], atol=2e-3)


@pytest.mark.parametrize(
  ('name', 'size', 'options'),
  [
    ('odd.mp4', (17, 31), ('-pix_fmt', 'yuv444p')),
    ('odd.avi', (17, 31), ('-c:v', 'mjpeg', '-pix_fmt', 'yuvj444p')),
    ('odd.mkv', (31, 17), ('-c:v', 'ffv1')),
    ('grey.mkv', (64, 48), ('-c:v', 'ffv1', '-pix_fmt', 'gray')),
    ('grey.mp4', (64, 48), ('-pix_fmt', 'gray')),
    ('ten_bits.mkv', (64, 48), ('-c:v', 'ffv1', '-pix_fmt', 'gray10le')),
    ('alpha.mov', (64, 48), ('-c:v', 'png', '-pix_fmt', 'rgba')),
    ('flat.mkv', (200, 4), ('-c:v', 'ffv1')),
    ('transport.ts', (64, 48), ('-pix_fmt', 'yuv420p')),
    ('program.mpg', (64, 48), ('-c:v', 'mpeg2video')),
    ('windows.wmv', (64, 48), ('-c:v', 'wmv2')),
    ('fragments.mp4', (64, 48), ('-pix_fmt', 'yuv420p', '-movflags', 'frag_keyframe+empty_moov')),
  ],
)
def test_sizes_pixels_and_containers(tmp_path, name, size, options):
  path = made.numbered(tmp_path / name, 20, *options, size=size)
  for frame in require_as_ffmpeg(path):
    assert frame.rgb.shape == (size[1], size[0], 3) and frame.rgb.dtype == np.uint8
    assert made.number(frame.rgb) == frame.index
    assert (np.ptp(frame.rgb.astype(int), axis=2) <= 12).all()  # grey stays grey
  assert frame.index == 19


@pytest.mark.parametrize('degrees', [90, 180, 270])
def test_rotation_is_applied(tmp_path, degrees):
  plain = made.numbered(tmp_path / 'plain.mp4', 20)
  turned = tmp_path / 'turned.mp4'
  made.ffmpeg('-display_rotation', degrees, '-i', plain, '-c', 'copy', turned)
  for stored, shown in zip(Video(plain).frames(), Video(turned).frames(), strict=True):
    # The rotation of the metadata is counter-clockwise, as NumPy's.
    assert (shown.rgb == np.rot90(stored.rgb, degrees // 90)).all()


def test_a_picture_mirrored_by_its_metadata_is_refused(tmp_path):
  plain = made.numbered(tmp_path / 'plain.mp4', 20)
  for flag in ('-display_hflip', '-display_vflip'):
    made.ffmpeg(flag, '-i', plain, '-c', 'copy', tmp_path / 'mirrored.mp4')
    assert 'metadata mirror the picture' in reason(tmp_path / 'mirrored.mp4')


def test_a_picture_that_changes_its_size_keeps_the_first(tmp_path):
  parts = [
    made.numbered(tmp_path / f'{width}.ts', 20, '-pix_fmt', 'yuv420p', size=(width, 48))
    for width in (64, 96)
  ]
  joined = tmp_path / 'joined.ts'
  joined.write_bytes(b''.join(part.read_bytes() for part in parts))
  frames = list(Video(joined).frames())
  assert {frame.rgb.shape for frame in frames} == {(48, 64, 3)}
  # ffmpeg, too, loses the frame before the join.
  assert [made.number(frame.rgb) for frame in frames] == [*range(19), *range(20)]
  assert len(frames) == len(made.presented(joined))
  assert (np.diff([frame.time_s for frame in frames]) > 0).all()


def test_sound_longer_than_the_picture(tmp_path):
  picture = made.numbered(tmp_path / 'picture.mp4', 50)
  sound = ('-f', 'lavfi', '-i', 'sine', '-t', 6)
  for name in ('a.mp4', 'a.mkv', 'a.ts', 'a.avi', 'fragments.mp4'):
    options = FORMATS[name][2:] if name == 'fragments.mp4' else ()
    made.ffmpeg('-i', picture, *sound, '-c:v', 'copy', *options, tmp_path / name)
    assert len(list(Video(tmp_path / name).frames())) == 50


def test_a_clip_cut_without_encoding_it_anew(shared, tmp_path):
  cut = tmp_path / 'cut.mp4'
  dream = shared / 'data/signing/Jsl_dream.mp4'
  made.ffmpeg('-ss', 1, '-i', dream, '-an', '-c', 'copy', cut)
  shown = require_as_ffmpeg(cut)
  whole = list(Video(dream).frames())
  assert (len(whole), len(shown)) == (101, 71)
  assert all((a.rgb == b.rgb).all() for a, b in zip(shown, whole[30:], strict=True))


def test_a_clock_that_does_not_start_at_zero(tmp_path):
  plain = made.numbered(tmp_path / 'plain.mp4', 50)
  for name in ('late.mkv', 'late.ts', 'late.mp4'):
    made.ffmpeg('-itsoffset', 10, '-i', plain, '-c', 'copy', tmp_path / name)
    taken = sampling.sample(Video(tmp_path / name), 'time')
    assert [made.number(frame.rgb) for frame in taken] == list(range(0, 50, 5))


FORMATS = {  # name -> options with which a clip of H.264 is put into it
  'end.mp4': ('-c', 'copy'),
  'faststart.mp4': ('-c', 'copy', '-movflags', '+faststart'),
  'fragments.mp4': ('-c', 'copy', '-movflags', 'frag_keyframe+empty_moov'),
  'a.mov': ('-c', 'copy', '-movflags', '+faststart'),
  'a.mkv': ('-c', 'copy'),
  'a.avi': ('-c:v', 'mjpeg'),
  'a.ts': ('-c', 'copy'),
  'a.flv': ('-c', 'copy'),
  'a.wmv': ('-c:v', 'wmv2'),
}


@pytest.mark.parametrize(('name', 'options'), FORMATS.items())
def test_a_file_cut_off_is_refused_wherever(shared, tmp_path, name, options):
  path = tmp_path / name
  made.ffmpeg('-i', shared / 'data/signing/Jsl_swim.mp4', '-an', *options, path)
  assert len(require_as_ffmpeg(path)) == 58
  # FLV declares no lengths: what counts is its duration, within 0.2 s.
  for percent in (10, 50, 90) if name == 'a.flv' else (10, 50, 90, 99):
    why = reason(made.truncated(path, percent))
    assert why.startswith('breaks off') or (percent, why) == (10, 'no frame can be decoded')


@pytest.mark.parametrize('name', ['a.mkv', 'faststart.mp4'])
def test_a_download_given_its_full_size(shared, tmp_path, name):
  path = tmp_path / name
  made.ffmpeg('-i', shared / 'data/signing/Jsl_swim.mp4', '-an', *FORMATS[name], path)
  content = path.read_bytes()
  path.write_bytes(content[: len(content) // 2].ljust(len(content), b'\0'))
  assert 'breaks off after' in reason(path)


def test_what_holds_no_picture(tmp_path):
  sound = ('-f', 'lavfi', '-i', 'sine', '-t', 1)
  for name in ('a.mp4', 'a.wav', 'a.mp3', 'a.mkv'):
    made.ffmpeg(*sound, tmp_path / name)
    assert 'cannot be opened as a video' in reason(tmp_path / name)
  made.numbered(tmp_path / 'cover.png', 1, '-pix_fmt', 'rgb24')
  cover = ('-c', 'copy', '-disposition:v', 'attached_pic')
  made.ffmpeg(
    '-i', tmp_path / 'a.mp3', '-i', tmp_path / 'cover.png', '-map', 0, '-map', 1, *cover,
    tmp_path / 'album.mp3',
  )  # fmt: skip
  assert 'is no frame rate of a video' in reason(tmp_path / 'album.mp3')
  for name in ('none.mp4', 'none.avi', 'none.mkv'):
    made.ffmpeg('-f', 'lavfi', '-i', 'testsrc', '-frames:v', 0, tmp_path / name)
    assert reason(tmp_path / name).startswith(('no frame can be', 'cannot be opened as a video'))


@pytest.mark.parametrize(
  ('content', 'why'),
  [
    (b'', 'cannot be opened as a video (the file is empty)'),
    ('Das hier ist Text, 手話.\n'.encode() * 500, 'cannot be opened as a video (it is text)'),
    (b"ffconcat version 1.0\nfile 'a.mp4'\n", 'cannot be opened as a video (it is text)'),
    (bytes(5000), 'cannot be opened as a video (damaged, without a picture or of an unknown form'),
  ],
)
@pytest.mark.parametrize('name', ['b.mp4', 'b.txt'])
def test_files_that_are_something_else(tmp_path, content, why, name):
  made.numbered(tmp_path / 'a.mp4', 5)
  (tmp_path / name).write_bytes(content)
  assert reason(tmp_path / name).startswith(why)


def test_what_is_no_file(tmp_path):
  (tmp_path / 'folder.mp4').mkdir()
  os.mkfifo(tmp_path / 'pipe.mp4')
  (tmp_path / 'file').touch()
  assert reason(tmp_path / 'folder.mp4') == 'is a folder; name a video file'
  assert reason(tmp_path / 'pipe.mp4') == 'is no regular file; name a video file'
  assert reason(tmp_path / 'absent.mp4') == 'no such video file'
  assert reason(tmp_path / 'file' / 'a.mp4') == 'no such video file'
  assert reason(tmp_path / ('a' * 300 + '.mp4')) == 'cannot be read (File name too long)'


def test_names(tmp_path, monkeypatch):
  plain = made.numbered(tmp_path / 'plain.mp4', 12)
  deep = tmp_path.joinpath(*['d' * 200] * 15)
  deep.mkdir(parents=True)
  monkeypatch.chdir(tmp_path)
  names = (
    '手話 に,"q"\n.mp4',
    '12:30.mp4',
    'x%03d.mp4',
    '日' * 83 + '.mp4',
    '-i.mp4',
    str(deep / 'a'),
  )
  for name in names:
    os.link(plain, name)
    assert len(list(Video(name).frames())) == 12


def test_a_name_that_is_not_utf8(tmp_path):
  path = os.fsdecode(os.fsencode(tmp_path) + b'/caf\xe9.mp4')
  made.numbered(tmp_path / 'plain.mp4', 5).rename(path)
  assert reason(path) == 'its name or folder is not UTF-8; rename it'

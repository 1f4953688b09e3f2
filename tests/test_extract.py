import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from emo_jax import extract, labels, provenance, weights
from emo_jax.errors import exit_status
from emo_jax.models import resnet
from emo_jax.video import clip, extractor
from tests.video import made


@pytest.fixture
def run(shared, capsys):
  """run(*flags, *videos) -> exit status, lines of stdout, lines of stderr."""

  def call(*arguments):
    hand_model = f'--hand_model={shared}/models/hand_landmarker.task'
    status = exit_status(extract.main, [hand_model, *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out.splitlines(), captured.err.splitlines()

  return call


def test_videos_become_clips_and_a_broken_one_is_listed(run, shared, tmp_path):
  broken = tmp_path / 'broken.mp4'
  broken.write_bytes(b'not a video')
  swim, out = shared / 'data/signing/Jsl_swim.mp4', tmp_path / 'out'
  flags = ('--weights=random', f'--out={out}')

  status, stdout, stderr = run(*flags, broken, swim)
  assert status == 1
  assert stdout == [str(out / 'Jsl_swim.npz')]
  assert 'random backbone: not a score' in stderr
  assert any('video 2/2 Jsl_swim.mp4: 10 frames, 10 with a face' in line for line in stderr)
  assert stderr[-1].strip() == f'{broken}: cannot be opened as a video (it is text)'
  made, key, info = clip.load(out / 'Jsl_swim.npz')
  assert len(made.face) == 10 and key['backbone'] == 'random:0'
  assert info['engine'] in ('flax', 'openvino') and info['precision'] in ('bfloat16', 'float32')

  written = (out / 'Jsl_swim.npz').stat().st_mtime_ns
  status, stdout, stderr = run(*flags, swim)
  assert (status, stdout) == (0, [str(out / 'Jsl_swim.npz')])
  assert any('already done' in line for line in stderr)
  assert (out / 'Jsl_swim.npz').stat().st_mtime_ns == written

  status, stdout, stderr = run(*flags, '--sampling=time', swim)
  assert (status, stdout) == (2, [])
  assert 'sampling: index-5hz against time-5hz' in stderr[-1]

  (out / 'Jsl_swim.npz').write_bytes(b'no clip')
  status, _, stderr = run(*flags, swim)
  assert status == 2 and 'Jsl_swim.npz is not a readable clip' in stderr[-1]
  assert 'not a .npz of this project' in stderr[-1]


def test_weights_of_a_file_name_the_key(tmp_path):
  path = tmp_path / 'w.safetensors'
  weights.save(path, backbone=resnet.random_variables(1), labels=labels.EMOTIONS)
  _, tensors_id = extractor.load_backbone(str(path))
  assert tensors_id == weights.load(path)['info']['backbone_sha256']


def test_missing_weights_end_in_one_line():
  command = [sys.executable, '-m', 'emo_jax.extract', '--out=unused', 'video.mp4']
  run = subprocess.run(command, capture_output=True, text=True, env={'JAX_PLATFORMS': 'cpu'})
  assert run.returncode == 2 and not run.stdout
  (line,) = run.stderr.splitlines()
  assert 'ElenaRyumina/face_emotion_recognition' in line
  assert 'FER_static_ResNet50_AffectNet.pt' in line
  assert 'python -m emo_jax.convert ean-torch --static=' in line and '--weights=random' in line


def test_two_videos_of_one_name(run, tmp_path):
  status, _, stderr = run('--weights=random', f'--out={tmp_path}', 'a/x.mp4', 'b/x.mov')
  assert status == 2
  assert stderr == [f'error: a/x.mp4 and b/x.mov would both become {tmp_path}/x.npz: rename one']


def test_an_unknown_rule_ends_in_a_line(run, tmp_path):
  status, _, stderr = run('--weights=random', f'--out={tmp_path}', '--sampling=never', 'x.mp4')
  assert status == 2
  (line,) = stderr
  assert "invalid choice: 'never'" in line and 'emo_jax.extract --help' in line


def test_another_video_of_the_same_name_is_refused(run, shared, tmp_path):
  video, out = tmp_path / 'clip.mp4', tmp_path / 'out'
  shutil.copy(shared / 'data/signing/Jsl_swim.mp4', video)
  assert run('--weights=random', f'--out={out}', video)[0] == 0

  shutil.copy(shared / 'data/signing/Jsl_age.mp4', video)
  status, stdout, stderr = run('--weights=random', f'--out={out}', video)
  assert (status, stdout) == (2, [])
  assert f'clip.npz was made from another video than {video}: delete it' in stderr[-1]


@pytest.mark.parametrize('out', ['file', 'file/below', '/proc/nowhere'])
def test_results_that_cannot_be_written_end_in_a_line(run, shared, tmp_path, out):
  (tmp_path / 'file').touch()
  swim = shared / 'data/signing/Jsl_swim.mp4'
  status, stdout, stderr = run('--weights=random', f'--out={tmp_path / out}', swim)
  assert (status, stdout) == (2, [])
  assert f'{tmp_path / out} cannot be written to' in stderr[-1]
  assert not any('frames' in line for line in stderr)


def command(shared, video, out):
  """The command as a user runs it: without the tests' eight simulated devices."""
  hand_model = f'--hand_model={shared}/models/hand_landmarker.task'
  words = [sys.executable, '-m', 'emo_jax.extract', '--weights=random', hand_model, f'--out={out}']
  environment = {k: v for k, v in os.environ.items() if k != 'XLA_FLAGS'}
  return dict(args=[*words, str(video)], env=environment, stderr=subprocess.DEVNULL)


def peak_bytes(process):
  """The largest resident memory of a running process so far."""
  status = Path(f'/proc/{process.pid}/status').read_text()
  return 1024 * int(re.search(r'VmHWM:\s+(\d+) kB', status)[1])


@pytest.mark.slow
def test_killed_within_a_long_video_it_goes_on_where_it_stopped(shared, tmp_path):
  video, killed, whole = tmp_path / 'long.mp4', tmp_path / 'killed', tmp_path / 'whole'
  made.ffmpeg('-stream_loop', 119, '-i', shared / 'data/signing/Jsl_age.mp4', '-c', 'copy', video)
  subprocess.run(**command(shared, video, whole), check=True)

  process = subprocess.Popen(**command(shared, video, killed))
  part = killed / 'long.npz.parts/00000.npz'
  while process.poll() is None and not part.exists():
    time.sleep(0.1)
  memory = peak_bytes(process)
  process.send_signal(signal.SIGKILL)
  assert process.wait() == -signal.SIGKILL
  assert not (killed / 'long.npz').exists() and memory < 2e9
  written = part.stat().st_mtime_ns

  process = subprocess.Popen(**command(shared, video, killed))
  time.sleep(5)
  assert process.poll() is None and part.stat().st_mtime_ns == written
  assert process.wait() == 0
  assert [path.name for path in killed.iterdir()] == ['long.npz']
  resumed, uninterrupted = (clip.load(folder / 'long.npz')[0] for folder in (killed, whole))
  assert len(resumed.face) > 1024
  for field in dataclasses.fields(clip.Clip):
    assert np.array_equal(getattr(resumed, field.name), getattr(uninterrupted, field.name))


def test_hands_and_faces_as_a_pose_file_and_back(run, shared, tmp_path):
  swim, out, again = shared / 'data/signing/Jsl_swim.mp4', tmp_path / 'out', tmp_path / 'again'
  assert run('--weights=random', f'--out={out}', swim)[0] == 0
  assert not (out / 'Jsl_swim.pose').exists()
  assert run('--weights=random', f'--out={out}', '--pose', swim)[0] == 0
  flags = ('--weights=random', f'--out={again}', f'--hands_from={out}')
  status = exit_status(extract.main, [*flags, str(swim)])  # no --hand_model is looked for
  assert status == 0
  (first, key, _), (second, other_key, _) = (clip.load(p / 'Jsl_swim.npz') for p in (out, again))
  assert (first.hand_score > 0).any()
  np.testing.assert_allclose(second.hand_points, first.hand_points, atol=1e-3)
  np.testing.assert_array_equal(second.hand_score, first.hand_score)
  np.testing.assert_array_equal(second.face, first.face)
  assert provenance.differences(key, other_key)[0].startswith('hand_model: ')
  assert other_key['hand_model'].startswith('pose:')

  status, _, stderr = run('--weights=random', f'--out={out}', f'--hands_from={out}', swim)
  assert status == 2 and 'not allowed with argument' in stderr[-1]


def test_shards_share_the_videos(run, shared, tmp_path):
  out = tmp_path / 'out'
  videos = [tmp_path / f'{name}.mp4' for name in 'cab']
  for video in videos:
    video.write_bytes(b'not a video')
  for number in (1, 2):
    status, _, _ = run('--weights=random', f'--out={out}', f'--shard={number}/2', *videos)
    assert status == 1
  listed = {path.name: path.read_text() for path in out.iterdir()}
  assert set(listed) == {'extract_errors-1-of-2.csv', 'extract_errors-2-of-2.csv'}
  first, second = (listed[name] for name in sorted(listed))
  assert 'a.mp4' in first and 'c.mp4' in first and 'b.mp4' not in first
  assert 'b.mp4' in second and 'a.mp4' not in second
  for shard in ('0/2', '3/2', '2', 'a/b'):
    status, _, stderr = run('--weights=random', f'--out={out}', f'--shard={shard}', *videos)
    assert status == 2 and f"'{shard}' is not I/N with I from 1 to N" in stderr[-1]

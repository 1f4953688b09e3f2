import shutil
import subprocess
import sys

import pytest

from emo_jax import extract, labels, weights
from emo_jax.errors import exit_status
from emo_jax.models import resnet
from emo_jax.video import clip, extractor


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
  assert stderr[-1].strip() == f'{broken}: cannot be opened as a video'
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
  _, backbone_id = extractor.load_backbone(str(path))
  assert backbone_id == weights.load(path)['info']['backbone_sha256']


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
  size = video.stat().st_size
  assert clip.load(out / 'clip.npz')[2]['video_bytes'] == str(size)

  shutil.copy(shared / 'data/signing/Jsl_age.mp4', video)
  status, stdout, stderr = run('--weights=random', f'--out={out}', video)
  assert (status, stdout) == (2, [])
  assert f'clip.npz was made from another video than {video} ({size} bytes against' in stderr[-1]


@pytest.mark.parametrize('out', ['file', 'file/below', '/proc/nowhere'])
def test_results_that_cannot_be_written_end_in_a_line(run, shared, tmp_path, out):
  (tmp_path / 'file').touch()
  swim = shared / 'data/signing/Jsl_swim.mp4'
  status, stdout, stderr = run('--weights=random', f'--out={tmp_path / out}', swim)
  assert (status, stdout) == (2, [])
  assert f'{tmp_path / out} cannot be written to' in stderr[-1]
  assert not any('frames' in line for line in stderr)

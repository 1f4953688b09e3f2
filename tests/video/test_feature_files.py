import dataclasses
import shutil

import numpy as np
import pytest

from emo_jax.errors import UserError
from emo_jax.models import resnet
from emo_jax.video import assembly, clip, feature_files
from emo_jax.video.extractor import Extractor


@pytest.fixture
def video(shared, tmp_path):
  path = tmp_path / 'leaves.mov'
  shutil.copy(shared / 'data/edge/face_noface.mov', path)
  return path


def interrupted(targets, extractor, monkeypatch, after):
  """Extracts until so many parts are written, then is killed."""
  written = []
  save = clip.save

  def counting(*arguments):
    save(*arguments)
    written.append(arguments[0])
    if len(written) == after:
      raise KeyboardInterrupt

  with monkeypatch.context() as patched:
    patched.setattr(clip, 'save', counting)
    with pytest.raises(KeyboardInterrupt):
      list(feature_files.extract_all(targets, extractor))


def test_an_interrupted_video_goes_on_from_its_parts(video, extractor, tmp_path, monkeypatch):
  monkeypatch.setattr(assembly, 'PART', 16)
  target, other = tmp_path / 'a/leaves.npz', tmp_path / 'b/leaves.npz'
  (made,) = feature_files.extract_all({video: other}, extractor)
  assert made == (other, None) and not feature_files.parts_folder(other).exists()

  interrupted({video: target}, extractor, monkeypatch, after=2)
  assert not target.exists()
  parts = sorted(feature_files.parts_folder(target).iterdir())
  assert [path.name for path in parts] == ['00000.npz', '00001.npz']
  stamps = [path.stat().st_mtime_ns for path in parts]
  interrupted({video: target}, extractor, monkeypatch, after=1)
  assert [path.stat().st_mtime_ns for path in parts] == stamps

  assert list(feature_files.extract_all({video: target}, extractor)) == [(target, None)]
  assert not feature_files.parts_folder(target).exists()
  whole, resumed = clip.load(other)[0], clip.load(target)[0]
  for field in dataclasses.fields(clip.Clip):
    assert np.array_equal(getattr(whole, field.name), getattr(resumed, field.name)), field.name


def test_parts_of_another_setting_are_refused(video, extractor, hand_task, tmp_path, monkeypatch):
  monkeypatch.setattr(assembly, 'PART', 16)
  target = tmp_path / 'leaves.npz'
  interrupted({video: target}, extractor, monkeypatch, after=1)
  other = Extractor(resnet.random_variables(0), 'random:0', hand_task, search='full')
  with pytest.raises(UserError, match=r'00000.npz and this .* differ in detector: .*delete'):
    list(feature_files.extract_all({video: target}, other))
  video.write_bytes(video.read_bytes() + b'another')
  with pytest.raises(UserError, match='00000.npz was made from another video'):
    list(feature_files.extract_all({video: target}, extractor))


def test_parts_of_another_precision_are_made_again(
  video, extractor, hand_task, tmp_path, monkeypatch
):
  if extractor.precision == 'float32':
    pytest.skip('this CPU has one precision only')
  monkeypatch.setattr(assembly, 'PART', 16)
  target = tmp_path / 'leaves.npz'
  interrupted({video: target}, extractor, monkeypatch, after=2)
  exact = Extractor(resnet.random_variables(0), 'random:0', hand_task, precision='float32')
  interrupted({video: target}, exact, monkeypatch, after=1)  # of two parts one is of each precision
  assert feature_files._resumed(video, target, exact).parts == 1
  list(feature_files.extract_all({video: target}, exact))
  made, _, info = clip.load(target)
  assert info['precision'] == 'float32'
  alone = exact.extract(video)
  assert np.array_equal(made.face, alone.face)


def test_progress_is_reported(video, extractor, tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(feature_files, '_REPORT_EVERY_S', 0)
  list(feature_files.extract_all({video: tmp_path / 'leaves.npz'}, extractor))
  lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith('video 1/1')]
  assert len(lines) > 2 and all('frames/s in all' in line and 's left' in line for line in lines)
  assert 'hands: left' in lines[-1] and ', 0 s left' in lines[-1]

import hashlib
import http.client
import subprocess
import sys
import zipfile

import pytest

from emo_jax.errors import UserError
from emo_jax.video import hand_model

IN_WHEEL = {
  'hand_detector.tflite': 'mediapipe/modules/palm_detection/palm_detection_full.tflite',
  'hand_landmarks_detector.tflite': 'mediapipe/modules/hand_landmark/hand_landmark_full.tflite',
}


@pytest.fixture
def offline(tmp_path, monkeypatch):
  """An empty cache, an address that does not answer, and a folder for pip to look in."""
  folder = tmp_path / 'wheels'
  folder.mkdir()
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
  monkeypatch.delenv('EMO_JAX_HAND_MODEL', raising=False)
  monkeypatch.setattr(hand_model, 'ADDRESS', (tmp_path / 'absent.task').as_uri())
  monkeypatch.setenv('PIP_NO_INDEX', '1')
  monkeypatch.setenv('PIP_FIND_LINKS', str(folder))
  return folder


def write_wheel(folder, task, change=b''):
  """A wheel with the task's networks under the names they have in mediapipe 0.10.21's."""
  path = folder / 'mediapipe-0.10.21-cp312-cp312-manylinux_2_28_x86_64.whl'
  info = 'mediapipe-0.10.21.dist-info'
  with zipfile.ZipFile(task) as source, zipfile.ZipFile(path, 'w') as wheel:
    for name, inside in IN_WHEEL.items():
      wheel.writestr(inside, source.read(name) + change)
    wheel.writestr('../outside.txt', 'never unpacked')
    wheel.writestr(f'{info}/METADATA', 'Metadata-Version: 2.1\nName: mediapipe\nVersion: 0.10.21\n')
    wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\nTag: cp312-cp312-manylinux_2_28_x86_64\n')
    wheel.writestr(f'{info}/RECORD', '')


def test_a_given_file_is_taken(tmp_path, monkeypatch):
  given = tmp_path / 'my.task'
  given.write_bytes(b'x')
  assert hand_model.find(given) == given
  monkeypatch.setenv('EMO_JAX_HAND_MODEL', str(given))
  assert hand_model.find() == given


def test_a_given_file_must_exist(tmp_path):
  with pytest.raises(UserError, match='my.task: no such hand landmarker .--hand_model'):
    hand_model.find(tmp_path / 'my.task')


def test_from_the_address_then_from_the_cache(offline, tmp_path, hand_task, monkeypatch):
  monkeypatch.setattr(hand_model, 'ADDRESS', hand_task.as_uri())
  found = hand_model.find()
  assert found == tmp_path / 'cache/emo_jax/hand_landmarker.task'
  assert [p.name for p in found.parent.iterdir()] == [found.name]
  monkeypatch.setattr(hand_model, 'ADDRESS', 'file:///absent')
  assert hand_model.find() == found


def test_from_the_wheel(offline, tmp_path, hand_task):
  write_wheel(offline, hand_task)
  found = hand_model.find().read_bytes()
  assert hand_model.digest(found) == hashlib.sha256(found).hexdigest()
  assert hand_model.digest(found) == hand_model.digest(hand_task.read_bytes())
  assert not list(tmp_path.rglob('outside.txt'))


def test_a_broken_answer_and_a_slow_pip_are_reasons(offline, monkeypatch):
  def broken(*_, **__):
    raise http.client.IncompleteRead(b'')

  def slow(command, timeout, **_):
    raise subprocess.TimeoutExpired('pip', timeout)

  monkeypatch.setattr(hand_model.urllib.request, 'urlopen', broken)
  monkeypatch.setattr(hand_model.subprocess, 'run', slow)
  with pytest.raises(UserError, match='IncompleteRead.*timed out after 300 seconds.*--hand_model'):
    hand_model.find()


def test_a_changed_network_is_refused(offline, tmp_path, hand_task):
  write_wheel(offline, hand_task, change=b'!')
  with pytest.raises(UserError, match='is not the expected network .sha256.*--hand_model'):
    hand_model.find()
  assert not list(tmp_path.rglob('*.task'))


def test_nothing_to_be_had(offline):
  with pytest.raises(
    UserError, match=r'absent\.task: .*mediapipe==0\.10\.21.*--hand_model'
  ) as error:
    hand_model.find()
  assert '\n' not in str(error.value)


def test_the_digest_does_not_depend_on_the_packing(tmp_path, hand_task):
  deflated = tmp_path / 'deflated.task'
  with (
    zipfile.ZipFile(hand_task) as source,
    zipfile.ZipFile(deflated, 'w', zipfile.ZIP_DEFLATED) as target,
  ):
    for name in reversed(source.namelist()):
      target.writestr(name, source.read(name))
  assert hand_model.digest(deflated.read_bytes()) == hand_model.digest(hand_task.read_bytes())
  assert hand_model.digest(b'another model') == hashlib.sha256(b'another model').hexdigest()


def test_importing_loads_no_library():
  code = 'import sys; import emo_jax.video.hand_model, emo_jax.video.hands, emo_jax.video.decode; '
  code += 'print(sorted({"cv2", "mediapipe"} & set(sys.modules)))'
  run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
  assert run.stdout == '[]\n'

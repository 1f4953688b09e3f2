import subprocess
import sys

import pytest

from emo_jax.errors import UserError
from emo_jax.video import libraries


@pytest.mark.parametrize('load, module', [('opencv', 'cv2'), ('mediapipe', 'mediapipe')])
def test_a_missing_system_library_names_the_packages(load, module, tmp_path, monkeypatch):
  (tmp_path / f'{module}.py').write_text(
    'raise ImportError("libGL.so.1: cannot open shared object")'
  )
  monkeypatch.syspath_prepend(tmp_path)
  monkeypatch.delitem(sys.modules, module, raising=False)
  with pytest.raises(UserError, match='libGL.so.1.*Debian packages libgl1 libegl1 libgles2'):
    getattr(libraries, load)()


def test_a_missing_package(monkeypatch):
  monkeypatch.setitem(sys.modules, 'cv2', None)
  with pytest.raises(UserError, match='OpenCV is not installed: pip install emo_jax'):
    libraries.opencv()


def test_a_missing_extra(monkeypatch):
  monkeypatch.setitem(sys.modules, 'pose_format', None)
  monkeypatch.delitem(sys.modules, 'pose_format.utils.openpose', raising=False)
  with pytest.raises(
    UserError, match=r"^pose-format is not installed: pip install 'emo_jax\[pose\]'$"
  ):
    libraries.pose_format()


def test_an_extra_that_lacks_a_package_of_its_own(monkeypatch):
  for name in [n for n in sys.modules if n.split('.')[0] == 'pose_format']:
    monkeypatch.delitem(sys.modules, name)
  monkeypatch.setitem(sys.modules, 'pose_format.utils', None)
  with pytest.raises(UserError, match=r"pose-format cannot be loaded \(.*'emo_jax\[pose\]'$"):
    libraries.pose_format()


def test_openvino_does_not_report_its_use():
  code = (
    'import sys\n'
    'from emo_jax.video import libraries\n'
    'libraries.openvino()\n'
    'loaded = {name.split(".")[0] for name, module in sys.modules.items() if module}\n'
    'assert "openvino" in loaded and "openvino_telemetry" not in loaded\n'
  )
  subprocess.run([sys.executable, '-W', 'error', '-c', code], check=True)

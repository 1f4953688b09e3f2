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

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from emo_jax.errors import UserError
from emo_jax.video import mtcnn_weights


class Calls:
  """Pickles as a call of a function."""

  def __init__(self, function, *args):
    self.function, self.args = function, args

  def __reduce__(self):
    return self.function, self.args


def test_a_call_is_refused_and_not_made(tmp_path):
  target = tmp_path / 'made'
  stream = pickle.dumps([Calls(os.system, f'touch {target}')])
  with pytest.raises(pickle.UnpicklingError, match='refused: the file names posix.system'):
    mtcnn_weights.read_arrays(stream)
  assert not target.exists()


@pytest.mark.parametrize(
  'content',
  [
    [np.zeros(3, np.float32)],  # numpy's own pickles go through numpy's reconstruction functions
    [Calls(eval, '1')],
    [Calls(np.dtype, 'O')],
    [Calls(np.ndarray, (3,))],
    ['a text'],
    {'a': 1},
  ],
)
def test_everything_but_announced_float32_arrays_is_refused(content):
  with pytest.raises(pickle.UnpicklingError):
    mtcnn_weights.read_arrays(pickle.dumps(content))


def test_another_file_is_refused_by_its_sha256(tmp_path):
  (tmp_path / 'pnet.lz4').write_bytes(b'something else')
  with pytest.raises(UserError, match='pnet.lz4 has sha256 .*, expected ea6b0c3e6.*pip install'):
    mtcnn_weights.load('pnet', tmp_path)


def test_a_missing_file_says_what_to_install(tmp_path):
  with pytest.raises(UserError, match=r'pip install mtcnn==1\.0\.0'):
    mtcnn_weights.load('rnet', tmp_path)


def test_the_package_is_not_imported():
  code = 'import sys; from emo_jax.video import mtcnn_weights as w; w.load("onet"); '
  code += 'print(sorted({"mtcnn", "joblib", "tensorflow"} & set(sys.modules)))'
  run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
  assert run.stdout == '[]\n'

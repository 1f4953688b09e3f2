"""Reads the MTCNN weights out of the installed package `mtcnn` 1.0.0, without importing it.

The files are lz4 frames around pickles of joblib's dialect: a list of arrays, each announced by a
`NumpyArrayWrapper` and followed in the stream by its raw bytes. They are pinned by sha256 and read
by an unpickler that knows float32 arrays and nothing else.
"""

import hashlib
import importlib.util
import io
import os
import pickle
from pathlib import Path

import lz4.frame
import numpy as np

from emo_jax.errors import UserError

SHA256 = {
  'pnet': 'ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5',
  'rnet': 'cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee',
  'onet': '94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3',
}

# Layers in the order of the files' arrays; a `prelu` holds one array, every other kernel and bias.
_LAYERS = {
  'pnet': ('conv1', 'prelu1', 'conv2', 'prelu2', 'conv3', 'prelu3', 'box', 'score'),
  'rnet': (
    *('conv1', 'prelu1', 'conv2', 'prelu2', 'conv3', 'prelu3'),
    *('dense4', 'prelu4', 'box', 'score'),
  ),
  'onet': (
    *('conv1', 'prelu1', 'conv2', 'prelu2', 'conv3', 'prelu3', 'conv4', 'prelu4'),
    *('dense5', 'prelu5', 'box', 'landmarks', 'score'),
  ),
}


def load(net: str, folder: str | os.PathLike | None = None) -> dict:
  """The Flax variables of `pnet`, `rnet` or `onet` (`emo_jax.models.mtcnn`).

  Args:
    net: the network's name.
    folder: where `<net>.lz4` lies; the installed package's by default.

  Raises:
    UserError: the package or the file is missing, or the file is not the pinned one.
  """
  path = Path(folder or _package_folder()) / f'{net}.lz4'
  try:
    packed = path.read_bytes()
  except OSError as error:
    raise UserError(f'cannot read {path} ({error}): pip install mtcnn==1.0.0') from error
  digest = hashlib.sha256(packed).hexdigest()
  if digest != SHA256[net]:
    raise UserError(
      f'{path} has sha256 {digest}, expected {SHA256[net]}: '
      'pip install --force-reinstall mtcnn==1.0.0'
    )
  arrays = iter(read_arrays(lz4.frame.decompress(packed)))
  params = {}
  for layer in _LAYERS[net]:
    if layer.startswith('prelu'):
      params[layer] = {'alpha': next(arrays).reshape(-1)}
    else:
      params[layer] = {'kernel': next(arrays), 'bias': next(arrays)}
  return {'params': params}


def read_arrays(stream: bytes) -> list[np.ndarray]:
  """The float32 arrays of a joblib pickle.

  Raises:
    pickle.UnpicklingError: the stream holds anything but a list of float32 arrays.
  """
  arrays = _ArrayUnpickler(io.BytesIO(stream)).load()
  if not isinstance(arrays, list) or not all(isinstance(a, np.ndarray) for a in arrays):
    raise pickle.UnpicklingError('not a list of arrays')
  return arrays


def _package_folder() -> Path:
  spec = importlib.util.find_spec('mtcnn')
  if spec is None or spec.origin is None:
    raise UserError('the face detector comes with the package mtcnn: pip install mtcnn==1.0.0')
  return Path(spec.origin).parent / 'assets' / 'weights'


class _Announced:
  """Stands in for joblib's NumpyArrayWrapper; its state is set by `_ArrayUnpickler.load_build`."""

  state: dict


class _DType:
  """Stands in for numpy.dtype: float32, or refused."""

  def __init__(self, code='', *_):
    if code != 'f4':
      raise pickle.UnpicklingError(f'refused: array of type {code!r}, only float32 is read')


class _NDArray:
  """Stands in for numpy.ndarray, which the stream only names."""

  def __init__(self, *_):
    raise pickle.UnpicklingError('refused: array that is not announced')


# The pure Python unpickler: the one in C cannot be told to read raw bytes after an object.
class _ArrayUnpickler(pickle._Unpickler):
  """Admits lists of float32 arrays in joblib's dialect."""

  dispatch = dict(pickle._Unpickler.dispatch)

  def __init__(self, file: io.BytesIO):
    super().__init__(file)
    self._stream = file

  def find_class(self, module: str, name: str) -> type:
    admitted = {
      ('joblib.numpy_pickle', 'NumpyArrayWrapper'): _Announced,
      ('numpy', 'ndarray'): _NDArray,
      ('numpy', 'dtype'): _DType,
    }
    if (module, name) not in admitted:
      raise pickle.UnpicklingError(f'refused: the file names {module}.{name}')
    return admitted[module, name]

  def load_build(self) -> None:
    state = self.stack.pop()
    target = self.stack[-1]
    if isinstance(target, _Announced):
      self.stack[-1] = self._array(state)
    elif not isinstance(target, _DType) or state[1] != '<':
      raise pickle.UnpicklingError(f'refused: state for {type(target).__name__}')

  dispatch[pickle.BUILD[0]] = load_build

  def _array(self, state: dict) -> np.ndarray:
    """Reads the raw bytes that follow an announcement, after their alignment padding."""
    if not isinstance(state['dtype'], _DType):
      raise pickle.UnpicklingError('refused: array without a type')
    shape = tuple(int(n) for n in state['shape'])
    if state.get('numpy_array_alignment_bytes') is not None:
      self._stream.read(self._stream.read(1)[0])
    data = self._stream.read(4 * int(np.prod(shape)))
    return np.frombuffer(data, '<f4').reshape(shape, order=state['order']).copy()

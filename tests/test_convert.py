import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from emo_jax import convert, weights
from emo_jax.errors import exit_status
from emo_jax.labels import EAN_ORDER, EMOTIONS
from emo_jax.models.resnet import FaceBackbone
from tests import golden

h5py = pytest.importorskip('h5py')
torch = pytest.importorskip('torch')

TO_EAN_ORDER = [EMOTIONS.index(name) for name in EAN_ORDER]


@pytest.fixture(scope='module')
def states(shared) -> dict[str, dict[str, np.ndarray]]:
  """The torch port's tensors, filled by the rule of the golden outputs."""
  return golden.states(shared)


@pytest.fixture(scope='module')
def converted(states, tmp_path_factory):
  """The golden weights, converted from .pt by the command, and what the command said."""
  folder = tmp_path_factory.mktemp('torch')
  _save_torch(folder / 'static.pt', states['static_resnet50'])
  _save_torch(folder / 'dynamic.pt', states['dynamic_lstm'])
  arguments = ['--static=static.pt', '--dynamic=dynamic.pt', '--out=new/ean.safetensors']
  command = [sys.executable, '-m', 'emo_jax.convert', 'ean-torch', *arguments]
  done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr
  return folder / 'new/ean.safetensors', done.stdout


def _save_torch(path, state: dict[str, np.ndarray]):
  torch.save({n: torch.from_numpy(x) for n, x in state.items()}, path)


def test_the_backbone_s_outputs_are_the_torch_port_s(converted, shared):
  crops, _ = golden.inputs()
  expected = golden.outputs(shared)
  variables = weights.load(converted[0])['backbone']
  features = np.asarray(FaceBackbone().apply(variables, crops))
  logits = np.asarray(FaceBackbone().apply(variables, crops, method='logits'))
  assert golden.error(features, expected['features']) <= 1e-4
  assert golden.error(logits[:, TO_EAN_ORDER], expected['logits']) <= 1e-4


def test_the_command_says_what_it_read_and_wrote(converted):
  path, said = converted
  lines = said.splitlines()
  assert lines[0].startswith('static.pt: not a file we know: sha256 ')
  assert lines[1].startswith('dynamic.pt: not a file we know: sha256 ')
  assert lines[2] == 'wrote new/ean.safetensors'
  assert lines[3] == f'backbone: {weights.load(path)["info"]["backbone_sha256"]}'


def test_names_are_the_torch_port_s(states):
  expected = {n for n in states['static_resnet50'] if not n.endswith('num_batches_tracked')}
  assert {convert.torch_name(n) for n in weights.backbone_shapes()} == expected


@pytest.mark.parametrize('nested', [False, True])
def test_keras_files_of_the_same_numbers_give_the_same_bytes(converted, states, nested, tmp_path):
  arguments = ['ean-keras', f'--out={tmp_path / "ean.safetensors"}']
  for kind, layers in (
    ('static', _keras_static(states['static_resnet50'])),
    ('dynamic', _keras_dynamic(states['dynamic_lstm'])),
  ):
    _save_keras(tmp_path / f'{kind}.h5', layers, 'model_weights/' if nested else '')
    arguments.append(f'--{kind}={tmp_path / kind}.h5')
  assert exit_status(convert.main, arguments) == 0
  assert (tmp_path / 'ean.safetensors').read_bytes() == converted[0].read_bytes()


def _save_keras(path, layers: dict[str, np.ndarray], prefix: str = ''):
  with h5py.File(path, 'w') as file:
    for name, value in layers.items():
      file[f'{prefix}{name.split("/")[0]}/{name}:0'] = value
    file.create_group(f'{prefix}dropout')
    if prefix:
      file['optimizer_weights/iteration:0'] = 7


def _keras_static(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  layers = {
    'features/kernel': state['fc1.weight'].T,
    'features/bias': state['fc1.bias'],
    'dense_3/kernel': state['fc2.weight'].T,
    'dense_3/bias': state['fc2.bias'],
  }
  pairs = {'conv1_7x7_s2': ('conv_layer_s2_same', 'batch_norm1')}
  for stage, blocks in ((2, 3), (3, 4), (4, 6), (5, 3)):
    for block in range(blocks):
      keras, port = f'conv{stage}_{block + 1}', f'layer{stage - 1}.{block}'
      for i, part in enumerate(('1x1_reduce', '3x3', '1x1_increase'), start=1):
        pairs[f'{keras}_{part}'] = (f'{port}.conv{i}', f'{port}.batch_norm{i}')
      if block == 0:
        pairs[f'{keras}_1x1_proj'] = (f'{port}.i_downsample.0', f'{port}.i_downsample.1')
  for keras, (conv, norm) in pairs.items():
    layers[f'{keras}/kernel'] = state[f'{conv}.weight'].transpose(2, 3, 1, 0)
    layers[f'{keras}_bn/gamma'] = state[f'{norm}.weight']
    layers[f'{keras}_bn/beta'] = state[f'{norm}.bias']
    layers[f'{keras}_bn/moving_mean'] = state[f'{norm}.running_mean']
    layers[f'{keras}_bn/moving_variance'] = state[f'{norm}.running_var']
  return layers


def _keras_dynamic(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  layers = {'dense_1/kernel': state['fc.weight'].T, 'dense_1/bias': state['fc.bias']}
  for keras, port in (('lstm_2/lstm_cell', 'lstm1'), ('lstm_3/lstm_cell', 'lstm2')):
    layers[f'{keras}/kernel'] = state[f'{port}.weight_ih_l0'].T
    layers[f'{keras}/recurrent_kernel'] = state[f'{port}.weight_hh_l0'].T
    layers[f'{keras}/bias'] = state[f'{port}.bias_ih_l0'] + state[f'{port}.bias_hh_l0']
  return layers


def _empty_dynamic(inputs: int = 512) -> dict[str, np.ndarray]:
  shapes = {'fc.weight': (7, 256), 'fc.bias': (7,)}
  for layer, width, units in (('lstm1', inputs, 512), ('lstm2', 512, 256)):
    shapes[f'{layer}.weight_ih_l0'] = (4 * units, width)
    shapes[f'{layer}.weight_hh_l0'] = (4 * units, units)
    shapes[f'{layer}.bias_ih_l0'] = shapes[f'{layer}.bias_hh_l0'] = (4 * units,)
  return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize('format_', ['ean-torch', 'ean-keras'])
def test_a_head_of_eanwh_s_width_converts_alone(format_, tmp_path, capsys):
  state, file, out = _empty_dynamic(596), tmp_path / 'head', tmp_path / 'head.safetensors'
  if format_ == 'ean-torch':
    _save_torch(file, state)
  else:
    _save_keras(file, _keras_dynamic(state))
  assert exit_status(convert.main, [format_, f'--dynamic={file}', f'--out={out}']) == 0
  assert capsys.readouterr().out.endswith('backbone: none\n')
  loaded = weights.load(out)
  assert loaded['backbone'] is None
  assert loaded['head']['params']['lstm1']['cell']['ii']['kernel'].shape == (596, 512)


@pytest.fixture
def refused(tmp_path, capsys):
  """Runs the command on a file and returns its one line of error; nothing is written."""

  def run(format_: str, option: str, file) -> str:
    out = tmp_path / 'out.safetensors'
    assert exit_status(convert.main, [format_, f'--{option}={file}', f'--out={out}']) == 2
    assert not out.exists()
    error = capsys.readouterr().err
    assert error.startswith('error: ')
    assert error.count('\n') == 1
    return error

  return run


def test_a_wrong_shape_names_the_tensor_and_both_shapes(refused, tmp_path):
  state = _empty_dynamic()
  state |= {'fc.weight': np.zeros((8, 256), np.float32), 'fc.bias': np.zeros(8, np.float32)}
  _save_torch(tmp_path / 'wrong.pt', state)
  _save_keras(tmp_path / 'wrong.h5', _keras_dynamic(state))
  error = refused('ean-torch', 'dynamic', tmp_path / 'wrong.pt')
  assert 'fc.weight has shape (8, 256), wanted (7, 256)' in error
  error = refused('ean-keras', 'dynamic', tmp_path / 'wrong.h5')
  assert 'logits/kernel has shape (256, 8), wanted (256, 7)' in error


def test_numbers_that_are_not_finite_name_the_input(refused, tmp_path):
  state = _empty_dynamic() | {'fc.bias': np.full(7, np.nan, np.float32)}
  _save_torch(tmp_path / 'nan.pt', state)
  _save_keras(tmp_path / 'nan.h5', _keras_dynamic(state))
  error = refused('ean-torch', 'dynamic', tmp_path / 'nan.pt')
  assert error.endswith('nan.pt holds numbers that are not finite in fc.bias\n')
  error = refused('ean-keras', 'dynamic', tmp_path / 'nan.h5')
  assert error.endswith('nan.h5 holds numbers that are not finite in logits/bias\n')


def test_missing_and_extra_names_are_listed(refused, tmp_path):
  state = _empty_dynamic()
  state['lstm3.bias_ih_l0'] = state.pop('lstm2.bias_ih_l0')
  _save_torch(tmp_path / 'named.pt', state)
  error = refused('ean-torch', 'dynamic', tmp_path / 'named.pt')
  assert error.endswith('missing: lstm2.bias_ih_l0; extra: lstm3.bias_ih_l0\n')
  layers = _keras_dynamic(_empty_dynamic())
  layers['masking/mask'] = np.zeros(1, np.float32)
  del layers['lstm_2/lstm_cell/bias']
  _save_keras(tmp_path / 'named.h5', layers)
  error = refused('ean-keras', 'dynamic', tmp_path / 'named.h5')
  assert error.endswith('missing: lstm1/bias; extra: masking/mask\n')


@pytest.mark.parametrize('format_, suffix', [('ean-torch', 'pt'), ('ean-keras', 'h5')])
def test_a_head_is_no_backbone(format_, suffix, refused, tmp_path):
  _save_torch(tmp_path / 'head.pt', _empty_dynamic())
  _save_keras(tmp_path / 'head.h5', _keras_dynamic(_empty_dynamic()))
  error = refused(format_, 'static', tmp_path / f'head.{suffix}')
  assert 'missing: ' in error
  assert 'extra: ' in error


class Malicious:
  def __reduce__(self):
    return os.mkdir, ('opened',)


def test_a_pickle_that_runs_code_is_not_opened(refused, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  torch.save(_empty_dynamic() | {'fc.bias': Malicious()}, tmp_path / 'malicious.pt')
  error = refused('ean-torch', 'dynamic', tmp_path / 'malicious.pt')
  assert 'is not a torch state_dict of tensors alone' in error
  assert not (tmp_path / 'opened').exists()


def test_other_files_are_refused(refused, tmp_path):
  (tmp_path / 'junk').write_bytes(b'hello')
  assert 'not a torch state_dict' in refused('ean-torch', 'static', tmp_path / 'junk')
  assert 'not a Keras .h5' in refused('ean-keras', 'static', tmp_path / 'junk')
  torch.save([torch.zeros(2)], tmp_path / 'list.pt')
  assert 'not a torch state_dict' in refused('ean-torch', 'static', tmp_path / 'list.pt')
  assert 'no file at' in refused('ean-torch', 'static', tmp_path / 'absent.pt')


@pytest.mark.filterwarnings('ignore:.*torch.jit')
def test_torchscript_is_refused_by_name(refused, tmp_path):
  torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / 'script.pth')
  assert 'is a TorchScript archive' in refused('ean-torch', 'static', tmp_path / 'script.pth')


@pytest.mark.parametrize('format_, module', [('ean-torch', 'torch'), ('ean-keras', 'h5py')])
def test_a_missing_package_names_the_extra(format_, module, refused, tmp_path, monkeypatch):
  (tmp_path / 'file').write_bytes(b'')
  monkeypatch.setitem(sys.modules, module, None)
  error = refused(format_, 'static', tmp_path / 'file')
  assert f'needs {module}: pip install -e .[convert]' in error


def test_known_files_are_named(tmp_path, monkeypatch):
  (tmp_path / 'file.pt').write_bytes(b'known')
  sha256 = hashlib.sha256(b'known').hexdigest()
  assert convert.describe(tmp_path / 'file.pt').endswith(f'not a file we know: sha256 {sha256}')
  monkeypatch.setitem(convert.KNOWN_FILES, sha256, 'weights.pt')
  assert convert.describe(tmp_path / 'file.pt').endswith('file.pt: weights.pt of EMO-AffectNet')


@pytest.mark.parametrize(
  'argv, message',
  [
    (['ean-torch', '--out=o.safetensors'], 'give --static, --dynamic or both'),
    (['ean-torch', '--static=a.pt', '--out=a.pt'], '--out=a.pt must end in .safetensors'),
    (['ean-torch', '--static=a.pt'], 'the following arguments are required: --out'),
    (['ean-onnx'], "invalid choice: 'ean-onnx'"),
  ],
)
def test_usage_mistakes_end_in_one_line(argv, message, capsys):
  assert exit_status(convert.main, argv) == 2
  error = capsys.readouterr().err
  assert message in error
  assert error.count('\n') == 1

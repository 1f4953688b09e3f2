"""Converts the public EMO-AffectNet weights into the project's weight file.

    python -m emo_jax.convert ean-torch --static=FILE.pt [--dynamic=FILE.pt] --out=FILE.safetensors
    python -m emo_jax.convert ean-keras --static=FILE.h5 [--dynamic=FILE.h5] --out=FILE.safetensors

The static file holds the face backbone, the dynamic one the temporal head; either may be left out.
"""

import hashlib
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from emo_jax import convert_keras, weights
from emo_jax.errors import ArgumentParser, UserError, exit_status
from emo_jax.labels import EAN_ORDER
from emo_jax.weights import Shape

# sha256 of the files at huggingface.co/ElenaRyumina/face_emotion_recognition.
KNOWN_FILES = {
  '8274190b5be4355bd2f07b59f593fcdb294f9d7c563bfa9ac9e5ea06c10692d2': (
    'FER_static_ResNet50_AffectNet.pt'
  ),
  '21b0cabebe7bd0257ca8aaa991efc7546c6f46fd4d17f759d33abbb859abdacc': (
    'FER_dinamic_LSTM_Aff-Wild2.pt'
  ),
}

_TORCH_LAYERS = {
  'conv1_7x7_s2': 'conv_layer_s2_same',
  'conv1_7x7_s2_bn': 'batch_norm1',
  '1x1_reduce': 'conv1',
  '1x1_reduce_bn': 'batch_norm1',
  '3x3': 'conv2',
  '3x3_bn': 'batch_norm2',
  '1x1_increase': 'conv3',
  '1x1_increase_bn': 'batch_norm3',
  '1x1_proj': 'i_downsample.0',
  '1x1_proj_bn': 'i_downsample.1',
  'features': 'fc1',
  'classifier': 'fc2',
}
_TORCH_LEAVES = {
  'kernel': 'weight',
  'scale': 'weight',
  'bias': 'bias',
  'mean': 'running_mean',
  'var': 'running_var',
}
Tensors = convert_keras.Tensors


def torch_name(name: str) -> str:
  """What the torch port calls a tensor: `params/conv2_1/3x3/kernel` -> `layer1.0.conv2.weight`."""
  _, *block, layer, leaf = name.split('/')
  parents = ''
  if block:
    stage, number = map(int, block[0].removeprefix('conv').split('_'))
    parents = f'layer{stage - 1}.{number - 1}.'
  return f'{parents}{_TORCH_LAYERS[layer]}.{_TORCH_LEAVES[leaf]}'


def static_from_torch(path: Path) -> dict:
  """The variables of `FaceBackbone` from a state_dict of the torch port."""
  names = {n: torch_name(n) for n in weights.backbone_shapes()}
  wanted = {names[n]: _torch_shape(s) for n, s in weights.backbone_shapes().items()}
  tensors = _read_torch(path)
  weights.check({n: t.shape for n, t in tensors.items()}, wanted, str(path))
  weights.check_finite(tensors, str(path))
  return _backbone({n: _from_torch_layout(tensors[names[n]]) for n in names})


def dynamic_from_torch(path: Path) -> dict:
  """The variables of the temporal head from a state_dict of the torch port (`LSTMPyTorch`)."""
  tensors = _read_torch(path)
  got = {n: t.shape for n, t in tensors.items()}
  width = weights.head_width(got.get('lstm1.weight_ih_l0', ())[-1:])
  wanted = {}
  for layer, inputs, units in (('lstm1', width, 512), ('lstm2', 512, 256)):
    wanted[f'{layer}.weight_ih_l0'] = (4 * units, inputs)
    wanted[f'{layer}.weight_hh_l0'] = (4 * units, units)
    wanted[f'{layer}.bias_ih_l0'] = wanted[f'{layer}.bias_hh_l0'] = (4 * units,)
  wanted |= {'fc.weight': (7, 256), 'fc.bias': (7,)}
  weights.check(got, wanted, str(path))
  weights.check_finite(tensors, str(path))
  lstms = {
    layer: (
      tensors[f'{layer}.weight_ih_l0'].T,
      tensors[f'{layer}.weight_hh_l0'].T,
      tensors[f'{layer}.bias_ih_l0'] + tensors[f'{layer}.bias_hh_l0'],
    )
    for layer in ('lstm1', 'lstm2')
  }
  return _head(lstms, tensors['fc.weight'].T, tensors['fc.bias'])


def static_from_keras(path: Path) -> dict:
  """The variables of `FaceBackbone` from the Keras weights of the reference (`EE`)."""
  return _backbone(convert_keras.read_static(path))


def dynamic_from_keras(path: Path) -> dict:
  """The variables of the temporal head from the Keras weights of the reference (`LSTM`)."""
  return _head(*convert_keras.read_dynamic(path))


def _backbone(tensors: Tensors) -> dict:
  last = ('params/classifier/kernel', 'params/classifier/bias')
  permuted = weights.permute_labels(*(tensors[n] for n in last), EAN_ORDER)
  tensors |= dict(zip(last, permuted, strict=True))
  return weights.nest(tensors)


def _head(lstms: Mapping[str, tuple], kernel: np.ndarray, bias: np.ndarray) -> dict:
  tensors = {}
  for layer, (inputs, recurrent, biases) in lstms.items():
    # Keras' i, f, c, o and torch's i, f, g, o are the same order
    for gate, k, r, b in zip(
      'ifgo', *(np.split(x, 4, axis=-1) for x in (inputs, recurrent, biases)), strict=True
    ):
      tensors[f'params/{layer}/cell/i{gate}/kernel'] = k
      tensors[f'params/{layer}/cell/h{gate}/kernel'] = r
      tensors[f'params/{layer}/cell/h{gate}/bias'] = b
  kernel, bias = weights.permute_labels(kernel, bias, EAN_ORDER)
  return weights.nest(tensors | {'params/logits/kernel': kernel, 'params/logits/bias': bias})


def _torch_shape(shape: Shape) -> Shape:
  # HWIO -> OIHW, (in, out) -> (out, in)
  return (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape[::-1]


def _from_torch_layout(x: np.ndarray) -> np.ndarray:
  return x.transpose(2, 3, 1, 0) if x.ndim == 4 else x.T


def _read_torch(path: Path) -> Tensors:
  try:
    import torch
  except ImportError as error:
    raise UserError('reading .pt files needs torch: pip install -e .[convert]') from error

  try:
    if _is_torchscript(path):
      raise UserError(f'{path} is a TorchScript archive; give the state_dict (.pt) instead')
    state = torch.load(path, map_location='cpu', weights_only=True)
    return {
      name: value.detach().to(torch.float32).numpy()
      for name, value in state.items()
      if not name.endswith('num_batches_tracked')
    }
  except UserError:
    raise
  except Exception as error:  # a file of unknown origin makes torch raise anything
    raise UserError(
      f'{path} is not a torch state_dict of tensors alone ({type(error).__name__}); '
      'files that hold other objects are not opened'
    ) from error


def _is_torchscript(path: Path) -> bool:
  if not zipfile.is_zipfile(path):
    return False
  with zipfile.ZipFile(path) as archive:
    return any(name.endswith('/constants.pkl') for name in archive.namelist())


def describe(path: Path) -> str:
  """Which of the public files this is by its sha256, or that it is none we know."""
  with path.open('rb') as file:
    sha256 = hashlib.file_digest(file, 'sha256').hexdigest()
  if sha256 in KNOWN_FILES:
    return f'{path}: {KNOWN_FILES[sha256]} of EMO-AffectNet'
  return f'{path}: not a file we know: sha256 {sha256}'


def main(argv: list[str]) -> None:
  """The command line. Raises UserError for anything the user can put right."""
  parser = ArgumentParser(prog='python -m emo_jax.convert', description=__doc__)
  formats = parser.add_subparsers(dest='format', required=True)
  for name, what in (('ean-torch', 'state_dict (.pt)'), ('ean-keras', 'weight file (.h5)')):
    command = formats.add_parser(name, help=f'from a {what}')
    command.add_argument('--static', type=Path, help=f'{what} of the face backbone')
    command.add_argument('--dynamic', type=Path, help=f'{what} of the temporal head')
    command.add_argument('--out', type=Path, required=True, help='the .safetensors to write')
  args = parser.parse_args(argv)
  files = [f for f in (args.static, args.dynamic) if f is not None]
  if not files:
    raise UserError('give --static, --dynamic or both')
  if args.out.suffix != '.safetensors':
    raise UserError(f'--out={args.out} must end in .safetensors')
  for file in files:
    if not file.is_file():
      raise UserError(f'no file at {file}')
    print(describe(file))

  static, dynamic = (
    (static_from_torch, dynamic_from_torch)
    if args.format == 'ean-torch'
    else (static_from_keras, dynamic_from_keras)
  )
  backbone = static(args.static) if args.static else None
  head = dynamic(args.dynamic) if args.dynamic else None
  weights.save(args.out, backbone=backbone, head=head)
  print(f'wrote {args.out}')
  print(f'backbone: {weights.tensors_id(backbone) if backbone else "none"}')


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

"""Converts the public EMO-AffectNet weights into the project's weight file.

    python -m emo_jax.convert ean-torch --static=FILE.pt [--dynamic=FILE.pt] --out=FILE.safetensors
    python -m emo_jax.convert ean-keras --static=FILE.h5 [--dynamic=FILE.h5] --out=FILE.safetensors

The static file holds the face backbone, the dynamic one the temporal head; either may be left out.
"""

import argparse
import hashlib
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from emo_jax import weights
from emo_jax.errors import UserError, exit_status
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
_KERAS_LEAVES = {
  'kernel': 'kernel',
  'bias': 'bias',
  'scale': 'gamma',
  'mean': 'moving_mean',
  'var': 'moving_variance',
}

Tensors = dict[str, np.ndarray]


def torch_name(name: str) -> str:
  """What the torch port calls a tensor: `params/conv2_1/3x3/kernel` -> `layer1.0.conv2.weight`."""
  _, *block, layer, leaf = name.split('/')
  parents = ''
  if block:
    stage, number = map(int, block[0].removeprefix('conv').split('_'))
    parents = f'layer{stage - 1}.{number - 1}.'
  return f'{parents}{_TORCH_LAYERS[layer]}.{_TORCH_LEAVES[leaf]}'


def keras_name(name: str) -> str:
  """What Keras calls a tensor: `params/conv2_1/3x3/kernel` -> `conv2_1_3x3/kernel`."""
  _, *layers, leaf = name.split('/')
  leaf = _KERAS_LEAVES[leaf]
  if layers[-1].endswith('_bn'):
    leaf = leaf.replace('bias', 'beta')
  return f'{"_".join(layers)}/{leaf}'


def static_from_torch(path: Path) -> dict:
  """The variables of `FaceBackbone` from a state_dict of the torch port."""
  names = {n: torch_name(n) for n in weights.backbone_shapes()}
  wanted = {names[n]: _torch_shape(s) for n, s in weights.backbone_shapes().items()}
  tensors = _read_torch(path)
  weights.check({n: t.shape for n, t in tensors.items()}, wanted, str(path))
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
  names = {n: keras_name(n) for n in weights.backbone_shapes()}
  wanted = {names[n]: s for n, s in weights.backbone_shapes().items()}
  roles = {'features': (2048, 512), 'classifier': (512, 7)}
  tensors = _read_keras(path, lambda groups: _by_shape(groups, 'kernel', roles), lambda _: wanted)
  return _backbone({n: tensors[names[n]] for n in names})


def dynamic_from_keras(path: Path) -> dict:
  """The variables of the temporal head from the Keras weights of the reference (`LSTM`)."""
  recurrent = {'lstm1': (512, 2048), 'lstm2': (256, 1024)}

  def roles(groups: Mapping) -> dict[str, str]:
    lstms = _by_shape(groups, 'recurrent_kernel', recurrent)
    others = {g: leaves for g, leaves in groups.items() if 'recurrent_kernel' not in leaves}
    return lstms | _by_shape(others, 'kernel', {'logits': (256, 7)})

  def wanted(got: Mapping[str, Shape]) -> dict[str, Shape]:
    shapes = {'logits/kernel': (256, 7), 'logits/bias': (7,)}
    inputs = weights.head_width(got.get('lstm1/kernel'))
    for layer, (units, gates) in recurrent.items():
      shapes[f'{layer}/kernel'] = (inputs, gates)
      shapes[f'{layer}/recurrent_kernel'] = (units, gates)
      shapes[f'{layer}/bias'] = (gates,)
      inputs = units
    return shapes

  tensors = _read_keras(path, roles, wanted)
  lstms = {
    layer: tuple(tensors[f'{layer}/{leaf}'] for leaf in ('kernel', 'recurrent_kernel', 'bias'))
    for layer in recurrent
  }
  return _head(lstms, tensors['logits/kernel'], tensors['logits/bias'])


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


def _read_keras(
  path: Path,
  roles: Callable[[Mapping], dict[str, str]],
  wanted: Callable[[Mapping[str, Shape]], Mapping[str, Shape]],
) -> Tensors:
  """`layer/leaf` -> array, groups of the file named by `roles` or else as they are in the file."""
  try:
    import h5py
  except ImportError as error:
    raise UserError('reading .h5 files needs h5py: pip install -e .[convert]') from error

  try:
    with h5py.File(path, 'r') as file:
      groups = _keras_groups(file.get('model_weights', file), h5py.Dataset)
      layers = roles(groups)
      for group in groups:
        name = group.rsplit('/', 1)[-1]
        layers.setdefault(group, group if name in layers.values() else name)
      data = {f'{layers[g]}/{leaf}': x for g, named in groups.items() for leaf, x in named.items()}
      got = {n: x.shape for n, x in data.items()}
      weights.check(got, wanted(got), str(path))
      return {n: np.asarray(x[()], np.float32) for n, x in data.items()}
  except UserError:
    raise
  except Exception as error:  # a file of unknown origin makes h5py raise anything
    raise UserError(f'{path} is not a Keras .h5 weight file ({type(error).__name__})') from error


def _keras_groups(root, dataset: type) -> dict[str, dict]:
  groups: dict[str, dict] = {}

  def visit(name: str, node: object):
    if isinstance(node, dataset):
      group, _, leaf = name.rpartition('/')
      groups.setdefault(group, {})[leaf.removesuffix(':0')] = node

  root.visititems(visit)
  return groups


def _by_shape(groups: Mapping, leaf: str, roles: Mapping[str, Shape]) -> dict[str, str]:
  """Group -> role of layers with made-up names: by name, by shape, then the last one left."""
  rank = len(next(iter(roles.values())))
  open_groups = [g for g, x in groups.items() if leaf in x and x[leaf].ndim == rank]
  found = {g: role for role in roles for g in open_groups if g.rsplit('/', 1)[-1] == role}
  for role, shape in roles.items():
    same = [g for g in open_groups if g not in found and groups[g][leaf].shape == shape]
    if role not in found.values() and len(same) == 1:
      found[same[0]] = role
  left = [g for g in open_groups if g not in found]
  missing = [role for role in roles if role not in found.values()]
  return found | (dict(zip(left, missing, strict=True)) if len(left) == len(missing) == 1 else {})


def describe(path: Path) -> str:
  """Which of the public files this is by its sha256, or that it is none we know."""
  with path.open('rb') as file:
    sha256 = hashlib.file_digest(file, 'sha256').hexdigest()
  if sha256 in KNOWN_FILES:
    return f'{path}: {KNOWN_FILES[sha256]} of EMO-AffectNet'
  return f'{path}: not a file we know: sha256 {sha256}'


class _Parser(argparse.ArgumentParser):
  def error(self, message: str):
    raise UserError(f'{message}; see python -m emo_jax.convert --help')


def main(argv: list[str]) -> None:
  """The command line. Raises UserError for anything the user can put right."""
  parser = _Parser(prog='python -m emo_jax.convert', description=__doc__.splitlines()[0])
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
  print(f'backbone: {weights.backbone_id(backbone) if backbone else "none"}')


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

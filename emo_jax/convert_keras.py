"""Reads the Keras weight files (.h5) of EMO-AffectNet, whose layers may have made-up names."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from emo_jax import weights
from emo_jax.errors import UserError
from emo_jax.weights import Shape

_KERAS_LEAVES = {
  'kernel': 'kernel',
  'bias': 'bias',
  'scale': 'gamma',
  'mean': 'moving_mean',
  'var': 'moving_variance',
}

Tensors = dict[str, np.ndarray]


def _keras_name(name: str) -> str:
  """What Keras calls a tensor: `params/conv2_1/3x3/kernel` -> `conv2_1_3x3/kernel`."""
  _, *layers, leaf = name.split('/')
  leaf = _KERAS_LEAVES[leaf]
  if layers[-1].endswith('_bn'):
    leaf = leaf.replace('bias', 'beta')
  return f'{"_".join(layers)}/{leaf}'


def read_static(path: Path) -> Tensors:
  """The tensors of `FaceBackbone` from the Keras weights of the reference (`EE`), by our names."""
  names = {n: _keras_name(n) for n in weights.backbone_shapes()}
  wanted = {names[n]: s for n, s in weights.backbone_shapes().items()}
  roles = {'features': (2048, 512), 'classifier': (512, 7)}
  tensors = _read(path, lambda groups: _by_shape(groups, 'kernel', roles), lambda _: wanted)
  return {n: tensors[names[n]] for n in names}


def read_dynamic(path: Path) -> tuple[dict[str, tuple], np.ndarray, np.ndarray]:
  """The temporal head from the Keras weights of the reference (`LSTM`).

  Returns:
    LSTM -> its kernel [in, 4 * units], recurrent kernel [units, 4 * units] and bias [4 * units];
    kernel [256, 7] and bias [7] of the last layer.
  """
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

  tensors = _read(path, roles, wanted)
  lstms = {
    layer: tuple(tensors[f'{layer}/{leaf}'] for leaf in ('kernel', 'recurrent_kernel', 'bias'))
    for layer in recurrent
  }
  return lstms, tensors['logits/kernel'], tensors['logits/bias']


def _read(
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
      groups = _layer_groups(file.get('model_weights', file), h5py.Dataset)
      layers = roles(groups)
      for group in groups:
        name = group.rsplit('/', 1)[-1]
        layers.setdefault(group, group if name in layers.values() else name)
      data = {f'{layers[g]}/{leaf}': x for g, named in groups.items() for leaf, x in named.items()}
      got = {n: x.shape for n, x in data.items()}
      weights.check(got, wanted(got), str(path))
      tensors = {n: np.asarray(x[()], np.float32) for n, x in data.items()}
      weights.check_finite(tensors, str(path))
      return tensors
  except UserError:
    raise
  except Exception as error:  # a file of unknown origin makes h5py raise anything
    raise UserError(f'{path} is not a Keras .h5 weight file ({type(error).__name__})') from error


def _layer_groups(root, dataset: type) -> dict[str, dict]:
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

"""The project's weight files: name-keyed safetensors that carry their label names.

A file holds a face backbone (`backbone/params/...`, `backbone/batch_stats/...`), a temporal head
(`head/params/...`) or both. Every name and every shape is checked against the tables here.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from emo_jax import files
from emo_jax.errors import UserError
from emo_jax.labels import EMOTIONS

FORMAT = 1
FEATURES = 512
HEAD_WIDTHS = (512, 596)  # EAN reads the face alone, EANwH the hands (84) beside it

# Stage -> width of the inner convolutions, channels out, blocks (reference code, `RESNET50`).
RESNET_STAGES = {2: (64, 256, 3), 3: (128, 512, 4), 4: (256, 1024, 6), 5: (512, 2048, 3)}

# One JSON text under one key: the order of several keys in a safetensors header is not fixed.
_METADATA_KEY = 'emo_jax'
_CLASS_LAYERS = ('backbone/params/classifier', 'head/params/logits')
_LISTED = 8

Shape = tuple[int, ...]


def backbone_shapes() -> dict[str, Shape]:
  """Name -> shape of every tensor of the face backbone, statistics included: 24,613,831 numbers."""
  shapes = _conv_bn_shapes('conv1_7x7_s2', 7, 3, 64)
  channels = 64
  for stage, (width, filters, blocks) in RESNET_STAGES.items():
    for block in range(1, blocks + 1):
      name = f'conv{stage}_{block}'
      shapes |= _conv_bn_shapes(f'{name}/1x1_reduce', 1, channels, width)
      shapes |= _conv_bn_shapes(f'{name}/3x3', 3, width, width)
      shapes |= _conv_bn_shapes(f'{name}/1x1_increase', 1, width, filters)
      if block == 1:
        shapes |= _conv_bn_shapes(f'{name}/1x1_proj', 1, channels, filters)
      channels = filters
  shapes |= _dense_shapes('features', channels, FEATURES)
  return shapes | _dense_shapes('classifier', FEATURES)


def head_shapes(width: int) -> dict[str, Shape]:
  """Name -> shape of every tensor of the temporal head that reads `width` numbers per frame."""
  shapes = {}
  for layer, inputs, units in (('lstm1', width, 512), ('lstm2', 512, 256)):
    for gate in 'ifgo':
      shapes[f'params/{layer}/cell/i{gate}/kernel'] = (inputs, units)
      shapes[f'params/{layer}/cell/h{gate}/kernel'] = (units, units)
      shapes[f'params/{layer}/cell/h{gate}/bias'] = (units,)
  return shapes | _dense_shapes('logits', 256)


def _conv_bn_shapes(name: str, size: int, inputs: int, filters: int) -> dict[str, Shape]:
  return {
    f'params/{name}/kernel': (size, size, inputs, filters),
    f'params/{name}_bn/scale': (filters,),
    f'params/{name}_bn/bias': (filters,),
    f'batch_stats/{name}_bn/mean': (filters,),
    f'batch_stats/{name}_bn/var': (filters,),
  }


def _dense_shapes(name: str, inputs: int, outputs: int = len(EMOTIONS)) -> dict[str, Shape]:
  return {f'params/{name}/kernel': (inputs, outputs), f'params/{name}/bias': (outputs,)}


def nest(flat: Mapping[str, Any]) -> dict:
  """`{'a/b': x}` -> `{'a': {'b': x}}`."""
  tree: dict = {}
  for name, value in flat.items():
    *parents, leaf = name.split('/')
    node = tree
    for parent in parents:
      node = node.setdefault(parent, {})
    node[leaf] = value
  return tree


def flatten(tree: Mapping, prefix: str = '') -> dict[str, np.ndarray]:
  """`{'a': {'b': x}}` -> `{'a/b': x}`, the leaves as float32 numpy arrays."""
  flat = {}
  for name, value in tree.items():
    if isinstance(value, Mapping):
      flat |= flatten(value, f'{prefix}{name}/')
    else:
      flat[f'{prefix}{name}'] = np.ascontiguousarray(value, np.float32)
  return flat


def check(got: Mapping[str, Shape], wanted: Mapping[str, Shape], what: str):
  """Raises UserError, listing what is missing, extra or of another shape, unless both agree."""
  missing = [n for n in wanted if n not in got]
  extra = [n for n in got if n not in wanted]
  wrong = [
    f'{n} has shape {tuple(got[n])}, wanted {wanted[n]}'
    for n in wanted
    if n in got and tuple(got[n]) != wanted[n]
  ]
  problems = []
  if wrong:
    problems.append(_listed(wrong, '; '))
  if missing:
    problems.append(f'missing: {_listed(missing)}')
  if extra:
    problems.append(f'extra: {_listed(extra)}')
  if problems:
    raise UserError(f'{what} does not hold the expected tensors: {"; ".join(problems)}')


def check_finite(tensors: Mapping[str, np.ndarray], what: str):
  """Raises UserError, listing the tensors, if one holds NaN or infinity."""
  broken = sorted(n for n, t in tensors.items() if not np.isfinite(t).all())
  if broken:
    raise UserError(f'{what} holds numbers that are not finite in {_listed(broken)}')


def _listed(items: Sequence[str], separator: str = ', ') -> str:
  more = len(items) - _LISTED
  return separator.join(items[:_LISTED]) + (f' and {more} more' if more > 0 else '')


def head_width(got: Shape | None) -> int:
  """The input width of the head whose `lstm1` input kernel has shape `got`; EAN's if unknown."""
  return got[0] if got and got[0] in HEAD_WIDTHS else FEATURES


def permute_labels(
  kernel: np.ndarray, bias: np.ndarray, labels: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
  """A last layer [in, 7], [7] whose outputs are `labels`, brought into the order of EMOTIONS."""
  order = [list(labels).index(name) for name in EMOTIONS]
  return np.ascontiguousarray(kernel[:, order]), np.ascontiguousarray(bias[order])


def tensors_id(tree: Mapping) -> str:
  """The sha256 of a network's tensors (names, shapes, bytes), whatever file they came in."""
  digest = hashlib.sha256()
  for name, value in sorted(flatten(tree).items()):
    digest.update(f'{name} {value.shape}\n'.encode())
    digest.update(value.astype('<f4', copy=False).tobytes())
  return digest.hexdigest()


def save(
  path: str | os.PathLike,
  *,
  backbone: Mapping | None = None,
  head: Mapping | None = None,
  labels: Sequence[str] = EMOTIONS,
):
  """Writes a weight file; the same tensors and labels give the same bytes.

  Args:
    path: of the file; its folder is made, and a file already there is replaced as a whole.
    backbone: variables of `FaceBackbone`.
    head: variables of the temporal model.
    labels: what the outputs of the last layers stand for, in their order.

  Raises:
    UserError: the variables are not those of a backbone or head, or the file cannot be written.
  """
  path = Path(path)
  tensors = flatten({k: v for k, v in (('backbone', backbone), ('head', head)) if v is not None})
  _check_tensors(tensors, 'what is to be saved')
  _check_labels(labels, 'what is to be saved')
  metadata = {_METADATA_KEY: json.dumps({'format': FORMAT, 'labels': list(labels)})}
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(path) as partial:
      partial.write_bytes(safetensors.numpy.save(tensors, metadata))
  except OSError as error:
    raise UserError(f'cannot write {path}: {error.strerror}') from error


def load(path: str | os.PathLike) -> dict:
  """Reads a weight file.

  Returns:
    `dict(backbone, head, labels, info)`: variables (nested dicts of float32 arrays) or None where
    the file has none; the labels, always EMOTIONS in order: last layers of another order are
    permuted by name; `info` with `path`, `format`, and `backbone_sha256` where there is a backbone.

  Raises:
    UserError: no such file, not a weight file of this project, or tensors or labels that are not
      the expected ones; the message names them.
  """
  tensors, metadata = _read(Path(path))
  _check_tensors(tensors, str(path))
  _check_labels(metadata.get('labels'), str(path))
  for layer in _CLASS_LAYERS:
    kernel, bias = f'{layer}/kernel', f'{layer}/bias'
    if kernel in tensors:
      tensors[kernel], tensors[bias] = permute_labels(
        tensors[kernel], tensors[bias], metadata['labels']
      )
  tree = nest(tensors)
  backbone, head = tree.get('backbone'), tree.get('head')
  info = dict(path=str(path), format=FORMAT)
  if backbone is not None:
    info['backbone_sha256'] = tensors_id(backbone)
  return dict(backbone=backbone, head=head, labels=list(EMOTIONS), info=info)


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict]:
  if not path.is_file():
    raise UserError(f'no weight file at {path}')
  remedy = 'make one with `python -m emo_jax.convert`'
  try:
    with safetensors.safe_open(path, framework='numpy') as file:
      metadata = json.loads((file.metadata() or {}).get(_METADATA_KEY, 'null'))
      dtypes = {n: file.get_slice(n).get_dtype() for n in file.keys()}  # noqa: SIM118
      other = sorted(n for n in dtypes if dtypes[n] != 'F32')
      if other:
        raise UserError(f'{path}: {other[0]} is {dtypes[other[0]]}, wanted F32')
      tensors = {n: file.get_tensor(n) for n in dtypes}
  except (safetensors.SafetensorError, OSError, ValueError) as error:
    raise UserError(f'{path} is not a readable safetensors file: {remedy}') from error
  if not isinstance(metadata, dict) or metadata.get('format') != FORMAT:
    raise UserError(f'{path} is no weight file of format {FORMAT} of this project: {remedy}')
  return tensors, metadata


def _check_tensors(tensors: Mapping[str, np.ndarray], what: str):
  got = {n: t.shape for n, t in tensors.items()}
  wanted = {}
  if not got or any(n.startswith('backbone/') for n in got):
    wanted |= {f'backbone/{n}': s for n, s in backbone_shapes().items()}
  if any(n.startswith('head/') for n in got):
    width = head_width(got.get('head/params/lstm1/cell/ii/kernel'))
    wanted |= {f'head/{n}': s for n, s in head_shapes(width).items()}
  check(got, wanted, what)
  check_finite(tensors, what)


def _check_labels(labels: object, what: str):
  if not isinstance(labels, (list, tuple)) or sorted(map(str, labels)) != sorted(EMOTIONS):
    raise UserError(f'{what} has the labels {labels}, wanted each of {", ".join(EMOTIONS)} once')

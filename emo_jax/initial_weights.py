"""What a head's training starts from: fresh parameters, or those of converted weights."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from emo_jax import inference, input_pipeline, labels, weights
from emo_jax.errors import UserError
from emo_jax.models import resnet
from emo_jax.models.static import StaticModel


def params(config: Mapping[str, Any], model: nn.Module, key: Mapping[str, str]) -> Any:
  """Parameters to begin with, by `config.seed` and `config.init_weights`.

  Args:
    config: of the run.
    model: `inference.build_model` of it.
    key: compatibility key of the features that are to be read.

  Raises:
    UserError: as `converted`.
  """
  fresh = inference.initial_params(model, config['seed'], input_pipeline.STREAM_WIDTHS)
  path = config['init_weights']
  if 'backbone' in fresh:
    fresh['backbone'] = _backbone(path, key)
  if not path:
    return fresh
  return converted(fresh, path, config['task'], model, key, config['hand_start'])


def _backbone(path: str, key: Mapping[str, str]) -> Any:
  """The backbone to fine-tune: that of the file, or a random one where the features are of one."""
  if path:
    loaded = weights.load(path)
    if loaded['backbone'] is None:
      raise UserError(f'{path} has no backbone to fine-tune: convert one with --static')
    return loaded['backbone']
  if ':' not in key['backbone']:
    raise UserError(
      'no backbone to fine-tune: give --config.init_weights=FILE, made by '
      'python -m emo_jax.convert with --static'
    )
  return resnet.random_variables(0)


def converted(
  params: Any,
  path: str,
  task: str,
  model: nn.Module,
  key: Mapping[str, str],
  hand_start: str = 'zero',
) -> Any:
  """`params` with a converted head's values. A static model takes the backbone's own class layer.

  Input rows the file lacks (the hands') become zero, so that the start is the face model itself; or
  stay as they are in `params` (`hand_start='fresh'`).

  Raises:
    UserError: the file has no such part, one of another shape or for other labels, or its backbone
      is another than the features were made with.
  """
  loaded = weights.load(path)
  if tuple(loaded['labels']) != labels.names(task):
    raise UserError(f'{path} recognises {", ".join(loaded["labels"])}, not the labels of {task}')
  own_backbone = loaded['info'].get('backbone_sha256', key['backbone'])
  if own_backbone != key['backbone'] and ':' not in key['backbone']:
    raise UserError(
      f'{path} belongs to the backbone {own_backbone}, the features are of {key["backbone"]}: '
      'extract them with these weights, or convert the head without --static'
    )
  if isinstance(model, StaticModel):
    if loaded['backbone'] is None:
      raise UserError(f'{path} has no backbone, whose class layer is the static model')
    given_params = dict(logits=loaded['backbone']['params']['classifier'])
  elif loaded['head'] is None:
    raise UserError(f'{path} has no temporal head: convert one with --dynamic')
  else:
    given_params = loaded['head']['params']
  if 'backbone' in params:
    given_params = given_params | dict(backbone=params['backbone'])

  def fill(path_in_tree, own, given):
    name = jax.tree_util.keystr(path_in_tree, simple=True, separator='/')
    extra = own.shape[0] - given.shape[0] if name.startswith('lstm1/cell/i') else 0
    if own.shape != (given.shape[0] + extra, *given.shape[1:]) or extra < 0:
      raise UserError(f'{path}: {name} is {list(given.shape)}, the model needs {list(own.shape)}')
    rows = np.asarray(own)[len(given) :]
    return np.concatenate([given, rows if hand_start == 'fresh' else np.zeros_like(rows)])

  return jax.tree_util.tree_map_with_path(fill, params, given_params)

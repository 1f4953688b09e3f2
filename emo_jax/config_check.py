"""What a run's config may hold; checked before anything is read or written."""

import math
from collections.abc import Mapping
from typing import Any

from emo_jax import coverage, input_pipeline, labels, metrics_log, preprocess, resident
from emo_jax.errors import UserError, require
from emo_jax.models import lstm, resnet

_CHOICES = {
  'temporal': ('windows', 'sequence'),
  'model.kind': ('lstm', 'static'),
  'model.lstm': ('auto', *lstm.WAYS),
  'hand_frame': preprocess.HAND_FRAMES,
  'hand_start': ('zero', 'fresh'),
  'folds.validation': ('none', 'next'),
  'no_face': preprocess.NO_FACE,
  'train.low_coverage': coverage.CHOICES,
  'train.segment': preprocess.SEGMENTS,
  'train.input': ('auto', 'resident', 'streamed'),
  'train.resident_dtype': resident.DTYPES,
  'eval.segment': preprocess.SEGMENTS,
  'train.class_weights': ('none', 'balanced'),
  'eval.aggregate': ('mean', 'mode'),
  'select': ('best_val', 'last'),
  'tracker': metrics_log.TRACKERS,
  'optim.name': ('adamw', 'adam', 'sgd'),
  'optim.schedule': ('cosine', 'constant'),
}

# Lowest and highest value, both allowed.
_RANGES = {
  'seed': (0, 2**31 - 1),
  'repeats': (1, 1000),
  'heads_at_once': (0, math.inf),
  'folds.count': (0, math.inf),
  'devices': (0, math.inf),
  'model.dropout': (0, 0.99),
  'train.batch_size': (1, math.inf),
  'train.total_epochs': (0, math.inf),
  'train.total_steps': (0, math.inf),
  'train.steps_at_once': (0, math.inf),
  'train.label_smoothing': (0, 0.99),
  'finetune.augmentation.flip': (0, 1),
  'finetune.augmentation.rotation': (0, 180),
  'finetune.augmentation.scale': (0, 0.9),
  'finetune.augmentation.shift': (0, 0.9),
  'finetune.augmentation.contrast': (0, 0.9),
  'finetune.mixup': (0, math.inf),
  'eval.batch_size': (1, math.inf),
  'eval.draws': (1, math.inf),
  'optim.learning_rate': (0, math.inf),
  'optim.warmup_share': (0, 1),
  'optim.clip_norm': (0, math.inf),
  'optim.weight_decay': (0, math.inf),
  'log_steps': (1, math.inf),
  'checkpoint_steps': (1, math.inf),
}


def check(config: Mapping[str, Any]) -> None:
  """Raises UserError, naming the field, for a value that no run can use."""
  labels.names(config['task'])
  for path, known in _CHOICES.items():
    require(_field(config, path), known, f'config.{path}')
  for path, (low, high) in _RANGES.items():
    _check_range(path, _field(config, path), low, high)
  for what, limit in config['min_coverage'].items():
    require(what, coverage.SHARES, 'a limit of config.min_coverage')
    _check_range(f'min_coverage.{what}', limit, 0, 1)
  first, last = config['profile']
  if not 0 <= first <= last:
    raise UserError(f'config.profile is {first}, {last}: it is a first and a last step')
  _check_duration(config)
  _check_decay(config['optim'])
  _check_model(config)
  _check_corpora(config)
  _check_crops(config)


def training_part(config: Mapping[str, Any]) -> dict[str, Any]:
  """The config without what has no bearing on its heads: two runs that agree in it need only one
  training."""
  part = {k: v for k, v in config.items() if k not in ('name', 'row', 'paper', 'used')}
  for name in ('data', 'embedded'):
    part[name] = {k: v for k, v in config[name].items() if k != 'test'}
  part['eval'] = {'aggregate': config['eval']['aggregate']}
  return part


def _field(config: Mapping[str, Any], path: str) -> Any:
  for name in path.split('.'):
    config = config[name]
  return config


def _check_range(path: str, value: float | int, low: float | int, high: float | int) -> None:
  if not low <= value <= high:
    top = '' if high == math.inf else f' and at most {high}'
    raise UserError(f'config.{path} is {value}; it must be at least {low}{top}')


def _check_decay(optim: Mapping[str, Any]) -> None:
  if optim['name'] == 'adam' and optim['weight_decay']:
    raise UserError(
      f'config.optim.weight_decay is {optim["weight_decay"]}, which adam does not apply: set it to '
      '0 or config.optim.name to adamw'
    )


def _check_duration(config: Mapping[str, Any]) -> None:
  epochs, steps = config['train']['total_epochs'], config['train']['total_steps']
  if bool(epochs) == bool(steps):
    raise UserError(
      f'config.train.total_epochs={epochs} and total_steps={steps}: give one, set the other to 0'
    )


def _check_corpora(config: Mapping[str, Any]) -> None:
  """What is trained, selected and tested on has to fit together."""
  how = config['folds']['validation']
  for part in ('data', 'embedded'):
    names = config[part]
    if names['folds'] and names['test']:
      raise UserError(
        f'config.{part}.folds is {names["folds"]!r}, which is tested on fold by fold: set '
        f'config.{part}.test to ()'
      )
    if names['folds'] and names['validation']:
      raise UserError(
        f'config.{part}.folds and .validation are both given: set the latter to an empty text and '
        "choose config.folds.validation, 'next' or 'none'"
      )
    selected = names['validation'] or (names['folds'] and how == 'next')
    if (names['train'] or names['folds']) and not selected and config['select'] != 'last':
      raise UserError(
        f'config.select is {config["select"]!r}, but there is nothing to select on: set it to '
        "'last', or name config.data.validation or config.folds.validation='next'"
      )


def _check_model(config: Mapping[str, Any]) -> None:
  inputs, hidden = tuple(config['model']['inputs']), tuple(config['model']['hidden'])
  known = (*input_pipeline.STREAM_WIDTHS, input_pipeline.CROPS)
  if not inputs or len(set(inputs)) < len(inputs) or not set(inputs) <= set(known):
    raise UserError(f'config.model.inputs is {inputs}; it must name some of {known}, each once')
  frozen = tuple(config['train']['freeze'])
  if not set(frozen) < {'lstm1', 'lstm2', 'logits'}:
    raise UserError(
      f'config.train.freeze is {frozen}; it must name some, not all, of lstm1, lstm2, logits'
    )
  if 'lstm1' in frozen and config['init_weights'] and 'hands' in inputs:
    raise UserError(
      'config.train.freeze holds lstm1, whose inputs from the hands init_weights does not have: '
      'they would never be learnt'
    )
  if config['model']['kind'] == 'static' and config['data']['train']:
    raise UserError(
      "config.model.kind is 'static', which has nothing to train: set data.train to ''"
    )
  if config['model']['kind'] == 'static' and config['temporal'] != 'sequence':
    raise UserError(
      "config.model.kind is 'static', which reads whole clips: set config.temporal to 'sequence'"
    )
  if len(hidden) != 2 or not all(isinstance(n, int) and n > 0 for n in hidden):
    raise UserError(f'config.model.hidden is {hidden}; it must be the units of two layers')
  if config['init_weights'] and inputs[0] not in ('face', input_pipeline.CROPS):
    raise UserError(
      f"config.model.inputs is {inputs}; with init_weights it must begin with 'face', which the "
      'weights were trained on'
    )


def _check_crops(config: Mapping[str, Any]) -> None:
  """What only face crops can do is not asked of features, nor the other way round."""
  inputs, how = config['model']['inputs'], config['finetune']
  for stage in how['stages']:
    require(stage, resnet.STAGES, 'a stage of config.finetune.stages')
  if input_pipeline.CROPS not in inputs:
    if how['stages'] or how['mixup'] or any(how['augmentation'].values()):
      raise UserError(
        f'config.finetune is of face crops, but config.model.inputs is {tuple(inputs)}: put '
        "'crops' in the place of 'face', as configs/finetune.py does"
      )
    return
  if 'face' in inputs:
    raise UserError("config.model.inputs names 'crops' and 'face', which is made of them: take one")
  if config['train']['input'] != 'streamed' or config['heads_at_once'] != 1:
    raise UserError(
      'face crops are streamed, one head at a time: give --config.train.input=streamed and '
      '--config.heads_at_once=1'
    )

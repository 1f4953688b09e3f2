"""A model's predictions for every clip of a split, each once, on any number of devices and
processes."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from emo_jax import (
  corpora,
  coverage,
  input_pipeline,
  labels,
  metrics,
  parallel,
  predictions,
  preprocess,
  processes,
)
from emo_jax.augmentation import Augmentation
from emo_jax.corpora import Split
from emo_jax.models import lstm
from emo_jax.models.ean import Model
from emo_jax.models.static import StaticModel
from emo_jax.predictions import Prediction
from emo_jax.recipe import Recipe
from emo_jax.survey import survey
from emo_jax.video.clip import Clip


def build_model(config: Mapping[str, Any], trained: bool = False) -> Model | StaticModel:
  """The model a run's config describes; one that was `trained` by cuDNN does without it too."""
  if config['model'].get('kind') == 'static':
    return StaticModel(len(labels.names(config['task'])))
  window = preprocess.WINDOW if config['temporal'] == 'windows' else None
  wanted, platform = config['model'], parallel.platform()
  # Runs of earlier versions had no choice.
  way = wanted.get('lstm', 'auto')
  if trained and way == 'cudnn' and platform != 'gpu':
    way = 'auto'
  return Model(
    num_labels=len(labels.names(config['task'])),
    inputs=tuple(wanted['inputs']),
    hidden=tuple(wanted['hidden']),
    dropout=wanted['dropout'],
    window=window,
    lstm=lstm.choose(way, platform),
    stages=tuple(config.get('finetune', {}).get('stages', ())),
    backbone_dtype=jnp.float32 if platform == 'cpu' else jnp.bfloat16,
  )


def recipe(config: Mapping[str, Any], part: str, devices: int, segment: str = '') -> Recipe:
  """How clips are prepared for `part` (`train` or `eval`) of a run.

  Args:
    config: of the run.
    part: its batch size and segment.
    devices: over how many a batch is split. Of several processes each evaluates its share of the
      clips on its own, in its share of the batch size.
    segment: instead of the part's.
  """
  alone = processes.count() if part == 'eval' else 1
  return Recipe(
    task=config['task'],
    # Runs of earlier versions had no limit.
    min_coverage=config.get('min_coverage', {}),
    segment=segment or config[part]['segment'],
    no_face=config['no_face'],
    hand_frame=config.get('hand_frame', 'canonical'),
    temporal=config['temporal'],
    batch_size=-(-config[part]['batch_size'] // alone),
    devices=devices,
    seed=config['seed'],
    inputs=tuple(config['model']['inputs']),
    augmentation=Augmentation(**config['finetune']['augmentation'])
    if part == 'train' and 'finetune' in config
    else Augmentation(),
  )


def one_by_one(config: Mapping[str, Any]) -> dict[str, Any]:
  """A run's config for evaluating single clips on one device: an hour of video padded to a whole
  batch would fill the memory. Batches and devices change no probability. Of random segments the
  first is read."""
  return {**config, 'devices': 1, 'eval': {**config['eval'], 'batch_size': 1, 'draws': 1}}


def single(clip: Clip, clip_id: str, key: Mapping[str, str]) -> Split:
  """A split of one unlabelled clip under its id and the key of its features."""
  raw = vars(clip) | dict(id=clip_id.encode(), labels={})
  return Split(spec=clip_id, source=[raw], key=dict(key), tasks=())


def predict_step(model: nn.Module, aggregate: str) -> Callable:
  """A step for one device: (params, batch) -> [B, k] probabilities of clips, zeros without rows.

  `mean`: the mean of the rows' probabilities (the reference's notebooks); `mode`: the share of
  rows that decide for each label (its `run.py`, which takes the most frequent).
  """

  def step(params, batch):
    logits = model.apply({'params': params}, batch)
    rows = batch['rows']
    each = (
      jax.nn.softmax(logits)
      if aggregate == 'mean'
      else jax.nn.one_hot(logits.argmax(-1), logits.shape[-1])
    )
    weighted = each * rows['weight'][:, None]
    return jax.ops.segment_sum(weighted, rows['clip'], num_segments=batch['mask'].shape[0])

  return step


class Predictor:
  """Runs a model over splits; programs compiled for one split serve the next of like shapes."""

  def __init__(self, model: nn.Module, aggregate: str, devices: list[jax.Device]):
    self._step = parallel.spread(predict_step(model, aggregate), devices)

  def __call__(
    self,
    params: Any,
    split: Split,
    how: Recipe,
    frames: int,
    temperature: float = 1.0,
    draw: int = 0,
  ) -> list[Prediction]:
    """Predictions in stored order.

    Args:
      params: the model's, with a copy per device.
      split: the clips.
      how: how they are prepared.
      frames: to which they are padded (emo_jax.survey).
      temperature: see emo_jax.metrics.with_temperature.
      draw: number of the random segment.
    """
    names, found = labels.names(how.task), []
    own = corpora.own_share(split)
    for examples, batch in input_pipeline.evaluation_batches(own, how, frames, draw):
      p = np.asarray(self._step(params, batch), np.float64).reshape(-1, len(names))
      p = p[batch['mask'].reshape(-1)]
      total = p.sum(-1, keepdims=True)
      p = np.where(total > 0, p / np.maximum(total, 1e-12), 1 / len(names))
      p = metrics.with_temperature(p, temperature)
      for example, row in zip(examples, p, strict=True):
        true = None if example.label == labels.UNKNOWN else names[example.label]
        probabilities = {name: float(x) for name, x in zip(names, row, strict=True)}
        low = coverage.low(example.coverage, how.min_coverage)
        marks = [what for what, is_low in low.items() if is_low]
        has_face = example.length > 0
        found.append(
          Prediction(
            example.id,
            true,
            probabilities,
            has_face,
            example.coverage,
            marks,
            example.signer,
            example.utterance,
            how.seed,
            draw,
          )
        )
      processes.beat()
    return predictions.of_all_processes(found)


@functools.lru_cache(maxsize=2)
def _predictor(model: nn.Module, aggregate: str, devices: tuple[jax.Device, ...]) -> Predictor:
  """The heads of several seeds or folds share the programs compiled for one."""
  return Predictor(model, aggregate, list(devices))


class Trained:
  """A run's selected model with its evaluation recipe: what a run says of any clip comes from here.

  Attributes:
    config: of the run.
  """

  def __init__(self, config: Mapping[str, Any], params: Any, temperature: float):
    """Takes the run's config, selected parameters on the host and fitted temperature."""
    self.config, self._temperature = config, temperature
    self._devices = parallel.devices(config['devices'])
    self._predict = _predictor(
      build_model(config, trained=True), config['eval']['aggregate'], tuple(self._devices)
    )
    self._params = parallel.replicate(params, self._devices)

  def __call__(self, split: Split, segment: str = '') -> list[Prediction]:
    """Predictions of a split's clips in stored order, over the run's own segment by default.

    Of a random segment they are repeated for each of `config.eval.draws`.
    """
    how = recipe(self.config, 'eval', len(self._devices), segment)
    frames = survey(split, how.task).frames
    # Runs of earlier versions drew once.
    draws = self.config['eval'].get('draws', 1) if how.segment == 'random_2s' else 1
    return [
      prediction
      for draw in range(draws)
      for prediction in self._predict(self._params, split, how, frames, self._temperature, draw)
    ]


def trained_head(config: Mapping[str, Any], seed: int, params: Any, temperature: float) -> Trained:
  """One of a run's heads, whose random draws are of its own seed."""
  return Trained({**config, 'seed': seed}, params, temperature)


def initial_params(model: nn.Module, seed: int, widths: Mapping[str, int]) -> Any:
  """Fresh parameters for streams of the given widths."""
  streams = {name: jnp.zeros((1, preprocess.WINDOW, width)) for name, width in widths.items()}
  crops = (1, preprocess.WINDOW, *input_pipeline.CROP_SHAPE)
  streams[input_pipeline.CROPS] = jnp.zeros(crops, jnp.uint8)
  length = {name: jnp.full(1, preprocess.WINDOW) for name in streams}
  return _initial(model, jax.random.key(seed), dict(streams=streams, length=length))['params']


@functools.partial(jax.jit, static_argnums=0)
def _initial(model: nn.Module, key: Any, batch: Any) -> Any:
  """As one program, which is kept between runs; one by one its parts take seconds."""
  return model.init(key, batch)

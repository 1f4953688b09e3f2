"""Training a temporal head on stored features: fit, select on validation, test once, report."""

import dataclasses
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from emo_jax import (
  corpora,
  inference,
  input_pipeline,
  labels,
  metrics,
  optimizers,
  parallel,
  predictions,
  preprocess,
  run_dir,
  train_step,
  weights,
)
from emo_jax.checkpoints import Checkpoints
from emo_jax.errors import UserError
from emo_jax.train_step import NEVER, State


@dataclasses.dataclass(frozen=True)
class Fitted:
  """What training ends with.

  Attributes:
    params: the selected ones, on the host.
    step: at which they were reached.
    temperature: fitted on the validation split.
  """

  params: Any
  step: int
  temperature: float


def total_steps(config: Mapping[str, Any], steps_per_epoch: int) -> int:
  """How long to train: `total_epochs` or `total_steps`. Raises UserError unless one is given."""
  epochs, steps = config['train']['total_epochs'], config['train']['total_steps']
  if bool(epochs) == bool(steps):
    raise UserError(
      f'config.train.total_epochs={epochs} and total_steps={steps}: give one, set the other to 0'
    )
  return steps or max(1, round(epochs * steps_per_epoch))


def class_weights(label: np.ndarray, num_labels: int, rule: str) -> np.ndarray:
  """[k] float32: `balanced` is n / (k * count), so that every class weighs the same in sum."""
  preprocess.require(rule, ('none', 'balanced'), 'config.train.class_weights')
  if rule == 'none':
    return np.ones(num_labels, np.float32)
  count = np.bincount(label, minlength=num_labels)
  return np.where(count > 0, len(label) / (num_labels * np.maximum(count, 1)), 0).astype(np.float32)


def with_initial_weights(params: Any, path: str, task: str) -> Any:
  """`params` with a converted head's values; input rows the file lacks (the hands') become zero, so
  that the start is the face model itself. Raises UserError if it has no head of this shape."""
  loaded = weights.load(path)
  if loaded['head'] is None:
    raise UserError(f'{path} has no temporal head: convert one with --dynamic')
  if tuple(loaded['labels']) != labels.names(task):
    raise UserError(f'{path} recognises {", ".join(loaded["labels"])}, not the labels of {task}')

  def fill(path_in_tree, own, given):
    extra = own.shape[0] - given.shape[0]
    if own.shape[1:] != given.shape[1:] or extra < 0:
      name = jax.tree_util.keystr(path_in_tree, simple=True, separator='/')
      raise UserError(f'{path}: {name} is {list(given.shape)}, the model needs {list(own.shape)}')
    return np.pad(given, [(0, extra)] + [(0, 0)] * (given.ndim - 1))

  return jax.tree_util.tree_map_with_path(fill, params, loaded['head']['params'])


class _Progress:
  """Step, loss, clips/s and time left, to stderr."""

  def __init__(self, first: int, total: int, batch_size: int):
    self._first, self._total, self._batch_size = first, total, batch_size
    self._began, self._last = None, (first, time.perf_counter())

  def line(self, step: int, loss: float) -> float:
    """Prints a line; returns clips/s since the one before."""
    now = time.perf_counter()
    speed = (step - self._last[0]) / (now - self._last[1])
    # The first line's time is spent compiling: it says nothing about what is left.
    self._began = self._began or (step, now)
    done = step - self._began[0]
    per_step = (now - self._began[1]) / done if done else 1 / speed
    left = per_step * (self._total - step)
    self._last = (step, now)
    clips = speed * self._batch_size
    print(
      f'step {step}/{self._total}  loss {loss:.4f}  {clips:,.0f} clips/s  '
      f'{int(left // 60)}:{int(left % 60):02d} left',
      file=sys.stderr,
      flush=True,
    )
    return clips


def fit(
  config: Mapping[str, Any],
  workdir: Path,
  train: corpora.Split,
  validation: corpora.Split,
  after_step: Callable[[int], None] = lambda step: None,
) -> Fitted:
  """Trains, resuming from the workdir's newest checkpoint, and selects on the validation split.

  Args:
    config: of the run (configs/eanwh.py).
    workdir: where checkpoints and metrics go.
    train: clips to learn from; unlabelled ones and those without a face are left out.
    validation: clips of unseen signers for selection and temperature.
    after_step: called with the number of steps done.

  Raises:
    UserError: nothing to learn from, an impossible config, or a loss that is not finite.
  """
  task, devices = config['task'], parallel.devices(config['devices'])
  preprocess.require(config['select'], ('best_val', 'last'), 'config.select')
  how = inference.recipe(config, 'train', len(devices))
  how_validation = inference.recipe(config, 'eval', len(devices))
  survey = input_pipeline.survey(train, task)
  validation_frames = input_pipeline.survey(validation, task).frames
  keep = np.flatnonzero((survey.label != labels.UNKNOWN) & survey.has_face)
  if not len(keep):
    raise UserError(
      f'{train.spec}: none of its {len(survey.label)} clips has a face and a label of {task}'
    )
  print(f'training on {len(keep)} of {len(survey.label)} clips of {train.spec}', file=sys.stderr)
  per_epoch = -(-len(keep) // how.batch_size)
  steps = total_steps(config, per_epoch)

  model = inference.build_model(config)
  rate = optimizers.schedule(config['optim'], steps)
  optimizer = optimizers.optimizer(config['optim'], rate)
  params = inference.initial_params(model, config['seed'], input_pipeline.STREAM_WIDTHS)
  if config['init_weights']:
    params = with_initial_weights(params, config['init_weights'], task)
  step_weights = class_weights(
    survey.label[keep], len(labels.names(task)), config['train']['class_weights']
  )
  run_step = parallel.spread(
    train_step.train_step(
      model, optimizer, task, step_weights, config['train']['label_smoothing'], config['seed']
    ),
    devices,
    donate=(0,),
  )
  predict = inference.Predictor(model, config['eval']['aggregate'], devices)

  batches = input_pipeline.training_batches(train, how, survey.frames, keep)
  state = train_step.initial_state(params, optimizer)
  best = dict(params=state.params, score=np.float32(-1), step=np.int32(0))
  checkpoints = Checkpoints(workdir / 'checkpoints')
  if checkpoints.latest_step() is not None:
    restored = checkpoints.restore(dict(state=state, best=best), batches)
    state, best = restored['state'], restored['best']
    print(f'resuming at step {int(state.step)}', file=sys.stderr)
  first = int(state.step)
  log = run_dir.MetricsLog(workdir, first)
  progress = _Progress(first, steps, how.batch_size)
  state = parallel.replicate(state, devices)

  def validate(state: State, step: int) -> dict[str, Any]:
    found = predict(state.params, validation, how_validation, validation_frames)
    score = predictions.score(found, task)
    value = score['macro_f1'] or 0.0
    shown = ('macro_f1', 'wacc', 'accuracy', 'nll')
    log.write(step, epoch=step / per_epoch, **{f'validation/{k}': score[k] for k in shown})
    print(f'step {step}/{steps}  validation macro F1 {value:.4f}', file=sys.stderr)
    return dict(params=parallel.first(state.params), score=np.float32(value), step=np.int32(step))

  def temperature(params: Any) -> float:
    copies = parallel.replicate(params, devices)
    found = predict(copies, validation, how_validation, validation_frames)
    p, true = predictions.arrays(found, task)
    known = true != labels.UNKNOWN
    # The share of windows that agree is not a likelihood: there is nothing to calibrate.
    mean = config['eval']['aggregate'] == 'mean'
    return metrics.fit_temperature(p[known], true[known]) if mean else 1.0

  for step in range(first + 1, steps + 1):
    state = run_step(state, next(batches))
    log_now, end = step % config['log_steps'] == 0, step == steps
    save_now = step % config['checkpoint_steps'] == 0
    if log_now or save_now or end:
      _require_finite(state, checkpoints)
    if log_now or end:
      loss, weight = parallel.first((state.loss_sum, state.loss_weight))
      loss = float(loss / max(weight, 1e-6))
      log.write(step, loss=loss, learning_rate=float(rate(step - 1)))
      log.events(step, clips_per_s=progress.line(step, loss))
      # Two arrays, not one twice: the step donates them.
      zeros = parallel.replicate((np.float32(0), np.float32(0)), devices)
      state = state.replace(loss_sum=zeros[0], loss_weight=zeros[1])
    if step % per_epoch == 0 or end:
      candidate = validate(state, step)
      if config['select'] == 'last' or candidate['score'] > best['score']:
        best = candidate
    if save_now or end:
      checkpoints.save(step, dict(state=parallel.first(state), best=best), batches)
    after_step(step)
  log.close()
  checkpoints.close()
  return Fitted(best['params'], int(best['step']), temperature(best['params']))


def _require_finite(state: State, checkpoints: Checkpoints) -> None:
  """Raises UserError naming the first step whose loss was not finite."""
  bad_step = parallel.first(state.bad_step)
  if bad_step != NEVER:
    checkpoints.close()
    raise UserError(
      f'the loss is not finite at step {bad_step}; stopped (last checkpoint: '
      f'{checkpoints.latest_step() or "none"}). Lower config.optim.learning_rate or look at the '
      'features, and start in a new workdir'
    )

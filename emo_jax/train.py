"""Training a temporal head on stored features: fit, select on validation, test once, report."""

import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from emo_jax import (
  config_check,
  corpora,
  coverage,
  inference,
  input_pipeline,
  labels,
  metrics,
  optimizers,
  parallel,
  predictions,
  run_dir,
  train_step,
  weights,
)
from emo_jax.checkpoints import Checkpoints
from emo_jax.errors import UserError
from emo_jax.models.ean import Model
from emo_jax.progress import Progress
from emo_jax.train_step import NEVER, State


@dataclasses.dataclass(frozen=True)
class Fitted:
  """What training ends with.

  Attributes:
    params: the selected ones, on the host.
    step: at which they were reached.
    temperature: fitted on the validation split.
    clips: how many were learnt from and why (`clips_to_learn_from`).
  """

  params: Any
  step: int
  temperature: float
  clips: dict[str, Any]


def total_steps(config: Mapping[str, Any], steps_per_epoch: int) -> int:
  """How long to train, from `total_epochs` or `total_steps`, whichever is not 0."""
  how = config['train']
  return how['total_steps'] or max(1, round(how['total_epochs'] * steps_per_epoch))


def clips_to_learn_from(
  config: Mapping[str, Any], survey: input_pipeline.Survey, spec: str
) -> tuple[np.ndarray, dict[str, Any]]:
  """Indices of the training split's clips that are learnt from, and how many there are of which.

  Clips without a label or without any face teach nothing and are left out. Of the usable ones left,
  those below a limit of `config.min_coverage` are kept or dropped by `config.train.low_coverage`.

  Returns:
    The indices, ascending, and counts: all `clips`, `usable`, `n_low_coverage` among these,
    `low_coverage` per limit, `learnt_from`; beside `min_coverage` and the `choice` of the config.

  Raises:
    UserError: no clip is left.
  """
  limits, choice = config['min_coverage'], config['train']['low_coverage']
  clips = len(survey.label)
  usable = (survey.label != labels.UNKNOWN) & survey.has_face
  if not usable.any():
    raise UserError(f'{spec}: none of its {clips} clips has a face and a label of {config["task"]}')
  low = coverage.low(survey.coverage, limits)
  marked = usable & np.any([np.zeros(clips, bool), *low.values()], axis=0)
  keep = usable & ~marked if choice == 'drop' else usable
  counts = dict(
    clips=clips,
    usable=int(usable.sum()),
    n_low_coverage=int(marked.sum()),
    low_coverage={what: int((usable & is_low).sum()) for what, is_low in low.items()},
    learnt_from=int(keep.sum()),
    min_coverage=dict(limits),
    choice=choice,
  )
  said = coverage.low_text(limits, counts['low_coverage'])
  if not keep.any():
    raise UserError(
      f'{spec}: config.train.low_coverage=drop leaves none of its {counts["usable"]} clips with a '
      f'face and a label ({said}): lower config.min_coverage or keep them'
    )
  return np.flatnonzero(keep), counts


def class_weights(label: np.ndarray, num_labels: int, rule: str) -> np.ndarray:
  """[k] float32: `balanced` is n / (k * count), so that every class weighs the same in sum."""
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
    name = jax.tree_util.keystr(path_in_tree, simple=True, separator='/')
    extra = own.shape[0] - given.shape[0] if name.startswith('lstm1/cell/i') else 0
    if own.shape != (given.shape[0] + extra, *given.shape[1:]) or extra < 0:
      raise UserError(f'{path}: {name} is {list(given.shape)}, the model needs {list(own.shape)}')
    return np.pad(given, [(0, extra)] + [(0, 0)] * (given.ndim - 1))

  return jax.tree_util.tree_map_with_path(fill, params, loaded['head']['params'])


class _Validation:
  """The validation split of unseen signers: what selection and temperature are decided on."""

  def __init__(self, config: Mapping[str, Any], model: Model, split: corpora.Split, devices: list):
    self._task, self._split, self._devices = config['task'], split, devices
    self._aggregate = config['eval']['aggregate']
    self._predict = inference.Predictor(model, self._aggregate, devices)
    self._how = inference.recipe(config, 'eval', len(devices))
    survey = input_pipeline.survey(split, self._task)
    self._frames = survey.frames
    if config['select'] == 'best_val' and (survey.label == labels.UNKNOWN).all():
      raise UserError(
        f'no clip of {split.spec} has a label of {self._task} to select on: use another '
        'config.data.validation or --config.select=last'
      )

  def score(self, params: Any) -> dict[str, Any]:
    """Scores of parameters that every device has a copy of."""
    found = self._predict(params, self._split, self._how, self._frames)
    return predictions.score(found, self._task)

  def temperature(self, params: Any) -> float:
    """The temperature of parameters on the host; 1 where shares of decisions are no likelihood."""
    if self._aggregate != 'mean':
      return 1.0
    copies = parallel.replicate(params, self._devices)
    found = self._predict(copies, self._split, self._how, self._frames)
    p, true = predictions.arrays(found, self._task)
    known = true != labels.UNKNOWN
    return metrics.fit_temperature(p[known], true[known])


def _step_function(
  config: Mapping[str, Any],
  model: Model,
  optimizer: optax.GradientTransformation,
  label: np.ndarray,
  devices: list[jax.Device],
) -> Callable:
  """The training step on all devices; `label` are those of the clips learnt from."""
  task, how = config['task'], config['train']
  weight = class_weights(label, len(labels.names(task)), how['class_weights'])
  step = train_step.train_step(
    model, optimizer, task, weight, how['label_smoothing'], config['seed']
  )
  return parallel.spread(step, devices, donate=(0,))


def _initial_params(config: Mapping[str, Any], model: Model) -> Any:
  """Fresh parameters, or those of a converted head."""
  params = inference.initial_params(model, config['seed'], input_pipeline.STREAM_WIDTHS)
  path = config['init_weights']
  return with_initial_weights(params, path, config['task']) if path else params


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
    train: clips to learn from (`clips_to_learn_from`).
    validation: clips of unseen signers for selection and temperature.
    after_step: called with the number of steps done.

  Raises:
    UserError: nothing to learn from, an impossible config, or a loss that is not finite.
  """
  config_check.check(config)
  devices = parallel.devices(config['devices'])
  how = inference.recipe(config, 'train', len(devices))
  survey = input_pipeline.survey(train, how.task)
  keep, clips = clips_to_learn_from(config, survey, train.spec)
  low = coverage.low_text(clips['min_coverage'], clips['low_coverage'])
  print(
    f'training on {len(keep)} of {clips["clips"]} clips of {train.spec}; low coverage: '
    f'{clips["n_low_coverage"]} marked ({low}), {coverage.CHOICES[clips["choice"]]}',
    file=sys.stderr,
  )
  per_epoch = -(-len(keep) // how.batch_size)
  steps = total_steps(config, per_epoch)

  model = inference.build_model(config)
  rate = optimizers.schedule(config['optim'], steps)
  optimizer = optimizers.optimizer(config['optim'], rate)
  run_step = _step_function(config, model, optimizer, survey.label[keep], devices)
  held_out = _Validation(config, model, validation, devices)
  batches = input_pipeline.training_batches(train, how, survey.frames, keep)
  state = train_step.initial_state(_initial_params(config, model), optimizer)
  best = dict(params=state.params, score=np.float32(-1), step=np.int32(0))
  checkpoints = Checkpoints(workdir / 'checkpoints')
  if checkpoints.latest_step() is not None:
    restored = checkpoints.restore(dict(state=state, best=best), batches)
    state, best = restored['state'], restored['best']
    print(f'resuming at step {int(state.step)}', file=sys.stderr)
  first = int(state.step)
  log = run_dir.MetricsLog(workdir, first)
  progress = Progress(first, steps, how.batch_size)
  state = parallel.replicate(state, devices)

  for step in range(first + 1, steps + 1):
    state = run_step(state, next(batches))
    end = step == steps
    log_now = end or step % config['log_steps'] == 0
    save_now = end or step % config['checkpoint_steps'] == 0
    if log_now or save_now:
      _require_finite(state, checkpoints)
    if log_now:
      state, loss = _mean_loss(state, devices)
      log.write(step, loss=loss, learning_rate=float(rate(step - 1)))
      log.events(step, clips_per_s=progress.line(step, loss))
    if end or step % per_epoch == 0:
      score = held_out.score(state.params)
      shown = {f'validation/{k}': score[k] for k in ('macro_f1', 'wacc', 'accuracy', 'nll')}
      log.write(step, epoch=step / per_epoch, **shown)
      value = np.float32(score['macro_f1'] or 0)
      print(f'step {step}/{steps}  validation macro F1 {value:.4f}', file=sys.stderr)
      if config['select'] == 'last' or value > best['score']:
        best = dict(params=parallel.first(state.params), score=value, step=np.int32(step))
    if save_now:
      checkpoints.save(step, dict(state=parallel.first(state), best=best), batches)
    after_step(step)
  log.close()
  checkpoints.close()
  temperature = held_out.temperature(best['params'])
  return Fitted(best['params'], int(best['step']), temperature, clips)


def _mean_loss(state: State, devices: list[jax.Device]) -> tuple[State, float]:
  """The mean loss since the last line of the log, and the state with its next sum begun."""
  loss, weight = parallel.first((state.loss_sum, state.loss_weight))
  # Two arrays, not one twice: the step donates them.
  zeros = parallel.replicate((np.float32(0), np.float32(0)), devices)
  return state.replace(loss_sum=zeros[0], loss_weight=zeros[1]), float(loss / max(weight, 1e-6))


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

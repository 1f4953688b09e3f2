"""One head in training: its clips, what it is selected on, its log and its checkpoints."""

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import optax

from emo_jax import (
  corpora,
  coverage,
  inference,
  initial_weights,
  labels,
  metrics,
  metrics_log,
  optimizers,
  parallel,
  predictions,
  processes,
  resident,
  train_step,
  training_clips,
  training_input,
)
from emo_jax.checkpoints import Checkpoints
from emo_jax.errors import UserError
from emo_jax.members import Member
from emo_jax.survey import survey
from emo_jax.train_step import NEVER, State


@dataclasses.dataclass(frozen=True)
class Common:
  """What all heads of a run share.

  Attributes:
    config: of the run.
    devices: of this process, that each step is spread over.
    model, optimizer: by the config.
    predict: compiled once for all of them.
  """

  config: Mapping[str, Any]
  devices: list[jax.Device]
  model: nn.Module
  optimizer: optax.GradientTransformation
  predict: inference.Predictor


@dataclasses.dataclass(frozen=True)
class Fitted:
  """What the training of a head ends with.

  Attributes:
    params: the selected ones, on the host.
    step: at which they were reached.
    temperature: fitted on the validation split; 1 without one.
    score: macro F1 on the validation split that selected them; None without one.
    clips: how many were learnt from and why (`training_clips.choose`).
  """

  params: Any
  step: int
  temperature: float
  score: float | None
  clips: dict[str, Any]


def total_steps(config: Mapping[str, Any], steps_per_epoch: int) -> int:
  """How long to train, from `total_epochs` or `total_steps`, whichever is not 0."""
  how = config['train']
  return how['total_steps'] or max(1, round(how['total_epochs'] * steps_per_epoch))


class Validation:
  """Clips of unseen signers: what selection and temperature are decided on, over the segment that
  is trained on."""

  def __init__(self, config: Mapping[str, Any], split: corpora.Split, common: Common):
    self._task, self._split, self._common = config['task'], split, common
    self._aggregate = config['eval']['aggregate']
    segment = config['train']['segment']
    self._how = inference.recipe(config, 'eval', len(common.devices), segment)
    clips = survey(split, self._task)
    self._frames = clips.frames
    if config['select'] == 'best_val' and (clips.label == labels.UNKNOWN).all():
      raise UserError(
        f'no clip of {split.spec} has a label of {self._task} to select on: use another '
        'config.data.validation or --config.select=last'
      )

  def score(self, params: Any) -> dict[str, Any]:
    """Scores of parameters that every device has a copy of."""
    found = self._common.predict(params, self._split, self._how, self._frames)
    return predictions.score(found, self._task)

  def temperature(self, params: Any) -> float:
    """The temperature of parameters on the host; 1 where shares of decisions are no likelihood."""
    if self._aggregate != 'mean':
      return 1.0
    copies = parallel.replicate(params, self._common.devices)
    found = self._common.predict(copies, self._split, self._how, self._frames)
    p, true = predictions.arrays(found, self._task)
    known = true != labels.UNKNOWN
    return metrics.fit_temperature(p[known], true[known])


class Head:
  """One head on its way: its clips, its state on the host, its log and its checkpoints."""

  def __init__(self, common: Common, workdir: Path, member: Member, members: int):
    own = {**common.config, 'seed': member.seed}
    self.member, self._config, self.folder = member, own, member.folder(workdir)
    self.how = inference.recipe(own, 'train', len(common.devices) * processes.count())
    self._survey = survey(member.train, self.how.task)
    self.keep, self.clips = training_clips.choose(own, self._survey, member.train.spec)
    self.frames = self._survey.frames
    frames = int(self._survey.length[self.keep].sum())
    self.feature_bytes = resident.size(
      frames, own['model']['inputs'], own['train']['resident_dtype']
    )
    low = coverage.low_text(self.clips['min_coverage'], self.clips['low_coverage'])
    title = f'{member.name}: ' if member.name else ''
    print(
      f'{title}training on {len(self.keep)} of {self.clips["clips"]} clips of '
      f'{member.train.spec}; low coverage: {self.clips["n_low_coverage"]} marked ({low}), '
      f'{coverage.CHOICES[self.clips["choice"]]}'
      + (f' (one of {members} heads)' if members > 1 else ''),
      file=sys.stderr,
    )
    self.per_epoch = -(-len(self.keep) // self.how.batch_size)
    self.steps = total_steps(own, self.per_epoch)
    rate = optimizers.schedule(own['optim'], self.steps)
    self.rates = np.asarray(jax.jit(rate)(np.arange(self.steps)), np.float32)
    self.weights = training_clips.class_weights(
      self._survey.label[self.keep], len(labels.names(self.how.task)), own['train']['class_weights']
    )
    self._validation = member.validation and Validation(own, member.validation, common)
    params = initial_weights.params(own, common.model, member.train.key)
    self.state = train_step.initial_state(params, common.optimizer)
    self._best = dict(params=params, score=np.float32(-1), step=np.int32(0))
    self.log = metrics_log.MetricsLog()  # until it begins
    self._checkpoints = Checkpoints(self.folder / 'checkpoints') if processes.is_first() else None

  def begin(self, frames: int, on_devices: bool, stacked: bool) -> int:
    """Restores what was kept; clips are padded to `frames`, and their features come with every
    batch or lie on the devices (`take_features`). Returns the steps done.

    Args:
      frames: see above.
      on_devices: see above.
      stacked: are batches put together with others?
    """
    if processes.by_first(self._restore):
      self.state, self._best = processes.of_first((self.state, self._best))
    first = int(self.state.step)
    processes.by_first(lambda: self._open_log(first))
    steps = training_input.Steps(self._survey, self.keep, self.how, self.steps, stacked)
    self.longest = steps.longest
    number = min(first, self.steps - 1)  # of a head that is done, what it is given changes nothing
    if on_devices:
      wanted = self._config['model']['inputs'], self._config['train']['resident_dtype']
      self._features = resident.load(self.member.train, steps, *wanted)
      self.batches = resident.batches(steps, number)
    else:
      self.batches = training_input.streamed(self.member.train, steps, frames, number)
    return first

  def _restore(self) -> bool:
    restored = self._checkpoints.restore(dict(state=self.state, best=self._best))
    if restored:
      self.state, self._best = restored['state'], restored['best']
      print(f'resuming at step {int(self.state.step)}', file=sys.stderr)
    return bool(restored)

  def _open_log(self, first: int) -> None:
    self.log = metrics_log.open_log(self.folder, first, self._config)

  def take_features(self) -> dict[str, np.ndarray]:
    """What is to lie on the devices, which is forgotten here."""
    taken, self._features = self._features, {}
    return taken

  def settings(self, step: int) -> dict[str, Any]:
    """What the training step is told of the head, as numpy."""
    return dict(
      seed=np.uint32(self.member.seed),
      class_weights=self.weights,
      rate=self.rates[min(step, self.steps) - 1],
      active=np.bool_(step <= self.steps),
    )

  def validate(self, step: int, params: Any) -> None:
    """Scores the parameters, of which every device has a copy, and keeps them if they are best."""
    if self._validation:
      score = self._validation.score(params)
      shown = {f'validation/{k}': score[k] for k in ('macro_f1', 'wacc', 'accuracy', 'nll')}
      self.log.write(step, epoch=step / self.per_epoch, **shown)
      value = np.float32(score['macro_f1'] or 0)
      print(f'step {step}/{self.steps}  validation macro F1 {value:.4f}', file=sys.stderr)
    else:
      value = np.float32(0)
    if self._config['select'] == 'last' or value > self._best['score']:
      self._best = dict(params=parallel.first(params), score=value, step=np.int32(step))

  def save(self, step: int, state: State) -> None:
    """Keeps a state on the host, which the first process alone has to give."""
    self._checkpoints.save(step, dict(state=state, best=self._best))

  def require_finite(self, bad_step: int) -> None:
    """Raises UserError naming the first step whose loss was not finite."""
    if bad_step != NEVER:
      self.close()
      raise UserError(
        f'the loss is not finite at step {bad_step}; stopped (last checkpoint: '
        f'{processes.by_first(lambda: self._checkpoints.latest_step()) or "none"}). Lower '
        'config.optim.learning_rate or look at the features, and start in a new workdir'
      )

  def close(self) -> None:
    """Waits for what is being written and closes its files."""
    if self._checkpoints:
      self._checkpoints.close()
    self.log.close()

  def end(self) -> Fitted:
    """Closes its files and fits the temperature."""
    self.close()
    best = self._best
    temperature = self._validation.temperature(best['params']) if self._validation else 1.0
    score = float(best['score']) if self._validation else None
    return Fitted(best['params'], int(best['step']), temperature, score, self.clips)

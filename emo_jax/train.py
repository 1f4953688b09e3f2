"""Training temporal heads on stored features, one after another or several at once."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from emo_jax import (
  config_check,
  corpora,
  inference,
  initial_weights,
  input_pipeline,
  optimizers,
  parallel,
  train_step,
)
from emo_jax.checkpoints import Checkpoints
from emo_jax.errors import UserError
from emo_jax.members import Member
from emo_jax.progress import Progress
from emo_jax.train_step import State
from emo_jax.training_head import Common, Fitted, Head


def fit(
  config: Mapping[str, Any],
  workdir: Path,
  train: corpora.Split,
  validation: corpora.Split | None,
  after_step: Callable[[int], None] = lambda step: None,
) -> Fitted:
  """`fit_all` of one head, with the config's seed."""
  (fitted,) = fit_all(config, workdir, [Member('', config['seed'], train, validation)], after_step)
  return fitted


def fit_all(
  config: Mapping[str, Any],
  workdir: Path,
  members: Sequence[Member],
  after_step: Callable[[int], None] = lambda step: None,
) -> list[Fitted]:
  """Trains heads, each resuming from its newest checkpoint, and selects on their validation splits.

  Each is trained as it would be alone; `config.heads_at_once` only says how many share a program.

  Args:
    config: of the run (configs/eanwh.py).
    workdir: where checkpoints and metrics go (`Member.folder`).
    members: the heads: clips to learn from, clips of unseen signers for selection, and seed.
    after_step: called with the number of steps done.

  Returns:
    What each ended with, in order.

  Raises:
    UserError: nothing to learn from, an impossible config, or a loss that is not finite.
  """
  config_check.check(config)
  devices = parallel.devices(config['devices'])
  at_once = config['heads_at_once'] or (1 if parallel.platform() == 'cpu' else len(members))
  trainer = _Trainer(config, devices)
  found: dict[str, Fitted] = {}
  todo = list(members)
  while todo:
    # Heads that stand at different steps, after a kill, are not trained together.
    stands = {m.name: _latest_step(m.folder(workdir)) for m in todo}
    group = [m for m in todo if stands[m.name] == stands[todo[0].name]][:at_once]
    heads = [Head(trainer.common, workdir, member, len(members)) for member in group]
    for head, fitted in zip(heads, trainer.fit(heads, after_step), strict=True):
      found[head.member.name] = fitted
    todo = [m for m in todo if m.name not in found]
  return [found[m.name] for m in members]


def untrained(config: Mapping[str, Any], workdir: Path, tests: Sequence[corpora.Split]) -> Fitted:
  """`config.init_weights` as they are, kept as the run's checkpoint.

  Raises:
    UserError: no weights are named, or as `initial_weights.converted`.
  """
  config_check.check(config)
  if not config['init_weights']:
    raise UserError(
      f'{config["name"]} trains nothing: give --config.init_weights=FILE, made by '
      'python -m emo_jax.convert'
    )
  params = initial_weights.params(config, inference.build_model(config), tests[0].key)
  checkpoints = Checkpoints(workdir / 'checkpoints')
  if checkpoints.latest_step() is None:
    checkpoints.save(0, dict(best=dict(params=params)))
  checkpoints.close()
  clips = dict(clips=0, usable=0, n_low_coverage=0, low_coverage={}, learnt_from=0)
  clips |= dict(min_coverage=dict(config['min_coverage']), choice=config['train']['low_coverage'])
  return Fitted(params, 0, 1.0, None, clips)


def _latest_step(folder: Path) -> int:
  if not (folder / 'checkpoints').is_dir():
    return 0
  checkpoints = Checkpoints(folder / 'checkpoints')
  step = checkpoints.latest_step() or 0
  checkpoints.close()
  return step


class _Trainer:
  """The programs that all heads of a run share."""

  def __init__(self, config: Mapping[str, Any], devices: list[jax.Device]):
    model = inference.build_model(config)
    optimizer = optimizers.optimizer(config['optim'], config['train']['freeze'])
    predict = inference.Predictor(model, config['eval']['aggregate'], devices)
    self.common = Common(config, devices, model, optimizer, predict)
    self._config, self._devices = config, devices
    step = train_step.train_step(
      model, optimizer, config['task'], config['train']['label_smoothing']
    )
    self._one = parallel.spread(step, devices, donate=(0,))
    self._several = parallel.spread(train_step.steps_of_several(step), devices, donate=(0,))

  def fit(self, heads: Sequence[Head], after_step: Callable[[int], None]) -> list[Fitted]:
    """Trains heads that stand at the same step."""
    several = len(heads) > 1
    run_step = self._several if several else self._one
    frames = max(head.frames for head in heads)
    first = max(head.begin(frames) for head in heads)
    steps = max(head.steps for head in heads)
    progress = Progress(first, steps, heads[0].how.batch_size * len(heads))
    state = self._on_devices([head.state for head in heads])
    batches = [None] * len(heads)
    for step in range(first + 1, steps + 1):
      # A head that is done is given its last batch again, which changes nothing.
      batches = [
        next(head.batches) if step <= head.steps or batch is None else batch
        for head, batch in zip(heads, batches, strict=True)
      ]
      batch = input_pipeline.stacked(batches) if several else batches[0]
      settings = [head.settings(step) for head in heads]
      state = run_step(state, batch, self._settings(settings))
      state = self._look(heads, step, steps, state, progress)
      after_step(step)
    return [head.end() for head in heads]

  def _look(
    self,
    heads: Sequence[Head],
    step: int,
    steps: int,
    state: State,
    progress: Progress,
  ) -> State:
    """Logs, validates and saves where it is time to."""
    log_now = step % self._config['log_steps'] == 0
    save_now = step % self._config['checkpoint_steps'] == 0
    ends = [step == head.steps for head in heads]
    if any(ends) or log_now or save_now:
      for head, bad_step in zip(heads, self._of_heads(state.bad_step, heads), strict=True):
        head.require_finite(int(bad_step))
    active = [step <= head.steps for head in heads]
    losses = {}
    if any(ends) or log_now:
      sums, weights = (self._of_heads(x, heads) for x in (state.loss_sum, state.loss_weight))
      sums, weights = list(sums), list(weights)
      for i, head in enumerate(heads):
        if ends[i] or (log_now and active[i]):
          losses[i] = float(sums[i] / max(weights[i], 1e-6))
          head.log.write(step, loss=losses[i], learning_rate=float(head.rates[step - 1]))
          sums[i] = weights[i] = np.float32(0)
      state = state.replace(
        loss_sum=self._scalars(sums, heads), loss_weight=self._scalars(weights, heads)
      )
      speed = progress.line(step, float(np.mean(list(losses.values()))))
      for i in losses:
        heads[i].log.events(step, clips_per_s=speed / len(heads))
    for i, head in enumerate(heads):
      if ends[i] or (active[i] and step % head.per_epoch == 0):
        head.validate(step, self._slice(state.params, i, heads))
    if any(ends) or save_now:
      for i, head in enumerate(heads):
        if ends[i] or (active[i] and save_now):
          head.save(step, parallel.first(self._slice(state, i, heads)))
    return state

  def _on_devices(self, states: Sequence[State]) -> State:
    several = jax.tree.map(lambda *x: np.stack(x), *states) if len(states) > 1 else states[0]
    return parallel.replicate(several, self._devices)

  def _settings(self, settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of every head, a copy per device."""
    one = len(settings) == 1
    each = settings[0] if one else jax.tree.map(lambda *x: np.stack(x), *settings)
    return jax.tree.map(lambda x: np.broadcast_to(x, (len(self._devices), *np.shape(x))), each)

  def _slice(self, tree: Any, i: int, heads: Sequence[Head]) -> Any:
    """One head's part of arrays on devices."""
    return jax.tree.map(lambda x: x[:, i], tree) if len(heads) > 1 else tree

  def _of_heads(self, values: Any, heads: Sequence[Head]) -> np.ndarray:
    """[heads] of a number per head on devices."""
    return np.reshape(parallel.first(values), len(heads))

  def _scalars(self, values: Sequence[Any], heads: Sequence[Head]) -> Any:
    """A number per head to the devices."""
    # A new array for each call: the step donates them.
    array = np.array(values, np.float32)
    return parallel.replicate(array if len(heads) > 1 else array[0], self._devices)

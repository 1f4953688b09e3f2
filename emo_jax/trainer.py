"""The training loop: what heads that share a program are given, and when they are looked at."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from emo_jax import (
  batch_plan,
  inference,
  input_pipeline,
  optimizers,
  parallel,
  preemption,
  processes,
  train_step,
)
from emo_jax.errors import UserError
from emo_jax.profiling import Trace
from emo_jax.progress import Progress
from emo_jax.resident import gathered
from emo_jax.train_step import State
from emo_jax.training_head import Common, Fitted, Head

AfterStep = Callable[[int, Progress], None]
_STEPS_AT_ONCE = 20  # on accelerators
_SHARE = 0.25  # of a device's memory that features may take by themselves


def _next_stop(config: Mapping[str, Any], heads: Sequence[Head], step: int) -> int:
  """The next step after which something is logged, kept or looked at."""
  every = [config['log_steps'], config['checkpoint_steps'], *(head.per_epoch for head in heads)]
  once = [head.steps for head in heads] + [config['profile'][0] - 1, config['profile'][1]]
  return min([(step // n + 1) * n for n in every] + [n for n in once if n > step])


@contextlib.contextmanager
def _left_in_order(heads: Sequence[Head]) -> Iterator[None]:
  """Whatever ends it early, the log has what was said until then."""
  try:
    yield
  except BaseException:
    for head in heads:
      with contextlib.suppress(OSError):  # which may be what ended it
        head.log.close()
    raise


class Apart(Exception):
  """Heads turn out to stand at different steps."""


class _Given:
  """What the training step is given: batches and settings of all heads."""

  def __init__(self, heads: Sequence[Head]):
    self._heads, self._batches = heads, [None] * len(heads)

  def steps(self, numbers: Sequence[int], at_once: int) -> tuple[Any, dict[str, Any]]:
    """Of the steps of these numbers; more than one at once are filled up with some not taken."""
    batches, settings = zip(*(self._step(number) for number in numbers), strict=True)
    if at_once == 1:
      return batches[0], settings[0]
    rest = at_once - len(numbers)
    idle = settings[-1] | dict(active=np.zeros_like(settings[-1]['active']))
    batch = input_pipeline.stacked([*batches, *[batches[-1]] * rest])
    return batch, jax.tree.map(lambda *x: np.stack(x), *settings, *[idle] * rest)

  def _step(self, number: int) -> tuple[Any, dict[str, Any]]:
    # A head that is done is given its last batch again, which changes nothing.
    self._batches = [
      next(head.batches) if number <= head.steps or batch is None else batch
      for head, batch in zip(self._heads, self._batches, strict=True)
    ]
    settings = [head.settings(number) for head in self._heads]
    if len(self._heads) == 1:
      return self._batches[0], settings[0]
    return (
      input_pipeline.stacked(self._batches),
      jax.tree.map(lambda *x: np.stack(x), *settings),
    )


class Trainer:
  """The programs that all heads of a run share."""

  def __init__(self, config: Mapping[str, Any], devices: list[jax.Device]):
    """Takes the run's config and the devices of this process."""
    model = inference.build_model(config)
    self._crops = input_pipeline.CROPS in config['model']['inputs']
    stages = config['finetune']['stages'] if self._crops else None
    optimizer = optimizers.optimizer(config['optim'], config['train']['freeze'], stages)
    predict = inference.Predictor(model, config['eval']['aggregate'], devices)
    self.common = Common(config, devices, model, optimizer, predict)
    self._config, self._devices = config, devices
    self._everywhere = parallel.of_all_processes(devices)
    on_cpu = parallel.platform() == 'cpu'
    # A step takes a CPU longer than it takes to ask for one.
    self._at_once = config['train']['steps_at_once'] or (1 if on_cpu else _STEPS_AT_ONCE)
    self._programs: dict[tuple[Any, ...], Callable[..., State]] = {}

  def fit(self, heads: Sequence[Head], after_step: AfterStep) -> list[Fitted]:
    """Trains heads that stand at the same step. Raises Apart if they do not after all."""
    if len(heads) > 1 and self._config['model']['lstm'] == 'cudnn':
      raise UserError('cuDNN trains one head at a time: give --config.heads_at_once=1')
    with _left_in_order(heads):
      self._train(heads, after_step)
    return [head.end() for head in heads]

  def _train(self, heads: Sequence[Head], after_step: AfterStep) -> None:
    frames = max(head.frames for head in heads)
    resident = processes.by_first(lambda: self._fits([head.feature_bytes for head in heads]))
    stacked = len(heads) > 1 or self._at_once > 1
    stands = {head.begin(frames, resident, stacked) for head in heads}
    if len(stands) > 1:  # a checkpoint of one was set aside
      for head in heads:
        head.close()
      raise Apart
    (step,) = stands
    steps = max(head.steps for head in heads)
    progress = Progress(step, steps, heads[0].how.batch_size * len(heads))
    state = self._on_devices([head.state for head in heads])
    arrays = self._resident([head.take_features() for head in heads]) if resident else None
    run_steps = self._program(heads, frames, resident)
    given = _Given(heads)
    traced = self._config['profile'] if processes.is_first() else (0, 0)
    trace = Trace(traced, heads[0].folder / 'profile')
    with preemption.watched() as asked_to_end, contextlib.closing(trace):
      while step < steps:
        many = min(self._at_once, _next_stop(self._config, heads, step) - step)
        with progress.waiting():
          batch, settings = given.steps(range(step + 1, step + many + 1), self._at_once)
        trace.before(step + 1)
        state = run_steps(state, batch, self._settings(settings), arrays)
        step += many
        trace.after(step, state)
        state = self._look(heads, step, steps, state, progress)
        after_step(step, progress)
        processes.beat()
        if asked_to_end():
          self._require_finite(heads, state)
          self._save(heads, step, state, [step <= head.steps for head in heads])
          for head in heads:
            head.close()
          preemption.stop(step)

  def _save(self, heads: Sequence[Head], step: int, state: State, which: Sequence[bool]) -> None:
    for i, head in enumerate(heads):
      if which[i] and processes.is_first():
        head.save(step, parallel.first(self._slice(state, i, heads)))

  def _require_finite(self, heads: Sequence[Head], state: State) -> None:
    for head, bad_step in zip(heads, self._of_heads(state.bad_step, heads), strict=True):
      head.require_finite(int(bad_step))

  def _program(self, heads: Sequence[Head], frames: int, resident: bool) -> Callable[..., State]:
    """(state, batch, head, arrays) -> state, compiled once for all heads alike."""
    several, groups = len(heads) > 1, batch_plan.grouped([head.longest for head in heads])
    key = (frames, several, groups, resident)
    if key not in self._programs:
      masked = self._config['no_face'] == 'mask'
      smoothing = self._config['train']['label_smoothing']
      mixing = self._config['finetune']['mixup'] if self._crops else 0.0
      one = train_step.train_step(
        self.common.model, self.common.optimizer, self._config['task'], smoothing, groups, mixing
      )

      def step(state, batch, head, arrays):
        whole = gathered(batch, arrays, frames, masked) if resident else batch
        return one(state, whole, head)

      step = train_step.steps_of_several(step) if several else step
      step = train_step.steps_in_a_row(step) if self._at_once > 1 else step
      self._programs[key] = parallel.spread(step, self._everywhere, donate=(0,))
    return self._programs[key]

  def _fits(self, feature_bytes: Sequence[int]) -> bool:
    """Are features to lie on the devices? Says so."""
    chosen, needed = self._config['train']['input'], sum(feature_bytes)
    room = parallel.memory_bytes(self._devices)
    resident = chosen == 'resident' or (chosen == 'auto' and needed <= _SHARE * room)
    where = 'lie on every device' if resident else 'are streamed'
    print(
      f'features {where}: {needed / 1e9:.2f} GB, of {room / 1e9:.0f} GB that a device has '
      f'(config.train.input={chosen})',
      file=sys.stderr,
    )
    return resident

  def _resident(self, each: Sequence[dict[str, np.ndarray]]) -> dict[str, Any]:
    """Features of every head on every device, padded to like numbers of frames."""
    if len(each) == 1:
      return parallel.replicate(each[0], self._devices)
    most = max(len(arrays['shown']) for arrays in each)
    padded = [
      {name: np.pad(x, [(0, most - len(x))] + [(0, 0)] * (x.ndim - 1)) for name, x in one.items()}
      for one in each
    ]
    return parallel.replicate(jax.tree.map(lambda *x: np.stack(x), *padded), self._devices)

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
      self._require_finite(heads, state)
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
        heads[i].log.events(step, clips_per_s=speed / len(heads), input_wait=progress.waited)
    for i, head in enumerate(heads):
      if ends[i] or (active[i] and step % head.per_epoch == 0):
        head.validate(step, self._slice(state.params, i, heads))
    self._save(heads, step, state, active if save_now else ends)
    return state

  def _on_devices(self, states: Sequence[State]) -> State:
    several = jax.tree.map(lambda *x: np.stack(x), *states) if len(states) > 1 else states[0]
    return parallel.replicate(several, self._devices)

  def _settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A copy per device."""
    return jax.tree.map(lambda x: np.broadcast_to(x, (len(self._devices), *np.shape(x))), settings)

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

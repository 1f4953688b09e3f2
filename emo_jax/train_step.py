"""One training step, written for one device."""

from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from emo_jax import mixup, parallel
from emo_jax.models.ean import Model

NEVER = -1
_MIXING = 1  # sets these draws apart from those of dropout


@flax.struct.dataclass
class State:
  """What a step changes.

  Attributes:
    step: steps done.
    params, opt_state: of the model and the optimizer.
    loss_sum, loss_weight: since the last line of the log, so that a resumed run logs the same.
    bad_step: the first step whose loss or gradient was not finite, or NEVER.
  """

  step: Any
  params: Any
  opt_state: Any
  loss_sum: Any
  loss_weight: Any
  bad_step: Any


def initial_state(params: Any, optimizer: optax.GradientTransformation) -> State:
  """The state before the first step."""
  zero = np.float32(0)
  return State(np.int32(0), params, optimizer.init(params), zero, zero, np.int32(NEVER))


def weighted_loss(
  logits: jax.Array,
  batch: dict[str, Any],
  task: str,
  class_weights: jax.Array,
  smoothing: float,
  mix: mixup.Mix | None = None,
) -> tuple[jax.Array, jax.Array]:
  """Sum over clips of weight times loss, and the sum of weights.

  A clip's loss is the mean over its rows of the cross-entropy with its label; its weight is its
  class'. Clips that are padding, unlabelled or without a face weigh nothing.
  """
  label, rows, counted = batch['labels'][task], batch['rows'], _counted(batch, task)
  clip_weight = jnp.where(counted, class_weights[jnp.maximum(label, 0)], 0.0)
  target = optax.smooth_labels(jax.nn.one_hot(label, logits.shape[-1]), smoothing)
  target = mixup.targets(target, mix) if mix else target
  each = optax.softmax_cross_entropy(logits, target[rows['clip']])
  return (each * rows['weight'] * clip_weight[rows['clip']]).sum(), clip_weight.sum()


def _counted(batch: dict[str, Any], task: str) -> jax.Array:
  return batch['mask'] & (batch['labels'][task] >= 0) & (batch['length']['face'] > 0)


def train_step(
  model: Model,
  optimizer: optax.GradientTransformation,
  task: str,
  smoothing: float,
  groups: tuple[tuple[int, int], ...] = (),
  mixing: float = 0.0,
) -> Callable[[State, dict[str, Any], dict[str, Any]], State]:
  """The step (state, batch, head) -> state of one head, whose rows come in the model's `groups`
  and whose face crops are mixed (emo_jax.mixup) by Beta(mixing, mixing), or not.

  `head` is what differs between heads that are trained at once: its `seed`, the `class_weights` [k]
  and the learning `rate` of this step. Sums are added over devices first and then divided, so that
  an uneven batch weighs every clip alike on any number of devices.
  """

  def step(state: State, batch: dict[str, Any], head: dict[str, Any]) -> State:
    key = jax.random.fold_in(jax.random.key(head['seed']), state.step)

    mix = None
    if mixing:
      mix = mixup.draw(jax.random.fold_in(key, _MIXING), _counted(batch, task), mixing)
      batch = mixup.crops(batch, mix)

    def loss_sum(params):
      logits = model.apply(
        {'params': params}, batch, train=True, groups=groups, rngs={'dropout': key}
      )
      return weighted_loss(logits, batch, task, head['class_weights'], smoothing, mix)

    (loss, weight), grads = jax.value_and_grad(loss_sum, has_aux=True)(state.params)
    loss, weight, grads = parallel.total((loss, weight, grads))
    grads = jax.tree.map(lambda g: g / jnp.maximum(weight, 1e-6), grads)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    updates = jax.tree.map(lambda u: -head['rate'] * u, updates)
    finite = jnp.isfinite(loss) & jnp.isfinite(optax.tree.norm(grads))
    first_bad = (state.bad_step == NEVER) & ~finite
    return State(
      step=state.step + 1,
      params=optax.apply_updates(state.params, updates),
      opt_state=opt_state,
      loss_sum=state.loss_sum + loss,
      loss_weight=state.loss_weight + weight,
      bad_step=jnp.where(first_bad, state.step + 1, state.bad_step),
    )

  return step


def steps_of_several(step: Callable[..., State]) -> Callable[..., State]:
  """`step` of several heads in one program: every argument has a leading axis of heads.

  `head['active']` is False for one whose steps are done: its state stays as it is.
  """

  def one(state: State, batch: dict[str, Any], head: dict[str, Any], *more: Any) -> State:
    return jax.tree.map(
      lambda new, old: jnp.where(head['active'], new, old), step(state, batch, head, *more), state
    )

  return jax.vmap(one)


def steps_in_a_row(step: Callable[..., State]) -> Callable[..., State]:
  """`step` many times in one program: batch and head have a leading axis of steps, what follows
  them is the same for all.

  Steps whose `head['active']` is False everywhere are not taken.
  """

  def all_of_them(state: State, batch: dict[str, Any], head: dict[str, Any], *shared: Any) -> State:
    def one(state, at):
      batch, head = at
      return jax.lax.cond(
        head['active'].any(), lambda s: step(s, batch, head, *shared), lambda s: s, state
      ), None

    return jax.lax.scan(one, state, (batch, head))[0]

  return all_of_them

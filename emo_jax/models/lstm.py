"""An LSTM layer over whole sequences: Flax's parameters and numbers, in less time.

The input products of all frames are one product before the recurrence. The backward pass is written
out: the recurrence keeps its gates, so that nothing is computed twice, and the gradient of the
recurrent kernel is one product over all frames after it, not a sum that grows within.

Rows are the last axis. Libraries of products copy their right operand into an order of their own,
every time: so it is the state of few rows, and not the kernel, which is many times as large.

The products may be of bfloat16, added up in float32 as the states are kept, or all of it NVIDIA's
cuDNN: `choose`.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.experimental import rnn
from jaxtyping import Array, Float

from emo_jax.errors import UserError

WAYS = ('float32', 'bfloat16', 'cudnn')
_GATES = ('i', 'f', 'g', 'o')  # input, forget, candidate, output: the order of the columns


def choose(wanted: str, platform: str) -> str:
  """Which of WAYS computes the layers on a platform (`cpu`, `gpu` or `tpu`) where `auto` or one of
  them is wanted. CPUs do not multiply bfloat16 faster; cuDNN is taken where it is asked for.

  Raises:
    UserError: cuDNN is wanted where there is none.
  """
  if wanted == 'cudnn' and platform != 'gpu':
    raise UserError(
      f"config.model.lstm is 'cudnn', which needs an NVIDIA GPU, but JAX computes on {platform}: "
      "give 'auto'"
    )
  if wanted != 'auto':
    return wanted
  return 'float32' if platform == 'cpu' else 'bfloat16'


class LSTM(nn.Module):
  """What `nn.RNN(nn.OptimizedLSTMCell(units))` computes, of equally named parameters that start
  equally from the same key. Gradients are of reverse mode only.

  Attributes:
    units: of the state.
    way: one of WAYS.
  """

  units: int
  way: str = 'float32'

  @nn.compact
  def __call__(
    self, x: Float[Array, 'features frames rows']
  ) -> Float[Array, '{self.units} frames rows']:
    """The state after every frame, from zero before the first."""
    from_input, from_state, bias = _Cell(self.units, x.shape[0], name='cell')()
    if self.way == 'cudnn':
      return _of_cudnn(x, from_input, from_state, bias)
    rounded = self.way == 'bfloat16'
    pushed = _pushed(_flat(x), from_input, rounded).reshape(-1, *x.shape[1:])
    return _recurrence(pushed.swapaxes(0, 1), from_state, bias, rounded).swapaxes(0, 1)


class _Cell(nn.Module):
  """The kernels [features, 4 units] and [units, 4 units] and the bias [4 units] of all gates."""

  units: int
  features: int

  @nn.compact
  def __call__(self) -> tuple[Array, Array, Array]:
    from_input, from_state, bias = [], [], []
    for gate in _GATES:
      from_input.append(_Kernel(self.features, self.units, name=f'i{gate}')())
    for gate in _GATES:
      dense = _Kernel(self.units, self.units, recurrent=True, name=f'h{gate}')
      kernel, its_bias = dense()
      from_state.append(kernel)
      bias.append(its_bias)
    return tuple(jnp.concatenate(x, -1) for x in (from_input, from_state, bias))


class _Kernel(nn.Module):
  """A gate's kernel from the input, or its kernel and bias from the state."""

  inputs: int
  units: int
  recurrent: bool = False

  @nn.compact
  def __call__(self) -> Any:
    if not self.recurrent:
      return self.param('kernel', nn.initializers.lecun_normal(), (self.inputs, self.units))
    kernel = self.param('kernel', nn.initializers.orthogonal(), (self.inputs, self.units))
    return kernel, self.param('bias', nn.initializers.zeros_init(), (self.units,))


def _of_cudnn(x: Array, from_input: Array, from_state: Array, bias: Array) -> Array:
  """cuDNN's layer, whose weights are rows of gates and which adds a second bias."""
  features, frames, rows = x.shape
  weights = [from_input.T.reshape(-1), from_state.T.reshape(-1), bias, jnp.zeros_like(bias)]
  zero = jnp.zeros((1, rows, from_state.shape[0]), x.dtype)
  whole = jnp.full(rows, frames, jnp.int32)
  settings = (features, from_state.shape[0], 1, 0.0, False)
  y = rnn.lstm(x.T, zero, zero, jnp.concatenate(weights), whole, *settings)[0]
  return y.T


def _product(a: Array, b: Array, rounded: bool) -> Array:
  if not rounded:
    return a @ b
  return jnp.matmul(
    a.astype(jnp.bfloat16), b.astype(jnp.bfloat16), preferred_element_type=jnp.float32
  )


def _turned(kernel: Array) -> Array:
  """As an array of its own: a product with a transposed view takes several times as long."""
  return jax.lax.optimization_barrier(kernel.T)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _pushed(
  x: Float[Array, 'features columns'], kernel: Float[Array, 'features gates'], rounded: bool
) -> Float[Array, 'gates columns']:
  """What the inputs push into the gates, and its gradients, as products of the wanted form."""
  return _product(_turned(kernel), x, rounded)


_pushed.defvjp(
  lambda x, kernel, rounded: (_pushed(x, kernel, rounded), (x, kernel)),
  lambda rounded, kept, wanted: (
    _product(kept[1], wanted, rounded),
    _product(kept[0], wanted.T, rounded),
  ),
)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _recurrence(
  pushed: Float[Array, 'frames gates rows'],
  kernel: Float[Array, 'units gates'],
  bias: Float[Array, ' gates'],
  rounded: bool,
) -> Float[Array, 'frames units rows']:
  """States from what the inputs push into the gates."""
  return _forward(pushed, kernel, bias, rounded)[0]


def _forward(pushed: Array, kernel: Array, bias: Array, rounded: bool) -> tuple[Array, Any]:
  turned = _turned(kernel)

  def cell(gates, c):
    i, f, g, o = jnp.split(gates + bias[:, None], len(_GATES))
    i, f, g, o = nn.sigmoid(i), nn.sigmoid(f), jnp.tanh(g), nn.sigmoid(o)
    c = f * c + i * g
    return o * jnp.tanh(c), c, (i, f, g, o)

  def step(t, carry):
    h, c, kept = carry
    new = cell(pushed[t] + _product(turned, h, rounded), c)
    return *new[:2], _kept_at(t, kept, new)

  # Nothing comes from the state before the first frame: one product less, of the ten of a window.
  frames, _, rows = pushed.shape
  first = cell(pushed[0], jnp.zeros((kernel.shape[0], rows), pushed.dtype))
  kept = _kept_at(0, _room(frames, first), first)
  h, c, gates = jax.lax.fori_loop(1, frames, step, (*first[:2], kept))[2]
  return h, (kernel, h, c, gates)


def _backward(rounded: bool, kept: Any, wanted: Any) -> tuple[Array, Array, Array]:
  """The gradients of `pushed`, `kernel` and `bias` where `wanted` is that of the states."""
  kernel, h, c, gates = kept
  wanted, last = jnp.asarray(wanted), len(h) - 1

  def cell(t, d_h, d_c):
    i, f, g, o = (x[t] for x in gates)
    c_before = jnp.where(t > 0, c[jnp.maximum(t - 1, 0)], 0)
    squashed = jnp.tanh(c[t])
    d_h = d_h + wanted[t]
    d_c = d_c + d_h * o * (1 - squashed**2)
    d_gates = (
      d_c * g * i * (1 - i),
      d_c * c_before * f * (1 - f),
      d_c * i * (1 - g**2),
      d_h * squashed * o * (1 - o),
    )
    return jnp.concatenate(d_gates), d_c * f

  def step(number, carry):
    pushed, d_c, all_pushed = carry
    t = last - number
    pushed, d_c = cell(t, _product(kernel, pushed, rounded), d_c)
    return pushed, d_c, _kept_at(t, all_pushed, pushed)

  zero = jnp.zeros_like(c[0])
  pushed, d_c = cell(last, zero, zero)
  all_pushed = _kept_at(last, _room(len(h), pushed), pushed)
  pushed = jax.lax.fori_loop(1, len(h), step, (pushed, d_c, all_pushed))[2]
  before, after = (_flat(x.swapaxes(0, 1)) for x in (h[:-1], pushed[1:]))
  return pushed, _product(before, after.T, rounded), pushed.sum((0, 2))


def _room(frames: int, one: Any) -> Any:
  """Arrays for what all frames leave, where one leaves so much."""
  return jax.tree.map(lambda x: jnp.zeros((frames, *x.shape), x.dtype), one)


def _kept_at(t: Any, kept: Any, new: Any) -> Any:
  return jax.tree.map(lambda x, y: jax.lax.dynamic_update_index_in_dim(x, y, t, 0), kept, new)


def _flat(x: Array) -> Array:
  """[width, frames, rows] -> [width, frames * rows]."""
  return x.reshape(len(x), -1)


_recurrence.defvjp(_forward, _backward)

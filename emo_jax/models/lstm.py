"""An LSTM layer over whole sequences: Flax's parameters and numbers, in less time.

The input products of all frames are one product before the recurrence. The backward pass is written
out: the recurrence keeps its gates, so that nothing is computed twice, and the gradient of the
recurrent kernel is one product over all frames after it, not a sum that grows within.

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
  """What `nn.RNN(nn.OptimizedLSTMCell(units), time_major=True)` computes, of equally named
  parameters that start equally from the same key. Gradients are of reverse mode only.

  Attributes:
    units: of the state.
    way: one of WAYS.
  """

  units: int
  way: str = 'float32'

  @nn.compact
  def __call__(
    self, x: Float[Array, 'frames rows features']
  ) -> Float[Array, 'frames rows {self.units}']:
    """The state after every frame, from zero before the first."""
    from_input, from_state, bias = _Cell(self.units, x.shape[-1], name='cell')()
    if self.way == 'cudnn':
      return _of_cudnn(x, from_input, from_state, bias)
    rounded = self.way == 'bfloat16'
    flat = _flat(x)
    pushed = _pushed(flat, from_input) if rounded else flat @ from_input
    return _recurrence(pushed.reshape(*x.shape[:2], -1), from_state, bias, rounded)


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
  frames, rows, features = x.shape
  weights = [from_input.T.reshape(-1), from_state.T.reshape(-1), bias, jnp.zeros_like(bias)]
  zero = jnp.zeros((1, rows, from_state.shape[0]), x.dtype)
  whole = jnp.full(rows, frames, jnp.int32)
  settings = (features, from_state.shape[0], 1, 0.0, False)
  rows_first = x.swapaxes(0, 1)
  y = rnn.lstm(rows_first, zero, zero, jnp.concatenate(weights), whole, *settings)[0]
  return y.swapaxes(0, 1)


def _product(a: Array, b: Array, rounded: bool) -> Array:
  if not rounded:
    return a @ b
  return jnp.matmul(
    a.astype(jnp.bfloat16), b.astype(jnp.bfloat16), preferred_element_type=jnp.float32
  )


@jax.custom_vjp
def _pushed(x: Array, kernel: Array) -> Array:
  """A rounded product, whose gradients are such products too."""
  return _product(x, kernel, True)


_pushed.defvjp(
  lambda x, kernel: (_pushed(x, kernel), (x, kernel)),
  lambda kept, wanted: (_product(wanted, kept[1].T, True), _product(kept[0].T, wanted, True)),
)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _recurrence(
  pushed: Float[Array, 'frames rows gates'],
  kernel: Float[Array, 'units gates'],
  bias: Float[Array, ' gates'],
  rounded: bool,
) -> Float[Array, 'frames rows units']:
  """States from what the inputs push into the gates."""
  return _forward(pushed, kernel, bias, rounded)[0]


def _forward(pushed: Array, kernel: Array, bias: Array, rounded: bool) -> tuple[Array, Any]:
  def cell(gates, c):
    i, f, g, o = jnp.split(gates + bias[None, :], len(_GATES), -1)
    i, f, g, o = nn.sigmoid(i), nn.sigmoid(f), jnp.tanh(g), nn.sigmoid(o)
    c = f * c + i * g
    return o * jnp.tanh(c), c, (i, f, g, o)

  def step(t, carry):
    h, c, kept = carry
    new = cell(pushed[t] + _product(h, kernel, rounded), c)
    return *new[:2], _kept_at(t, kept, new)

  # Nothing comes from the state before the first frame: one product less, of the ten of a window.
  frames, rows = pushed.shape[:2]
  first = cell(pushed[0], jnp.zeros((rows, kernel.shape[0]), pushed.dtype))
  kept = _kept_at(0, _room(frames, first), first)
  h, c, gates = jax.lax.fori_loop(1, frames, step, (*first[:2], kept))[2]
  return h, (kernel, h, c, gates)


def _backward(rounded: bool, kept: Any, wanted: Any) -> tuple[Array, Array, Array]:
  """The gradients of `pushed`, `kernel` and `bias` where `wanted` is that of the states."""
  kernel, h, c, gates = kept
  wanted, last = jnp.asarray(wanted), len(h) - 1
  # As an array of its own: within the loop the product with a transposed view takes half as long
  # again for few rows.
  turned = jax.lax.optimization_barrier(kernel.T)

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
    return jnp.concatenate(d_gates, -1), d_c * f

  def step(number, carry):
    pushed, d_c, all_pushed = carry
    t = last - number
    pushed, d_c = cell(t, _product(pushed, turned, rounded), d_c)
    return pushed, d_c, _kept_at(t, all_pushed, pushed)

  zero = jnp.zeros_like(c[0])
  pushed, d_c = cell(last, zero, zero)
  all_pushed = _kept_at(last, _room(len(h), pushed), pushed)
  pushed = jax.lax.fori_loop(1, len(h), step, (pushed, d_c, all_pushed))[2]
  h_before = jnp.concatenate([jnp.zeros_like(h[:1]), h[:-1]])
  return pushed, _product(_flat(h_before).T, _flat(pushed), rounded), _flat(pushed).sum(0)


def _room(frames: int, one: Any) -> Any:
  """Arrays for what all frames leave, where one leaves so much."""
  return jax.tree.map(lambda x: jnp.zeros((frames, *x.shape), x.dtype), one)


def _kept_at(t: Any, kept: Any, new: Any) -> Any:
  return jax.tree.map(lambda x, y: jax.lax.dynamic_update_index_in_dim(x, y, t, 0), kept, new)


def _flat(x: Array) -> Array:
  """[frames, rows, width] -> [frames * rows, width]."""
  return x.reshape(-1, x.shape[-1])


_recurrence.defvjp(_forward, _backward)

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
    self, x: Float[Array, 'rows frames features']
  ) -> Float[Array, 'rows frames {self.units}']:
    """The state after every frame, from zero before the first."""
    from_input, from_state, bias = _Cell(self.units, x.shape[-1], name='cell')()
    if self.way == 'cudnn':
      return _of_cudnn(x, from_input, from_state, bias)
    rounded = self.way == 'bfloat16'
    # Frames first before the product: turning its result round would take as long again.
    flat = _flat(x.swapaxes(0, 1))
    pushed = (_pushed(flat, from_input) if rounded else flat @ from_input) + bias[None, :]
    pushed = pushed.reshape(x.shape[1], x.shape[0], -1)
    return _recurrence(pushed, from_state, rounded).swapaxes(0, 1)


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
  rows, frames, features = x.shape
  weights = [from_input.T.reshape(-1), from_state.T.reshape(-1), bias, jnp.zeros_like(bias)]
  zero = jnp.zeros((1, rows, from_state.shape[0]), x.dtype)
  whole = jnp.full(rows, frames, jnp.int32)
  settings = (features, from_state.shape[0], 1, 0.0, False)
  return rnn.lstm(x, zero, zero, jnp.concatenate(weights), whole, *settings)[0]


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


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _recurrence(
  pushed: Float[Array, 'frames rows gates'], kernel: Float[Array, 'units gates'], rounded: bool
) -> Float[Array, 'frames rows units']:
  """States from what the inputs push into the gates."""
  return _forward(pushed, kernel, rounded)[0]


def _forward(pushed: Array, kernel: Array, rounded: bool) -> tuple[Array, Any]:
  def step(state, at):
    h, c = state
    i, f, g, o = jnp.split(at + _product(h, kernel, rounded), len(_GATES), -1)
    i, f, g, o = nn.sigmoid(i), nn.sigmoid(f), jnp.tanh(g), nn.sigmoid(o)
    c = f * c + i * g
    h = o * jnp.tanh(c)
    return (h, c), (h, c, (i, f, g, o))

  zero = jnp.zeros((pushed.shape[1], kernel.shape[0]), pushed.dtype)
  _, (h, c, gates) = jax.lax.scan(step, (zero, zero), pushed)
  return h, (kernel, h, c, gates)


def _backward(rounded: bool, kept: Any, wanted: Array) -> tuple[Array, Array]:
  """The gradients of `pushed` and `kernel` where `wanted` is that of the states."""
  kernel, h, c, gates = kept
  h_before, c_before = (jnp.concatenate([jnp.zeros_like(x[:1]), x[:-1]]) for x in (h, c))

  def step(later, at):
    d_h, d_c = later
    wanted, c, c_before, (i, f, g, o) = at
    d_h = d_h + wanted
    squashed = jnp.tanh(c)
    d_c = d_c + d_h * o * (1 - squashed**2)
    d_gates = (
      d_c * g * i * (1 - i),
      d_c * c_before * f * (1 - f),
      d_c * i * (1 - g**2),
      d_h * squashed * o * (1 - o),
    )
    pushed = jnp.concatenate(d_gates, -1)
    return (_product(pushed, kernel.T, rounded), d_c * f), pushed

  zero = jnp.zeros_like(c[0])
  _, pushed = jax.lax.scan(step, (zero, zero), (wanted, c, c_before, gates), reverse=True)
  return pushed, _product(_flat(h_before).T, _flat(pushed), rounded)


def _flat(x: Array) -> Array:
  """[frames, rows, width] -> [frames * rows, width]."""
  return x.reshape(-1, x.shape[-1])


_recurrence.defvjp(_forward, _backward)

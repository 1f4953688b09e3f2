"""An LSTM layer over whole sequences: Flax's parameters and numbers, in less time.

The input products of all frames are one product before the recurrence. The backward pass is written
out: the recurrence keeps its gates, so that nothing is computed twice, and the gradient of the
recurrent kernel is one product over all frames after it, not a sum that grows within.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_GATES = ('i', 'f', 'g', 'o')  # input, forget, candidate, output: the order of the columns


class LSTM(nn.Module):
  """What `nn.RNN(nn.OptimizedLSTMCell(units))` computes, of equally named parameters that start
  equally from the same key. Gradients are of reverse mode only.

  Attributes:
    units: of the state.
  """

  units: int

  @nn.compact
  def __call__(
    self, x: Float[Array, 'rows frames features']
  ) -> Float[Array, 'rows frames {self.units}']:
    """The state after every frame, from zero before the first."""
    from_input, from_state, bias = _Cell(self.units, x.shape[-1], name='cell')()
    # Frames first before the product: turning its result round would take as long again.
    pushed = _flat(x.swapaxes(0, 1)) @ from_input + bias[None, :]
    pushed = pushed.reshape(x.shape[1], x.shape[0], -1)
    return _recurrence(pushed, from_state).swapaxes(0, 1)


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


@jax.custom_vjp
def _recurrence(
  pushed: Float[Array, 'frames rows gates'], kernel: Float[Array, 'units gates']
) -> Float[Array, 'frames rows units']:
  """States from what the inputs push into the gates."""
  return _forward(pushed, kernel)[0]


def _forward(pushed: Array, kernel: Array) -> tuple[Array, Any]:
  def step(state, at):
    h, c = state
    i, f, g, o = jnp.split(at + h @ kernel, len(_GATES), -1)
    i, f, g, o = nn.sigmoid(i), nn.sigmoid(f), jnp.tanh(g), nn.sigmoid(o)
    c = f * c + i * g
    h = o * jnp.tanh(c)
    return (h, c), (h, c, (i, f, g, o))

  zero = jnp.zeros((pushed.shape[1], kernel.shape[0]), pushed.dtype)
  _, (h, c, gates) = jax.lax.scan(step, (zero, zero), pushed)
  return h, (kernel, h, c, gates)


def _backward(kept: Any, wanted: Array) -> tuple[Array, Array]:
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
    return (pushed @ kernel.T, d_c * f), pushed

  zero = jnp.zeros_like(c[0])
  _, pushed = jax.lax.scan(step, (zero, zero), (wanted, c, c_before, gates), reverse=True)
  return pushed, _flat(h_before).T @ _flat(pushed)


def _flat(x: Array) -> Array:
  """[frames, rows, width] -> [frames * rows, width]."""
  return x.reshape(-1, x.shape[-1])


_recurrence.defvjp(_forward, _backward)

"""The LSTM layer against Flax's and PyTorch's."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import rnn
from jax.test_util import check_grads

from emo_jax.errors import UserError
from emo_jax.models.lstm import LSTM, choose

SHAPES = [(1, 1, 3, 4), (7, 5, 3, 4), (30, 2, 20, 16)]  # frames, rows, features, units


def flax_layer(units):
  return nn.RNN(nn.OptimizedLSTMCell(units, parent=None), time_major=True)


def applied(layer, params, x):
  """Flax's has features last, ours has them first."""
  if isinstance(layer, LSTM):
    return layer.apply(params, x)
  return jnp.moveaxis(layer.apply(params, jnp.moveaxis(x, 0, -1)), -1, 0)


def drawn(shape, seed=0):
  return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


@pytest.mark.parametrize('shape', SHAPES)
def test_it_starts_computes_and_learns_as_flaxs(shape):
  frames, rows, features, units = shape
  ours, theirs = LSTM(units), flax_layer(units)
  x, wanted = drawn((features, frames, rows)), drawn((units, frames, rows), 1)
  start = ours.init(jax.random.key(3), x)
  its_start = theirs.init(jax.random.key(3), jnp.moveaxis(x, 0, -1))
  jax.tree.map(np.testing.assert_array_equal, start, its_start)
  # Biases that are not zero, states that are not small.
  start = jax.tree.map(lambda p: p + 0.5 * drawn(p.shape, 2), start)

  def found(layer):
    def loss(params, x):
      y = applied(layer, params, x)
      return (y * wanted).sum(), y

    return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(start, x)

  (one, other) = found(ours), found(theirs)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5), one, other)


def reference_of_cudnn(x, h, c, weights, lengths, features, units, layers, dropout, both):
  """JAX's own reference of its cuDNN layer, which takes the same weights, packed alike."""
  unpacked = rnn.unpack_lstm_weights(weights, features, units, layers, both)
  return rnn.lstm_ref(x, h, c, *unpacked, lengths, features, units, layers, dropout, both)


@pytest.mark.parametrize('way', ['bfloat16', 'cudnn'])
@pytest.mark.parametrize('shape', SHAPES)
def test_every_way_computes_and_learns_the_same(shape, way, monkeypatch):
  monkeypatch.setattr(rnn, 'lstm', reference_of_cudnn)
  frames, rows, features, units = shape
  x, wanted = drawn((features, frames, rows)), drawn((units, frames, rows), 1)
  start = LSTM(units).init(jax.random.key(3), x)
  start = jax.tree.map(lambda p: p + 0.5 * drawn(p.shape, 2), start)

  def found(way):
    def loss(params, x):
      y = LSTM(units, way).apply(params, x)
      return (y * wanted).sum(), y

    return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(start, x)

  (one, other) = found('float32'), found(way)
  # A product of numbers with 8 bits is off by 2^-9 of its size; long recurrences add that up.
  off = 1e-4 if way == 'cudnn' else 0.03
  for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
    assert b.dtype == jnp.float32
    np.testing.assert_allclose(b, a, rtol=off, atol=off * max(1, np.abs(a).max()))
  same = [np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (one, other)), strict=True)]
  assert not all(same)


def test_one_function_chooses():
  assert [choose('auto', platform) for platform in ('cpu', 'gpu', 'tpu')] == [
    'float32',
    'bfloat16',
    'bfloat16',
  ]
  assert choose('cudnn', 'gpu') == 'cudnn' and choose('float32', 'tpu') == 'float32'
  with pytest.raises(UserError, match='needs an NVIDIA GPU'):
    choose('cudnn', 'tpu')


def test_gradients_are_those_of_differences():
  layer, x = LSTM(4), drawn((3, 2, 5))
  with jax.enable_x64(True):
    x = jnp.asarray(x, jnp.float64)
    params = jax.tree.map(
      lambda p: jnp.asarray(p, jnp.float64) + 0.3, layer.init(jax.random.key(0), x)
    )
    check_grads(lambda p, x: layer.apply(p, jnp.asarray(x)), (params, x), 1, ['rev'])


def test_several_heads_at_once_are_each_alone():
  layer, x = LSTM(4), drawn((3, 6, 2, 5))
  params = jax.vmap(lambda key, x: layer.init(key, x))(jax.random.split(jax.random.key(0), 3), x)
  grads = jax.grad(lambda p, x: (layer.apply(p, x) ** 2).sum())
  together = jax.vmap(grads)(params, x)
  for i in range(3):
    alone = grads(jax.tree.map(lambda p, i=i: p[i], params), x[i])
    jax.tree.map(
      lambda a, b, i=i: np.testing.assert_allclose(a[i], b, rtol=1e-5, atol=1e-6), together, alone
    )


def test_it_computes_as_pytorchs():
  torch = pytest.importorskip('torch')
  theirs, x = torch.nn.LSTM(6, 4), drawn((3, 8, 6))
  layer = LSTM(4)
  params = jax.tree.map(np.array, layer.init(jax.random.key(0), x))
  cell = params['params']['cell']
  # PyTorch's order of gates: input, forget, candidate, output, as ours, but in rows.
  for name, prefix in (('weight_ih_l0', 'i'), ('weight_hh_l0', 'h')):
    parts = np.split(getattr(theirs, name).detach().numpy(), 4)
    for gate, part in zip('ifgo', parts, strict=True):
      cell[prefix + gate]['kernel'] = part.T
  bias = (theirs.bias_ih_l0 + theirs.bias_hh_l0).detach().numpy()
  for gate, part in zip('ifgo', np.split(bias, 4), strict=True):
    cell[f'h{gate}']['bias'] = part
  want = theirs(torch.from_numpy(np.array(x)))[0].detach().numpy()
  found = layer.apply(params, jnp.moveaxis(x, -1, 0))
  np.testing.assert_allclose(jnp.moveaxis(found, 0, -1), want, rtol=1e-5, atol=1e-6)

"""Rows of unlike length, in groups of which each is computed only as far as its longest goes."""

import jax
import jax.numpy as jnp
import numpy as np

from emo_jax.models.ean import Model


def test_groups_learn_as_whole_rows_do_and_padding_is_finite():
  rng = np.random.default_rng(0)
  lengths = np.array([60, 10, 9, 0], np.int32)
  batch = dict(
    streams=dict(face=rng.standard_normal((4, 60, 512), np.float32)),
    length=dict(face=lengths),
    id=np.arange(4, dtype=np.uint32),
    # As a batch is padded: the last row belongs to the longest clip, in the group of short ones.
    rows=dict(clip=np.array([0, 1, 2, 0], np.int32), start=np.zeros(4, np.int32)),
  )
  model = Model(hidden=(8, 4), window=None)
  params = model.init(jax.random.key(0), batch)
  weight = jnp.array([1.0, 1.0, 1.0, 0.0])

  def found(groups):
    def loss(params):
      logits = model.apply(
        params, batch, train=True, groups=groups, rngs=dict(dropout=jax.random.key(1))
      )
      return ((logits**2).sum(1) * weight).sum(), logits

    (_, logits), grads = jax.jit(jax.value_and_grad(loss, has_aux=True))(params)
    assert np.isfinite(logits).all()
    return logits[:3], grads

  for a, b in zip(
    jax.tree.leaves(found(((1, 60), (3, 16)))), jax.tree.leaves(found(())), strict=True
  ):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6 * max(1, np.abs(b).max()))

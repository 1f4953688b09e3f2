"""Mixup of face crops (Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018).

A clip's crops are blended frame by frame with those of another clip of the same device, and its
target likewise. Other streams stay the clip's own.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from emo_jax.models.ean import CROPS


class Mix(NamedTuple):
  """Of every clip [B]: which other one is mixed in, and the share of the clip itself."""

  partner: Any
  share: Any


def draw(key: Array, usable: Bool[Array, ' b'], alpha: float) -> Mix:
  """Shares from Beta(alpha, alpha), of which the larger part is the clip's own; only clips that are
  `usable` [B] are mixed, with one another."""
  order, shares = jax.random.split(key)
  partner = jax.random.permutation(order, len(usable))
  both = usable & usable[partner]
  share = jax.random.beta(shares, alpha, alpha, usable.shape)
  return Mix(
    jnp.where(both, partner, jnp.arange(len(usable))),
    jnp.where(both, jnp.maximum(share, 1 - share), 1.0),
  )


def crops(batch: dict[str, Any], mix: Mix) -> dict[str, Any]:
  """The batch with mixed crops, float32; past its end another clip shows its last frame."""
  own = batch['streams'][CROPS].astype(jnp.float32)
  last = jnp.maximum(batch['length'][CROPS][mix.partner] - 1, 0)
  frame = jnp.minimum(jnp.arange(own.shape[1])[None, :], last[:, None])
  share = mix.share[:, None, None, None, None]
  mixed = share * own + (1 - share) * own[mix.partner[:, None], frame]
  return batch | dict(streams=batch['streams'] | {CROPS: mixed})


def targets(each: Float[Array, 'b k'], mix: Mix) -> Float[Array, 'b k']:
  """[B, k] of the clips -> of the mixed ones."""
  share = mix.share[:, None]
  return share * each + (1 - share) * each[mix.partner]

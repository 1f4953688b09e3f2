"""P-Net, R-Net and O-Net of MTCNN (Zhang et al. 2016) as the package `mtcnn` 1.0.0 defines them.

Inputs are RGB, `(x - 127.5) / 128`. Boxes are regressed as offsets of x0, y0, x1, y1 relative to
the candidate's width and height; scores are probabilities of a face.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def _flatten(x: jax.Array) -> jax.Array:
  """[B, H, W, C] -> [B, W * H * C]: the weights were trained on columns first."""
  return x.transpose(0, 2, 1, 3).reshape(len(x), -1)


def _face_probability(logits: jax.Array) -> jax.Array:
  return nn.softmax(logits)[..., 1]


def _max_pool(x: jax.Array, window: int, padding: str) -> jax.Array:
  return nn.max_pool(x, (window, window), strides=(2, 2), padding=padding)


class PReLU(nn.Module):
  """max(x, 0) + alpha * min(x, 0) with one alpha per channel."""

  @nn.compact
  def __call__(self, x: Float[Array, '...']) -> Float[Array, '...']:
    alpha = self.param('alpha', nn.initializers.zeros, (x.shape[-1],))
    return jnp.where(x >= 0, x, alpha.reshape((1,) * (x.ndim - 1) + (-1,)) * x)


class PNet(nn.Module):
  """Proposals: a fully convolutional 12x12 window classifier with stride 2."""

  @nn.compact
  def __call__(
    self, x: Float[Array, 'b h w 3']
  ) -> tuple[Float[Array, 'b y x 4'], Float[Array, 'b y x']]:
    """Returns box offsets and scores per window."""
    x = PReLU(name='prelu1')(nn.Conv(10, (3, 3), padding='VALID', name='conv1')(x))
    x = _max_pool(x, 2, 'SAME')
    x = PReLU(name='prelu2')(nn.Conv(16, (3, 3), padding='VALID', name='conv2')(x))
    x = PReLU(name='prelu3')(nn.Conv(32, (3, 3), padding='VALID', name='conv3')(x))
    box = nn.Conv(4, (1, 1), name='box')(x)
    return box, _face_probability(nn.Conv(2, (1, 1), name='score')(x))


class RNet(nn.Module):
  """Refines and rejects 24x24 candidates."""

  @nn.compact
  def __call__(
    self, x: Float[Array, 'b 24 24 3']
  ) -> tuple[Float[Array, 'b 4'], Float[Array, ' b']]:
    """Returns box offsets and scores."""
    x = PReLU(name='prelu1')(nn.Conv(28, (3, 3), padding='VALID', name='conv1')(x))
    x = _max_pool(x, 3, 'SAME')
    x = PReLU(name='prelu2')(nn.Conv(48, (3, 3), padding='VALID', name='conv2')(x))
    x = _max_pool(x, 3, 'VALID')
    x = PReLU(name='prelu3')(nn.Conv(64, (2, 2), padding='VALID', name='conv3')(x))
    x = PReLU(name='prelu4')(nn.Dense(128, name='dense4')(_flatten(x)))
    return nn.Dense(4, name='box')(x), _face_probability(nn.Dense(2, name='score')(x))


class ONet(nn.Module):
  """The final decision on 48x48 candidates, with five facial landmarks."""

  @nn.compact
  def __call__(
    self, x: Float[Array, 'b 48 48 3']
  ) -> tuple[Float[Array, 'b 4'], Float[Array, 'b 10'], Float[Array, ' b']]:
    """Returns box offsets, landmarks (five x, then five y, relative to the box) and scores."""
    x = PReLU(name='prelu1')(nn.Conv(32, (3, 3), padding='VALID', name='conv1')(x))
    x = _max_pool(x, 3, 'SAME')
    x = PReLU(name='prelu2')(nn.Conv(64, (3, 3), padding='VALID', name='conv2')(x))
    x = _max_pool(x, 3, 'VALID')
    x = PReLU(name='prelu3')(nn.Conv(64, (3, 3), padding='VALID', name='conv3')(x))
    x = _max_pool(x, 2, 'SAME')
    x = PReLU(name='prelu4')(nn.Conv(128, (2, 2), padding='VALID', name='conv4')(x))
    x = PReLU(name='prelu5')(nn.Dense(256, name='dense5')(_flatten(x)))
    box, landmarks = nn.Dense(4, name='box')(x), nn.Dense(10, name='landmarks')(x)
    return box, landmarks, _face_probability(nn.Dense(2, name='score')(x))

"""The face backbone of EMO-AffectNet: a Caffe-style ResNet-50 with a 512-wide feature layer.

Ryumina et al., "In search of a robust facial expressions recognition model", 2022, as their code
builds it: the stride sits on the first 1x1 convolution and on the projection, and the embedding is
the `features` layer after ReLU. Batch norm always uses the statistics it came with, also where
stages are fine-tuned: batches are small.
"""

import functools
import zlib
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float32, Num, UInt8

from emo_jax.weights import FEATURES, RESNET_STAGES, backbone_shapes, nest

BN_EPSILON = 1e-3  # Keras' default, with which the public weights were trained
STAGES = ('conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'features')
MEAN_BGR = (91.4953, 103.8827, 131.0912)  # of VGGFace2, in 0..255

# Of pixels after the mean is taken off, roughly: random weights then give features of order one.
_PIXEL_VARIANCE = 70.0**2


def preprocess(rgb: Num[Array | np.ndarray, 'b h w 3']) -> Float32[Array, 'b h w 3']:
  """What the reference does to a face crop (`preprocess_input`, version 2): BGR minus its mean.

  Args:
    rgb: [B, H, W, 3] red, green, blue in 0..255.

  Returns:
    [B, H, W, 3] float32 blue, green, red, mean subtracted, not divided.
  """
  bgr = jnp.asarray(rgb, jnp.float32)[..., ::-1]
  return bgr - jnp.asarray(MEAN_BGR, jnp.float32).reshape(1, 1, 1, 3)


def trained(variables: dict, stages: Sequence[str]) -> dict:
  """Which variables of `FaceBackbone` are of one of these of STAGES, as a tree of bools. Statistics
  of batch norm and the static class layer are of none."""

  def is_trained(path, _):
    collection, layer = (key.key for key in path[:2])
    return collection == 'params' and layer.split('_')[0] in stages

  return jax.tree_util.tree_map_with_path(is_trained, variables)


def held(variables: dict, stages: Sequence[str]) -> dict:
  """The same variables, through which no gradient goes but to these stages."""
  return jax.tree.map(
    lambda x, learns: x if learns else jax.lax.stop_gradient(x),
    variables,
    trained(variables, stages),
  )


def random_variables(seed: int) -> dict:
  """Variables of a backbone nobody trained (`--weights=random`), the same for the same seed.

  Kernels are He-normal; batch norm passes its input through, except that the stem's brings pixels
  to unit variance and a block's last one damps, so that the sums of the residual blocks stay small.
  """
  return nest({n: _random_tensor(seed, n, shape) for n, shape in backbone_shapes().items()})


def _random_tensor(seed: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
  leaf = name.rsplit('/', 1)[1]
  if leaf == 'kernel':
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    std = np.float32(np.sqrt(2 / np.prod(shape[:-1])))
    return std * rng.standard_normal(shape, np.float32)
  if leaf in ('bias', 'mean'):
    return np.zeros(shape, np.float32)
  if leaf == 'var' and 'conv1_7x7_s2_bn' in name:
    return np.full(shape, 2 * _PIXEL_VARIANCE, np.float32)
  damped = leaf == 'scale' and '1x1_increase_bn' in name
  return np.full(shape, 0.25 if damped else 1.0, np.float32)


class Block(nn.Module):
  """A bottleneck block, 1x1 -> 3x3 -> 1x1, with a projection where `project` is set.

  Attributes:
    width: channels of the inner convolutions.
    filters: channels of the result.
    stride: of the first 1x1 convolution and of the projection.
    project: whether the shortcut is a convolution; else it is the input itself.
    dtype: in which the block computes.
  """

  width: int
  filters: int
  stride: int
  project: bool
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    conv_bn = functools.partial(_conv_bn, dtype=self.dtype)
    y = nn.relu(conv_bn(x, '1x1_reduce', self.width, 1, self.stride))
    y = nn.relu(conv_bn(y, '3x3', self.width, 3))
    y = conv_bn(y, '1x1_increase', self.filters, 1)
    shortcut = conv_bn(x, '1x1_proj', self.filters, 1, self.stride) if self.project else x
    return nn.relu(y + shortcut)


class FaceBackbone(nn.Module):
  """The frozen face network; variables are `{'params': ..., 'batch_stats': ...}`.

  Attributes:
    dtype: in which convolutions compute; parameters and results are float32 in any case.
  """

  dtype: DTypeLike = jnp.float32

  def __call__(self, rgb: Num[Array | np.ndarray, 'b 224 224 3']) -> Float32[Array, 'b 512']:
    """The embedding of face crops: [B, 224, 224, 3] RGB -> [B, 512], nowhere negative."""
    return self.outputs(rgb)[0]

  def logits(self, rgb: UInt8[Array | np.ndarray, 'b 224 224 3']) -> Float32[Array, 'b 7']:
    """The static model's logits of face crops, in the order of `emo_jax.labels.EMOTIONS`."""
    return self.outputs(rgb)[1]

  @nn.compact
  def outputs(
    self, rgb: Num[Array | np.ndarray, 'b 224 224 3']
  ) -> tuple[Float32[Array, 'b 512'], Float32[Array, 'b 7']]:
    """Embedding [B, 512] and static logits [B, 7] of face crops."""
    x = preprocess(rgb).astype(self.dtype)
    x = nn.relu(_conv_bn(x, 'conv1_7x7_s2', 64, 7, 2, dtype=self.dtype))
    x = nn.max_pool(x, (3, 3), (2, 2), padding='VALID')
    for stage, (width, filters, blocks) in RESNET_STAGES.items():
      for block in range(1, blocks + 1):
        first = block == 1
        stride = 2 if first and stage > 2 else 1
        x = Block(width, filters, stride, first, self.dtype, name=f'conv{stage}_{block}')(x)
    x = x.astype(jnp.float32).mean(axis=(1, 2))
    features = nn.relu(nn.Dense(FEATURES, name='features')(x))
    return features, nn.Dense(7, name='classifier')(features)


def _conv_bn(
  x: jax.Array, name: str, filters: int, size: int, stride: int = 1, *, dtype: DTypeLike
) -> jax.Array:
  # lax's SAME pads as TensorFlow does: 2 before and 3 after for the 7x7/2 of the stem
  strides = (stride, stride)
  x = nn.Conv(filters, (size, size), strides, 'SAME', use_bias=False, dtype=dtype, name=name)(x)
  norm = nn.BatchNorm(True, epsilon=BN_EPSILON, dtype=dtype, name=f'{name}_bn')
  return norm(x)

"""The frozen networks in Flax: the definition, on accelerators and wherever OpenVINO is not.

Resizing and cutting out candidates run on the device too. Batches and candidates are padded to few
sizes, so that a resolution compiles once.
"""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int32, Integer, UInt8

from emo_jax.models import mtcnn as networks
from emo_jax.models import resnet
from emo_jax.video.engines import CANDIDATE

_FRAMES = 4  # the least number of frames per call of P-Net
_CANDIDATES = (32, 128, 512)  # candidates per call of R-Net and O-Net


def _exact():
  # Accelerators would round to TF32 or bfloat16.
  return jax.default_matmul_precision('highest')


class FlaxEngine:
  """See `emo_jax.video.engines.Engine`."""

  name = 'flax'
  under_way = 2  # the next batch travels while one is computed

  def __init__(self, precision: str, backbone: Mapping, mtcnn: Mapping, batch: int):
    self.precision, self.batch = precision, batch
    self._variables = jax.device_put({'backbone': backbone, **mtcnn})
    self._backbone = jax.jit(resnet.FaceBackbone(dtype=jnp.dtype(precision)).apply)

  def embed(self, crops: UInt8[np.ndarray, 'b 224 224 3']) -> Float[Array, 'b 512']:
    """See `Engine`. Does not wait for the device."""
    padding = [(0, self.batch - len(crops)), (0, 0), (0, 0), (0, 0)]
    with _exact():
      return self._backbone(self._variables['backbone'], np.pad(crops, padding))[: len(crops)]

  def load(self, rgb: UInt8[np.ndarray, 'n h w 3']) -> tuple[UInt8[Array, 'm h w 3'], int]:
    """See `Engine`. Padded to a multiple of 4 frames, beside their number."""
    padding = [(0, -len(rgb) % _FRAMES), (0, 0), (0, 0), (0, 0)]
    return jnp.asarray(np.pad(rgb, padding)), len(rgb)

  def propose(
    self, frames: tuple[UInt8[Array, 'm h w 3'], int], shape: tuple[int, int]
  ) -> tuple[np.ndarray, np.ndarray]:
    """See `Engine`."""
    rgb, count = frames
    rows, columns = (_bands(s, o) for s, o in zip(rgb.shape[1:3], shape, strict=True))
    with _exact():
      found = [
        _propose(self._variables['pnet'], rgb[start : start + _FRAMES], rows, columns, shape)
        for start in range(0, len(rgb), _FRAMES)
      ]
    offsets, scores = (np.concatenate(x)[:count] for x in zip(*jax.device_get(found), strict=True))
    return offsets, scores

  def judge(
    self,
    net: str,
    frames: tuple[UInt8[Array, 'm h w 3'], int],
    frame: Int[np.ndarray, ' k'],
    boxes: Float[np.ndarray, 'k 4'],
  ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """See `Engine`."""
    found = [(np.zeros((0, 4), np.float32), np.zeros((0, 10), np.float32), np.zeros(0, np.float32))]
    for start in range(0, len(boxes), _CANDIDATES[-1]):
      rows = slice(start, start + _CANDIDATES[-1])
      count = len(boxes[rows])
      padding = min(size for size in _CANDIDATES if size >= count) - count
      frame_of = np.pad(frame[rows], (0, padding)).astype(np.int32)
      padded = np.pad(boxes[rows], ((0, padding), (0, 0))).astype(np.float32)
      with _exact():
        outputs = _judge(self._variables[net], frames[0], frame_of, padded, net)
      found.append(tuple(x[:count] for x in jax.device_get(outputs)))
    offsets, points, scores = (np.concatenate(x) for x in zip(*found, strict=True))
    return offsets, points, scores


@functools.partial(jax.jit, static_argnames='shape')
def _propose(
  variables: dict, rgb: jax.Array, rows: tuple, columns: tuple, shape: tuple[int, int]
) -> tuple[jax.Array, jax.Array]:
  planes = _normalise(rgb).transpose(0, 3, 1, 2)
  level = resize_area(planes, rows, columns, shape).transpose(0, 2, 3, 1)
  return networks.PNet().apply(variables, level)


@functools.partial(jax.jit, static_argnames='net')
def _judge(
  variables: dict, rgb: jax.Array, frame: jax.Array, boxes: jax.Array, net: str
) -> tuple[jax.Array, jax.Array, jax.Array]:
  candidates = crop_and_resize(_normalise(rgb), frame, boxes, CANDIDATE[net])
  if net == 'onet':
    return networks.ONet().apply(variables, candidates)
  offsets, scores = networks.RNet().apply(variables, candidates)
  return offsets, jnp.zeros((len(scores), 10)), scores


def _normalise(rgb: jax.Array) -> jax.Array:
  return (rgb.astype(jnp.float32) - 127.5) / 128


@functools.lru_cache(maxsize=256)
def _bands(size: int, out: int) -> tuple[np.ndarray, np.ndarray]:
  return area_bands(size, out)


def area_bands(
  size: int, out: int, block: int = 8
) -> tuple[Integer[np.ndarray, 'n taps'], Float[np.ndarray, 'n block taps']]:
  """Area resize of one axis as a banded matrix: input positions and weights per block of outputs.

  TensorFlow's ResizeArea: an output pixel is the mean of the input under it, parts of pixels
  counted by their share. Outputs beyond `out` in the last block have weight zero.
  """
  ratio = np.float32(size) / np.float32(out)
  low = np.arange(out, dtype=np.float32) * ratio
  high = np.arange(1, out + 1, dtype=np.float32) * ratio
  blocks = -(-out // block)
  first = np.floor(low[::block]).astype(int)
  last = np.ceil(high[np.minimum(np.arange(1, blocks + 1) * block, out) - 1]).astype(int)
  index = first[:, None] + np.arange((last - first).max())
  low, high = (np.pad(v, (0, blocks * block - out)).reshape(blocks, block, 1) for v in (low, high))
  position = index[:, None, :].astype(np.float32)
  share = np.minimum(position + 1, high) - np.maximum(position, low)
  # A pixel beyond the edge counts as the last one; rounding puts at most a sliver there.
  return np.minimum(index, size - 1), (np.maximum(share, 0) / ratio).astype(np.float32)


def resize_area(
  x_NxCxHxW: Float[Array, 'n c h w'],
  rows: tuple[jax.Array, jax.Array],
  columns: tuple[jax.Array, jax.Array],
  shape: tuple[int, int],
) -> Float[Array, 'n c out_h out_w']:
  """Area resize as two products with banded matrices (`area_bands` of each axis)."""
  (index, weight), (n, c, _, w) = rows, x_NxCxHxW.shape
  bands = jnp.einsum('ncbkw,bok->ncbow', jnp.take(x_NxCxHxW, index, axis=2), weight)
  x = bands.reshape(n, c, -1, w)[:, :, : shape[0]]
  index, weight = columns
  bands = jnp.einsum('nchbk,bok->nchbo', jnp.take(x, index, axis=3), weight)
  return bands.reshape(n, c, shape[0], -1)[..., : shape[1]]


def crop_and_resize(
  images: Float[Array, 'n h w 3'], frame: Int32[Array, ' k'], boxes: Float[Array, 'k 4'], size: int
) -> Float[Array, 'k size size 3']:
  """Bilinear samples of [size, size] points in boxes, as tf.image.crop_and_resize takes them.

  Boxes are x0, y0, x1, y1 relative to width and height; points outside the image are zero.
  """
  height, width = images.shape[1:3]
  steps = jnp.arange(size, dtype=jnp.float32).reshape(1, -1)

  def axis(low, high, last):
    at = low[:, None] * last + steps * ((high - low)[:, None] * (last / (size - 1)))
    floor = jnp.floor(at)
    inside = (at >= 0) & (at <= last)
    pick = functools.partial(jnp.clip, min=0, max=last)
    return pick(floor).astype(int), pick(jnp.ceil(at)).astype(int), at - floor, inside

  x0, x1, dx, inside_x = axis(boxes[:, 0], boxes[:, 2], width - 1)
  y0, y1, dy, inside_y = axis(boxes[:, 1], boxes[:, 3], height - 1)
  frame = frame[:, None, None]
  dx, dy = dx[:, None, :, None], dy[:, :, None, None]

  def row(y):
    left, right = (
      images[frame, y[:, :, None], x0[:, None]],
      images[frame, y[:, :, None], x1[:, None]],
    )
    return left + (right - left) * dx

  top, bottom = row(y0), row(y1)
  inside = inside_y[:, :, None, None] & inside_x[:, None, :, None]
  return jnp.where(inside, top + (bottom - top) * dy, 0)

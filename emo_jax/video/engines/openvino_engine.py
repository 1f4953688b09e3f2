"""The frozen networks in OpenVINO, for CPUs."""

import itertools
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from emo_jax import parallel
from emo_jax.video import libraries
from emo_jax.video.engines import CANDIDATE, OPENVINO_HINT, openvino_graphs

_BATCH = 4  # crops: as fast as more, with less padding
_OUTSIDE = -3  # a point of the grid far outside, where all is zero
_NOTHING = np.zeros((0, 4)), np.zeros((0, 10)), np.zeros(0, np.float32)


class OpenVinoEngine:
  """See `emo_jax.video.engines.Engine`."""

  name = 'openvino'

  def __init__(self, precision: str, backbone: Mapping, mtcnn: Mapping, batch: int):
    """See `open_engine`; a `batch` of 0 makes calls of 4 crops, one at a time for every core."""
    self._cv2, ov = libraries.opencv(), libraries.openvino()
    core = ov.Core()
    streams = {'PERFORMANCE_HINT': 'LATENCY'}
    self.batch, self.under_way = batch, 1
    if not batch:
      self.batch, self.under_way = _BATCH, parallel.cores()
      streams = {'NUM_STREAMS': self.under_way, 'INFERENCE_NUM_THREADS': self.under_way}
    embed = core.compile_model(
      openvino_graphs.backbone(backbone, self.batch),
      'CPU',
      {
        **streams,
        'ENABLE_CPU_PINNING': False,
        'INFERENCE_PRECISION_HINT': OPENVINO_HINT[precision],
      },
    )
    # What is asked for is a hint: without the instructions it runs in float32.
    kept = embed.get_property('INFERENCE_PRECISION_HINT') == ov.Type.bf16
    self.precision = 'bfloat16' if kept else 'float32'
    self._frames: _Frames | None = None
    self._backbone = itertools.cycle([embed.create_infer_request() for _ in range(self.under_way)])
    # One thread: candidates are few, and the other stages have work for the other cores.
    exact = {
      'PERFORMANCE_HINT': 'LATENCY',
      'INFERENCE_PRECISION_HINT': 'f32',
      'INFERENCE_NUM_THREADS': 1,
      'ENABLE_CPU_PINNING': False,
    }
    self._nets = {
      net: core.compile_model(
        getattr(openvino_graphs, net)(mtcnn[net]), 'CPU', exact
      ).create_infer_request()
      for net in ('pnet', 'rnet', 'onet')
    }

  def embed(self, crops: UInt8[np.ndarray, 'b 224 224 3']) -> '_UnderWay':
    """See `Engine`. Does not wait."""
    padding = [(0, self.batch - len(crops)), (0, 0), (0, 0), (0, 0)]
    request = next(self._backbone)
    request.wait()  # for what a run that was left early has started
    request.start_async([np.pad(crops, padding)])
    return _UnderWay(request, len(crops))

  def load(self, rgb: UInt8[np.ndarray, 'n h w 3']) -> '_Frames':
    """See `Engine`. The frames loaded before are gone then."""
    if self._frames is None or not self._frames.fit(rgb):
      self._frames = _Frames(rgb.shape)
    self._frames.fill(rgb)
    return self._frames

  def propose(self, frames: '_Frames', shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """See `Engine`."""
    area = self._cv2.INTER_AREA
    level = np.empty((len(frames.pixels), *shape, 3), np.float32)
    for pixels, resized in zip(frames.pixels, level, strict=True):
      self._cv2.resize(pixels, shape[::-1], dst=resized, interpolation=area)
    return self._run('pnet', [level])

  def judge(
    self,
    net: str,
    frames: '_Frames',
    frame: Int[np.ndarray, ' k'],
    boxes: Float[np.ndarray, 'k 4'],
  ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """See `Engine`. The candidates come frame by frame."""
    grid = _grid(boxes, frame, CANDIDATE[net], frames.pixels.shape[:3])
    # Few shapes, for which the networks are made ready once each: three binary digits of a count.
    padding = -len(boxes) % (1 << max(0, (len(boxes) - 1).bit_length() - 3))
    grid = np.pad(grid, ((0, padding), (0, 0), (0, 0), (0, 0)), mode='edge')
    grid = grid.reshape(1, -1, *grid.shape[2:])
    outputs = self._run(net, [frames.planes(), grid]) if len(boxes) else _NOTHING
    offsets, *points, scores = (x[: len(boxes)] for x in outputs)
    return offsets, points[0] if points else np.zeros((len(boxes), 10)), scores

  def _run(self, net: str, inputs: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    request = self._nets[net]
    request.infer(inputs, share_inputs=True)
    return tuple(tensor.data.copy() for tensor in request.output_tensors)


class _UnderWay:
  """Features that an inference request is at work on."""

  def __init__(self, request, count: int):
    self._request, self._count = request, count

  def __array__(self, dtype=None, copy=None) -> np.ndarray:
    self._request.wait()
    return np.array(self._request.get_output_tensor(0).data[: self._count], dtype)


class _Frames:
  """Normalised frames [n, h, w, 3] float32 and, where asked for, their colours as planes.

  In arrays that are filled anew each time: the system takes a while to give so large ones.
  """

  def __init__(self, shape: tuple[int, ...]):
    self._pixels = np.empty(shape, np.float32)
    self._planes = np.empty(self._pixels.size, np.float32)

  def fit(self, rgb: np.ndarray) -> bool:
    return len(rgb) <= len(self._pixels) and rgb.shape[1:] == self._pixels.shape[1:]

  def fill(self, rgb: np.ndarray) -> None:
    self.pixels, self._planar = self._pixels[: len(rgb)], False
    np.subtract(rgb, np.float32(127.5), out=self.pixels, dtype=np.float32)
    self.pixels *= np.float32(1 / 128)

  def planes(self) -> np.ndarray:
    """[1, 3, n * h, w]: one frame below the other."""
    count, height, width, colours = self.pixels.shape
    planes = self._planes[: self.pixels.size].reshape(colours, count, height, width)
    if not self._planar:
      planes[:] = self.pixels.transpose(3, 0, 1, 2)
      self._planar = True
    return planes.reshape(1, colours, count * height, width)


def _grid(
  boxes: Float[np.ndarray, 'k 4'],
  frame: Int[np.ndarray, ' k'],
  size: int,
  shape: tuple[int, int, int],
) -> Float32[np.ndarray, 'k size size 2']:
  """Points of the candidates in `_Frames.planes`, from -1 to 1 between the corner pixels; `shape`
  is number, height and width of the frames."""
  count, height, width = shape
  steps = np.arange(size) / (size - 1)

  def axis(low: np.ndarray, high: np.ndarray, last: int) -> np.ndarray:
    at = (low[:, None] + steps * (high - low)[:, None]) * last
    return np.where((at < 0) | (at > last), np.nan, at)

  x = axis(boxes[:, 0], boxes[:, 2], width - 1)[:, None, :] * (2 / max(width - 1, 1)) - 1
  y = axis(boxes[:, 1], boxes[:, 3], height - 1) + (frame * height)[:, None]
  y = y[:, :, None] * (2 / max(count * height - 1, 1)) - 1
  grid = np.empty((len(boxes), size, size, 2), np.float32)
  grid[..., 0], grid[..., 1] = x, y
  return np.nan_to_num(grid, copy=False, nan=_OUTSIDE)

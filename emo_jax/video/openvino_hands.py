"""The signer's hands by the networks of MediaPipe's hand landmarker, run in OpenVINO.

It finds what `emo_jax.video.hands.HandTracker` finds, in less time on CPUs: the graph of
mediapipe/tasks/cc/vision/hand_landmarker for videos and two hands, with its default confidences.
"""

import functools
import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from emo_jax.errors import UserError
from emo_jax.video import hands, libraries, palm_boxes, palm_regions
from emo_jax.video.engines import OPENVINO_HINT
from emo_jax.video.hands import Hands
from emo_jax.video.palm_regions import Region

_PALM_NET, _HAND_NET = 'hand_detector.tflite', 'hand_landmarks_detector.tflite'
_MOST_HANDS = len(hands.SIDES)
_LEAST_PRESENCE = 0.5
_SIDE = 224  # pixels of a hand's square
_DEPTH_SCALE = 0.4  # by which MediaPipe divides z

_SHAPES = {
  _PALM_NET: ([1, palm_boxes.SIDE, palm_boxes.SIDE, 3], [1, 2016, 18], [1, 2016, 1]),
  _HAND_NET: ([1, _SIDE, _SIDE, 3], [1, 63], [1, 1], [1, 1], [1, 63]),
}


class OpenVinoHands:
  """Follows the hands through one video after the other, frames in order.

  It differs from MediaPipe as MediaPipe does from itself when some of a frame's values change by
  one: rounding grows from frame to frame while a hand is followed. In bfloat16 it differs more.

  Attributes:
    precision: of the networks' convolutions.
  """

  def __init__(self, task: bytes, precision: str = 'float32', threads: int = 1):
    """Loads the networks, unless they are loaded already.

    Args:
      task: the landmarker's file.
      precision: of `emo_jax.video.engines.PRECISIONS`; float32 where the processor lacks the
        instructions.
      threads: how many run such networks at the same time, each with an object of its own.

    Raises:
      UserError: the file is not a hand landmarker, or OpenVINO is missing.
    """
    palm_net, hand_net = (_network(task, x, precision, threads) for x in (_PALM_NET, _HAND_NET))
    # What is asked for is a hint: without the instructions it runs in float32.
    kept = palm_net.get_property('INFERENCE_PRECISION_HINT') == libraries.openvino().Type.bf16
    self.precision = 'bfloat16' if kept else 'float32'
    self._palm_net = palm_net.create_infer_request()
    self._hand_net = hand_net.create_infer_request()
    self._followed: list[Region] = []

  def start(self, video: Path) -> None:
    """Begins a video, or a part of one: nothing of the frames before is remembered."""
    self._followed = []

  def __enter__(self) -> 'OpenVinoHands':
    return self

  def __exit__(self, *_) -> None:
    self.close()

  def close(self) -> None:
    """Frees the networks."""
    self._palm_net = self._hand_net = None

  def detect(self, rgb: UInt8[np.ndarray, 'h w 3'], time_s: float) -> Hands:
    """The hands of the next frame: see `emo_jax.video.hands.HandTracker.detect`."""
    rgb = np.ascontiguousarray(rgb)
    regions = self._followed
    if len(regions) < _MOST_HANDS:
      regions = palm_regions.add(regions, self._find_palms(rgb), _MOST_HANDS)
    labels, scores, found = [], [], []
    for region in regions:
      points, present, right = self._landmarks(rgb, region)
      if present <= _LEAST_PRESENCE or any(
        palm_regions.is_same_hand(points[:, :2], other[:, :2]) for other in found
      ):
        continue
      found.append(points)
      labels.append('Right' if right >= 0.5 else 'Left')
      scores.append(max(right, 1 - right))
    self._followed = [palm_regions.around_hand(points[:, :2]) for points in found]
    return hands.assign(labels, scores, np.reshape(found, (-1, *hands.HAND_SHAPE[1:])))

  def _find_palms(self, rgb: np.ndarray) -> list[Region]:
    square = palm_regions.whole(*rgb.shape[:2])
    outputs, logits = _run(self._palm_net, square.pixels(rgb, palm_boxes.SIDE, replicate=False))
    palms = palm_boxes.suppress(*palm_boxes.decode(outputs[0], logits[0, :, 0]), _MOST_HANDS)
    return [palm_regions.around_palm(square.to_frame(palm)) for palm in palms]

  def _landmarks(
    self, rgb: np.ndarray, region: Region
  ) -> tuple[Float[np.ndarray, '21 3'], float, float]:
    """Landmarks of a region in pixels, the share of trust in a hand, and in a right one."""
    outputs = _run(self._hand_net, region.pixels(rgb, _SIDE, replicate=True))
    shares = outputs[0].astype(np.float64).reshape(21, 3) / _SIDE
    depth = shares[:, 2:] * (region.side / _DEPTH_SCALE)
    points = np.concatenate([region.to_frame(shares[:, :2]), depth], axis=1)
    return points, float(outputs[1][0, 0]), float(outputs[2][0, 0])


@functools.lru_cache(maxsize=4)
def _network(task: bytes, name: str, precision: str, threads: int) -> Any:
  """One of the landmarker's networks, for so many requests at a time, on one thread each."""
  core = libraries.openvino().Core()
  try:
    model = _read(core, task, name)
  except (ValueError, zipfile.BadZipFile) as error:
    raise UserError(f'not a hand landmarker (--hand_model): {error}') from error
  except OSError as error:
    where = f'{tempfile.gettempdir()} has no room for it ({error.strerror})'
    raise UserError(f'the hand landmarker cannot be unpacked: {where}; set TMPDIR') from error
  settings = {
    'NUM_STREAMS': threads,
    'INFERENCE_NUM_THREADS': threads,
    'INFERENCE_PRECISION_HINT': OPENVINO_HINT[precision],
    'ENABLE_CPU_PINNING': False,
  }
  return core.compile_model(model, 'CPU', settings)


def _read(core: Any, task: bytes, name: str) -> Any:
  """A network in the landmarker's file. Raises ValueError or BadZipFile."""
  with tempfile.TemporaryDirectory() as folder:  # OpenVINO reads such networks only from files
    with zipfile.ZipFile(io.BytesIO(task)) as archive:
      if name not in archive.namelist():
        raise ValueError(f'it holds no {name}')
      path = Path(archive.extract(name, folder))
    try:
      model = core.read_model(path)
    except RuntimeError as error:
      raise ValueError(f'{name} is not a network') from error
  shapes = tuple([*port.shape] for port in (*model.inputs, *model.outputs))
  if shapes != _SHAPES[name]:
    raise ValueError(f'{name} has other inputs or outputs')
  return model


def _run(request: Any, pixels: UInt8[np.ndarray, 'size size 3']) -> list[np.ndarray]:
  request.infer([pixels[None] * np.float32(1 / 255)], share_inputs=True)
  return [tensor.data for tensor in request.output_tensors]

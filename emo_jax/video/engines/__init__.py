"""The frozen networks of extraction, run by Flax anywhere and by OpenVINO on CPUs.

Flax defines them (`emo_jax.models.resnet`, `emo_jax.models.mtcnn`); XLA leaves a CPU's matrix units
idle, which OpenVINO uses. Both give the same numbers (tests/video/test_engines.py).
"""

import importlib.util
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from emo_jax import parallel
from emo_jax.errors import UserError
from emo_jax.video import mtcnn_weights

NAMES = ('auto', 'flax', 'openvino')
PRECISIONS = ('bfloat16', 'float32')
OPENVINO_HINT = {'bfloat16': 'bf16', 'float32': 'f32'}  # the same, as OpenVINO names them

# Names of the cascade's later networks -> points per side of a candidate.
CANDIDATE = {'rnet': 24, 'onet': 48}


@runtime_checkable
class Engine(Protocol):
  """What the stages of extraction ask of the networks. Each method is called by one thread.

  Attributes:
    name: `flax` or `openvino`.
    precision: of the backbone's convolutions, as they really run. The detector, whose thresholds
      are sensitive, always runs in float32.
    batch: crops per call of the backbone.
    under_way: how many of these calls may wait for their results at the same time.
  """

  name: str
  precision: str
  batch: int
  under_way: int

  def load(self, rgb: np.ndarray) -> Any:
    """Frames [n, h, w, 3] uint8, brought to where the detector's networks run."""

  def propose(self, frames: Any, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """P-Net's offsets [n, y, x, 4] and scores [n, y, x] on the frames resized by area to
    (height, width)."""

  def judge(
    self, net: str, frames: Any, frame: np.ndarray, boxes: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """R-Net's or O-Net's offsets [k, 4], landmarks [k, 10] (zeros for R-Net) and scores [k].

    Args:
      net: `rnet` or `onet`.
      frames: what `load` returned.
      frame: [k] the candidates' frames.
      boxes: [k, 4] candidates, x0, y0, x1, y1 relative to width and height.
    """

  def embed(self, crops: np.ndarray) -> Any:
    """The backbone's features of at most `batch` crops [b, 224, 224, 3] uint8: what
    `numpy.asarray` makes [b, 512] of, waiting for them. After `under_way` more calls they are gone.
    """


def has_openvino() -> bool:
  """Is OpenVINO installed?"""
  return importlib.util.find_spec('openvino') is not None


def open_engine(name: str, precision: str, backbone: Mapping, batch: int = 0) -> Engine:
  """The engine of a name; `auto` is OpenVINO on CPUs that have it, else Flax.

  Args:
    name: of NAMES.
    precision: of PRECISIONS; float32 runs where the machine has no bfloat16.
    backbone: variables of `emo_jax.models.resnet.FaceBackbone`.
    batch: crops per call of the backbone, of which one runs at a time; by default 4 on CPUs, where
      each core has a call of its own, else 64.

  Raises:
    UserError: no such engine or precision, OpenVINO is wanted and not installed, or the detector's
      weights are missing.
  """
  if name not in NAMES or precision not in PRECISIONS:
    known = f'engines: {", ".join(NAMES)}; precisions: {", ".join(PRECISIONS)}'
    raise UserError(f'unknown engine {name!r} or precision {precision!r}; {known}')
  installed = has_openvino()
  if name == 'openvino' and not installed:
    raise UserError('OpenVINO is not installed: pip install openvino, or --engine=flax')
  mtcnn = {net: mtcnn_weights.load(net) for net in ('pnet', *CANDIDATE)}
  on_cpu = parallel.platform() == 'cpu'
  if name == 'openvino' or (name == 'auto' and on_cpu and installed):
    from emo_jax.video.engines.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(precision, backbone, mtcnn, batch)
  from emo_jax.video.engines.flax_engine import FlaxEngine

  return FlaxEngine(precision, backbone, mtcnn, batch or (4 if on_cpu else 64))

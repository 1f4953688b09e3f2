"""From video files to clips: the signer's face as features and the hands as points."""

import argparse
import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from emo_jax import parallel, provenance, weights
from emo_jax.errors import UserError
from emo_jax.models import resnet
from emo_jax.video import (
  assembly,
  clip,
  engines,
  faces,
  following,
  hand_model,
  libraries,
  pipeline,
  pose_files,
)
from emo_jax.video import sampling as frame_sampling
from emo_jax.video.hands import HandTracker
from emo_jax.video.openvino_hands import OpenVinoHands

WEIGHTS_VARIABLE = 'EMO_JAX_WEIGHTS'
RANDOM_SEED = 0
PRECISION = 'bfloat16'
HANDS = ('auto', 'mediapipe', 'openvino')

_MOST_READERS = 16


class Extractor:
  """Makes clips of videos; what it keeps between them changes no number.

  Attributes:
    key: the compatibility key of the clips.
    engine: name of the engine of the networks.
    precision: of the backbone's convolutions.
    hands: what finds the hands: `mediapipe`, `openvino` or `pose`.
  """

  def __init__(
    self,
    backbone_variables: dict,
    tensors_id: str,
    hand_model_path: str | os.PathLike,
    sampling: str = 'index',
    *,
    search: str = 'follow',
    engine: str = 'auto',
    precision: str = PRECISION,
    hands: str = 'auto',
    readers: int = 0,
    pose_hands: tuple[str | os.PathLike, str] | None = None,
  ):
    """Loads the networks.

    Args:
      backbone_variables: of `emo_jax.models.resnet.FaceBackbone`.
      tensors_id: sha256 of its tensors or `random:<seed>`.
      hand_model_path: MediaPipe's hand landmarker (`emo_jax.video.hand_model.find`).
      sampling: `index` or `time`.
      search: `follow` the face from frame to frame, or search every frame in `full`.
      engine: of `emo_jax.video.engines.NAMES`.
      precision: of `emo_jax.video.engines.PRECISIONS`.
      hands: of HANDS, what runs the hand landmarker; `auto` is OpenVINO where it is installed.
      readers: videos that are read at the same time; by default as many as there are cores, at
        most 16.
      pose_hands: a folder of `.pose` files to take the hands from in place of the landmarker, and
        their digest (`emo_jax.video.pose_files.digest`).

    Raises:
      UserError: a file or a library cannot be loaded, or a setting is unknown.
    """
    # One frame's work is small and the stages keep the cores busy.
    libraries.opencv().setNumThreads(1)
    readers = readers or min(_MOST_READERS, parallel.cores())
    if pose_hands is None:
      self.hands, source, hand_id = _landmarker(hand_model_path, hands, readers)
    else:
      folder, hand_id = pose_hands
      self.hands, source = 'pose', functools.partial(pose_files.HandFolder, folder)
    self.key = provenance.compatibility_key(
      backbone=tensors_id,
      detector=following.key(search),
      resize=faces.RESIZE,
      sampling=frame_sampling.key(sampling),
      hand_model=hand_id,
    )
    networks = engines.open_engine(engine, precision, backbone_variables)
    self.engine, self.precision = networks.name, networks.precision
    self._pipeline = pipeline.Pipeline(networks, source, sampling, search, readers)

  @property
  def busy_s(self) -> dict[str, float]:
    """Seconds that every stage was at work so far, summed over its threads."""
    return dict(self._pipeline.busy_s)

  def run(self, tasks: Iterable[assembly.Task]) -> Iterator[assembly.Event]:
    """Extracts many videos at once: see `emo_jax.video.pipeline.Pipeline.run`."""
    return self._pipeline.run(tasks)

  def extract(
    self, path: str | os.PathLike, progress: Callable[[assembly.Progress], None] | None = None
  ) -> clip.Clip:
    """The clip of one video file.

    Raises:
      UserError: the file cannot be decoded.
    """
    parts = []
    for event in self.run([assembly.Task(Path(path))]):
      match event:
        case assembly.Failure():
          raise event.error
        case assembly.Part():
          parts.append(event.clip)
        case assembly.Progress() if progress:
          progress(event)
    return clip.join(parts)


def _landmarker(
  path: str | os.PathLike, name: str, readers: int
) -> tuple[str, Callable[[], pipeline.HandSource], str]:
  """The engine of the hand landmarker, what makes a source of it, its id in the key."""
  if name not in HANDS:
    raise UserError(f'unknown hand engine {name!r}; there are {", ".join(HANDS)}')
  if name == 'auto':
    name = 'openvino' if engines.has_openvino() else 'mediapipe'
  try:
    task = Path(path).read_bytes()
  except OSError as error:
    raise UserError(f'the hand landmarker cannot be read: {error}') from error
  if name == 'openvino':
    source = functools.partial(OpenVinoHands, task, threads=readers)
  else:
    source = functools.partial(HandTracker, task)
  with source():
    pass  # a file that is no landmarker is found out here, not at every video
  return name, source, hand_model.digest(task)


def load_backbone(path: str | None) -> tuple[dict, str]:
  """The backbone's variables and its id in the compatibility key.

  Args:
    path: a converted weights file, `random`, or None for the environment's EMO_JAX_WEIGHTS.

  Raises:
    UserError: no weights are named, or the file holds no backbone.
  """
  path = path or os.environ.get(WEIGHTS_VARIABLE)
  if not path:
    raise UserError(
      f'no weights given (--weights or {WEIGHTS_VARIABLE}): download '
      'FER_static_ResNet50_AffectNet.pt from Hugging Face '
      'ElenaRyumina/face_emotion_recognition and convert it with `python -m emo_jax.convert '
      'ean-torch --static=...`; --weights=random exists for trying out'
    )
  if path == 'random':
    print('random backbone: not a score', file=sys.stderr)
    return resnet.random_variables(RANDOM_SEED), f'random:{RANDOM_SEED}'
  loaded = weights.load(path)
  if loaded['backbone'] is None:
    raise UserError(f'{path} holds no face backbone; convert with --static=...')
  return loaded['backbone'], loaded['info']['backbone_sha256']


def add_engine_flags(parser: argparse.ArgumentParser) -> None:
  """The flags of a command that runs the networks: --engine, --precision and --hands."""
  auto = 'auto: OpenVINO where there is no accelerator'
  parser.add_argument('--engine', choices=engines.NAMES, default='auto', help=auto)
  parser.add_argument('--precision', choices=engines.PRECISIONS, default=PRECISION)
  what = 'what runs the hand landmarker; auto: OpenVINO where it is installed'
  parser.add_argument('--hands', choices=HANDS, default='auto', help=what)


def from_flags(arguments: argparse.Namespace, **changed) -> Extractor:
  """`open_extractor` of a command's flags: --weights, --hand_model, --sampling, --search and those
  of `add_engine_flags`. `changed` are settings that the command has itself."""
  names = ('sampling', 'search', 'engine', 'precision', 'hands')
  settings = {name: getattr(arguments, name) for name in names if name not in changed} | changed
  return open_extractor(arguments.weights, arguments.hand_model, **settings)


def open_extractor(
  weights_path: str | None, hand_model_path: str | os.PathLike | None, sampling: str, **settings
) -> Extractor:
  """An extractor from what a user names: see `load_backbone`, `hand_model.find`, `Extractor`."""
  variables, tensors_id = load_backbone(weights_path)
  task = '' if settings.get('pose_hands') else hand_model.find(hand_model_path)
  return Extractor(variables, tensors_id, task, sampling, **settings)

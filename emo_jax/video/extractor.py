"""From a video file to a clip: the signer's face as features and the hands as points."""

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np

from emo_jax import provenance, weights
from emo_jax.errors import UserError
from emo_jax.models import resnet
from emo_jax.video import faces, hand_model, libraries
from emo_jax.video import sampling as frame_sampling
from emo_jax.video.clip import FACE_DIM, Clip
from emo_jax.video.decode import Frame, Video
from emo_jax.video.hands import HandTracker

WEIGHTS_VARIABLE = 'EMO_JAX_WEIGHTS'
RANDOM_SEED = 0

_CHUNK = 16  # sampled frames held at a time
_CROPS = 4  # faces per call of the backbone: as fast as 16 on CPUs, and less padding

# Called after every chunk with the video, the last sampled frame's index, frames and faces so far.
Progress = Callable[[Video, int, int, int], None]


def _chunks(frames: Iterator[Frame]) -> Iterator[list[Frame]]:
  while chunk := list(itertools.islice(frames, _CHUNK)):
    yield chunk


class Extractor:
  """Makes clips of videos, one after the other; what it keeps between them changes no number.

  Attributes:
    key: the compatibility key of the clips.
  """

  def __init__(
    self,
    backbone_variables: dict,
    backbone_id: str,
    hand_model_path: str | os.PathLike,
    sampling: str = 'index',
  ):
    """Loads the networks.

    Args:
      backbone_variables: of `emo_jax.models.resnet.FaceBackbone`.
      backbone_id: sha256 of its tensors or `random:<seed>`.
      hand_model_path: MediaPipe's hand landmarker (`emo_jax.video.hand_model.find`).
      sampling: `index` or `time`.

    Raises:
      UserError: a file or a library cannot be loaded, or the rule is unknown.
    """
    libraries.opencv()
    try:
      self._hand_task = Path(hand_model_path).read_bytes()
    except OSError as error:
      raise UserError(f'the hand landmarker cannot be read: {error}') from error
    with HandTracker(self._hand_task):
      pass  # a file that is no landmarker is found out here, not at every video
    self._sampling = sampling
    self._detector = faces.FaceDetector()
    self._variables = jax.device_put(backbone_variables)
    self._backbone = jax.jit(resnet.FaceBackbone().apply)
    self.key = provenance.compatibility_key(
      backbone=backbone_id,
      detector=faces.DETECTOR,
      resize=faces.RESIZE,
      sampling=frame_sampling.key(sampling),
      hand_model=hand_model.digest(self._hand_task),
    )

  def extract(self, path: str | os.PathLike, progress: Progress | None = None) -> Clip:
    """The clip of a video file. Memory holds the features and 16 frames, however long the video.

    Raises:
      UserError: the file cannot be decoded.
    """
    video, follower = Video(path), faces.Follower()
    parts, size, found = [], (0, 0), 0
    # Accelerators would round to TF32 or bfloat16, to which detection thresholds are sensitive.
    exact = jax.default_matmul_precision('highest')
    with exact, HandTracker(self._hand_task) as tracker:
      for chunk in _chunks(frame_sampling.sample(video, self._sampling)):
        parts.append(self._features(chunk, follower, tracker))
        height, width = chunk[-1].rgb.shape[:2]
        size, found = (width, height), found + int(parts[-1]['face_present'].sum())
        if progress:
          progress(video, chunk[-1].index, sum(len(p['face']) for p in parts), found)
    fields = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Clip(**fields, frame_size=np.asarray(size, np.int32), fps=np.float32(video.fps))

  def _features(
    self, chunk: list[Frame], follower: faces.Follower, tracker: HandTracker
  ) -> dict[str, np.ndarray]:
    """The fields of a clip that have a row per frame."""
    count = len(chunk)
    present, score = np.zeros(count, bool), np.zeros(count, np.float32)
    box, crops = np.zeros((count, 4), np.float32), []
    detected = self._detector.detect(np.stack([frame.rgb for frame in chunk]))
    for i, (frame, (boxes, scores)) in enumerate(zip(chunk, detected, strict=True)):
      chosen = follower.pick(frame.time_s, boxes)
      if chosen is not None:
        present[i], score[i], box[i] = True, scores[chosen], boxes[chosen]
        crops.append(faces.crop_face(frame.rgb, boxes[chosen]))
    embedded = self._embed(crops)
    # While the device computes:
    hands = [tracker.detect(frame.rgb, frame.time_s) for frame in chunk]
    face = np.zeros((count, FACE_DIM), np.float32)
    if crops:
      face[present] = np.concatenate(embedded)[: len(crops)]
    return dict(
      face=face,
      face_present=present,
      face_score=score,
      face_box=box,
      hand_points=np.stack([points for points, _ in hands]),
      hand_score=np.stack([scores for _, scores in hands]),
      time_s=np.asarray([frame.time_s for frame in chunk], np.float32),
      frame_index=np.asarray([frame.index for frame in chunk], np.int32),
    )

  def _embed(self, crops: list[np.ndarray]) -> list[jax.Array]:
    """The backbone's features of the crops, padded to whole batches; does not wait for them."""
    padded = crops + [np.zeros((224, 224, 3), np.uint8)] * (-len(crops) % _CROPS)
    return [
      self._backbone(self._variables, np.stack(padded[start : start + _CROPS]))
      for start in range(0, len(padded), _CROPS)
    ]


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


def open_extractor(
  weights_path: str | None, hand_model_path: str | os.PathLike | None, sampling: str = 'index'
) -> Extractor:
  """An extractor from what a user names: see `load_backbone` and `hand_model.find`."""
  variables, backbone_id = load_backbone(weights_path)
  return Extractor(variables, backbone_id, hand_model.find(hand_model_path), sampling)

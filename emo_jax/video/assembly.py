"""Parts of clips, put together from what the stages of extraction make of chunks of frames."""

import dataclasses
import threading
from pathlib import Path

import numpy as np

from emo_jax.errors import UserError
from emo_jax.video.clip import FACE_DIM, Clip, join
from emo_jax.video.decode import Frame, Video
from emo_jax.video.hands import Hands
from emo_jax.video.threads import Channel

PART = 1024  # sampled frames, more than three minutes


@dataclasses.dataclass(frozen=True)
class Task:
  """A video to extract.

  Attributes:
    video: the file.
    parts: how many parts of PART frames are done already.
    box, seen_s: where and when these saw the person's face last.
    faces: in how many of their frames.
  """

  video: Path
  parts: int = 0
  box: np.ndarray | None = None
  seen_s: float = 0.0
  faces: int = 0


@dataclasses.dataclass(frozen=True)
class Part:
  """PART consecutive sampled frames of a video, or what is left of it at its end."""

  task: Task
  number: int
  clip: Clip
  last: bool
  video_id: str  # emo_jax.video.video_id, from before the video was read


@dataclasses.dataclass(frozen=True)
class Failure:
  """A video that cannot be decoded, and why; no part of it follows."""

  task: Task
  error: UserError


@dataclasses.dataclass(frozen=True)
class Progress:
  """So many sampled frames of a video are done, of them `faces` with a face."""

  task: Task
  declared_frames: int
  index: int
  frames: int
  faces: int


Event = Part | Failure | Progress


class Waiting:
  """A chunk between the detector and its features."""

  def __init__(self, rows: 'Rows', number: int, found: list, missing: int):
    self._rows, self._number, self._found = rows, number, found
    self.missing, self._features = missing, []

  def take(self, features: np.ndarray) -> np.ndarray:
    """Takes the features of its crops; returns the others."""
    mine = features[: self.missing]
    self.missing -= len(mine)
    self._features.append(mine)
    return features[len(mine) :]

  def deliver(self) -> None:
    present = np.array([face is not None for face in self._found])
    fields = dict(
      face=np.zeros((len(present), FACE_DIM), np.float32),
      face_present=present,
      face_score=np.zeros(len(present), np.float32),
      face_box=np.zeros((len(present), 4), np.float32),
      face_points=np.zeros((len(present), 5, 2), np.float32),
    )
    if present.any():
      fields['face'][present] = np.concatenate(self._features)
      boxes, scores, points = zip(*(f for f in self._found if f is not None), strict=True)
      fields['face_box'][present] = boxes
      fields['face_score'][present] = scores
      fields['face_points'][present] = points
    self._rows.add_faces(self._number, fields)


class Rows:
  """A video's rows as they come from the stages, put together into parts.

  Attributes:
    task: the video's.
    began: `emo_jax.video.video_id` of the file before it was read.
  """

  def __init__(self, task: Task, video: Video, began: str, out: Channel):
    self.task, self.began = task, began
    self._video, self._out = video, out
    self._lock = threading.Lock()
    self._hands: dict[int, dict] = {}
    self._faces: dict[int, dict] = {}
    self._chunks: list[Clip] = []
    self._next, self._found = 0, task.faces
    self._total: int | None = None
    self._dropped = False

  def add_hands(self, number: int, chunk: list[Frame], found: list[Hands]) -> None:
    height, width = chunk[0].rgb.shape[:2]
    fields = dict(
      hand_points=np.stack([points for points, _ in found]),
      hand_score=np.stack([scores for _, scores in found]),
      time_s=np.asarray([frame.time_s for frame in chunk], np.float32),
      frame_index=np.asarray([frame.index for frame in chunk], np.int32),
      frame_size=np.asarray((width, height), np.int32),
      fps=np.float32(self._video.fps),
    )
    with self._lock:
      self._hands[number] = fields
      self._advance()

  def add_faces(self, number: int, fields: dict) -> None:
    with self._lock:
      self._faces[number] = fields
      self._advance()

  def end(self, total: int) -> None:
    """All of the video's frames have been read, `total` of them since the parts done before.

    Raises:
      UserError: none, though there were more when these parts were made.
    """
    if not total:
      raise UserError(f'{self.task.video}: shorter than when its first parts were extracted')
    with self._lock:
      self._total = total
      self._advance()

  def drop(self) -> None:
    """Nothing more comes of this video."""
    with self._lock:
      self._dropped = True

  def _advance(self) -> None:
    while self._next in self._hands and self._next in self._faces and not self._dropped:
      # A part goes out when more follows: the last one is then never empty.
      if self._chunks and self._next % PART == 0:
        self._emit(last=False)
      clip = Clip(**self._hands.pop(self._next), **self._faces.pop(self._next))
      self._chunks.append(clip)
      self._next += len(clip.face)
      self._found += int(clip.face_present.sum())
      done = self.task.parts * PART + self._next
      index = int(clip.frame_index[-1])
      self._out.put(Progress(self.task, self._video.declared_frames, index, done, self._found))
    if self._next == self._total and not self._dropped:
      self._emit(last=True)
      self._dropped = True

  def _emit(self, last: bool) -> None:
    number = self.task.parts + (self._next - 1) // PART
    self._out.put(Part(self.task, number, join(self._chunks), last, self.began))
    self._chunks = []

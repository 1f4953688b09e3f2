"""Extraction as stages that run at the same time, joined by bounded queues.

Readers decode videos, one each, and follow the hands; one thread finds the faces of all videos, one
runs the backbone on their crops, in batches that cross chunks and videos. What a clip holds does
not depend on the videos beside it, nor on which thread is faster.
"""

import contextlib
import dataclasses
import itertools
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from emo_jax.errors import UserError
from emo_jax.video import faces, following
from emo_jax.video import sampling as frame_sampling
from emo_jax.video.clip import FACE_DIM, Clip, join
from emo_jax.video.decode import Frame, Video
from emo_jax.video.engines import Engine
from emo_jax.video.hands import Hands

PART = 1024  # sampled frames, more than three minutes

_CHUNK, _CHUNK_BYTES = 16, 16 << 20  # frames that go from stage to stage together; powers of two
_POLL_S = 0.1


@runtime_checkable
class HandSource(Protocol):
  """Where a reader gets the hands from."""

  def start(self, video: Path) -> None:
    """Begins a video or a part of one."""

  def detect(self, rgb: np.ndarray, time_s: float) -> Hands:
    """The hands of the next frame."""

  def close(self) -> None:
    """Frees what it holds."""


@dataclasses.dataclass(frozen=True)
class Task:
  """A video to extract.

  Attributes:
    video: the file.
    parts: how many parts of PART frames are done already.
    box, seen_s: where and when these saw the person's face last.
  """

  video: Path
  parts: int = 0
  box: np.ndarray | None = None
  seen_s: float = 0.0


@dataclasses.dataclass(frozen=True)
class Part:
  """PART consecutive sampled frames of a video, or what is left of it at its end."""

  task: Task
  number: int
  clip: Clip
  last: bool


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


class Pipeline:
  """The stages, and how long each was at work.

  Attributes:
    busy_s: seconds per stage, summed over its threads, since the beginning.
  """

  def __init__(
    self,
    engine: Engine,
    hands: Callable[[], HandSource],
    sampling: str,
    search: str,
    readers: int,
  ):
    """See `emo_jax.video.extractor.Extractor`; `hands` makes a source for a reader."""
    self._engine, self._detector = engine, faces.FaceDetector(engine)
    self._hands, self._sampling, self._search = hands, sampling, search
    self._readers = readers
    self.busy_s: dict[str, float] = defaultdict(float)

  def run(self, tasks: Iterable[Task]) -> Iterator[Event]:
    """Extracts the videos; parts of one come in order, videos as they are done.

    Leaving the iteration early stops the stages.
    """
    stop = threading.Event()
    to_faces, to_backbone = (_Channel(size, stop) for size in (self._readers, 2))
    out = _Channel(64, stop)
    shared = _Shared(iter(tasks), self._readers)
    stages = [lambda: self._read(shared, to_faces, out) for _ in range(self._readers)]
    stages += [lambda: self._find_faces(to_faces, to_backbone)]
    stages += [lambda: self._embed(to_backbone, out)]
    threads = [threading.Thread(target=_guarded, args=(stage, out)) for stage in stages]
    for thread in threads:
      thread.start()
    try:
      while (event := out.get()) is not None:
        if isinstance(event, BaseException):
          raise event
        yield event
    finally:
      stop.set()
      for thread in threads:
        thread.join()

  def _read(self, shared: '_Shared', to_faces: '_Channel', out: '_Channel') -> None:
    """Decodes one video after the other and follows the hands."""
    with contextlib.closing(self._hands()) as hands:
      while (task := shared.next()) is not None:
        self._read_video(task, hands, to_faces, out)
    if shared.left():
      to_faces.put(None)

  def _read_video(
    self, task: Task, hands: HandSource, to_faces: '_Channel', out: '_Channel'
  ) -> None:
    rows = None
    try:
      video = Video(task.video)
      follower = following.Follower(task.box, task.seen_s)
      search = following.FaceSearch(self._detector, self._search, follower)
      rows = _Rows(task, video, out)
      frames = frame_sampling.sample(video, self._sampling)
      frames = itertools.islice(frames, task.parts * PART, None)
      number = 0
      for chunk in self._timed_chunks(frames):
        to_faces.put((rows, search, number, chunk))
        if number % PART == 0:
          hands.start(task.video)
        with self._busy('hands'):
          found = [hands.detect(frame.rgb, frame.time_s) for frame in chunk]
        rows.add_hands(number, chunk, found)
        number += len(chunk)
      rows.end(number)
    except UserError as error:
      if rows is not None:
        rows.drop()
      out.put(Failure(task, error))

  def _timed_chunks(self, frames: Iterator[Frame]) -> Iterator[list[Frame]]:
    size = 1
    while True:
      with self._busy('decode'):
        first = list(itertools.islice(frames, 1))
        if first:
          while 2 * size <= _CHUNK and 2 * size * first[0].rgb.nbytes <= _CHUNK_BYTES:
            size *= 2
        chunk = first + list(itertools.islice(frames, size - 1))
      if not chunk:
        return
      yield chunk

  def _find_faces(self, source: '_Channel', target: '_Channel') -> None:
    while (item := source.get()) is not None:
      rows, search, number, chunk = item
      with self._busy('faces'):
        rgb, times = np.stack([f.rgb for f in chunk]), [float(np.float32(f.time_s)) for f in chunk]
        found = search.find(rgb, times)
        crops = [
          faces.crop_face(frame.rgb, face[0])
          for frame, face in zip(chunk, found, strict=True)
          if face is not None
        ]
      target.put((rows, number, found, crops))
    target.put(None)

  def _embed(self, source: '_Channel', out: '_Channel') -> None:
    """Whole batches while crops come in, one of them under way while the next is gathered."""
    waiting: list[_Waiting] = []  # chunks of which some features are missing, in order
    crops: list[np.ndarray] = []
    under_way: list[Any] = []

    def collect(keep: int) -> None:
      while len(under_way) > keep:
        features = np.asarray(under_way.pop(0), np.float32)
        while len(features):
          chunk = next(chunk for chunk in waiting if chunk.missing)
          features = chunk.take(features)
      while waiting and not waiting[0].missing:
        waiting.pop(0).deliver()

    while (item := source.get()) is not None:
      rows, number, found, new = item
      waiting.append(_Waiting(rows, number, found, len(new)))
      crops += new
      with self._busy('backbone'):
        while len(crops) >= self._engine.batch:
          under_way.append(self._engine.embed(np.stack(crops[: self._engine.batch])))
          crops = crops[self._engine.batch :]
          collect(keep=1)
        collect(keep=1)
    with self._busy('backbone'):
      if crops:
        under_way.append(self._engine.embed(np.stack(crops)))
      collect(keep=0)
    out.put(None)

  @contextlib.contextmanager
  def _busy(self, stage: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    self.busy_s[stage] += time.perf_counter() - began


class _Waiting:
  """A chunk between the detector and its features."""

  def __init__(self, rows: '_Rows', number: int, found: list, missing: int):
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


class _Rows:
  """A video's rows as they come from the stages, put together into parts."""

  def __init__(self, task: Task, video: Video, out: '_Channel'):
    self._task, self._video, self._out = task, video, out
    self._lock = threading.Lock()
    self._hands: dict[int, dict] = {}
    self._faces: dict[int, dict] = {}
    self._chunks: list[Clip] = []
    self._next = self._found = 0
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
      raise UserError(f'{self._task.video}: shorter than when its first parts were extracted')
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
      done = self._task.parts * PART + self._next
      index = int(clip.frame_index[-1])
      self._out.put(Progress(self._task, self._video.declared_frames, index, done, self._found))
    if self._next == self._total and not self._dropped:
      self._emit(last=True)
      self._dropped = True

  def _emit(self, last: bool) -> None:
    number = self._task.parts + (self._next - 1) // PART
    self._out.put(Part(self._task, number, join(self._chunks), last))
    self._chunks = []


class _Shared:
  """The videos that are left, for all readers."""

  def __init__(self, tasks: Iterator[Task], readers: int):
    self._tasks, self._readers, self._lock = tasks, readers, threading.Lock()

  def next(self) -> Task | None:
    with self._lock:
      return next(self._tasks, None)

  def left(self) -> bool:
    """A reader leaves; whether it was the last one."""
    with self._lock:
      self._readers -= 1
      return not self._readers


class _Stopped(Exception):
  """The consumer is gone."""


class _Channel:
  """A bounded queue whose ends do not wait for one another once `stop` is set."""

  def __init__(self, size: int, stop: threading.Event):
    self._queue: queue.Queue = queue.Queue(size)
    self._stop = stop

  def put(self, item: Any) -> None:
    while not self._stop.is_set():
      with contextlib.suppress(queue.Full):
        return self._queue.put(item, timeout=_POLL_S)
    raise _Stopped

  def get(self) -> Any:
    while not self._stop.is_set():
      with contextlib.suppress(queue.Empty):
        return self._queue.get(timeout=_POLL_S)
    raise _Stopped


def _guarded(stage: Callable[[], None], out: _Channel) -> None:
  """Runs a stage; what goes wrong in it is raised where the events are read."""
  try:
    stage()
  except _Stopped:
    pass
  except BaseException as error:  # noqa: BLE001
    with contextlib.suppress(_Stopped):
      out.put(error)

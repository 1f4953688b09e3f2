"""Extraction as stages that run at the same time, joined by bounded queues.

Readers decode videos, one each, and follow the hands; one thread finds the faces of all videos, one
runs the backbone on their crops, in batches that cross chunks and videos. What a clip holds does
not depend on the videos beside it, nor on which thread is faster.
"""

import contextlib
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from emo_jax.errors import UserError
from emo_jax.video import assembly, faces, following, video_id
from emo_jax.video import sampling as frame_sampling
from emo_jax.video.assembly import Event, Failure, Rows, Task, Waiting
from emo_jax.video.decode import Frame, Video
from emo_jax.video.engines import Engine
from emo_jax.video.hands import Hands
from emo_jax.video.threads import Channel, Shared, Stopped, guarded

_WAITING = 16  # chunks that may wait for others to fill a batch
_CHUNK, _CHUNK_BYTES = 16, 16 << 20  # frames that go from stage to stage together; powers of two


@runtime_checkable
class HandSource(Protocol):
  """Where a reader gets the hands from."""

  def start(self, video: Path) -> None:
    """Begins a video or a part of one."""

  def detect(self, rgb: np.ndarray, time_s: float) -> Hands:
    """The hands of the next frame."""

  def close(self) -> None:
    """Frees what it holds."""


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
    assert readers > 0
    self._readers, self._running = readers, threading.Lock()
    self.busy_s: dict[str, float] = defaultdict(float)
    self._busy_lock = threading.Lock()

  def run(self, tasks: Iterable[Task]) -> Iterator[Event]:
    """Extracts the videos; parts of one come in order, videos as they are done.

    Leaving the iteration early stops the stages. One iteration at a time: they share the engine.
    """
    if not self._running.acquire(blocking=False):
      raise RuntimeError('another run of this pipeline is not finished')
    stop = threading.Event()
    to_faces, to_backbone = (Channel(size, stop) for size in (self._readers, 2))
    out = Channel(64, stop)
    shared = Shared(iter(tasks), self._readers)
    stages = [lambda: self._read(shared, to_faces, out, stop) for _ in range(self._readers)]
    stages += [lambda: self._find_faces(to_faces, to_backbone)]
    stages += [lambda: self._embed(to_backbone, out)]
    threads = [threading.Thread(target=guarded, args=(stage, out)) for stage in stages]
    try:
      for thread in threads:
        thread.start()
      while (event := out.get()) is not None:
        if isinstance(event, BaseException):
          raise event
        yield event
    finally:
      stop.set()
      for thread in threads:
        if thread.ident is not None:
          thread.join()
      self._running.release()

  def _read(self, shared: Shared, to_faces: Channel, out: Channel, stop: threading.Event) -> None:
    """Decodes one video after the other and follows the hands."""
    with contextlib.closing(self._hands()) as hands:
      while (task := shared.next()) is not None:
        rows = None
        try:
          video = Video(task.video, threads=1)
          rows = Rows(task, video, video_id.of(task.video), out)
          self._read_video(video, rows, hands, to_faces, stop)
        except UserError as error:
          if rows is not None:
            rows.drop()
          # Without its traceback, which would keep the frames and the open video.
          out.put(Failure(task, UserError(str(error))))
    if shared.left():
      to_faces.put(None)

  def _read_video(
    self, video: Video, rows: Rows, hands: HandSource, to_faces: Channel, stop: threading.Event
  ) -> None:
    task = rows.task
    follower = following.Follower(task.box, task.seen_s)
    search = following.FaceSearch(self._detector, self._search, follower)
    number = 0
    with contextlib.closing(frame_sampling.sample(video, self._sampling)) as frames:
      for _ in itertools.islice(frames, task.parts * assembly.PART):
        if stop.is_set():
          raise Stopped
      for chunk in self._timed_chunks(frames):
        if number % assembly.PART == 0:
          hands.start(video.path)
        to_faces.put((rows, search, number, chunk))
        with self._busy('hands'):
          found = [_hands(hands, video, frame) for frame in chunk]
        rows.add_hands(number, chunk, found)
        number += len(chunk)
    if video_id.of(video.path) != rows.began:
      raise UserError(f'{video.path}: changed while it was read; extract it again')
    rows.end(number)

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

  def _find_faces(self, source: Channel, target: Channel) -> None:
    buffer: np.ndarray | None = None
    while (item := source.get()) is not None:
      rows, search, number, chunk = item
      with self._busy('faces'):
        if buffer is None or len(buffer) < len(chunk) or buffer.shape[1:] != chunk[0].rgb.shape:
          buffer = np.empty((len(chunk), *chunk[0].rgb.shape), np.uint8)
        rgb = np.stack([frame.rgb for frame in chunk], out=buffer[: len(chunk)])
        times = [float(np.float32(frame.time_s)) for frame in chunk]
        found = search.find(rgb, times)
        crops = [
          faces.crop_face(frame.rgb, face[0])
          for frame, face in zip(chunk, found, strict=True)
          if face is not None
        ]
      target.put((rows, number, found, crops))
    target.put(None)

  def _embed(self, source: Channel, out: Channel) -> None:
    """Whole batches while crops come in, one of them under way while the next is gathered."""
    waiting: list[Waiting] = []  # chunks of which some features are missing, in order
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
      waiting.append(Waiting(rows, number, found, len(new)))
      crops += new
      with self._busy('backbone'):
        while len(crops) >= self._engine.batch:
          under_way.append(self._engine.embed(np.stack(crops[: self._engine.batch])))
          crops = crops[self._engine.batch :]
          collect(keep=self._engine.under_way - 1)
        collect(keep=self._engine.under_way - 1)
        if len(waiting) > _WAITING:  # few faces to make whole batches of
          if crops:
            under_way.append(self._engine.embed(np.stack(crops)))
            crops = []
          collect(keep=0)
    with self._busy('backbone'):
      if crops:
        under_way.append(self._engine.embed(np.stack(crops)))
      collect(keep=0)
    out.put(None)

  @contextlib.contextmanager
  def _busy(self, stage: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    with self._busy_lock:
      self.busy_s[stage] += time.perf_counter() - began


def _hands(source: HandSource, video: Video, frame: Frame) -> Hands:
  try:
    return source.detect(frame.rgb, frame.time_s)
  except (RuntimeError, ValueError) as error:
    # One odd video must not stop a corpus.
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    raise UserError(
      f'{video.path}: no hands can be found in frame {frame.index} ({reason})'
    ) from error

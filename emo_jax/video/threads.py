"""Threads joined by bounded queues, which end together when one of them fails."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

_POLL_S = 0.1


class Shared:
  """An iterator that several threads take from."""

  def __init__(self, items: Iterator[Any], readers: int):
    self._items, self._readers, self._lock = items, readers, threading.Lock()

  def next(self) -> Any:
    """The next one; None when none is left."""
    with self._lock:
      return next(self._items, None)

  def left(self) -> bool:
    """A reader leaves; whether it was the last one."""
    with self._lock:
      self._readers -= 1
      return not self._readers


class Stopped(Exception):
  """The consumer is gone."""


class Channel:
  """A bounded queue whose ends do not wait for one another once `stop` is set, nor when the program
  ends."""

  def __init__(self, size: int, stop: threading.Event):
    self._queue: queue.Queue = queue.Queue(size)
    self._stop = stop

  def put(self, item: Any) -> None:
    """Waits for room. Raises Stopped."""
    while not self._stopped():
      with contextlib.suppress(queue.Full):
        return self._queue.put(item, timeout=_POLL_S)
    raise Stopped

  def get(self) -> Any:
    """Waits for an item. Raises Stopped."""
    while not self._stopped():
      with contextlib.suppress(queue.Empty):
        return self._queue.get(timeout=_POLL_S)
    raise Stopped

  def _stopped(self) -> bool:
    return self._stop.is_set() or not threading.main_thread().is_alive()


def guarded(stage: Callable[[], None], out: Channel) -> None:
  """Runs a stage; what goes wrong in it is raised where the events are read."""
  try:
    stage()
  except Stopped:
    pass
  except BaseException as error:  # noqa: BLE001
    with contextlib.suppress(Stopped):
      out.put(error)

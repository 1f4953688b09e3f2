"""How far a training run is, for people who watch it."""

import contextlib
import sys
import time
from collections.abc import Iterator


class Progress:
  """Step, loss, clips/s, share of time spent waiting for batches and time left, to stderr.

  Speed is of all clips since the line before, validation and the first compilation included; the
  time left leaves the first line out, whose time went into compiling.

  Attributes:
    waited_s: for batches since the line before.
    waited: share of the time between the last two lines.
  """

  def __init__(self, first: int, total: int, batch_size: int):
    self._first, self._total, self._batch_size = first, total, batch_size
    self._began, self._last = None, (first, time.perf_counter())
    self.waited_s = self.waited = 0.0

  @contextlib.contextmanager
  def waiting(self) -> Iterator[None]:
    """Within it, the device may have nothing to do."""
    began = time.perf_counter()
    yield
    self.waited_s += time.perf_counter() - began

  def line(self, step: int, loss: float) -> float:
    """Prints a line; returns clips/s since the one before."""
    now = time.perf_counter()
    speed = (step - self._last[0]) / (now - self._last[1])
    self.waited, self.waited_s = self.waited_s / (now - self._last[1]), 0.0
    self._began = self._began or (step, now)
    done = step - self._began[0]
    per_step = (now - self._began[1]) / done if done else 1 / speed
    left = per_step * (self._total - step)
    self._last = (step, now)
    clips = speed * self._batch_size
    print(
      f'step {step}/{self._total}  loss {loss:.4f}  {clips:,.0f} clips/s  '
      f'input wait {100 * self.waited:.0f} %  {int(left // 60)}:{int(left % 60):02d} left',
      file=sys.stderr,
      flush=True,
    )
    return clips

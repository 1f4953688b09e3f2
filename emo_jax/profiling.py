"""A trace of some training steps for TensorBoard's profiler or Perfetto."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax


class Trace:
  """What the devices and the host do from the step `first` to the step `last`, in `folder`."""

  def __init__(self, steps: Sequence[int], folder: Path):
    self.first, self.last = steps
    self._folder, self._running = folder, False

  def before(self, step: int) -> None:
    """Begins with the first step that is asked for; a run resumed later begins with its own."""
    if self.first <= step <= self.last and not self._running:
      jax.profiler.start_trace(str(self._folder))
      self._running = True

  def after(self, step: int, result: Any) -> None:
    """Ends once the last one's result is there."""
    if self._running and step >= self.last:
      jax.block_until_ready(result)
      self.close()
      print(f'a trace of the steps up to {step} is in {self._folder}', file=sys.stderr)

  def close(self) -> None:
    """Ends early."""
    if self._running:
      jax.profiler.stop_trace()
      self._running = False

"""A scheduler that wants the machine back sends SIGTERM: the run saves, and ends to be requeued."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from emo_jax import processes
from emo_jax.errors import Preempted


@contextlib.contextmanager
def watched() -> Iterator[Callable[[], bool]]:
  """Within it SIGTERM does not end the process; what it gives says whether one has come.

  More of them change nothing: a scheduler may send several. In another thread than the main one
  nothing is watched. Of several processes it says so in all of them after the same number of calls,
  whichever of them the signal came to.
  """
  if processes.count() > 1:
    yield processes.agreed_to_end()
    return
  if threading.current_thread() is not threading.main_thread():
    yield lambda: False
    return
  came = threading.Event()
  before = signal.signal(signal.SIGTERM, lambda number, frame: came.set())
  try:
    yield came.is_set
  finally:
    signal.signal(signal.SIGTERM, before)


def stop(step: int) -> None:
  """Ends the run, which has saved its state at this step. Raises Preempted."""
  raise Preempted(f'SIGTERM: the run is saved at step {step}; started again, it goes on')

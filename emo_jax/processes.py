"""Several processes that train together: who they are, and what they tell each other.

All of them take the same way through a run. Each reads its share of the clips; files are written
by the first alone (`by_first`). A run of one process is the first of one.
"""

import contextlib
import itertools
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from emo_jax.errors import Preempted, UserError, exit_status

T = TypeVar('T')

_CHUNK_BYTES = 1 << 26  # exchanged at once
_HEARTBEAT_S = 100  # without which JAX takes a process for dead
_OF_COLLECTIVES = ('Gloo', 'NCCL', 'coordination service')
_QUESTIONS = itertools.count()  # JAX wants them numbered
_LAST_WORDS_S = 2  # JAX ends the others hard when the first is gone


def start(limit_s: int) -> None:
  """Joins the other processes, whom JAX finds by what Slurm, Open MPI, Kubernetes or a TPU says.

  Must come before anything is asked of a device. If they have not all come after `limit_s`, it says
  so and leaves with status 1: JAX itself would abort.

  Args:
    limit_s: how long to wait for them.

  Raises:
    UserError: nothing says who they are.
  """
  try:
    with _watched(limit_s, 'the others have not all come within'):
      jax.distributed.initialize(
        initialization_timeout=2 * limit_s + _HEARTBEAT_S,
        heartbeat_timeout_seconds=min(limit_s, _HEARTBEAT_S),
      )
  except (ValueError, RuntimeError) as error:
    raise UserError(
      '--distributed: no cluster of processes to join '
      f'({(str(error).splitlines() or [""])[0][:200]}): start it by srun, mpirun, on a TPU pod or '
      'as a Kubernetes JobSet, as launch/README.md says'
    ) from error


def count() -> int:
  """How many processes there are."""
  return jax.process_count()


def index() -> int:
  """Which of them this is."""
  return jax.process_index()


def is_first() -> bool:
  """Is it the one that writes?"""
  return index() == 0


def own(number: int) -> range:
  """This process' share of so many things: like numbers of them, one after another."""
  return range(number * index() // count(), number * (index() + 1) // count())


def joined(x: np.ndarray) -> np.ndarray:
  """[n, ...] of every process, n its own, one after the other in every process, bit for bit."""
  if count() == 1:
    return x
  width = int(np.prod(x.shape[1:], dtype=np.int64)) * x.itemsize
  raw = np.ascontiguousarray(x).view(np.uint8).reshape(len(x), width)
  lengths = _of_all(np.array([len(x)], np.int32))[:, 0]
  # Powers of two: texts of any length are exchanged by a few programs.
  longest = 1 << max(0, int(lengths.max()) - 1).bit_length()
  step = min(longest, max(1, _CHUNK_BYTES // max(1, width)))
  parts: list[list[np.ndarray]] = [[] for _ in lengths]
  for first in range(0, int(lengths.max()), step):
    chunk = raw[first : first + step]
    found = _of_all(np.pad(chunk, [(0, step - len(chunk)), (0, 0)]))
    for part, one, length in zip(parts, found, lengths, strict=True):
      part.append(one[: max(0, length - first)])
  whole = np.concatenate([np.zeros((0, width), np.uint8), *(c for part in parts for c in part)])
  return whole.reshape(-1).view(x.dtype).reshape(-1, *x.shape[1:])


def joined_lines(lines: Sequence[str]) -> list[str]:
  """The lines of every process, one process after the other."""
  if count() == 1:
    return list(lines)
  text = ''.join(line + '\n' for line in lines).encode()
  return joined(np.frombuffer(text, np.uint8)).tobytes().decode().split('\n')[:-1]


def by_first(work: Callable[[], T]) -> T:
  """What `work` returns in the first process, where alone it is called: JSON.

  Raises:
    UserError: `work` did, in every process.
  """
  if count() == 1:
    return work()
  told, raised = '', None
  if is_first():
    try:
      told = json.dumps(dict(value=work()))
    except Exception as error:
      raised, told = error, json.dumps(dict(error=f'{error}' or type(error).__name__))
  (line,) = joined_lines([told] if is_first() else [])
  if raised:
    raise raised
  found = json.loads(line)
  if 'error' in found:
    raise UserError(found['error'])
  return found['value']


def of_first(tree: T) -> T:
  """Arrays as they are in the first process; in the others they have the same shapes."""
  if count() == 1:
    return tree

  def one(x):
    x = np.asarray(x)
    found = joined(x.reshape(-1) if is_first() else np.zeros(0, x.dtype))
    return found.reshape(x.shape)

  return jax.tree.map(one, tree)


def _of_all(x: np.ndarray) -> np.ndarray:
  """[processes, ...] of arrays of like shapes."""
  found = np.asarray(multihost_utils.process_allgather(x))
  beat()
  return found


def agreed_to_end() -> Callable[[], bool]:
  """A question that all processes ask equally often, and to which all get the same answer: has
  SIGTERM come to any of them? JAX watches for it from `start` on."""
  return lambda: multihost_utils.reached_preemption_sync_point(next(_QUESTIONS))


class _Pulse:
  """When this process was last seen to get on."""

  last = time.monotonic()


def beat() -> None:
  """Says that this process gets on: it has not waited for another in vain."""
  _Pulse.last = time.monotonic()


@contextlib.contextmanager
def together(limit_s: int) -> Iterator[None]:
  """Within it the processes of a run work together; the first alone prints.

  One that fails prints why and leaves at once, by `os._exit`: at a usual end JAX would wait for the
  others, who wait for this one. One that has not got on for `limit_s` says so and leaves too, with
  status 1, since a process that hangs would hold up all of them for ever.
  """
  if count() == 1:
    yield
    return
  who = f'process {index()} of {count()}'
  try:
    with _watched(limit_s, f'{who}: another one hangs, or reads very slowly: waited for'), quiet():
      yield
  except Preempted:  # all of them, at the same step
    raise
  except BaseException as error:
    _leave(error)


@contextlib.contextmanager
def _watched(limit_s: int, why: str) -> Iterator[None]:
  """Ends this process with a line if within it there is no `beat` for so long."""
  beat()
  ended, told = threading.Event(), sys.stderr

  def watch():
    while not ended.wait(1):
      if time.monotonic() - _Pulse.last > limit_s:
        print(
          f'error: {why} {limit_s} s (--peer_timeout_s). Leaving; started again, a run goes on '
          'from its last checkpoint',
          file=told,
          flush=True,
        )
        os._exit(1)

  threading.Thread(target=watch, daemon=True).start()
  try:
    yield
  finally:
    ended.set()


def _leave(error: BaseException) -> NoReturn:
  def again():
    raise error

  if not is_first():
    print(f'process {index()} of {count()}:', file=sys.stderr)
  status = 1
  if any(word in str(error) for word in _OF_COLLECTIVES):
    line = str(error).splitlines()[0][:200]
    print(f'error: another process is gone; its own message says why ({line})', file=sys.stderr)
  else:
    try:
      status = exit_status(again)
    except BaseException:
      traceback.print_exc()
  sys.stderr.flush()
  if is_first():
    time.sleep(_LAST_WORDS_S)
  os._exit(status)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
  """Within it only the first process prints, since all of them would say the same."""
  with contextlib.ExitStack() as held:
    if not is_first():
      nowhere = held.enter_context(open(os.devnull, 'w'))
      held.enter_context(contextlib.redirect_stdout(nowhere))
      held.enter_context(contextlib.redirect_stderr(nowhere))
    yield

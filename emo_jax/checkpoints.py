"""Checkpoints of a run with Orbax: the training state, step by step.

Where the batches stand is no part of it: they depend on their number only.
"""

import contextlib
import functools
import hashlib
import logging
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import v1 as reading

from emo_jax.errors import UserError, first_line

_LATE = 'Event loop is closed'  # what parts of a write say that end after another one has failed


class Checkpoints:
  """The `checkpoints/` folder of a workdir. Writes go on in the background; reads wait for them.

  Of several processes it is for the first alone, which does not wait for the others.
  """

  def __init__(self, directory: Path, keep: int = 2):
    self._directory, self._keep = directory.resolve(), keep
    self._directory.mkdir(parents=True, exist_ok=True)
    _say_it_once()
    self._alone = reading.Context()
    self._alone.multiprocessing.active_processes = {0}
    alone = ocp.options.MultiprocessingOptions(active_processes={0})
    # The writer of Orbax's newer interface asks all processes, also where one alone is active.
    self._writer = ocp.AsyncCheckpointer(
      ocp.CompositeCheckpointHandler(
        composite_options=ocp.CompositeOptions(multiprocessing_options=alone),
        state=ocp.StandardCheckpointHandler(multiprocessing_options=alone),
      ),
      multiprocessing_options=alone,
    )

  def save(self, step: int, state: Any) -> None:
    """Saves host arrays under `step`, unless they are there, and forgets all but the newest.

    Raises:
      UserError: it, or the one before it, could not be written.
    """
    self._finish()
    if step in self._steps():
      return
    host = jax.tree.map(np.asarray, state)
    self._require_room(sum(x.nbytes for x in jax.tree.leaves(host)))
    with self._writing():
      self._writer.save(
        self._directory / str(step),
        ocp.args.Composite(state=ocp.args.StandardSave(dict(of=host, sha256=_digest(host)))),
      )

  def _finish(self) -> None:
    """Waits for what is being written; older ones may then go."""
    with self._writing():
      self._writer.wait_until_finished()
    self._forget_going()  # a killed run may have left some
    for step in self._steps()[: -self._keep]:
      # Half of one must not look like one.
      (self._directory / str(step)).rename(self._directory / f'{step}.going')
    self._forget_going()

  def _forget_going(self) -> None:
    for path in self._directory.glob('*.going'):
      shutil.rmtree(path)

  def _steps(self) -> list[int]:
    """Of those that are whole, ascending: Orbax writes under another name first."""
    return sorted(int(path.name) for path in self._directory.glob('*') if path.name.isdecimal())

  def _require_room(self, size: int) -> None:
    """A full disk is told before anything is half written."""
    free = shutil.disk_usage(self._directory.parent).free
    if free < 2 * size:
      raise UserError(
        f'no room for a checkpoint: {free / 1e6:,.0f} MB are free at {self._directory.parent}, '
        f'{2 * size / 1e6:,.0f} MB are needed: make room and start again; the checkpoint before it '
        'is whole'
      )

  @contextlib.contextmanager
  def _writing(self) -> Iterator[None]:
    """What goes wrong in it, at whatever depth, is about the disk."""
    try:
      yield
    except Exception as error:
      raise UserError(
        f'a checkpoint could not be written to {self._directory} ({first_line(error)}): see to '
        'the disk and start again; the checkpoint before it is whole'
      ) from error

  def latest_step(self) -> int | None:
    """The newest complete checkpoint's step."""
    return max(self._steps(), default=None)

  def restore(self, state: Any) -> Any | None:
    """The newest state that can be read, of the shape of `state`; None if there is none.

    Newer ones that cannot be read are named and set aside, beside the folder.
    """
    abstract = jax.tree.map(np.asarray, state)
    while (step := self.latest_step()) is not None:
      try:
        return self._load(step, abstract)
      except MemoryError:
        raise
      except Exception as error:  # a damaged file may raise anything
        self._set_aside(step, error)
    return None

  def _load(self, step: int, abstract: Any) -> Any:
    wanted = dict(state=abstract and dict(of=abstract, sha256=_digest({})))
    with self._alone:
      found = reading.load_checkpointables(self._directory / str(step), wanted)['state']
    if 'of' not in found:  # runs of earlier versions had no digest
      return found
    if not np.array_equal(found['sha256'], _digest(found['of'])):
      raise ValueError('its numbers are not those that were written')
    return found['of']

  def _set_aside(self, step: int, error: Exception) -> None:
    aside = self._directory.with_name(f'{self._directory.name}-broken')
    aside.mkdir(exist_ok=True)
    where = aside / f'{step}-{uuid.uuid4().hex[:8]}'
    (self._directory / str(step)).rename(where)
    earlier = self.latest_step()
    then = 'there is none before it' if earlier is None else f'going on from that of step {earlier}'
    print(
      f'the checkpoint of step {step} cannot be read ({first_line(error)}): set aside in {where}; '
      f'{then}',
      file=sys.stderr,
    )

  def restore_state(self) -> Any:
    """The newest state alone, as nested dicts of arrays.

    Raises:
      UserError: there is none, or it cannot be read.
    """
    step = self.latest_step()
    if step is None:
      raise UserError('the run has no checkpoint left: train it again in a new workdir')
    try:
      return self._load(step, None)
    except Exception as error:  # a damaged file may raise anything
      raise UserError(
        f'the checkpoint of step {step} in {self._directory} cannot be read '
        f'({first_line(error)}): put it back, or train the run again'
      ) from error

  def close(self) -> None:
    """Waits for writes under way. Raises UserError if one has failed."""
    self._finish()
    self._writer.close()


def _digest(tree: Any) -> np.ndarray:
  """[32] uint8, the sha256 of all arrays, by name: reading notices damage by itself only where
  something can no longer be unpacked."""
  digest = hashlib.sha256()
  named = {
    jax.tree_util.keystr(path, simple=True, separator='/'): np.asarray(x)
    for path, x in jax.tree_util.tree_leaves_with_path(tree)
  }
  for name, x in sorted(named.items()):
    digest.update(f'{name} {x.dtype} {x.shape}'.encode())
    digest.update(x.tobytes())
  return np.frombuffer(digest.digest(), np.uint8)


@functools.cache
def _say_it_once() -> None:
  """A write that fails is raised here; its threads below would print their tracebacks besides."""
  for name in ('absl', 'asyncio'):
    logging.getLogger(name).addFilter(
      lambda record: not (record.exc_info and 'orbax' in record.pathname + record.getMessage())
    )
  others = sys.unraisablehook

  def hook(found: Any) -> None:
    late = isinstance(found.exc_value, RuntimeError) and str(found.exc_value) == _LATE
    if not late:
      others(found)

  sys.unraisablehook = hook

"""Checkpoints of a run with Orbax: the training state and the data iterator, step by step."""

import contextlib
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from emo_jax.errors import UserError


class Checkpoints:
  """The `checkpoints/` folder of a workdir. Writes go on in the background; reads wait for them."""

  def __init__(self, directory: Path, keep: int = 2):
    self._directory, self._keep = directory.resolve(), keep
    self._open()

  def _open(self) -> None:
    policy = ocp.training.preservation_policies.LatestN(self._keep)
    self._checkpointer = ocp.training.Checkpointer(self._directory, preservation_policy=policy)

  def save(self, step: int, state: Any, data: Any = None) -> None:
    """Saves host arrays and the iterator's state, if any, under `step`, unless they are there.

    Raises:
      UserError: it, or the one before it, could not be written.
    """
    if step not in [c.step for c in self._checkpointer.checkpoints]:
      host = jax.tree.map(np.asarray, state)
      whole = dict(state=host) | ({} if data is None else dict(data=data))
      self._require_room(sum(x.nbytes for x in jax.tree.leaves(host)))
      with self._writing():
        self._checkpointer.save_checkpointables_async(step, whole, force=True)

  def _require_room(self, size: int) -> None:
    """A full disk is told before anything is half written."""
    free = shutil.disk_usage(self._directory.parent).free
    if free < 2 * size:
      self._checkpointer.close()
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
        f'a checkpoint could not be written to {self._directory} ({_first_line(error)}): see to '
        'the disk and start again; the checkpoint before it is whole'
      ) from error

  def latest_step(self) -> int | None:
    """The newest complete checkpoint's step."""
    latest = self._checkpointer.latest
    return None if latest is None else latest.step

  def restore(self, state: Any, data: Any) -> Any | None:
    """The newest state that can be read, of the shape of `state`; None if there is none. `data`,
    the iterator, is set where it stood.

    Newer ones that cannot be read are named and set aside, beside the folder.
    """
    abstract = jax.tree.map(np.asarray, state)
    while (step := self.latest_step()) is not None:
      try:
        restored = self._checkpointer.load_checkpointables(
          step, abstract_checkpointables=dict(state=abstract, data=data)
        )
        return restored['state']
      except Exception as error:  # a damaged file may raise anything
        self._set_aside(step, error)
    return None

  def _set_aside(self, step: int, error: Exception) -> None:
    self._checkpointer.close()
    aside = self._directory.with_name(f'{self._directory.name}-broken')
    aside.mkdir(exist_ok=True)
    where = aside / f'{step}-{uuid.uuid4().hex[:8]}'
    (self._directory / str(step)).rename(where)
    self._open()
    earlier = self.latest_step()
    then = 'there is none before it' if earlier is None else f'going on from that of step {earlier}'
    print(
      f'the checkpoint of step {step} cannot be read ({_first_line(error)}): set aside in {where}; '
      f'{then}',
      file=sys.stderr,
    )

  def restore_state(self) -> Any:
    """The newest state alone, as nested dicts of arrays. Raises UserError if there is none."""
    if self.latest_step() is None:
      raise UserError('the run has no checkpoint left: train it again in a new workdir')
    return self._checkpointer.load_checkpointables(abstract_checkpointables=dict(state=None))[
      'state'
    ]

  def close(self) -> None:
    """Waits for writes under way. Raises UserError if one has failed."""
    with self._writing():
      self._checkpointer.close()


def _first_line(error: Exception) -> str:
  lines = str(error).strip().splitlines() or ['']
  return f'{type(error).__name__}: {lines[0][:200]}'

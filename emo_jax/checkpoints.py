"""Checkpoints of a run with Orbax: the training state and the data iterator, step by step."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from emo_jax.errors import UserError


class Checkpoints:
  """The `checkpoints/` folder of a workdir. Writes go on in the background; reads wait for them."""

  def __init__(self, directory: Path, keep: int = 2):
    self._checkpointer = ocp.training.Checkpointer(
      directory.resolve(), preservation_policy=ocp.training.preservation_policies.LatestN(keep)
    )

  def save(self, step: int, state: Any, data: Any = None) -> None:
    """Saves host arrays and the iterator's state, if any, under `step`, unless they are there."""
    if step not in [c.step for c in self._checkpointer.checkpoints]:
      host = jax.tree.map(np.asarray, state)
      whole = dict(state=host) | ({} if data is None else dict(data=data))
      self._checkpointer.save_checkpointables_async(step, whole, force=True)

  def latest_step(self) -> int | None:
    """The newest complete checkpoint's step."""
    latest = self._checkpointer.latest
    return None if latest is None else latest.step

  def restore(self, state: Any, data: Any) -> Any:
    """The newest state, of the shape of `state`; `data`, the iterator, is set where it stood."""
    abstract = jax.tree.map(np.asarray, state)
    restored = self._checkpointer.load_checkpointables(
      abstract_checkpointables=dict(state=abstract, data=data)
    )
    return restored['state']

  def restore_state(self) -> Any:
    """The newest state alone, as nested dicts of arrays. Raises UserError if there is none."""
    if self.latest_step() is None:
      raise UserError('the run has no checkpoint left: train it again in a new workdir')
    return self._checkpointer.load_checkpointables(abstract_checkpointables=dict(state=None))[
      'state'
    ]

  def close(self) -> None:
    """Waits for writes under way."""
    self._checkpointer.close()

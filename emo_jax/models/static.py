"""The static model: the face backbone's own class layer on every frame, without a temporal head."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

Batch = dict[str, Any]


class StaticModel(nn.Module):
  """The 7-way layer of EMO-AffectNet's static model on stored face features; a clip's probabilities
  are the mean of its frames'. It reads whole clips (`sequence`) and has nothing to train.

  Attributes:
    num_labels: classes of the task.
  """

  num_labels: int = 7
  window: None = None

  @nn.compact
  def __call__(self, batch: Batch, train: bool = False, per_frame: bool = False):
    """Logits of every row, one per clip: [R, num_labels], or [R, T, num_labels] of every frame.

    Args:
      batch: as of `emo_jax.models.ean.Model`, the stream `face` alone.
      train: without effect.
      per_frame: the logits of single frames instead of the clip's.
    """
    x = batch['streams']['face']
    steps = jnp.arange(x.shape[1])[None, :]
    counted = steps < batch['length']['face'][:, None]
    if 'shown' in batch:
      counted &= batch['shown']
    rows = batch.get('rows', dict(clip=jnp.arange(x.shape[0])))['clip']
    log_p = jax.nn.log_softmax(nn.Dense(self.num_labels, name='logits')(x))
    if per_frame:
      # As of the temporal model: frames that are skipped come after the others.
      order = jnp.argsort(~counted, axis=1, stable=True)
      return jnp.take_along_axis(log_p, order[..., None], axis=1)[rows]
    frames = jnp.maximum(counted.sum(1), 1)
    log_p = jnp.where(counted[..., None], log_p, -jnp.inf)
    return (jax.nn.logsumexp(log_p, axis=1) - jnp.log(frames)[:, None])[rows]

"""The temporal model of EAN and EANwH: two LSTM layers and a linear layer over frame features."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from emo_jax.models import resnet
from emo_jax.models.lstm import LSTM
from emo_jax.weights import FEATURES, backbone_shapes, nest

Batch = dict[str, Any]
CROPS = 'crops'  # a stream that goes through the backbone first
_DRAWS = 1 << 16  # values of 16 random bits


def row_dropout(
  x: Float[Array, '*units_frames rows'], keys: Array, rate: float
) -> Float[Array, '*units_frames rows']:
  """Inverted dropout with a key per row: a row's mask depends neither on the others nor on how many
  frames come after its own.

  The rate is rounded to 1/65,536: half as many random bits as for a float take half the time.
  """
  limit = round(rate * _DRAWS)
  bits = jax.vmap(lambda key: jax.random.bits(key, x.shape[-2::-1], jnp.uint16))(keys)
  keep = bits >= limit
  return jnp.where(keep.T, x * (_DRAWS / (_DRAWS - limit)), 0)


class Model(nn.Module):
  """LSTM 512 -> LSTM 256 -> linear, dropout 0.2 after each LSTM (EMO-AffectNet's `LSTM`, its
  Keras form without masking; the paper's Appendix C.2 for EANwH).

  The streams named by `inputs` are concatenated per frame: face 512, with hands 596.

  Attributes:
    num_labels: classes of the task.
    inputs: names of the streams, in the order of concatenation.
    hidden: units of the two LSTM layers.
    dropout: rate after each LSTM layer, at training only.
    lstm: how the layers are computed (emo_jax.models.lstm.WAYS).
    stages: of the backbone that gradients go to (emo_jax.models.resnet.STAGES); its variables are
      the parameter `backbone` where `inputs` has `crops`.
    backbone_dtype: in which its convolutions compute.
    window: frames per row; a row that runs over its clip's end repeats the last frame
      (EMO-AffectNet's sequences). None: a row is a whole clip.
  """

  num_labels: int = 7
  inputs: tuple[str, ...] = ('face',)
  hidden: tuple[int, int] = (512, 256)
  dropout: float = 0.2
  window: int | None = 10
  lstm: str = 'float32'
  stages: tuple[str, ...] = ()
  backbone_dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self,
    batch: Batch,
    train: bool = False,
    per_frame: bool = False,
    groups: tuple[tuple[int, int], ...] = (),
  ):
    """Logits of every row: [R, num_labels], or [R, T, num_labels] at every frame of the row.

    Args:
      batch: `streams` (name -> [B, T, features]) and `length` (name -> [B]); optionally `rows`
        with `clip` and `start` [R]: which clip a row is cut from and at which frame (without it,
        each clip is one row from its start), `shown` [B, T], False for frames to be skipped
        (Keras' Masking: the state is carried over them), and `id` [B], which keys the dropout.
      train: apply dropout; needs the `dropout` random stream and `id`.
      per_frame: apply the last layer at every frame instead of the row's last; frames skipped
        come after the others then.
      groups: of rows that follow one another, how many there are and the frames of the longest:
        later ones are not computed. Without them all rows have all frames.
    """
    x = jnp.concatenate([self._stream(batch['streams'], name) for name in self.inputs], axis=-1)
    length = batch['length'][self.inputs[0]]
    everything = dict(clip=jnp.arange(x.shape[0]), start=jnp.zeros(x.shape[0], jnp.int32))
    rows = {name: batch.get('rows', everything)[name] for name in ('clip', 'start')}
    if train:
      draw = self.make_rng('dropout')
      rows['key'] = jax.vmap(
        lambda clip_id, at: jax.random.fold_in(jax.random.fold_in(draw, clip_id), at)
      )(batch['id'][rows['clip']], rows['start'])
    layers = [
      LSTM(units, self.lstm, name=f'lstm{layer}')
      for layer, units in enumerate(self.hidden, start=1)
    ]
    whole = (len(rows['clip']), x.shape[1] if self.window is None else self.window)
    states, first = [], 0
    for count, frames in groups or (whole,):
      part = {name: value[first : first + count] for name, value in rows.items()}
      states.append(self._states(layers, x, length, batch.get('shown'), part, frames, per_frame))
      first += count
    return nn.Dense(self.num_labels, name='logits')(jnp.concatenate(states))

  def _stream(self, streams: dict[str, Any], name: str) -> Any:
    """[B, T, features]; of `crops` [B, T, 224, 224, 3] what the backbone makes of them."""
    x = streams[name]
    if name != CROPS:
      return x
    variables = self.param('backbone', _no_backbone)
    if self.is_initializing():
      return jnp.zeros((*x.shape[:2], FEATURES))
    backbone = resnet.FaceBackbone(self.backbone_dtype, parent=None)
    flat = x.reshape(-1, *x.shape[2:])
    return backbone.apply(resnet.held(variables, self.stages), flat).reshape(*x.shape[:2], FEATURES)

  def _states(
    self,
    layers: list[LSTM],
    x: Array,
    length: Any,
    shown: Any,
    rows: dict[str, Any],
    frames: int,
    per_frame: bool,
  ) -> Array:
    """Of the last layer, after the last frame of some rows or after all of so many."""
    clip, number = rows['clip'][None, :], jnp.arange(frames)[:, None]
    final = jnp.maximum(length[clip] - 1, 0)  # [1, rows]
    frame = jnp.clip(rows['start'][None, :] + number, 0, final)
    x = x[clip, frame]  # [frames, rows, features]
    # Rows that pad a batch belong to a clip that may be longer than theirs.
    last = (
      jnp.minimum(final, frames - 1) if self.window is None else jnp.full_like(final, frames - 1)
    )
    if shown is not None:
      # Frames to be skipped go to the end of the row, past its last output.
      seen = shown[clip, frame]
      x = jnp.take_along_axis(x, jnp.argsort(~seen, axis=0, stable=True)[..., None], axis=0)
      within = seen & (number <= last)
      last = jnp.maximum(within.sum(0, keepdims=True) - 1, 0)
    x = jnp.moveaxis(x, -1, 0)
    for depth, layer in enumerate(layers, start=1):
      x = layer(x)  # [units, frames, rows]
      if depth == len(layers) and not per_frame:
        x = jnp.take_along_axis(x, last[None], axis=1)
      if 'key' in rows:
        keys = jax.vmap(lambda key, i=depth: jax.random.fold_in(key, i))(rows['key'])
        x = row_dropout(x, keys, self.dropout)
    return x.T if per_frame else x[:, 0].T


def _no_backbone(key: Array) -> dict:
  """What is replaced by weights (emo_jax.initial_weights)."""
  return nest({name: jnp.zeros(shape) for name, shape in backbone_shapes().items()})

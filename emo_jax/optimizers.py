"""The optimizer and the learning rate over a run, from a config."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import optax

from emo_jax.models import resnet


def schedule(config: Mapping[str, Any], steps: int) -> optax.Schedule:
  """Linear warm-up over a share of the steps, then a cosine to 0 or a constant."""
  peak, warmup = config['learning_rate'], round(config['warmup_share'] * steps)
  if config['schedule'] == 'cosine':
    # Optax wants the decay to be longer than the warm-up.
    return optax.warmup_cosine_decay_schedule(0.0, peak, warmup, max(steps, warmup + 1))
  return optax.join_schedules(
    [optax.linear_schedule(0.0, peak, max(warmup, 1)), optax.constant_schedule(peak)], [warmup]
  )


def optimizer(
  config: Mapping[str, Any], frozen: Sequence[str] = (), stages: Sequence[str] | None = None
) -> optax.GradientTransformation:
  """Gradients clipped by their global norm (0: not), then the update and decoupled decay.

  Adam has no decay (emo_jax.config_check refuses one). The learning rate is the training step's to
  apply. Layers named in `frozen` are kept as they are, and all of a
  backbone, where there is one, but its `stages`.
  """
  decay = optax.add_decayed_weights(config['weight_decay'])
  update = {
    'adamw': [optax.scale_by_adam(), decay],
    'adam': [optax.scale_by_adam()],
    'sgd': [optax.trace(0.9), decay],
  }[config['name']]
  clip = [optax.clip_by_global_norm(config['clip_norm'])] if config['clip_norm'] else []

  def is_frozen(params):
    layers = {layer: layer in frozen for layer in params}
    if stages is not None:
      learns = resnet.trained(params['backbone'], stages)
      layers['backbone'] = jax.tree.map(lambda x: not x, learns)
    return layers

  kept = [optax.masked(optax.set_to_zero(), is_frozen)] if frozen or stages is not None else []
  return optax.chain(*kept, *clip, *update, *kept)

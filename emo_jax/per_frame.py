"""Probabilities at every frame of a clip, by the rules of EMO-AffectNet's `run.py`."""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jaxtyping import Float, Int

from emo_jax import inference, input_pipeline, labels, metrics, parallel, preprocess
from emo_jax.corpora import Split
from emo_jax.survey import survey


def over_frames(
  first: Int[np.ndarray, ' n'],
  last: Int[np.ndarray, ' n'],
  probabilities: Float[np.ndarray, 'n k'],
  count: int,
) -> Float[np.ndarray, 'count k']:
  """Spans of frames as a row per frame, the reference's per-frame rule.

  A frame has the mean of the spans it lies in, one after the last span's end that of the last span,
  one before the first span none: NaN.

  Args:
    first, last: frames where spans begin and end, both within.
    probabilities: of each span.
    count: number of frames, more than any `last`.
  """
  marked = np.pad(probabilities, [(0, 0), (0, 1)], constant_values=1)  # the last column counts
  change = np.zeros((count + 1, marked.shape[1]))
  np.add.at(change, first, marked)
  np.add.at(change, last + 1, -marked)
  total = change.cumsum(0)[:count]
  spans = np.round(total[:, -1:])
  found = np.where(spans > 0, np.maximum(total[:, :-1], 0) / np.maximum(spans, 1), np.nan)
  if len(last):
    found[last.max() + 1 :] = probabilities[-1]
  return found


def rows_step(model: nn.Module) -> Callable:
  """A step for one device: (params, batch) -> [R, k] probabilities of the batch's windows, or
  [R, T, k] at every frame of whole clips (`sequence`)."""

  def step(params, batch):
    return jax.nn.softmax(model.apply({'params': params}, batch, per_frame=model.window is None))

  return step


class FramePredictor:
  """Runs a run's model over single clips, with an output per frame."""

  def __init__(self, config: Mapping[str, Any], params: Any, temperature: float):
    """Takes the run's config, selected parameters on the host and fitted temperature."""
    devices = parallel.devices(1)
    self._config = inference.one_by_one(config)
    self._step = parallel.spread(rows_step(inference.build_model(config, trained=True)), devices)
    self._params, self._temperature = parallel.replicate(params, devices), temperature

  def __call__(self, split: Split) -> Float[np.ndarray, 'n k']:
    """Probabilities at every decoded frame of a whole clip, whatever segment decides for it.

    `windows`: a window's probabilities hold from its first to its last frame, frames in several
    windows have their mean, and frames after the last sampled one those of the last window.
    `sequence`: the output after a sampled frame holds until the next. Both with the run's
    temperature. NaN before anything is known: before the first face where frames without one are
    left out; uniform throughout a clip without any face.

    Args:
      split: of one clip.

    Returns:
      Up to the frame after the last sampled one, whose values hold for all later frames.
    """
    how = inference.recipe(self._config, 'eval', 1, 'full')
    (raw,) = split.source
    index = raw['frame_index'].astype(np.int64)
    count, names = int(index[-1]) + 2, labels.names(how.task)
    example = input_pipeline.prepare(raw, how, epoch=0)
    if not example.length:
      return np.full((count, len(names)), 1 / len(names))
    kept = preprocess.kept_frames(raw['face_present'], how.no_face)
    frames = survey(split, how.task).frames
    batch = input_pipeline.collate([example], how, frames)
    rows = np.asarray(parallel.first(self._step(self._params, batch)), np.float64)
    if how.temporal == 'windows':
      starts = preprocess.window_starts(example.length)
      ends = np.minimum(starts + preprocess.WINDOW, example.length) - 1
      first, last, p = index[kept[starts]], index[kept[ends]], rows[: len(starts)]
    else:
      # Skipped frames come last in the model's output; at them the state before holds.
      first = index[kept[example.shown]]
      last, p = np.append(first[1:] - 1, index[-1]), rows[0, : len(first)]
    found = over_frames(first, last, p, count)
    known = ~np.isnan(found[:, 0])
    found[known] = metrics.with_temperature(found[known], self._temperature)
    return found

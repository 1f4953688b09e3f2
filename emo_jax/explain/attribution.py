"""What a clip's decision rests on: the contribution of every stream at every frame.

What is explained is the probability a run gives the label it decides for: the mean over the clip's
windows, before the temperature, so that a frame in several windows has the sum of its contributions
to each. (Of a run that takes the most frequent decision, it is that decision's mean probability.)

A contribution is measured from a baseline that tells nothing: in every frame the mean face of the
split's clips and no hands. Zeros, which stand for absent hands, are no face that ever occurs.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from emo_jax import inference, input_pipeline, labels, parallel, preprocess, signing
from emo_jax.corpora import Split
from emo_jax.errors import UserError
from emo_jax.recipe import Recipe
from emo_jax.survey import survey
from emo_jax.video.clip import FIELDS, Clip
from tfds_builders import stored

METHODS = ('integrated_gradients', 'occlusion')
PHASES = ('rest', 'signing', 'post_signing')

Streams = Mapping[str, Array]  # name -> [B, T, features]

_TIMED = ('face_present', 'hand_points', 'hand_score', 'time_s')


@dataclasses.dataclass(frozen=True)
class ClipAttribution:
  """Contributions to the decision on one clip, at the S frames of its segment.

  Attributes:
    id, signer, utterance: the clip's.
    true: name of its label, None where nobody knows.
    predicted: name of the label decided for.
    probability: of that label.
    at_baseline: of every label by name, for a clip of this length that tells nothing.
    frame: which of the clip's sampled frames they are.
    time_s: presentation times in seconds.
    phase: of PHASES, for every frame.
    streams: contributions of each stream the run reads, as probability.
    share: of the places of the model's windows that a frame fills, as a multiple of an even share:
      early frames lie in one window and others in two, the last one is repeated.
  """

  id: str
  signer: str | None
  utterance: str | None
  true: str | None
  predicted: str
  probability: float
  at_baseline: dict[str, float]
  frame: Int[np.ndarray, ' s']
  time_s: Float[np.ndarray, ' s']
  phase: np.ndarray
  streams: dict[str, Float[np.ndarray, ' s']]
  share: Float[np.ndarray, ' s']

  @property
  def size(self) -> float:
    """Sum of the absolute contributions."""
    return float(sum(np.abs(x).sum() for x in self.streams.values()))

  @property
  def gap(self) -> float:
    """How far the sum of the contributions is from what they explain, relative to `size`."""
    explained = self.probability - self.at_baseline[self.predicted]
    found = sum(x.sum() for x in self.streams.values())
    return abs(found - explained) / max(self.size, 1e-6)


def phases(moving: Bool[np.ndarray, ' t']) -> np.ndarray:
  """The phase of every frame of a whole clip, by where its hands sign (emo_jax.signing).

  `post_signing` is what comes after the last signing frame, all else that is no signing is `rest`,
  as is the whole of a clip in which no frame signs.
  """
  found = np.where(moving, 'signing', 'rest').astype(object)
  if moving.any():
    found[np.flatnonzero(moving)[-1] + 1 :] = 'post_signing'
  return found


def baseline(split: Split) -> dict[str, Float[np.ndarray, ' features']]:
  """A frame of every stream that tells nothing: the mean of the clips' mean faces, no hands.

  Raises:
    UserError: no clip has a face.
  """
  total, count = np.zeros(input_pipeline.STREAM_WIDTHS['face']), 0
  for raw in stored.parts(split.source, ('face', 'face_present')):
    if raw['face_present'].any():
      total += raw['face'][raw['face_present']].mean(0)
      count += 1
  if not count:
    raise UserError(f'{split.spec} has no clip with a face: there is nothing to explain')
  absent = np.zeros(input_pipeline.STREAM_WIDTHS['hands'], np.float32)
  return dict(face=(total / count).astype(np.float32), hands=absent)


def integrated_gradients(
  function: Callable[[Streams], Array], at: Streams, start: Streams, steps: int
) -> dict[str, Float[Array, 'b t']]:
  """Integrated gradients (Sundararajan, Taly and Yan 2017) along the straight line from `start`.

  Args:
    function: streams -> [B], a value per clip that depends on this clip's streams alone.
    at, start: name -> [B, T, features].
    steps: points of the Gauss-Legendre rule by which the integral is computed; exact for paths of
      polynomials up to degree 2 * steps.

  Returns:
    A value per stream, clip and frame, summed over features; a clip's sum to function(at) -
    function(start), as far as the rule is exact.
  """
  slope = jax.grad(lambda streams: function(streams).sum())

  def add(total, node):
    place, weight = node
    here = jax.tree.map(lambda a, b: b + place * (a - b), at, start)
    return jax.tree.map(lambda t, g: t + weight * g, total, slope(here)), None

  nodes, weights = np.polynomial.legendre.leggauss(steps)
  points = jnp.float32((nodes + 1) / 2), jnp.float32(weights / 2)
  total, _ = jax.lax.scan(add, jax.tree.map(jnp.zeros_like, at), points)
  return {name: ((at[name] - start[name]) * total[name]).sum(-1) for name in at}


def occlusion(
  function: Callable[[Streams], Array], at: Streams, start: Streams
) -> dict[str, Float[Array, 'b t']]:
  """By how much the value drops when one frame of one stream is that of `start`.

  Arguments and result as of `integrated_gradients`; these need not sum to anything.
  """
  whole = function(at)

  def drops(name):
    def without(frame):
      hidden = at[name].at[:, frame].set(start[name][:, frame])
      return whole - function({**at, name: hidden})

    return jax.lax.map(without, jnp.arange(at[name].shape[1])).T

  return {name: drops(name) for name in at}


def attribution_step(model: nn.Module, aggregate: str, method: str, steps: int) -> Callable:
  """A step for one device: (params, batch, baseline) -> `streams` (name -> [B, T]), `decided` [B]
  (index of a label), `probability` [B] of it, `at_baseline` [B, k] of every label."""
  decide = inference.predict_step(model, aggregate)
  predict = inference.predict_step(model, 'mean')

  def step(params, batch, empty):
    at = {name: batch['streams'][name] for name in model.inputs}
    start = {name: jnp.broadcast_to(empty[name], x.shape) for name, x in at.items()}
    decided = decide(params, batch).argmax(-1)

    def probability(streams):
      p = predict(params, {**batch, 'streams': streams})
      return jnp.take_along_axis(p, decided[:, None], axis=-1)[:, 0]

    if method == 'occlusion':
      found = occlusion(probability, at, start)
    else:
      found = integrated_gradients(probability, at, start, steps)
    return dict(
      streams=found,
      decided=decided,
      probability=probability(at),
      at_baseline=predict(params, {**batch, 'streams': start}),
    )

  return step


def places(shown: Bool[np.ndarray, ' s'], temporal: str) -> Float[np.ndarray, ' s']:
  """How often each frame stands in the model's windows, as a multiple of the mean over frames.

  Args:
    shown: frames that the model does not skip.
    temporal: `windows` or `sequence`, where every frame stands once.
  """
  length = len(shown)
  at = np.arange(length)
  if temporal == 'windows' and length:
    at = preprocess.window_starts(length)[:, None] + np.arange(preprocess.WINDOW)
    at = np.minimum(at, length - 1).ravel()
  counts = np.bincount(at[shown[at]], minlength=length)
  return counts / max(counts.mean(), 1e-6) if length else counts.astype(np.float64)


class Explainer:
  """Explains a run's decisions, on any number of devices."""

  def __init__(self, config: Mapping[str, Any], params: Any, method: str, steps: int):
    """Takes the run's config, its selected parameters on the host, one of METHODS and the points
    of the path of integrated gradients."""
    self._config = config
    self._devices = parallel.devices(config['devices'])
    model = inference.build_model(config, trained=True)
    step = attribution_step(model, config['eval']['aggregate'], method, steps)
    self._step = parallel.spread(step, self._devices)
    self._params = parallel.replicate(params, self._devices)

  def __call__(
    self, split: Split, empty: Mapping[str, np.ndarray], segment: str = ''
  ) -> Iterator[list[ClipAttribution | None]]:
    """Clips in stored order, a list per batch; None for one without any face or frame, on which
    nothing is decided.

    Args:
      split: the clips.
      empty: see `baseline`.
      segment: empty: the run's own.
    """
    how = inference.recipe(self._config, 'eval', len(self._devices), segment)
    names = labels.names(how.task)
    empty = parallel.replicate(dict(empty), self._devices)
    raws = stored.parts(split.source, ('id', *_TIMED))
    frames = survey(split, how.task).frames
    for examples, batch in input_pipeline.evaluation_batches(split, how, frames):
      found = self._step(self._params, batch, empty)
      rows = jax.tree.map(lambda x: np.asarray(x).reshape(-1, *x.shape[2:]), found)
      explained = []  # clips come before what a batch is padded with, over all devices
      for i, (example, raw) in enumerate(zip(examples, raws, strict=False)):
        row = jax.tree.map(lambda x, i=i: x[i], rows)
        explained.append(_clip(example, raw, row, how, names) if example.length else None)
      yield explained


def _clip(
  example: input_pipeline.Example,
  raw: Mapping[str, Any],
  row: Mapping[str, Any],
  how: Recipe,
  names: tuple[str, ...],
) -> ClipAttribution:
  """One clip out of what a step found."""
  kept = example.frames
  nothing = dict.fromkeys(FIELDS, np.zeros(0, np.float32)) | dict(fps=np.float32(0))
  moving = signing.is_signing(Clip(**nothing | {name: raw[name] for name in _TIMED}))
  return ClipAttribution(
    id=example.id,
    signer=example.signer,
    utterance=example.utterance,
    true=None if example.label == labels.UNKNOWN else names[example.label],
    predicted=names[int(row['decided'])],
    probability=float(row['probability']),
    at_baseline=dict(zip(names, map(float, row['at_baseline']), strict=True)),
    frame=kept,
    time_s=raw['time_s'][kept],
    phase=phases(moving)[kept],
    streams={name: x[: example.length].astype(np.float64) for name, x in row['streams'].items()},
    share=places(example.shown, how.temporal),
  )

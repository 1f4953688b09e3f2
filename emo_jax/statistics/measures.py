"""Scores as functions of sums over clips: weighting or swapping clips changes the sums alone."""

import numpy as np
from jaxtyping import Float, Int

from emo_jax import labels, metrics
from emo_jax.statistics.clips import Scored

BINS = 10  # of the calibration error, equally wide
PROBABLE = ('nll', 'brier', 'ece')  # statistics of the probabilities beside the decision


def names(task: str) -> tuple[str, ...]:
  """Every statistic: metrics.NAMES, PROBABLE and `f1/<label>`."""
  return (*metrics.NAMES, *PROBABLE, *(f'f1/{name}' for name in labels.names(task)))


def top_label(
  p: Float[np.ndarray, 'n k'], true: Int[np.ndarray, ' n']
) -> tuple[Float[np.ndarray, ' n'], Float[np.ndarray, ' n'], Int[np.ndarray, ' n']]:
  """Confidence of each decision, whether it is right, and its bin (low, high] (Guo et al. 2017)."""
  confidence = p.max(-1)
  edges = np.linspace(0, 1, BINS + 1)
  right = (metrics.decisions(p) == true).astype(float)
  return confidence, right, np.searchsorted(edges[1:-1], confidence)


def columns(
  p: Float[np.ndarray, 'n k'], true: Int[np.ndarray, ' n']
) -> Float[np.ndarray, 'n columns']:
  """What each clip adds to the sums that `statistics` reads.

  One for its cell of the confusion matrix, whose last column is of no class; its negative
  log-likelihood; its Brier score, the squared errors summed over the classes (Brier 1950), from 0
  to 2; and in its bin by how much its confidence is too high.
  """
  n, k = p.shape
  clip = np.arange(n)
  confidence, right, bin_ = top_label(p, true)
  cells = k * (k + 1)
  found = np.zeros((n, cells + 2 + BINS))
  found[clip, true * (k + 1) + metrics.decisions(p)] = 1
  found[:, cells] = metrics.log_losses(p, true)
  found[:, cells + 1] = ((p - np.eye(k)[true]) ** 2).sum(-1)
  found[clip, cells + 2 + bin_] = confidence - right
  return found


def statistics(
  sums: Float[np.ndarray, 'draws columns'], task: str
) -> dict[str, Float[np.ndarray, ' draws']]:
  """The statistics of `names` from sums of `columns` over clips, weighted or not; as fractions.

  `ece` is the mean over the clips' bins of the gap between mean confidence and accuracy.
  """
  known = labels.names(task)
  k = len(known)
  cells = k * (k + 1)
  confusions, proper, gaps = np.split(sums, [cells, cells + 2], axis=1)
  found = metrics.rates(confusions.reshape(-1, k, k + 1))
  per_class = dict(zip(known, found.pop('f1').T, strict=True))
  n = confusions.sum(-1)
  return found | dict(
    nll=proper[:, 0] / n,
    brier=proper[:, 1] / n,
    ece=np.abs(gaps).sum(-1) / n,
    **{f'f1/{name}': f1 for name, f1 in per_class.items()},
  )


def weighted(
  clips: Scored, weights: Float[np.ndarray, 'draws n']
) -> dict[str, Float[np.ndarray, ' draws']]:
  """The statistics under each draw's weights of the clips, means over the repeats."""
  each = [statistics(weights @ columns(p, clips.true), clips.task) for p in clips.p]
  return {name: np.mean([one[name] for one in each], 0) for name in each[0]}

"""Recognition scores from the confusion matrix of clips, and the temperature of probabilities."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Real
from scipy import optimize


def decisions(probabilities: Float[np.ndarray, '*n k']) -> Int[np.ndarray, '*n']:
  """The most probable label of each clip; k, one past the last, where none has any probability, as
  in an answer that fits no class."""
  none = ~probabilities.any(-1)
  return np.where(none, probabilities.shape[-1], probabilities.argmax(-1))


def confusion(
  true: Int[np.ndarray, ' n'],
  predicted: Int[np.ndarray, ' n'],
  num_labels: int,
  no_class: bool = False,
) -> Int[np.ndarray, 'k columns']:
  """Counts of clips, true label in rows and predicted label in columns; with `no_class` one more at
  the end, for `decisions` of no class."""
  counts = np.zeros((num_labels, num_labels + no_class), np.int64)
  np.add.at(counts, (true, predicted), 1)
  return counts


NAMES = ('wacc', 'accuracy', 'macro_f1', 'weighted_f1')


def rates(counts: Real[np.ndarray, '... k columns']) -> dict[str, Float[np.ndarray, '...']]:
  """The scores of NAMES and `f1` [..., k] of confusion matrices, true labels in rows, as fractions.

  Columns after the k-th count answers that fit no class: misses of their true class, predictions of
  no other.

  wAcc is the mean recall over the classes that occur, as in EmoSign (it reproduces that paper's
  tables from its confusion matrices); macro F1 is the mean over all classes of the task, a class
  that neither occurs nor is predicted counting 0, as in the paper's Tables 6 and 7; weighted F1,
  EmoSign's wF1, weighs the classes by their clips. NaN where there is no clip.
  """
  counts = np.asarray(counts, np.float64)
  hits = np.diagonal(counts, axis1=-2, axis2=-1)
  occur, predicted = counts.sum(-1), counts.sum(-2)[..., : counts.shape[-2]]
  n, present = occur.sum(-1), occur > 0
  f1 = 2 * hits / np.where(occur + predicted > 0, occur + predicted, 1)
  recall = hits / np.where(present, occur, 1)
  with np.errstate(invalid='ignore'):
    found = dict(
      wacc=recall.sum(-1) / present.sum(-1),
      accuracy=hits.sum(-1) / n,
      macro_f1=np.where(n > 0, f1.mean(-1), np.nan),
      weighted_f1=(f1 * occur).sum(-1) / n,
      f1=f1,
    )
  return {name: np.asarray(value) for name, value in found.items()}


def scores(counts: Int[np.ndarray, '*r k columns'], names: Sequence[str]) -> dict[str, Any]:
  """Scores and F1 per class by `rates`, the mean over repeats of the same clips if it is given.

  Returns:
    `n`, clips of one repeat; the scores of NAMES and `per_class_f1`, None where no clip is
    labelled.
  """
  counts = counts.reshape(-1, *counts.shape[-2:])
  n = int(counts[0].sum())
  if not n:
    return dict(n=0, **dict.fromkeys(NAMES), per_class_f1=dict.fromkeys(names))
  found = {name: value.mean(0) for name, value in rates(counts).items()}
  per_class = {name: float(value) for name, value in zip(names, found.pop('f1'), strict=True)}
  return dict(n=n, **{name: float(v) for name, v in found.items()}, per_class_f1=per_class)


def with_temperature(
  probabilities: Float[np.ndarray, 'n k'], temperature: float
) -> Float[np.ndarray, 'n k']:
  """Probabilities sharpened (below 1) or flattened (above 1): p^(1/T), normalised again."""
  logits = np.log(np.maximum(probabilities, 1e-12)) / temperature
  weights = np.exp(logits - logits.max(-1, keepdims=True))
  return (weights / weights.sum(-1, keepdims=True)).astype(probabilities.dtype)


def log_losses(
  probabilities: Float[np.ndarray, 'n k'], true: Int[np.ndarray, ' n']
) -> Float[np.ndarray, ' n']:
  """-log of each clip's true label's probability, in nats."""
  picked = probabilities[np.arange(len(true)), true]
  return -np.log(np.maximum(picked, 1e-12))


def negative_log_likelihood(
  probabilities: Float[np.ndarray, 'n k'], true: Int[np.ndarray, ' n']
) -> float:
  """The mean of `log_losses` over clips."""
  return float(log_losses(probabilities, true).mean())


def fit_temperature(probabilities: Float[np.ndarray, 'n k'], true: Int[np.ndarray, ' n']) -> float:
  """The temperature in [0.05, 20] that minimises the negative log-likelihood (Guo et al. 2017).

  Decisions, and so all scores, are the same at every temperature. No clip: 1.
  """
  if not len(true):
    return 1.0
  found = optimize.minimize_scalar(
    lambda log_t: negative_log_likelihood(with_temperature(probabilities, np.exp(log_t)), true),
    bounds=(np.log(0.05), np.log(20.0)),
    method='bounded',
  )
  return float(np.exp(found.x))

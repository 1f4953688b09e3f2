"""Recognition scores from the confusion matrix of clips, and the temperature of probabilities."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy import optimize


def confusion(
  true: Int[np.ndarray, ' n'], predicted: Int[np.ndarray, ' n'], num_labels: int
) -> Int[np.ndarray, 'k k']:
  """Counts of clips, true label in rows and predicted label in columns."""
  counts = np.zeros((num_labels, num_labels), np.int64)
  np.add.at(counts, (true, predicted), 1)
  return counts


def scores(counts: Int[np.ndarray, 'k k'], names: Sequence[str]) -> dict[str, Any]:
  """wAcc, accuracy, macro F1 and F1 per class, as fractions; None where no clip is labelled.

  wAcc is the mean recall over the classes that occur, as in EmoSign (it reproduces that paper's
  tables from its confusion matrices); macro F1 is the mean over all classes of the task, a class
  that neither occurs nor is predicted counting 0, as in the paper's Tables 6 and 7.
  """
  hits, occur, predicted = np.diag(counts), counts.sum(1), counts.sum(0)
  f1 = 2 * hits / np.maximum(occur + predicted, 1)
  n = int(occur.sum())
  if not n:
    return dict(n=0, wacc=None, accuracy=None, macro_f1=None, per_class_f1=dict.fromkeys(names))
  present = occur > 0
  return dict(
    n=n,
    wacc=float(np.mean(hits[present] / occur[present])),
    accuracy=float(hits.sum() / n),
    macro_f1=float(f1.mean()),
    per_class_f1={name: float(value) for name, value in zip(names, f1, strict=True)},
  )


def with_temperature(
  probabilities: Float[np.ndarray, 'n k'], temperature: float
) -> Float[np.ndarray, 'n k']:
  """Probabilities sharpened (below 1) or flattened (above 1): p^(1/T), normalised again."""
  logits = np.log(np.maximum(probabilities, 1e-12)) / temperature
  weights = np.exp(logits - logits.max(-1, keepdims=True))
  return (weights / weights.sum(-1, keepdims=True)).astype(probabilities.dtype)


def negative_log_likelihood(
  probabilities: Float[np.ndarray, 'n k'], true: Int[np.ndarray, ' n']
) -> float:
  """Mean over clips of -log of the true label's probability, in nats."""
  picked = probabilities[np.arange(len(true)), true]
  return float(-np.log(np.maximum(picked, 1e-12)).mean())


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

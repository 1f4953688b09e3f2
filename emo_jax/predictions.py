"""Predictions, one line per clip: every score, table and figure is computed from them."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emo_jax import files, labels, metrics


@dataclasses.dataclass(frozen=True)
class Prediction:
  """What a model says of one clip.

  Attributes:
    id: the clip's.
    true: name of its label, None where nobody knows.
    probabilities: per label name; uniform for a clip without any face or frame.
    has_face: False for such a clip.
  """

  id: str
  true: str | None
  probabilities: dict[str, float]
  has_face: bool


def write(path: Path, predictions: Sequence[Prediction]) -> None:
  """Writes one JSON object per line."""
  path.parent.mkdir(parents=True, exist_ok=True)
  with files.replacing(path) as partial:
    partial.write_text(''.join(json.dumps(dataclasses.asdict(p)) + '\n' for p in predictions))


def read(path: Path) -> list[Prediction]:
  """Reads what `write` wrote."""
  return [Prediction(**json.loads(line)) for line in path.read_text().splitlines()]


def arrays(predictions: Sequence[Prediction], task: str) -> tuple[np.ndarray, np.ndarray]:
  """Probabilities [n, k] and label indices [n] (-1 where unknown)."""
  names = labels.names(task)
  p = np.array([[x.probabilities[name] for name in names] for x in predictions], np.float64)
  true = [labels.UNKNOWN if x.true is None else labels.index(task, x.true) for x in predictions]
  return p.reshape(-1, len(names)), np.array(true, np.int64)


def score(predictions: Sequence[Prediction], task: str) -> dict[str, Any]:
  """The scores of the labelled clips, beside counts of all clips and of those without a face."""
  names = labels.names(task)
  p, true = arrays(predictions, task)
  known = true != labels.UNKNOWN
  counts = metrics.confusion(true[known], p[known].argmax(-1), len(names))
  nll = metrics.negative_log_likelihood(p[known], true[known]) if known.any() else None
  return metrics.scores(counts, names) | dict(
    nll=nll,
    n_clips=len(predictions),
    n_without_face=sum(not x.has_face for x in predictions),
    labels=list(names),
    confusion=counts.tolist(),
  )

"""Predictions, one line per clip: every score, table and figure is computed from them."""

import dataclasses
import json
from collections import Counter
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
    coverage: shares of its frames with a face and hands (emo_jax.coverage.shares); None in a
      file of an earlier version.
    low_coverage: which of them are below the run's limits; marked if there is one. None as above.
  """

  id: str
  true: str | None
  probabilities: dict[str, float]
  has_face: bool
  coverage: dict[str, float] | None = None
  low_coverage: list[str] | None = None


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


def _confusion(p: np.ndarray, true: np.ndarray, chosen: np.ndarray) -> np.ndarray:
  return metrics.confusion(true[chosen], p[chosen].argmax(-1), p.shape[1])


def score(predictions: Sequence[Prediction], task: str) -> dict[str, Any]:
  """The scores of the labelled clips, beside counts of all clips and of those without a face.

  Clips of low coverage count like every other; `n_low_coverage` says how many there are,
  `low_coverage` how many below each limit, and `without_low_coverage` has the scores without them.
  """
  names = labels.names(task)
  p, true = arrays(predictions, task)
  known = true != labels.UNKNOWN
  marked = np.array([bool(x.low_coverage) for x in predictions], bool)
  counts = _confusion(p, true, known)
  unmarked = metrics.scores(_confusion(p, true, known & ~marked), names)
  nll = metrics.negative_log_likelihood(p[known], true[known]) if known.any() else None
  return metrics.scores(counts, names) | dict(
    nll=nll,
    n_clips=len(predictions),
    n_without_face=sum(not x.has_face for x in predictions),
    n_low_coverage=int(marked.sum()),
    low_coverage=dict(Counter(what for x in predictions for what in x.low_coverage or [])),
    without_low_coverage={k: unmarked[k] for k in ('n', 'wacc', 'accuracy', 'macro_f1')},
    labels=list(names),
    confusion=counts.tolist(),
  )

"""Predictions, one line per clip: every score, table and figure is computed from them."""

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emo_jax import files, labels, metrics, processes, run_dir
from emo_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Prediction:
  """What a model says of one clip.

  Attributes:
    id: the clip's.
    true: name of its label, None where nobody knows.
    probabilities: per label name; uniform for a clip without any face or frame, all 0 for an answer
      that fits no class.
    has_face: False for such a clip.
    coverage: shares of its frames with a face and hands (emo_jax.coverage.shares); None in a
      file of an earlier version.
    low_coverage: which of them are below the run's limits; marked if there is one. None as above.
    signer, utterance: the clip's; None as above.
    seed: of the model's training.
    draw: number of the random segment.
  """

  id: str
  true: str | None
  probabilities: dict[str, float]
  has_face: bool
  coverage: dict[str, float] | None = None
  low_coverage: list[str] | None = None
  signer: str | None = None
  utterance: str | None = None
  seed: int = 0
  draw: int = 0


def file(workdir: Path, corpus: str, split: str, segment: str) -> Path:
  """Where a run's predictions on the clips and segment lie."""
  return workdir / 'predictions' / run_dir.file_name(f'{corpus}-{split}-{segment}.jsonl')


def write(path: Path, predictions: Sequence[Prediction]) -> None:
  """Writes one JSON object per line."""
  path.parent.mkdir(parents=True, exist_ok=True)
  with files.replacing(path) as partial:
    partial.write_text(''.join(_line(p) + '\n' for p in predictions))


def read(path: Path) -> list[Prediction]:
  """Reads what `write` wrote."""
  return _read(path.read_text().splitlines())


def of_all_processes(own: Sequence[Prediction]) -> list[Prediction]:
  """Those of every process, one process after the other."""
  if processes.count() == 1:
    return list(own)
  return _read(processes.joined_lines([_line(p) for p in own]))


def _line(prediction: Prediction) -> str:
  return json.dumps(dataclasses.asdict(prediction))


def _read(lines: Sequence[str]) -> list[Prediction]:
  return [Prediction(**json.loads(line)) for line in lines]


def arrays(predictions: Sequence[Prediction], task: str) -> tuple[np.ndarray, np.ndarray]:
  """Probabilities [n, k] and label indices [n] (-1 where unknown)."""
  names = labels.names(task)
  for x in predictions:
    if x.probabilities.keys() != set(names):
      raise UserError(
        f'clip {x.id} has probabilities of {", ".join(x.probabilities)}; the labels of {task} are '
        f'{", ".join(names)}: score the run again'
      )
  p = np.array([[x.probabilities[name] for name in names] for x in predictions], np.float64)
  true = [labels.UNKNOWN if x.true is None else labels.index(task, x.true) for x in predictions]
  return p.reshape(-1, len(names)), np.array(true, np.int64)


def repeats(predictions: Sequence[Prediction]) -> list[list[Prediction]]:
  """The predictions of each seed and draw, of the same clips in the same order.

  Raises:
    UserError: a repeat has a clip twice, or they are of different clips.
  """
  found: dict[tuple[int, int], list[Prediction]] = {}
  for p in predictions:
    found.setdefault((p.seed, p.draw), []).append(p)
  each = [sorted(found[key], key=lambda p: p.id) for key in sorted(found)] or [[]]
  ids = [p.id for p in each[0]]
  if len(set(ids)) < len(ids):
    raise UserError(f'clip {next(i for i in ids if ids.count(i) > 1)} is predicted twice')
  if any([p.id for p in other] != ids for other in each[1:]):
    raise UserError('the seeds or draws are of different clips: score the run again')
  return each


def _confusions(
  each: Sequence[Sequence[Prediction]], task: str, chosen: Callable[[Prediction], bool]
) -> np.ndarray:
  """[repeats, k, k + 1] of the labelled clips that are chosen, the last column for no class."""
  counts = []
  for one in each:
    p, true = arrays([x for x in one if x.true is not None and chosen(x)], task)
    counts.append(metrics.confusion(true, metrics.decisions(p), p.shape[1], no_class=True))
  return np.stack(counts)


def score(predictions: Sequence[Prediction], task: str) -> dict[str, Any]:
  """The scores of the labelled clips, beside counts of all clips and of those without a face.

  Scores are means over `n_repeats` (seeds and draws of random segments), `confusion` is their sum,
  with a column more than `labels` if there are answers of no class; all other counts are of clips.
  Clips of low coverage count like every other; `n_low_coverage` says how many there are,
  `low_coverage` how many below each limit, and `without_low_coverage` has the scores without them.

  Raises:
    UserError: as `repeats`.
  """
  names, each = labels.names(task), repeats(predictions)
  counts = _confusions(each, task, lambda p: True)
  unmarked = metrics.scores(_confusions(each, task, lambda p: not p.low_coverage), names)
  p, true = arrays([p for p in predictions if p.true is not None], task)
  clips, columns = each[0], len(names) + bool(counts[..., -1].any())
  return metrics.scores(counts, names) | dict(
    nll=metrics.negative_log_likelihood(p, true) if len(true) else None,
    n_clips=len(clips),
    n_repeats=len(each),
    n_without_face=sum(not x.has_face for x in clips),
    n_low_coverage=sum(bool(x.low_coverage) for x in clips),
    low_coverage=dict(Counter(what for x in clips for what in x.low_coverage or [])),
    without_low_coverage={k: unmarked[k] for k in ('n', 'wacc', 'accuracy', 'macro_f1')},
    labels=list(names),
    confusion=counts.sum(0)[:, :columns].tolist(),
  )

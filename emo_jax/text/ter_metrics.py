"""How well text classifiers do on sentences that people labelled, and which one does best."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emo_jax import csv_tables, labels, metrics
from emo_jax.errors import UserError
from emo_jax.text import labelling
from emo_jax.text.emotion import Classifier


@dataclasses.dataclass(frozen=True)
class Labelled:
  """Sentences with their emotions.

  Attributes:
    file, sha256: the name of the file they come from, and its digest.
    texts: the sentences.
    true: per sentence, an index into `emo_jax.labels.EMOTIONS`.
  """

  file: str
  sha256: str
  texts: tuple[str, ...]
  true: tuple[int, ...]


def read(path: Path, text_column: str = 'text', label_column: str = 'label') -> Labelled:
  """Reads a CSV with a sentence and its emotion, by name, per row; other columns are not read.

  Raises:
    UserError: as `csv_tables.read`; a row lacks text or label, or its label is unknown; no row.
  """
  texts, true = [], []
  for where, row in csv_tables.read(path, (text_column, label_column))[1]:
    try:
      true.append(labels.index('emotion', row[label_column]))
    except UserError as error:
      raise UserError(f'{where}: {error}') from error
    if not row[text_column] or true[-1] == labels.UNKNOWN:
      raise UserError(f'{where}: no {text_column if not row[text_column] else label_column}')
    texts.append(row[text_column])
  if not texts:
    raise UserError(f'{path} has no sentence')
  digest = hashlib.sha256(path.read_bytes()).hexdigest()
  return Labelled(path.name, digest, tuple(texts), tuple(true))


def score(classifier: Classifier, labelled: Labelled, batch_size: int = 32) -> dict[str, Any]:
  """The scores of `emo_jax.metrics`, the confusion matrix, and of which model on which set."""
  predicted = np.zeros(len(labelled.texts), np.int64)
  for batch, shares in labelling.classify(classifier, labelled.texts, batch_size):
    predicted[batch] = shares.argmax(-1)
  counts = metrics.confusion(np.array(labelled.true), predicted, len(labels.EMOTIONS))
  return dict(
    model=classifier.name,
    revision=classifier.revision,
    file=labelled.file,
    sha256=labelled.sha256,
    **metrics.scores(counts, labels.EMOTIONS),
    labels=list(labels.EMOTIONS),
    confusion=counts.tolist(),
  )


def compare(scored: Sequence[dict[str, Any]]) -> dict[str, Any]:
  """The scores of models on one set; of several, the best by macro F1 (the first of equals)."""
  said: dict[str, Any] = dict(models=list(scored))
  if len(scored) > 1:
    best = max(scored, key=lambda s: s['macro_f1'])
    said['chosen'] = {key: best[key] for key in ('model', 'revision', 'macro_f1')}
    said['chosen_on'] = {key: best[key] for key in ('file', 'sha256')}
  return said

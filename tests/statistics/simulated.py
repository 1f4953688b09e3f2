"""Predictions of made-up classifiers whose errors are correlated as we choose."""

import numpy as np
from scipy import special

from emo_jax import labels
from emo_jax.predictions import Prediction
from emo_jax.statistics.clips import Scored, scored

K = len(labels.EMOTIONS)


def predictions(
  p: np.ndarray, true: list[int | None], who: list[tuple[str, str]], ids: list[str] | None = None
) -> list[Prediction]:
  """Of each seed [r, n, 7]; `who` has the signer and utterance of each clip."""
  ids = ids or [f'{signer}-{utterance}-{i:05}' for i, (signer, utterance) in enumerate(who)]
  return [
    Prediction(
      id=id_,
      true=None if y is None else labels.EMOTIONS[y],
      probabilities=dict(zip(labels.EMOTIONS, row.tolist(), strict=True)),
      has_face=True,
      signer=signer,
      utterance=utterance,
      seed=seed,
    )
    for seed, one in enumerate(p)
    for id_, y, row, (signer, utterance) in zip(ids, true, one, who, strict=True)
  ]


def one_hot(predicted: np.ndarray) -> np.ndarray:
  """Probabilities that are sure of each decision."""
  return np.eye(K)[predicted]


def crossed(utterances: int, signers: int) -> tuple[list[int], list[tuple[str, str]]]:
  """Labels, signers and utterances of a corpus in which all seven emotions are crossed with both,
  as in eJSL."""
  rows = [
    (y, (f's{s}', f'u{u:04}')) for s in range(signers) for u in range(utterances) for y in range(K)
  ]
  return [y for y, _ in rows], [who for _, who in rows]


def corpus(utterances: int = 12, signers: int = 2) -> Scored:
  """A crossed corpus, to be given probabilities by dataclasses.replace."""
  true, who = crossed(utterances, signers)
  return scored(predictions(np.full((1, len(true), K), 1 / K), true, who), 'emotion', 'ejsl')


def decisions(
  rng: np.random.Generator,
  true: np.ndarray,
  group: np.ndarray,
  spread: float,
  repeats: int = 1,
  level: float = 0.0,
) -> np.ndarray:
  """Sure probabilities [r, n, 7] of a classifier that is better in some groups of clips.

  The log odds of being right are `level` plus a normal draw of `spread` per group; a wrong decision
  is any other class.
  """
  odds = level + spread * rng.standard_normal(group.max() + 1)[group]
  right = rng.random((repeats, len(true))) < special.expit(odds)
  wrong = (true + rng.integers(1, K, right.shape)) % K
  return one_hot(np.where(right, true, wrong))

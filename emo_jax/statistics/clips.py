"""Labelled clips with what is resampled together, swapped together and kept apart."""

import dataclasses
from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped

from emo_jax import predictions as predictions_lib
from emo_jax.errors import UserError
from emo_jax.predictions import Prediction


@dataclasses.dataclass(frozen=True)
class Scored:
  """The labelled clips of an evaluation, with their probabilities in each repeat.

  Attributes:
    task: of emo_jax.labels.
    ids: the clips'.
    signer: of each clip.
    true: index of its label.
    p: probabilities in r repeats, seeds times draws of random segments.
    unit: number of what the bootstrap draws as a whole: the clips of an utterance by a signer; of
      BOBSL, where neighbouring sentences resemble each other, an episode.
    stratum: of each unit: units are drawn among those of the same stratum.
    cluster: number of what the permutation test swaps as a whole: the clips of an utterance by all
      signers, as eJSL crosses the two; of BOBSL an episode.
    resampled: the units, in words.
  """

  task: str
  ids: tuple[str, ...]
  signer: Shaped[np.ndarray, ' n']
  true: Int[np.ndarray, ' n']
  p: Float[np.ndarray, 'r n k']
  unit: Int[np.ndarray, ' n']
  stratum: Int[np.ndarray, ' units']
  cluster: Int[np.ndarray, ' n']
  resampled: str


def scored(predictions: Sequence[Prediction], task: str, corpus: str) -> Scored:
  """The labelled clips of predictions on `corpus`, `<builder>[/<config>]`, in the order of ids.

  Units of the same signer with the same labels make a stratum; BOBSL's episodes make one, as each
  mixes classes. A unit that is alone would never vary: it is put together with the others that are
  alone and have the same labels, then with all that are alone; if there is no other, it joins the
  largest stratum.

  Raises:
    UserError: no clip is labelled, the signer or utterance of one is unknown, or the repeats differ
      in clips or labels.
  """
  each = [[x for x in one if x.true is not None] for one in predictions_lib.repeats(predictions)]
  clips = each[0]
  if not clips:
    raise UserError(f'no clip is labelled for {task}: there is nothing to score')
  if nameless := [x.id for x in clips if not x.signer or not x.utterance]:
    raise UserError(
      f'signer or utterance is unknown of {len(nameless)} of {len(clips)} labelled clips, such as '
      f'{nameless[0]}: score the run again'
    )
  if any([(x.id, x.true) for x in one] != [(x.id, x.true) for x in clips] for one in each[1:]):
    raise UserError('the seeds or draws differ in the labels of clips: score the run again')
  p, true = zip(*(predictions_lib.arrays(one, task) for one in each), strict=True)
  by_episode = corpus.split('/')[0].startswith('bobsl')
  unit = _numbers([x.signer if by_episode else (x.signer, x.utterance) for x in clips])
  return Scored(
    task=task,
    ids=tuple(x.id for x in clips),
    signer=np.array([x.signer for x in clips]),
    true=true[0],
    p=np.stack(p),
    unit=unit,
    stratum=np.zeros(unit.max() + 1, np.int64) if by_episode else _strata(clips, unit),
    cluster=unit if by_episode else _numbers([x.utterance for x in clips]),
    resampled='episodes' if by_episode else 'utterances within signers, stratified by class',
  )


def _numbers(keys: Sequence[Hashable]) -> Int[np.ndarray, ' n']:
  """Equal keys get the same number, counted from 0 in the order of their first appearance."""
  number = {key: i for i, key in enumerate(dict.fromkeys(keys))}
  return np.array([number[key] for key in keys], np.int64)


def _strata(clips: Sequence[Prediction], unit: Int[np.ndarray, ' n']) -> Int[np.ndarray, ' units']:
  members: list[list[Prediction]] = [[] for _ in range(unit.max() + 1)]
  for clip, of in zip(clips, unit, strict=True):
    members[of].append(clip)
  labels_of = [tuple(sorted(x.true for x in one)) for one in members]
  key: list[Hashable] = [(m[0].signer, y) for m, y in zip(members, labels_of, strict=True)]
  for scope in (labels_of, [()] * len(members)):
    size = Counter(key)
    alone = [i for i, k in enumerate(key) if size[k] == 1]
    together = Counter(scope[i] for i in alone)
    largest: dict[Hashable, Hashable] = {}
    for (where, k), n in Counter(zip(scope, key, strict=True)).most_common():
      if n > 1:
        largest.setdefault(where, k)
    for i in alone:
      key[i] = ('alone', scope[i]) if together[scope[i]] > 1 else largest.get(scope[i], key[i])
  return _numbers(key)

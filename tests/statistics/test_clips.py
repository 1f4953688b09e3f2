"""What is resampled and swapped together, in corpora like those of the paper."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emo_jax.errors import UserError
from emo_jax.statistics.clips import scored
from tests.statistics import simulated

K = simulated.K


def uniform(true, who, corpus='ejsl', repeats=1):
  p = np.full((repeats, len(true), K), 1 / K)
  return scored(simulated.predictions(p, true, who), 'emotion', corpus)


def together(numbers, names):
  """The sets of names that share a number."""
  return {frozenset(n for n, i in zip(names, numbers, strict=True) if i == j) for j in numbers}


def test_ejsl_has_a_unit_per_utterance_and_signer_and_a_cluster_per_utterance():
  clips = uniform(*simulated.crossed(78, 2), repeats=3)
  assert clips.p.shape == (3, 1092, 7)
  assert len(clips.stratum) == 156 and Counter(clips.unit) == dict.fromkeys(range(156), 7)
  assert Counter(clips.stratum) == {0: 78, 1: 78}
  assert Counter(clips.cluster) == dict.fromkeys(range(78), 14)
  for unit, stratum in enumerate(clips.stratum):
    assert {clips.signer[i] for i in np.flatnonzero(clips.unit == unit)} == {f's{stratum}'}
  assert clips.resampled == 'utterances within signers, stratified by class'


def test_bobsl_is_drawn_and_swapped_by_episodes():
  true = [0, 1, 2, 6, 6, 6]
  who = [('e1', 'a'), ('e1', 'b'), ('e2', 'c'), ('e2', 'd'), ('e3', 'e'), ('e3', 'f')]
  clips = uniform(true, who, 'bobsl/m_c')
  assert clips.unit.tolist() == clips.cluster.tolist() == [0, 0, 1, 1, 2, 2]
  assert clips.stratum.tolist() == [0, 0, 0]
  assert clips.resampled == 'episodes'


def test_units_that_are_alone_are_put_together():
  rows = [  # name, signer, label
    ('a', 'X', 0), ('b', 'X', 0),  # a stratum of its own
    ('c', 'X', 1), ('d', 'Y', 1),  # alone with their signers: over signers
    ('e', 'Y', 0),  # the only one left of its label that is alone: with X's
    ('f', 'X', 2), ('g', 'Y', 3), ('h', 'Z', 4),  # labels of one unit each
  ]  # fmt: skip
  names = [name for name, _, _ in rows]
  clips = uniform([y for _, _, y in rows], [(signer, name) for name, signer, _ in rows])
  own = [id_.split('-')[1] for id_ in clips.ids]
  assert together(clips.stratum[clips.unit], own) == {
    frozenset('abe'), frozenset('cd'), frozenset('fgh')
  }  # fmt: skip
  assert sorted(own) == names


def test_the_last_that_is_alone_joins_the_largest_stratum():
  who = [('X', name) for name in 'abcdef']
  clips = uniform([0, 0, 1, 1, 1, 5], who)
  assert together(clips.stratum, 'abcdef') == {frozenset('ab'), frozenset('cdef')}


@settings(max_examples=80, deadline=None)
@given(
  st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from('XYZ'), st.sampled_from('abcdefgh')),
    min_size=1,
    max_size=40,
  )
)
def test_no_unit_is_left_alone_and_units_are_utterances_of_a_signer(rows):
  clips = uniform([y for y, _, _ in rows], [(s, u) for _, s, u in rows])
  units = len({(s, u) for _, s, u in rows})
  assert len(clips.stratum) == units == len(set(clips.unit))
  assert units == 1 or min(Counter(clips.stratum).values()) >= 2
  names = [tuple(id_.split('-')[:2]) for id_ in clips.ids]
  assert len(set(zip(clips.unit, names, strict=True))) == units
  assert len(set(clips.cluster)) == len({u for _, _, u in rows})
  assert clips.ids == tuple(sorted(clips.ids))


def test_only_labelled_clips_count():
  clips = uniform([0, None, 2], [('X', 'a'), ('X', 'b'), ('X', 'c')])
  assert clips.true.tolist() == [0, 2] and clips.p.shape == (1, 2, 7)
  with pytest.raises(UserError, match='no clip is labelled for emotion'):
    uniform([None], [('X', 'a')])


@pytest.mark.parametrize('lacking', ['signer', 'utterance'])
def test_predictions_of_earlier_versions_are_refused(lacking):
  made = simulated.predictions(np.full((1, 2, K), 1 / K), [0, 1], [('X', 'a'), ('X', 'b')])
  made[1] = dataclasses.replace(made[1], **{lacking: None})
  with pytest.raises(UserError, match='of 1 of 2 labelled clips, such as X-b-00001: score the run'):
    scored(made, 'emotion', 'ejsl')


def test_repeats_with_other_labels_are_refused():
  made = simulated.predictions(np.full((2, 2, K), 1 / K), [0, 1], [('X', 'a'), ('X', 'b')])
  for changed in (None, 'fear'):
    made[3] = dataclasses.replace(made[3], true=changed)
    with pytest.raises(UserError, match='differ in the labels'):
      scored(made, 'emotion', 'ejsl')

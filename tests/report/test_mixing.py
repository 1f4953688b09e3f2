"""Runs that are not alike stand side by side only if they are allowed to, and it is said."""

import pytest

from emo_jax.errors import UserError
from emo_jax.report import mixing, rows, tables
from tests.report import made

SMALL = dict(utterances=4)
OTHER_KEY = made.KEY | dict(resize='nearest')


def collect(tmp_path, **second):
  one = made.run(tmp_path / 'one', 'table3/full', **SMALL)
  options = dict(row='table3/last_2s') | second
  return rows.collect([one, made.run(tmp_path / 'two', **options, **SMALL)])


def test_runs_alike_may_stand_side_by_side(tmp_path):
  collected = collect(tmp_path)
  assert mixing.require_same(collected, allowed=False) == []
  assert mixing.within(collected.fills('table3')) == []


@pytest.mark.parametrize(
  ('second', 'said'),
  [
    (dict(key=OTHER_KEY), 'resize: none against nearest'),
    (dict(key=made.SYNTHETIC_KEY), 'SYNTHETIC clips beside real ones'),
    (dict(key=made.RANDOM_KEY), 'backbone: f00d against random:0'),
  ],
)
def test_others_are_refused_by_name(tmp_path, second, said):
  collected = collect(tmp_path, **second)
  with pytest.raises(UserError, match=rf'(?s)one\) and .*two\) differ in .*{said}') as refused:
    mixing.require_same(collected, allowed=False)
  assert '--allow_mixed' in str(refused.value) and '\n' not in str(refused.value)
  (sentence,) = mixing.require_same(collected, allowed=True)
  assert 'differ in' in sentence


def test_a_run_of_another_task_has_a_table_of_its_own(tmp_path):
  collected = collect(tmp_path, row='emosign_sentiment3/eanwh', task='sentiment3')
  assert mixing.require_same(collected, allowed=False) == []


def test_an_evaluation_on_features_of_another_key_is_refused_too(tmp_path):
  folder = tmp_path / 'two'
  entry = made.evaluation(folder, made.predicted(**SMALL), segment='last_2s', key=OTHER_KEY)
  collected = collect(tmp_path, evals=[entry])
  with pytest.raises(UserError, match='resize: none against nearest'):
    mixing.require_same(collected, allowed=False)


def test_a_mixed_table_says_so(tmp_path):
  collected = collect(tmp_path, key=OTHER_KEY)
  notes = [note for note in tables.grid('table3', collected).notes if note.startswith('Mixed')]
  assert len(notes) == 1 and 'resize: none against nearest' in notes[0]
  assert not [n for n in tables.grid('table1', collected).notes if n.startswith('Mixed')]

"""Runs find the rows that they name, and nothing else fills a row."""

import json
import shutil

import pytest

from emo_jax.errors import UserError
from emo_jax.report import rows
from emo_jax.statistics import summary
from tests.report import made

SMALL = dict(utterances=4)


def names(evaluations):
  return [e.run.name for e in evaluations]


def test_a_row_is_filled_by_its_tables_clips_and_segment(tmp_path):
  folder = tmp_path / 'run'
  found = made.predicted(**SMALL)
  wrong = [
    made.evaluation(folder, found, segment='full'),
    made.evaluation(folder, found, split='f1', segment='last_2s'),
    made.evaluation(folder, found, corpus='bobsl/m_c', segment='last_2s'),
  ]
  right = made.evaluation(folder, found, segment='last_2s')
  made.run(folder, 'table3/last_2s', evals=[*wrong, right])
  collected = rows.collect([folder])
  (filling,) = collected.filled['table3/last_2s']
  assert filling.entry['segment'] == 'last_2s' and filling.where == 'ejsl:all'
  assert [(e.where, e.entry['segment']) for e in collected.other] == [
    ('ejsl:all', 'full'),
    ('ejsl:f1', 'last_2s'),
    ('bobsl/m_c:all', 'last_2s'),
  ]


def test_a_synthetic_run_fills_it_with_the_embedded_split_only(tmp_path):
  folder = tmp_path / 'run'
  found = made.predicted('signsim', 'ejsl_like', **SMALL)
  options = dict(corpus='signsim/seed3', segment='full', key=made.SYNTHETIC_KEY)
  evals = [
    made.evaluation(folder, found, corpus='ejsl', key=made.KEY),
    made.evaluation(folder, found, split='bobsl_like', **options),
    made.evaluation(folder, found, split='ejsl_like', **options),
  ]
  made.run(folder, 'table3/full', key=made.SYNTHETIC_KEY, evals=evals)
  collected = rows.collect([folder])
  assert [e.where for e in collected.filled['table3/full']] == ['signsim/seed3:ejsl_like']
  assert len(collected.other) == 2


def test_every_run_of_a_row_has_a_line_and_rows_of_ours_follow_the_papers(tmp_path):
  folders = [
    made.run(tmp_path / n, 'table2/non_signers', name=n, **SMALL) for n in ('ravdess', 'savee')
  ]
  own = made.run(tmp_path / 'own', 'table2/both_hands', segment='last_2s', **SMALL)
  collected = rows.collect([own, *folders])
  lines = [(key, names(found)) for key, _, found in collected.lines('table2')]
  assert lines == [
    ('non_signers', ['ravdess', 'savee']),
    ('a_tea', []),
    ('both_hands', ['table2_both_hands']),
  ]
  assert collected.fills('table2')[-1].entry['segment'] == 'last_2s'


def test_a_run_that_cannot_fill_its_row_is_told(tmp_path):
  folder = made.run(tmp_path / 'run', 'table4/eanwh', corpus='ejsl', **SMALL)
  collected = rows.collect([folder])
  assert not collected.filled and len(collected.other) == 1
  assert collected.empty == (
    f'table4_eanwh ({folder}) names the row table4/eanwh but has no scores on bobsl/m_c:all, full',
  )


def test_what_an_older_run_did_not_write_is_computed(tmp_path):
  folder = made.run(tmp_path / 'run', 'table3/full', **SMALL)
  whole = rows.collect([folder]).filled['table3/full'][0].entry
  path = folder / 'report.json'
  report = json.loads(path.read_text())
  for field in ('statistics', 'weighted_f1', 'n_repeats', 'task'):
    del report['evals'][0][field]
  path.write_text(json.dumps(report))
  (again,) = rows.collect([folder]).filled['table3/full']
  for field in ('weighted_f1', 'n_repeats', 'task', 'macro_f1'):
    assert again.entry[field] == whole[field]
  expected = summary.summary(made.predicted(**SMALL), 'emotion', 'ejsl')
  assert again.entry['statistics'] == expected
  assert again.interval('macro_f1') == tuple(expected['intervals']['macro_f1'])
  shutil.rmtree(folder / 'predictions')
  with pytest.raises(UserError, match='ejsl-all-full.jsonl is not there.*score the run on ejsl'):
    rows.collect([folder])


def test_a_mistake_is_told_in_a_line(tmp_path):
  done = made.run(tmp_path / 'done', 'table3/full', **SMALL)
  with pytest.raises(UserError, match='nowhere is no folder: name the --workdir'):
    rows.collect([tmp_path / 'nowhere'])
  unfinished = tmp_path / 'unfinished'
  unfinished.mkdir()
  shutil.copy(done / 'config.json', unfinished)
  with pytest.raises(UserError, match='report.json is not there.*let the run finish'):
    rows.collect([done, unfinished])
  with pytest.raises(UserError, match="tabel3/full' names no row.*did you mean 'table3'"):
    other = made.run(tmp_path / 'misspelt', 'table3/full', **SMALL)
    config = json.loads((other / 'config.json').read_text()) | dict(row='tabel3/full')
    (other / 'config.json').write_text(json.dumps(config))
    rows.collect([other])


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('[1]', 'holds no JSON object: let the run finish'),
    ('{"name": "x", "version": 2}', 'has no task: it is no report of a run'),
    (lambda x: x.pop('params'), 'has no params'),
    (lambda x: x['evals'][0].pop('confusion'), 'has no confusion'),
    (
      lambda x: x['evals'][0]['confusion'][0].reverse(),
      'the predictions on ejsl:all .full. do not agree: score the run again',
    ),
  ],
)
def test_a_report_of_something_else_is_told_in_a_line(tmp_path, text, message):
  folder = made.run(tmp_path / 'run', 'table3/full', **SMALL)
  path = folder / 'report.json'
  if callable(text):
    report = json.loads(path.read_text())
    text(report)
    text = json.dumps(report)
  path.write_text(text)
  with pytest.raises(UserError, match=message):
    rows.collect([folder])


def test_runs_that_cannot_be_told_apart_are_refused(tmp_path):
  one, other = (made.run(tmp_path / n, 'table3/full', **SMALL) for n in 'ab')
  with pytest.raises(UserError, match=f"{one} and {other} .* table3/full .*'table3_full'"):
    rows.collect([one, other])
  with pytest.raises(UserError, match='leave one out'):
    rows.collect([one, one])
  controls = [
    made.run(tmp_path / n, name='control_ean', key=made.SYNTHETIC_KEY, **SMALL) for n in 'cd'
  ]
  with pytest.raises(UserError, match='the control'):
    rows.collect(controls)
  # Runs of no row may well have one name.
  assert len(rows.collect([made.run(tmp_path / n, **SMALL) for n in 'ef']).other) == 2

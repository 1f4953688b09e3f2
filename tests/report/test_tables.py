"""Published tables with ours in them: the paper's numbers only where they may stand beside ours."""

import dataclasses

import numpy as np
import pytest

from emo_jax import published
from emo_jax.report import rows, tables
from emo_jax.report.blocks import Number
from tests.report import made
from tests.report.made import by_column


@pytest.fixture(scope='module')
def real(tmp_path_factory):
  """Table 3 with one row left out, a row of ours, and Table 7."""
  folder = tmp_path_factory.mktemp('real')
  return rows.collect(
    [
      made.run(folder / 'full', 'table3/full', skill=0.5),
      made.run(folder / 'random', 'table3/random_2s', skill=0.5, draws=3),
      made.run(folder / 'own', 'table3/first_2s', segment='random_2s'),
      made.run(folder / 'eanwh', 'table7/eanwh', seed=2),
      made.run(folder / 'm_c', 'table1/a_tea', seed=3),
    ]
  )


def one(folder, row, **options):
  return rows.collect([made.run(folder / 'run', row, **options)])


def test_ours_stands_beside_the_papers_number_and_the_difference(real):
  found = tables.grid('table3', real)
  (e,) = real.filled['table3/full']
  cells = by_column(found, 'full clip')
  low, high = e.entry['statistics']['intervals']['macro_f1']
  ours = 100 * e.entry['macro_f1']
  assert cells['macro F1: ours'] == f'{ours:.2f} [{100 * low:.2f}, {100 * high:.2f}]'
  assert cells['macro F1: paper'] == '12.11'
  assert float(cells['macro F1: difference']) == pytest.approx(round(ours, 2) - 12.11)
  assert cells['wAcc (UAR): paper'] == '15.11'
  assert cells['accuracy (WAR)'].startswith(f'{100 * e.entry["accuracy"]:.2f} [')
  assert (cells['clips n'], cells['repeats'], cells['run']) == ('1,092', '1', 'table3_full')
  assert by_column(found, 'random 2 s')['repeats'] == '3'
  assert tables.ALL_REPEATS in found.notes


def test_rows_stand_in_the_papers_order_and_ours_after_them(real):
  found = tables.grid('table3', real)
  assert [row[0] for row in found.rows] == [
    'full clip',
    'random 2 s',
    'last 2 s',
    'first_2s (random_2s)',
  ]
  own = by_column(found, 'first_2s')
  assert own['macro F1: paper'] == own['macro F1: difference'] == '-'


def test_a_row_that_was_not_run_names_its_config(real):
  cells = by_column(tables.grid('table3', real), 'last 2 s')
  assert cells['macro F1: ours'] == cells['macro F1: difference'] == cells['clips n'] == '-'
  assert cells['macro F1: paper'] == '19.26'
  assert cells['run'] == 'not run: `configs/table3_last_2s.py`'


def test_footnotes_are_those_of_the_table(real):
  for name, table in published.TABLES.items():
    notes = tables.grid(name, real).notes
    assert notes[: len(table.notes)] == tuple(published.NOTES[note] for note in table.notes)


def test_a_table_per_class_has_a_line_for_ours_the_papers_and_the_difference(real):
  found = tables.grid('table7', real)
  (e,) = real.filled['table7/eanwh']
  ours, paper, difference = (by_column(found, 'EANwH', i) for i in range(3))
  assert (ours[''], paper[''], difference['']) == ('ours', 'paper', 'difference')
  name = 'F1 per class: disgust'
  value = round(100 * e.entry['per_class_f1']['disgust'], 2)
  assert ours[name].startswith(f'{value:.2f} [') and paper[name] == '14.29'
  assert float(difference[name]) == pytest.approx(value - 14.29)
  assert paper['total (macro F1)'] == '21.09'
  peer = by_column(found, 'GPT-4o')
  assert peer['F1 per class: joy'] == '7.38' and peer['total (macro F1)'] == '11.15'
  assert by_column(found, 'clips')[name] == '156'


def test_a_peer_that_was_run_has_a_line_of_ours(tmp_path):
  found = tables.grid('table7', one(tmp_path, 'table7/gpt4o'))
  assert by_column(found, 'GPT-4o')[''] == 'ours'
  assert by_column(found, 'GPT-4o')['run'] == 'table7_gpt4o'


def test_clips_count_once_however_often_they_are_scored(tmp_path):
  collected = one(tmp_path, 'table7/eanwh', draws=3, utterances=5)
  assert by_column(tables.grid('table7', collected), 'clips')['F1 per class: joy'] == '10'


def test_f1_of_a_class_that_no_clip_has_is_marked(tmp_path):
  collected = one(tmp_path, 'table7/eanwh', without=('fear',))
  found = tables.grid('table7', collected)
  assert by_column(found, 'EANwH')['F1 per class: fear'] == '0.00 [0.00, 0.00] (n=0)'
  assert by_column(found, 'clips')['F1 per class: fear'] == '0'


def test_synthetic_scores_stand_beside_real_ones_without_a_difference(tmp_path):
  collected = one(tmp_path, 'table3/full', key=made.SYNTHETIC_KEY)
  found = tables.grid('table3', collected)
  cells = by_column(found, 'full clip (synthetic)')
  assert cells['macro F1: paper (real signers)'] == '12.11'
  assert not [name for name in cells if 'difference' in name or name.endswith(': paper')]
  per_class = tables.grid('table7', one(tmp_path / 'b', 'table7/eanwh', key=made.SYNTHETIC_KEY))
  assert {row[1] for row in per_class.rows} == {'ours', 'paper (real signers)', 'n'}
  for name in published.TABLES:
    assert tables.grid(name, collected).caption.startswith('SYNTHETIC')
  for name in published.COUNTS:
    assert tables.counts(name, collected).caption.startswith('SYNTHETIC')


def test_a_random_backbone_stands_beside_nothing(tmp_path):
  collected = one(tmp_path, 'table3/full', key=made.RANDOM_KEY)
  for name in published.TABLES:
    found = tables.grid(name, collected)
    said = [column.full_name() for column in found.columns] + [row[1] for row in found.rows]
    assert not [x for x in said if isinstance(x, str) and ('paper' in x or 'difference' in x)]
    assert 'andom backbone: not a score' in found.caption and len(found.rows) >= len(
      published.TABLES[name].rows
    )
  for name in published.COUNTS:
    assert not [c for c in tables.counts(name, collected).columns if 'paper' in c.name]
  assert by_column(tables.grid('table3', collected), 'full clip (random backbone: not a score)')


@pytest.mark.parametrize(
  ('options', 'mark'),
  [
    (dict(changed=dict(seen=True)), 'clips seen in training or selection: not a test'),
    (dict(without=('fear',)), '936 clips, the table has 1092'),
  ],
)
def test_clips_that_were_seen_or_are_others_have_a_mark_and_no_difference(tmp_path, options, mark):
  cells = by_column(tables.grid('table3', one(tmp_path, 'table3/full', **options)), 'full clip')
  assert mark in cells['method']
  assert cells['macro F1: difference'] == '-' and cells['macro F1: paper'] == '12.11'


def test_videos_that_were_trained_on_are_stated(tmp_path):
  changed = dict(n_videos=55, n_videos_trained_on=16)
  cells = by_column(
    tables.grid('table1', one(tmp_path, 'table1/a_tea', changed=changed)), 'EAN, BOBSL'
  )
  assert '16 of 55 videos also in training' in cells['method']
  assert cells['macro F1: difference'] != '-'


def test_intervals_that_are_not_known_are_left_out_with_the_reason(tmp_path):
  changed = dict(statistics=dict(unknown='no signers'))
  found = tables.grid('table3', one(tmp_path, 'table3/full', changed=changed))
  assert '[' not in by_column(found, 'full clip')['macro F1: ours']
  assert 'No intervals for table3_full: no signers.' in found.notes


def test_an_evaluation_without_a_label_has_no_scores(tmp_path):
  folder = tmp_path / 'run'
  unlabelled = [dataclasses.replace(p, true=None) for p in made.predicted()]
  made.run(folder, 'table3/full', evals=[made.evaluation(folder, unlabelled)])
  found = tables.grid('table3', rows.collect([folder]))
  assert by_column(found, 'full clip')['macro F1: ours'] == '-'


def test_counts_are_those_of_the_true_labels_beside_the_papers(real, tmp_path):
  found = tables.counts('table9', real)
  joy = by_column(found, 'joy')
  assert (joy['M_C: ours'], joy['M_C: paper'], joy['M_A1: ours']) == ('48', '48', '-')
  assert by_column(found, 'total')['M_A2: paper'] == '1,438'
  assert by_column(tables.counts('table8', real), 'joy')['clips: ours'] == '-'
  single = one(tmp_path, 'table6/eanwh', without=('joy',))
  assert by_column(tables.counts('table8', single), 'joy')['clips: ours'] == '0'
  assert by_column(tables.counts('table8', single), 'total')['clips: ours'] == '86'


def test_emosigns_table_has_recalls_as_emosign_has_them(tmp_path):
  collected = one(tmp_path, 'emosign_expression/eanwh', utterances=5)
  found = tables.grid('emosign_expression', collected)
  ours = by_column(found, 'EANwH, cross-validated by signer')
  (e,) = collected.fills('emosign_expression')
  counts = np.array(e.entry['confusion'])
  recall = 100 * counts[3, 3] / counts[3].sum()
  assert ours['recall per class: worry'] == f'{recall:.2f}'
  assert ours['weighted F1'].startswith(f'{100 * e.entry["weighted_f1"]:.2f} [')
  peer = by_column(found, 'GPT-4o, video and caption')
  assert peer['recall per class: worry'] == '79.00' and peer['weighted F1'] == '55.09'


@pytest.mark.parametrize(
  ('number', 'text'),
  [
    (Number(12.345), '12.35'),
    (Number(0.0, note='n=0'), '0.00 (n=0)'),
    (Number(-1.5, -3.0, 0.25, signed=True), '-1.50 [-3.00, 0.25]'),
    (Number(2.0, signed=True), '+2.00'),
  ],
)
def test_numbers(number, text):
  assert number.text() == text

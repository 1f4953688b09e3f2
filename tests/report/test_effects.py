"""Rows are compared on the same clips, corrected for how many comparisons there are."""

import dataclasses

import pytest

from emo_jax.report import effects, findings, rows
from emo_jax.report.blocks import shown
from emo_jax.report.effects import Effect
from emo_jax.statistics import clips, permutation
from tests.report import made
from tests.report.made import by_column

FEW = dict(utterances=12)


def collect(folder, **skills):
  """Runs of Table 3 by row, each of its own skill."""
  return rows.collect(
    [
      made.run(folder / row, f'table3/{row}', skill=skill, seed=i, **FEW)
      for i, (row, skill) in enumerate(skills.items())
    ]
  )


@pytest.fixture(scope='module')
def better(tmp_path_factory):
  """The last two seconds say most."""
  return collect(tmp_path_factory.mktemp('runs'), full=0.2, random_2s=0.2, last_2s=2.0)


def test_each_later_row_is_compared_with_the_first_and_table_3_with_random_too(better):
  found = effects.of_table('table3', better)
  assert [e.name for e in found] == [
    'random 2 s less full clip',
    'last 2 s less full clip',
    'last 2 s less random 2 s',
  ]
  ours = [
    clips.scored(better.filled[f'table3/{row}'][0].predictions, 'emotion', 'ejsl')
    for row in ('full', 'random_2s', 'last_2s')
  ]
  alone = [permutation.compare(*pair) for pair in (ours[1::-1], ours[2::-2], ours[:0:-1])]
  for e, one in zip(found, alone, strict=True):
    assert {k: getattr(e, k) for k in ('difference', 'low', 'high', 'p')} == {
      k: one[k] for k in ('difference', 'low', 'high', 'p')
    }
  assert [e.corrected for e in found] == permutation.holm([one['p'] for one in alone])
  assert found[1].corrected < 0.05 < found[0].corrected


def test_a_hypothesis_is_judged_by_its_numbers(better):
  found = effects.hypotheses(better)
  assert [e.name for e in found['H2']] == [
    'Table 3 of the paper: last 2 s less random 2 s',
    'Table 3 of the paper: last 2 s less full clip',
  ]
  assert effects.judgement(found['H2']) == 'holds'
  assert effects.judgement(found['H1']) == effects.judgement(found['H3']) == 'not run'
  # Two of six could be made: Holm counts those.
  p = sorted(e.p for e in found['H2'])
  assert min(e.corrected for e in found['H2']) == pytest.approx(min(2 * p[0], 1))


def test_it_does_not_hold_if_the_difference_is_the_other_way(tmp_path):
  found = effects.hypotheses(collect(tmp_path, full=2.0, random_2s=2.0, last_2s=0.0))['H2']
  assert [e.verdict for e in found] == ['does not hold'] * 2
  assert effects.judgement(found) == 'does not hold'


def one(corrected, difference=0.1, reason=''):
  return Effect('x', difference=difference, corrected=corrected, reason=reason)


@pytest.mark.parametrize(
  ('found', 'said'),
  [
    ([one(0.01), one(0.04)], 'holds'),
    ([one(0.01), one(0.05)], 'undecided'),
    ([one(0.01), one(0.01, -0.1)], 'does not hold'),
    ([one(0.5), one(0.01, -0.1)], 'does not hold'),
    ([one(0.01), one(1.0, reason='not run')], 'holds in 1 of 2 comparisons, the only ones made'),
    ([one(0.3), one(1.0, reason='not run')], 'undecided'),
    ([one(1.0, reason='not run')] * 2, 'not run'),
    ([one(1.0, reason='not compared: other clips')] * 2, 'not compared'),
  ],
)
def test_judgement(found, said):
  assert effects.judgement(found) == said


def test_several_runs_of_a_row_are_compared_one_by_one(tmp_path):
  files = [
    made.run(tmp_path / n, 'table2/non_signers', name=n, skill=0.2, seed=i, **FEW)
    for i, n in enumerate(['ravdess', 'savee'])
  ]
  collected = rows.collect([*files, made.run(tmp_path / 'a', 'table2/a_tea', seed=5, **FEW)])
  found = effects.hypotheses(collected)['H1']
  assert [e.name.partition('less EAN, ')[2] for e in found] == [
    'non-signers',  # Table 1: not run
    'non-signers (table2_a_tea less ravdess)',
    'non-signers (table2_a_tea less savee)',
  ]
  assert [e.reason for e in found] == ['not run', '', '']


def test_other_clips_are_said_and_not_compared(tmp_path):
  collected = rows.collect(
    [
      made.run(tmp_path / 'full', 'table3/full', **FEW),
      made.run(tmp_path / 'last', 'table3/last_2s', **(FEW | dict(utterances=11))),
    ]
  )
  (grid,) = findings.effects_of('table3', collected)
  cells = by_column(grid, 'last 2 s less full clip')
  assert 'not compared: 14 labelled clips are of one alone' in cells['remark']
  assert cells['points'] == cells['p'] == '-'
  assert by_column(grid, 'random 2 s')['remark'] == 'not run'
  assert effects.judgement(effects.hypotheses(collected)['H2']) == 'not compared'


def test_clips_of_the_same_ids_and_other_features_are_not_compared(tmp_path):
  other = made.SYNTHETIC_KEY | dict(backbone='synthetic:another seed')
  collected = rows.collect(
    [
      made.run(tmp_path / 'full', 'table3/full', key=made.SYNTHETIC_KEY, **FEW),
      made.run(tmp_path / 'last', 'table3/last_2s', key=other, **FEW),
    ]
  )
  found = effects.of_table('table3', collected)
  assert found[1].reason == (
    'not compared, as they differ in backbone: synthetic:another seed against synthetic:toy'
  )


def test_peers_that_nobody_ran_are_not_compared(tmp_path):
  alone = rows.collect([made.run(tmp_path / 'eanwh', 'table7/eanwh', **FEW)])
  assert effects.of_table('table7', alone) == [] == findings.effects_of('table7', alone)
  peer = made.run(tmp_path / 'gpt4o', 'table7/gpt4o', seed=1, **FEW)
  both = rows.collect([peer, tmp_path / 'eanwh'])
  assert [e.name for e in effects.of_table('table7', both)] == ['EANwH less GPT-4o']


def control(folder, arm, variant, skill, seed, *segments, split='ejsl_like'):
  key, name = made.SYNTHETIC_KEY, f'control_{arm}'
  corpus = 'signsim' if not variant else f'signsim/seed0_{variant}'
  evals = []
  for i, segment in enumerate(segments or ['full']):
    found = made.predicted('signsim', 'ejsl_like', skill=skill, seed=seed + i, **FEW)
    evals.append(made.evaluation(folder / name, found, corpus, split, segment, key=key))
  return made.run(folder / name, name=name, key=key, evals=evals)


def test_controls_are_compared_across_variants_of_the_corpus(tmp_path):
  three = ('full', 'random_2s', 'last_2s')
  collected = rows.collect(
    [
      control(tmp_path, 'ean', '', 0.3, 1),
      control(tmp_path, 'ean_no_markers', 'no_markers', 0.5, 2, *three),
      control(tmp_path, 'eanwh_hands_shuffled', 'hands_shuffled', 3.0, 6),
      control(tmp_path, 'ean_labels_shuffled', 'labels_shuffled', 0.0, 7),
      control(tmp_path, 'eanwh_labels_shuffled', 'labels_shuffled', 2.0, 8),
    ]
  )
  (grid,) = findings.controls(collected)
  assert grid.caption.startswith('SYNTHETIC')
  finding = {str(row[0]): shown(row[4]) for row in grid.rows}
  assert list(finding.values()) == [
    'not run',  # with the cause: of EAN only the full clip is there
    'not run',
    'not run',
    'no advantage shown, as expected',
    'no advantage shown, as expected',
    'not run',
    'an advantage REMAINS',
    'the interval contains chance (14.29 %), as expected',
    'the interval does NOT contain chance (14.29 %)',
  ]
  assert list(finding)[5] == 'no markers: EANwH less EAN'
  (shuffled,) = collected.controls('ean_labels_shuffled')
  low, high = shuffled.interval('wacc')
  points = 100 * (shuffled.entry['wacc'] - 1 / 7)
  cells = by_column(grid, 'EAN, labels shuffled (full): wAcc less chance')
  assert cells['points'] == (
    f'{points:+.2f} [{100 * (low - 1 / 7):.2f}, {100 * (high - 1 / 7):.2f}]'
  )
  # They fill no row.
  assert not collected.filled and len(collected.other) == 7


def of_seeds(folder, arm, skills):
  """A control of one training per skill."""
  found = [
    dataclasses.replace(p, seed=seed)
    for seed, skill in enumerate(skills)
    for p in made.predicted('signsim', 'ejsl_like', skill=skill, seed=seed, **FEW)
  ]
  entry = made.evaluation(folder / arm, found, 'signsim', 'ejsl_like', key=made.SYNTHETIC_KEY)
  name = f'control_{arm}'
  return made.run(folder / arm, name=name, key=made.SYNTHETIC_KEY, evals=[entry])


def test_controls_of_several_seeds_are_judged_over_them(tmp_path):
  collected = rows.collect(
    [
      of_seeds(tmp_path, 'ean_no_markers', [0.2, 2.0, 0.2, 2.0]),
      of_seeds(tmp_path, 'eanwh_no_markers', [2.0, 0.2, 2.0, 0.2]),
      of_seeds(tmp_path, 'ean_labels_shuffled', [-2.0, 2.0, -1.0, 1.0]),
    ]
  )
  (grid,) = findings.controls(collected)
  cells = {row[0]: [shown(cell) for cell in row] for row in grid.rows}
  assert cells['with markers: EANwH less EAN'][4] == 'not run'
  # Each pair of trainings differs greatly, the way of training does not.
  assert cells['no markers: EANwH less EAN'][3:] == ['4 seeds', 'no advantage shown, as expected']
  assert cells['EAN, labels shuffled (full): wAcc less chance'][3] == '4 seeds'
  assert 'contains chance' in cells['EAN, labels shuffled (full): wAcc less chance'][4]


def test_controls_on_other_clips_are_no_controls(tmp_path):
  collected = rows.collect([control(tmp_path, 'ean', '', 1.0, 0, split='bobsl_like')])
  (text,) = findings.controls(collected)
  assert text.text == 'No control was run.'


def test_the_verdict_says_what_the_clips_are(tmp_path):
  runs = [
    made.run(tmp_path / row, f'table3/{row}', key=made.SYNTHETIC_KEY, skill=skill, **FEW)
    for row, skill in (('full', 0.0), ('last_2s', 2.0))
  ]
  listing, grid = findings.hypotheses(rows.collect(runs))
  assert 'SYNTHETIC' in listing.items[1] and 'SYNTHETIC' not in listing.items[0]
  assert grid.caption.startswith('SYNTHETIC')


def test_marks_of_what_is_compared_are_repeated(better):
  e = effects.of_table('table3', better)[0]
  seen = dataclasses.replace(e.one, entry={**e.one.entry, 'seen': True})
  changed = dataclasses.replace(better, filled={**better.filled, 'table3/random_2s': (seen,)})
  (grid,) = findings.effects_of('table3', changed)
  assert by_column(grid, 'random 2 s less full')['remark'] == (
    'clips seen in training or selection: not a test'
  )


def test_the_summary_is_built_from_the_numbers(better, tmp_path):
  text = findings.summary(better)
  assert '3 runs fill 3 of the 14 rows' in text
  best = 100 * better.filled['table3/last_2s'][0].entry['macro_f1']
  assert f'The highest macro F1 on ejsl:all is {best:.2f} [' in text
  assert 'H1 was not run; H2 holds in these trained models, one seed each; H3 was not run' in text
  # 84 clips are none of the paper's 1,092: nothing of the paper is beside them.
  assert 'published scores' not in text
  whole = rows.collect([made.run(tmp_path / 'whole', 'table3/full')])
  assert 'Of 2 published scores beside ours 0 lie within' in findings.summary(whole)


def test_rows_of_several_seeds_are_compared_over_them(tmp_path):
  """Trainings that differ by more than their clips tell say nothing of the way of training."""
  folders = []
  for row, skills in (('table3/full', [0.2, 2.0, 0.2, 2.0]), ('table3/last_2s', [2.0, 0.2] * 2)):
    found = [
      dataclasses.replace(p, seed=seed)
      for seed, skill in enumerate(skills)
      for p in made.predicted(skill=skill, seed=seed, **FEW)
    ]
    folder, segment = tmp_path / row.replace('/', '_'), row.split('/')[1]
    entry = made.evaluation(folder, found, segment=segment)
    folders.append(made.run(folder, row, evals=[entry]))
  found = effects.of_table('table3', rows.collect(folders))
  (effect,) = [e for e in found if not e.reason]
  assert effect.seeds == 4 and effect.p > 0.5 and effect.low < 0 < effect.high


def test_a_p_too_small_to_print_is_no_zero(tmp_path):
  found = [
    dataclasses.replace(p, seed=seed)
    for seed in range(4)
    for p in made.predicted(skill=9.0, seed=7, **FEW)
  ]
  same = [
    dataclasses.replace(p, seed=s) for s in range(4) for p in made.predicted(skill=0.0, **FEW)
  ]
  folders = []
  for row, each in (('table3/full', same), ('table3/last_2s', found)):
    folder, segment = tmp_path / row.replace('/', '_'), row.split('/')[1]
    folders.append(made.run(folder, row, evals=[made.evaluation(folder, each, segment=segment)]))
  (grid,) = findings.effects_of('table3', rows.collect(folders))
  assert by_column(grid, 'last 2 s less full clip')['p'] == '<0.0001'

"""Reports: the paper's numbers only where ours are comparable, and marks where they are not."""

import copy

import numpy as np
import pytest

from emo_jax import labels, metrics, provenance, run_report

PAPER = {'ejsl': dict(segment='full', clips=2, scores=(24.63, 21.09))}


def entry(**changed):
  counts = metrics.confusion(*([np.array([0, 1])] * 2), 7)
  scores = metrics.scores(counts, labels.EMOTIONS)
  made = dict(corpus='ejsl', split='all', segment='full', n_clips=2, n_without_face=0)
  made |= dict(synthetic=False, random_backbone=False, seen=False, features={'backbone': 'f00'})
  return scores | made | dict(labels=list(labels.EMOTIONS), confusion=counts.tolist()) | changed


def whole(*entries, **changed):
  made = dict(name='eanwh', task='emotion', trained_on='bobsl/a_tea:train', evals=list(entries))
  return made | dict(synthetic=False, random_backbone=False) | changed


def shown(made):
  return run_report.summary(made, PAPER)


def test_the_papers_numbers_stand_beside_the_same_clips():
  assert '24.63' in shown(whole(entry())) and '21.09' in shown(whole(entry()))


@pytest.mark.parametrize(
  'changed',
  [
    dict(segment='last_2s'),
    dict(n=1),
    dict(corpus='signsim'),
    dict(synthetic=True),
    dict(random_backbone=True),
    dict(seen=True),
  ],
)
def test_they_are_withheld_from_other_evaluations(changed):
  assert '24.63' not in shown(whole(entry(**changed)))


def test_videos_that_were_trained_on_are_stated_beside_the_papers_numbers():
  text = shown(whole(entry(n_videos=55, n_videos_trained_on=16)))
  assert '16 of 55 videos also in training' in text and '24.63' in text
  assert 'also in training' not in shown(whole(entry(n_videos=55, n_videos_trained_on=0)))


@pytest.mark.parametrize(
  ('changed', 'said'),
  [
    (dict(synthetic=True), 'SYNTHETIC corpus signsim'),
    (dict(random_backbone=True), 'Random backbone: not a score'),
    (dict(task='sign_handedness'), 'sign_handedness'),
  ],
)
def test_they_are_withheld_from_other_runs(changed, said):
  text = shown(whole(entry(), **changed))
  assert '24.63' not in text and 'paper' not in text
  assert said in text


def test_each_row_says_what_its_clips_are():
  made = whole(entry(synthetic=True, seen=True), entry(random_backbone=True))
  assert 'ejsl:all (synthetic; clips seen in training or selection: not a test)' in shown(made)
  assert 'ejsl:all (random backbone: not a score)' in shown(made)


def test_an_evaluation_takes_the_place_of_its_like():
  made = whole(entry(), entry(segment='last_2s'))
  run_report.add(made, entry(n=9))
  assert [(e['segment'], e['n']) for e in made['evals']] == [('last_2s', 2), ('full', 9)]
  run_report.add(made, entry(features={'backbone': 'other'}))
  assert len(made['evals']) == 3


def test_files_are_written_with_a_picture_per_labelled_evaluation(tmp_path):
  (tmp_path / 'metrics.jsonl').write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
  unlabelled = entry(split='f1', n=0, wacc=None, accuracy=None, macro_f1=None)
  made = whole(entry(), unlabelled)
  key = provenance.compatibility_key(
    backbone='f00', detector='d', resize='r', sampling='s', hand_model='h'
  )
  made |= dict(selected_step=1, temperature=1.0, params=dict(head=1, total=2), provenance=key)
  before = copy.deepcopy(made)
  written = run_report.write(tmp_path, made, PAPER)
  assert made == before
  assert run_report.read(tmp_path) == written
  assert sorted(p.name for p in tmp_path.glob('*.png')) == sorted(written['figures'].values())
  assert len(written['figures']) == 2
  text = (tmp_path / 'report.md').read_text()
  assert '- backbone: f00' in text and '24.63' in text

"""Scored answers of others stand in the tables like a run."""

import csv
import json

import numpy as np
import pytest
from sklearn import metrics as theirs

from emo_jax import evaluate, labels, predictions, published, score
from emo_jax.errors import exit_status
from emo_jax.report.__main__ import main as report
from tests.report import made
from tests.tfds_builders import made as data_sets

# The paper's 140 clips, each an utterance by one of four signers.
TRUE = [e for e, (n,) in published.COUNTS['table8'].rows.items() for _ in range(n)]
SIGNERS = ('Ada', 'Ben', 'Cai', 'Dov')
CLIPS = {
  signer: [
    dict(emotion=e, utterance=f'u{i}', frames=1)
    for i, e in enumerate(TRUE)
    if i % len(SIGNERS) == number
  ]
  for number, signer in enumerate(SIGNERS)
}
OF = {
  f'{signer}_{n}': (signer, clip) for signer, clips in CLIPS.items() for n, clip in enumerate(clips)
}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  folder = tmp_path_factory.mktemp('data')
  data_sets.build(folder, CLIPS, name='emosign', config='labels')
  return folder


def said(seed, share):
  """Answers of which `share` are right and the others anything, no class included."""
  rng, choice = np.random.default_rng(seed), [*labels.EMOTIONS, None]
  return {
    id_: clip['emotion'] if rng.random() < share else choice[rng.integers(len(choice))]
    for id_, (_, clip) in OF.items()
  }


def scored(data, folder, answers, *flags):
  path = folder.with_suffix('.jsonl')
  path.write_text('\n'.join(json.dumps(dict(id=i, label=x)) for i, x in answers.items()))
  words = [str(path), '--corpus=emosign/labels', f'--data_dir={data}', f'--out={folder}', *flags]
  return exit_status(score.main, words)


def run_on_the_same_clips(folder):
  """A run that fills Table 6."""
  rng, found = np.random.default_rng(0), []
  for id_, (signer, clip) in OF.items():
    p = rng.dirichlet(np.ones(len(labels.EMOTIONS))).tolist()
    each = dict(zip(labels.EMOTIONS, p, strict=True))
    who = dict(signer=signer, utterance=clip['utterance'])
    found.append(predictions.Prediction(id_, clip['emotion'], each, True, **who))
  evals = [made.evaluation(folder, found, 'emosign/single')]
  return made.run(folder, 'table6/eanwh', evals=evals)


def rows(path):
  with open(path) as f:
    return list(csv.reader(f))


def test_a_peers_answers_stand_beside_ours_and_the_papers(data, tmp_path, capsys):
  answers = said(1, 0.4)
  for _ in range(2):  # scored again in the same folder
    assert scored(data, tmp_path / 'qwen', answers, '--row=table6/qwen') == 0
  assert scored(data, tmp_path / 'gpt', said(2, 0.2), '--row=table6/gpt4o') == 0
  folders = [tmp_path / 'qwen', tmp_path / 'gpt', run_on_the_same_clips(tmp_path / 'eanwh')]
  capsys.readouterr()
  assert exit_status(report, [*map(str, folders), f'--out={tmp_path / "report"}']) == 0
  tables = tmp_path / 'report/tables'
  own, paper, less = (row for row in rows(tables / 'table6.csv') if row[0].startswith('Qwen2.5-VL'))
  assert (own[1], paper[1], less[1]) == ('ours', 'paper', 'difference')
  true = [clip['emotion'] for _, clip in OF.values()]
  given = [answers[id_] or 'none' for id_ in OF]
  options = dict(labels=list(labels.EMOTIONS), zero_division=0)
  macro = 100 * theirs.f1_score(true, given, average='macro', **options)
  head = rows(tables / 'table6.csv')[0]
  column = next(i for i, name in enumerate(head) if name.startswith('total (macro F1)'))
  assert float(own[column].split()[0]) == pytest.approx(macro, abs=0.006)
  assert paper[column] == '14.26'
  assert float(less[column]) == pytest.approx(macro - 14.26, abs=0.011)
  compared = rows(tables / 'table6-effects.csv')
  assert [row[0] for row in compared[1:]] == [
    'GPT-4o less Qwen2.5-VL',
    'EANwH less Qwen2.5-VL',
    'EANwH less GPT-4o',
  ]
  page = (tmp_path / 'report/report.html').read_text()
  # Words of no class have a column, probabilities that were never given no calibration.
  assert page.count('>none</th>') == 2
  assert not (tables / 'emosign_labels-all-emotion-calibration.csv').exists()
  assert 'Answers without probabilities have no calibration.' in page
  assert 'answers of others: qwen.jsonl' in page
  assert "2 of its and EmoSign's peers" in (tmp_path / 'report/report.md').read_text()


def test_a_folder_of_answers_is_no_model(data, tmp_path, capsys):
  assert scored(data, tmp_path / 'qwen', said(1, 0.4)) == 0
  words = [str(tmp_path / 'qwen'), '--corpus=emosign/labels', '--split=all', f'--data_dir={data}']
  assert exit_status(evaluate.main, words) == 2
  assert 'holds scored answers of others, and no model' in capsys.readouterr().err
  # Alone they fill no row, and are shown among the others.
  assert exit_status(report, [str(tmp_path / 'qwen'), f'--out={tmp_path / "report"}']) == 0
  others = (tmp_path / 'report/tables/others.csv').read_text()
  assert '"qwen, full",emosign/labels:all,emotion,' in others


def test_what_cannot_be_kept_is_told_in_a_line_and_nothing_lost(data, tmp_path, capsys):
  run = run_on_the_same_clips(tmp_path / 'run')
  before = (run / 'report.json').read_bytes()
  assert scored(data, run, said(1, 0.4)) == 2
  assert 'holds a run: name another --out' in capsys.readouterr().err
  assert (run / 'report.json').read_bytes() == before
  (tmp_path / 'own').mkdir()
  (tmp_path / 'own/notes.txt').write_text('mine')
  assert scored(data, tmp_path / 'own', said(1, 0.4)) == 2
  assert 'is there and holds no scored answers' in capsys.readouterr().err
  for row, theirs_ in [
    ('table7/qwen', 'emotion of ejsl:all'),
    ('emosign_expression/qwen', 'expression of emosign/single:all'),
  ]:
    assert scored(data, tmp_path / 'new', said(1, 0.4), f'--row={row}') == 2
    assert f'--row={row} is about {theirs_}, these answers' in capsys.readouterr().err
  assert not (tmp_path / 'new').exists()
  path = tmp_path / 'run/predictions/emosign_single-all-full.jsonl'
  words = [str(path), '--corpus=emosign/labels', f'--data_dir={data}', f'--out={tmp_path / "new"}']
  assert exit_status(score.main, words) == 2
  assert 'are predictions of a run: give its folder to emo_jax.report' in capsys.readouterr().err

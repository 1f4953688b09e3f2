"""Anybody's answers are scored as scikit-learn would, and refused if they are not of the clips."""

import json

import numpy as np
import pytest
from sklearn import metrics as theirs

from emo_jax import labels, predictions, published, score
from emo_jax.answer_files import Answer
from emo_jax.errors import exit_status
from emo_jax.references import Reference, References
from tests.tfds_builders import made

K = len(labels.EMOTIONS)
# Classes by clip; disgust never occurs, one clip has no label.
CLIPS = {
  'f1': [dict(emotion=e) for e in ('joy', 'joy', 'fear', 'anger', 'neutral', '')],
  'm1': [dict(emotion=e) for e in ('joy', 'sadness', 'surprise', 'neutral')],
}
TRUE = {
  f'{split}_{i}': clip['emotion'] for split, clips in CLIPS.items() for i, clip in enumerate(clips)
}
LABELLED = {id_: true for id_, true in TRUE.items() if true}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  folder = tmp_path_factory.mktemp('data')
  made.build(folder, CLIPS)
  return folder


@pytest.fixture
def run(data, tmp_path, capsys):
  """run(text or {id: label}, *flags) -> exit status, stdout (read where JSON), stderr."""

  def call(answers, *flags, name='answers.jsonl', as_json=True):
    path = tmp_path / name
    if isinstance(answers, dict):
      answers = '\n'.join(json.dumps(dict(id=i, label=label)) for i, label in answers.items())
    path.write_text(answers)
    words = [str(path), '--corpus=ejsl', f'--data_dir={data}', *flags]
    status = exit_status(score.main, [*words, *(['--json'] if as_json else [])])
    captured = capsys.readouterr()
    out = json.loads(captured.out) if status == 0 and as_json else captured.out
    return status, out, captured.err

  return call


@pytest.mark.parametrize('seed', range(5))
def test_scores_are_those_of_scikit_learn_with_a_class_more(seed):
  """Predictions of the class K are answers of no class; classes may be absent or never said."""
  drawn = np.random.default_rng(seed)
  true = drawn.integers(0, K - seed % 3, 60)
  said = drawn.integers(seed % 2, K + 1, 60)
  clips = {
    str(i): Reference(str(i), labels.EMOTIONS[of], 's', 'u', '') for i, of in enumerate(true)
  }
  answers = [Answer(str(i), None if p == K else int(p)) for i, p in enumerate(said)]
  found = score.score([answers], References('ejsl', 'all', 'emotion', clips))
  whole = theirs.confusion_matrix(true, said, labels=range(K + 1))
  np.testing.assert_array_equal(found['confusion'], whole[:K])
  assert not whole[K].any()
  options = dict(labels=range(K), zero_division=0)
  assert found['n'] == 60
  assert found['accuracy'] == pytest.approx(theirs.accuracy_score(true, said))
  for average, name in (('macro', 'macro_f1'), ('weighted', 'weighted_f1')):
    want = theirs.f1_score(true, said, average=average, **options)
    assert found[name] == pytest.approx(want)
  f1 = theirs.f1_score(true, said, average=None, **options)
  assert list(found['per_class_f1'].values()) == pytest.approx(f1.tolist())
  recall = theirs.recall_score(true, said, average=None, **options)
  there = np.bincount(true, minlength=K) > 0
  assert found['wacc'] == pytest.approx(recall[there].mean())
  ours = found['per_class_recall'].values()
  assert [r is None for r in ours] == (~there).tolist()
  assert [r for r in ours if r is not None] == pytest.approx(recall[there].tolist())


def test_answers_of_no_class_are_wrong_and_nobodys_prediction(run):
  said = LABELLED | dict(f1_0=None, f1_2='Furcht', m1_1='')
  status, found, stderr = run(said)
  assert status == 0 and (found['n'], found['n_clips'], found['n_no_class']) == (9, 10, 3)
  assert found['accuracy'] == pytest.approx(6 / 9)
  # joy: 2 of 3 found and nothing else called so; sadness and fear: their only clip is missed.
  assert found['per_class_f1']['joy'] == pytest.approx(2 * 2 / (3 + 2))
  assert found['per_class_f1']['fear'] == found['per_class_f1']['sadness'] == 0
  assert found['per_class_recall']['joy'] == pytest.approx(2 / 3)
  assert found['per_class_recall']['disgust'] is None
  assert found['macro_f1'] == pytest.approx((0.8 + 1 + 1 + 1) / K)
  assert found['absent_classes'] == ['disgust']
  assert found['columns'][-1] == 'none' and sum(map(sum, found['confusion'])) == 9
  assert [row[-1] for row in found['confusion']] == [1, 1, 0, 0, 1, 0, 0]
  assert "3 answers fit no class of emotion and count as wrong: 'null', 'Furcht'" in stderr
  assert '1 of 10 clips have no label for emotion: left out' in stderr


def test_labels_go_by_name_case_and_synonym(run):
  said = LABELLED | dict(f1_0='Happiness', f1_1=' excited', f1_2='WORRY', m1_1='frustration')
  said |= dict(m1_2='surprise_neg')
  status, found, _ = run(said)
  assert status == 0 and found['accuracy'] == 1 and found['n_no_class'] == 0


def test_a_runs_predictions_score_as_in_its_report(run, tmp_path):
  drawn = np.random.default_rng(3)
  made_ones = [
    predictions.Prediction(
      id=id_,
      true=true or None,
      probabilities=dict(zip(labels.EMOTIONS, drawn.dirichlet(np.ones(K)).tolist(), strict=True)),
      has_face=True,
      seed=seed,
    )
    for seed in (0, 1, 2)
    for id_, true in TRUE.items()
  ]
  path = tmp_path / 'run.jsonl'
  predictions.write(path, made_ones)
  want = predictions.score(predictions.read(path), 'emotion')
  status, found, _ = run(path.read_text())
  assert status == 0
  for name in ('wacc', 'accuracy', 'macro_f1', 'weighted_f1', 'per_class_f1'):
    assert found[name] == pytest.approx(want[name])
  assert [row[:K] for row in found['confusion']] == want['confusion']
  assert all(found[name] == want[name] for name in ('n', 'n_clips', 'n_repeats', 'labels'))
  torn = '\n'.join(path.read_text().splitlines()[:-1])
  status, _, stderr = run(torn)
  assert status == 2 and '1 not answered (m1_3)' in stderr


def test_a_persons_csv(run):
  csv = 'id,video,label\n' + ''.join(f'{i},x.mp4,{true}\n' for i, true in LABELLED.items())
  status, found, _ = run(csv, name='judge.csv')
  assert status == 0 and found['accuracy'] == 1
  status, _, stderr = run(csv.replace('fear', 'feer'), name='judge.csv')
  assert status == 2 and "line 4: unknown emotion label 'feer' (did you mean 'fear'?)" in stderr


def without(*ids):
  return {id_: true for id_, true in LABELLED.items() if id_ not in ids}


@pytest.mark.parametrize(
  ('answers', 'message'),
  [
    (without('f1_1', 'm1_0'), '2 not answered (f1_1, m1_0)'),
    (LABELLED | dict(zz='joy'), '1 unknown (zz)'),
    (without('f1_1') | dict(zz='joy'), '1 not answered (f1_1); 1 unknown (zz)'),
    ('', '9 not answered ('),
    ('{"id": "f1_0", "label": "joy"}\n' * 2, '1 answered more than once (f1_0)'),
    ('[]', 'line 1: no JSON object'),
    ('{"id": "f1_0"', 'line 1: no JSON object'),
    ('{"id": 3, "label": "joy"}', 'line 1: no id'),
    ('{"id": "f1_0"}', 'line 1: neither a label nor probabilities'),
    ('{"id": "f1_0", "label": 3}', 'the label is 3; labels go by name'),
    ('{"id": "f1_0", "probabilities": {"joy": 1}}', 'probabilities of joy; the labels of emotion'),
    ('{"id": "f1_0", "label": "joy", "true": "bird"}', 'its true label is of another task'),
    (
      '\n'.join(json.dumps(dict(id=i, label='joy', true='fear')) for i in LABELLED),
      'has fear as the true label of f1_0, ejsl has joy',
    ),
  ],
)
def test_answers_that_are_not_of_the_clips_are_refused_in_a_line(run, answers, message):
  status, out, stderr = run(answers)
  assert status == 2 and not out
  assert message in stderr and len(stderr.splitlines()) == 1


def test_unlabelled_clips_may_be_answered(run):
  status, found, _ = run(LABELLED | dict(f1_5='joy'))
  assert status == 0 and found['n'] == 9


def test_a_split_or_a_subset_alone(run, tmp_path):
  status, found, _ = run({i: t for i, t in LABELLED.items() if 'm1' in i}, '--split=m1')
  assert status == 0 and found['n'] == 4
  ids = tmp_path / 'ids.csv'
  ids.write_text('id,video\nm1_0,x\nf1_0,y\n')
  status, found, stderr = run(LABELLED | dict(m1_0='fear'), f'--subset={ids}')
  assert status == 0 and (found['n'], found['accuracy']) == (2, 0.5)
  assert '2 of the 10 clips are scored' in stderr
  status, _, stderr = run(dict(m1_0='joy'), f'--subset={ids}')
  assert status == 2 and '1 not answered (f1_0)' in stderr
  for text, message in [
    ('id\nzz\n', '1 of 1 ids are not in ejsl:all (zz)'),
    ('id\nf1_0\nf1_0\n', 'a second row for f1_0'),
    ('id\nf1_5\n', '1 of 1 clips have no label for emotion (f1_5)'),
    ('id\n', 'lists no clip'),
    ('name\nx\n', 'lacks the column id'),
  ]:
    ids.write_text(text)
    status, _, stderr = run(LABELLED, f'--subset={ids}')
    assert status == 2 and message in stderr


def test_the_printed_tables(run):
  status, text, _ = run(LABELLED | dict(f1_0=None), as_json=False)
  assert status == 0
  assert 'ejsl:all, emotion: 9 labelled of 10 clips' in text
  assert 'answers of no class, counted as wrong: 1' in text
  assert 'classes without a clip: 1 (disgust)' in text
  for title in ('wAcc', 'accuracy', 'macro F1', 'weighted F1', 'recall', 'true \\ answer'):
    assert title in text
  assert '88.89' in text  # 8 of 9


def crossed(per_class):
  """Clips as eJSL's: every utterance by two signers in every emotion."""
  return {
    signer: [
      dict(emotion=e, utterance=f'u{u}', frames=1)
      for u in range(per_class)
      for e in labels.EMOTIONS
    ]
    for signer in ('f1', 'm1')
  }


@pytest.fixture(scope='module')
def ejsl(tmp_path_factory):
  folder = tmp_path_factory.mktemp('ejsl')
  made.build(folder, crossed(78))
  return folder


def test_published_scores_stand_beside_the_same_clips(run, ejsl):
  true = {f'{s}_{i}': e for s in ('f1', 'm1') for i, e in enumerate(labels.EMOTIONS * 78)}
  flags = (f'--data_dir={ejsl}', '--row=table7/gpt4o')
  status, found, stderr = run(true, *flags)
  assert status == 0 and found['n'] == 1092 and not stderr
  row = published.TABLES['table7'].rows['gpt4o']
  assert found['published']['scores'] == row.scores == dict(macro_f1=11.15)
  assert found['published']['per_class'] == row.per_class
  _, text, _ = run(true, *flags, as_json=False)
  assert 'GPT-4o (Table 7 of the paper)' in text and '11.15' in text and '23.79' in text
  half = {i: e for i, e in true.items() if i.startswith('f1')}
  status, found, stderr = run(half, *flags, '--split=f1')
  assert status == 0 and found['published'] is None
  assert 'not comparable and not shown (split f1, there all; clips 546, there 1092)' in stderr
  _, found, stderr = run(true, f'--data_dir={ejsl}', '--row=table6/gpt4o')
  assert found['published'] is None and 'corpus ejsl, there emosign/single' in stderr
  for name, message in [
    ('table7/gpt4', "no row 'gpt4' (did you mean 'gpt4o'?)"),
    ('table7', 'names no row of a published table'),
    ('tabel7/gpt4o', "did you mean 'table7'"),
  ]:
    status, _, stderr = run(true, f'--data_dir={ejsl}', f'--row={name}')
    assert status == 2 and message in stderr


def test_the_two_people_stand_beside_a_sample_as_theirs(run, ejsl, tmp_path):
  ids = [f'm1_{i}' for i in range(70)]  # ten utterances in every emotion
  subset = tmp_path / 's.csv'
  subset.write_text('id\n' + '\n'.join(ids) + '\n')
  judged = dict(zip(ids, labels.EMOTIONS * 10, strict=True))
  flags = (f'--data_dir={ejsl}', f'--subset={subset}')
  status, found, _ = run(judged, *flags)
  assert status == 0 and found['humans'] == {'the other signer': 77.78, 'a non-signer': 57.85}
  _, text, _ = run(judged, *flags, as_json=False)
  assert '77.78' in text and '57.85' in text and 'footnote 6' in text
  subset.write_text('id\n' + '\n'.join([*ids[:-1], 'f1_69']) + '\n')
  _, found, _ = run(judged | dict(f1_69='neutral'), *flags)
  assert found['n'] == 70 and found['humans'] is None


@pytest.mark.parametrize('config', ['single', 'labels', 'all'])
def test_emosigns_configs_hold_the_same_labelled_clips(tmp_path, capsys, config):
  counts = published.COUNTS['table8'].rows
  clips = [dict(emotion=e, frames=1) for e, (n,) in counts.items() for _ in range(n)]
  clips += [dict(frames=1)] * (0 if config == 'single' else 60)
  made.build(tmp_path, {'Ada': clips}, name='emosign', config=config)
  path = tmp_path / 'a.jsonl'
  lines = [dict(id=f'Ada_{i}', label='joy') for i in range(140)]
  path.write_text('\n'.join(map(json.dumps, lines)))
  words = [str(path), f'--corpus=emosign/{config}', f'--data_dir={tmp_path}', '--json']
  assert exit_status(score.main, [*words, '--row=table6/qwen']) == 0
  found = json.loads(capsys.readouterr().out)
  assert found['published']['name'] == 'Qwen2.5-VL' and found['n'] == 140
  assert found['accuracy'] == pytest.approx(54 / 140)

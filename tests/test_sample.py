"""The sample that people judge: as many of each class, one signer's, and no label in it."""

import csv
import shutil

import pytest

from emo_jax import labels, sample, score
from emo_jax.errors import exit_status
from tests.tfds_builders import made

UTTERANCES = 12


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  """Two signers, twelve utterances in every emotion; x1 has few."""
  folder = tmp_path_factory.mktemp('data')
  clips = {
    signer: [
      dict(emotion=e, utterance=f'u{u}', frames=1)
      for u in range(UTTERANCES)
      for e in labels.EMOTIONS
    ]
    for signer in ('f1', 'm1')
  }
  clips['x1'] = [dict(emotion='joy', utterance='u1', frames=1)] * 3 + [dict(emotion='fear')]
  made.build(folder, clips)
  return folder


def true_of(id_):
  return labels.EMOTIONS[int(id_.split('_')[1]) % len(labels.EMOTIONS)]


def utterance_of(id_):
  return int(id_.split('_')[1]) // len(labels.EMOTIONS)


@pytest.fixture
def run(data, tmp_path, capsys):
  """run(*flags) -> exit status, ids in order, stderr."""

  def call(*flags, out='sample.csv', signer='m1'):
    path = tmp_path / out
    words = ['--corpus=ejsl', f'--data_dir={data}', f'--signer={signer}', f'--out={path}']
    status = exit_status(sample.main, [*words, *flags])
    captured = capsys.readouterr()
    if status:
      return status, [], captured.err
    assert captured.out == f'{path}\n'
    with open(path, newline='') as f:
      rows = list(csv.reader(f))
    assert rows[0] == ['id', 'video']
    return status, [id_ for id_, _ in rows[1:]], captured.err

  return call


def test_as_many_of_each_class_of_one_signer(run, tmp_path):
  status, ids, stderr = run()
  assert status == 0 and len(set(ids)) == len(ids) == 70
  assert {id_.split('_')[0] for id_ in ids} == {'m1'}
  assert [sum(true_of(i) == e for i in ids) for e in labels.EMOTIONS] == [10] * 7
  text = (tmp_path / 'sample.csv').read_text()
  assert not [e for e in labels.EMOTIONS if e in text]
  assert '70 clips by m1, 10 of each of 7 classes, seed 0' in stderr
  # Twelve utterances cannot differ in 70 clips; all twelve are there.
  assert len({utterance_of(i) for i in ids}) == UTTERANCES
  assert 'of 12 utterances, as many as can differ' in stderr


def test_the_order_says_nothing_of_the_class(run):
  _, ids, _ = run()
  runs = sum(true_of(a) == true_of(b) for a, b in zip(ids, ids[1:], strict=False))
  assert runs < 25  # 69 neighbours, of which by chance 9 are of one class
  assert ids != sorted(ids)


@pytest.mark.parametrize('seed', range(5))
def test_utterances_differ_where_they_can(run, seed):
  """Seven clips of twelve utterances; drawn one after the other some would meet."""
  status, ids, stderr = run('--per_class=1', f'--seed={seed}')
  assert status == 0 and len({utterance_of(i) for i in ids}) == len(ids) == 7
  assert 'all of different utterances' in stderr


def test_a_scarce_utterance_is_left_to_the_class_that_needs_it(tmp_path):
  """Of a class only u0 is there: the others must leave it."""
  clips = [dict(emotion=e, utterance=f'u{u}', frames=1) for e in labels.EMOTIONS for u in range(7)]
  clips = [c for c in clips if c['emotion'] != 'fear' or c['utterance'] == 'u0']
  made.build(tmp_path, {'a': clips})
  for seed in range(8):
    out = tmp_path / f'{seed}.csv'
    words = ['--corpus=ejsl', f'--data_dir={tmp_path}', '--signer=a', '--per_class=1']
    assert exit_status(sample.main, [*words, f'--seed={seed}', f'--out={out}']) == 0
    drawn = [clips[int(line.split(',')[0][2:])] for line in out.read_text().splitlines()[1:]]
    assert len({c['utterance'] for c in drawn}) == 7


def test_the_seed_decides(run):
  first, again = run('--seed=1', out='a.csv')[1], run('--seed=1', out='b.csv')[1]
  other = run('--seed=2', out='a.csv')[1]
  assert first == again and set(first) != set(other)


@pytest.mark.parametrize(
  ('flags', 'signer', 'message'),
  [
    ((), 'x1', 'x1 has too few clips of joy (3), sadness (0), anger (0)'),
    (('--per_class=13',), 'm1', 'm1 has too few clips of joy (12), sadness (12)'),
    (('--per_class=0',), 'm1', '--per_class=0'),
    ((), 'm2', "by 'm2'; the signers are f1, m1, x1"),
    (('--task=sentiment',), 'm1', 'labelled for sentiment'),
  ],
)
def test_what_cannot_be_drawn_is_refused(run, tmp_path, flags, signer, message):
  status, _, stderr = run(*flags, signer=signer)
  assert status == 2 and message in stderr and len(stderr.splitlines()) == 1
  assert not (tmp_path / 'sample.csv').exists()


def test_a_judges_work_is_not_replaced_and_scored(run, data, tmp_path, capsys):
  _, ids, _ = run()
  path = tmp_path / 'sample.csv'
  path.write_text('id,video,label\n' + ''.join(f'{i},{i},{true_of(i)}\n' for i in ids))
  status, _, stderr = run('--seed=5')
  assert status == 2 and 'holds more than a drawn sample' in stderr
  words = [str(path), '--corpus=ejsl', f'--data_dir={data}', f'--subset={path}']
  assert exit_status(score.main, words) == 0
  said = capsys.readouterr().out
  assert '100.00' in said and '77.78' in said


def test_videos_are_named_relative_to_their_folder(run, tmp_path, data):
  videos = tmp_path / 'videos' / 'deep'
  videos.mkdir(parents=True)
  for i in range(7 * UTTERANCES):
    (videos / f'm1_{i}.mp4').touch()
  status, ids, _ = run(f'--videos={tmp_path / "videos"}', '--per_class=2')
  assert status == 0
  rows = (tmp_path / 'sample.csv').read_text().splitlines()[1:]
  assert rows == [f'{id_},deep/{id_}.mp4' for id_ in ids]
  shutil.rmtree(videos)
  status, _, stderr = run(f'--videos={tmp_path / "videos"}', '--per_class=2')
  assert status == 2 and '14 of 14 clips have no video' in stderr


def test_ids_that_name_the_label_are_told(tmp_path, capsys):
  clips = [dict(emotion=e, frames=1) for e in labels.EMOTIONS]
  made.build(tmp_path, {'joy': clips})
  words = ['--corpus=ejsl', f'--data_dir={tmp_path}', '--signer=joy', '--per_class=1']
  assert exit_status(sample.main, [*words, f'--out={tmp_path / "s.csv"}']) == 0
  assert '1 ids name the label, such as joy_0' in capsys.readouterr().err

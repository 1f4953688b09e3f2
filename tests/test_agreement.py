import json

import numpy as np
import pytest

from emo_jax import agreement, label_files, labels, reliability
from emo_jax.errors import exit_status
from emo_jax.label_files import Label

A = 'id,label\na,joy\nb,neutral\nc,fear\nd,sadness\n'
B = 'label,id\nneutral,x\nSad,d\nneutral,b\nhappy,a\nsurprise,c\nfear,y\n'


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
  """run(first, second, *flags) -> exit status, the JSON object, lines of stderr."""
  monkeypatch.chdir(tmp_path)

  def call(first, second, *flags):
    (tmp_path / 'A.csv').write_text(first)
    (tmp_path / 'B.csv').write_text(second)
    status = exit_status(agreement.main, ['A.csv', 'B.csv', *flags])
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert len(lines) == (status == 0)
    return status, json.loads(lines[0]) if lines else None, captured.err.splitlines()

  return call


def test_two_files_are_compared_by_id(run, tmp_path):
  status, found, stderr = run(A, B, '--out=AGREED.csv')
  assert status == 0
  assert (found['n'], found['agreed'], found['observed_agreement']) == (4, 3, 0.75)
  assert found['labels'] == list(labels.EMOTIONS)
  fear, surprise = found['labels'].index('fear'), found['labels'].index('surprise')
  assert found['confusion'][fear][surprise] == 1 and found['confusion'][surprise][fear] == 0
  assert found['counts']['first']['fear'] == 1 and found['counts']['second']['fear'] == 0
  assert found['counts']['first']['surprise'] == 0 and found['counts']['second']['surprise'] == 1
  assert sum(found['counts']['first'].values()) == sum(found['counts']['second'].values()) == 4
  assert found['only_in'] == dict(first=0, second=2)
  assert stderr == ['only in B.csv, not in A.csv: 2 (x, y)', '3 agreed clips in AGREED.csv']
  agreed = label_files.read(tmp_path / 'AGREED.csv').labels
  assert list(agreed.items()) == [
    ('a', Label('joy')),
    ('b', Label('neutral')),
    ('d', Label('sadness')),
  ]


def test_the_coefficients_are_those_of_the_confusion_over_all_seven_emotions(run):
  _, found, _ = run(A, B)
  counts = np.array(found['confusion'])
  assert counts.shape == (7, 7) and counts.sum() == 4
  # pi: joy, sadness, neutral 1/4 each, fear and surprise 1/8.
  assert found['chance_agreement'] == pytest.approx((3 * 3 / 16 + 2 * 7 / 64) / 6)
  chance = found['chance_agreement']
  assert found['ac1'] == pytest.approx((0.75 - chance) / (1 - chance))
  assert found['ac1_standard_error'] == reliability.gwet_ac1_standard_error(counts)
  assert found['cohen_kappa'] == pytest.approx((0.75 - 3 / 16) / (1 - 3 / 16))
  assert found['krippendorff_alpha'] == reliability.krippendorff_alpha(counts)


def test_an_undefined_coefficient_is_null(run):
  status, found, _ = run('id,label\na,joy\n', 'id,label\na,joy\n')
  assert status == 0
  assert (found['ac1'], found['cohen_kappa'], found['krippendorff_alpha']) == (1, None, None)


def test_a_models_file_can_be_held_against_a_persons(run):
  header = ','.join(label_files.header(True))
  status, found, _ = run('id,label\na,joy\n', f'{header}\na,joy,1,0,0,0,0,0,0,m,r\n', '--out=O.csv')
  assert status == 0 and found['agreed'] == 1


def test_of_many_missing_ids_only_the_first_are_named(run):
  more = ''.join(f'{i},joy\n' for i in range(1000))
  _, found, stderr = run(A + more, A)
  assert found['only_in'] == dict(first=1000, second=0)
  assert stderr == ['only in A.csv, not in B.csv: 1000 (0, 1, 2, ...)']


@pytest.mark.parametrize(
  ('second', 'flags', 'message'),
  [
    ('id,label\nz,joy\n', [], 'no id in common'),
    ('id,label\n', [], 'no id in common'),
    ('id,label\na,furious\n', [], "B.csv, line 2: unknown emotion label 'furious'"),
    ('id,note\na,x\n', [], 'B.csv lacks the column label'),
    (B, ['--out=A.csv'], '--out=A.csv is one of the files compared'),
    (B, ['--out=B.csv/A.csv'], 'B.csv cannot be written to'),
    (B, ['C.csv'], 'unrecognized arguments: C.csv'),
  ],
)
def test_what_is_wrong_is_said_in_a_line(run, tmp_path, second, flags, message):
  status, _, stderr = run(A, second, *flags)
  assert status == 2 and message in stderr[-1]
  assert not [line for line in stderr[:-1] if not line.startswith('only in ')]
  assert sorted(p.name for p in tmp_path.iterdir()) == ['A.csv', 'B.csv']
  assert (tmp_path / 'A.csv').read_text() == A

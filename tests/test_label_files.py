import pytest

from emo_jax import label_files, labels
from emo_jax.errors import UserError
from emo_jax.label_files import Label, LabelFile

MODEL = ','.join(label_files.header(True)) + '\n'


def shares(*first):
  return (*first, *[0.0] * (7 - len(first)))


@pytest.mark.parametrize(
  'found',
  [
    LabelFile({'a': Label('joy'), 'b': Label('neutral')}),
    LabelFile(
      {'a': Label('joy', shares(0.75, 0.25)), 'b': Label('sadness', shares(0.0, 1.0))}, 'm', 'r'
    ),
  ],
)
def test_what_is_written_is_read(tmp_path, found):
  label_files.write(tmp_path / 'l.csv', found)
  assert label_files.read(tmp_path / 'l.csv') == found


def test_names_of_other_vocabularies_are_understood(tmp_path):
  path = tmp_path / 'l.csv'
  path.write_text('label,id\nHappiness,a\n')
  assert label_files.read(path).labels == {'a': Label('joy')}


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('id,label\na,furious\n', "line 2: unknown emotion label 'furious'"),
    ('id,label\na,\n', 'line 2: no label'),
    ('id,label,jyo\na,joy,1\n', "unknown column 'jyo' .did you mean 'joy'"),
    ('id,label,joy\na,joy,1\n', 'none of sadness, anger'),
    (MODEL + 'a,joy,.5,.1,0,0,0,0,0,m,r\n', 'add up to 0.600 instead of 1'),
    (MODEL + 'a,joy,1.5,-.5,0,0,0,0,0,m,r\n', 'a probability lies outside 0 and 1'),
    (MODEL + 'a,joy,1,0,0,0,0,0,0,m,r\nb,joy,1,0,0,0,0,0,0,n,r\n', 'line 3: labelled by n r'),
    ('id,label\na,joy\na,fear\n', 'line 3: a second row for a'),
  ],
)
def test_what_is_wrong_is_said_in_a_line(tmp_path, content, message):
  path = tmp_path / 'l.csv'
  path.write_text(content)
  with pytest.raises(UserError, match=message):
    label_files.read(path)


def test_probabilities_stand_in_the_order_of_the_emotions(tmp_path):
  path = tmp_path / 'l.csv'
  columns = ('id', 'label', *reversed(labels.EMOTIONS))
  path.write_text(','.join(columns) + '\na,neutral,1,0,0,0,0,0,0\n')
  assert label_files.read(path).labels['a'].probabilities == (0, 0, 0, 0, 0, 0, 1)

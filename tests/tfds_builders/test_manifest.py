"""Mistakes in a manifest are named with their line; labels are read by name."""

import pytest

from emo_jax import labels
from emo_jax.errors import UserError
from tfds_builders import manifest

HEADER = 'file,signer,utterance,emotion,text,sign_handedness\n'


@pytest.mark.parametrize(
  ('rows', 'message'),
  [
    ('a.mp4,f1,u1,furious,,\n', "line 2: unknown emotion label 'furious'.*joy, sadness"),
    ('a.mp4,f1,u1,joy,,three\n', "line 2: unknown sign_handedness label 'three'"),
    ('a.mp4,f1,u1,joy,,\nb.mp4,f1,u1,joy,,\n', 'line 3: no file .*b.mp4'),
    ('a.mp4,f1,u1,joy,,\na.mp4,f1,u2,joy,,\n', 'line 3: a second row for a'),
    ('a.mp4,f 1,u1,joy,,\n', "signer 'f 1' must be letters"),
    ('a.mp4,all,u1,joy,,\n', "line 2: no signer can be called 'all'"),
    ('a.mp4,f1,u1,joy,yes, really,\n', 'line 2: 7 cells for 6 columns'),
    ('a.mp4,f1,u1,joy,,\na.mp4,f1,u1\n', 'line 3: 3 cells for 6 columns'),
    ('', 'lists no clip'),
  ],
)
def test_mistakes_in_a_manifest_are_named_with_their_line(tmp_path, rows, message):
  (tmp_path / 'a.mp4').touch()
  path = tmp_path / manifest.NAME
  path.write_text(HEADER + rows)
  with pytest.raises(UserError, match=message):
    manifest.read(path, tmp_path)


def test_a_manifest_must_be_there_with_its_columns(tmp_path):
  path = tmp_path / manifest.NAME
  with pytest.raises(UserError, match='cannot read .*manifest.csv'):
    manifest.read(path, tmp_path)
  path.write_text('file,signer,emotion\n')
  with pytest.raises(UserError, match='lacks the column utterance, text'):
    manifest.read(path, tmp_path)
  path.write_text('file,signer,utterance,emotion,text,emotion\n')
  with pytest.raises(UserError, match='has the column emotion more than once'):
    manifest.read(path, tmp_path)


def test_emotions_are_read_by_name_and_may_be_empty(tmp_path):
  for name in 'abc':
    (tmp_path / f'{name}.mp4').touch()
  path = tmp_path / manifest.NAME
  path.write_text(
    'text,file,signer,utterance,emotion\n"Yes, really",a.mp4,f1,u1,Happiness\n'
    ',b.mp4,f1,u1,\n,c.mp4,m1,u1,neutral\n'
  )
  a, b, c = manifest.read(path, tmp_path)
  assert (a.text, a.labels['emotion']) == ('Yes, really', labels.EMOTIONS.index('joy'))
  assert b.labels['emotion'] == labels.UNKNOWN
  assert (c.id, c.labels['emotion']) == ('c', labels.EMOTIONS.index('neutral'))

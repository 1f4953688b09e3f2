"""Sentences of the ITA corpus are found by id; what is no transcript is a line."""

import pytest

from emo_jax.errors import UserError
from tfds_builders import manifest
from tfds_builders.ejsl import ita

EMOTION, RECITATION = ita.FILES
HEADER = 'file,signer,utterance,emotion,text,ita_id\n'


@pytest.fixture
def folder(tmp_path):
  (tmp_path / EMOTION).write_text(
    'EMOTION100_001:犬は。,イヌワ。\nEMOTION100_002:猫、だ。,ネコダ。\n'
  )
  (tmp_path / RECITATION).write_text('RECITATION324_001:鳥。,トリ。\n')
  return tmp_path


def test_the_text_is_what_stands_before_the_comma(folder):
  assert ita.read(folder) == {
    'EMOTION100_001': '犬は。',
    'EMOTION100_002': '猫、だ。',
    'RECITATION324_001': '鳥。',
  }


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_it(folder):
  (folder / RECITATION).write_bytes('\ufeffRECITATION324_001:鳥。,トリ。\r\n'.encode())
  assert ita.read(folder)['RECITATION324_001'] == '鳥。'


def test_the_real_transcripts(shared):
  texts = ita.read(shared / 'data/ita')
  assert sum(name.startswith('EMOTION100_') for name in texts) == 100
  assert sum(name.startswith('RECITATION324_') for name in texts) == 324 == len(texts) - 100
  assert texts['EMOTION100_001'].endswith('でしょ。') and texts['RECITATION324_324']
  assert not any(',' in text or ':' in text or not text.strip() for text in texts.values())


@pytest.mark.parametrize(
  ('name', 'content', 'message'),
  [
    (EMOTION, 'EMOTION100_001 犬,イヌ\n'.encode(), 'line 1: expected ID:text,reading'),
    (EMOTION, 'EMOTION100_001:犬,イヌ\n\n'.encode(), 'line 2: expected ID:text,reading'),
    (EMOTION, 'EMOTION100_001:犬\n'.encode(), 'line 1: expected'),
    (EMOTION, 'EMOTION100_001:,イヌ\n'.encode(), 'line 1: expected'),
    (RECITATION, 'EMOTION100_002:犬,イヌ\n'.encode(), 'line 1: a second sentence EMOTION100_002'),
    (RECITATION, 'RECITATION324_001:鳥,トリ'.encode('shift_jis'), 'it is not UTF-8'),
    (RECITATION, None, 'No such file or directory.*name the folder with emotion_transcript'),
  ],
)
def test_what_is_no_transcript_is_a_line(folder, name, content, message):
  (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
  with pytest.raises(UserError, match=message) as error:
    ita.read(folder)
  assert str(folder / name) in str(error.value) and '\n' not in str(error.value)


def rows(tmp_path, *lines, header=HEADER):
  for name in 'abc':
    (tmp_path / f'{name}.mp4').touch()
  path = tmp_path / manifest.NAME
  path.write_text(header + ''.join(f'{line}\n' for line in lines))
  return path


def test_empty_texts_are_filled_by_id(folder):
  path = rows(
    folder,
    'a.mp4,f1,u1,joy,,EMOTION100_002',
    'b.mp4,f1,u2,joy,changed,EMOTION100_001',
    'c.mp4,f1,u3,joy,,',
  )
  found = manifest.read(path, folder, ita.read(folder))
  assert [row.text for row in found] == ['猫、だ。', 'changed', '']
  assert [row.text for row in manifest.read(path, folder)] == ['', 'changed', '']


def test_an_unknown_id_is_a_line(folder):
  path = rows(folder, 'a.mp4,f1,u1,joy,,', 'b.mp4,f1,u1,joy,there,EMOTION100_02')
  with pytest.raises(UserError, match="line 3: no sentence 'EMOTION100_02'.*'EMOTION100_002'"):
    manifest.read(path, folder, ita.read(folder))
  assert len(manifest.read(path, folder)) == 2  # without --ita the column is one of many


def test_without_the_column_there_is_nothing_to_fill(folder):
  path = rows(folder, 'a.mp4,f1,u1,joy,', header='file,signer,utterance,emotion,text\n')
  with pytest.raises(UserError, match='lacks the column ita_id'):
    manifest.read(path, folder, ita.read(folder))


def test_other_texts_are_another_digest(folder):
  path, texts = rows(folder, 'a.mp4,f1,u1,joy,,EMOTION100_002'), ita.read(folder)
  digests = {manifest.digest(path), manifest.digest(path, texts), manifest.digest(path, {'a': 'b'})}
  assert len(digests) == 3

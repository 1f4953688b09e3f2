import pytest

from emo_jax.errors import UserError
from emo_jax.text import sentences
from emo_jax.text.sentences import Sentence


def test_what_is_written_is_read(tmp_path):
  made = [
    Sentence('e_1000_2500', 'Oh, "no"!', '', 'Well…', 'e', 1.0, 2.5),
    Sentence('e_3600000_3601000', 'Well…\nyes', 'Oh, "no"!', '', 'e', 3600.0, 3601.0),
  ]
  sentences.write(tmp_path / 's.csv', made)
  assert sentences.read(tmp_path / 's.csv') == made


def test_id_and_text_are_enough(tmp_path):
  (tmp_path / 's.csv').write_text('text,other,id\nHello,x,1\n')
  assert sentences.read(tmp_path / 's.csv') == [Sentence('1', 'Hello')]


def test_times_are_numbers(tmp_path):
  (tmp_path / 's.csv').write_text('id,text,start\na,Hello,soon\n')
  with pytest.raises(UserError, match="line 2: 'soon' is no number"):
    sentences.read(tmp_path / 's.csv')

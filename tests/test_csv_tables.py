import pytest

from emo_jax import csv_tables
from emo_jax.errors import UserError


@pytest.fixture
def table(tmp_path):
  def write(content: str | bytes):
    path = tmp_path / 't.csv'
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path

  return write


def test_rows_come_with_their_line_and_without_surrounding_blanks(table):
  path = table('\ufeffid, text\na, "one, two"\n\nb,"over\ntwo lines"\n'.replace(', "', ',"'))
  columns, rows = csv_tables.read(path, ('id',))
  assert columns == ('id', 'text')
  assert [cells for _, cells in rows] == [
    {'id': 'a', 'text': 'one, two'},
    {'id': 'b', 'text': 'over\ntwo lines'},
  ]
  assert rows[0][0].endswith('t.csv, line 2') and rows[1][0].endswith('line 5')


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('', 'is empty; its first line must name the columns id, text'),
    ('id\na\n', 'lacks the column text; it has id'),
    ('id,text,text\n', 'has the column text more than once'),
    ('id,text\na,b,c\n', 'line 2: 3 cells for 2 columns'),
    ('id,text\na\n', 'line 2: 1 cells for 2 columns'),
    ('id,text\n,b\n', 'line 2: no id'),
    ('id,text\na,b\na,c\n', 'line 3: a second row for a'),
    ('id,text\na,"b\n', 'is no CSV file'),
    (b'id,text\na,\xff\n', 'is not UTF-8'),
  ],
)
def test_what_is_wrong_is_said_in_a_line(table, content, message):
  with pytest.raises(UserError, match=message) as caught:
    csv_tables.read_by_id(table(content), ('text',))
  assert '\n' not in str(caught.value)


def test_a_file_must_be_there(tmp_path):
  with pytest.raises(UserError, match='cannot read .*absent.csv'):
    csv_tables.read(tmp_path / 'absent.csv', ())


@pytest.mark.parametrize('text', ['', 'x', 'nan', 'inf', '1,5'])
def test_numbers_are_finite(text):
  with pytest.raises(UserError, match='line 3: .* is no number'):
    csv_tables.number(text, 'line 3')

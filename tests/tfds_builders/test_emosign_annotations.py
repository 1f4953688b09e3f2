"""EmoSign's annotations: what the published file holds, and what is wrong with another."""

import csv
import sys
from collections import Counter
from pathlib import Path

import pyarrow
import pytest

from emo_jax import labels
from emo_jax.errors import UserError
from tfds_builders.emosign import annotations

GOOD = dict.fromkeys(annotations.EMOTIONS, '1') | dict(
  video_name='Ada_2001-2-3_sc4_501',
  Sentiment='0',
  Reasoning_1='eyes, brows',
  Reasoning_2='',
  Reasoning_3='a "nod"',
)


@pytest.fixture(scope='module')
def published(shared) -> list[annotations.Annotation]:
  """The annotations of the published CSV."""
  return annotations.read(published_csv(shared))


def published_csv(shared: Path) -> Path:
  path = shared / 'data/emosign' / annotations.NAME
  if not path.is_file():
    pytest.skip(f'no {path}: the published annotations')
  return path


def write(path: Path, rows, columns=annotations.COLUMNS) -> Path:
  with open(path, 'w', newline='') as f:
    writer = csv.DictWriter(f, columns)
    writer.writeheader()
    writer.writerows(rows)
  return path


def row(number: int = 501, **changes: str) -> dict[str, str]:
  return GOOD | dict(video_name=f'Ada_2001-2-3_sc4_{number}') | changes


def write_arrow(path: Path, table: pyarrow.Table, kind=pyarrow.ipc.new_stream) -> Path:
  with pyarrow.OSFile(str(path), 'wb') as f, kind(f, table.schema) as writer:
    writer.write_table(table, max_chunksize=64)
  return path


def as_table(path: Path) -> pyarrow.Table:
  """A CSV as the package datasets has it: integers and texts."""
  with open(path, newline='', encoding='utf-8') as f:
    rows = list(csv.DictReader(f))
  integers = {'Sentiment', *annotations.EMOTIONS}
  return pyarrow.table(
    {name: [int(r[name]) if name in integers else r[name] for r in rows] for name in rows[0]}
  )


def test_the_single_expression_set_is_the_papers_table_8(published):
  single = [a for a in published if a.is_single]
  assert len(published) == 200 and len(single) == 140
  assert Counter(a.expression for a in single) == dict(
    happiness=54,
    sadness=10,
    frustration=19,
    anger=3,
    disgust=10,
    fear=7,
    worry=14,
    surprise_pos=5,
    surprise_neg=7,
    neutral=11,
  )
  emotions = Counter(labels.EMOTIONS[a.labels['emotion']] for a in single)
  assert emotions == dict(joy=54, sadness=29, anger=3, disgust=10, fear=21, surprise=12, neutral=11)


def test_which_category_becomes_which_emotion_is_the_papers_table_8(published):
  pairs = {(a.expression, labels.EMOTIONS[a.labels['emotion']]) for a in published if a.is_single}
  assert pairs == {
    ('happiness', 'joy'),
    ('sadness', 'sadness'),
    ('frustration', 'sadness'),
    ('anger', 'anger'),
    ('disgust', 'disgust'),
    ('fear', 'fear'),
    ('worry', 'fear'),
    ('surprise_pos', 'surprise'),
    ('surprise_neg', 'surprise'),
    ('neutral', 'neutral'),
  }


def test_the_multi_set_has_the_ties_of_more_than_two_clips(published):
  multi = [a for a in published if a.is_multi]
  assert len(multi) == 37
  assert Counter(a.expression for a in multi) == {
    'happiness+surprise_pos': 16,
    'sadness+worry': 7,
    'frustration+sadness': 4,
    'disgust+frustration': 4,
    'fear+worry': 3,
    'frustration+worry': 3,
  }
  others = [a for a in published if not a.is_single]
  assert all(a.labels['emotion'] == labels.UNKNOWN for a in others)
  assert sum(not a.expression for a in others) == 23


def test_sentiments_signers_and_utterances_are_those_published(published):
  names = labels.names('sentiment')
  sentiments = Counter(names[a.labels['sentiment']] for a in published)
  assert sentiments == {'-3': 29, '-2': 49, '-1': 43, '0': 3, '1': 12, '2': 26, '3': 38}
  assert Counter(a.signer for a in published) == dict(Cory=87, Jonathan=54, Rachel=52, Ben=7)
  assert len({a.utterance for a in published}) == 200
  assert all(a.video.endswith(f'_{a.utterance}') for a in published)
  assert {value for a in published for value in a.intensity.values()} == {1, 2, 3, 4}


def test_each_signers_emotions_are_those_published(published):
  found = Counter(
    (a.signer, labels.EMOTIONS[a.labels['emotion']]) for a in published if a.is_single
  )
  want = dict(
    Cory=dict(joy=19, sadness=10, fear=9, disgust=6, surprise=6, neutral=5, anger=2),
    Jonathan=dict(joy=24, fear=8, sadness=6, neutral=3, surprise=2),
    Rachel=dict(sadness=11, joy=10, fear=4, disgust=4, surprise=3, neutral=3, anger=1),
    Ben=dict(sadness=2, joy=1, surprise=1),
  )
  assert found == {(s, e): count for s, counts in want.items() for e, count in counts.items()}


@pytest.mark.parametrize('kind', [pyarrow.ipc.new_stream, pyarrow.ipc.new_file])
def test_the_arrow_file_says_the_same(shared, published, tmp_path, kind):
  path = write_arrow(tmp_path / 'data.arrow', as_table(published_csv(shared)), kind)
  assert annotations.read(path) == published


def test_columns_and_rows_come_in_any_order(tmp_path):
  rows = [row(501, joy='2', Sentiment='-3'), row(502, anger='4')]
  one = annotations.read(write(tmp_path / 'one.csv', rows))
  other = annotations.read(
    write(tmp_path / 'other.csv', reversed(rows), sorted(annotations.COLUMNS))
  )
  assert other == one[::-1]
  assert annotations.digest(other) == annotations.digest(one)
  changed = annotations.read(write(tmp_path / 'c.csv', [rows[0], row(502, anger='3')]))
  assert annotations.digest(changed) != annotations.digest(one)


def test_a_row_is_read_whole(tmp_path):
  names = ['Ada_2001-2-3_sc4_501', '7-Ben-Some-Topic_88']
  first, second = annotations.read(
    write(tmp_path / 'a.csv', [row(video_name=n, fear='3', Sentiment='-2') for n in names])
  )
  assert (first.signer, first.utterance, first.video) == ('Ada', '501', names[0])
  assert (second.signer, second.utterance, second.video) == ('Ben', '88', names[1])
  assert first.sentiment == -2 and first.reasoning == ('eyes, brows', '', 'a "nod"')
  assert first.intensity == dict.fromkeys(annotations.EMOTIONS, 1) | dict(fear=3)


@pytest.mark.parametrize(
  ('intensity', 'categories'),
  [
    ({}, ('neutral',)),
    (dict(joy=2, excited=4, anger=3), ('happiness',)),
    (dict(joy=4, excited=2, anger=4), ('anger', 'happiness')),
    (dict(worry=2, fear=2, sadness=1), ('fear', 'worry')),
  ],
)
def test_the_strongest_category_counts(intensity, categories):
  everything = dict.fromkeys(annotations.EMOTIONS, 1) | intensity
  assert annotations.strongest(everything) == categories


def test_a_tie_is_an_expression_from_three_clips_on(tmp_path):
  ties = [row(n, fear='3', worry='3') for n in range(3)] + [row(9, anger='2', disgust='2')]
  read = annotations.read(write(tmp_path / 'a.csv', ties))
  assert [a.expression for a in read] == ['fear+worry'] * 3 + ['']
  two = annotations.read(write(tmp_path / 'b.csv', ties[1:]))
  assert not any(a.expression or a.is_single or a.is_multi for a in two)


BAD_ROWS = [
  (dict(joy='0'), "joy is '0'; it must be an integer from 1 to 4"),
  (dict(anger='5'), "anger is '5'"),
  (dict(worry='2.0'), "worry is '2.0'"),
  (dict(fear=''), "fear is ''"),
  (dict(sadness='٣'), "sadness is '٣'"),
  (dict(Sentiment='-4'), "Sentiment is '-4'; it must be an integer from -3 to 3"),
  (dict(Sentiment='good'), "Sentiment is 'good'"),
  (dict(video_name='Ada_501'), "video_name 'Ada_501' is neither"),
  (dict(video_name='../Ada_2001-2-3_sc4_501'), 'is neither'),
  (dict(video_name='all_2001-2-3_sc4_501'), 'is neither'),
  (dict(video_name='3-Ada-Topic_501'), 'is neither'),
  (dict(video_name='Ada_2001-2-3_sc4_500'), 'a second row for Ada_2001-2-3_sc4_500'),
]


@pytest.mark.parametrize(('changes', 'message'), BAD_ROWS)
@pytest.mark.parametrize('kind', ['csv', 'arrow'])
def test_a_wrong_row_is_named(tmp_path, kind, changes, message):
  rows = [row(500), row(501, **changes)]
  path = tmp_path / f'bad.{kind}'
  if kind == 'csv':
    write(path, rows)
  else:
    write_arrow(path, pyarrow.Table.from_pylist(rows))
  with pytest.raises(UserError) as error:
    annotations.read(path)
  where = 'line 3: ' if kind == 'csv' else 'row 2: '
  assert str(error.value).startswith(f'{path}, {where}') and message in str(error.value)
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('kind', ['csv', 'arrow'])
def test_the_columns_must_be_those_published(tmp_path, kind):
  def columns(*names):
    path = tmp_path / f'columns.{kind}'
    if kind == 'csv':
      path.write_text(','.join(names) + '\n')
    else:
      write_arrow(path, pyarrow.table([pyarrow.array([], 'string')] * len(names), names=names))
    with pytest.raises(UserError) as error:
      annotations.read(path)
    return str(error.value)

  names = annotations.COLUMNS
  assert 'lacks the column joy; it has video_name' in columns(*(n for n in names if n != 'joy'))
  assert 'unknown column happy' in columns(*names, 'happy')
  assert "unknown column angerr (did you mean 'anger'?)" in columns(*names, 'angerr')
  assert 'more than once: keep one' in columns(*names, 'joy')
  assert 'has no rows' in columns(*names)


def test_a_file_that_is_no_annotations_is_an_error_of_a_line(tmp_path):
  path = tmp_path / 'data.arrow'
  with pytest.raises(UserError, match='cannot read .*data.arrow'):
    annotations.read(path)
  with pytest.raises(UserError, match='cannot read .*no.csv'):
    annotations.read(tmp_path / 'no.csv')
  table = pyarrow.Table.from_pylist([row(n) for n in range(9)])
  for kind in (pyarrow.ipc.new_stream, pyarrow.ipc.new_file):
    whole = write_arrow(path, table, kind).read_bytes()
    for part in (b'', b'video_name\n', whole[:3], whole[:200], whole[: len(whole) // 2]):
      path.write_bytes(part)
      with pytest.raises(UserError, match='no whole Arrow file: fetch it again') as error:
        annotations.read(path)
      assert '\n' not in str(error.value)


def test_without_pyarrow_an_arrow_file_is_an_error_of_a_line(tmp_path, monkeypatch):
  path = write_arrow(tmp_path / 'data.arrow', pyarrow.Table.from_pylist([row()]))
  monkeypatch.setitem(sys.modules, 'pyarrow', None)
  with pytest.raises(UserError, match=r"needs the package pyarrow: pip install -e '.\[emosign\]'"):
    annotations.read(path)
  assert annotations.read(write(tmp_path / 'a.csv', [row()]))[0].expression == 'neutral'


def test_annotations_are_found_by_name_variable_or_among_the_clips(tmp_path, monkeypatch):
  monkeypatch.delenv(annotations.VARIABLE, raising=False)
  assert annotations.named() is None
  monkeypatch.setenv(annotations.VARIABLE, 'of-variable.csv')
  assert annotations.named() == Path('of-variable.csv')
  assert annotations.named('given.csv') == Path('given.csv')
  with pytest.raises(UserError, match='neither emosign_dataset.csv nor an .arrow file in'):
    annotations.in_folder(tmp_path)
  (tmp_path / 'b.arrow').touch()
  assert annotations.in_folder(tmp_path).name == 'b.arrow'
  (tmp_path / 'a.arrow').touch()
  with pytest.raises(UserError, match='a.arrow, b.arrow in .*say which with --annotations'):
    annotations.in_folder(tmp_path)
  (tmp_path / annotations.NAME).touch()
  assert annotations.in_folder(tmp_path).name == annotations.NAME

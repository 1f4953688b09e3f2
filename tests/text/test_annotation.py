import os
import resource
import signal

import pytest

from emo_jax import label_files, labels
from emo_jax.errors import UserError
from emo_jax.label_files import Label, LabelFile
from emo_jax.text import annotation
from emo_jax.text.sentences import Sentence

SENTENCES = [Sentence(name, f'Sentence {name}.') for name in 'abcde']


@pytest.fixture
def out(tmp_path):
  return tmp_path / 'L.csv'


@pytest.fixture
def session(out):
  """session() -> a session on the same files, the one before closed as if killed."""
  open_ones = []

  def call(sentences=tuple(SENTENCES)) -> annotation.Session:
    if open_ones:
      open_ones.pop().__exit__(None, None, None)
    open_ones.append(annotation.Session(sentences, out))
    return open_ones[-1]

  yield call
  for one in open_ones:
    one.__exit__(None, None, None)


def on_disk(out) -> dict[str, str]:
  return {id_: given.label for id_, given in label_files.read(out).labels.items()}


def log_of(out):
  return out.with_name('L.csv.log')


def test_a_label_is_on_disk_before_the_next_sentence(session, out):
  s = session()
  assert on_disk(out) == {} and s.current.id == 'a'
  s.label('joy')
  assert on_disk(out) == {'a': 'joy'} and s.current.id == 'b'
  assert (s.labelled, s.skipped) == (1, 0)
  header, row = log_of(out).read_text().splitlines()
  assert header == 'time,id,label' and row.endswith(',a,joy')


def test_one_goes_on_where_one_stopped_and_skipped_ones_are_remembered(session, out):
  s = session()
  s.label('joy')
  s.skip()
  s.label('fear')
  s = session()
  assert s.current.id == 'd' and (s.labelled, s.skipped) == (2, 1)
  assert s.label_of(SENTENCES[1]) == '' and s.label_of(SENTENCES[3]) is None
  s.skip()
  s.label('neutral')
  assert s.current is None
  s = session()
  assert s.current.id == 'b'  # all seen: the first that was skipped
  s.label('anger')
  assert s.current.id == 'd'
  s.label('anger')
  assert s.current is None and s.labelled == 5
  assert list(on_disk(out)) == list('abcde')
  assert session().current is None


def test_going_back_changes_a_label_and_returns_to_where_one_was(session, out):
  s = session()
  for name in ('joy', 'fear', 'anger'):
    s.label(name)
  s.back()
  s.back()
  assert s.current.id == 'b' and s.label_of(s.current) == 'fear'
  s.label('sadness')
  assert s.current.id == 'd'
  assert on_disk(out) == {'a': 'joy', 'b': 'sadness', 'c': 'anger'}
  assert session().label_of(SENTENCES[1]) == 'sadness'


def test_moving_over_a_label_keeps_it_and_over_none_skips(session, out):
  s = session()
  s.label('joy')
  s.back()
  s.skip()
  assert s.current.id == 'b'
  s.back()
  s.forward()
  assert s.current.id == 'b' and (s.labelled, s.skipped) == (1, 0)
  s.forward()
  s.back()
  s.forward()
  assert s.current.id == 'c' and (s.labelled, s.skipped) == (1, 1)
  assert on_disk(out) == {'a': 'joy'}
  assert len(log_of(out).read_text().splitlines()) == 3  # a skip is logged once


def test_a_label_can_be_taken_away(session, out):
  s = session()
  s.clear()
  assert s.label_of(SENTENCES[0]) is None
  s.label('joy')
  s.back()
  s.clear()
  assert s.current.id == 'a' and on_disk(out) == {}
  assert session().label_of(SENTENCES[0]) == ''


def test_neither_end_is_passed(session, out):
  s = session()
  s.back()
  assert s.current.id == 'a'
  for _ in range(7):
    s.forward()
  assert s.current is None and s.skipped == 5
  s.label('joy')
  s.clear()
  assert on_disk(out) == {} and s.current is None
  s.skip()
  assert s.current.id == 'a'


def test_labels_are_kept_in_the_sentences_order(session, out):
  s = session()
  s.skip()
  s.label('joy')
  s.back()
  s.back()
  s.label('fear')
  assert list(on_disk(out)) == ['a', 'b']


def test_a_kill_between_log_and_labels_or_within_a_row_loses_nothing(session, out):
  s = session()
  s.label('joy')
  before = out.read_bytes()
  s.label('fear')
  s.back()
  s.label('anger')
  out.write_bytes(before)
  with open(log_of(out), 'a') as f:
    f.write('2026-01-01T00:00:00+00:00,c,sur')
  s = session()
  assert on_disk(out) == {'a': 'joy', 'b': 'anger'} and s.current.id == 'c'
  s.label('neutral')
  assert session().labelled == 3


@pytest.mark.parametrize('lost', [lambda path: path.unlink(), lambda path: path.write_text('')])
def test_labels_that_a_crashed_machine_lost_come_from_the_log(session, out, lost):
  session().label('joy')
  lost(out)
  session()
  assert on_disk(out) == {'a': 'joy'}


def test_a_label_file_without_a_log_is_taken_up(session, out):
  label_files.write(out, LabelFile({'d': Label('joy'), 'a': Label('fear')}))
  s = session()
  assert s.current.id == 'b' and s.labelled == 2
  assert session().label_of(SENTENCES[3]) == 'joy'


def test_files_that_were_edited_apart_are_not_overwritten(session, out):
  s = session()
  s.label('joy')
  s.label('fear')
  out.write_text('id,label\na,joy\nb,anger\n')
  with pytest.raises(UserError, match='L.csv and its log .*L.csv.log differ: remove the one'):
    session()
  assert on_disk(out) == {'a': 'joy', 'b': 'anger'}
  log_of(out).unlink()
  assert session().label_of(SENTENCES[1]) == 'anger'


def test_labels_of_other_sentences_are_refused_and_left_alone(session, out):
  out.write_text('id,label\nx,joy\na,joy\n')
  with pytest.raises(UserError, match='L.csv belongs to other sentences: x not among'):
    session()
  assert not log_of(out).exists() and on_disk(out) == {'x': 'joy', 'a': 'joy'}


def test_a_log_of_other_sentences_is_refused(session, out):
  for _ in range(5):
    session().skip()
  with pytest.raises(UserError, match=r'belongs to other sentences: b, c, d, \.\.\. not among'):
    session(SENTENCES[:1])


def test_a_models_labels_are_refused(session, out):
  shares = tuple(float(name == 'joy') for name in labels.EMOTIONS)
  label_files.write(out, LabelFile({'a': Label('joy', shares)}, 'm', 'r'))
  with pytest.raises(UserError, match="L.csv holds a model's labels"):
    session()
  assert label_files.read(out).model == 'm'


def test_two_windows_on_one_file_are_refused(session, out):
  session()
  with pytest.raises(UserError, match='L.csv is being annotated in another window'):
    annotation.Session(SENTENCES, out)


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('time,id,label\nt,a,furious\n', "L.csv.log, line 2: unknown emotion label 'furious'"),
    ('when,id,label\nt,a,joy\n', 'L.csv.log lacks the column time'),
  ],
)
def test_a_log_of_something_else_is_refused(session, out, content, message):
  log_of(out).write_text(content)
  with pytest.raises(UserError, match=message):
    session()


def test_there_must_be_sentences(out):
  with pytest.raises(UserError, match='no sentence to label'):
    annotation.Session([], out)


def test_there_must_be_a_folder(tmp_path):
  with pytest.raises(UserError, match='cannot write .*absent/L.csv and its log: No such file'):
    annotation.Session(SENTENCES, tmp_path / 'absent' / 'L.csv')


def test_a_full_disk_ends_in_a_line_and_leaves_whole_rows(session, out):
  s = session()
  s.label('joy')
  whole = log_of(out).read_bytes()
  # The size a file may reach stands in for the room left: the next row fits in part.
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
  resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 5, limits[1]))
  try:
    with pytest.raises(UserError, match='cannot write .*L.csv and its log: No space left'):
      s.label('fear')
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)
  assert log_of(out).read_bytes() == whole and on_disk(out) == {'a': 'joy'}
  assert s.current.id == 'b' and session().current.id == 'b'


def test_every_decision_is_synchronised_before_labels_are_replaced(session, out, monkeypatch):
  s, seen, fsync = session(), [], os.fsync

  def synchronise(file):
    fsync(file)
    seen.append((log_of(out).read_text().splitlines()[-1].split(',', 1)[1], on_disk(out)))

  monkeypatch.setattr(os, 'fsync', synchronise)
  s.label('joy')
  s.skip()
  assert seen == [('a,joy', {}), ('b,', {'a': 'joy'})]

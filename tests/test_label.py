"""The command: label files of sentences, killed and resumed, and scores on labelled sentences."""

import hashlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch

from emo_jax import label, label_files, labels
from emo_jax.errors import exit_status
from emo_jax.text import emotion
from tests.text import tiny_models


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  return tiny_models.save(tmp_path_factory.mktemp('models') / 'tiny')


def made_texts(count=40):
  drawn = random.Random(0)
  return [' '.join(drawn.choices(tiny_models.WORDS, k=drawn.randint(1, 20))) for _ in range(count)]


def subtitles(path, texts):
  path.write_text('id,text\n' + ''.join(f'c{i},{text}\n' for i, text in enumerate(texts)))
  return path


def run(*words):
  """Exit status of the command, on the CPU."""
  return exit_status(label.main, [*map(str, words), '--device=cpu'])


@pytest.fixture
def table(tmp_path):
  return subtitles(tmp_path / 's.csv', made_texts())


def test_every_sentence_gets_a_label_in_the_files_order(tmp_path, model, table, capsys):
  out = tmp_path / 'new' / 'labels.csv'
  assert run(table, f'--model={model}', f'--out={out}', '--batch_size=7') == 0
  said = capsys.readouterr()
  assert said.out == f'{out}\n'
  assert 'sentences are cut off at 16 tokens' in said.err
  assert '40/40 sentences' in said.err
  found = label_files.read(out)
  assert list(found.labels) == [f'c{i}' for i in range(40)]
  assert (found.model, found.revision[:7]) == ('tiny', 'sha256:')
  classifier = emotion.load(str(model), 'cpu')
  for text, got in zip(made_texts(), found.labels.values(), strict=True):
    alone = emotion.probabilities(classifier, [text])[0]
    np.testing.assert_allclose(got.probabilities, alone, rtol=1e-4)
    assert got.label == labels.EMOTIONS[alone.argmax()]
  assert len({got.label for got in found.labels.values()}) > 2
  assert sorted(os.listdir(out.parent)) == ['labels.csv', 'labels.csv.origin.json']


def interrupted(monkeypatch, after):
  """Lets the command classify `after` batches; returns the list of batches it began."""
  began, real = [], emotion.probabilities

  def probabilities(classifier, texts):
    if len(began) == after:
      raise KeyboardInterrupt
    began.append(texts)
    return real(classifier, texts)

  monkeypatch.setattr(emotion, 'probabilities', probabilities)
  return began


@pytest.mark.parametrize('batches', [0, 1, 5])
@pytest.mark.parametrize('torn', [0, 1, 90])
def test_an_interrupted_run_goes_on(tmp_path, model, table, monkeypatch, capsys, batches, torn):
  words = table, f'--model={model}', '--batch_size=7'
  whole, out = tmp_path / 'whole.csv', tmp_path / 'out.csv'
  assert run(*words, f'--out={whole}') == 0
  with monkeypatch.context() as patch:
    interrupted(patch, batches)
    assert run(*words, f'--out={out}') == 130
  assert not out.exists()
  partial = tmp_path / 'out.csv.partial'
  os.truncate(partial, partial.stat().st_size - torn)  # as a kill within a write leaves it
  lines_kept = partial.read_bytes().count(b'\n')
  with monkeypatch.context() as patch:
    began = interrupted(patch, -1)
    assert run(*words, f'--out={out}') == 0
  assert len(began) == 6 - max(lines_kept - 1, 0)
  assert out.read_bytes() == whole.read_bytes()
  assert not partial.exists()


def stopped(tmp_path, model, table, monkeypatch):
  """A partial file with two batches in it."""
  with monkeypatch.context() as patch:
    interrupted(patch, 2)
    run(table, f'--model={model}', f'--out={tmp_path / "out.csv"}', '--batch_size=7')
  return tmp_path / 'out.csv.partial'


def test_a_torn_line_does_not_spoil_what_is_added_after_it(
  tmp_path, model, table, monkeypatch, capsys
):
  partial = stopped(tmp_path, model, table, monkeypatch)
  os.truncate(partial, partial.stat().st_size - 30)
  stopped(tmp_path, model, table, monkeypatch)
  with monkeypatch.context() as patch:
    began = interrupted(patch, -1)
    words = table, f'--model={model}', '--batch_size=7'
    assert run(*words, f'--out={tmp_path / "out.csv"}') == 0
  assert len(began) == 3  # of 6: one was whole, two more were done
  assert run(*words, f'--out={tmp_path / "whole.csv"}') == 0
  assert (tmp_path / 'out.csv').read_bytes() == (tmp_path / 'whole.csv').read_bytes()


def another(tmp_path):
  return tiny_models.save(tmp_path / 'another', tiny_models.classifier(seed=1))


def test_a_partial_file_of_another_model_or_other_sentences_is_refused(
  tmp_path, model, table, monkeypatch, capsys
):
  partial = stopped(tmp_path, model, table, monkeypatch)
  kept = partial.read_bytes()
  assert run(table, f'--model={another(tmp_path)}', f'--out={tmp_path / "out.csv"}') == 2
  assert f'{partial} is of the model tiny sha256:' in capsys.readouterr().err
  changed = subtitles(tmp_path / 'changed.csv', [*made_texts()[:-1], 'no'])
  assert run(changed, f'--model={model}', f'--out={tmp_path / "out.csv"}') == 2
  assert f'{partial} is of other sentences: delete it' in capsys.readouterr().err
  assert partial.read_bytes() == kept


@pytest.mark.parametrize('content', ['id,label\n', '[]\n', '{}\n', '\xff\n', 'mine'])
def test_a_partial_file_that_is_none_is_refused(tmp_path, model, table, capsys, content):
  (tmp_path / 'out.csv.partial').write_text(content, encoding='latin-1')
  assert run(table, f'--model={model}', f'--out={tmp_path / "out.csv"}') == 2
  assert 'is not what a killed run leaves: delete it' in capsys.readouterr().err
  assert (tmp_path / 'out.csv.partial').read_text(encoding='latin-1') == content


def test_what_is_done_is_not_done_again(tmp_path, model, table, monkeypatch, capsys):
  words = table, f'--model={model}', f'--out={tmp_path / "out.csv"}'
  assert run(*words) == 0
  before = (tmp_path / 'out.csv').stat().st_mtime_ns
  assert not interrupted(monkeypatch, 0)
  assert run(*words) == 0
  assert 'out.csv is done already' in capsys.readouterr().err
  assert (tmp_path / 'out.csv').stat().st_mtime_ns == before


def test_a_file_of_something_else_is_never_replaced(tmp_path, model, table, capsys):
  out = tmp_path / 'out.csv'
  words = f'--model={model}', f'--out={out}'
  out.write_text('id,label\nc0,joy\n')
  assert run(table, *words) == 2
  assert 'has the labels of a person: name another --out' in capsys.readouterr().err
  assert out.read_text() == 'id,label\nc0,joy\n'
  out.unlink()
  assert run(table, *words) == 0
  assert run(table, f'--model={another(tmp_path)}', f'--out={out}') == 2
  assert 'has the labels of the model tiny sha256:' in capsys.readouterr().err
  assert run(subtitles(tmp_path / 'few.csv', made_texts(3)), *words) == 2
  assert 'has the labels of other sentences' in capsys.readouterr().err
  assert len(label_files.read(out).labels) == 40


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('id,text\n', 's.csv has no sentence'),
    ('id,text\na,no\nb,\nc,\n', r's.csv: b has no text (2 such): leave those rows out'),
    ('id,words\na,no\n', 's.csv lacks the column text'),
  ],
)
def test_sentences_that_cannot_be_labelled_are_said(tmp_path, model, capsys, content, message):
  (tmp_path / 's.csv').write_text(content)
  assert run(tmp_path / 's.csv', f'--model={model}', f'--out={tmp_path / "out.csv"}') == 2
  assert message in capsys.readouterr().err
  assert os.listdir(tmp_path) == ['s.csv']


def confident(folder, name):
  """A classifier that says one emotion of every sentence."""
  model = tiny_models.classifier()
  with torch.no_grad():
    model.classifier.bias[tiny_models.NAMES.index(name)] = 1e3
  return tiny_models.save(folder / name, model)


def test_scores_are_those_of_what_the_models_say(tmp_path, capsys):
  path = tmp_path / 'labelled.csv'
  path.write_text('Utterance,Emotion,Nr\nNo.,anger,1\nYou!,Angry,2\nI am,neutral,3\nSad.,joy,4\n')
  models = [confident(tmp_path, name) for name in ('neutral', 'anger', 'fear')]
  words = [f'--evaluate={path}', '--text_column=Utterance', '--label_column=Emotion']
  report = tmp_path / 'kept' / 'report.json'
  assert run(*words, *(f'--model={m}' for m in models), f'--report={report}') == 0
  said = json.loads(capsys.readouterr().out)
  assert json.loads(report.read_text()) == said
  neutral, anger, fear = said['models']
  # One of four is neutral: F1 2/5; two of four are angry: F1 2/3; a seventh of each.
  assert neutral['macro_f1'] == pytest.approx(2 / 5 / 7)
  assert anger['macro_f1'] == pytest.approx(2 / 3 / 7)
  assert (neutral['accuracy'], anger['accuracy'], fear['accuracy']) == (0.25, 0.5, 0)
  assert anger['wacc'] == pytest.approx(1 / 3)
  assert anger['n'] == 4 and anger['labels'] == list(labels.EMOTIONS)
  assert [row[2] for row in anger['confusion']] == [1, 0, 2, 0, 0, 0, 1]
  assert anger['per_class_f1']['anger'] == pytest.approx(2 / 3)
  digest = hashlib.sha256(path.read_bytes()).hexdigest()
  assert said['chosen'] == {key: anger[key] for key in ('model', 'revision', 'macro_f1')}
  assert said['chosen_on'] == dict(file='labelled.csv', sha256=digest)
  assert all((m['file'], m['sha256']) == ('labelled.csv', digest) for m in said['models'])


def test_one_model_is_not_chosen(tmp_path, model, capsys):
  (tmp_path / 'l.csv').write_text('text,label\nNo.,anger\n')
  assert run(f'--evaluate={tmp_path / "l.csv"}', f'--model={model}') == 0
  assert list(json.loads(capsys.readouterr().out)) == ['models']


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('text,label\nNo.,furious\n', "l.csv, line 2: unknown emotion label 'furious'"),
    ('text,label\nNo.,joy\nNo.,\n', 'l.csv, line 3: no label'),
    ('text,label\n,joy\n', 'l.csv, line 2: no text'),
    ('text,label\n', 'l.csv has no sentence'),
    ('Utterance,label\nNo.,joy\n', 'l.csv lacks the column text; it has Utterance, label'),
  ],
)
def test_what_is_wrong_in_a_labelled_file_is_said(tmp_path, model, capsys, content, message):
  (tmp_path / 'l.csv').write_text(content)
  assert run(f'--evaluate={tmp_path / "l.csv"}', f'--model={model}') == 2
  said = capsys.readouterr()
  assert message in said.err and said.err.count('\n') == 1
  assert not said.out


@pytest.mark.parametrize(
  ('words', 'message'),
  [
    ([], 'give either SUBTITLES.csv and --out, or --evaluate'),
    (['s.csv'], 'give either'),
    (['--evaluate=l.csv', '--out=o.csv'], '--evaluate goes without'),
    (['s.csv', '--out=o.csv', '--evaluate=l.csv'], '--evaluate goes without'),
    (['s.csv', '--out=o.csv', '--model=a', '--model=b'], 'several --model'),
    (['s.csv', '--out=o.csv', '--report=r.json'], '--report'),
    (['s.csv', '--out=o.csv', '--batch_size=0'], "'0' is not a whole number above 0"),
  ],
)
def test_arguments_that_do_not_go_together(tmp_path, monkeypatch, capsys, words, message):
  monkeypatch.chdir(tmp_path)
  assert run(*words) == 2
  assert message in capsys.readouterr().err
  assert not os.listdir(tmp_path)


def offline(home, *calls, **variables):
  """Runs the command once per list of words, with a hub's cache and no network."""
  environment = {k: v for k, v in os.environ.items() if not k.startswith('HF_')}
  environment |= {'HF_HOME': str(home), 'HF_HUB_OFFLINE': '1'} | variables
  program = 'import json, sys\nfrom emo_jax import errors, label\n'
  program += 'sys.exit(max(errors.exit_status(label.main, c) for c in json.loads(sys.argv[1])))'
  words = json.dumps([[str(word) for word in call] for call in calls])
  return subprocess.run(
    [sys.executable, '-c', program, words],
    env=environment,
    capture_output=True,
    text=True,
    timeout=100,
  )


def test_a_model_of_the_hub_is_labelled_with_its_commit(tmp_path, model, table):
  commit = '0123456789abcdef0123456789abcdef01234567'
  cache = tmp_path / 'hf' / 'hub' / 'models--somebody--emotions'
  shutil.copytree(model, cache / 'snapshots' / commit)
  (cache / 'refs').mkdir()
  calls = []
  for branch, name in (('main', 'somebody/emotions'), ('v1', 'somebody/emotions@v1')):
    (cache / 'refs' / branch).write_text(commit)
    calls.append((table, f'--model={name}', f'--out={tmp_path / branch}.csv'))
  done = offline(tmp_path / 'hf', *calls)
  assert done.returncode == 0, done.stderr
  for branch in ('main', 'v1'):
    found = label_files.read(tmp_path / f'{branch}.csv')
    assert (found.model, found.revision) == ('somebody/emotions', commit)


def said_to_be_missing(done):
  return (
    done.returncode == 2
    and done.stderr.count('\n') == 1
    and 'cannot get michellejieli/emotion_text_classifier from the Hugging Face hub' in done.stderr
    and 'give --model=DIR' in done.stderr
  )


def test_a_model_that_cannot_be_had_is_said_in_a_line(tmp_path, table):
  done = offline(tmp_path / 'hf', (table, f'--out={tmp_path / "out.csv"}'))
  assert said_to_be_missing(done), done.stderr


@pytest.mark.slow
def test_a_hub_that_never_answers_is_not_waited_for(tmp_path, table):
  with socket.create_server(('127.0.0.1', 0)) as silent:
    words = [table, f'--out={tmp_path / "out.csv"}']
    address = f'http://127.0.0.1:{silent.getsockname()[1]}'
    done = offline(tmp_path / 'hf', words, HF_HUB_OFFLINE='0', HF_ENDPOINT=address)
  assert said_to_be_missing(done), done.stderr


def test_labels_of_texts_that_changed_since_are_refused(tmp_path, model, table, capsys):
  out = tmp_path / 'out.csv'
  assert run(table, f'--model={model}', f'--out={out}') == 0
  made = out.read_text()
  table.write_text(table.read_text().replace('\n', ' indeed\n').replace('text indeed', 'text', 1))
  assert run(table, f'--model={model}', f'--out={out}') == 2
  assert 'has the labels of other texts' in capsys.readouterr().err and out.read_text() == made

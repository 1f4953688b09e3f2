"""What TensorBoard and trackers are told; `metrics.jsonl` is seen by the tests of training."""

import json
import struct
import sys
import types

import pytest
from tensorboardX.proto import event_pb2

from emo_jax import train
from emo_jax.errors import UserError
from tests import toys


def fit(workdir, tracker, after_step=lambda step, progress: None):
  config = toys.config(tracker=tracker, temporal='sequence')
  train.fit(config, workdir, toys.split(), toys.split(20, 1, 'toy:validation'), after_step)


def killed_and_resumed(workdir, tracker):
  def kill(step, _):
    if step > 10:
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    fit(workdir, tracker, kill)
  fit(workdir, tracker)


def losses_of_log(workdir):
  lines = map(json.loads, (workdir / 'metrics.jsonl').read_text().splitlines())
  return {line['step']: line['loss'] for line in lines if 'loss' in line}


def events_of(path):
  """Each record is a length, its checksum, an event and its checksum."""
  content, found = path.read_bytes(), []
  while content:
    (size,) = struct.unpack('Q', content[:8])
    found.append(event_pb2.Event.FromString(content[12 : 12 + size]))
    content = content[16 + size :]
  return found


def test_tensorboard_is_told_to_forget_what_a_killed_run_said_of_later_steps(tmp_path):
  killed_and_resumed(tmp_path, '')
  kept = {}
  for path in sorted(tmp_path.glob('events.out.tfevents.*'), key=lambda p: p.stat().st_mtime):
    version, start, *events = events_of(path)
    assert version.file_version == 'brain.Event:2'
    assert start.session_log.status == event_pb2.SessionLog.START
    kept = {at: value for at, value in kept.items() if at[1] < start.step}
    for event in events:
      (value,) = event.summary.value
      assert (value.tag, event.step) not in kept
      kept[value.tag, event.step] = value.simple_value
  losses = {step: value for (tag, step), value in kept.items() if tag == 'loss'}
  assert losses == pytest.approx(losses_of_log(tmp_path), rel=1e-6)
  assert {tag for tag, _ in kept} > {'clips_per_s', 'learning_rate', 'validation/macro_f1'}


def test_weights_and_biases_goes_on_with_the_same_run(tmp_path, monkeypatch):
  runs, logged = [], {}

  class Run:
    def log(self, values, step):
      logged.setdefault(step, {}).update(values)

    def finish(self):
      runs[-1]['finished'] = True

  def init(**options):
    runs.append(options)
    return Run()

  monkeypatch.setitem(sys.modules, 'wandb', types.SimpleNamespace(init=init))
  killed_and_resumed(tmp_path, 'wandb')
  first, second = runs
  assert first['id'] == second['id'] and second['resume'] == 'allow' and second['finished']
  assert first['config']['optim.name'] == 'adamw'
  assert {s: v['loss'] for s, v in logged.items() if 'loss' in v} == losses_of_log(tmp_path)
  assert any('clips_per_s' in v for v in logged.values())


def test_mlflow_goes_on_with_the_same_run(tmp_path, monkeypatch):
  made, logged, ended = [], {}, []

  class Client:
    def get_experiment_by_name(self, name):
      return types.SimpleNamespace(experiment_id='7') if made else None

    def create_experiment(self, name):
      return '7'

    def create_run(self, experiment, run_name):
      made.append((experiment, run_name))
      return types.SimpleNamespace(info=types.SimpleNamespace(run_id='abc'))

    def log_param(self, run, name, value):
      assert run == 'abc' and len(value) <= 500

    def log_metric(self, run, name, value, step):
      assert run == 'abc'
      logged[name, step] = value

    def set_terminated(self, run):
      ended.append(run)

  monkeypatch.setitem(sys.modules, 'mlflow', types.SimpleNamespace(MlflowClient=Client))
  killed_and_resumed(tmp_path, 'mlflow')
  assert len(made) == 1 and ended[-1] == 'abc'
  assert {s: v for (name, s), v in logged.items() if name == 'loss'} == losses_of_log(tmp_path)


@pytest.mark.parametrize('tracker', ['wandb', 'mlflow'])
def test_a_tracker_that_is_not_installed_is_a_line(tmp_path, tracker, monkeypatch):
  monkeypatch.setitem(sys.modules, tracker, None)
  with pytest.raises(UserError, match=rf"pip install -e '\.\[{tracker}\]'"):
    fit(tmp_path, tracker)


def test_a_tracker_that_cannot_begin_is_told_in_a_line(tmp_path, monkeypatch):
  def init(**options):
    raise RuntimeError('api_key not configured\nand more')

  monkeypatch.setitem(sys.modules, 'wandb', types.SimpleNamespace(init=init))
  with pytest.raises(UserError, match="'wandb', which cannot begin .*not configured.: log in"):
    fit(tmp_path, 'wandb')


def test_a_tracker_that_fails_later_costs_no_training(tmp_path, monkeypatch, capsys):
  class Run:
    def log(self, values, step):
      raise ConnectionResetError('gone')

  monkeypatch.setitem(sys.modules, 'wandb', types.SimpleNamespace(init=lambda **options: Run()))
  fit(tmp_path, 'wandb')
  said = capsys.readouterr().err
  assert said.count('warning: wandb gets no more of this run (ConnectionResetError: gone)') == 1
  assert max(losses_of_log(tmp_path)) == 20

"""Several real processes train and evaluate as one does, and end together when one of them fails.

Slurm is made up: JAX finds the processes by its variables.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import pytest

from emo_jax import errors, predictions

RUN = """
import json, os, sys, time
from pathlib import Path
from emo_jax import errors, experiment, members, processes, train
from tests import toys

how = json.loads(sys.argv[1])

def fail_at(step, progress):
  if step == how.get('at') and processes.index() == how.get('who'):
    if how['what'] == 'error':
      raise errors.UserError('only I know this')
    Path(how['workdir'], f'reached-{processes.index()}').touch()
    time.sleep(how['s'])

def main():
  if how['processes'] > 1:
    processes.start(how['timeout'])
  with processes.together(how['timeout']):
    workdir = Path(how['workdir'])
    if not processes.is_first():  # files of the others would not be found
      workdir = workdir / 'nobody-writes-here'
    else:
      workdir.mkdir(parents=True, exist_ok=True)
    config = toys.config(**how['config'])
    training, validation = toys.split(), toys.split(20, 1, 'toy:validation')
    if 'what' in how:
      train.fit(config, workdir, training, validation, fail_at)
    else:
      experiment.finish(config, workdir, training, validation, [toys.split(31, 2, 'toy:test')])

sys.exit(errors.exit_status(main))
"""


def free_job() -> int:
  """A Slurm job whose port, which JAX derives from it, nobody listens on."""
  for job in range(1 + os.getpid() % 1000, 4096):
    with contextlib.closing(socket.socket()) as tried:
      if tried.connect_ex(('localhost', 61440 + job)):
        return job
  raise RuntimeError('no free port')


def start(workdir: Path, processes: int, devices: int, timeout=60, **how) -> list[subprocess.Popen]:
  """Starts processes with so many devices each."""
  config = dict(devices=0, temporal='sequence') | how.pop('config', {})
  told = dict(workdir=str(workdir), processes=processes, timeout=timeout, config=config, **how)
  shared = os.environ | dict(
    XLA_FLAGS=f'--xla_force_host_platform_device_count={devices}',
    SLURM_JOB_ID=str(free_job()),
    SLURM_STEP_NODELIST='localhost',
    SLURM_NTASKS=str(processes),
    JAX_COMPILATION_CACHE_DIR=jax.config.jax_compilation_cache_dir,
    JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS='0.2',
  )
  return [
    subprocess.Popen(
      [sys.executable, '-c', RUN, json.dumps(told)],
      env=shared | dict(SLURM_PROCID=str(i), SLURM_LOCALID=str(i)),
      stderr=subprocess.PIPE,
      text=True,
    )
    for i in range(processes)
  ]


def end(started: list[subprocess.Popen]) -> tuple[list[int], list[str]]:
  """Status and what was said to stderr of each."""
  said = [process.communicate(timeout=150)[1] for process in started]
  return [process.returncode for process in started], said


@pytest.fixture(scope='module')
def whole(tmp_path_factory) -> Path:
  """A run that nothing happened to."""
  folder = tmp_path_factory.mktemp('runs') / 'whole'
  run(folder, 1, 2)
  return folder


def run(workdir: Path, processes: int, devices: int, **how) -> None:
  status, said = end(start(workdir, processes, devices, **how))
  assert status == [0] * processes, '\n'.join(said)
  assert not (workdir / 'nobody-writes-here').exists()


def wait_for(path: Path) -> None:
  until = time.monotonic() + 100
  while not path.exists():
    assert time.monotonic() < until
    time.sleep(0.1)


def require_alike(one: Path, other: Path) -> None:
  """The same lines of the log, scores and predictions, but for rounding."""
  logs = [
    [json.loads(line) for line in (run / 'metrics.jsonl').read_text().splitlines()]
    for run in (one, other)
  ]
  assert [list(line) for line in logs[0]] == [list(line) for line in logs[1]]
  for a, b in zip(*logs, strict=True):
    assert a == pytest.approx(b, rel=1e-4, abs=1e-6)
  reports = [json.loads((run / 'report.json').read_text()) for run in (one, other)]
  assert reports[0]['selected_step'] == reports[1]['selected_step']
  found = [predictions.read(predictions.file(run, 'toy', 'test', 'full')) for run in (one, other)]
  assert [p.id for p in found[0]] == [p.id for p in found[1]]
  assert len({(p.id, p.seed) for p in found[0]}) == len(found[0])
  for a, b in zip(*found, strict=True):
    assert a.probabilities == pytest.approx(b.probabilities, rel=1e-3, abs=1e-5)
  scores = [[e[k] for e in r['evals'] for k in ('n', 'n_clips', 'confusion')] for r in reports]
  assert scores[0] == scores[1]


@pytest.mark.parametrize(
  ('processes', 'config'),
  [
    (2, dict(train__input='resident', temporal='windows')),
    (4, dict(train__input='streamed')),
    pytest.param(
      *(2, dict(train__input='streamed', train__segment='random_2s', no_face='drop')),
      marks=pytest.mark.slow,
    ),
    pytest.param(
      *(2, dict(repeats=2, heads_at_once=2, train__steps_at_once=3)), marks=pytest.mark.slow
    ),
  ],
)
def test_several_processes_train_and_evaluate_as_one(tmp_path, processes, config):
  run(tmp_path / 'several', processes, 1, config=config)
  run(tmp_path / 'one', 1, processes, config=config)
  if 'repeats' in config:
    for head in ('seed0', 'seed1'):
      logs = [(tmp_path / run / 'heads' / head / 'metrics.jsonl') for run in ('one', 'several')]
      assert logs[0].read_text().count('\n') == logs[1].read_text().count('\n') > 5
    return
  require_alike(tmp_path / 'several', tmp_path / 'one')


def test_a_run_goes_on_with_another_number_of_processes(tmp_path, whole):
  started = start(tmp_path / 'broken', 2, 1, what='hang', who=0, at=10, s=100)
  wait_for(tmp_path / 'broken/reached-0')
  for process in started:
    process.kill()
  end(started)
  run(tmp_path / 'broken', 1, 2)
  require_alike(tmp_path / 'broken', whole)


def test_sigterm_to_one_ends_all_of_them_at_the_same_step(tmp_path, whole):
  started = start(tmp_path / 'broken', 2, 1, what='hang', who=1, at=5, s=3)
  wait_for(tmp_path / 'broken/reached-1')
  started[1].send_signal(signal.SIGTERM)
  status, said = end(started)
  assert status == [errors.REQUEUE] * 2, '\n'.join(said)
  assert len({line for text in said for line in text.splitlines() if 'SIGTERM: the' in line}) == 1
  run(tmp_path / 'broken', 2, 1)
  require_alike(tmp_path / 'broken', whole)


def test_a_process_that_hangs_ends_the_run_with_a_message(tmp_path):
  started = start(tmp_path, 2, 1, timeout=20, what='hang', who=1, at=5, s=120)
  began = time.monotonic()
  said = started[0].communicate(timeout=100)[1]
  assert time.monotonic() - began < 80
  assert started[0].returncode == 1
  (line,) = [line for line in said.splitlines() if line.startswith('error:')]
  assert 'process 0 of 2: another one hangs' in line and 'waited for 20 s' in line
  started[1].kill()
  end(started[1:])


@pytest.mark.parametrize('who', [0, 1])
def test_a_process_that_is_killed_ends_the_others_with_a_message(tmp_path, who):
  other = 1 - who
  started = start(tmp_path, 2, 1, timeout=20, what='hang', who=who, at=5, s=120)
  wait_for(tmp_path / f'reached-{who}')
  started[who].kill()
  said = started[other].communicate(timeout=100)[1]
  end([started[who]])
  assert started[other].returncode not in (0, errors.REQUEUE)
  assert 'another process is gone' in said or 'coordination service' in said.lower()


def test_an_error_of_one_ends_the_others(tmp_path):
  status, said = end(start(tmp_path, 2, 1, timeout=30, what='error', who=1, at=5))
  assert status[1] == 2 and status[0] == 1
  assert 'process 1 of 2:\nerror: only I know this\n' in said[1]
  assert 'another process is gone; its own message says why' in said[0]


def test_a_process_that_never_comes_is_a_line(tmp_path):
  (alone, other) = start(tmp_path / 'run', 2, 1, timeout=12)
  other.kill()
  said = end([alone, other])[1][0]
  assert alone.returncode == 1
  (line,) = [line for line in said.splitlines() if line.startswith('error:')]
  assert 'the others have not all come within 12 s' in line


def test_outside_a_cluster_it_is_a_line(tmp_path):
  plain = {name: value for name, value in os.environ.items() if not name.startswith('SLURM')}
  done = subprocess.run(
    [sys.executable, '-m', 'emo_jax.main', '--config=configs/eanwh.py', '--distributed']
    + [f'--workdir={tmp_path}/run'],
    env=plain,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 2
  (line,) = done.stderr.splitlines()
  assert line.startswith('error: --distributed: no cluster of processes to join')
  assert not (tmp_path / 'run').exists()

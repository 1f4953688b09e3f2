"""What pods and disks do to a run: it is told in a line, nothing is lost, and it ends the same."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import jax
import pytest

from emo_jax import experiment, finished_runs, run_dir, train
from emo_jax.errors import REQUEUE, Preempted, UserError
from emo_jax.members import Member
from tests import toys

ROOT = Path(__file__).parents[1]


# A load that fails leaves behind what Python complains of.
OF_ORBAX = pytest.mark.filterwarnings(
  'ignore:coroutine:RuntimeWarning', 'ignore::pytest.PytestUnraisableExceptionWarning'
)


class Killed(Exception):
  """Stands for a run that ends between two steps."""


def fit(workdir, after_step=lambda step, progress: None, heads=('',), **changes):
  """Trains toy heads; returns what they ended with and their logs."""
  config, validation = toys.config(**changes), toys.split(20, 1, 'toy:validation')
  members = [Member(name, seed, toys.split(), validation) for seed, name in enumerate(heads)]
  found = train.fit_all(config, workdir, members, after_step)
  logs = [(member.folder(workdir) / 'metrics.jsonl').read_text() for member in members]
  return [one.params for one in found], logs


def at(number, do):
  """An `after_step` that does something after one step."""

  def look(step, _):
    if step == number:
      do()

  return look


def kill_when_kept(checkpoint):
  """Checkpoints are written in the background."""

  def wait():
    while not checkpoint.is_dir():
      time.sleep(0.01)
    raise Killed

  return wait


def require_same(one, other):
  (params, logs), (its_params, its_logs) = one, other
  assert logs == its_logs
  for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(its_params), strict=True):
    assert a.tobytes() == b.tobytes()


def script(text, tmp_path, **variables):
  """A process that runs Python text in the folder of the project."""
  path = tmp_path / 'script.py'
  path.write_text(textwrap.dedent(text))
  environment = os.environ | dict(PYTHONPATH=str(ROOT)) | variables
  options = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
  return subprocess.Popen([sys.executable, str(path)], cwd=ROOT, env=environment, **options)


# In a process of its own, which is sent two of them and after training handles them as before.
PREEMPTED = """
import os, signal, sys
from pathlib import Path
from emo_jax import errors
from tests import test_training_faults

def ask():
  for _ in range(2):
    os.kill(os.getpid(), signal.SIGTERM)

def main():
  before = signal.getsignal(signal.SIGTERM)
  try:
    test_training_faults.fit(Path('{workdir}'), test_training_faults.at(5, ask), **{how})
  finally:
    print('as before' if signal.getsignal(signal.SIGTERM) is before else 'changed')

sys.exit(errors.exit_status(main))
"""


@pytest.mark.parametrize('heads', [('',), ('a', 'b')])
@pytest.mark.parametrize('way_in', ['resident', 'streamed'])
def test_a_run_that_was_preempted_has_saved_and_ends_the_same(tmp_path, capsys, heads, way_in):
  how = dict(heads=heads, heads_at_once=2, train__input=way_in, train__segment='random_2s')
  whole = fit(tmp_path / 'whole', **how)
  with script(PREEMPTED.format(workdir=tmp_path / 'broken', how=how), tmp_path) as process:
    said, stderr = process.communicate()
  assert (process.returncode, said) == (REQUEUE, 'as before\n'), stderr
  assert stderr.endswith('SIGTERM: the run is saved at step 5; started again, it goes on\n')
  capsys.readouterr()
  again = fit(tmp_path / 'broken', **how)
  assert 'resuming at step 5' in capsys.readouterr().err
  require_same(whole, again)


def test_a_run_that_is_asked_to_end_at_its_last_step_has_saved_it(tmp_path, capsys):
  whole = fit(tmp_path / 'whole')
  with pytest.raises(Preempted, match='saved at step 20'):
    fit(tmp_path / 'run', at(20, lambda: os.kill(os.getpid(), signal.SIGTERM)))
  require_same(whole, fit(tmp_path / 'run'))
  assert 'resuming at step 20' in capsys.readouterr().err


@OF_ORBAX
def test_a_finished_run_whose_checkpoint_is_damaged_is_told_in_a_line(tmp_path):
  workdir = toys.finished_run(tmp_path / 'run')
  assert finished_runs.open_run(workdir).params
  flip_one_bit(workdir / 'checkpoints/4')
  with pytest.raises(UserError, match='the checkpoint of step 4 in .* cannot be read .*: put it'):
    finished_runs.open_run(workdir)


def files_of(checkpoint):
  return [path for path in checkpoint.rglob('*') if path.is_file()]


def halve(checkpoint):
  for path in files_of(checkpoint):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(checkpoint):
  for path in files_of(checkpoint):
    path.write_bytes(bytes(255 - byte for byte in path.read_bytes()))


def lose(checkpoint):
  for path in files_of(checkpoint):
    if path.parent != checkpoint:
      path.unlink()


def flip_one_bit(checkpoint):
  """Of numbers, which hardly differ from noise: most of such files unpack as if nothing were."""
  largest = max(files_of(checkpoint), key=lambda path: path.stat().st_size)
  content = bytearray(largest.read_bytes())
  content[len(content) // 2] ^= 1
  largest.write_bytes(content)


@pytest.fixture(scope='module')
def broken_off(tmp_path_factory):
  """A run with checkpoints of steps 7 and 14, and what it should have ended with."""
  folder = tmp_path_factory.mktemp('run')
  whole = fit(folder / 'whole')
  with pytest.raises(Killed):
    fit(folder / 'broken', at(17, kill_when_kept(folder / 'broken/checkpoints/14')))
  return folder / 'broken', whole


@OF_ORBAX
@pytest.mark.parametrize('damage', [halve, flip, lose, flip_one_bit])
@pytest.mark.parametrize(('steps', 'then'), [((14,), 'that of step 7'), ((7, 14), 'none before')])
def test_a_damaged_checkpoint_is_named_set_aside_and_the_one_before_used(
  broken_off, tmp_path, capsys, damage, steps, then
):
  run, whole = broken_off
  workdir = shutil.copytree(run, tmp_path / 'run')
  for step in steps:
    damage(workdir / f'checkpoints/{step}')
  again = fit(workdir)
  said = capsys.readouterr().err
  for step in steps:
    assert f'the checkpoint of step {step} cannot be read' in said
  assert then in said
  aside = sorted(int(p.name.split('-')[0]) for p in (workdir / 'checkpoints-broken').iterdir())
  assert aside == sorted(steps)
  require_same(whole, again)


@OF_ORBAX
def test_heads_of_which_one_lost_its_checkpoint_are_trained_apart(tmp_path, capsys):
  how = dict(heads=('a', 'b'), heads_at_once=2)
  whole = fit(tmp_path / 'whole', **how)
  kept = tmp_path / 'broken/heads/b/checkpoints/14'
  with pytest.raises(Killed):
    fit(tmp_path / 'broken', at(17, kill_when_kept(kept)), **how)
  halve(tmp_path / 'broken/heads/a/checkpoints/14')
  params, logs = fit(tmp_path / 'broken', **how)
  assert [log.count('\n') for log in logs] == [log.count('\n') for log in whole[1]]


HOLD = """
import sys
from pathlib import Path
from emo_jax import run_dir
with run_dir.locked(Path('{workdir}')):
  print('held', flush=True)
  sys.stdin.read()
  import time
  time.sleep(60)
"""


def test_two_runs_in_one_workdir_are_told_apart(tmp_path):
  workdir = toys.finished_run(tmp_path / 'run')
  before = (workdir / 'report.json').read_bytes()
  with script(HOLD.format(workdir=workdir), tmp_path) as holder:
    assert holder.stdout.readline() == 'held\n'
    message = f'a run is going on in {workdir} .process {holder.pid} on .*another --workdir'
    with pytest.raises(UserError, match=message), run_dir.locked(workdir):
      pass
    holder.kill()  # the lock goes with its process
  with run_dir.locked(workdir):
    pass
  assert (workdir / 'report.json').read_bytes() == before


ELSEWHERE = """
import os, sys, time
from pathlib import Path
from emo_jax import run_dir
with run_dir.locked(Path('{workdir}')):
  Path('{workdir}/.lock').write_text('process 1 on another-node')
  print('held', flush=True)
  time.sleep({seconds})
"""


@pytest.mark.parametrize('seconds', [4, 60])
def test_a_lock_that_outlives_the_node_of_its_run_is_waited_for(
  tmp_path, monkeypatch, capsys, seconds
):
  monkeypatch.setattr(run_dir, 'LEASE_S', 10)
  with script(ELSEWHERE.format(workdir=tmp_path / 'run', seconds=seconds), tmp_path) as holder:
    assert holder.stdout.readline() == 'held\n'
    with contextlib.ExitStack() as held:
      if seconds > run_dir.LEASE_S:
        with pytest.raises(UserError, match='a run is going on in .*process 1 on another-node'):
          held.enter_context(run_dir.locked(tmp_path / 'run'))
      else:
        held.enter_context(run_dir.locked(tmp_path / 'run'))
    holder.kill()
  said = capsys.readouterr().err
  assert said.count('\n') == 1 and 'waiting up to 10 s: its lock may outlive it' in said


FULL = """
import resource, sys
from pathlib import Path
from emo_jax import errors
from tests import test_training_faults
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
sys.exit(errors.exit_status(lambda: test_training_faults.fit(Path('{workdir}')) and 0))
"""


def test_a_checkpoint_that_cannot_be_written_is_told_in_a_line(tmp_path):
  """No file may grow beyond 40 kB, as on a disk that is nearly full."""
  workdir = tmp_path / 'run'
  with script(FULL.format(workdir=workdir), tmp_path) as process:
    _, said = process.communicate()
  errors = [line for line in said.splitlines() if line.startswith('error: ')]
  assert process.returncode == 2 and len(errors) == 1, said
  assert 'Traceback' not in said and 'Event loop' not in said
  assert 'a checkpoint could not be written to' in errors[0]
  require_same(fit(tmp_path / 'whole'), fit(workdir))


FULL_LOGS = """
import resource, sys
from pathlib import Path
from emo_jax import errors
from tests import test_training_faults

def fill(step, progress):
  if step == 3:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))

fit = lambda: test_training_faults.fit(
  Path('{workdir}'), fill, log_steps=1, checkpoint_steps=10**6
)
sys.exit(errors.exit_status(lambda: fit() and 0))
"""


def test_a_log_that_cannot_be_written_is_told_in_a_line(tmp_path):
  with script(FULL_LOGS.format(workdir=tmp_path / 'run'), tmp_path) as process:
    _, said = process.communicate(timeout=100)
  assert process.returncode == 2 and 'Traceback' not in said, said
  (line,) = [line for line in said.splitlines() if line.startswith('error: ')]
  assert re.match(rf'error: File too large .{tmp_path}/run/(metrics|events).*: mend that', line)
  require_same(fit(tmp_path / 'whole', log_steps=1), fit(tmp_path / 'run', log_steps=1))


def test_a_full_disk_is_told_before_anything_is_half_written(tmp_path, monkeypatch):
  usage = shutil.disk_usage(tmp_path)
  with monkeypatch.context() as patched:
    patched.setattr(shutil, 'disk_usage', lambda path: usage._replace(free=300_000))
    with pytest.raises(UserError, match='no room for a checkpoint: 0 MB are free at .*run, 1 MB'):
      fit(tmp_path / 'run')
  require_same(fit(tmp_path / 'whole'), fit(tmp_path / 'run'))


def test_a_workdir_that_cannot_be_made_is_told(tmp_path):
  (tmp_path / 'file').write_text('')
  config = toys.config(data__dir=str(tmp_path))
  config['embedded'] |= dict(train='signsim:weak', validation='signsim:validation', test=())
  config['data'] = config['embedded'] | dict(dir='')
  with pytest.raises(UserError, match=f'cannot write to {tmp_path}/file/run: Not a directory'):
    experiment.run(config, tmp_path / 'file/run')

"""The launch scripts do what their headers say, with stand-ins for the programs they call."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

LAUNCH = Path(__file__).parents[1] / 'launch'
SCRIPTS = sorted(LAUNCH.glob('*.sh'))

# A run: it says how it was called, and that it trains; SIGTERM makes it save for a while.
RUN = """#!/usr/bin/env bash
trap 'sleep 0.5; echo saved >> "$HERE/log"; exit 75' TERM
echo "$@" >> "$HERE/log"
if [ "$STATUS" = wait ]; then
  echo training
  while true; do sleep 0.05; done
fi
exit "$STATUS"
"""


@pytest.fixture
def start(tmp_path):
  """start(script, status, *flags) -> a process; `status` is the run's, or `wait`."""
  programs = tmp_path / 'bin'
  programs.mkdir()
  for name, text in {
    'python': RUN,
    'srun': '#!/usr/bin/env bash\nexec "$@"\n',
    'scontrol': '#!/usr/bin/env bash\necho "scontrol $*" >> "$HERE/log"\n',
  }.items():
    (programs / name).write_text(text)
    (programs / name).chmod(0o755)

  def call(script, status, *flags):
    own = dict(HERE=str(tmp_path), STATUS=str(status), RUN='runs/x', SLURM_JOB_ID='17')
    path = f'{programs}{os.pathsep}{os.environ["PATH"]}'
    environment = os.environ | own | dict(PATH=path, SLURM_SUBMIT_DIR=str(LAUNCH.parent))
    words = ['bash', str(LAUNCH / script), *flags]
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)

  return call


def log(tmp_path):
  return (tmp_path / 'log').read_text().splitlines()


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_sound_and_say_what_to_change(script):
  program = shutil.which('shellcheck', path=str(Path(sys.executable).parent))
  done = subprocess.run([program, str(script)], capture_output=True, text=True)
  assert done.returncode == 0, done.stdout
  lines = script.read_text().splitlines()
  assert lines[0] == '#!/usr/bin/env bash' and os.access(script, os.X_OK)
  assert re.match(r'# Trains .*\.', lines[1]) and 'hange' in ' '.join(lines[1:4])


@pytest.mark.parametrize('script', [s.name for s in SCRIPTS])
def test_a_run_is_started_as_its_readme_says(start, tmp_path, script, monkeypatch):
  monkeypatch.setenv('DATA', '/data/tfds')
  with start(script, 0, '--config.seed=1') as process:
    pass
  assert process.returncode == 0
  flags = '--config=configs/eanwh.py --workdir=runs/x --config.data.dir=/data/tfds --config.seed=1'
  assert log(tmp_path) == [f'-m emo_jax.main {flags}']


@pytest.mark.parametrize('script', [s.name for s in SCRIPTS])
def test_a_mistake_is_not_tried_again(start, tmp_path, script):
  with start(script, 2) as process:
    pass
  assert process.returncode == 2 and len(log(tmp_path)) == 1


def test_a_preempted_slurm_job_saves_and_is_requeued(start, tmp_path):
  with start('slurm.sh', 'wait') as process:
    assert process.stdout.readline() == 'training\n'
    process.send_signal(signal.SIGTERM)
    process.wait(20)
  assert process.returncode == 0
  assert log(tmp_path)[1:] == ['saved', 'scontrol requeue 17']


def test_a_slurm_job_that_fails_otherwise_is_not_requeued(start, tmp_path):
  with start('slurm.sh', 137) as process:
    pass
  assert process.returncode == 137 and len(log(tmp_path)) == 1


def test_one_machine_starts_a_run_that_died_up_to_three_times(start, tmp_path):
  with start('one_machine.sh', 137) as process:
    pass
  assert process.returncode == 137 and len(log(tmp_path)) == 3


def test_one_machine_leaves_a_run_that_was_asked_to_end(start, tmp_path):
  with start('one_machine.sh', 75) as process:
    pass
  assert process.returncode == 75 and len(log(tmp_path)) == 1

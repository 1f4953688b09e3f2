"""The launch scripts do what their headers say, with stand-ins for the programs they call."""

import contextlib
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from emo_jax import config_flags

LAUNCH = Path(__file__).parents[1] / 'launch'
SCRIPTS = sorted(LAUNCH.glob('*.sh'))

# A run: it says how it was called, and that it trains; SIGTERM makes it save for a while.
RUN = """#!/usr/bin/env bash
trap 'sleep 0.5; echo saved >> "$HERE/log"; exit 75' TERM
echo "$$" > "$HERE/pid"
echo "$@" >> "$HERE/log"
if [ "$STATUS" = wait ]; then
  echo training
  while true; do sleep 0.05; done
fi
exit "$STATUS"
"""

# As the real one it kills its tasks when it gets the signal itself.
SRUN = """#!/usr/bin/env bash
while [[ $1 == --* ]]; do shift; done
"$@" &
trap 'kill -KILL $!; exit 143' TERM
wait $!
"""

SCONTROL = """#!/usr/bin/env bash
if [ "$1" = show ]; then
  echo "JobId=17 JobState=${STATE:-RUNNING} Reason=None"
else
  echo "scontrol $*" >> "$HERE/log"
fi
"""


@pytest.fixture
def start(tmp_path):
  """`with start(script, status, *flags) as process`; `status` is the run's, or `wait`."""
  programs = tmp_path / 'bin'
  (tmp_path / 'emo_jax').mkdir()
  programs.mkdir()
  for name, text in {
    'python': RUN,
    'srun': SRUN,
    'gcloud': '#!/usr/bin/env bash\nlast="${*: -1:1}"\neval "${last#--command=}"\n',
    'scontrol': SCONTROL,
  }.items():
    (programs / name).write_text(text)
    (programs / name).chmod(0o755)

  @contextlib.contextmanager
  def call(script, status, *flags):
    own = dict(HERE=str(tmp_path), STATUS=str(status), SLURM_JOB_ID='17')
    own |= dict(
      RUN=str(tmp_path / 'runs x'), TPU='slice', ZONE='zone', REPO=str(tmp_path / 'emo_jax')
    )
    path = f'{programs}{os.pathsep}{os.environ["PATH"]}'
    environment = os.environ | own | dict(PATH=path, SLURM_SUBMIT_DIR=str(LAUNCH.parent))
    # A shell cannot heed what was ignored before it started, as behind nohup.
    words = ['env', '--default-signal=INT', 'bash', str(LAUNCH / script), *flags]
    with subprocess.Popen(
      words,
      env=environment,
      stdout=subprocess.PIPE,
      text=True,
      start_new_session=True,
    ) as process:
      try:
        yield process
      except BaseException:  # otherwise it would be waited for without end
        os.killpg(process.pid, signal.SIGKILL)
        raise

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
  flags = f'--config=configs/eanwh.py --workdir={tmp_path}/runs x '
  flags += '--config.data.dir=/data/tfds --config.seed=1'
  joins = '' if script == 'one_machine.sh' else '--distributed '
  assert log(tmp_path) == [f'-m emo_jax.main {joins}{flags}']


@pytest.mark.parametrize('script', [s.name for s in SCRIPTS])
def test_a_mistake_is_not_tried_again(start, tmp_path, script):
  with start(script, 2) as process:
    pass
  assert process.returncode == 2 and len(log(tmp_path)) == 1


def test_a_preempted_slurm_job_saves_and_is_requeued(start, tmp_path):
  with start('slurm.sh', 'wait') as process:
    assert process.stdout.readline() == 'training\n'
    process.send_signal(signal.SIGTERM)  # the script is to stand it
    os.kill(int((tmp_path / 'pid').read_text()), signal.SIGTERM)  # as Slurm does to tasks
    process.wait(20)
  assert process.returncode == 0
  assert log(tmp_path)[1:] == ['saved', 'scontrol requeue 17']
  assert '#SBATCH --signal=TERM@' in (LAUNCH / 'slurm.sh').read_text()


def test_a_slurm_job_that_was_cancelled_is_not_requeued(start, tmp_path, monkeypatch):
  monkeypatch.setenv('STATE', 'CANCELLED')
  for status in (75, 137):
    with start('slurm.sh', status) as process:
      pass
    assert process.returncode == status
  assert 'scontrol requeue 17' not in log(tmp_path)


def test_a_slurm_job_that_was_preempted_before_it_trained_is_requeued_however_often(
  start, tmp_path
):
  for _ in range(5):
    with start('slurm.sh', 143) as process:
      pass
    assert process.returncode == 0
  assert log(tmp_path).count('scontrol requeue 17') == 5


def test_a_slurm_job_of_which_a_process_died_is_requeued_three_times(start, tmp_path):
  for run, status in ((137, 0), (75, 0), (1, 0), (75, 0), (137, 0), (75, 0), (137, 137)):
    with start('slurm.sh', run) as process:
      pass
    assert process.returncode == status
  assert log(tmp_path).count('scontrol requeue 17') == 6


@pytest.mark.parametrize('script', ['one_machine.sh', 'tpu_pod.sh'])
def test_a_run_that_died_is_started_up_to_three_times(start, tmp_path, script):
  with start(script, 137) as process:
    pass
  assert process.returncode == 137 and len(log(tmp_path)) == 3


def test_one_machine_leaves_a_run_that_was_asked_to_end(start, tmp_path):
  with start('one_machine.sh', 75) as process:
    pass
  assert process.returncode == 75 and len(log(tmp_path)) == 1


@pytest.mark.parametrize('asked', [signal.SIGTERM, signal.SIGINT])
def test_one_machine_passes_on_that_it_is_to_end(start, tmp_path, asked):
  with start('one_machine.sh', 'wait') as process:
    assert process.stdout.readline() == 'training\n'
    process.send_signal(asked)
    process.wait(20)
  assert process.returncode == 75
  assert log(tmp_path)[1:] == ['saved']


def test_the_job_set_starts_what_the_readme_says_on_every_host():
  (job_set,) = yaml.safe_load_all((LAUNCH / 'jobset.yaml').read_text())
  assert (job_set['apiVersion'], job_set['kind']) == ('jobset.x-k8s.io/v1alpha2', 'JobSet')
  (hosts,) = job_set['spec']['replicatedJobs']
  job = hosts['template']['spec']
  assert job['parallelism'] == job['completions'] and job['completionMode'] == 'Indexed'
  pod = job['template']['spec']
  (container,) = pod['containers']
  # Kubernetes refuses what is none of these, and needs the last with a policy for failed pods.
  assert set(job) <= {
    'parallelism',
    'completions',
    'completionMode',
    'backoffLimit',
    'podFailurePolicy',
    'template',
  }
  assert pod['restartPolicy'] == 'Never'
  # All restart together; a mistake (status 2) ends them for good.
  (rule,) = job['podFailurePolicy']['rules']
  assert rule['action'] == 'FailJob' and rule['onExitCodes'] == dict(
    containerName=container['name'], operator='In', values=[2]
  )
  assert job['backoffLimit'] == 0 and job_set['spec']['failurePolicy']['maxRestarts'] > 0
  (for_good,) = job_set['spec']['failurePolicy']['rules']
  assert for_good == dict(action='FailJobSet', onJobFailureReasons=['PodFailurePolicy'])
  # A slice of 4 x 4 chips is four hosts of four.
  chips = [int(n) for n in pod['nodeSelector']['cloud.google.com/gke-tpu-topology'].split('x')]
  per_host = container['resources']['limits']['google.com/tpu']
  assert math.prod(chips) == per_host * job['parallelism']
  mounted = {mount['name'] for mount in container['volumeMounts']}
  assert mounted == {volume['name'] for volume in pod['volumes']}
  words = [*container['command'], *container['args']]
  assert words[:3] == ['python', '-m', 'emo_jax.main']
  flags = config_flags.parse(words[2:])
  assert flags.distributed and str(flags.workdir).startswith('/shared/')

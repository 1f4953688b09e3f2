"""The commands as a user gives them, in processes of their own."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emo_jax import errors, evaluate, run_report
from tests import toys

ROOT = Path(__file__).parents[1]
MAIN = 'python -m emo_jax.main --config=configs/eanwh.py'
# Seconds of training on the embedded corpus, with a small head.
SHORT = ['--config.model.hidden=(16,8)', '--config.train.total_epochs=0']


def environment(tmp_path, **more):
  """No user's directories, one device; the embedded corpus is built once for all tests."""
  kept = {k: v for k, v in os.environ.items() if k not in ('TFDS_DATA_DIR', 'XLA_FLAGS')}
  cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
  home = tmp_path / 'home'
  home.mkdir(exist_ok=True)
  return kept | dict(HOME=str(home), XDG_CACHE_HOME=str(cache)) | more


def run(tmp_path, *flags, **more):
  command = MAIN.split()
  return subprocess.run(
    [sys.executable, *command[1:], *flags],
    cwd=ROOT,
    env=environment(tmp_path, **more),
    capture_output=True,
    text=True,
  )


@pytest.fixture
def slim_image(tmp_path) -> str:
  """A PYTHONPATH on which what training must not need cannot be loaded, as on slim images."""
  for name in ('cv2', 'mediapipe', 'torch', 'tensorflow', 'transformers'):
    (tmp_path / f'{name}.py').write_text("raise ImportError('libGL.so.1: cannot open')")
  return str(tmp_path)


def test_the_main_job_end_to_end_on_a_slim_image(tmp_path, slim_image):
  workdir = tmp_path / 'run'
  flags = [f'--workdir={workdir}', *SHORT, '--config.train.total_steps=25']
  done = run(tmp_path, *flags, PYTHONPATH=slim_image)
  assert done.returncode == 0, done.stderr
  first = done.stderr.index('SYNTHETIC corpus signsim')
  assert first < done.stderr.index('training on 2100 of 2100 clips')
  assert re.search(
    r'step 20/25  loss \d\.\d+  [\d,]+ clips/s  input wait \d+ %  \d+:\d\d left', done.stderr
  )
  assert '** Trained on the SYNTHETIC corpus' in done.stdout
  shown = [Path(line) for line in done.stdout.splitlines() if line.startswith(str(workdir))]
  assert [p.suffix for p in shown] == ['.md', '.png', '.png', '.png', '.png']
  assert all(p.stat().st_size > 1000 for p in shown)

  result = json.loads((workdir / 'report.json').read_text())
  assert result['synthetic'] is True and result['random_backbone'] is False
  assert result['params']['total'] - result['params']['head'] == run_report.BACKBONE_PARAMETERS
  assert [(e['corpus'], e['split'], e['n']) for e in result['evals']] == [
    ('signsim', 'bobsl_like', 930),
    ('signsim', 'ejsl_like', 1092),
    ('signsim', 'emosign_like', 140),
  ]
  for entry in result['evals']:
    assert 0 <= entry['macro_f1'] <= 1 and len(entry['confusion']) == 7
    file = f'{entry["corpus"]}-{entry["split"]}-{entry["segment"]}.jsonl'
    lines = (workdir / 'predictions' / file).read_text().splitlines()
    assert len({json.loads(line)['id'] for line in lines}) == entry['n']
  assert json.loads((workdir / 'config.json').read_text())['train']['total_steps'] == 25
  assert list(workdir.glob('events.out.tfevents.*')) and (workdir / 'checkpoints/25').is_dir()

  again = run(tmp_path, f'--workdir={workdir}', *SHORT, '--config.train.total_steps=30')
  assert again.returncode == 2
  assert again.stderr.splitlines()[-1].startswith('error: ')
  assert 'train.total_steps was 25, is 30' in again.stderr


@pytest.mark.slow
def test_the_literal_command_without_any_flag(tmp_path):
  """In a folder of its own, since it writes to runs/."""
  (tmp_path / 'configs').symlink_to(ROOT / 'configs')
  done = subprocess.run(
    [sys.executable, *MAIN.split()[1:]],
    cwd=tmp_path,
    env=environment(tmp_path),
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  (workdir,) = (tmp_path / 'runs').glob('eanwh-*')
  result = json.loads((workdir / 'report.json').read_text())
  assert result['params'] == {'head': 3_060_487, 'total': 27_674_318}
  balanced = next(e for e in result['evals'] if e['split'] == 'ejsl_like')
  assert balanced['macro_f1'] > 2 / 7


def started(tmp_path, workdir, *flags):
  return subprocess.Popen(
    [sys.executable, *MAIN.split()[1:], f'--workdir={workdir}', *flags],
    cwd=ROOT,
    env=environment(tmp_path),
    stderr=subprocess.PIPE,
    text=True,
  )


def steps_said(process):
  """The numbers of steps, as a process that trains says them."""
  for line in process.stderr:
    if found := re.match(r'step (\d+)/\d+  loss', line):
      yield int(found[1])


def require_same_run(one, other):
  assert (one / 'metrics.jsonl').read_bytes() == (other / 'metrics.jsonl').read_bytes()
  for file in (one / 'predictions').iterdir():
    assert file.read_bytes() == (other / 'predictions' / file.name).read_bytes()
  heads = [json.loads((run / 'report.json').read_text())['heads'] for run in (one, other)]
  assert heads[0] == heads[1]  # with the digests of their parameters


@pytest.mark.slow
@pytest.mark.parametrize('way_in', ['resident', 'streamed'])
def test_sigkill_at_ten_random_moments_costs_nothing_but_time(tmp_path, way_in):
  """Every second step is kept, so that some of the kills fall into the writing of a checkpoint."""
  flags = [*SHORT, '--config.train.total_steps=100', f'--config.train.input={way_in}']
  flags += ['--config.checkpoint_steps=2', '--config.log_steps=1']
  flags += ['--config.train.segment=random_2s', '--config.embedded.test=("signsim:emosign_like",)']
  whole, broken = tmp_path / 'whole', tmp_path / 'broken'
  assert run(tmp_path, f'--workdir={whole}', *flags).returncode == 0
  drawn = random.Random(way_in)
  for _ in range(10):
    target = None
    with started(tmp_path, broken, *flags) as process:
      for step in steps_said(process):
        target = target or step + drawn.randrange(1, 8)
        if step >= target:
          time.sleep(drawn.random() / 20)
          process.kill()
          break
      assert process.wait() == -signal.SIGKILL
  resumed = run(tmp_path, f'--workdir={broken}', *flags)
  assert resumed.returncode == 0 and 'resuming at step' in resumed.stderr
  assert 'cannot be read' not in resumed.stderr
  require_same_run(whole, broken)


@pytest.mark.slow
def test_sigterm_ends_a_run_with_the_status_that_is_requeued(tmp_path):
  flags = [*SHORT, '--config.train.total_steps=60', '--config.checkpoint_steps=1000']
  whole, broken = tmp_path / 'whole', tmp_path / 'broken'
  assert run(tmp_path, f'--workdir={whole}', *flags).returncode == 0
  with started(tmp_path, broken, *flags) as process:
    assert next(steps_said(process)) == 20
    process.terminate()
    rest = process.stderr.read()
  assert process.returncode == errors.REQUEUE == 75
  assert re.search(r'SIGTERM: the run is saved at step \d+; started again, it goes on', rest)
  resumed = run(tmp_path, f'--workdir={broken}', *flags)
  assert resumed.returncode == 0 and 'resuming at step' in resumed.stderr
  require_same_run(whole, broken)


@pytest.mark.parametrize(
  ('flags', 'more', 'message'),
  [
    (
      ['--config.data.dir=/nowhere'],
      {},
      'no bobsl/a_tea in /nowhere .*tfds_builders.build bobsl/a_tea',
    ),
    ([], {'TFDS_DATA_DIR': '/nowhere'}, 'no bobsl/a_tea in /nowhere'),
    (['--config.optim.learning_rat=1'], {}, "unknown flag .*did you mean 'config.optim.learning_r"),
    (['--config.embedded.train=signsim:weaks'], {}, "no split 'weaks' .did you mean 'weak'"),
    (['--config.embedded.train=signsim'], {}, "'signsim' names no corpus"),
    (['--config.embedded.train=signsim/seedx:weak'], {}, "no config 'seedx'"),
    (['--config.task=emotions'], {}, "unknown task 'emotions'"),
    (['--config.init_weights=/nowhere'], {}, 'no weight file at /nowhere'),
    (['--workdir=/proc/run'], {}, 'cannot write to /proc/run'),
    (['--config=configs/jsl_handedness.py'], {}, 'no directory holds ejsl:signer_d'),
  ],
)
def test_mistakes_are_one_line_and_status_2(tmp_path, flags, more, message):
  workdir = [f'--workdir={tmp_path / "run"}']
  done = run(tmp_path, *workdir, *SHORT, '--config.train.total_steps=2', *flags, **more)
  assert done.returncode == 2
  assert 'Traceback' not in done.stderr
  assert re.search(message, done.stderr.splitlines()[-1])


def test_evaluate_adds_a_segment_and_replaces_what_it_had(tmp_path, monkeypatch, capsys):
  workdir = toys.finished_run(tmp_path)
  monkeypatch.setattr('emo_jax.corpora.open_split', lambda spec, where: toys.split(12, 3, spec))
  arguments = [str(workdir), '--corpus=toy', '--split=test', '--segment=last_2s']
  for _ in range(2):
    assert errors.exit_status(evaluate.main, arguments) == 0
  kept = [(e['segment'], e['n']) for e in run_report.read(workdir)['evals']]
  assert kept == [('full', 30), ('last_2s', 12)]
  assert (workdir / 'confusion-toy-test-last_2s.png').exists()
  assert errors.exit_status(evaluate.main, [*arguments[:-1], '--segment=last']) == 2
  assert 'must be one of full, random_2s, last_2s' in capsys.readouterr().err


def test_evaluate_needs_a_finished_run(tmp_path, capsys):
  arguments = [str(tmp_path), '--corpus=toy', '--split=test']
  assert errors.exit_status(evaluate.main, arguments) == 2
  assert 'name the --workdir of a run' in capsys.readouterr().err

"""A small BOBSL all the way: clips, weak labels of their texts, training; killed on the way."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.text import tiny_models
from tests.tfds_builders import bobsl_tree

VIDEOS = ('dragonfly', 'fly', 'swim', 'yellow', 'wine', 'winter', 'pine')
CUES = (
  (0, 0.8, 'I am so glad!'),
  (0.5, 1.2, 'What? No, never!'),
  (0.9, 1.5, 'It is you.'),
)


@pytest.fixture(scope='module')
def tree(shared, tmp_path_factory) -> Path:
  """Seven episodes of a clip of signing each."""
  videos = iter(VIDEOS)
  return bobsl_tree.write(
    tmp_path_factory.mktemp('bobsl'),
    cues=CUES,
    video=lambda path: shutil.copy(shared / f'data/signing/Jsl_{next(videos)}.mp4', path),
  )


def python(*words: object, **options) -> subprocess.Popen:
  """A command of ours in a process of its own."""
  environment = {k: v for k, v in os.environ.items() if k != 'XLA_FLAGS'}
  command = [sys.executable, '-m', *map(str, words)]
  return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, **options)


def finished(process: subprocess.Popen) -> str:
  """What a command said on stderr, once it is done."""
  _, err = process.communicate(timeout=600)
  assert process.returncode == 0, err
  return err


@pytest.mark.slow
def test_from_clips_by_weak_labels_to_a_trained_model(shared, tree, tmp_path):
  data, run = tmp_path / 'data', tmp_path / 'run'
  subtitles, labels = tmp_path / 'subtitles.csv', tmp_path / 'labels.csv'
  choices = ('--alignment=sat', '--with_manual_episodes')
  where = (f'--manual_dir={tree}', f'--data_dir={data}', '--weights=random')
  hand_model = f'--hand_model={shared}/models/hand_landmarker.task'

  features = data / 'features' / 'bobsl'
  process = python('tfds_builders.build', 'bobsl/a', *where, *choices, hand_model)
  while process.poll() is None and not list(features.glob('*.npz')):
    time.sleep(0.02)
  process.send_signal(signal.SIGKILL)
  assert process.wait() == -signal.SIGKILL
  process.stderr.close()
  done = {path: path.stat().st_mtime_ns for path in features.glob('*.npz')}
  assert 0 < len(done) < len(VIDEOS) and not (data / 'bobsl' / 'a' / '1.1.0').exists()

  err = finished(python('tfds_builders.build', 'bobsl/a', *where, *choices, hand_model))
  assert f'{len(done)} episodes are extracted already' in err
  assert {path: path.stat().st_mtime_ns for path in done} == done
  assert len(list(features.glob('*.npz'))) == len(VIDEOS)

  finished(python('emo_jax.cues', 'bobsl', f'--root={tree}', f'--out={subtitles}', *choices))
  model = tiny_models.save(tmp_path / 'model')
  finished(python('emo_jax.label', f'--model={model}', subtitles, f'--out={labels}'))

  weak = ('bobsl/a_tea', *where, *choices, hand_model, f'--labels={labels}')
  err = finished(python('tfds_builders.build', *weak))
  assert f'{len(VIDEOS)} episodes are extracted already' in err
  assert 'have no label' not in err and 'not selected' not in err

  settings = dict(
    data__dir=data,
    data__test=('bobsl/a_tea:test',),
    train__total_epochs=2,
    train__batch_size=4,
    model__hidden=(16, 8),
    devices=1,
  )
  flags = [f'--config.{name.replace("__", ".")}={value}' for name, value in settings.items()]
  finished(python('emo_jax.main', '--config=configs/eanwh.py', f'--workdir={run}', *flags))
  report = json.loads((run / 'report.json').read_text())
  assert report['random_backbone'] and not report['synthetic']
  (entry,) = report['evals']
  clips = len(CUES) * len(bobsl_tree.TEST)
  assert (entry['corpus'], entry['split'], entry['n']) == ('bobsl/a_tea', 'test', clips)

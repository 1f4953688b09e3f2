"""Small splits of random clips in memory, and a config that trains on them in seconds."""

import json
from pathlib import Path

import numpy as np

from configs import eanwh
from emo_jax import experiment, provenance, run_dir
from emo_jax.corpora import Split

KEY = provenance.compatibility_key(
  backbone='synthetic:toy', detector='none', resize='none', sampling='index', hand_model='none'
)


def clip(
  rng: np.random.Generator, clip_id: str, frames: int, label: int, signer: str = 'somebody'
) -> dict:
  """One stored example; the label shows in the face."""
  face = np.maximum(rng.standard_normal((frames, 512)) + 2 * (np.arange(512) % 7 == label), 0)
  return dict(
    id=clip_id.encode(),
    signer=signer.encode(),
    utterance=clip_id.encode(),
    face=face.astype(np.float32),
    face_present=np.ones(frames, bool),
    hand_points=rng.uniform(0, 400, (frames, 2, 21, 3)).astype(np.float32),
    hand_score=np.ones((frames, 2), np.float32),
    time_s=np.arange(frames, dtype=np.float32) / 5,
    labels=dict(emotion=label),
  )


def split(count: int = 45, seed: int = 0, spec: str = 'toy:train') -> Split:
  """Clips of 4 to 25 frames by three signers, `spec`-0 to -2; the last one has no face."""
  rng = np.random.default_rng(seed)
  clips = [
    clip(rng, f'{spec}-{i}', int(rng.integers(4, 26)), int(rng.integers(7)), f'{spec}-{i % 3}')
    for i in range(count)
  ]
  clips[-1]['face_present'][:] = False
  return Split(spec, clips, KEY, ('emotion',))


def config(**changes) -> dict:
  """configs/eanwh.py with a small head; `train__batch_size=8` changes `train.batch_size`."""
  small = eanwh.get_config().to_dict()
  small['model']['hidden'] = (16, 8)
  small['train'] |= dict(batch_size=16, total_epochs=0, total_steps=20)
  small |= dict(devices=1, log_steps=3, checkpoint_steps=7)
  for name, value in changes.items():
    *parents, leaf = name.split('__')
    node = small
    for parent in parents:
      node = node[parent]
    node[leaf] = value
  return small


def finished_run(workdir: Path) -> Path:
  """A run on the toy splits, trained and reported."""
  train, validation, test = split(), split(20, 1, 'toy:validation'), split(30, 2, 'toy:test')
  plain = json.loads(json.dumps(config(train__total_steps=4)))
  run_dir.claim(workdir, plain, dict(train=train.spec))
  experiment.finish(plain, workdir, train, validation, [test])
  return workdir

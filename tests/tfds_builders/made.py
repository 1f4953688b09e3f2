"""Small data sets of random clips, built by TFDS in a folder, under any corpus' name."""

import contextlib
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from emo_jax import labels
from emo_jax.video import clip as clip_lib
from tests import toys
from tfds_builders import clip_features


def clip(frames: int, *, faces: float = 1.0, hands: Sequence[float] = (1.0, 1.0)) -> clip_lib.Clip:
  """Frames at 5 per second; the first ones, by share, show a face, the left and the right hand."""
  first = np.arange(frames) / max(frames, 1)
  fields = {
    name: np.zeros([frames if n is None else n for n in shape], dtype)
    for name, (shape, dtype) in clip_lib.FIELDS.items()
  }
  fields |= dict(
    face=np.random.default_rng(frames).uniform(size=(frames, 512)).astype(np.float32),
    face_present=first < faces,
    hand_score=(first[:, None] < np.array(hands)).astype(np.float32),
    time_s=np.arange(frames, dtype=np.float32) / 5,
    fps=np.float32(25),
  )
  return clip_lib.Clip(**fields)


def build(
  folder: Path,
  splits: Mapping[str, Sequence[Mapping[str, Any]]],
  name: str = 'ejsl',
  config: str = '',
  key: Mapping[str, str] = toys.KEY,
) -> Path:
  """Builds a data set; returns the folder of its version.

  Args:
    folder: where data sets lie.
    splits: clips by split: `signer`, `utterance`, labels by task and what `clip` takes.
    name, config: of the corpus.
    key: its compatibility key.
  """
  configs = [tfds.core.BuilderConfig(name=config)] if config else []
  members = dict(
    __module__=__name__,
    VERSION=clip_features.VERSION,
    BUILDER_CONFIGS=configs,
    url_infos=None,
    name=name,
    _info=lambda self: tfds.core.DatasetInfo(
      builder=self,
      features=clip_features.features(tuple(labels.TASKS)),
      metadata=tfds.core.MetadataDict({clip_features.KEY: dict(key)}),
    ),
    _split_generators=lambda self, _: {s: self._generate_examples(s) for s in splits},
    _generate_examples=lambda self, split: _examples(split, splits[split]),
  )
  parents, settings = (tfds.core.GeneratorBasedBuilder,), dict(skip_registration=True)
  made = types.new_class('Made', parents, settings, lambda body: body.update(members))
  builder = made(data_dir=folder, config=config or None, file_format='array_record')
  with contextlib.redirect_stdout(sys.stderr):
    builder.download_and_prepare()
  return Path(builder.data_dir)


def _examples(split: str, clips: Sequence[Mapping[str, Any]]):
  for number, described in enumerate(clips):
    given = dict(described)
    of_tasks = {task: labels.index(task, given.pop(task, '')) for task in labels.TASKS}
    who = {what: given.pop(what, split) for what in ('signer', 'utterance')}
    clip_id = f'{split}_{number}'
    made = clip(**({'frames': 10} | given))
    yield clip_id, clip_features.example(made, id=clip_id, text='', task_labels=of_tasks, **who)

"""A small BOBSL of real clips: what its tests know of it, and how they build and read it."""

from pathlib import Path

import tensorflow_datasets as tfds

from emo_jax import corpora, label_files, labels
from emo_jax.errors import exit_status
from tests.tfds_builders import bobsl_tree
from tfds_builders import build

TRAIN, VALIDATION, TEST = bobsl_tree.TRAIN, bobsl_tree.VALIDATION[:1], bobsl_tree.TEST
SPLITS = {'train': TRAIN, 'val': VALIDATION, 'test': TEST}
MANUAL = (TRAIN[2], TEST[1])
VIDEOS = ('dragonfly', 'fly', 'swim', 'yellow', 'wine', 'winter')  # 1.7 to 2.6 s at 30 frames/s

CUES = {  # alignment -> start, end, text
  'sat': ((0, 0.8, 'Good evening.'), (0.9, 1.5, 'Hello!')),
  'audio': ((0.3, 1.1, 'Good evening.'), (1.2, 1.6, 'Hello!')),
  'manual': ((0.1, 0.8, 'It rained.'), (0.9, 1.5, 'Nobody was sad.')),
}
SAT = [f'{e}_{span}' for e in (*TRAIN[:2], *VALIDATION, TEST[0]) for span in ('0_800', '900_1500')]
MANUAL_CLIPS = [f'{e}_{span}' for e in MANUAL for span in ('100_800', '900_1500')]


def run_build(shared, config, tree, data_dir, *flags) -> int:
  arguments = [f'bobsl/{config}', f'--manual_dir={tree}', f'--data_dir={data_dir}', *flags]
  if not any(flag.startswith('--weights') for flag in flags):
    arguments.append('--weights=random')
  if not config.startswith('m') and not any(flag.startswith('--alignment') for flag in flags):
    arguments.append('--alignment=sat')
  return exit_status(build.main, [*arguments, f'--hand_model={shared}/models/hand_landmarker.task'])


def examples(data_dir, config, split='all') -> dict[str, dict]:
  return {
    e['id'].decode(): e for e in corpora.open_split(f'bobsl/{config}:{split}', data_dir).source
  }


def metadata(data_dir, config) -> dict:
  return tfds.builder_from_directory(data_dir / 'bobsl' / config / '1.1.0').info.metadata


def write_labels(path, names, *, weak=False, model='toy', revision='1') -> Path:
  """A label file of clip id -> emotion; a model's has 0.7 for it and 0.05 for the others."""

  def label(name):
    shares = tuple(0.7 if other == name else 0.05 for other in labels.EMOTIONS)
    return label_files.Label(name, shares if weak else ())

  origin = dict(model=model, revision=revision) if weak else {}
  found = {id: label(name) for id, name in names.items()}  # noqa: A001
  label_files.write(path, label_files.LabelFile(found, **origin))
  return path


def last_error(capsys) -> str:
  """The error of the build before, which is one line without a traceback."""
  out, err = capsys.readouterr()
  lines = [line for line in err.splitlines() if line.startswith('error: ')]
  assert not out and len(lines) == 1 and 'Traceback' not in err
  return lines[0]

"""Which corpus a run reads, and where it lies.

A corpus is named `<builder>[/<config>]:<split>[+<split>]`, as in `bobsl/a_tea:train` or `ejsl:all`
(`all` is every split). `signsim` is embedded: it is built where it is missing.
"""

import dataclasses
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from emo_jax import labels, provenance
from emo_jax.errors import UserError
from tfds_builders import clip_features

EMBEDDED = 'signsim'
_SPEC = re.compile(r'(?P<name>\w+(?:/\w+)?):(?P<split>\w+(?:\+\w+)*)')


@dataclasses.dataclass(frozen=True)
class Split:
  """Examples of one or more splits of a corpus, by random access.

  Attributes:
    spec: how the user names it.
    source: decoded examples by index (tfds_builders.clip_features).
    key: compatibility key of the features.
    tasks: tasks that the corpus has labels for.
  """

  spec: str
  source: Sequence[dict[str, Any]]
  key: dict[str, str]
  tasks: tuple[str, ...]


def cache_dir() -> Path:
  """Where the embedded corpus, compiled programs and the hand model are kept between runs."""
  return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'emo_jax'


def parse(spec: str) -> tuple[str, str]:
  """`ejsl:all` -> (`ejsl`, `all`). Raises UserError if it is not of that form."""
  match = _SPEC.fullmatch(spec)
  if not match:
    raise UserError(
      f'{spec!r} names no corpus: write <builder>[/<config>]:<split>[+<split>], like ejsl:all'
    )
  return match['name'], match['split']


def _versions(data_dir: Path, name: str) -> list[Path]:
  """The prepared versions of a dataset, oldest first."""
  found = [p for p in (data_dir / name).glob('*') if tfds.core.Version.is_valid(p.name)]
  return sorted(found, key=lambda p: tfds.core.Version(p.name))


def holds(data_dir: Path, spec: str) -> bool:
  """Does the directory hold the corpus in any version?"""
  return bool(_versions(data_dir, parse(spec)[0]))


def locate(named: str, train_spec: str) -> tuple[Path, bool]:
  """Where a run's corpora lie, and whether to use the embedded ones in their place.

  In this order: the directory named by the user, TFDS_DATA_DIR, TFDS's default directory if it
  holds `train_spec`, else the embedded corpus in the cache.
  """
  named = named or os.environ.get('TFDS_DATA_DIR', '')
  if named:
    return Path(named).expanduser(), False
  default = Path(tfds.core.constants.DATA_DIR).expanduser()
  if holds(default, train_spec):
    return default, False
  return cache_dir() / 'tensorflow_datasets', parse(train_spec)[0].split('/')[0] != EMBEDDED


def _embedded(data_dir: Path, name: str) -> tfds.core.DatasetBuilder:
  """The embedded corpus, built first if it is not there."""
  from tfds_builders.signsim import signsim_dataset_builder

  _, _, config = name.partition('/')
  builder = signsim_dataset_builder.Builder(config=config or None, data_dir=data_dir)
  builder.download_and_prepare()
  return builder


def open_split(spec: str, data_dir: Path) -> Split:
  """Opens the examples that `spec` names.

  Raises:
    UserError: the directory lacks the corpus (with the command that builds it) or the split.
  """
  name, split = parse(spec)
  if name.split('/')[0] == EMBEDDED:
    builder = _embedded(data_dir, name)
  elif versions := _versions(data_dir, name):
    builder = tfds.builder_from_directory(versions[-1])
  else:
    raise UserError(
      f'no {name} in {data_dir} (looked for {data_dir / name}): build it with python -m '
      f'tfds_builders.build {name} --data_dir={data_dir} --manual_dir=CLIPS --weights=FILE'
    )
  for one in split.split('+'):
    if one != 'all' and one not in builder.info.splits:
      raise UserError(
        f'{name} in {data_dir} has no split {one!r}{labels.nearest(one, builder.info.splits)}; '
        f'it has {", ".join(builder.info.splits)}'
      )
  return Split(
    spec=spec,
    source=builder.as_data_source(split=split),
    key=dict(builder.info.metadata[clip_features.KEY]),
    tasks=tuple(builder.info.features['labels']),
  )


def require_mixable(train_key: dict[str, str], other: Split) -> None:
  """Raises UserError unless a model trained under `train_key` may be run on `other`'s features.

  Keys must be the same, except that a model trained on the synthetic corpus may be tried on clips.
  """
  if not (provenance.is_synthetic(train_key) and not provenance.is_synthetic(other.key)):
    provenance.require_same(
      train_key,
      other.key,
      'the training features',
      f'those of {other.spec}',
      'build both with the same weights and settings',
    )

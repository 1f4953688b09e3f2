"""Which corpus a run reads, and where it lies.

A corpus is named `<builder>[/<config>]:<split>[+<split>]`, as in `bobsl/a_tea:train` or `ejsl:all`
(`all` is every split). `signsim` is embedded: it is built where it is missing.
"""

import contextlib
import dataclasses
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from emo_jax import files, labels, processes, provenance
from emo_jax.errors import UserError
from tfds_builders import clip_features, stored

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
    videos: that the clips are cut out of, where the corpus says so.
    labelled_by: name and revision of the model that labelled it; empty where people did.
  """

  spec: str
  source: Sequence[dict[str, Any]]
  key: dict[str, str]
  tasks: tuple[str, ...]
  videos: frozenset[str] = frozenset()
  labelled_by: str = ''


def parse(spec: str) -> tuple[str, str]:
  """`ejsl:all` -> (`ejsl`, `all`). Raises UserError if it is not of that form."""
  match = _SPEC.fullmatch(spec)
  if not match:
    raise UserError(
      f'{spec!r} names no corpus: write <builder>[/<config>]:<split>[+<split>], like ejsl:all'
    )
  return match['name'], match['split']


def holds(data_dir: Path, spec: str) -> bool:
  """Does the directory hold the corpus in any version?"""
  return bool(stored.versions(data_dir, parse(spec)[0]))


def locate(named: str, train_spec: str) -> tuple[Path, bool]:
  """Where a run's corpora lie, and whether to use the embedded ones in their place.

  In this order: the directory named by the user, TFDS_DATA_DIR, TFDS's default directory if it
  holds `train_spec`, else the embedded corpus.
  """
  named = named or os.environ.get('TFDS_DATA_DIR', '')
  if named:
    return Path(named).expanduser(), False
  default = Path(tfds.core.constants.DATA_DIR).expanduser()
  if holds(default, train_spec):
    return default, False
  return default, parse(train_spec)[0].split('/')[0] != EMBEDDED


def _embedded(data_dir: Path, name: str) -> tfds.core.DatasetBuilder:
  """The embedded corpus, from `data_dir` or the cache; built there if neither holds it."""
  from tfds_builders.signsim import signsim_dataset_builder

  name, _, config = name.partition('/')
  if not (data_dir / name).is_dir():
    # A folder per version of the generator: a changed one builds anew.
    data_dir = files.cache_dir() / f'{EMBEDDED}-{signsim_dataset_builder.generator_digest()}'
  for there in stored.versions(data_dir, f'{name}/{config or "seed0"}'):
    stored.open_folder(there)  # the builder itself would not say what is damaged
  made = dict(config=config or None, data_dir=data_dir)
  builder = signsim_dataset_builder.Builder(**made)
  if not Path(builder.data_dir).is_dir():
    with files.one_at_a_time(data_dir / name, 'building a corpus'):
      builder = signsim_dataset_builder.Builder(**made)  # which another may have built meanwhile
      with contextlib.redirect_stdout(sys.stderr):
        builder.download_and_prepare()
  return builder


def open_split(spec: str, data_dir: Path) -> Split:
  """Opens the examples that `spec` names.

  Raises:
    UserError: the directory lacks the corpus (with the command that builds it) or the split,
      it has configs and none is named, or this one has labels alone; or the data set is damaged, as
      far as the ends of its files tell; of the rest reading it does.
  """
  name, split = parse(spec)
  if name.split('/')[0] == EMBEDDED:
    builder = _embedded(data_dir, name)
  else:
    builder = stored.open_latest(data_dir, name)
  require_splits(builder, spec, data_dir)
  if clip_features.KEY not in builder.info.metadata:
    raise UserError(f'{name} has labels alone, no features of clips: name another config')
  metadata = builder.info.metadata
  videos = metadata.get(clip_features.VIDEOS, {})
  model = (clip_features.LABEL_MODEL, clip_features.LABEL_REVISION)
  chosen = videos if 'all' in split.split('+') else split.split('+')
  return Split(
    spec=spec,
    source=stored.examples(builder, split),
    key=dict(metadata[clip_features.KEY]),
    tasks=tuple(t for t in labels.TASKS if t in builder.info.features['labels']),
    videos=frozenset(name for one in chosen for name in videos.get(one, ())),
    labelled_by=' '.join(metadata[name] for name in model if metadata.get(name)),
  )


def require_splits(builder: tfds.core.DatasetBuilder, spec: str, data_dir: Path) -> None:
  """Raises UserError if the data set lacks a split that `spec` names."""
  name, split = parse(spec)
  for one in split.split('+'):
    if one != 'all' and one not in builder.info.splits:
      raise UserError(
        f'{name} in {data_dir} has no split {one!r}{labels.nearest(one, builder.info.splits)}; '
        f'it has {", ".join(builder.info.splits)}'
      )


def subset(split: Split, name: str, indices: Sequence[int]) -> Split:
  """The examples of a split at these indices, as `<corpus>:<name>`."""
  corpus, _ = parse(split.spec)
  source = stored.Selection([(split.source, indices)])
  return dataclasses.replace(split, spec=f'{corpus}:{name}', source=source)


def own_share(split: Split) -> Split:
  """The examples that this process reads, of several that share the work."""
  own = processes.own(len(split.source))
  if len(own) == len(split.source):
    return split
  return dataclasses.replace(split, source=stored.Selection([(split.source, own)]))


def joined(one: Split, other: Split) -> Split:
  """The examples of both. Raises UserError if their features may not be mixed."""
  provenance.require_same(
    one.key, other.key, f'the features of {one.spec}', f'those of {other.spec}', 'build both alike'
  )
  sources = (one.source, other.source)
  return dataclasses.replace(
    one,
    spec=f'{one.spec} and {other.spec}',
    source=stored.Selection([(source, range(len(source))) for source in sources]),
    tasks=tuple(task for task in one.tasks if task in other.tasks),
    videos=one.videos | other.videos,
    labelled_by=', '.join(filter(None, dict.fromkeys((one.labelled_by, other.labelled_by)))),
  )


def same_builder(one: str, other: str) -> bool:
  """Are two specs of one builder, if of other configs?"""
  return parse(one)[0].split('/')[0] == parse(other)[0].split('/')[0]


def share_clips(one: Split, other: Split) -> bool:
  """Do two splits hold the same clips, by their ids where they are of two configs of a corpus?"""
  (name, _), (other_name, _) = parse(one.spec), parse(other.spec)
  if name == other_name or not same_builder(one.spec, other.spec):
    return overlap(one.spec, other.spec)
  if name.split('/')[0] == EMBEDDED:  # ids of other seeds are other clips
    return False
  if one.videos and other.videos and not one.videos & other.videos:
    return False
  ids, others = ({e['id'] for e in stored.parts(x.source, ('id',))} for x in (one, other))
  return bool(ids & others)


def overlap(one: str, other: str) -> bool:
  """Do two specs share a split of the same corpus?"""
  (name, split), (other_name, other_split) = parse(one), parse(other)
  both = set(split.split('+')), set(other_split.split('+'))
  return name == other_name and ('all' in both[0] | both[1] or bool(both[0] & both[1]))


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

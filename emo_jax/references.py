"""What a data set says of its clips, features aside: true label, signer, utterance, text."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emo_jax import corpora, csv_tables, labels
from emo_jax.errors import ArgumentParser, UserError, first_of
from tfds_builders import clip_features, stored

_NAMED = 3  # ids that a message names


@dataclasses.dataclass(frozen=True)
class Reference:
  """One clip of a data set.

  Attributes:
    id: the clip's.
    true: name of its label, None where nobody knows.
    signer, utterance, text: as stored; the text may be empty.
  """

  id: str
  true: str | None
  signer: str
  utterance: str
  text: str


@dataclasses.dataclass(frozen=True)
class References:
  """Clips of one or more splits of a data set.

  Attributes:
    corpus, split: as in `emosign/single` and `all`.
    task: that `true` of the clips is of.
    clips: by id, in stored order.
    key: compatibility key of the features; empty where there are labels alone.
  """

  corpus: str
  split: str
  task: str
  clips: Mapping[str, Reference]
  key: Mapping[str, str] = dataclasses.field(default_factory=dict)

  @property
  def labelled(self) -> dict[str, Reference]:
    """The clips whose label is known."""
    return {id_: clip for id_, clip in self.clips.items() if clip.true is not None}


def add_flags(parser: ArgumentParser) -> None:
  """The flags of a command that reads a data set's labels."""
  parser.add_argument('--corpus', required=True, help='<builder>[/<config>], such as ejsl')
  parser.add_argument('--split', default='all', help='<split>[+<split>] (default: all)')
  parser.add_argument('--data_dir', default='', help="where it lies; default: TFDS's")


def read(corpus: str, split: str, data_dir: str, task: str) -> References:
  """Reads the labels of a data set, whether or not it holds features.

  Args:
    corpus, split: as in `emosign/labels` and `all`.
    data_dir: where it lies; empty: where `corpora.locate` looks.
    task: of `emo_jax.labels`.

  Raises:
    UserError: as `corpora.open_split`, the data set has no labels for the task or no clip with one,
      or an id is there twice.
  """
  names, spec = labels.names(task), f'{corpus}:{split}'
  where, _ = corpora.locate(data_dir, spec)
  source, tasks, key = _open(spec, where)
  if task not in tasks:
    raise UserError(f'{corpus} has no labels for {task}; it has {", ".join(sorted(tasks))}')
  clips: dict[str, Reference] = {}
  for e in stored.parts(source, ('id', 'signer', 'utterance', 'text', 'labels')):
    id_, *rest = (e[name].decode() for name in ('id', 'signer', 'utterance', 'text'))
    if id_ in clips:
      raise UserError(f'{spec} has two clips called {id_}: build it again with distinct ids')
    index = int(e['labels'][task])
    clips[id_] = Reference(id_, None if index == labels.UNKNOWN else names[index], *rest)
  found = References(corpus, split, task, clips, key)
  if not found.labelled:
    raise UserError(f'none of the {len(clips)} clips of {spec} is labelled for {task}')
  return found


def subset(found: References, path: Path) -> References:
  """The clips that a CSV lists in its column `id`, in its order.

  Raises:
    UserError: as `csv_tables.read_by_id`, it lists none, one of another data set or one without a
      label.
  """
  ids = list(csv_tables.read_by_id(path, ()))
  if not ids:
    raise UserError(f'{path} lists no clip')
  unknown = [id_ for id_ in ids if id_ not in found.clips]
  if unknown:
    raise UserError(
      f'{path}: {len(unknown)} of {len(ids)} ids are not in {found.corpus}:{found.split} '
      f'({first_of(unknown, _NAMED)}): name the corpus and split they were drawn from'
    )
  clips = {id_: found.clips[id_] for id_ in ids}
  bare = [id_ for id_, clip in clips.items() if clip.true is None]
  if bare:
    raise UserError(
      f'{path}: {len(bare)} of {len(ids)} clips have no label for {found.task} '
      f'({first_of(bare, _NAMED)}): leave them out'
    )
  return dataclasses.replace(found, clips=clips)


def _open(
  spec: str, data_dir: Path
) -> tuple[Sequence[dict[str, Any]], frozenset[str], dict[str, str]]:
  """Examples, tasks and compatibility key; `corpora.open_split` refuses labels without features."""
  name, split = corpora.parse(spec)
  if name.split('/')[0] == corpora.EMBEDDED:
    opened = corpora.open_split(spec, data_dir)
    return opened.source, frozenset(opened.tasks), dict(opened.key)
  builder = stored.open_latest(data_dir, name)
  corpora.require_splits(builder, spec, data_dir)
  key = dict(builder.info.metadata.get(clip_features.KEY) or {})
  return stored.examples(builder, split), frozenset(builder.info.features['labels'].keys()), key

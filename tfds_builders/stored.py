"""Data sets that were built: where they lie, whether they are whole, and their examples."""

import bisect
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from array_record.python import array_record_module
from google.protobuf import json_format

from emo_jax import labels
from emo_jax.errors import UserError
from tfds_builders import CORPORA, clip_features

KEPT_BYTES = 1 << 29  # of parsed examples of one data source
_RECENT = 4  # data sources whose parsed examples stay when they are closed
_recent: dict[tuple, Any] = {}


def versions(data_dir: Path, name: str) -> list[Path]:
  """The prepared versions of a data set, oldest first."""
  found = [p for p in (data_dir / name).glob('*') if tfds.core.Version.is_valid(p.name)]
  return sorted(found, key=lambda p: tfds.core.Version(p.name))


def open_latest(data_dir: Path, name: str) -> tfds.core.DatasetBuilder:
  """Opens the latest version of `<builder>[/<config>]`.

  Raises:
    UserError: the directory lacks it, with the command that builds it, or holds configs of it and
      none is named; or as `open_folder`.
  """
  found = versions(data_dir, name)
  if not found:
    configs = sorted(p.name for p in (data_dir / name).glob('*') if versions(p.parent, p.name))
    if configs:
      all_of_them = ', '.join(f'{name}/{config}' for config in configs)
      raise UserError(f'{data_dir} holds {all_of_them}: name one, like {name}/{configs[0]}')
    raise UserError(f'no {name} in {data_dir} (looked for {data_dir / name}): {remedy(name)}')
  return open_folder(found[-1])


def open_folder(folder: Path) -> tfds.core.DatasetBuilder:
  """Opens a version of a data set. Raises UserError if what describes it is damaged."""
  try:
    builder = tfds.builder_from_directory(folder)
    fields = builder.info.features
    fields['labels'], 'face' not in fields or builder.info.metadata[clip_features.KEY]
  except (OSError, ValueError, KeyError, TypeError, json_format.ParseError) as error:
    raise UserError(
      f'{folder} cannot be opened: its dataset_info.json, features.json or metadata.json is '
      f'damaged or of another project ({type(error).__name__}): delete the folder and build it '
      'again'
    ) from error
  return builder


def remedy(name: str) -> str:
  """What to do about a data set that is not there."""
  corpus = name.split('/')[0]
  if corpus not in CORPORA:
    near = labels.nearest(corpus, CORPORA)
    return (
      f'name a directory that holds it{near}; python -m tfds_builders.build makes '
      + ', '.join(CORPORA)
    )
  videos = '' if corpus == 'signsim' else ' --manual_dir=CLIPS --weights=FILE'
  return (
    f'name another directory or build it with python -m tfds_builders.build {name} '
    f'--data_dir=DATA{videos}'
  )


def examples(builder: tfds.core.DatasetBuilder, split: str) -> Sequence[dict[str, Any]]:
  """TFDS's data source of a split, such as `a`, `a+b` or `all`; what was read is kept in memory, as
  far as 512 MiB go, since parsing takes most of the time, and of the last few splits for who opens
  them again. Its arrays cannot be written to.

  Reading an example that is damaged, though its file's end is not, raises UserError then.

  Raises:
    UserError: a file is missing or holds fewer examples than the data set says.
  """
  shards = [shard for shard in builder.info.splits[split].file_instructions if shard.take]
  for shard in shards:
    _require_whole(Path(shard.filename), shard.examples_in_shard)
  stats = [Path(shard.filename).stat() for shard in shards]
  key = (str(builder.data_dir), split, *((stat.st_mtime_ns, stat.st_size) for stat in stats))
  if key not in _recent:
    source = builder.as_data_source(split=split)
    if shards:
      source.data_source = _Records(source.data_source, shards)
    _recent[key] = _Kept(source)
    for old in list(_recent)[:-_RECENT]:
      del _recent[old]
  return _recent[key]


def parts(source: Sequence[dict[str, Any]], fields: Sequence[str]) -> Iterator[dict[str, Any]]:
  """The examples with these fields alone, in stored order.

  Of stored ones nothing else is parsed, which is five times as fast.
  """
  pieces = source.pieces if isinstance(source, Selection) else [(source, range(len(source)))]
  for piece, indices in pieces:
    info = getattr(piece, 'dataset_info', None)
    if info is None:  # a list
      yield from (piece[i] for i in indices)
      continue
    few = tfds.features.FeaturesDict({name: info.features[name] for name in fields})
    for i in indices:
      yield few.deserialize_example_np(piece.data_source[i])


def groups(source: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
  """Signer and utterance of every example, in stored order: what is to be left out together."""
  fields = ('signer', 'utterance')
  return [tuple(e[name].decode() for name in fields) for e in parts(source, fields)]


class Selection(Sequence):
  """Some examples of one or more sources, one after the other.

  Attributes:
    pieces: each source, no Selection itself, with the indices of its examples.
  """

  def __init__(self, pieces: Sequence[tuple[Sequence[dict[str, Any]], Sequence[int]]]):
    self.pieces = list(_plain(pieces))
    self._ends = list(itertools.accumulate(len(indices) for _, indices in self.pieces))

  def __len__(self) -> int:
    return self._ends[-1] if self._ends else 0

  def __getitem__(self, index: int) -> dict[str, Any]:
    piece, at = self.place(index)
    return self.pieces[piece][0][at]

  def place(self, index: int) -> tuple[int, int]:
    """In which of the pieces an example lies, and where in its source."""
    if not 0 <= index < len(self):
      raise IndexError(index)
    piece = bisect.bisect_right(self._ends, index)
    return piece, self.pieces[piece][1][index - (self._ends[piece - 1] if piece else 0)]


def _plain(
  pieces: Sequence[tuple[Sequence[dict[str, Any]], Sequence[int]]],
) -> Iterator[tuple[Sequence[dict[str, Any]], Sequence[int]]]:
  """Pieces of Selections as pieces of what these select from."""
  for source, indices in pieces:
    if not isinstance(source, Selection):
      yield source, indices
      continue
    places = [source.place(i) for i in indices]
    for number, group in itertools.groupby(places, key=lambda place: place[0]):
      yield source.pieces[number][0], [at for _, at in group]


class _Kept(Sequence):
  """A data source that remembers the examples it has parsed."""

  def __init__(self, source: Any):
    self._source, self._parsed, self._left = source, {}, KEPT_BYTES
    self.dataset_info, self.data_source = source.dataset_info, source.data_source

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, index: int) -> dict[str, Any]:
    if index in self._parsed:
      return self._parsed[index]
    if not 0 <= index < len(self):
      raise IndexError(index)
    example = self._source[index]
    # Images of a sequence come as a list.
    each = itertools.chain(*(x if isinstance(x, list) else [x] for x in example.values()))
    arrays = [x for x in each if isinstance(x, np.ndarray)]
    for array in arrays:
      array.setflags(write=False)
    size = sum(array.nbytes for array in arrays)
    if size <= self._left:
      self._left -= size
      self._parsed[index] = example
    return example

  def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
    return [self[i] for i in indices]


class _Records:
  """Serialised examples of array_record files; what is wrong with a file is a UserError."""

  def __init__(self, records: Sequence[bytes], shards: Sequence[Any]):
    self._records = records
    self._files = [shard.filename for shard in shards]
    self._ends = list(itertools.accumulate(shard.take for shard in shards))

  def __len__(self) -> int:
    return len(self._records)

  def __getitem__(self, index: int) -> bytes:
    try:
      return self._records[index]
    except RuntimeError as error:  # each chunk has a hash
      path = Path(self._files[bisect.bisect_right(self._ends, index)])
      raise _damaged(path, 'a clip in it cannot be read') from error

  def __getitems__(self, indices: Sequence[int]) -> list[bytes]:
    return [self[i] for i in indices]


def _require_whole(path: Path, count: int) -> None:
  """Raises UserError unless the file holds so many examples: by its last block, without reading
  them. Of a file that was cut off, array_record itself says nothing until one is read."""
  try:
    with open(path, 'rb'):
      pass
  except OSError as error:
    raise _damaged(path, error.strerror or 'it cannot be read') from error
  reader = array_record_module.ArrayRecordReader(str(path), options='readahead_buffer_size:0')
  found = reader.num_records()
  if found != count:
    raise _damaged(path, f'{found} of {count} clips can be found')
  reader.close()


def _damaged(path: Path, what: str) -> UserError:
  return UserError(f'{path} is damaged ({what}): delete the data set {path.parent}, build it again')

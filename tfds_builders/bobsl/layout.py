"""Where the files of BOBSL lie, in release 1.4 and in the layout before it."""

import dataclasses
import json
import re
from pathlib import Path

from emo_jax.errors import UserError

# audio: as broadcast, corrected by a heuristic; sat: moved to the signing by a model; manual: by
# people, some episodes only; audio_raw: as broadcast (before 1.4 only).
ALIGNMENTS = ('audio', 'sat', 'manual', 'audio_raw')
SPLITS = {'train': 'train', 'validation': 'val', 'test': 'test'}  # ours -> the release's

_EPISODE = re.compile(r'[0-9]+')
_AUTOMATIC = 'automatic_annotations/signing_aligned_subtitles'


@dataclasses.dataclass(frozen=True)
class _Layout:
  """Folders below the root, `episodes` the places where the lists of episodes may lie."""

  episodes: tuple[str, ...]
  videos: str
  subtitles: dict[str, str]


_LAYOUTS = {
  '1.4': _Layout(
    episodes=('original_data/metadata/subset2episode.json',),
    videos='original_data/videos/mp4',
    subtitles={
      'audio': f'{_AUTOMATIC}/audio_aligned_heuristic_correction',
      'sat': f'{_AUTOMATIC}/auto_sat_aligned',
      'manual': 'manual_annotations/signing_aligned_subtitles',
    },
  ),
  'legacy': _Layout(
    episodes=(
      'subset2episode.json',
      'metadata/subset2episode.json',
      'splits/subset2episode.json',
    ),
    videos='videos',
    subtitles={
      'audio': 'subtitles/audio-aligned-heuristic-correction',
      'manual': 'subtitles/manually-aligned',
      'audio_raw': 'subtitles/audio-aligned',
    },
  ),
}


@dataclasses.dataclass(frozen=True)
class Tree:
  """A download of BOBSL, whole or in part.

  Attributes:
    root: its folder.
    version: `1.4` or `legacy`.
    splits: episodes of `train`, `validation` and `test`, in the release's order.
  """

  root: Path
  version: str
  splits: dict[str, tuple[str, ...]]

  def video(self, episode: str) -> Path:
    """An episode's video, which may not be there."""
    return self.root / _LAYOUTS[self.version].videos / f'{episode}.mp4'

  def subtitles(self, alignment: str, episode: str) -> Path:
    """An episode's subtitles, which may not be there.

    Raises:
      UserError: as `subtitles_folder`.
    """
    return self.subtitles_folder(alignment) / f'{episode}.vtt'

  def subtitles_folder(self, alignment: str) -> Path:
    """Where subtitles of an alignment lie. Raises UserError if this layout has none."""
    folders = _LAYOUTS[self.version].subtitles
    if alignment not in folders:
      raise UserError(
        f'{self.root} is of layout {self.version}, which has no subtitles {alignment!r}; '
        f'it has {", ".join(folders)}'
      )
    return self.root / folders[alignment]

  def manual_episodes(self) -> frozenset[str]:
    """Episodes with manually aligned subtitles, as far as those are there."""
    there = {path.stem for path in self.subtitles_folder('manual').glob('*.vtt')}
    return frozenset(e for episodes in self.splits.values() for e in episodes if e in there)


def open_tree(root: Path) -> Tree:
  """The tree below a folder.

  Raises:
    UserError: no list of episodes where either layout has it, or the list cannot be used.
  """
  for version, layout in _LAYOUTS.items():
    for name in layout.episodes:
      if (root / name).is_file():
        return Tree(root, version, _read_splits(root / name))
  sought = ', '.join(name for layout in _LAYOUTS.values() for name in layout.episodes)
  raise UserError(f'{root} is no download of BOBSL: it has none of {sought}')


def _read_splits(path: Path) -> dict[str, tuple[str, ...]]:
  """The episodes of each split; further lists, such as `challenge_test`, are not read."""
  try:
    lists = json.loads(path.read_bytes())
  except OSError as error:
    raise UserError(f'cannot read {path}: {error.strerror or error}') from error
  except (ValueError, RecursionError) as error:
    raise UserError(f'{path} is no JSON: download it again') from error
  if not isinstance(lists, dict):
    raise UserError(f'{path} holds no lists of episodes by name: download it again')
  splits: dict[str, tuple[str, ...]] = {}
  found: dict[str, str] = {}
  for split, name in SPLITS.items():
    if not isinstance(lists.get(name), list):
      raise UserError(f'{path} has no list {name!r}; it has {", ".join(lists) or "none"}')
    for episode in lists[name]:
      # An id becomes part of a path and of every clip's id.
      if not isinstance(episode, str) or not _EPISODE.fullmatch(episode):
        raise UserError(f'{path}: {episode!r} in {name!r} is no id of an episode, which is digits')
      if episode in found:
        raise UserError(f'{path}: episode {episode} is in {found[episode]!r} and again in {name!r}')
      found[episode] = name
    splits[split] = tuple(lists[name])
  return splits

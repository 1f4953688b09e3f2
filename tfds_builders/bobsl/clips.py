"""Clips of BOBSL: each the span of a subtitle, with what is said in it and around it."""

import dataclasses
import hashlib
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from emo_jax import csv_tables
from emo_jax.errors import UserError, first_of, require
from emo_jax.text import webvtt
from tfds_builders.bobsl import layout

# From speech to signing: the baseline that Bull et al. 2021 align subtitles of BOBSL from.
AUDIO_SHIFT_S = 2.7
_AUDIO = ('audio', 'audio_raw')
MISSING = ('error', 'skip')
_PAST_END_S = 1.0  # a subtitle may end that much after its video
_NAMED = 3  # how many of many a message names


@dataclasses.dataclass(frozen=True)
class Selection:
  """Which clips.

  Attributes:
    alignment: of the subtitles, of `layout.ALIGNMENTS`.
    shift_s: added to the subtitles' times; None for 2.7 s with those aligned to the audio and for
      nothing with the others.
    min_s, max_s: shortest and longest clip, both included.
    with_manual_episodes: keep episodes that also have manually aligned subtitles, which make up
      another part of the corpus; with the alignment `manual` only those are taken in any case.
    clips: a CSV whose column `id` lists the clips to keep, whatever their length.

  Raises:
    UserError: an unknown alignment, or lengths or a shift that cannot be.
  """

  alignment: str = 'audio'
  shift_s: float | None = None
  min_s: float = 0.5
  max_s: float = 20.0
  with_manual_episodes: bool = False
  clips: Path | None = None

  def __post_init__(self):
    require(self.alignment, layout.ALIGNMENTS, 'alignment')
    if not 0 <= self.min_s <= self.max_s < math.inf:
      raise UserError(f'clips of {self.min_s} to {self.max_s} s: the lengths must be in that order')
    if not math.isfinite(self.shift):
      raise UserError(f'a shift of {self.shift} s: give a number of seconds')

  @property
  def shift(self) -> float:
    """Seconds added to the subtitles' times."""
    if self.shift_s is None:
      return AUDIO_SHIFT_S if self.alignment in _AUDIO else 0.0
    return self.shift_s


@dataclasses.dataclass(frozen=True)
class Clip:
  """A span of an episode's video.

  Attributes:
    id: `<episode>_<start ms>_<end ms>`, of the shifted times.
    start_s, end_s: in the video, shifted.
    text: of the subtitle.
    before, after: of its neighbours in the episode, be they clips or not; empty at the ends.
  """

  id: str
  episode: str
  start_s: float
  end_s: float
  text: str
  before: str
  after: str


def select(
  tree: layout.Tree,
  selection: Selection,
  *,
  missing: str = 'error',
  splits: Sequence[str] = tuple(layout.SPLITS),
  videos: bool = True,
) -> dict[str, list[Clip]]:
  """The clips of each split, by episode in the release's order, then by time.

  Subtitles of one episode with the same times are one clip, their texts joined with a blank.

  Args:
    tree: where the files lie.
    selection: which clips.
    missing: what to do about episodes without subtitles or video: `error`, or `skip` for leaving
      them out, which is reported on stderr.
    splits: the splits to read.
    videos: whether an episode needs its video; its text alone does not.

  Raises:
    UserError: an episode is missing, nothing is left, the manually aligned episodes are not known,
      a subtitle file is wrong, a shifted subtitle starts before the video, or a listed clip is of
      no subtitle.
  """
  require(missing, MISSING, 'missing')
  for split in splits:
    require(split, tree.splits, 'split')
  wanted = _wanted_episodes(tree, selection, splits)
  there = _present(tree, selection, wanted, missing, videos)
  listed = csv_tables.read_by_id(selection.clips, ()) if selection.clips else None
  if listed is not None and not listed:
    raise UserError(f'{selection.clips} lists no clip')
  found = {
    split: [
      clip
      for episode in episodes
      if episode in there
      for clip in _episode_clips(tree, selection, episode)
      if (_fits(clip, selection) if listed is None else clip.id in listed)
    ]
    for split, episodes in wanted.items()
  }
  if listed is not None:
    _require_listed(tree, selection, listed, found, wanted, there)
  if not any(found.values()):
    wish = 'of the list' if listed else f'of {selection.min_s:g} to {selection.max_s:g} s'
    raise UserError(f'no clip {wish} in {len(there)} episodes of {", ".join(splits)}')
  return found


def check_ends(
  tree: layout.Tree,
  selection: Selection,
  clips: Iterable[Clip],
  duration_s: Callable[[str], float],
  missing: str = 'error',
) -> list[Clip]:
  """The clips, cut at the end of their videos; ids stay.

  Subtitles are held to the video by their own times, before the shift. A clip of which less than
  the shortest length is left once cut, because of the shift, is left out and reported on stderr.

  Args:
    tree: where the files lie.
    selection: what the clips were selected with.
    clips: of any episodes.
    duration_s: an episode's duration; asked once for each.
    missing: what to do about a subtitle that starts after the end of the video, or ends a second or
      more after it: `error`, or `skip` for leaving its clip out, which is reported on stderr.

  Raises:
    UserError: there is such a subtitle.
  """
  durations: dict[str, float] = {}
  kept, left_out, past = [], [], []
  for clip in clips:
    if clip.episode not in durations:
      durations[clip.episode] = duration_s(clip.episode)
    duration = durations[clip.episode]
    start_s, end_s = clip.start_s - selection.shift, clip.end_s - selection.shift
    if start_s >= duration or end_s >= duration + _PAST_END_S:
      if missing == 'skip':
        past.append(clip)
        continue
      raise UserError(
        f'{tree.subtitles(selection.alignment, clip.episode)}: the cue from {start_s:.3f} to '
        f'{end_s:.3f} s ({clip.text[:40]!r}) is past the end of {tree.video(clip.episode)} at '
        f'{duration:.3f} s: one of the two is of another release or cut short; --missing=skip '
        'leaves such cues out'
      )
    cut = dataclasses.replace(clip, end_s=min(clip.end_s, duration))
    short = cut.end_s < clip.end_s and cut.end_s - cut.start_s < max(selection.min_s, 0.001)
    (left_out if short else kept).append(cut)
  if left_out:
    print(
      f'left out {len(left_out)} clips that the shift of {selection.shift:g} s takes past the end '
      f'of their video: {first_of([c.id for c in left_out], _NAMED)}',
      file=sys.stderr,
    )
  if past:
    print(
      f'left out {len(past)} clips whose subtitle is past the end of its video: '
      f'{first_of([c.id for c in past], _NAMED)}',
      file=sys.stderr,
    )
  return kept


def digest(clips: Mapping[str, Sequence[Clip]]) -> str:
  """sha256 of the clips per split: their ids and texts."""
  said = {split: [(clip.id, clip.text) for clip in of_split] for split, of_split in clips.items()}
  return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def sample(clips: Sequence[Clip], count: int, seed: int) -> list[Clip]:
  """`count` of the clips, drawn without replacement, in the order given.

  The draw depends on seed and ids alone, on no library's generator: those whose hash is least.

  Raises:
    UserError: there are not as many.
  """
  if not 1 <= count <= len(clips):
    raise UserError(f'a sample of {count} of {len(clips)} clips: ask for 1 to {len(clips)}')

  def rank(index: int) -> bytes:
    return hashlib.sha256(f'{seed}:{clips[index].id}'.encode()).digest()

  return [clips[index] for index in sorted(sorted(range(len(clips)), key=rank)[:count])]


def _wanted_episodes(
  tree: layout.Tree, selection: Selection, splits: Sequence[str]
) -> dict[str, list[str]]:
  """The episodes of each split that the selection is about, there or not."""
  every = {split: list(tree.splits[split]) for split in splits}
  only_manual = selection.alignment == 'manual'
  if selection.with_manual_episodes and not only_manual:
    return every
  manual = tree.manual_episodes()
  if not manual:
    advice = '' if only_manual else ', or keep them with --with_manual_episodes'
    raise UserError(
      f'no .vtt file in {tree.subtitles_folder("manual")} tells which episodes are aligned '
      f'manually: download them{advice}'
    )
  taken = {split: [e for e in ids if (e in manual) == only_manual] for split, ids in every.items()}
  if not only_manual:
    counts = {split: len(ids) - len(taken[split]) for split, ids in every.items()}
    said = ', '.join(f'{split} {count}' for split, count in counts.items())
    print(f'left out: {sum(counts.values())} manually aligned episodes ({said})', file=sys.stderr)
    if not all(counts.values()):
      print(
        f'warning: not every split has manually aligned subtitles in '
        f'{tree.subtitles_folder("manual")}: an incomplete download would leave such episodes in',
        file=sys.stderr,
      )
  return taken


def _present(
  tree: layout.Tree,
  selection: Selection,
  wanted: dict[str, list[str]],
  missing: str,
  videos: bool,
) -> frozenset[str]:
  """The episodes with all their files."""
  left = [episode for episodes in wanted.values() for episode in episodes]
  count = len(left)
  kinds = {'subtitles': lambda episode: tree.subtitles(selection.alignment, episode)}
  if videos:
    kinds['video'] = tree.video
  for kind, path in kinds.items():
    absent = [episode for episode in left if not path(episode).is_file()]
    if not absent:
      continue
    message = (
      f'{len(absent)} of {count} episodes have no {kind} in {path(absent[0]).parent}: '
      f'{first_of(absent, _NAMED)}'
    )
    if missing == 'error':
      raise UserError(f'{message}: download them, or leave such episodes out with --missing=skip')
    print(f'left out: {message}', file=sys.stderr)
    left = [episode for episode in left if episode not in set(absent)]
  if not left:
    raise UserError(f'{tree.root}: not one of {count} episodes of {", ".join(wanted)} is there')
  return frozenset(left)


def _episode_clips(tree: layout.Tree, selection: Selection, episode: str) -> list[Clip]:
  """An episode's clips, of any length."""
  path = tree.subtitles(selection.alignment, episode)
  texts: dict[tuple[int, int], list[str]] = {}
  for cue in webvtt.read(path):
    start, end = (round((time + selection.shift) * 1000) for time in (cue.start_s, cue.end_s))
    if start < 0:
      raise UserError(
        f'{path}: the cue at {cue.start_s:.3f} s, shifted by {selection.shift:g} s, starts before '
        'the video: shift by less'
      )
    said = texts.setdefault((start, end), [])
    if cue.text not in said:
      said.append(cue.text)
  joined = [' '.join(said) for said in texts.values()]
  return [
    Clip(f'{episode}_{start}_{end}', episode, start / 1000, end / 1000, text, before, after)
    for (start, end), text, before, after in zip(
      texts, joined, ['', *joined][:-1], [*joined, ''][1:], strict=True
    )
  ]


def _fits(clip: Clip, selection: Selection) -> bool:
  length_s = round(clip.end_s - clip.start_s, 3)  # exact: the times are in milliseconds
  return selection.min_s <= length_s <= selection.max_s


def _require_listed(
  tree: layout.Tree,
  selection: Selection,
  listed: dict[str, csv_tables.Row],
  found: dict[str, list[Clip]],
  wanted: dict[str, list[str]],
  there: frozenset[str],
) -> None:
  """Raises UserError for a listed clip of no subtitle, unless its split or episode is not read."""
  ids = {clip.id for clips in found.values() for clip in clips}
  unread = {e for split, episodes in tree.splits.items() if split not in wanted for e in episodes}
  unread |= {e for episodes in wanted.values() for e in episodes if e not in there}
  unknown = [id for id in listed if id not in ids and id.split('_')[0] not in unread]  # noqa: A001
  if unknown:
    where, _ = listed[unknown[0]]
    raise UserError(
      f'{where}: no subtitle gives the clip {unknown[0]} (one of {len(unknown)} such): they are of '
      f'alignment {selection.alignment!r} shifted by {selection.shift:g} s, '
      f'{"with" if selection.with_manual_episodes else "without"} manually aligned episodes'
    )

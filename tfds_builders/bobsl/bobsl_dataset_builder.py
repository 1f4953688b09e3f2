"""BOBSL: clips cut by subtitles out of episodes whose features are extracted once."""

import argparse
import functools
import importlib
import itertools
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from emo_jax import labels
from emo_jax.errors import UserError
from emo_jax.video import clip, error_list, feature_files
from emo_jax.video.decode import Video
from tfds_builders import clip_features, forecast, video_corpus
from tfds_builders.bobsl import clips, labelled, layout, runners, source

# Metadata fields of a data set.
BUILT_FROM = 'built_from'
SELECTED = 'selected_sha256'  # of the clips before any is cut or left out at a video's end
MANUAL_INCLUDED = 'manual_episodes_included'

_CONFIGS = {
  'a': 'Automatically aligned subtitles, no labels.',
  'a_tea': 'Automatically aligned subtitles with weak labels of a text model.',
  'm': 'Manually aligned subtitles, no labels.',
  'm_a1': 'Manually aligned subtitles with the labels of annotator 1.',
  'm_a2': 'Manually aligned subtitles with the labels of annotator 2.',
  'm_c': 'Manually aligned subtitles where both annotators gave the same label.',
}


class Builder(video_corpus.VideoCorpus, tfds.core.GeneratorBasedBuilder):
  """BOBSL by its own subsets, built as Beam pipelines over episodes."""

  VERSION = clip_features.VERSION
  RELEASE_NOTES = clip_features.RELEASE_NOTES
  BUILDER_CONFIGS = [
    tfds.core.BuilderConfig(name=name, description=text) for name, text in _CONFIGS.items()
  ]
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'The folder of BOBSL with its videos, subtitles and subset2episode.json. It is for academic '
    'research only: see https://www.robots.ox.ac.uk/~vgg/data/bobsl/.'
  )
  # Nothing is downloaded; looking for checksums would need the package importlib_resources.
  url_infos = None

  def __init__(self, *, choices: Mapping[str, Any] | None = None, **kwargs):
    """As `VideoCorpus`; `choices` are those of `source.resolve` (default: the environment's)."""
    self._choices = choices or {}
    super().__init__(**kwargs)

  def _info(self) -> tfds.core.DatasetInfo:
    features = clip_features.features(tuple(labels.TASKS))
    if self.builder_config.name in labelled.LABELLED:
      shares = tfds.features.Tensor(shape=(len(labels.EMOTIONS),), dtype=np.float32)
      features = tfds.features.FeaturesDict(
        dict(features.items()) | {labelled.PROBABILITIES: shares}
      )
    return self.dataset_info_from_configs(
      features=features,
      metadata=tfds.core.MetadataDict({clip_features.KEY: dict(self.key)}),
    )

  def download_and_prepare(
    self, *, download_config: tfds.download.DownloadConfig | None = None, **kwargs
  ) -> None:
    """As any TFDS builder's; `download_config.manual_dir` is BOBSL's folder.

    Raises:
      UserError: the data set is there and was built from something else, an episode cannot be
        extracted, a named Beam runner fails, or as `source.resolve`, `layout.open_tree`,
        `clips.select`, `clips.check_ends`, `labelled.read` and `labelled.join`.
    """
    config = download_config or tfds.download.DownloadConfig()
    # Without a folder the data set is only opened, as by tfds.load.
    there = Path(self.data_dir).is_dir() and not config.download_mode.overwrite_dataset
    if there and config.manual_dir:
      self._require_source(Path(config.manual_dir).expanduser())
    self._here = runners.is_local(config)
    self._running = config if there else runners.configured(config)
    with runners.failures_in_a_line(config):
      super().download_and_prepare(download_config=self._running, **kwargs)

  def _require_source(self, folder: Path) -> None:
    """Raises UserError unless the data set that is there was built from the same choices and
    subtitles."""
    metadata = tfds.builder_from_directory(self.data_dir).info.metadata
    there, chosen = metadata[BUILT_FROM], source.resolve(self.builder_config.name, self._choices)
    wanted = chosen.record()
    names = [name for name in there | wanted if there.get(name) != wanted.get(name)]
    if names:
      different = '; '.join(f'{n}: {there.get(n)} against {wanted.get(n)}' for n in names)
      raise UserError(
        f'the data set in {self.data_dir} was built from something else ({different}): delete it '
        'or give another --data_dir'
      )
    selected = clips.select(layout.open_tree(folder), chosen.selection, missing=chosen.missing)
    if clips.digest(selected) != metadata[SELECTED]:
      raise UserError(
        f'the data set in {self.data_dir} was built from other episodes or subtitles than those in '
        f'{folder} now: delete it or give another --data_dir; the features are kept'
      )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    wanted = source.resolve(self.builder_config.name, self._choices)
    tree = layout.open_tree(Path(dl_manager.manual_dir))
    print(f'reading the subtitles in {tree.root}', file=sys.stderr)
    selected = clips.select(tree, wanted.selection, missing=wanted.missing)
    self.info.metadata[SELECTED] = clips.digest(selected)
    examples = self._select(tree, wanted, selected)
    episodes = sorted({one.clip.episode for of_split in examples.values() for one in of_split})
    self.info.metadata[BUILT_FROM] = wanted.record()
    self.info.metadata[MANUAL_INCLUDED] = len(tree.manual_episodes().intersection(episodes))
    self._extract({tree.video(one): self._features(one) for one in episodes}, examples)
    found = {split: self._of_split(split, of_split) for split, of_split in examples.items()}
    found = {split: of_split for split, of_split in found.items() if of_split}
    if not found:
      raise UserError(
        f'none of the clips has a sampled frame: are {tree.root} and its videos whole?'
      )
    frames = sum(episode.frames for of_split in found.values() for episode in of_split)
    forecast.announce_data_set(frames, Path(self._data_dir_root))
    self.info.metadata[clip_features.VIDEOS] = {
      split: sorted({one.clip.episode for episode in of_split for one in episode.examples})
      for split, of_split in found.items()
    }
    for split in tree.splits:
      if split not in found:
        print(f'the split {split} has no clip and is left out', file=sys.stderr)
    return {split: self._generate_examples(of_split) for split, of_split in found.items()}

  def _features(self, episode: str) -> Path:
    return self.features_dir / f'{episode}.npz'

  def _select(
    self,
    tree: layout.Tree,
    wanted: source.Source,
    selected: Mapping[str, Sequence[clips.Clip]],
  ) -> dict[str, list[labelled.Example]]:
    """The examples to be, by split."""
    # Before videos are opened, which takes longer.
    found = labelled.read(self.builder_config.name, wanted.labels) if wanted.labels else None
    whole = {
      split: clips.check_ends(
        tree,
        wanted.selection,
        of_split,
        functools.partial(_duration_s, tree),
        missing=wanted.missing,
      )
      for split, of_split in selected.items()
    }
    if found is None:
      return labelled.unlabelled(whole)
    self.info.metadata[clip_features.LABEL_MODEL] = found.model
    self.info.metadata[clip_features.LABEL_REVISION] = found.revision
    return labelled.join(whole, found)

  def _extract(
    self, targets: Mapping[Path, Path], examples: Mapping[str, Sequence[labelled.Example]]
  ) -> None:
    """Says what will be done, then makes the features that are not there yet.

    Raises:
      UserError: features that are there are of another key or video, or an episode cannot be
        extracted; the others' features are kept.
    """
    todo = {v: t for v, t in targets.items() if not feature_files.is_done(t, v, self.key)}
    counts = ', '.join(f'{split} {len(of_split):,}' for split, of_split in examples.items())
    total = sum(map(len, examples.values()))
    print(
      f'bobsl/{self.builder_config.name}: {len(targets):,} episodes, {total:,} clips ({counts}); '
      f'{len(targets) - len(todo):,} episodes are extracted already',
      file=sys.stderr,
    )
    if not todo:
      return
    forecast.announce(list(todo), self.features_dir)
    settings = self.extractor_settings
    failed = _episodes().extract(todo, settings, self.key, self._running)
    error_list.write(self.features_dir / error_list.name(), failed)
    if failed:
      raise UserError(
        f'{len(failed)} of {len(targets)} episodes cannot be extracted '
        f'({"; ".join(map(str, failed.values()))}): mend them; the others are kept'
      )

  def _of_split(self, split: str, examples: Sequence[labelled.Example]) -> list[Any]:
    """The split's episodes with those of its examples that have a sampled frame."""
    module, found, empty = _episodes(), [], 0
    by_episode: dict[str, list[labelled.Example]] = {}
    for one in examples:
      by_episode.setdefault(one.clip.episode, []).append(one)
    for episode, of_episode in by_episode.items():
      path = self._features(episode)
      times = clip.load_times(path)
      frames = [module.within(times, x.clip.start_s, x.clip.end_s).sum() for x in of_episode]
      seen = [x for x, count in zip(of_episode, frames, strict=True) if count]
      empty += len(of_episode) - len(seen)
      if seen:
        found.append(module.Episode(str(path), tuple(seen), int(sum(frames))))
    if empty:
      print(f'{split}: {empty} clips without a sampled frame are left out', file=sys.stderr)
    return found

  def _generate_examples(self, episodes: Sequence[Any]):
    if not self._here:
      return _episodes().examples(episodes, self.key)
    # Beam's runner on this machine would hold all examples in memory; TFDS sorts these on disk.
    cut = (_episodes().examples_of(episode, self.key) for episode in episodes)
    return itertools.chain.from_iterable(cut)


def _duration_s(tree: layout.Tree, episode: str) -> float:
  """As its container declares; infinite where that is not known, or extraction will complain."""
  try:
    video = Video(tree.video(episode))
  except UserError:
    return math.inf
  return video.declared_frames / video.fps or math.inf


def _episodes() -> ModuleType:
  """`tfds_builders.bobsl.episodes`, which needs Apache Beam."""
  runners.apache_beam()
  return importlib.import_module('tfds_builders.bobsl.episodes')


def add_flags(parser: argparse.ArgumentParser) -> None:
  """The flags of `tfds_builders.build` for this corpus."""
  parser.add_argument('--manual_dir', help="BOBSL's folder")
  source.add_flags(parser)
  parser.add_argument(
    '--beam_pipeline_options', help='of Apache Beam: NAME=VALUE,... (default: in this process)'
  )
  video_corpus.add_flags(parser)


def options(arguments: argparse.Namespace) -> dict[str, Any]:
  """What `Builder` takes, from these flags.

  Raises:
    UserError: no such folder, or a choice or label file is wrong: found out before networks are
      loaded.
  """
  needs = Builder.MANUAL_DOWNLOAD_INSTRUCTIONS
  layout.open_tree(video_corpus.require_folder('bobsl', arguments.manual_dir, needs))
  choices = source.given(arguments)
  config = arguments.corpus.partition('/')[2] or Builder.BUILDER_CONFIGS[0].name
  wanted = source.resolve(config, choices)
  if wanted.labels:
    labelled.read(config, wanted.labels)
  return video_corpus.options(arguments) | dict(choices=choices)


def download_options(arguments: argparse.Namespace) -> dict[str, Any]:
  """What `tfds.download.DownloadConfig` takes, from these flags: where Beam pipelines run.

  Raises:
    UserError: as `runners.options`.
  """
  return dict(beam_options=runners.options(arguments.beam_pipeline_options))

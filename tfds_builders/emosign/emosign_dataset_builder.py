"""EmoSign: clips of American Sign Language with a sentiment and ten emotions."""

import argparse
import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from emo_jax.errors import UserError, first_of
from emo_jax.video import clip, crops
from tfds_builders import clip_features, video_corpus
from tfds_builders.emosign import annotations
from tfds_builders.emosign.annotations import Annotation

TASKS = ('emotion', 'expression', 'sentiment', 'sentiment3')

# Metadata fields of the data set: a sha256 of what the annotations say, and the clips not there.
ANNOTATIONS_KEY = 'annotations_sha256'
MISSING_KEY = 'missing_clips'
MISSING_FILE = 'missing_clips.txt'  # the same for people, in the data set's folder

LABELS = 'labels'  # the config without clips
_CHOSEN = {
  'single': lambda row: row.is_single,
  'multi': lambda row: row.is_multi,
  'all': lambda row: True,
  LABELS: lambda row: True,
  clip_features.CROPS: lambda row: True,
}
_VIDEO_ENDINGS = ('.mp4', '.mov')
_SHOWN = 10  # of the missing clips' names, on stderr
_CLIPS_SOURCE = "ASLLRP's DAI (https://dai.cs.rutgers.edu/), on request"


class Builder(video_corpus.VideoCorpus, tfds.core.GeneratorBasedBuilder):
  """One split per signer, named after the signer, so that `a+b` and `all` leave signers out."""

  VERSION = clip_features.VERSION
  RELEASE_NOTES = clip_features.RELEASE_NOTES
  BUILDER_CONFIGS = [
    tfds.core.BuilderConfig(name='single', description='The Single Expression Set, 140 clips.'),
    tfds.core.BuilderConfig(name='multi', description='The 37 clips of several expressions.'),
    tfds.core.BuilderConfig(name='all', description='All 200 clips.'),
    tfds.core.BuilderConfig(
      name=clip_features.CROPS, description='All, with face crops to fine-tune the backbone on.'
    ),
    tfds.core.BuilderConfig(name=LABELS, description='All 200 annotations, without clips.'),
  ]
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    f'A folder with clips called <video_name>.mp4, from {_CLIPS_SOURCE}, and '
    f'{annotations.NAME}, from {annotations.SOURCE}. The config labels needs no clips.'
  )
  # Nothing is downloaded; looking for checksums would need the package importlib_resources.
  url_infos = None

  def __init__(self, *, annotations_path: str | os.PathLike | None = None, config=None, **kwargs):
    """As `VideoCorpus`; the config `labels` opens no networks.

    Args:
      annotations_path: CSV or Arrow file (default: EMO_JAX_ANNOTATIONS, else among the clips).
      config: as any TFDS builder's.
      **kwargs: as `VideoCorpus`.
    """
    self._annotations_path = annotations_path
    with_clips = getattr(config, 'name', config) != LABELS
    super().__init__(config=config, extracts=with_clips, **kwargs)

  def _info(self) -> tfds.core.DatasetInfo:
    metadata = {clip_features.KEY: dict(self.key)} if self._with_clips else {}
    return self.dataset_info_from_configs(
      features=_features(self._with_clips, self._with_crops),
      metadata=tfds.core.MetadataDict(metadata),
    )

  @property
  def _with_clips(self) -> bool:
    return self.builder_config.name != LABELS

  @property
  def _with_crops(self) -> bool:
    return self.builder_config.name == clip_features.CROPS

  def download_and_prepare(
    self, *, download_config: tfds.download.DownloadConfig | None = None, **kwargs
  ) -> None:
    """As any TFDS builder's; `download_config.manual_dir` is the folder of clips.

    Raises:
      UserError: the data set is there and was built from other annotations or clips, no clip is
        there, or as `annotations.read` and `feature_files.extract_all`.
    """
    config = download_config or tfds.download.DownloadConfig()
    if Path(self.data_dir).is_dir() and not config.download_mode.overwrite_dataset:
      self._require_same(Path(config.manual_dir).expanduser() if config.manual_dir else None)
    super().download_and_prepare(download_config=config, **kwargs)

  def _require_same(self, folder: Path | None) -> None:
    """Raises UserError unless the data set that is there was built from what is given now."""
    path = annotations.named(self._annotations_path) or (folder and annotations.in_folder(folder))
    if not path:  # the data set is only opened, as by tfds.load
      return
    remedy = 'delete it or give another --data_dir'
    there = tfds.builder_from_directory(self.data_dir).info.metadata
    rows = annotations.read(path)
    if there.get(ANNOTATIONS_KEY) != annotations.digest(rows):
      raise UserError(
        f'the data set in {self.data_dir} was built from other annotations than {path}: {remedy}'
      )
    if self._with_clips and folder:
      rows = chosen(rows, self.builder_config.name)
      missing = _missing(rows, find_videos(folder, {row.video for row in rows}))
      if there.get(MISSING_KEY) != missing:
        raise UserError(
          f'the data set in {self.data_dir} was built from other clips than those in {folder}, '
          f'which lacks {len(missing)} of {len(rows)}: {remedy}'
        )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    path = annotations.named(self._annotations_path)
    rows = annotations.read(path or annotations.in_folder(Path(dl_manager.manual_dir)))
    self.info.metadata[ANNOTATIONS_KEY] = annotations.digest(rows)
    rows, videos = chosen(rows, self.builder_config.name), {}
    if self._with_clips:
      rows, videos = self._extract(rows, Path(dl_manager.manual_dir))
    signers = sorted({row.signer for row in rows})
    return {
      signer: self._generate_examples([r for r in rows if r.signer == signer], videos)
      for signer in signers
    }

  def _extract(
    self, rows: Sequence[Annotation], folder: Path
  ) -> tuple[list[Annotation], dict[str, Path]]:
    """The rows whose clips are there, and those, after their features were extracted."""
    videos = require_videos(folder, rows)
    missing = _missing(rows, videos)
    self.info.metadata[MISSING_KEY] = missing
    if missing:
      names = first_of(missing, _SHOWN)
      print(
        f'{len(missing)} of {len(rows)} clips are not in {folder}: {names} (listed in '
        f'{MISSING_FILE} of the data set)',
        file=sys.stderr,
      )
      # TFDS moves this folder into its place when all is well.
      (Path(self.data_dir) / MISSING_FILE).write_text(''.join(f'{name}\n' for name in missing))
    targets = {video: self.features_dir / f'{name}.npz' for name, video in videos.items()}
    self.extract(targets, 'the folder')
    return [row for row in rows if row.video in videos], videos

  def _generate_examples(self, rows: Iterable[Annotation], videos: Mapping[str, Path]):
    for row in rows:
      fields = dict(id=row.video, signer=row.signer, utterance=row.utterance, text='')
      if self._with_clips:
        features, _, _ = clip.load(self.features_dir / f'{row.video}.npz')
        faces = crops.cut(videos[row.video], features) if self._with_crops else None
        fields = clip_features.example(features, **fields, task_labels=row.labels, crops=faces)
      yield (
        row.video,
        fields
        | dict(
          labels=row.labels,
          intensity=dict(row.intensity),
          reasoning=list(row.reasoning),
          expression=row.expression,
        ),
      )


def chosen(rows: Iterable[Annotation], config: str) -> list[Annotation]:
  """The annotations that a config is about."""
  return [row for row in rows if _CHOSEN[config](row)]


def find_videos(folder: Path, names: Collection[str]) -> dict[str, Path]:
  """Name -> its video, for those in the folder or a folder in it.

  Raises:
    UserError: there are two videos of a name.
  """
  found: dict[str, Path] = {}
  for path in sorted([*folder.glob('*'), *folder.glob('*/*')]):
    if path.suffix.lower() in _VIDEO_ENDINGS and path.stem in names and path.is_file():
      if path.stem in found:
        raise UserError(f'{found[path.stem]} and {path} are both {path.stem}: keep one')
      found[path.stem] = path
  return found


def require_videos(folder: Path, rows: Sequence[Annotation]) -> dict[str, Path]:
  """As `find_videos`, of the rows. Raises UserError if no video is there."""
  videos = find_videos(folder, {row.video for row in rows})
  if not videos:
    raise UserError(
      f'no clip of EmoSign in {folder}: put <video_name>.mp4 files there, from {_CLIPS_SOURCE}, '
      f'or build emosign/{LABELS}, which needs none'
    )
  return videos


def _missing(rows: Iterable[Annotation], videos: Collection[str]) -> list[str]:
  return sorted(row.video for row in rows if row.video not in videos)


def _features(with_clips: bool, with_crops: bool) -> tfds.features.FeaturesDict:
  """Fields of `clip_features`, without the clip's where there is none, and EmoSign's own."""
  fields = dict(clip_features.features(TASKS, with_crops).items())
  if not with_clips:
    fields = {name: feature for name, feature in fields.items() if name not in clip.FIELDS}
  own = dict(
    intensity={name: tfds.features.Scalar(np.int64) for name in annotations.EMOTIONS},
    reasoning=tfds.features.Sequence(tfds.features.Text(), length=3),
    expression=tfds.features.Text(),
  )
  return tfds.features.FeaturesDict(fields | own)


def add_flags(parser: argparse.ArgumentParser) -> None:
  """The flags of `tfds_builders.build` for this corpus."""
  parser.add_argument('--manual_dir', help='the clips, with the annotations unless named')
  parser.add_argument(
    '--annotations',
    metavar='FILE',
    help=f'CSV or .arrow (env {annotations.VARIABLE}; default: in --manual_dir)',
  )
  video_corpus.add_flags(parser)


def options(arguments: argparse.Namespace) -> dict[str, Any]:
  """What `Builder` takes, from these flags.

  Raises:
    UserError: no such folder, wrong annotations or no clips: found out before networks are loaded.
  """
  config = arguments.corpus.partition('/')[2] or Builder.BUILDER_CONFIGS[0].name
  path = annotations.named(arguments.annotations)
  if config != LABELS or not path:
    needs = Builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    folder = video_corpus.require_folder('emosign', arguments.manual_dir, needs)
    path = path or annotations.in_folder(folder)
  rows = annotations.read(path)
  if config != LABELS:
    require_videos(folder, chosen(rows, config))
  return video_corpus.options(arguments) | dict(annotations_path=arguments.annotations)

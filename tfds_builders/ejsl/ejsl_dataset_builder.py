"""eJSL, or any folder of clips with a manifest of the same form."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from emo_jax import labels
from emo_jax.errors import UserError
from emo_jax.video import clip, crops
from tfds_builders import clip_features, crossing, manifest, video_corpus
from tfds_builders.ejsl import ita

# Metadata field of the data set that holds the sha256 of its manifest.
MANIFEST_KEY = 'manifest_sha256'


COMPLETE_VARIABLE = 'EMO_JAX_REQUIRE_COMPLETE'


class Builder(video_corpus.VideoCorpus, tfds.core.GeneratorBasedBuilder):
  """One split per signer, named after the signer, so that `a+b` and `all` leave signers out."""

  VERSION = clip_features.VERSION
  RELEASE_NOTES = clip_features.RELEASE_NOTES
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'A folder with the clips and manifest.csv (columns file, signer, utterance, emotion, text). '
    'eJSL is available upon request to the authors of "Emotion Recognition in Signers".'
  )
  # Nothing is downloaded; looking for checksums would need the package importlib_resources.
  url_infos = None
  # Beside the data set itself, which has no config.
  _CROPS = tfds.core.BuilderConfig(
    name=clip_features.CROPS, description='With face crops, to fine-tune the backbone on.'
  )

  def __init__(
    self,
    *,
    manifest_path: str | os.PathLike | None = None,
    ita_dir: str | os.PathLike | None = None,
    require_complete: bool = False,
    **kwargs,
  ):
    """As `VideoCorpus`, and:

    Args:
      manifest_path: of the CSV (default: EMO_JAX_MANIFEST, else `manifest.csv` among the clips).
      ita_dir: folder of the ITA corpus' transcripts, whose sentences fill empty texts (default:
        EMO_JAX_ITA, else none).
      require_complete: refuse clips that are not all of eJSL (default: if EMO_JAX_REQUIRE_COMPLETE
        is not empty).
    """
    self._manifest_path = manifest_path
    self._require_complete = require_complete or _completeness_required()
    self._ita_dir = ita_dir
    super().__init__(**kwargs)

  @classmethod
  def get_builder_config(cls, name: str, version=None) -> tfds.core.BuilderConfig | None:
    """As any TFDS builder's."""
    return cls._CROPS if name == clip_features.CROPS else super().get_builder_config(name, version)

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
      features=clip_features.features(tuple(labels.TASKS), self.builder_config is not None),
      metadata=tfds.core.MetadataDict({clip_features.KEY: dict(self.key)}),
    )

  def download_and_prepare(
    self, *, download_config: tfds.download.DownloadConfig | None = None, **kwargs
  ) -> None:
    """As any TFDS builder's; `download_config.manual_dir` is the folder of clips.

    Raises:
      UserError: the data set is there and was built from another manifest, or as
        `manifest.read` and `feature_files.extract_all`.
    """
    config = download_config or tfds.download.DownloadConfig()
    # Without a folder the data set is only opened, as by tfds.load.
    there = Path(self.data_dir).is_dir()
    if there and config.manual_dir and not config.download_mode.overwrite_dataset:
      self._require_manifest(Path(config.manual_dir).expanduser())
    super().download_and_prepare(download_config=config, **kwargs)

  def _require_manifest(self, clips: Path) -> None:
    """Raises UserError unless the data set that is there was built from the clips' manifest."""
    path = manifest.find(clips, self._manifest_path)
    there = tfds.builder_from_directory(self.data_dir).info.metadata
    if there.get(MANIFEST_KEY) != manifest.digest(path, _texts(self._ita_dir)):
      raise UserError(
        f'the data set in {self.data_dir} was built from another manifest than {path}, or with '
        'other texts: delete it or give another --data_dir'
      )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    clips = Path(dl_manager.manual_dir)
    path = manifest.find(clips, self._manifest_path)
    texts = _texts(self._ita_dir)
    rows = manifest.read(path, clips, texts)
    self.info.metadata[MANIFEST_KEY] = manifest.digest(path, texts)
    _require_crossed(rows, path, self._require_complete)
    kept = self.features_dir
    self.extract({row.path: kept / f'{row.id}.npz' for row in rows}, str(path))
    signers = sorted({row.signer for row in rows})
    return {
      signer: self._generate_examples([r for r in rows if r.signer == signer], kept)
      for signer in signers
    }

  def _generate_examples(self, rows: list[manifest.Row], kept: Path):
    for row in rows:
      features, _, _ = clip.load(kept / f'{row.id}.npz')
      yield (
        row.id,
        clip_features.example(
          features,
          id=row.id,
          signer=row.signer,
          utterance=row.utterance,
          text=row.text,
          task_labels=row.labels,
          crops=crops.cut(row.path, features) if self.builder_config else None,
        ),
      )


def _texts(ita_dir: str | os.PathLike | None) -> dict[str, str] | None:
  """The ITA corpus' sentences by id, or None if no folder is given."""
  folder = ita_dir or os.environ.get(ita.VARIABLE)
  return ita.read(Path(folder)) if folder else None


def _completeness_required() -> bool:
  return bool(os.environ.get(COMPLETE_VARIABLE))


def _cells(rows: list[manifest.Row]) -> list[crossing.Cell]:
  columns = zip(*((r.utterance, r.signer, r.labels['emotion']) for r in rows), strict=True)
  return crossing.cells_of(*columns)


def _require_crossed(rows: list[manifest.Row], path: Path, require_complete: bool) -> None:
  """Warns of what is missing where emotions are crossed with utterances, or refuses it."""
  cells = _cells(rows)
  if require_complete:
    crossing.require_ejsl(cells, str(path))
  found = crossing.find(cells)
  if found and (found.missing or found.repeated):
    print(f'warning: {path}: {found.text}', file=sys.stderr)


def add_flags(parser: argparse.ArgumentParser) -> None:
  """The flags of `tfds_builders.build` for this corpus."""
  parser.add_argument('--manual_dir', help='the clips and their manifest')
  parser.add_argument('--manifest', help='default: manifest.csv in --manual_dir')
  parser.add_argument('--ita', metavar='DIR', help="the ITA corpus' transcripts (env EMO_JAX_ITA)")
  parser.add_argument(
    '--require_complete',
    action='store_true',
    default=_completeness_required(),
    help=f'refuse clips that are not all of eJSL (env {COMPLETE_VARIABLE}=1)',
  )
  video_corpus.add_flags(parser)


def options(arguments: argparse.Namespace) -> dict[str, Any]:
  """What `Builder` takes, from these flags.

  Raises:
    UserError: no such folder, or its manifest is wrong: found out before networks are loaded.
  """
  needs = Builder.MANUAL_DOWNLOAD_INSTRUCTIONS
  clips = video_corpus.require_folder('ejsl', arguments.manual_dir, needs)
  path = manifest.find(clips, arguments.manifest)
  rows = manifest.read(path, clips, _texts(arguments.ita))
  if arguments.require_complete:
    crossing.require_ejsl(_cells(rows), str(path))
  return video_corpus.options(arguments) | dict(
    manifest_path=arguments.manifest,
    ita_dir=arguments.ita,
    require_complete=arguments.require_complete,
  )

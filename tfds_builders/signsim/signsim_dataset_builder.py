"""signsim: a simulation of emotion recognition in signers, built from a seed without a download."""

import argparse
import dataclasses
import functools
import hashlib
import re
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from emo_jax import provenance
from emo_jax.errors import UserError
from tfds_builders import clip_features
from tfds_builders.signsim import corpus

# What draws the clips, beside the seed and the variant.
_GENERATOR = ('constants.py', 'corpus.py', 'face.py', 'hand.py', 'streams.py', 'text.py')

_NAME = re.compile(rf'seed(0|[1-9]\d*)(?:_({"|".join(corpus.VARIANTS)}))?')


def config_from_name(name: str) -> 'SignSimConfig':
  """The config a name spells: `seed<number>`, or `seed<number>_<variant>`.

  Raises:
    UserError: the name is neither.
  """
  match = _NAME.fullmatch(name)
  if not match:
    raise UserError(
      f'signsim has no config {name!r}: expected seed<number>, such as seed7, or seed<number>_ and '
      f'one of {", ".join(corpus.VARIANTS)}'
    )
  return SignSimConfig(name=name, seed=int(match[1]), variant=match[2] or '')


@functools.cache
def generator_digest() -> str:
  """The first 8 hex digits of a sha256 over the generator's source and the version of features:
  another one, other clips."""
  digest = hashlib.sha256(provenance.FEATURE_VERSION.encode())
  for name in _GENERATOR:
    digest.update(Path(__file__).with_name(name).read_bytes())
  return digest.hexdigest()[:8]


@dataclasses.dataclass(eq=False)
class SignSimConfig(tfds.core.BuilderConfig):
  """A corpus: the same seed and variant always give the same clips.

  Attributes:
    seed: of every random stream, the backbone's included.
    variant: '' or one of `corpus.VARIANTS`; all else is the same as in the seed's default corpus.
  """

  seed: int = 0
  variant: str = ''


class Builder(tfds.core.GeneratorBasedBuilder):
  """The corpus; `config` is any name that `config_from_name` understands, by default seed0."""

  VERSION = clip_features.VERSION
  RELEASE_NOTES = clip_features.RELEASE_NOTES
  # Nothing is downloaded; looking for checksums would need the package importlib_resources.
  url_infos = None

  def __init__(self, **kwargs):
    """As any TFDS builder. Raises UserError if another generator's data set is there."""
    super().__init__(**clip_features.readable_without_tensorflow(kwargs))
    clip_features.require_key(self, self._key())

  def get_default_builder_config(self) -> SignSimConfig:
    return config_from_name('seed0')

  @classmethod
  def get_builder_config(cls, name: str, version=None) -> SignSimConfig:
    return config_from_name(name)

  def _key(self) -> dict[str, str]:
    return provenance.compatibility_key(
      backbone=f'synthetic:signsim-{generator_digest()}-seed{self.builder_config.seed}',
      detector='none',
      resize='none',
      sampling='index',
      hand_model='none',
    )

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
      features=clip_features.features(tasks=('emotion',)),
      metadata=tfds.core.MetadataDict({clip_features.KEY: self._key()}),
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    return {split: self._generate_examples(split) for split in corpus.SPLITS}

  def _generate_examples(self, split: str):
    config = self.builder_config
    for plan, draw in corpus.clips(config.seed, split, config.variant):
      yield (
        plan.id,
        clip_features.example(
          draw(),
          id=plan.id,
          signer=plan.signer,
          utterance=plan.utterance,
          text=plan.text,
          task_labels={'emotion': plan.label},
        ),
      )


def add_flags(parser: argparse.ArgumentParser) -> None:
  """The flags of `tfds_builders.build` for this corpus: none."""


def options(arguments: argparse.Namespace) -> dict[str, Any]:
  """What `Builder` takes, from these flags: nothing."""
  return {}

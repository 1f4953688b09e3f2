"""Builds a corpus without TensorFlow: python -m tfds_builders.build NAME --data_dir=DIR ...

python -m tfds_builders.build ejsl --manual_dir=CLIPS --data_dir=DATA --weights=FILE|random
python -m tfds_builders.build signsim --data_dir=DATA
"""

import argparse
import contextlib
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from emo_jax import labels
from emo_jax.errors import ArgumentParser, UserError, exit_status
from emo_jax.video import folders, following, sampling
from tfds_builders import CORPORA, manifest


def main(argv: Sequence[str]) -> None:
  """Builds the corpus, or says that it is there already; prints where it lies."""
  arguments = _arguments(argv)
  name, _, config = arguments.corpus.partition('/')
  if name not in CORPORA:
    raise UserError(f'no corpus {name!r}{labels.nearest(name, CORPORA)}: {", ".join(CORPORA)}')
  module = importlib.import_module(f'tfds_builders.{name}.{name}_dataset_builder')
  if config and module.Builder.get_builder_config(config) is None:
    raise UserError(f'{name} has no config {config!r}: write {name} alone')
  options = _options(name, module.Builder.MANUAL_DOWNLOAD_INSTRUCTIONS, arguments)
  folders.make_writable(Path(arguments.data_dir))
  with contextlib.redirect_stdout(sys.stderr):  # TFDS reports on stdout, which is for the result
    builder = module.Builder(data_dir=arguments.data_dir, config=config or None, **options)
    there = Path(builder.data_dir).is_dir()
    builder.download_and_prepare(
      download_config=tfds.download.DownloadConfig(manual_dir=arguments.manual_dir)
    )
  splits = ', '.join(f'{name} {info.num_examples}' for name, info in builder.info.splits.items())
  state = ' already there' if there else ''
  print(f'{builder.info.full_name}{state}: {splits}', file=sys.stderr)
  print(builder.data_dir)


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
  parser = ArgumentParser(prog='python -m tfds_builders.build', description=__doc__)
  parser.add_argument('corpus', help=f'NAME or NAME/CONFIG: {", ".join(CORPORA)}')
  parser.add_argument('--data_dir', required=True, help='where data sets lie')
  parser.add_argument('--manual_dir', help='the videos and their labels')
  parser.add_argument('--manifest', help='default: manifest.csv in --manual_dir')
  parser.add_argument('--weights', help='converted weights or `random` (env EMO_JAX_WEIGHTS)')
  parser.add_argument('--hand_model', help='hand_landmarker.task (env EMO_JAX_HAND_MODEL)')
  parser.add_argument('--features', help='folder of .npz files to reuse and add to')
  parser.add_argument(
    '--sampling', choices=sampling.RULES, help='of frames (env EMO_JAX_SAMPLING; default: index)'
  )
  parser.add_argument('--search', choices=following.SEARCHES, default='follow', help='for the face')
  parser.add_argument('--hands_from', metavar='DIR', help='folder of <video>.pose files with hands')
  return parser.parse_args(argv)


def _options(name: str, needs: str | None, arguments: argparse.Namespace) -> dict[str, str | None]:
  """What the builder of a corpus of videos takes; nothing if the corpus needs no videos.

  Raises:
    UserError: no such folder, or its manifest is wrong: found out before networks are loaded.
  """
  if not needs:
    return {}
  if not arguments.manual_dir or not Path(arguments.manual_dir).is_dir():
    raise UserError(
      f'--manual_dir={arguments.manual_dir} is no folder: {name} needs its videos. {needs}'
    )
  clips = Path(arguments.manual_dir)
  manifest.read(manifest.find(clips, arguments.manifest), clips)
  return dict(
    weights=arguments.weights,
    hand_model=arguments.hand_model,
    features_dir=arguments.features,
    manifest_path=arguments.manifest,
    sampling=arguments.sampling,
    search=arguments.search,
    hands_from=arguments.hands_from,
  )


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

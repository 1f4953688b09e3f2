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
from types import ModuleType

import tensorflow_datasets as tfds

from emo_jax import labels
from emo_jax.errors import ArgumentParser, UserError, exit_status
from emo_jax.video import folders
from tfds_builders import CORPORA, stored


def main(argv: Sequence[str]) -> None:
  """Builds the corpus, or says that it is there already; prints where it lies."""
  module, config, arguments = _arguments(argv)
  options = module.options(arguments)
  # Where a corpus is built by pipelines, its flags say how they run.
  download = getattr(module, 'download_options', lambda _: {})(arguments)
  folders.make_writable(Path(arguments.data_dir))
  for folder in stored.versions(Path(arguments.data_dir), arguments.corpus):
    there = stored.open_folder(folder)  # the builder itself would not say what is damaged
    for split in there.info.splits:
      stored.examples(there, split)
  with contextlib.redirect_stdout(sys.stderr):  # TFDS reports on stdout, which is for the result
    builder = module.Builder(data_dir=arguments.data_dir, config=config or None, **options)
    there = Path(builder.data_dir).is_dir()
    for left in Path(builder.data_dir).parent.glob(f'incomplete.*_{builder.version}'):
      print(f'{left} is of a build that was killed, or is at work: delete it if none is')
    builder.download_and_prepare(
      download_config=tfds.download.DownloadConfig(
        manual_dir=getattr(arguments, 'manual_dir', None), **download
      )
    )
  splits = ', '.join(f'{name} {info.num_examples}' for name, info in builder.info.splits.items())
  state = ' already there' if there else ''
  print(f'{builder.info.full_name}{state}: {splits}', file=sys.stderr)
  print(builder.data_dir)


def _arguments(argv: Sequence[str]) -> tuple[ModuleType, str, argparse.Namespace]:
  """The corpus' module, its config or nothing, and the flags, which differ between corpora."""
  usage = dict(prog='python -m tfds_builders.build', description=__doc__)
  name, _, config = (argv[0] if argv else '').partition('/')
  if not name or name.startswith('-'):
    parser = ArgumentParser(**usage)
    parser.add_argument('corpus', help=f'NAME or NAME/CONFIG: {", ".join(CORPORA)}')
    parser.parse_args(argv)
    raise UserError(f'name the corpus first: {", ".join(CORPORA)}')
  if name not in CORPORA:
    raise UserError(f'no corpus {name!r}{labels.nearest(name, CORPORA)}: {", ".join(CORPORA)}')
  module = importlib.import_module(f'tfds_builders.{name}.{name}_dataset_builder')
  if config and module.Builder.get_builder_config(config) is None:
    known = list(module.Builder.builder_configs)
    also = f'it has {", ".join(known)}' if known else f'write {name} alone'
    raise UserError(f'{name} has no config {config!r}{labels.nearest(config, known)}: {also}')
  parser = ArgumentParser(**usage)
  parser.add_argument('corpus', help=f'NAME or NAME/CONFIG: {", ".join(CORPORA)}')
  parser.add_argument('--data_dir', required=True, help='where data sets lie')
  module.add_flags(parser)
  return module, config, parser.parse_args(argv)


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

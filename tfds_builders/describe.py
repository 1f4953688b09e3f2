"""Command: what a person looks at in a corpus before training on it.

  python -m tfds_builders.describe NAME[/CONFIG] [--data_dir=DIR] [--out=FIGURE.png] [--json]

Prints clips, seconds and sampled frames per split, how much of the frames shows a face and hands,
counts per label and signer, beside the paper's where it gives them, and what the features were made
with; draws the same, with the lengths of clips.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from emo_jax import coverage, labels
from emo_jax.errors import ArgumentParser, UserError, exit_status
from emo_jax.video import folders
from tfds_builders import CORPORA, corpus_counts, stored

Row = Sequence[Any]


def main(argv: Sequence[str]) -> None:
  """Prints the counts and draws the figure. Raises UserError for a data set that is not there."""
  arguments = _arguments(argv)
  builder = find(arguments.name, Path(arguments.data_dir).expanduser())
  out = Path(arguments.out or arguments.name.replace('/', '-') + '.png')
  folders.make_writable(out.parent)
  clips = corpus_counts.read(builder)
  found = corpus_counts.summary(builder, clips)
  print(json.dumps(found, indent=2) if arguments.json else text(found))
  from tfds_builders import corpus_figure  # Matplotlib takes a second

  corpus_figure.draw(out, clips, found)
  print(f'drawn: {out}', file=sys.stderr)


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
  parser = ArgumentParser(prog='python -m tfds_builders.describe', description=__doc__)
  parser.add_argument('name', metavar='NAME[/CONFIG]', help=f'such as {", ".join(CORPORA)}')
  default = os.environ.get('TFDS_DATA_DIR') or str(tfds.core.constants.DATA_DIR)
  where = 'where data sets lie (env TFDS_DATA_DIR, else %(default)s)'
  parser.add_argument('--data_dir', default=default, help=where)
  parser.add_argument(
    '--out', metavar='FIGURE.png', help='where to draw the counts (default: NAME.png, here)'
  )
  parser.add_argument('--json', action='store_true', help='print everything as JSON')
  return parser.parse_args(argv)


def find(name: str, data_dir: Path) -> tfds.core.DatasetBuilder:
  """Opens the latest version; a name alone is enough for a corpus with one config there.

  Raises:
    UserError: it is not there, with the names of what is; or as `stored.open_latest`.
  """
  corpus = name.split('/')[0]
  there = sorted({p.parent.relative_to(data_dir).as_posix() for p in _prepared(data_dir)})
  configs = [one for one in there if one.startswith(f'{corpus}/')]
  if name not in there and name == corpus and len(configs) == 1:
    name = configs[0]
  if name not in there:
    near = labels.nearest(name, {*CORPORA, *there} - {name})
    held = f'; it holds {", ".join(there)}' if there else ''
    raise UserError(f'no {name} in {data_dir}{near}{held}: {stored.remedy(name)}')
  return stored.open_latest(data_dir, name)


def _prepared(data_dir: Path) -> list[Path]:
  """Folders of versions of data sets."""
  return [
    folder
    for pattern in ('*/*', '*/*/*')
    for folder in data_dir.glob(pattern)
    if tfds.core.Version.is_valid(folder.name) and (folder / 'dataset_info.json').is_file()
  ]


def text(found: Mapping[str, Any]) -> str:
  """The summary of `corpus_counts.summary` as tables."""
  whole = found['all']
  parts = [f'{found["name"]} in {found["folder"]}', corpus_counts.headline(found)]
  if found['synthetic']:
    parts.append('SYNTHETIC: says nothing about real signers')
  if found['crossed']:
    parts.append(found['crossed']['text'])
  blocks = ['\n'.join(parts), _sizes(found)]
  blocks += [_label_table(task, found) for task in whole['labels']]
  without = [task for task in labels.TASKS if task not in whole['labels']]
  if without:
    blocks.append(f'no label for: {", ".join(without)}')
  blocks.append(_signers(found))
  key = found['compatibility_key'].items()
  made = [f'  {name}: {value}' for name, value in key] or ['  none: labels alone, without clips']
  blocks.append('\n'.join(['compatibility key', *made]))
  return '\n\n'.join(block for block in blocks if block)


def _sizes(found: Mapping[str, Any]) -> str:
  """Clips, seconds, frames and coverage per split; clips alone where there are labels alone."""
  if not found['compatibility_key']:
    counts = {**found['splits'], 'all': found['all']}
    return _table([['split', 'clips'], *([name, part['clips']] for name, part in counts.items())])
  limits = [f'{what} below {limit:g}' for what, limit in found['limits'].items()]
  shares = [f'{what} %' for what in coverage.SHARES]
  rows = [['split', 'clips', 'seconds', 'frames', *shares, *limits]]
  for name, part in {**found['splits'], 'all': found['all']}.items():
    seen = [f'{100 * part["coverage"][what]:.1f}' for what in coverage.SHARES]
    low = part['below_limits'].values()
    seconds = f'{part["seconds"]:,.1f}'
    rows.append([name, part['clips'], seconds, part['frames'], *seen, *low])
  return f'{_table(rows)}\n(shares are of all sampled frames; the last column counts clips)'


def _label_table(task: str, found: Mapping[str, Any]) -> str:
  """Clips per split and label, with the paper's."""
  names = list(found['all']['labels'][task])
  rows = [[task, *names]]
  for split, part in {**found['splits'], 'all': found['all']}.items():
    rows.append([split, *part['labels'][task].values()])
  paper = found['paper'] or {}
  if counts := paper.get('labels', {}).get(task):
    rows.append([f'paper, {paper["where"]}', *(counts.get(name, '') for name in names)])
  return _table(rows)


def _signers(found: Mapping[str, Any]) -> str:
  """Clips per signer and label, unless every split is one signer."""
  signers = found['signers']
  if not signers or signers.keys() == found['splits'].keys():
    return ''
  clips = {signer: part['clips'] for signer, part in signers.items()}
  if len(signers) > corpus_counts.MOST_SIGNERS:
    most = max(clips, key=clips.get)
    return (
      f'clips per signer: {min(clips.values()):,} to {clips[most]:,} ({most}), '
      f'median {statistics.median(clips.values()):g}, {len(clips):,} signers (--json names them)'
    )
  task, *_ = [*found['all']['labels'], None]
  names = list(found['all']['labels'][task]) if task else []
  rows = [['signer', 'clips', *names]]
  for signer, part in signers.items():
    rows.append([signer, part['clips'], *(part['labels'][task].values() if task else ())])
  return _table(rows) + (f'\n(by {task})' if task else '')


def _table(rows: Sequence[Row]) -> str:
  """Aligned columns: the first to the left, numbers to the right."""
  cells = [[f'{c:,}' if isinstance(c, int) else str(c) for c in row] for row in rows]
  widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
  return '\n'.join(
    '  '.join(
      cell.ljust(width) if i == 0 else cell.rjust(width)
      for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    ).rstrip()
    for row in cells
  )


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

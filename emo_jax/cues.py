"""Command: the sentences of a corpus' clips, to be labelled.

  python -m emo_jax.cues bobsl --root=DIR --out=SUBTITLES.csv [--alignment=audio|sat|manual]
    [--shift=S] [--min_s=S] [--max_s=S] [--with_manual_episodes] [--clips=CSV]
    [--split=train|validation|test|all] [--sample=N --seed=0] [--missing=error|skip]

The videos need not be there. Ids are those of `tfds_builders.build bobsl` with the same flags.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from emo_jax.errors import ArgumentParser, UserError, exit_status
from emo_jax.text import sentences
from emo_jax.video import folders
from tfds_builders.bobsl import clips, layout

_ALL = 'all'


def main(argv: Sequence[str]) -> None:
  """Writes the CSV and prints its path. Raises UserError as `layout` and `clips` do."""
  arguments = _arguments(argv)
  out = Path(arguments.out)
  if out.is_dir():
    raise UserError(f'--out={out} is a folder: name a file')
  tree = layout.open_tree(Path(arguments.root))
  selection = clips.Selection(
    alignment=arguments.alignment,
    shift_s=arguments.shift,
    min_s=arguments.min_s,
    max_s=arguments.max_s,
    with_manual_episodes=arguments.with_manual_episodes,
    clips=arguments.clips,
  )
  folders.make_writable(out.parent)
  found = clips.select(
    tree,
    selection,
    missing=arguments.missing,
    splits=tuple(layout.SPLITS) if arguments.split == _ALL else (arguments.split,),
    videos=False,
  )
  chosen = [clip for of_split in found.values() for clip in of_split]
  if arguments.sample is not None:
    chosen = clips.sample(chosen, arguments.sample, arguments.seed)
  sentences.write(out, (_sentence(clip) for clip in chosen))
  episodes = len({clip.episode for clip in chosen})
  print(f'{len(chosen)} clips of {episodes} episodes', file=sys.stderr)
  print(out)


def _sentence(clip: clips.Clip) -> sentences.Sentence:
  return sentences.Sentence(
    id=clip.id,
    text=clip.text,
    before=clip.before,
    after=clip.after,
    episode=clip.episode,
    start_s=clip.start_s,
    end_s=clip.end_s,
  )


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
  default = clips.Selection()
  parser = ArgumentParser(prog='python -m emo_jax.cues', description=__doc__)
  parser.add_argument('corpus', choices=('bobsl',))
  parser.add_argument('--root', required=True, help='folder of the download')
  parser.add_argument('--out', required=True, help='CSV to write')
  parser.add_argument('--alignment', choices=layout.ALIGNMENTS, default=default.alignment)
  parser.add_argument(
    '--shift',
    type=float,
    help='seconds from speech to signing (default: 2.7 for audio, 0 for others)',
  )
  parser.add_argument('--min_s', type=float, default=default.min_s, help='of the shortest clip')
  parser.add_argument('--max_s', type=float, default=default.max_s, help='of the longest clip')
  parser.add_argument(
    '--with_manual_episodes', action='store_true', help='keep them among the others'
  )
  parser.add_argument('--clips', type=Path, help='CSV with the ids to keep, of any length')
  parser.add_argument('--split', choices=(*layout.SPLITS, _ALL), default=_ALL)
  parser.add_argument('--sample', type=int, metavar='N', help='draw N of the clips')
  parser.add_argument('--seed', type=int, default=0, help='of the draw')
  parser.add_argument(
    '--missing',
    choices=clips.MISSING,
    default='error',
    help='what to do about episodes without subtitles',
  )
  return parser.parse_args(argv)


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

"""Draws clips of one signer for people to judge, as many of each class, without their labels.

  python -m emo_jax.sample --corpus=ejsl --data_dir=DATA --signer=NAME --out=SAMPLE.csv
    [--per_class=10] [--seed=0] [--task=emotion] [--videos=DIR]

The paper's footnote 6: 70 eJSL clips, ten per class, judged by the other signer and by a
non-signer. SAMPLE.csv has a row per clip in random order: its id and its video (relative to
--videos, else the name without ending). A judge adds a column `label`; then

  python -m emo_jax.score SAMPLE.csv --corpus=ejsl --data_dir=DATA --subset=SAMPLE.csv
"""

import csv
import hashlib
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scipy import sparse
from scipy.sparse import csgraph

from emo_jax import csv_tables, files, labels, published, references
from emo_jax.errors import ArgumentParser, UserError, exit_status
from emo_jax.references import Reference, References
from emo_jax.video import folders
from emo_jax.vlm import frames

COLUMNS = ('id', 'video')


def main(argv: Sequence[str]) -> None:
  """Draws and writes the sample; prints its path."""
  arguments = _arguments(argv)
  out = Path(arguments.out)
  found = references.read(arguments.corpus, arguments.split, arguments.data_dir, arguments.task)
  drawn = draw(found, arguments.signer, arguments.per_class, arguments.seed)
  videos = {clip.id: clip.id for clip in drawn}
  if arguments.videos:
    folder = Path(arguments.videos)
    there = frames.find(arguments.corpus, folder, list(videos))
    videos = {id_: _relative(span.video, folder) for id_, span in there.items()}
  _write(out, [(clip.id, videos[clip.id]) for clip in drawn])
  _report(drawn, arguments)
  print(out)


def draw(found: References, signer: str, per_class: int, seed: int) -> list[Reference]:
  """Clips of one signer, `per_class` of every class of the task, in random order.

  As many different utterances as there can be: a largest matching of places to utterances. The
  draw depends on seed and ids alone, on no library's generator and no order of clips.

  Raises:
    UserError: no such signer, or a class has too few clips.
  """
  names = labels.names(found.task)
  signers = sorted({clip.signer for clip in found.labelled.values()})
  if signer not in signers:
    raise UserError(
      f'no labelled clip of {found.corpus}:{found.split} is by {signer!r}'
      f'{labels.nearest(signer, signers)}; the signers are {", ".join(signers)}'
    )
  if per_class < 1:
    raise UserError(f'--per_class={per_class}: draw at least one clip of each class')
  own = sorted(
    (clip for clip in found.labelled.values() if clip.signer == signer),
    key=lambda clip: _rank(seed, 'draw', clip.id),
  )
  by_class = {name: [clip for clip in own if clip.true == name] for name in names}
  few = {name: len(clips) for name, clips in by_class.items() if len(clips) < per_class}
  if few:
    raise UserError(
      f'{signer} has too few clips of {", ".join(f"{name} ({n})" for name, n in few.items())} for '
      f'{per_class} of each class: lower --per_class or name another signer'
    )
  drawn = _distinct(by_class, per_class, seed)
  for name, clips in by_class.items():
    taken = [clip for clip in drawn if clip.true == name]
    left = [clip for clip in clips if clip not in taken]
    drawn += left[: per_class - len(taken)]
  return sorted(drawn, key=lambda clip: _rank(seed, 'order', clip.id))


def _distinct(
  by_class: Mapping[str, Sequence[Reference]], per_class: int, seed: int
) -> list[Reference]:
  """Clips of different utterances for as many places as possible (Hopcroft and Karp 1973)."""
  # Round by round, so that no class has the first choice of every utterance.
  places = [name for _ in range(per_class) for name in by_class]
  # In drawn order: the clip drawn first stands for its utterance and class. An utterance that is
  # unknown is unlike any other.
  first: dict[tuple[str, str], Reference] = {}
  for clip in (clip for clips in by_class.values() for clip in clips):
    first.setdefault((clip.true, clip.utterance or clip.id), clip)
  utterances = sorted({u for _, u in first}, key=lambda u: _rank(seed, 'utterance', u))
  edges = [[(name, u) in first for u in utterances] for name in places]
  found = csgraph.maximum_bipartite_matching(sparse.csr_matrix(edges), perm_type='column')
  return [
    first[name, utterances[column]]
    for name, column in zip(places, found.tolist(), strict=True)
    if column >= 0
  ]


def _rank(seed: int, what: str, id_: str) -> bytes:
  return hashlib.sha256(f'{seed}:{what}:{id_}'.encode()).digest()


def _relative(video: Path, folder: Path) -> str:
  return video.relative_to(folder).as_posix() if video.is_relative_to(folder) else str(video)


def _write(out: Path, rows: Sequence[tuple[str, str]]) -> None:
  """Writes the CSV. Raises UserError rather than replace what a judge has filled in."""
  if out.exists() and csv_tables.read(out, ())[0] != COLUMNS:
    raise UserError(f'{out} holds more than a drawn sample, such as labels: name another --out')
  folders.make_writable(out.parent)
  with files.replacing(out) as partial, open(partial, 'w', newline='', encoding='utf-8') as f:
    table = csv.writer(f, lineterminator='\n')
    table.writerow(COLUMNS)
    table.writerows(rows)


def _report(drawn: Sequence[Reference], arguments) -> None:
  """Says on stderr what was drawn, and whether the ids give the labels away."""
  utterances = {clip.utterance or clip.id for clip in drawn}
  each = 'all of different utterances'
  if len(utterances) < len(drawn):
    each = f'of {len(utterances)} utterances, as many as can differ'
  print(
    f'{len(drawn)} clips by {arguments.signer}, {arguments.per_class} of each of '
    f'{len(drawn) // arguments.per_class} classes, seed {arguments.seed}, {each}',
    file=sys.stderr,
  )
  told = [clip.id for clip in drawn if _tells(clip.id, arguments.task, clip.true)]
  if told:
    print(
      f'warning: {len(told)} ids name the label, such as {told[0]}: show judges the videos under '
      'other names',
      file=sys.stderr,
    )


def _tells(id_: str, task: str, true: str | None) -> bool:
  """Is one of the words in an id the clip's label or a synonym?"""
  for word in re.split(r'[\W_\d]+', id_):
    try:
      index = labels.index(task, word)
    except UserError:
      continue
    if index != labels.UNKNOWN and labels.names(task)[index] == true:
      return True
  return False


def _arguments(argv: Sequence[str]):
  parser = ArgumentParser(prog='python -m emo_jax.sample', description=__doc__)
  references.add_flags(parser)
  parser.add_argument('--signer', required=True, help='whose clips')
  parser.add_argument('--per_class', type=int, default=published.HUMAN_CLIPS_PER_CLASS)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--task', default='emotion', help=f'of {", ".join(labels.TASKS)}')
  parser.add_argument('--videos', default='', metavar='DIR', help='write paths relative to it')
  parser.add_argument('--out', required=True, metavar='SAMPLE.csv')
  return parser.parse_args(argv)


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

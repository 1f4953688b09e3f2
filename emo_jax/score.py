"""Scores anybody's answers for the clips of a data set, as a run's predictions are scored.

  python -m emo_jax.score ANSWERS --corpus=emosign/single [--split=all] [--data_dir=DATA]
    [--task=emotion] [--subset=IDS.csv] [--row=table6/gpt4o] [--out=DIR] [--json]

ANSWERS is a run's `predictions/*.jsonl`, JSON lines with `id` and `label` (as emo_jax.vlm writes
them), or a CSV with the columns id and label. Every labelled clip must be answered once. An answer
that fits no class (null or an unknown name) is wrong: it counts among the clips of its true class
and is a prediction of none. `--subset` scores on the clips of a CSV's column id alone, such as
those emo_jax.sample draws; answers to other clips are passed over. `--row` prints published scores
beside, where corpus, task and number of clips agree. `--out` keeps the scores in a folder that
emo_jax.report takes like a run's, as the line `--row` of the published tables.
"""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emo_jax import (
  answer_files,
  corpora,
  labels,
  metrics,
  provenance,
  published,
  references,
  scored_answers,
)
from emo_jax.answer_files import Answer
from emo_jax.errors import ArgumentParser, UserError, exit_status, first_of
from emo_jax.references import References

_NAMED = 5  # labels that a message names
_TITLES = dict(wacc='wAcc', accuracy='accuracy', macro_f1='macro F1', weighted_f1='weighted F1')


def main(argv: Sequence[str]) -> None:
  """Prints the scores. Raises UserError for mistakes."""
  arguments = _arguments(argv)
  table = _published_row(arguments.row) if arguments.row else None
  path = Path(arguments.answers)
  whole = references.read(arguments.corpus, arguments.split, arguments.data_dir, arguments.task)
  chosen = references.subset(whole, Path(arguments.subset)) if arguments.subset else whole
  found = answer_files.read(path, arguments.task)
  repeats = answer_files.repeats(found, chosen, path, whole)
  if arguments.out:
    if found.of_features:
      raise UserError(f'{path} are predictions of a run: give its folder to emo_jax.report')
    scored_answers.write(Path(arguments.out), path, repeats, chosen, arguments.row)
  _report(repeats, whole, chosen)
  said = dict(answers=str(path), corpus=chosen.corpus, split=chosen.split, task=chosen.task)
  said |= dict(subset=arguments.subset or None, caveat=_caveat(chosen, found.of_features))
  said |= score(repeats, chosen)
  said |= dict(published=_beside(said, table), humans=_humans(said, chosen))
  print(json.dumps(said, indent=2) if arguments.json else _text(said))


def score(repeats: Sequence[Sequence[Answer]], reference: References) -> dict[str, Any]:
  """Scores as fractions, means over repeats; `confusion` is the repeats' sum, other counts are of
  clips, `n_no_class` of answers. An answer of no class is a miss of its true class and no
  prediction of another; recall is None for a class without a clip."""
  names, clips = labels.names(reference.task), reference.labelled.values()
  k, true = len(names), np.array([names.index(clip.true) for clip in clips])
  said = np.array([[k if a.label is None else a.label for a in one] for one in repeats])
  counts = np.stack([metrics.confusion(true, one, k, no_class=True) for one in said])
  occur, hits = counts.sum(-1)[0], np.diagonal(counts.mean(0))
  recall = [float(h / n) if n else None for h, n in zip(hits, occur, strict=True)]
  return metrics.scores(counts, names) | dict(
    per_class_recall=dict(zip(names, recall, strict=True)),
    n_clips=len(reference.clips),
    n_repeats=len(repeats),
    n_no_class=int(counts[..., -1].sum()),
    clips_per_class=dict(zip(names, occur.tolist(), strict=True)),
    absent_classes=[name for name, n in zip(names, occur, strict=True) if not n],
    labels=list(names),
    columns=[*names, labels.NO_CLASS],
    confusion=counts.sum(0).tolist(),
  )


def _arguments(argv: Sequence[str]):
  parser = ArgumentParser(prog='python -m emo_jax.score', description=__doc__)
  parser.add_argument('answers', metavar='ANSWERS', help='.jsonl, or .csv with id and label')
  references.add_flags(parser)
  parser.add_argument('--task', default='emotion', help=f'of {", ".join(labels.TASKS)}')
  parser.add_argument('--subset', default='', metavar='IDS.csv', help='score on these clips alone')
  parser.add_argument('--row', default='', help='published row, such as table6/gpt4o')
  parser.add_argument('--out', default='', metavar='DIR', help='folder for emo_jax.report')
  parser.add_argument('--json', action='store_true', help='print everything as JSON')
  return parser.parse_args(argv)


def _published_row(name: str) -> tuple[published.Table, published.Row]:
  table, row = published.row(name)
  if row is None:
    key = name.partition('/')[2]
    raise UserError(
      f'--row={name}: {table.where} has no row {key!r}{labels.nearest(key, table.rows)}; it has '
      f'{", ".join(table.rows)}'
    )
  return table, row


def _report(repeats: Sequence[Sequence[Answer]], whole: References, chosen: References) -> None:
  """Says on stderr what is left out and which answers fit no class."""
  without = len(chosen.clips) - len(chosen.labelled)
  if without:
    _say(f'{without} of {len(chosen.clips)} clips have no label for {chosen.task}: left out')
  if len(chosen.clips) < len(whole.clips):
    _say(f'{len(chosen.clips)} of the {len(whole.clips)} clips are scored, as --subset says')
  strange = Counter(a.said or 'null' for one in repeats for a in one if a.label is None)
  if strange:
    words = first_of([f'{what!r}' for what, _ in strange.most_common()], _NAMED)
    _say(f'{strange.total()} answers fit no class of {chosen.task} and count as wrong: {words}')


def _caveat(reference: References, of_features: bool) -> str:
  """What keeps the figures from being scores on real signers; empty if nothing does.

  What the stored features were made with matters to a run's predictions alone.
  """
  if reference.corpus.split('/')[0] == corpora.EMBEDDED:
    return 'SYNTHETIC corpus: says nothing about real signers'
  if of_features and provenance.is_random(dict(reference.key)):
    return 'random backbone: not a score'
  return ''


def _beside(
  said: Mapping[str, Any], row: tuple[published.Table, published.Row] | None
) -> dict[str, Any] | None:
  """The published row where it is of the same clips, else why it is not, on stderr."""
  if row is None:
    return None
  table, one = row
  corpus = table.corpus if table.has_clips_of(said['corpus']) else said['corpus']
  differing = [
    f'{what} {ours}, there {theirs}'
    for what, ours, theirs in (
      ('corpus', corpus, table.corpus),
      ('split', said['split'], table.split),
      ('task', said['task'], table.task),
      ('clips', said['n'], table.clips),
    )
    if ours != theirs
  ]
  differing += [said['caveat']] if said['caveat'] else []
  if differing:
    _say(f'{table.where} is not comparable and not shown ({"; ".join(differing)})')
    return None
  return dict(
    name=one.name + (', with captions' if one.captions else ''),
    where=table.where,
    scores=dict(one.scores),
    per_class=dict(one.per_class),
    per_class_of=table.per_class,
  )


def _humans(said: Mapping[str, Any], chosen: References) -> dict[str, float] | None:
  """The paper's two people, beside a sample of eJSL drawn as theirs was."""
  signers = {clip.signer for clip in chosen.labelled.values()}
  tens = set(said['clips_per_class'].values()) == {published.HUMAN_CLIPS_PER_CLASS}
  of_ejsl = said['corpus'] == 'ejsl' and said['task'] == 'emotion'
  if not (said['subset'] and of_ejsl and tens and len(signers) == 1) or said['caveat']:
    return None
  return dict(published.HUMANS)


def _text(said: Mapping[str, Any]) -> str:
  from emo_jax.run_report import markdown_table  # JAX and Matplotlib take seconds

  theirs = said['published']
  rows = [[said['answers'], *(_percent(said[name]) for name in metrics.NAMES)]]
  if theirs:
    scores_there = [theirs['scores'].get(name) for name in metrics.NAMES]
    rows.append([_named(theirs), *map(_figure, scores_there)])
  for who, macro_f1 in (said['humans'] or {}).items():
    only = [macro_f1 if name == 'macro_f1' else None for name in metrics.NAMES]
    rows.append([f'{who} (the paper, footnote 6)', *map(_figure, only)])
  head = ['per cent', *_TITLES.values()]
  parts = [_headline(said), markdown_table(head, rows), *_per_class(said, markdown_table)]
  columns = ['true \\ answer', *said['columns']]
  cells = [
    [name, *map(str, row)] for name, row in zip(said['labels'], said['confusion'], strict=True)
  ]
  return '\n\n'.join([*parts, markdown_table(columns, cells)])


def _headline(said: Mapping[str, Any]) -> str:
  absent = said['absent_classes']
  lines = [f'** {said["caveat"]} **'] if said['caveat'] else []
  many = f', {said["n_repeats"]} repeats' if said['n_repeats'] > 1 else ''
  lines += [
    f'{said["corpus"]}:{said["split"]}, {said["task"]}: {said["n"]} labelled of '
    f'{said["n_clips"]} clips{many}',
    f'answers of no class, counted as wrong: {said["n_no_class"]}',
    f'classes without a clip: {len(absent)}' + (f' ({", ".join(absent)})' if absent else ''),
  ]
  return '\n'.join(lines)


def _per_class(said: Mapping[str, Any], markdown_table) -> list[str]:
  """The table of F1 and recall per class, with the published row's."""
  theirs, names = said['published'], said['labels']
  rows = [
    ['clips', *(str(n) for n in said['clips_per_class'].values())],
    ['F1', *map(_percent, said['per_class_f1'].values())],
    ['recall', *map(_percent, said['per_class_recall'].values())],
  ]
  if theirs and theirs['per_class']:
    what = 'F1' if theirs['per_class_of'] == 'f1' else theirs['per_class_of']
    figures = [_figure(theirs['per_class'].get(name)) for name in names]
    rows.append([f'{what}, {_named(theirs)}', *figures])
  return [markdown_table(['per class', *names], rows)]


def _named(theirs: Mapping[str, Any]) -> str:
  return f'{theirs["name"]} ({theirs["where"]})'


def _percent(share: float | None) -> str:
  return _figure(None if share is None else 100 * share)


def _figure(per_cent: float | None) -> str:
  return '-' if per_cent is None else f'{per_cent:.2f}'


def _say(line: str) -> None:
  print(line, file=sys.stderr)


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

"""The published tables with ours in them."""

from collections.abc import Mapping, Sequence

import numpy as np

from emo_jax import corpora, labels, published
from emo_jax.published import Counts, Row, Table
from emo_jax.report import mixing
from emo_jax.report.blocks import Cell, Column, Grid, Number
from emo_jax.report.rows import Collected, Evaluation

SCORES = {
  'wacc': 'wAcc (UAR)',
  'accuracy': 'accuracy (WAR)',
  'macro_f1': 'macro F1',
  'weighted_f1': 'weighted F1',
}
PAPER, PAPER_OF_REAL = 'paper', 'paper (real signers)'
SYNTHETIC = 'SYNTHETIC corpus signsim, says nothing about real signers'
RANDOM = 'random backbone: not a score'
ALL_REPEATS = 'Scores are means over repeats (seeds and draws of a random segment).'


def caveat(evaluations: Sequence[Evaluation], collected: Collected) -> str:
  """What a caption has to say of the scores below it; of all runs where there are none."""
  if not evaluations:
    fields = ('synthetic', SYNTHETIC), ('random_backbone', RANDOM)
    said = [text for field, text in fields if all(run.report[field] for run in collected.runs)]
    return '; '.join(said)
  kinds = ([e.synthetic for e in evaluations], SYNTHETIC), ([e.random for e in evaluations], RANDOM)
  return '; '.join(text if all(each) else f'partly {text}' for each, text in kinds if any(each))


def captioned(caption: str, evaluations: Sequence[Evaluation], collected: Collected) -> str:
  """A caption with the caveat, in short, before it."""
  said = caveat(evaluations, collected).replace(SYNTHETIC, 'SYNTHETIC clips')
  marks = [f'{mark[0].upper()}{mark[1:]}.' for mark in said.split('; ') if mark]
  return ' '.join([*marks, caption])


def paper_column(evaluations: Sequence[Evaluation], collected: Collected) -> str:
  """The head of the published numbers; empty where none may stand beside ours."""
  said = caveat(evaluations, collected)
  if RANDOM in said:
    return ''
  return PAPER_OF_REAL if said else PAPER


def comparable(evaluation: Evaluation, table: Table) -> bool:
  """May the published number be subtracted from ours? It is of the same clips, unseen and real."""
  untouched = not (evaluation.synthetic or evaluation.random or evaluation.entry['seen'])
  return untouched and evaluation.entry['n'] == table.clips


def score(evaluation: Evaluation, name: str) -> Number | None:
  """One of ours in per cent with its interval."""
  value = evaluation.entry[name]
  if value is None:
    return None
  low, high = evaluation.interval(name)
  if low is None or high is None:
    return Number(100 * value)
  return Number(100 * value, 100 * low, 100 * high)


def spoken(number: Number | None) -> str:
  """A number in a sentence."""
  return number.text() if number else 'not measured'


def per_class(evaluation: Evaluation, what: str) -> list[Number | None]:
  """F1 or recall of each label in per cent; `n=0` at a label that no clip has."""
  occur = evaluation.clips_per_class()
  found: list[Number | None] = []
  hits = np.diagonal(np.array(evaluation.entry['confusion']))
  counts = np.array(evaluation.entry['confusion']).sum(1)
  for name, hit, count in zip(occur, hits, counts, strict=True):
    note = '' if occur[name] else 'n=0'
    if what == 'recall':
      found.append(Number(100 * hit / count) if count else None)
      continue
    value = evaluation.entry['per_class_f1'][name]
    low, high = evaluation.interval(f'f1/{name}')
    ends = (None, None) if low is None or high is None else (100 * low, 100 * high)
    found.append(None if value is None else Number(100 * value, *ends, note=note))
  return found


def difference(ours: Number | None, paper: Number | None) -> Number | None:
  """In points, of the numbers as they are printed."""
  if ours is None or paper is None:
    return None
  return Number(round(ours.value, 2) - round(paper.value, 2), signed=True)


def method(
  table: str, key: str, row: Row | None, evaluation: Evaluation | None, several: bool
) -> str:
  """What a line is called: as the table calls it, by the run where there are several or ours."""
  name = published.called(table, key)
  if row and row.captions:
    name += ', video and caption'
  if evaluation is None:
    return name
  if several:
    name += f': {evaluation.run.name}'
  if not row and f'{table}/{key}' not in published.OWN:
    name += f' ({evaluation.entry["segment"]})'
  marks = [evaluation.mark] if evaluation.mark else []
  clips = published.TABLES[table].clips
  if evaluation.entry['n'] != clips:
    marks.append(f'{evaluation.entry["n"]} clips, the table has {clips}')
  return f'{name} ({"; ".join(marks)})' if marks else name


def run_of(table: str, key: str, row: Row | None, evaluation: Evaluation | None) -> str:
  """The run that fills a line, or what would."""
  if evaluation is not None:
    return evaluation.run.name
  if row and row.peer:
    return 'published only'
  return f'not run: `configs/{table}_{key}.py`'


Line = tuple[str, Row | None, Evaluation | None, str]  # key, row, ours, what it is called


def lines(name: str, collected: Collected) -> list[Line]:
  """A table's rows in order, one line per run that fills a row, one where none does."""
  found: list[Line] = []
  for key, row, filling in collected.lines(name):
    several = len(filling) > 1
    for e in filling or (None,):
      found.append((key, row, e, method(name, key, row, e, several)))
  return found


def mixed(evaluations: Sequence[Evaluation]) -> tuple[str, ...]:
  """Footnotes of a table whose evaluations are not alike."""
  return tuple(f'Mixed: {text}.' for text in mixing.within(evaluations))


def _notes(name: str, table: Table | Counts, evaluations: Sequence[Evaluation]) -> tuple[str, ...]:
  said = [published.NOTES[note] for note in table.notes]
  said += mixed(evaluations)
  for e in evaluations:
    if isinstance(table, Table) and e.entry['n'] != table.clips:
      said.append(
        f'{e.run.name} is scored on {e.entry["n"]} labelled clips, the table has {table.clips}: '
        'they are not compared.'
      )
    if 'unknown' in e.entry['statistics']:
      said.append(f'No intervals for {e.run.name}: {e.entry["statistics"]["unknown"]}.')
  if any(e.entry['n_repeats'] > 1 for e in evaluations):
    said.append(ALL_REPEATS)
  return tuple(said)


def caption(table: Table | Counts) -> str:
  """Title and source."""
  return f'{table.title} ({table.where})'


def grid(name: str, collected: Collected) -> Grid:
  """A published table with ours."""
  table, found = published.TABLES[name], collected.fills(name)
  build = _by_class if table.per_class else _by_score
  columns, rows = build(name, table, lines(name, collected), paper_column(found, collected))
  title = captioned(f'{caption(table)}, in per cent [95 % interval].', found, collected)
  heads = 2 if table.per_class else 1
  return Grid(name, title, columns, tuple(rows), _notes(name, table, found), heads)


_LAST = ('accuracy (WAR)', 'clips n', 'repeats')


def _last(evaluation: Evaluation | None) -> list[Cell]:
  if evaluation is None:
    return [None, None, None]
  entry = evaluation.entry
  return [score(evaluation, 'accuracy'), entry['n'], entry['n_repeats']]


def published_score(row: Row | None, name: str) -> Number | None:
  """Of a row, if it has one."""
  return Number(row.scores[name]) if row and name in row.scores else None


def _by_score(
  name: str, table: Table, shown: Sequence[Line], paper: str
) -> tuple[tuple[Column, ...], list[tuple[Cell, ...]]]:
  """Ours, the paper's and the difference beside one another, per score."""
  subtract = paper == PAPER or any(e and comparable(e, table) for _, _, e, _ in shown)
  beside = ['ours', *([paper] if paper else []), *(['difference'] if paper and subtract else [])]
  columns = [Column('method', numeric=False)]
  columns += [Column(what, SCORES[score_]) for score_ in table.columns for what in beside]
  columns += [*map(Column, _LAST), Column('run', numeric=False)]
  rows = []
  for key, row, e, called in shown:
    cells: list[Cell] = [called]
    for column in table.columns:
      ours, theirs = (score(e, column) if e else None), published_score(row, column)
      by_name = dict(
        ours=ours, difference=difference(ours, theirs) if e and comparable(e, table) else None
      )
      cells += [by_name.get(what, theirs) for what in beside]
    rows.append((*cells, *_last(e), run_of(name, key, row, e)))
  return tuple(columns), rows


def _by_class(
  name: str, table: Table, shown: Sequence[Line], paper: str
) -> tuple[tuple[Column, ...], list[tuple[Cell, ...]]]:
  """A line each for ours, the paper's and the difference; a figure per label, then the scores."""
  names = labels.names(table.task)
  what = dict(f1='F1', recall='recall')[table.per_class]
  columns = [Column('method', numeric=False), Column('', numeric=False)]
  columns += [Column(label, f'{what} per class') for label in names]
  totals = {**SCORES, 'macro_f1': 'total (macro F1)'}
  columns += [Column(totals[score_]) for score_ in table.columns]
  columns += [*map(Column, _LAST), Column('run', numeric=False)]
  rows: list[tuple[Cell, ...]] = []
  occurring: list[Mapping[str, int]] = []
  for key, row, e, called in shown:
    ours: list[Number | None] = [None] * (len(names) + len(table.columns))
    if e:
      ours = [*per_class(e, table.per_class), *(score(e, column) for column in table.columns)]
      occurring += [e.clips_per_class()] if e.clips_per_class() not in occurring else []
    if e or not paper or not (row and row.peer):
      rows.append((called, 'ours', *ours, *_last(e), run_of(name, key, row, e)))
    if not paper or row is None:
      continue
    theirs = [Number(row.per_class[label]) if row.per_class else None for label in names]
    theirs += [published_score(row, column) for column in table.columns]
    rows.append((called, paper, *theirs, None, None, None, 'published'))
    if e and comparable(e, table):
      points = [difference(x, y) for x, y in zip(ours, theirs, strict=True)]
      rows.append((called, 'difference', *points, None, None, None, ''))
  for occur in occurring:
    counted = (*occur.values(), *(None for _ in table.columns))
    rows.append(('clips', 'n', *counted, None, sum(occur.values()), None, ''))
  return tuple(columns), rows


def counts(name: str, collected: Collected) -> Grid:
  """A published table of numbers of clips, with those of a corpus that a run was scored on."""
  table = published.COUNTS[name]
  found = {column: _counted(column, table, collected) for column in table.columns}
  used = [e for e in found.values() if e]
  paper = paper_column(used, collected)
  columns = [Column('label', numeric=False)]
  for column in table.columns:
    columns += [Column(what, column) for what in ('ours', paper) if what]
  rows: list[tuple[Cell, ...]] = []
  for label, theirs in table.rows.items():
    ours = [found[column].clips_per_class()[label] if found[column] else None for column in found]
    rows.append((label, *_alternate(ours, theirs, paper)))
  sums = [e.entry['n'] if e else None for e in found.values()]
  totals = [sum(values) for values in zip(*table.rows.values(), strict=True)]
  rows.append(('total', *_alternate(sums, totals, paper)))
  notes = [published.NOTES[note] for note in table.notes]
  notes += [f'Ours under {column}: the clips of {e.where}.' for column, e in found.items() if e]
  title = captioned(f'{caption(table)}, number of clips.', used, collected)
  return Grid(name, title, tuple(columns), tuple(rows), tuple(notes))


def _alternate(ours: Sequence[Cell], theirs: Sequence[Cell], paper: str) -> list[Cell]:
  pairs = zip(ours, theirs, strict=True)
  return [cell for pair in pairs for cell in (pair if paper else pair[:1])]


def _counted(column: str, table: Counts, collected: Collected) -> Evaluation | None:
  """An evaluation of the column's clips."""
  everything = [e for filling in collected.filled.values() for e in filling]
  for e in (*everything, *collected.other):
    corpus, split = e.entry['corpus'], e.entry['split']
    real = (corpus, split) == (table.columns[column], 'all')
    embedded = corpus.split('/')[0] == corpora.EMBEDDED and split == table.embedded.get(column)
    if e.entry['task'] == 'emotion' and (real or embedded):
      return e
  return None

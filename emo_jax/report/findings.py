"""What follows from the numbers: effects, verdicts on the hypotheses, controls, the summary."""

from collections.abc import Sequence

from emo_jax import published
from emo_jax.report import effects, tables
from emo_jax.report.blocks import Block, Cell, Column, Grid, Listing, Number, Text
from emo_jax.report.effects import Effect
from emo_jax.report.rows import Collected, Evaluation
from emo_jax.statistics import seeds

_PAIRED = (
  'Difference in macro F1, in points [95 % interval]; p by a paired permutation test over '
  'utterances, corrected by Holm for the comparisons of this table.'
)
_OF_MODELS = (
  'Where both rows have three seeds or more, interval and p are over seeds (paired, Student). '
  'Elsewhere they are over clips and speak of these trained models, not of how they were trained: '
  'another seed may well turn a small difference round.'
)


def _used(found: Sequence[Effect]) -> list[Evaluation]:
  return [x for e in found for x in (e.one, e.other) if x is not None]


def _points(effect: Effect) -> tuple[Cell, Cell, Cell]:
  """Difference, p and corrected p."""
  if effect.reason:
    return None, None, None
  numbers = (100 * x for x in (effect.difference, effect.low, effect.high))
  shown = Number(*numbers, signed=True)
  return shown, _p(effect.p), _p(effect.corrected)


def _p(value: float) -> Cell:
  return '<0.0001' if value < 0.0001 else Number(value, decimals=4)


_COLUMNS = (Column('points'), Column('p'), Column('corrected p'))
_REMARK = (Column('remark', numeric=False),)


def effects_of(name: str, collected: Collected) -> list[Block]:
  """The comparisons of a table's rows."""
  found = effects.of_table(name, collected)
  if not found:
    return []
  columns = (Column('comparison', numeric=False), *_COLUMNS, *_REMARK[: any(map(_remark, found))])
  rows = tuple((e.name, *_points(e), _remark(e))[: len(columns)] for e in found)
  caption = f'Rows of {published.TABLES[name].where} compared. {_PAIRED}'
  return [
    Grid(
      f'{name}-effects',
      tables.captioned(caption, _used(found), collected),
      columns,
      rows,
      (_OF_MODELS,),
    )
  ]


def _remark(effect: Effect) -> str:
  """Why there are no numbers, or what the two evaluations are."""
  if effect.reason:
    return effect.reason
  marks = [mark for x in _used([effect]) for mark in x.mark.split('; ')]
  return '; '.join(dict.fromkeys(m for m in marks if m not in ('', 'synthetic')))


def hypotheses(collected: Collected) -> list[Block]:
  """The comparisons that bear on H1, H2 and H3, and the verdicts."""
  found = effects.hypotheses(collected)
  rows: list[tuple[Cell, ...]] = []
  for key, each in found.items():
    rows += [(key, e.name, *_points(e), _verdict_of(e)) for e in each]
  columns = (
    Column('hypothesis', numeric=False),
    Column('comparison', numeric=False),
    *_COLUMNS,
    Column('verdict', numeric=False),
  )
  used = [x for each in found.values() for x in _used(each)]
  said = tables.caveat(used, collected)
  verdicts = [
    f'{key}, {effects.HYPOTHESES[key][0]}: {_verdict(found[key], said)}.' for key in found
  ]
  caption = (
    'The three hypotheses. Difference in macro F1, in points [95 % interval]; p by a paired '
    'permutation test over utterances, corrected by Holm for all comparisons here.'
  )
  grid = Grid(
    'hypotheses',
    tables.captioned(caption, used, collected),
    columns,
    tuple(rows),
    (
      f'Undecided: the corrected p is {effects.LEVEL:g} or more. A hypothesis holds if all its '
      'comparisons do, and does not if one is significantly the other way.',
      _OF_MODELS,
    ),
    heads=2,
  )
  return [Listing(tuple(verdicts)), grid]


def _verdict_of(effect: Effect) -> str:
  marks = '' if effect.reason else _remark(effect)
  return f'{effect.verdict} ({marks})' if marks else effect.verdict


def _verdict(found: Sequence[Effect], said: str) -> str:
  verdict = effects.judgement(found)
  decided = [e for e in found if not e.reason]
  if decided and not all(e.seeds for e in decided):
    verdict += ' in these trained models, one seed each'
  return f'{verdict} ({said})' if said and decided else verdict


def controls(collected: Collected) -> list[Block]:
  """What must vanish on the synthetic corpus."""
  found, shuffled = effects.controls(collected), effects.shuffled(collected)
  used = _used(found) + [e for _, e in shuffled if e]
  if not used and all(e.reason == effects.NOT_RUN for e in found):
    return [Text('No control was run.')]
  columns = (
    Column('control', numeric=False),
    Column('points'),
    Column('p'),
    Column('over', numeric=False),
    Column('finding', numeric=False),
  )
  present = effects.controls(collected, effects.PRESENT)
  rows: list[tuple[Cell, ...]] = [
    (e.name, *_points(e)[:2], None if e.reason else _over(e.seeds), _finding(e, *words))
    for each, *words in (
      (present, 'no difference shown', 'an advantage'),
      (found, 'no advantage shown, as expected', 'an advantage REMAINS'),
    )
    for e in each
  ]
  rows += [(f'{name}: wAcc less chance', *_from_chance(e)) for name, e in shuffled]
  caption = (
    'Controls: effects of small heads with their cause in the synthetic corpus, then with it taken '
    'out, so that no advantage is expected. Difference in macro F1, for shuffled labels wAcc less '
    'chance, in points '
    "[95 % interval]; p is not corrected. Over seeds, interval and p are Student's and speak of "
    'the way of training; over clips they speak of single models, which may differ by chance.'
  )
  title = f'{tables.SYNTHETIC}. {caption}'
  return [Grid('controls', title, columns, tuple(rows))]


def _finding(effect: Effect, nothing: str, advantage: str) -> str:
  if effect.reason:
    return effect.reason
  if effect.p >= effects.LEVEL:
    return nothing
  return advantage if effect.difference > 0 else 'a disadvantage'


def _over(count: int) -> str:
  return f'{count} seeds' if count else 'clips'


def _from_chance(e: Evaluation | None) -> tuple[Cell, Cell, Cell, str]:
  if e is None:
    return None, None, None, effects.NOT_RUN
  chance, over = 1 / len(e.entry['labels']), 0
  low, high = e.interval('wacc')
  scores = list(effects.per_seed(e, 'wacc').values())
  if len(scores) >= seeds.FEWEST:
    over, (_, low, high) = len(scores), seeds.interval(scores)
  if low is None or high is None:
    value = 100 * (e.entry['wacc'] - chance)
    return Number(value, signed=True), None, None, 'the interval is not known'
  shown = Number(*(100 * (x - chance) for x in (e.entry['wacc'], low, high)), signed=True)
  inside = low <= chance <= high
  finding = f'the interval {"contains" if inside else "does NOT contain"} chance'
  expected = ', as expected' if inside else ''
  return shown, None, _over(over), f'{finding} ({100 * chance:.2f} %){expected}'


def summary(collected: Collected) -> str:
  """A paragraph from the numbers."""
  said = [_coverage(collected)]
  said += _beside_paper(collected)
  said += _best(collected)
  found = effects.hypotheses(collected)
  verdicts = [f'{key} {_short(_verdict(each, ""))}' for key, each in found.items()]
  said.append(f'The hypotheses: {"; ".join(verdicts)}.')
  done = [e for e in effects.controls(collected) if not e.reason]
  if done:
    left = [e for e in done if e.p < effects.LEVEL and e.difference > 0]
    said.append(f'Of {len(done)} controls {len(left)} still show an advantage.')
  return ' '.join(said)


def _short(verdict: str) -> str:
  if verdict.startswith(effects.UNDECIDED):
    return f'is {verdict}'
  return f'was {verdict}' if verdict.startswith('not ') else verdict


def _coverage(collected: Collected) -> str:
  n = len(collected.runs)
  rows = {name for name in collected.filled}
  own = sum(not row.peer for table in published.PAPER.values() for row in table.rows.values())
  known = sum(row is not None and not row.peer for _, row in map(published.row, rows))
  said = (
    f'{n} run{"s" if n > 1 else ""} fill{"" if n > 1 else "s"} {known} of the {own} rows that the '
    'paper has for its own models'
  )
  peers = sum(row is not None and row.peer for _, row in map(published.row, rows))
  more = len(rows) - known - peers
  said += f", {peers} of its and EmoSign's peers" if peers else ''
  said += f' and {more} that it has not.' if more else '.'
  caveat = tables.caveat([e for found in collected.filled.values() for e in found], collected)
  return said + (f' {caveat[0].upper()}{caveat[1:]}.' if caveat else '')


def _beside_paper(collected: Collected) -> list[str]:
  """How often the published number lies within our interval."""
  inside, outside, largest = 0, 0, None
  for name, found in collected.filled.items():
    table, row = published.row(name)
    for e in found:
      if row is None or not tables.comparable(e, table):
        continue
      for column in table.columns:
        low, high = e.interval(column)
        if column in row.scores and low is not None and high is not None:
          within = 100 * low <= row.scores[column] <= 100 * high
          inside, outside = inside + within, outside + (not within)
          away = 100 * e.entry[column] - row.scores[column]
          if largest is None or abs(away) > abs(largest[0]):
            largest = away, f'{table.where}, {row.name}, {tables.SCORES[column]}'
  if largest is None:
    return []
  return [
    f'Of {inside + outside} published scores beside ours {inside} lie within our 95 % intervals; '
    f'the largest difference is {largest[0]:+.2f} points ({largest[1]}).'
  ]


def _best(collected: Collected) -> list[str]:
  """The best row of each corpus by macro F1."""
  best: dict[tuple[str, str], Evaluation] = {}
  for found in collected.filled.values():
    for e in found:
      score = e.entry['macro_f1']
      if e.random or e.entry['seen'] or score is None:
        continue
      key = (e.where, e.entry['task'])
      if key not in best or score > best[key].entry['macro_f1']:
        best[key] = e
  return [
    f'The highest macro F1 on {where}{"" if task == "emotion" else f" ({task})"} is '
    f'{tables.spoken(tables.score(e, "macro_f1"))} by {e.run.name}.'
    for (where, task), e in best.items()
  ]

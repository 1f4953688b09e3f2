"""What lies behind the tables, corpus by corpus: classes, confusions, calibration, signers."""

from collections.abc import Sequence
from pathlib import Path

from emo_jax import corpora, figures, labels, run_dir, run_report
from emo_jax.report import charts, tables
from emo_jax.report.blocks import Block, Cell, Column, Grid, Matrix, Number, Picture, Section, Text
from emo_jax.report.rows import CONTROL, Collected, Evaluation, Run

PROPER = {'nll': 'NLL, nats', 'brier': 'Brier, 0 to 2', 'ece': 'ECE, %'}


def called(evaluation: Evaluation, collected: Collected) -> str:
  """The run, with its folder where others have its name, and the segment."""
  same = [run for run in collected.runs if run.name == evaluation.run.name]
  folder = f' in {evaluation.run.workdir}' if len(same) > 1 else ''
  mark = f' ({evaluation.mark})' if evaluation.mark else ''
  return f'{evaluation.run.name}{folder}, {evaluation.entry["segment"]}{mark}'


def sections(collected: Collected, folder: Path) -> list[Section]:
  """A section per set of clips and task, with its figures in `folder`."""
  groups: dict[tuple[str, str], list[Evaluation]] = {}
  everything = [e for filling in collected.filled.values() for e in filling]
  for e in (*everything, *collected.other):
    # Controls are about differences: their classes and signers would fill pages.
    if e.entry['n'] and not e.run.name.startswith(CONTROL):
      groups.setdefault((e.where, e.entry['task']), []).append(e)
  found = []
  for (where, task), group in groups.items():
    name = run_dir.file_name(f'{where}-{task}'.replace(':', '-'))
    title = where if task == 'emotion' else f'{where}, {task}'
    parts = [
      ('F1 per class', [_per_class(name, title, group, collected)]),
      ('Confusion', _confusions(title, group, collected, folder)),
      ('Calibration', _calibration(name, title, group, collected, folder)),
      ('Signers', _signers(name, title, group, collected)),
    ]
    found.append(Section(name, f'On {title}', ()))
    found += [
      Section(
        f'{name}-{part.lower().replace(" ", "-")}', f'{part} on {title}', tuple(blocks), 3, part
      )
      for part, blocks in parts
    ]
  return found


def _per_class(name: str, title: str, group: Sequence[Evaluation], collected: Collected) -> Grid:
  names = group[0].entry['labels']
  columns = (
    Column('run, segment', numeric=False),
    *(Column(label) for label in names),
    Column('macro F1'),
  )
  rows: list[tuple[Cell, ...]] = [
    (called(e, collected), *tables.per_class(e, 'f1'), tables.score(e, 'macro_f1')) for e in group
  ]
  distinct = {tuple(e.clips_per_class().values()): e for e in group}
  for counts, e in distinct.items():
    who = f' of {called(e, collected)}' if len(distinct) > 1 else ''
    rows.append((f'clips{who}, n = {sum(counts)}', *counts, None))
  caption = f'F1 per class on {title}. Per cent [95 % interval]; n=0: no clip has this label.'
  said = tables.captioned(caption, group, collected)
  return Grid(f'{name}-classes', said, columns, tuple(rows), tables.mixed(group))


def _slug(e: Evaluation, collected: Collected) -> str:
  """A name for files that no other run has."""
  number = collected.runs.index(e.run) + 1
  return f'{number:02d}-{run_dir.file_name(e.run.name)}'


def _confusions(
  title: str, group: Sequence[Evaluation], collected: Collected, folder: Path
) -> list[Block]:
  found: list[Block] = []
  for e in group:
    where = folder / _slug(e, collected)
    where.mkdir(parents=True, exist_ok=True)
    mark = f' ({e.mark})' if e.mark else ''
    path = figures.confusion(where, e.entry, mark, run_report.caveat(e.run.report))
    counts, names = e.entry['confusion'], e.entry['labels']
    said = [
      f'{name}: {row[i]} of {sum(row)} right'
      for i, (name, row) in enumerate(zip(names, counts, strict=True))
    ]
    alt = f'Confusion matrix of {called(e, collected)} on {title}. {", ".join(said)}.'
    caption = f'Confusion of {called(e, collected)} on {title}'
    if e.entry['n_repeats'] > 1:
      caption += f', summed over {e.entry["n_repeats"]} repeats'
    matrix = Matrix(tuple(names), figures.columns_of(e.entry), tuple(map(tuple, counts)))
    said = tables.captioned(f'{caption}.', [e], collected)
    found.append(Picture(path, said, alt, matrix=matrix))
  return found


def weakly_labelled(run: Run) -> bool:
  """Were the clips that its temperature was fitted on labelled from text?"""
  if run.report.get('folds') or not run.report.get('selected_on'):
    return False  # folds are of the corpus itself; public weights and answers are as they are
  corpus, split = corpora.parse(run.report['selected_on'])
  simulated = corpus.split('/')[0] == corpora.EMBEDDED and split == 'validation'
  return simulated or corpus == 'bobsl/a_tea'


def _calibration(
  name: str, title: str, group: Sequence[Evaluation], collected: Collected, folder: Path
) -> list[Block]:
  rows: list[tuple[Cell, ...]] = []
  pictures: list[Block] = []
  weak: dict[str, list[str]] = {}
  models = [e for e in group if e.run.is_model]
  if not models:
    return [Text('Answers without probabilities have no calibration.')]
  for e in models:
    found = e.statistics().get('calibration')
    cells: list[Cell] = [None, None, None]
    if found:
      cells = [_proper(e, what, found[what]) for what in PROPER]
      pictures.append(_reliability(title, e, collected, folder))
    rows.append((called(e, collected), *cells, _temperature(e.run), e.entry['n']))
    if weakly_labelled(e.run):
      by = e.run.report.get('labelled_by') or 'a simulated labeller'
      fitted_on = f'{e.run.report["selected_on"]}, labelled by {by}'
      weak.setdefault(fitted_on, []).append(e.run.name)
  columns = (
    Column('run, segment', numeric=False),
    *(Column(what) for what in PROPER.values()),
    Column('temperature'),
    Column('clips n'),
  )
  notes = [
    'NLL is the mean negative log-likelihood, ECE the expected calibration error of the decision.'
  ]
  if weak:
    each = '; '.join(f'{on}: {", ".join(dict.fromkeys(of))}' for on, of in weak.items())
    notes.append(
      f'The temperature was fitted on weak labels, read from text by a classifier ({each}): it '
      'makes probabilities honest about those labels, not about emotions.'
    )
  caption = tables.captioned(f'Calibration on {title} [95 % interval].', group, collected)
  notes += tables.mixed(group)
  grid = Grid(f'{name}-calibration', caption, columns, tuple(rows), tuple(notes))
  return [grid, *pictures]


def _temperature(run: Run) -> Number:
  return Number(run.report['temperature'])


def _proper(e: Evaluation, what: str, value: float) -> Number:
  scale, decimals = (100, 2) if what == 'ece' else (1, 3)
  low, high = e.interval(what)
  if low is None or high is None:
    return Number(scale * value, decimals=decimals)
  return Number(scale * value, scale * low, scale * high, decimals=decimals)


def _reliability(title: str, e: Evaluation, collected: Collected, folder: Path) -> Picture:
  found = e.statistics()['calibration']
  name = run_dir.file_name(f'reliability-{e.where}-{e.entry["segment"]}'.replace(':', '-'))
  head = f'{called(e, collected)}\non {title}, ECE {100 * found["ece"]:.1f} %'
  said = tables.caveat([e], collected)
  head += f'\n{said}' if said else ''
  png, svg = charts.reliability(folder / _slug(e, collected) / f'{name}.png', head, found)
  full = [b for b in found['bins'] if b['n']]
  points = [
    f'confidence {100 * b["confidence"]:.0f} %, accuracy {100 * b["accuracy"]:.0f} % '
    f'({b["n"]:g} clips)'
    for b in full
  ]
  alt = f'Reliability diagram of {called(e, collected)} on {title}: {"; ".join(points)}.'
  caption = f'Reliability of {called(e, collected)} on {title}.'
  return Picture(png, tables.captioned(caption, [e], collected), alt, svg)


def _signers(
  name: str, title: str, group: Sequence[Evaluation], collected: Collected
) -> list[Block]:
  names = labels.names(group[0].entry['task'])
  columns = [Column('run, segment', numeric=False), Column('signer', numeric=False)]
  columns += [Column(what) for what in ('clips n', 'wAcc (UAR)', 'accuracy (WAR)', 'macro F1')]
  columns += [Column(label, 'clips per class') for label in names]
  rows: list[tuple[Cell, ...]] = []
  for e in group:
    for one in e.statistics().get('per_signer', ()):
      scores = [
        None if one[what] is None else Number(100 * one[what])
        for what in ('wacc', 'accuracy', 'macro_f1')
      ]
      occur = [one['occur'].get(label, 0) for label in names]
      rows.append((called(e, collected), one['signer'], one['n'], *scores, *occur))
  if not rows:
    return [Text('Who signs in which clip is not known.')]
  notes = ['Macro F1 is over all classes, also those a signer never shows.']
  if title.startswith('bobsl'):
    notes.append('BOBSL names no signers: each episode counts as one.')
  notes += tables.mixed(group)
  caption = tables.captioned(f'Scores per signer on {title}, per cent.', group, collected)
  grid = Grid(f'{name}-signers', caption, tuple(columns), tuple(rows), tuple(notes), heads=2)
  return [grid]

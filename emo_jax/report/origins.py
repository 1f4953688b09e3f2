"""Where the numbers come from: how each run was trained, on which features, what else it scored."""

from collections.abc import Mapping

from emo_jax import provenance
from emo_jax.report import details, tables
from emo_jax.report.blocks import Block, Cell, Column, Grid, Text
from emo_jax.report.rows import Collected, Evaluation, Run


def others(collected: Collected) -> list[Block]:
  """Evaluations that fill no row of a table."""
  if not collected.other:
    return [Text('Every evaluation fills a row of a table.')]
  columns = [Column('run, segment', numeric=False), Column('clips', numeric=False)]
  columns += [Column('task', numeric=False)]
  columns += [*map(Column, tables.SCORES.values()), Column('clips n'), Column('repeats')]
  rows: list[tuple[Cell, ...]] = []
  for e in collected.other:
    scores = [tables.score(e, name) for name in tables.SCORES]
    name = details.called(e, collected)
    counts = e.entry['n'], e.entry['n_repeats']
    rows.append((name, e.where, e.entry['task'], *scores, *counts))
  caption = tables.captioned(
    'Evaluations that fill no row of a table. Per cent [95 % interval].',
    collected.other,
    collected,
  )
  notes = _unknown(collected.other) + [*tables.mixed(collected.other)]
  return [Grid('others', caption, tuple(columns), tuple(rows), tuple(notes))]


def _unknown(evaluations: tuple[Evaluation, ...]) -> list[str]:
  return [
    f'No intervals for {e.run.name} on {e.where}: {e.entry["statistics"]["unknown"]}.'
    for e in evaluations
    if 'unknown' in e.entry['statistics']
  ]


def runs(collected: Collected) -> list[Block]:
  """How each run was trained, the keys of the features, and the software."""
  trained = Grid(
    'runs',
    tables.captioned('The runs.', [], collected),
    (
      *(
        Column(name, numeric=False)
        for name in ('run', 'row', 'kind', 'folder', 'trained on', 'labelled by', 'selected on')
      ),
      *map(Column, ('step', 'seed', 'parameters')),
      Column('initial weights', numeric=False),
    ),
    tuple(_run(run) for run in collected.runs),
  )
  return [trained, _keys(collected), _software(collected)]


def _run(run: Run) -> tuple[Cell, ...]:
  report = run.report
  kind = 'SYNTHETIC' if report['synthetic'] else 'real clips'
  kind += ', random backbone' if report['random_backbone'] else ''
  described = run.name, run.row or None, kind, str(run.workdir)
  if not run.is_model:
    made = report['answers']
    return *described, f'answers of others: {made["file"]}, {made["sha256"][:12]}', *[None] * 6
  return (
    *described,
    report['trained_on'],
    report.get('labelled_by') or None,
    report['selected_on'],
    report['selected_step'],
    run.config.get('seed'),
    report['params']['total'],
    run.config.get('init_weights') or 'random',
  )


def _keys(collected: Collected) -> Grid:
  """Compatibility keys, a column per distinct one."""
  kinds: dict[tuple[str, ...], list[str]] = {}
  for run in filter(lambda run: run.is_model, collected.runs):
    key = tuple(str(run.report['provenance'].get(f)) for f in provenance.KEY_FIELDS)
    kinds.setdefault(key, []).append(run.name)
  columns = [Column('made with', numeric=False)]
  columns += [
    Column('all runs' if len(kinds) == 1 else ', '.join(names), numeric=False)
    for names in kinds.values()
  ]
  rows = zip(provenance.KEY_FIELDS, *kinds, strict=True)
  caption = tables.captioned('What the features were made with.', [], collected)
  return Grid('features', caption, tuple(columns), tuple(rows))


def _software(collected: Collected) -> Grid:
  """Date, machine and versions of each run."""
  every: list[Mapping[str, str]] = [run.report.get('information', {}) for run in collected.runs]
  names = list(dict.fromkeys(name for one in every for name in one))
  columns = [Column(name, numeric=False) for name in ('run', *names)]
  rows = tuple(
    (run.name, *(one.get(name) for name in names))
    for run, one in zip(collected.runs, every, strict=True)
  )
  caption = tables.captioned('Date, machine and versions of the runs.', [], collected)
  return Grid('software', caption, tuple(columns), rows)

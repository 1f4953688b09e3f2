"""Finished runs and the rows of the published tables that they fill."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emo_jax import corpora, labels, predictions, published, run_dir, run_report
from emo_jax.errors import UserError
from emo_jax.predictions import Prediction
from emo_jax.published import Row, Table
from emo_jax.statistics import summary

CONTROL = 'control_'
# What reports of all versions have: of a run, of a run's model and of each evaluation.
_OF_ANY = ('name', 'task', 'synthetic', 'random_backbone', 'provenance', 'evals')
_OF_MODEL = ('trained_on', 'selected_on', 'selected_step', 'temperature', 'params')
_OF_ENTRY = (
  *(
    'corpus',
    'split',
    'segment',
    'n',
    'n_clips',
    'confusion',
    'labels',
    'per_class_f1',
    'features',
  ),
  *('synthetic', 'random_backbone', 'seen', 'wacc', 'accuracy', 'macro_f1'),
)


@dataclasses.dataclass(frozen=True)
class Run:
  """A finished run: its workdir as it was named, its config and the contents of `report.json`."""

  workdir: Path
  config: Mapping[str, Any]
  report: Mapping[str, Any]

  @property
  def name(self) -> str:
    """Of its config."""
    return self.report['name']

  @property
  def is_model(self) -> bool:
    """Was it trained here, or is it the scored answers of others?"""
    return 'answers' not in self.report

  @property
  def row(self) -> str:
    """That it reproduces, as `table3/last_2s`; empty for none."""
    return self.config.get('row', '')

  def __str__(self) -> str:
    return f'{self.name} ({self.workdir})'


# Identity is equality: an evaluation is read once.
@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
  """What a run scored on one corpus and segment: an entry of `evals`, whole even if it is old."""

  run: Run
  entry: Mapping[str, Any]

  @functools.cached_property
  def predictions(self) -> list[Prediction]:
    """Of every clip. Raises UserError if the file is gone."""
    return _predictions(self.run, self.entry)

  @property
  def synthetic(self) -> bool:
    """Was the model trained, or is it scored, on the synthetic corpus?"""
    return bool(self.run.report['synthetic'] or self.entry['synthetic'])

  @property
  def random(self) -> bool:
    """Is it of a random backbone, so that it is no score?"""
    return bool(self.run.report['random_backbone'] or self.entry['random_backbone'])

  @property
  def where(self) -> str:
    """The clips, as in `ejsl:all`."""
    return f'{self.entry["corpus"]}:{self.entry["split"]}'

  @property
  def mark(self) -> str:
    """What its clips are, in the words of a run's own report; empty if there is nothing to say."""
    return run_report.mark(self.entry)

  def per_repeat(self, counts: Sequence[Sequence[int]]) -> list[int]:
    """Clips per true label of a confusion matrix that is summed over repeats."""
    return [sum(row) // self.entry['n_repeats'] for row in counts]

  def clips_per_class(self) -> dict[str, int]:
    """Labelled clips by label."""
    counts = self.per_repeat(self.entry['confusion'])
    return dict(zip(self.entry['labels'], counts, strict=True))

  def statistics(self) -> Mapping[str, Any]:
    """Intervals, scores per signer and calibration; empty where they are not known."""
    found = self.entry['statistics']
    return {} if 'unknown' in found else found

  def interval(self, name: str) -> tuple[float, float] | tuple[None, None]:
    """Of a score of `statistics`, fractions; None where there is none."""
    low, high = self.statistics().get('intervals', {}).get(name) or (None, None)
    return (None, None) if low is None or high is None else (low, high)


@dataclasses.dataclass(frozen=True)
class Collected:
  """Runs, sorted into the tables.

  Attributes:
    runs: in the order they were named.
    filled: `<table>/<row>` -> evaluations that fill it.
    other: evaluations that fill no row.
    empty: what a run that names a row lacks to fill it, in words.
  """

  runs: tuple[Run, ...]
  filled: Mapping[str, tuple[Evaluation, ...]]
  other: tuple[Evaluation, ...]
  empty: tuple[str, ...]

  def lines(self, table: str) -> list[tuple[str, Row | None, tuple[Evaluation, ...]]]:
    """Rows of a table by key, first the published ones, then ours, with what fills them."""
    known = published.TABLES[table].rows
    ours = [name.removeprefix(f'{table}/') for name in self.filled if name.startswith(f'{table}/')]
    keys = [*known, *(key for key in ours if key not in known)]
    return [(key, known.get(key), self.filled.get(f'{table}/{key}', ())) for key in keys]

  def fills(self, table: str) -> list[Evaluation]:
    """All that fills a table's rows, in order."""
    return [e for *_, found in self.lines(table) for e in found]

  def controls(self, arm: str) -> list[Evaluation]:
    """What the runs named `control_<arm>` scored."""
    return [e for e in self.other if e.run.name == CONTROL + arm]


def collect(workdirs: Sequence[Path]) -> Collected:
  """Reads finished runs and sorts what they scored into the rows that they name.

  Raises:
    UserError: there is no such run, it has not finished, it names a row of no table, or two runs of
      the same row have the same name.
  """
  runs = tuple(_read(workdir) for workdir in workdirs)
  _require_told_apart(runs)
  filled: dict[str, tuple[Evaluation, ...]] = {}
  other: list[Evaluation] = []
  empty: list[str] = []
  for run in runs:
    entries = [_whole(run, entry) for entry in run.report['evals']]
    chosen = None
    if run.row:
      table, row = _row(run)
      segment = row.segment if row else run.config['eval']['segment']
      chosen = next((e for e in entries if _is_of(e, table, segment)), None)
      if chosen is None:
        clips = f'{table.corpus}:{table.split}'
        if run.report['synthetic'] and table.embedded:
          clips = f'{corpora.EMBEDDED}:{table.embedded}'
        empty.append(f'{run} names the row {run.row} but has no scores on {clips}, {segment}')
      else:
        filled[run.row] = (*filled.get(run.row, ()), chosen)
    other += [e for e in entries if e is not chosen]
  return Collected(runs, filled, tuple(other), tuple(empty))


def _read(workdir: Path) -> Run:
  if not workdir.is_dir():
    raise UserError(f'{workdir} is no folder: name the --workdir of a finished run')
  run = Run(workdir, run_dir.read_config(workdir), run_report.read(workdir))
  lacking = [field for field in _OF_ANY if field not in run.report]
  if run.is_model:
    lacking += [field for field in _OF_MODEL if field not in run.report]
  if not lacking:
    lacking = [f for entry in run.report['evals'] for f in _OF_ENTRY if f not in entry]
  if lacking:
    raise UserError(
      f'{workdir}/report.json has no {lacking[0]}: it is no report of a run; name the --workdir of '
      'a finished run'
    )
  return run


def _row(run: Run) -> tuple[Table, Row | None]:
  try:
    return published.row(run.row)
  except UserError as error:
    raise UserError(f'{run.workdir}/config.json: row {error}') from error


def _require_told_apart(runs: Sequence[Run]) -> None:
  seen: dict[Any, Run] = {}
  for run in runs:
    is_control = run.name.startswith(CONTROL)
    keys = [run.workdir.resolve(), *([(run.row, run.name)] if run.row or is_control else [])]
    for key in keys:
      if key in seen:
        raise UserError(
          f'{seen[key].workdir} and {run.workdir} are both {run.row or "the control"} by the name '
          f'{run.name!r}: leave one out, or give one another config.name'
        )
      seen[key] = run


def _is_of(evaluation: Evaluation, table: Table, segment: str) -> bool:
  """Is it of the table's clips, or of the synthetic ones in their place?"""
  entry = evaluation.entry
  if entry['segment'] != segment or entry['task'] != table.task:
    return False
  if evaluation.run.report['synthetic']:
    embedded = entry['corpus'].split('/')[0] == corpora.EMBEDDED
    return embedded and bool(table.embedded) and entry['split'] == table.embedded
  return table.has_clips_of(entry['corpus']) and entry['split'] == table.split


def _predictions(run: Run, entry: Mapping[str, Any]) -> list[Prediction]:
  path = predictions.file(run.workdir, entry['corpus'], entry['split'], entry['segment'])
  try:
    return predictions.read(path)
  except (OSError, ValueError, TypeError) as error:
    raise UserError(
      f'{path} is not there or cannot be read: score the run on '
      f'{entry["corpus"]}:{entry["split"]} again (python -m emo_jax.evaluate)'
    ) from error


def _whole(run: Run, entry: Mapping[str, Any]) -> Evaluation:
  """An entry with what earlier versions did not write, from its predictions.

  Raises:
    UserError: the predictions are not there, or not those that were scored.
  """
  task, found = _task(run, entry), _predictions(run, entry)
  scored = predictions.score(found, task)
  if scored['confusion'] != entry['confusion']:
    raise UserError(
      f'{run.workdir}: report.json and the predictions on {entry["corpus"]}:{entry["split"]} '
      f'({entry["segment"]}) do not agree: score the run again (python -m emo_jax.evaluate)'
    )
  if 'n_repeats' not in entry or 'weighted_f1' not in entry:
    entry = {**scored, **entry}
  if 'statistics' not in entry:
    entry = {**entry, 'statistics': summary.summary(found, task, entry['corpus'])}
  return Evaluation(run, {**entry, 'task': task})


def _task(run: Run, entry: Mapping[str, Any]) -> str:
  task = entry.get('task', run.report['task'])
  labels.names(task)
  return task

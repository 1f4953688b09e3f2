"""Finished runs that were never trained: predictions of a given skill, scored and reported."""

from pathlib import Path

import numpy as np

from emo_jax import labels, predictions, published, run_dir
from emo_jax.predictions import Prediction
from emo_jax.report.blocks import Grid, shown
from emo_jax.statistics import summary
from tests.toys import KEY as SYNTHETIC_KEY

KEY = SYNTHETIC_KEY | dict(backbone='f00d')
RANDOM_KEY = KEY | dict(backbone='random:0')
DRAWS = 200

# Clips per label as in Tables 8 and 9 of the paper.
COUNTS = {
  'bobsl/m_c': [n[2] for n in published.COUNTS['table9'].rows.values()],
  'emosign/single': [n[0] for n in published.COUNTS['table8'].rows.values()],
}
COUNTS |= {'bobsl_like': COUNTS['bobsl/m_c'], 'emosign_like': COUNTS['emosign/single']}


def clips(corpus: str, split: str, task: str, utterances: int) -> list[tuple[str, ...]]:
  """Id, label, signer and utterance of each clip: eJSL's design, or the counts of the paper."""
  names = labels.names(task)
  counts = COUNTS.get(corpus) or COUNTS.get(split)
  if counts and task == 'emotion':
    true = [name for name, count in zip(names, counts, strict=True) for _ in range(count)]
    return [(f'{i:04d}', name, f's{i % 4}', f'u{i}') for i, name in enumerate(true)]
  return [
    (f'{s}-{u:02d}-{name}', name, f'signer_{s}', f'u{u}')
    for s in 'ab'
    for u in range(utterances)
    for name in names
  ]


def predicted(
  corpus: str = 'ejsl',
  split: str = 'all',
  task: str = 'emotion',
  skill: float = 1.0,
  seed: int = 0,
  draws: int = 1,
  utterances: int = 78,
  without: tuple[str, ...] = (),
) -> list[Prediction]:
  """Predictions that lean to the true label by `skill` logits; clips of `without` are left out."""
  rng, names, found = np.random.default_rng(seed), labels.names(task), []
  for draw in range(draws):
    for id_, true, signer, utterance in clips(corpus, split, task, utterances):
      logits = rng.standard_normal(len(names)) + skill * np.eye(len(names))[names.index(true)]
      p = np.exp(logits) / np.exp(logits).sum()
      if true not in without:
        each = dict(zip(names, p.tolist(), strict=True))
        found.append(Prediction(id_, true, each, True, None, None, signer, utterance, 0, draw))
  return found


def evaluation(
  workdir: Path,
  found: list[Prediction],
  corpus: str = 'ejsl',
  split: str = 'all',
  segment: str = 'full',
  task: str = 'emotion',
  key: dict = KEY,
  **changed,
) -> dict:
  """An entry of `evals`, with its file of predictions."""
  name = run_dir.file_name(f'{corpus}-{split}-{segment}.jsonl')
  predictions.write(workdir / 'predictions' / name, found)
  return (
    dict(corpus=corpus, split=split, segment=segment, task=task)
    | predictions.score(found, task)
    | dict(
      features=dict(key),
      synthetic=key['backbone'].startswith('synthetic:'),
      random_backbone=key['backbone'].startswith('random:'),
      seen=False,
      min_coverage={},
      statistics=summary.summary(found, task, corpus, DRAWS),
    )
    | changed
  )


def run(
  workdir: Path,
  row: str = '',
  name: str = '',
  key: dict = KEY,
  task: str = 'emotion',
  evals: list[dict] | None = None,
  corpus: str = '',
  split: str = 'all',
  segment: str = '',
  changed: dict | None = None,
  report: dict | None = None,
  **options,
) -> Path:
  """A finished run of a row: its clips are those of the row's table unless it is said otherwise.

  Args:
    changed: fields of the evaluation.
    report: fields of the report.
    options: of `predicted`.
  """
  table, known = published.row(row) if row else (None, None)
  synthetic = key['backbone'].startswith('synthetic:')
  if synthetic and not corpus:
    corpus, split = 'signsim', table.embedded if table else 'ejsl_like'
  corpus = corpus or (table.corpus if table else 'ejsl')
  segment = segment or (known.segment if known else 'full')
  task = table.task if table else task
  name = name or row.replace('/', '_') or 'free'
  workdir.mkdir(parents=True, exist_ok=True)
  config = dict(name=name, row=row, seed=0, init_weights='', eval=dict(segment=segment))
  run_dir.write_json(workdir / 'config.json', config)
  if evals is None:
    found = predicted(corpus, split, task, **options)
    evals = [evaluation(workdir, found, corpus, split, segment, task, key, **(changed or {}))]
  trained_on = 'signsim:nonsigners+weak' if synthetic else 'bobsl/a_tea:train'
  selected_on = 'signsim:validation' if synthetic else 'bobsl/a_tea:validation'
  made = dict(
    name=name,
    task=task,
    synthetic=synthetic,
    random_backbone=key['backbone'].startswith('random:'),
    params=dict(head=3_060_487, total=27_674_318),
    trained_on=trained_on,
    labelled_by='' if synthetic else 'a/classifier 1',
    selected_on=selected_on,
    selected_step=1200,
    temperature=1.25,
    provenance=dict(key),
    information=dict(date='2026-01-01T00:00:00+00:00', machine='x86_64', python='3.11.9'),
    evals=evals,
  )
  # Without the figures of the run, which the report does not read.
  run_dir.write_json(workdir / 'report.json', made | (report or {}))
  return workdir


def by_column(grid: Grid, start: str, number: int = 0) -> dict[str, str]:
  """The cells, as they are shown, of a row whose first cell begins with `start`."""
  row = [row for row in grid.rows if shown(row[0]).startswith(start)][number]
  return {c.full_name(): shown(cell) for c, cell in zip(grid.columns, row, strict=True)}

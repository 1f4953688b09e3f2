"""The report of a run: `report.json`, `report.md` and the figures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from emo_jax import figures, run_dir
from emo_jax.errors import UserError

# ResNet-50 with its 512-d layer and static 7-way head, batch norm statistics included
# (tests/models/test_parameter_counts.py holds the model to it).
BACKBONE_PARAMETERS = 24_613_831

# Corpus -> wAcc and macro F1 that the paper reports, in per cent.
PaperScores = Mapping[str, Sequence[float]]


def parameter_counts(head: Any) -> dict[str, int]:
  """Parameters of the temporal head, and with the face backbone."""
  count = sum(int(np.size(x)) for x in jax.tree.leaves(head))
  return dict(head=count, total=count + BACKBONE_PARAMETERS)


def read(workdir: Path) -> dict[str, Any]:
  """A run's `report.json`. Raises UserError if the run has not finished."""
  try:
    return json.loads((workdir / 'report.json').read_text())
  except OSError as error:
    raise UserError(
      f'{workdir} has no report.json: let the run finish first (start it again with '
      f'--workdir={workdir})'
    ) from error


def caveat(report: Mapping[str, Any]) -> str:
  """What keeps the figures from being scores on real signers; empty if nothing does."""
  if report['synthetic']:
    return 'Trained on the SYNTHETIC corpus signsim: says nothing about real signers.'
  if report['random_backbone']:
    return 'Random backbone: not a score.'
  return ''


def _percent(value: float | None) -> str:
  return '-' if value is None else f'{100 * value:.2f}'


def table(report: Mapping[str, Any], paper: PaperScores) -> tuple[list[str], list[list[str]]]:
  """Head and rows of the table of scores, in per cent; the paper's only beside comparable ones."""
  comparable = not caveat(report) and report['task'] == 'emotion'
  head = ['corpus', 'segment', 'clips', 'labelled', 'wAcc (UAR)', 'accuracy (WAR)', 'macro F1']
  rows = []
  for e in report['evals']:
    name = f'{e["corpus"]}:{e["split"]}' + (' (synthetic)' if e['synthetic'] else '')
    scores = [_percent(e[k]) for k in ('wacc', 'accuracy', 'macro_f1')]
    row = [name, e['segment'], str(e['n_clips']), str(e['n']), *scores]
    if comparable:
      theirs = None if e['random_backbone'] else paper.get(e['corpus'])
      row += [f'{x:.2f}' for x in theirs] if theirs else ['-', '-']
    rows.append(row)
  return head + (['paper wAcc', 'paper macro F1'] if comparable else []), rows


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
  """A Markdown table padded so that it reads in a terminal too."""
  widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]

  def line(cells):
    return '| ' + ' | '.join(c.ljust(w) for c, w in zip(cells, widths, strict=True)) + ' |'

  return '\n'.join(
    [line(head), '|' + '|'.join('-' * (w + 2) for w in widths) + '|', *map(line, rows)]
  )


def summary(report: Mapping[str, Any], paper: PaperScores) -> str:
  """What a run prints at its end."""
  lines = [f'{report["name"]}: {report["task"]}, trained on {report["trained_on"]}']
  lines += [f'** {caveat(report)} **'] if caveat(report) else []
  return '\n'.join([*lines, markdown_table(*table(report, paper))])


def _markdown(report: Mapping[str, Any], paper: PaperScores, pictures: Mapping[str, Path]) -> str:
  names = report['evals'][0]['labels'] if report['evals'] else []
  per_class = [
    [f'{e["corpus"]}:{e["split"]}', e['segment'], *(_percent(e['per_class_f1'][n]) for n in names)]
    for e in report['evals']
  ]
  warning = [f'**{caveat(report)}**'] if caveat(report) else []
  parts = [
    f'# {report["name"]}' + (' (synthetic)' if report['synthetic'] else ''),
    *warning,
    f'Task {report["task"]}; trained on {report["trained_on"]}; step {report["selected_step"]} '
    f'selected; temperature {report["temperature"]:.3f}; {report["params"]["head"]:,} parameters '
    f'in the head, {report["params"]["total"]:,} with the face backbone.',
    'All figures are per cent. wAcc is the mean recall over the classes that occur; macro F1 is '
    'over all classes; a clip without any face counts with uniform probabilities.',
    markdown_table(*table(report, paper)),
    '## F1 per class',
    markdown_table(['corpus', 'segment', *names], per_class),
    '## Figures',
    *(f'![{title}]({path.name})' for title, path in pictures.items()),
    '## Provenance of the features',
    *(f'- {k}: {v}' for k, v in report['provenance'].items()),
  ]
  blocks = '\n\n'.join(p for p in parts if not p.startswith('- '))
  return blocks + '\n\n' + '\n'.join(p for p in parts if p.startswith('- ')) + '\n'


def write(workdir: Path, report: dict[str, Any], paper: PaperScores) -> None:
  """Writes `report.json`, `report.md` and their figures into the workdir."""
  pictures = {
    'Training curves': figures.curves(workdir, run_dir.read_metrics(workdir), caveat(report))
  }
  for e in report['evals']:
    title = f'Confusion matrix of {e["corpus"]}:{e["split"]}, {e["segment"]}'
    pictures[title] = figures.confusion(workdir, e, caveat(report))
  report['figures'] = {title: path.name for title, path in pictures.items()}
  run_dir.write_json(workdir / 'report.json', report)
  run_dir.write_text(workdir / 'report.md', _markdown(report, paper, pictures))

"""The report of a run: `report.json`, `report.md` and the figures."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from emo_jax import coverage, figures, metrics_log, run_dir, weights

# ResNet-50 with its 512-d layer and static 7-way head, batch norm statistics included.
BACKBONE_PARAMETERS = sum(math.prod(shape) for shape in weights.backbone_shapes().values())

# What keeps an evaluation from being a score on unseen signers.
_NO_SCORE = {
  'synthetic': 'synthetic',
  'random_backbone': 'random backbone: not a score',
  'seen': 'clips seen in training or selection: not a test',
}

# Corpus -> `segment`, number of `clips`, and `scores` (wAcc, macro F1 in per cent) of the paper.
PaperScores = Mapping[str, Mapping[str, Any]]


def parameter_counts(head: Any, kind: str) -> dict[str, int]:
  """Parameters of the head, and with the face backbone, whose class layer the static head is."""
  own = {layer: x for layer, x in head.items() if layer != 'backbone'}
  count = sum(int(np.size(x)) for x in jax.tree.leaves(own))
  return dict(head=count, total=BACKBONE_PARAMETERS + (0 if kind == 'static' else count))


def read(workdir: Path) -> dict[str, Any]:
  """A run's `report.json`. Raises UserError if the run has not finished."""
  remedy = f'let the run finish first (start it again with --workdir={workdir})'
  return run_dir.read_json(workdir / 'report.json', remedy)


def caveat(report: Mapping[str, Any]) -> str:
  """What keeps the figures from being scores on real signers; empty if nothing does."""
  if report['synthetic']:
    return 'Trained on the SYNTHETIC corpus signsim: says nothing about real signers.'
  if report['random_backbone']:
    return 'Random backbone: not a score.'
  return ''


def _published(entry: Mapping[str, Any], paper: PaperScores) -> Mapping[str, Any] | None:
  """The paper's scores for an evaluation of as many clips of the same corpus and segment."""
  theirs = paper.get(entry['corpus'])
  same = theirs and theirs['segment'] == entry['segment'] and theirs['clips'] == entry['n']
  return theirs if same and not any(entry[name] for name in _NO_SCORE) else None


def mark(entry: Mapping[str, Any]) -> str:
  """What one evaluation's clips are, if they are not real ones with trained features, or of videos
  that were trained on, as the paper's may be."""
  said = [text for name, text in _NO_SCORE.items() if entry[name]]
  for field, where in (('n_videos_trained_on', 'training'), ('n_videos_selected_on', 'selection')):
    if shared := entry.get(field):
      said.append(f'{shared} of {entry["n_videos"]} videos also in {where}')
  return '; '.join(said)


def _named(entry: Mapping[str, Any]) -> str:
  """The clips of an evaluation with their mark."""
  said = mark(entry)
  return f'{entry["corpus"]}:{entry["split"]}' + (f' ({said})' if said else '')


def _percent(value: float | None) -> str:
  return '-' if value is None else f'{100 * value:.2f}'


def table(report: Mapping[str, Any], paper: PaperScores) -> tuple[list[str], list[list[str]]]:
  """Head and rows of the table of scores, in per cent; the paper's only beside comparable ones."""
  comparable = not caveat(report) and report['task'] == 'emotion'
  head = ['corpus', 'segment', 'clips', 'labelled', 'wAcc (UAR)', 'accuracy (WAR)', 'macro F1']
  rows = []
  for e in report['evals']:
    name = _named(e)
    scores = [_percent(e[k]) for k in ('wacc', 'accuracy', 'macro_f1')]
    row = [name, e['segment'], str(e['n_clips']), str(e['n']), *scores]
    if comparable:
      theirs = _published(e, paper)
      given = theirs['scores'] if theirs else (None, None)
      row += ['-' if x is None else f'{x:.2f}' for x in given]
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
  lines = [f'{report["name"]}: {report["task"]}, trained on {_trained_on(report)}']
  lines += [f'** {caveat(report)} **'] if caveat(report) else []
  lines += [markdown_table(*table(report, paper))]
  if any(e.get('n_low_coverage') for e in report['evals']):
    lines += ['Low coverage:', markdown_table(*coverage_table(report))]
  return '\n'.join(lines)


def coverage_table(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
  """Head and rows of how many clips are marked, and of the scores in per cent with and without.

  Evaluations of earlier versions, which did not look, have no row.
  """
  head = ['corpus', 'segment', 'clips', 'without face', 'marked']
  head += [f'{what}: all / unmarked' for what in ('labelled', 'wAcc', 'macro F1')]
  rows = []
  for e in report['evals']:
    if 'n_low_coverage' not in e:
      continue
    limits = coverage.low_text(e['min_coverage'], e['low_coverage'])
    counts = [str(e['n_clips']), str(e['n_without_face']), f'{e["n_low_coverage"]} ({limits})']
    unmarked = e['without_low_coverage']
    both = [f'{e["n"]} / {unmarked["n"]}']
    both += [f'{_percent(e[k])} / {_percent(unmarked[k])}' for k in ('wacc', 'macro_f1')]
    rows.append([_named(e), e['segment'], *counts, *both])
  return head, rows


def _coverage(report: Mapping[str, Any]) -> list[str]:
  """The report's section on clips in which little was seen."""
  head, rows = coverage_table(report)
  clips = report.get('training_clips')
  if not rows and not clips:  # a run of an earlier version
    return []
  parts = [
    '## Coverage',
    'A clip is marked if the share of its frames with a face, or with at least one hand (`hands`), '
    'is below the limit in `config.min_coverage`. All frames of the clip count, whatever '
    'segment is read. Marked clips are scored like every other; behind the stroke are the scores '
    'without them.',
  ]
  if clips and clips['clips'] and len(report.get('heads', [])) < 2:
    limits = coverage.low_text(clips['min_coverage'], clips['low_coverage'])
    parts.append(
      f'Of the {clips["clips"]} clips of {report["trained_on"]}, {clips["usable"]} have a face and '
      f'a label; {clips["n_low_coverage"]} of these are marked ({limits}) and were '
      f'{coverage.CHOICES[clips["choice"]]} in training, which left {clips["learnt_from"]}.'
    )
  return [*parts, markdown_table(head, rows)] if rows else parts


def _trained_on(report: Mapping[str, Any]) -> str:
  return report['trained_on'] or 'nothing: the weights as they are'


def _training(report: Mapping[str, Any]) -> str:
  """How training ended, of one head or of several."""
  heads = report.get('heads', [])
  if len(heads) < 2:
    return f'step {report["selected_step"]} selected; temperature {report["temperature"]:.3f}'
  steps = [head['step'] for head in heads]
  temperatures = [head['temperature'] for head in heads]
  return (
    f'{len(heads)} heads ({", ".join(head["name"] for head in heads)}), steps {min(steps)} to '
    f'{max(steps)} selected; temperatures {min(temperatures):.3f} to {max(temperatures):.3f}'
  )


def _intervals(report: Mapping[str, Any]) -> list[str]:
  """The section on the uncertainty of scores, where it is known."""
  rows, drawn = [], []
  for e in report['evals']:
    found = e.get('statistics', {})
    if not found.get('intervals'):
      continue
    cells = [
      f'{_percent(e[name])} [{", ".join(map(_percent, found["intervals"][name]))}]'
      for name in ('wacc', 'accuracy', 'macro_f1')
    ]
    proper = [f'{found["calibration"][name]:.3f}' for name in ('nll', 'brier', 'ece')]
    rows.append([_named(e), e['segment'], *cells, *proper])
    drawn.append(found['resampled'])
  if not rows:
    return []
  head = ['corpus', 'segment', 'wAcc (UAR)', 'accuracy (WAR)', 'macro F1', 'NLL', 'Brier', 'ECE']
  return [
    '## Uncertainty and calibration',
    f'In brackets 95 % intervals by bootstrap of {" or ".join(dict.fromkeys(drawn))}: they say '
    'nothing of other signers or of training anew. NLL in nats, Brier from 0 to 2.',
    markdown_table(head, rows),
  ]


def _labelled_by(report: Mapping[str, Any]) -> str:
  return f', labelled by {report["labelled_by"]}' if report.get('labelled_by') else ''


def _markdown(report: Mapping[str, Any], paper: PaperScores, pictures: Mapping[str, Path]) -> str:
  names = report['evals'][0]['labels'] if report['evals'] else []
  per_class = [
    [_named(e), e['segment']] + [_percent(e['per_class_f1'][name]) for name in names]
    for e in report['evals']
  ]
  warning = [f'**{caveat(report)}**'] if caveat(report) else []
  parts = [
    f'# {report["name"]}' + (' (synthetic)' if report['synthetic'] else ''),
    *warning,
    f'Task {report["task"]}; trained on {_trained_on(report)}{_labelled_by(report)}; '
    f'{_training(report)}; {report["params"]["head"]:,} parameters in the head, '
    f'{report["params"]["total"]:,} with the face backbone.',
    'All figures are per cent. wAcc is the mean recall over the classes that occur; macro F1 is '
    'over all classes; a clip without any face counts with uniform probabilities.',
    markdown_table(*table(report, paper)),
    *_intervals(report),
    *_coverage(report),
    '## F1 per class',
    markdown_table(['corpus', 'segment', *names], per_class),
    '## Figures',
    *(f'![{title}]({path.name})' for title, path in pictures.items()),
    '## Provenance of the features',
    *(f'- {k}: {v}' for k, v in report['provenance'].items()),
  ]
  blocks = '\n\n'.join(p for p in parts if not p.startswith('- '))
  return blocks + '\n\n' + '\n'.join(p for p in parts if p.startswith('- ')) + '\n'


def add(report: dict[str, Any], entry: dict[str, Any]) -> None:
  """Adds an evaluation, in the place of one of the same clips and segment."""
  same = ('corpus', 'split', 'segment', 'features')
  kept = [e for e in report['evals'] if any(e[k] != entry[k] for k in same)]
  report['evals'] = [*kept, entry]


def write(workdir: Path, report: dict[str, Any], paper: PaperScores) -> dict[str, Any]:
  """Writes `report.md`, the figures and last `report.json`; returns its contents."""
  folders = run_dir.head_folders(workdir)
  curves = [lines for folder in folders if (lines := metrics_log.read(folder))]
  pictures = {}
  if curves:  # else it was trained in another workdir or not at all
    pictures['Training curves'] = figures.curves(workdir, curves, caveat(report))
  for e in report['evals']:
    if e['n']:
      title = f'Confusion matrix of {_named(e)}, {e["segment"]}'
      pictures[title] = figures.confusion(workdir, e, mark(e), caveat(report))
  run_dir.write_text(workdir / 'report.md', _markdown(report, paper, pictures))
  whole = report | dict(figures={title: path.name for title, path in pictures.items()})
  run_dir.write_json(workdir / 'report.json', whole)
  return whole

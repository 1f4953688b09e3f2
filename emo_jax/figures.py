"""Figures of a run that a person can read."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use('Agg')
import numpy as np
from matplotlib import pyplot as plt

from emo_jax import files, labels, palette, run_dir


def _save(figure: plt.Figure, path: Path) -> Path:
  with files.replacing(path) as partial:
    figure.savefig(partial, format='png', dpi=150, bbox_inches='tight')
  plt.close(figure)
  return path


def columns_of(entry: Mapping[str, Any]) -> tuple[str, ...]:
  """What the columns of an evaluation's confusion matrix are called."""
  names = tuple(entry['labels'])
  return names if len(entry['confusion'][0]) == len(names) else (*names, labels.NO_CLASS)


def confusion(workdir: Path, entry: Mapping[str, Any], mark: str, caveat: str) -> Path:
  """Confusion matrix of one evaluation: counts, shaded by the share of the true label."""
  counts, names = np.array(entry['confusion']), entry['labels']
  answers = columns_of(entry)
  share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
  # Inches a cell: labels below one another's columns stay apart.
  cell = max(0.75, 0.09 * max(map(len, names)))
  size = 1.6 + cell * len(names)
  figure, axes = plt.subplots(figsize=(size + 1 + cell * (len(answers) - len(names)), size))
  image = axes.imshow(share, cmap='Blues', vmin=0, vmax=1)
  for (i, j), count in np.ndenumerate(counts):
    color = 'white' if share[i, j] > 0.55 else 'black'
    axes.text(j, i, str(count), ha='center', va='center', color=color, fontsize=9)
  axes.set_xticks(range(len(answers)), answers)
  axes.set_yticks(
    range(len(names)), [f'{n} ({c})' for n, c in zip(names, counts.sum(1), strict=True)]
  )
  axes.set_xlabel('predicted')
  axes.set_ylabel('true (clips)')
  title = [
    f'{entry["corpus"]}:{entry["split"]}, {entry["segment"]}, n = {entry["n"]}',
    mark.strip(' ()'),
    f'wAcc {100 * entry["wacc"]:.1f} %, macro F1 {100 * entry["macro_f1"]:.1f} %',
    caveat,
  ]
  axes.set_title('\n'.join(line for line in title if line), fontsize=9, pad=12)
  figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, label='share of the true label')
  name = f'confusion-{entry["corpus"]}-{entry["split"]}-{entry["segment"]}.png'
  return _save(figure, workdir / run_dir.file_name(name))


def curves(workdir: Path, heads: Sequence[Sequence[Mapping[str, Any]]], caveat: str) -> Path:
  """Training loss and validation scores over steps, of every head's metrics: of several the loss
  and macro F1, a line each."""
  figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
  for lines in heads:
    loss = [(x['step'], x['loss']) for x in lines if 'loss' in x]
    if loss:
      left.plot(*zip(*loss, strict=True), marker='.', color=palette.BLUE, alpha=len(heads) ** -0.5)
  left.set(xlabel='step', ylabel='training loss (nats)', title='Training loss')
  scores = (
    ('macro_f1', 'macro F1', palette.VERMILLION, 'o'),
    ('wacc', 'wAcc', palette.BLUE, 's'),
    ('accuracy', 'accuracy', palette.BLACK, '^'),
  )
  for number, lines in enumerate(heads):
    for field, label, color, marker in scores if len(heads) == 1 else scores[:1]:
      points = [
        (x['step'], 100 * x[k]) for x in lines if x.get(k := f'validation/{field}') is not None
      ]
      if points:
        named = dict(label=label) if not number else {}
        alpha = len(heads) ** -0.5
        right.plot(*zip(*points, strict=True), marker=marker, color=color, alpha=alpha, **named)
  right.set(xlabel='step', ylabel='per cent', title='Validation', ylim=(-3, 103))
  if right.lines:
    right.legend()
  for axes in (left, right):
    axes.grid(alpha=0.3)
  if caveat:
    figure.suptitle(caveat, fontsize=9, y=1.02)
  return _save(figure, workdir / 'curves.png')


def effects(folder: Path, found: Mapping[str, Mapping[str, Any]]) -> Path:
  """Effects with their intervals and the value of every seed, one row each."""
  figure, axes = plt.subplots(figsize=(9, 0.5 * len(found) + 1.2))
  for row, effect in enumerate(found.values()):
    holds = effect['verdict'] == 'holds'
    color, marker = (palette.BLUE, 'o') if holds else (palette.VERMILLION, 'X')
    low, high = 100 * effect['low'], 100 * effect['high']
    axes.plot([low, high], [row, row], color=color, linewidth=3, alpha=0.5)
    axes.plot(100 * effect['mean'], row, marker, color=color, markersize=8)
    seeds = 100 * np.array(effect['seeds'])
    axes.plot(seeds, np.full(len(seeds), row), '|', color='black', markersize=10)
  axes.axvline(0, color='gray', linewidth=1)
  axes.set_yticks(range(len(found)), list(found))
  axes.invert_yaxis()
  axes.set_xlabel('points (bar: 95 % interval, tick: one seed; circle: as expected, cross: not)')
  axes.set_title('SYNTHETIC corpus signsim: says nothing about real signers', fontsize=9)
  axes.grid(axis='x', alpha=0.3)
  return _save(figure, folder / 'hypotheses.png')

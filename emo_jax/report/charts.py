"""Figures of a report: scores with their intervals, and whether probabilities can be believed."""

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use('Agg')
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from emo_jax import files, palette
from emo_jax.report.blocks import Number

DPI = 150
_SMALL, _NORMAL = 9, 10  # points: 12 and 13 pixels where the page shows a figure as large as it is
_WIDE, _NARROW = 42, 36  # letters a line
_DASHED = (0, (3, 2))
_CHANCE = dict(color='black', linewidth=1.2, linestyle=(0, (2, 1)))
_ON_WHITE = dict(facecolor='white', edgecolor='none', pad=0.5)


@dataclasses.dataclass(frozen=True)
class Bar:
  """A line of a bar chart: what it is called, ours and the published number."""

  called: str
  ours: Number | None
  paper: Number | None


def _save(figure: plt.Figure, path: Path) -> tuple[Path, Path]:
  """The figure as PNG and as SVG, the same bytes every time."""
  vector = path.with_suffix('.svg')
  path.parent.mkdir(parents=True, exist_ok=True)
  with files.replacing(path) as partial:
    figure.savefig(partial, format='png', dpi=DPI, bbox_inches='tight')
  with files.replacing(vector) as partial, plt.rc_context({'svg.hashsalt': path.stem}):
    figure.savefig(partial, format='svg', bbox_inches='tight', metadata=dict(Date=None))
  plt.close(figure)
  return path, vector


def _wrapped(title: str, letters: int) -> str:
  """Each line of a title in as many as it needs."""
  return '\n'.join(textwrap.fill(line, letters) for line in title.splitlines())


def _plain(axes: plt.Axes) -> None:
  axes.spines[['top', 'right']].set_visible(False)
  axes.tick_params(labelsize=_SMALL)
  axes.set_axisbelow(True)


def bars(
  path: Path, title: str, name: str, shown: Sequence[Bar], paper: str, chance: float | None
) -> tuple[Path, Path]:
  """One score in per cent, a bar per line below what it is called, with intervals.

  Args:
    path: of the PNG; the SVG lies beside it.
    title: above.
    name: of the score.
    shown: the lines, from the top.
    paper: what the published numbers are called; empty: they are not drawn.
    chance: per cent of who guesses, drawn as a line; None: none.

  Returns:
    The paths of PNG and SVG.
  """
  called = [textwrap.fill(bar.called, _WIDE) for bar in shown]
  tall = [0.4 + 0.17 * (text.count('\n') + 1) for text in called]
  bottom = np.cumsum(tall)
  figure, axes = plt.subplots(figsize=(3.4, bottom[-1] + 0.1))
  highest = 20.0
  for y, text, bar in zip(bottom, called, shown, strict=True):
    ours, theirs = bar.ours, bar.paper if paper else None
    style = dict(va='bottom', fontsize=_SMALL, linespacing=1.1, bbox=_ON_WHITE)
    axes.annotate(text, (0, y - 0.33), (3, 0), textcoords='offset points', **style)
    y = y - 0.18
    if ours:
      axes.barh(y, ours.value, 0.22, color=palette.SKY_BLUE)
      if ours.low is not None and ours.high is not None:
        line = dict(color=palette.BLACK, linewidth=1.6, marker='|', markersize=8)
        axes.plot([ours.low, ours.high], [y, y], **line)
    if chance is not None:
      axes.plot([chance, chance], [y - 0.15, y + 0.15], **_CHANCE)
    if theirs:
      axes.plot(theirs.value, y, 'D', color=palette.VERMILLION, markeredgecolor='white')
    ends = [x for one in (ours, theirs) if one for x in (one.value, one.high or 0)]
    highest = max([highest, *ends])
    number, across = ours.number() if ours else '-', axes.get_yaxis_transform()
    axes.text(1.02, y, number, transform=across, va='center', fontsize=_SMALL)
  axes.set(xlim=(0, min(100, 1.08 * highest)), ylim=(bottom[-1] + 0.05, -0.05), yticks=[])
  axes.set_xlabel(f'{name}, %', fontsize=_NORMAL)
  axes.grid(axis='x', alpha=0.3)
  axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(5, steps=[1, 2, 5, 10]))
  _plain(axes)
  handles = _legend(shown, paper, chance is not None)
  _below(figure, axes, handles)
  axes.set_title(_wrapped(title, _WIDE), fontsize=_SMALL, pad=8)
  return _save(figure, path)


def _below(figure: plt.Figure, axes: plt.Axes, handles: Sequence[Any]) -> None:
  """A legend under the name of the horizontal axis."""
  inches = axes.get_position().y0 * figure.get_figheight() - 0.45
  figure.legend(
    handles=handles,
    loc='upper center',
    bbox_to_anchor=(0.5, inches / figure.get_figheight()),
    ncols=2,
    fontsize=_SMALL,
    frameon=False,
  )


def _legend(shown: Sequence[Bar], paper: str, chance: bool) -> list[Any]:
  handles: list[Any] = [Patch(color=palette.SKY_BLUE, label='ours')]
  if any(bar.ours and bar.ours.low is not None for bar in shown):
    line = dict(color=palette.BLACK, linewidth=1.6, marker='|', markersize=8)
    handles.append(Line2D([], [], label='95 % interval', **line))
  if paper and any(bar.paper for bar in shown):
    diamond = dict(color=palette.VERMILLION, markeredgecolor='white', markersize=7)
    handles.append(Line2D([], [], marker='D', linestyle='', label=paper, **diamond))
  if chance:
    handles.append(Line2D([], [], label='chance', **_CHANCE))
  return handles


def reliability(path: Path, title: str, calibration: Mapping[str, Any]) -> tuple[Path, Path]:
  """How often decisions are right, by how sure the model is of them, and how many there are.

  Args:
    path: of the PNG; the SVG lies beside it.
    title: above.
    calibration: as `emo_jax.statistics` has it.

  Returns:
    The paths of PNG and SVG.
  """
  bins = [b for b in calibration['bins'] if b['n']]
  middle = np.array([(b['low'] + b['high']) / 2 for b in bins])
  width = np.array([b['high'] - b['low'] for b in bins])
  figure, (above, below) = plt.subplots(
    2, 1, figsize=(2.8, 3.8), sharex=True, height_ratios=(3, 1), gridspec_kw=dict(hspace=0.12)
  )
  accuracy = np.array([100 * b['accuracy'] for b in bins])
  confidence = np.array([100 * b['confidence'] for b in bins])
  above.plot([0, 100], [0, 100], color='dimgray', linewidth=1, linestyle=_DASHED)
  above.bar(100 * middle, accuracy, 94 * width, color=palette.SKY_BLUE, label='accuracy')
  for x, low, high in zip(100 * middle, accuracy, confidence, strict=True):
    above.plot([x, x], [low, high], color=palette.VERMILLION, linewidth=1.4, zorder=3)
  above.plot(
    100 * middle,
    confidence,
    'D',
    color=palette.VERMILLION,
    markersize=5,
    label='mean confidence',
    zorder=4,
  )
  above.set(ylim=(0, 103), xlim=(0, 100))
  above.set_ylabel('per cent', fontsize=_NORMAL)
  below.bar(100 * middle, [b['n'] for b in bins], 94 * width, color='dimgray')
  below.set_xlabel('confidence of the decision, %', fontsize=_NORMAL)
  below.set_ylabel('clips', fontsize=_NORMAL)
  below.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(2, integer=True))
  below.xaxis.set_major_locator(matplotlib.ticker.MultipleLocator(20))
  for axes in (above, below):
    axes.grid(alpha=0.3)
    _plain(axes)
  figure.align_ylabels()
  _below(figure, below, above.get_legend_handles_labels()[0])
  above.set_title(_wrapped(title, _NARROW), fontsize=_SMALL, pad=8)
  return _save(figure, path)

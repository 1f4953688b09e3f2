"""A picture of a corpus: clips per label and signer, their lengths, and how much they show."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emo_jax import coverage, files, palette
from emo_jax.errors import UserError
from emo_jax.video import sampling
from tfds_builders.corpus_counts import MOST_SIGNERS, UNKNOWN, Clips, headline

_WIDTH_IN, _DPI, _FONT_PT = 10.0, 150, 9
_LEAST_IN = 2.2  # height of a panel
_BAR_IN, _THICKEST_IN = 0.19, 0.3  # of a bar with the space around it, of the bar alone
_LONGEST_NAME = 24
_NO_LABEL = '#BBBBBB'
_SHARES = {
  'face': ('face', palette.BLUE, palette.STYLES[0]),
  'left_hand': ('left hand', palette.VERMILLION, palette.STYLES[1]),
  'right_hand': ('right hand', palette.GREEN, palette.STYLES[2]),
  'hands': ('any hand', palette.BLACK, palette.STYLES[5]),
}


def draw(path: Path, clips: Clips, found: Mapping[str, Any]) -> None:
  """Writes the picture as PNG.

  Args:
    path: of the picture.
    clips: what it shows.
    found: their `corpus_counts.summary`.

  Raises:
    UserError: the picture cannot be written.
  """
  panels = [lambda axes, inches, t=task: _labels(axes, inches, t, found) for task in clips.labels]
  panels += [lambda axes, inches: _signers(axes, inches, found)]
  panels += [lambda axes, _: _lengths(axes, clips), lambda axes, _: _coverage(axes, clips, found)]
  many = len(found['signers']) > MOST_SIGNERS
  bars = [len(found['all']['labels'][task]) for task in clips.labels]
  bars += [0 if many else len(found['signers']), 0, 0]
  if len(panels) % 2:
    panels, bars = [*panels, lambda axes, _: axes.set_axis_off()], [*bars, 0]
  rows = [max(_LEAST_IN, _BAR_IN * max(pair)) for pair in zip(bars[::2], bars[1::2], strict=True)]
  with mpl.rc_context({'font.size': _FONT_PT, 'axes.linewidth': 0.6, 'axes.titlesize': _FONT_PT}):
    size = _WIDTH_IN, sum(rows) + 0.9 * len(rows) + 0.6
    figure = Figure(figsize=size, layout='constrained')
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)
    figure.suptitle(_title(found), fontsize=_FONT_PT + 1, parse_math=False)
    axes = figure.subplots(len(rows), 2, height_ratios=rows, squeeze=False)
    for panel, one, inches in zip(panels, axes.flat, np.repeat(rows, 2), strict=True):
      panel(one, inches)
    try:
      with files.replacing(path) as partial:
        figure.savefig(partial, format='png', dpi=_DPI)
    except OSError as error:
      raise UserError(f'cannot write {path} ({error.strerror}): name another file') from error


def _title(found: Mapping[str, Any]) -> str:
  synthetic = '\nSYNTHETIC: says nothing about real signers' if found['synthetic'] else ''
  return f'{found["name"]}: {headline(found)}{synthetic}'


def _labels(axes: Axes, inches: float, task: str, found: Mapping[str, Any]) -> None:
  """A bar per label in its colour, with its number, and a diamond for the paper's."""
  counts = found['all']['labels'][task]
  names = [name for name in counts if counts[name] or name != UNKNOWN]
  values = np.array([counts[name] for name in names])
  paper = ((found['paper'] or {}).get('labels') or {}).get(task, {})
  axes.barh(range(len(names)), values, color=_colors(names), height=_thickness(names, inches))
  said = [f'{value:,}' for value in values]
  if paper:
    at = [i for i, name in enumerate(names) if name in paper]
    theirs = [paper[names[i]] for i in at]
    axes.plot(
      theirs, at, linestyle='', marker='D', markersize=5, fillstyle='none', color=palette.BLACK
    )
    for i, count in zip(at, theirs, strict=True):
      said[i] += f' (paper: {count:,})'
  ends = np.maximum(values, [paper.get(name, 0) for name in names])
  _write(axes, names, ends, said, room=1.6 if paper else 1.18)
  beside = f' (diamond: the paper, {found["paper"]["where"]})' if paper else ''
  axes.set_title(f'Clips per label: {task}{beside}', parse_math=False)


def _signers(axes: Axes, inches: float, found: Mapping[str, Any]) -> None:
  """A bar per signer, divided by the first task's labels; of many signers a histogram."""
  signers, tasks = found['signers'], list(found['all']['labels'])
  clips = np.array([part['clips'] for part in signers.values()])
  if len(signers) > MOST_SIGNERS:
    _histogram(axes, clips, 1)
    axes.set(xlabel='clips of a signer', ylabel='signers', title='Clips per signer')
    return
  names = list(found['all']['labels'][tasks[0]]) if tasks else [UNKNOWN]
  left = np.zeros(len(signers), np.int64)
  look = dict(height=_thickness(signers, inches), edgecolor='white', linewidth=0.5)
  for name, color in zip(names, _colors(names), strict=True):
    of = [part['labels'][tasks[0]][name] if tasks else part['clips'] for part in signers.values()]
    axes.barh(range(len(signers)), of, left=left, color=color, **look)
    left += np.array(of, np.int64)
  _write(axes, [_short(name) for name in signers], clips, [f'{n:,}' for n in clips], room=1.18)
  axes.set_title('Clips per signer' + (f', by {tasks[0]}' if tasks else ''), parse_math=False)


def _lengths(axes: Axes, clips: Clips) -> None:
  _histogram(axes, clips.seconds, 1 / sampling.RATE_HZ)
  median = np.median(clips.seconds) if len(clips.seconds) else 0
  axes.set(xlabel='seconds', ylabel='clips', title=f'Length of clips (median {median:.1f} s)')


def _coverage(axes: Axes, clips: Clips, found: Mapping[str, Any]) -> None:
  """How many clips show something in at least a share of their frames, over that share."""
  at = np.linspace(0, 1, 101)
  for what in coverage.SHARES:
    share = np.sort(clips.coverage[what])
    # 1e-9: shares are quotients, 0.7 may be stored as 0.6999...
    reached = 1 - np.searchsorted(share, at - 1e-9) / max(len(share), 1)
    name, color, style = _SHARES[what]
    axes.plot(100 * at, 100 * reached, color=color, linestyle=style, label=name)
  said = ', '.join(
    f'{what} below {limit:g}: {found["all"]["below_limits"][what]:,} clips'
    for what, limit in found['limits'].items()
  )
  axes.set(
    xlabel='at least this share of the frames (%)',
    ylabel='clips (%)',
    ylim=(-3, 103),
    title=f'What clips show ({said})',
  )
  axes.grid(alpha=0.3)
  axes.legend(loc='best', handlelength=4)


def _colors(names: Sequence[str]) -> list[str]:
  known = [name for name in names if name != UNKNOWN]
  colors = dict(zip(known, palette.COLORS, strict=False))
  return [colors.get(name, _NO_LABEL) for name in names]


def _thickness(names: Collection[str], inches: float) -> float:
  """Of a bar, by the distance of bars, in a panel so high."""
  return min(0.75, _THICKEST_IN * max(len(names), 1) / inches)


def _write(
  axes: Axes, names: Sequence[str], ends: np.ndarray, said: Sequence[str], room: float
) -> None:
  """Names at the left of the bars, and where they end what is said of them."""
  axes.set(xlim=(0, room * max(int(ends.max(initial=0)), 1)), xlabel='clips')
  axes.set(ylim=(len(names) - 0.4, -0.6))
  axes.set_yticks(range(len(names)), names, parse_math=False)
  for i, (text, end) in enumerate(zip(said, ends, strict=True)):
    axes.annotate(text, (end, i), (6, 0), textcoords='offset points', va='center', ha='left')
  axes.xaxis.set_major_locator(ticker.MaxNLocator(5, integer=True))
  axes.grid(axis='x', alpha=0.3)
  axes.set_axisbelow(True)


def _histogram(axes: Axes, values: np.ndarray, unit: float) -> None:
  """At most some 30 bins from 0, each between multiples of the unit that the values come in."""
  most = float(values.max(initial=0))
  step = unit * max(1, round(most / 30 / unit))
  edges = np.arange(-unit / 2, most + step + unit, step)
  axes.hist(values, bins=edges, color=palette.BLUE, edgecolor='white')
  axes.yaxis.set_major_locator(ticker.MaxNLocator(integer=True))
  axes.grid(axis='y', alpha=0.3)
  axes.set_axisbelow(True)


def _short(name: str) -> str:
  """A signer's name as the font can write it, its middle left out where it is long."""
  known = ''.join(c if c.isascii() and c.isprintable() else '?' for c in name)
  half = _LONGEST_NAME // 2 - 1
  return known if len(known) <= _LONGEST_NAME else f'{known[:half]}..{known[-half:]}'

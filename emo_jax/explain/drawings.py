"""Figures of attributions: by phase, along time, and of a single clip."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Bool
from matplotlib import colors, patches
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emo_jax import files, palette, preprocess
from emo_jax.explain.attribution import PHASES, ClipAttribution
from emo_jax.explain.phases import Curves

_DPI, _FONT_PT = 150, 9
_TITLE_LETTERS = 100
STREAMS = {
  'face': (palette.BLUE, 'o', '-'),
  'hands': (palette.VERMILLION, 's', (0, (4, 2))),
}
_PLACES = dict(color='#707070', linestyle=(0, (1, 1)))
_PLACES_NAME = 'places in the windows'
_NAMES = {'rest': 'rest', 'signing': 'signing', 'post_signing': 'post-signing'}
_GREY, _DARK = '#E4E4E4', '#303030'
_LAST_2S, _LAST_2S_EDGE = '#FBF7C5', '#A89B00'


def by_phase(path: Path, found: Mapping[str, Any], title: Sequence[str]) -> None:
  """Averages of every phase with their intervals.

  Args:
    path: of the PNG.
    found: one of the entries of `emo_jax.phases.averages`.
    title: lines above it.
  """
  panels = {
    'relative': 'absolute, a frame of the phase\n(1: an average frame, both streams)',
    'per_place': 'absolute, per place in the windows\n(1: as much as is shown, each stream)',
    'signed': 'signed, a frame of the phase\n(points of probability)',
  }
  with mpl.rc_context({'font.size': _FONT_PT, 'axes.linewidth': 0.6}):
    figure = Figure(figsize=(10.5, 3.9), layout='constrained')
    _title(figure, title)
    for axes, (kind, name) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
      _points(axes, found, kind)
      axes.set_title(name, fontsize=_FONT_PT)
      ticks = [f'{_NAMES[p]}\n{found["phases"][p]["frames"]:,}' for p in PHASES]
      axes.set_xticks(range(len(PHASES)), ticks)
      axes.set_xlim(-0.6, len(PHASES) - 0.4)
      axes.set_xlabel('phase, and its frames')
      axes.grid(axis='y', alpha=0.3)
    _legend(figure, figure.axes[0])
    _save(figure, path)


def _points(axes: Axes, found: Mapping[str, Any], kind: str) -> None:
  """A point with its interval per phase and stream, and what an even model would have."""
  scale = 100 if kind == 'signed' else 1
  names = [name for name in STREAMS if name in found['phases'][PHASES[0]]['streams']]
  for k, name in enumerate(names):
    color, marker, _ = STREAMS[name]
    at = np.arange(len(PHASES)) + 0.16 * (k - (len(names) - 1) / 2)
    each = [found['phases'][phase]['streams'][name][kind] for phase in PHASES]
    mean, low, high = (
      [np.nan if e[what] is None else scale * e[what] for e in each]
      for what in ('mean', 'low', 'high')
    )
    axes.vlines(at, low, high, color=color, linewidth=2.5, alpha=0.5)
    axes.plot(at, mean, linestyle='none', marker=marker, color=color, label=name)
  if kind == 'relative':
    for i, phase in enumerate(PHASES):
      places = found['phases'][phase]['places']['mean']
      label = _PLACES_NAME if i == 0 else None
      axes.plot([i - 0.35, i + 0.35], [places or np.nan] * 2, label=label, **_PLACES)
  if kind == 'signed':
    axes.axhline(0, color='black', linewidth=0.8)
  else:
    axes.set_ylim(bottom=0)
  if kind == 'per_place':
    axes.axhline(1, color='#707070', linewidth=0.8)


def over_time(path: Path, curves: Curves, title: Sequence[str]) -> None:
  """Averages along time, aligned at the last signing frame.

  Args:
    path: of the PNG.
    curves: of at least one clip.
    title: lines above it.
  """
  panels = {
    'relative': 'absolute contribution\n(1: an average frame)',
    'signed': 'signed contribution\n(points of probability)',
  }
  with mpl.rc_context({'font.size': _FONT_PT, 'axes.linewidth': 0.6}):
    figure = Figure(figsize=(9, 5.4), layout='constrained')
    _title(figure, title)
    for axes, (kind, name) in zip(figure.subplots(2, 1, sharex=True), panels.items(), strict=True):
      for stream, (mean, low, high) in curves.values[kind].items():
        color, marker, style = STREAMS[stream]
        scale = 100 if kind == 'signed' else 1
        axes.fill_between(curves.time_s, scale * low, scale * high, color=color, alpha=0.2, lw=0)
        line = dict(color=color, linestyle=style, marker=marker, markersize=3)
        axes.plot(curves.time_s, scale * mean, label=stream, **line)
      axes.axvline(0, color='black', linewidth=0.8)
      axes.set_ylabel(name)
      axes.grid(alpha=0.3)
    above, below = figure.axes
    above.plot(curves.time_s, curves.values['places'][''][0], label=_PLACES_NAME, **_PLACES)
    above.set_ylim(bottom=0)
    below.axhline(0, color='black', linewidth=0.8)
    below.set_xlabel(f'seconds after the last signing frame; {curves.clips} clips')
    _legend(figure, above)
    _save(figure, path)


def of_clip(path: Path, clip: ClipAttribution, title: Sequence[str]) -> None:
  """A single clip's contributions along time over its phases, the last 2 s marked.

  Args:
    path: of the PNG.
    clip: with at least one frame.
    title: lines above it.
  """
  time_s = clip.time_s.astype(np.float64)
  frame_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.2
  last = preprocess.cut_segment(clip.time_s, 'last_2s', np.random.default_rng(0))
  with mpl.rc_context({'font.size': _FONT_PT, 'axes.linewidth': 0.6}):
    figure = Figure(figsize=(11, 4.4), layout='constrained')
    _title(figure, title)
    curves, *strips = figure.subplots(3, 1, height_ratios=[10, 1, 1], sharex=True)
    begin, end = time_s[last[0]] - frame_s / 2, time_s[-1] + frame_s / 2
    curves.axvspan(begin, end, color=_LAST_2S, linewidth=0)
    curves.axvline(begin, color=_LAST_2S_EDGE, linewidth=1)
    for name, values in clip.streams.items():
      color, marker, style = STREAMS[name]
      line = dict(color=color, linestyle=style, marker=marker, markersize=4)
      curves.plot(time_s, 100 * values, label=name, **line)
    curves.axhline(0, color='black', linewidth=0.8)
    curves.set_ylabel('contribution to the decision\n(points of probability)')
    curves.grid(alpha=0.3)
    for axes, phase in zip(strips, ('signing', 'post_signing'), strict=True):
      _strip(axes, clip.phase == phase, time_s, frame_s, _NAMES[phase])
    strips[-1].set_xlabel('time (s)')
    strips[-1].set_xlim(time_s[0] - frame_s / 2, end)
    mark = patches.Patch(facecolor=_LAST_2S, edgecolor=_LAST_2S_EDGE, label='last 2 s')
    _legend(figure, curves, mark)
    _save(figure, path)


def _strip(
  axes: Axes, values: Bool[np.ndarray, ' s'], time_s: np.ndarray, frame_s: float, name: str
) -> None:
  """A strip that is dark at the frames where `values` hold."""
  shades = colors.ListedColormap([_GREY, _DARK])
  borders = np.append(time_s - frame_s / 2, time_s[-1] + frame_s / 2)
  axes.pcolormesh(borders, [0, 1], values[None].astype(float), cmap=shades, vmin=0, vmax=1)
  axes.set_yticks([0.5], [name])
  axes.tick_params(axis='y', length=0)


def _title(figure: Figure, title: Sequence[str]) -> None:
  # The font lacks many letters, as in ids of files named in Japanese.
  plain = [''.join(c if c.isascii() else '?' for c in line) for line in title]
  wrapped = '\n'.join(part for line in plain for part in textwrap.wrap(line, _TITLE_LETTERS))
  figure.suptitle(wrapped, fontsize=_FONT_PT, x=0.02, ha='left', parse_math=False)


def _legend(figure: Figure, axes: Axes, *more: patches.Patch) -> None:
  handles = [*axes.get_legend_handles_labels()[0], *more]
  figure.legend(handles=handles, loc='outside lower center', ncols=6, handlelength=4)


def _save(figure: Figure, path: Path) -> None:
  with files.replacing(path) as partial:
    figure.savefig(partial, format='png', dpi=_DPI)

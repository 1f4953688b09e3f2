"""A clip's probabilities over time, with when the hands sign and where no face was found."""

import dataclasses
import functools
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from jaxtyping import Bool, Float
from matplotlib import colors, font_manager, lines, patches, ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emo_jax import files, palette, preprocess

ROW_S = 600.0  # a longer clip is cut into rows of the same length
MOST_ROWS = 6
LINE_POINTS = 200  # in a row; more are averaged, or seven lines could not be told apart
STRIP_POINTS = 1000

_WIDTH_IN, _DPI, _FONT_PT = 11.0, 150, 9
_TITLE_LETTERS = 100
_TICK_STEPS_S = (0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)
_MOST_TICKS = 11
_IN_MINUTES_S = 120
_TOPS = (0.25, 0.5, 1.0)  # of the scale of probabilities

# Yellow is no line's colour; the strips are told apart by place and name.
_LAST_2S, _LAST_2S_EDGE = '#FBF7C5', '#A89B00'
_REST, _SIGNING, _NO_HAND, _NO_FACE = '#E4E4E4', '#303030', '#887755', '#882255'
_STRIPS = {
  'signing': colors.LinearSegmentedColormap.from_list('signing', [_REST, _SIGNING]),
  'no hand': colors.LinearSegmentedColormap.from_list('no hand', ['#FFFFFF', _NO_HAND]),
  'no face': colors.LinearSegmentedColormap.from_list('no face', ['#FFFFFF', _NO_FACE]),
}


@dataclasses.dataclass(frozen=True)
class Track:
  """What is known at a clip's T sampled frames.

  Attributes:
    names: of the labels.
    time_s: presentation times in seconds.
    probabilities: NaN where nothing is known yet.
    signing: does a hand move (emo_jax.signing)?
    no_hand, no_face: was none found?
  """

  names: Sequence[str]
  time_s: Float[np.ndarray, ' t']
  probabilities: Float[np.ndarray, 't k']
  signing: Bool[np.ndarray, ' t']
  no_hand: Bool[np.ndarray, ' t']
  no_face: Bool[np.ndarray, ' t']


def draw(path: Path, track: Track, title: Sequence[str]) -> None:
  """Writes the timeline as PNG: rows of at most ten minutes, or a sixth of the clip.

  Args:
    path: of the picture.
    track: what it shows.
    title: lines above it; long ones are wrapped.
  """
  time_s = track.time_s.astype(np.float64)
  frame_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 1 / 5
  edges = np.append(time_s, time_s[-1] + frame_s)
  in_minutes = bool(edges[-1] >= _IN_MINUTES_S)
  rows = int(min(MOST_ROWS, max(1, np.ceil((edges[-1] - edges[0]) / ROW_S))))
  bounds = np.linspace(edges[0], edges[-1], rows + 1)
  with mpl.rc_context({'font.size': _FONT_PT, 'axes.linewidth': 0.6}):
    figure = Figure(figsize=(_WIDTH_IN, 2.4 + 2.4 * rows), layout='constrained')
    figure.suptitle(_printable(title), fontsize=_FONT_PT + 1, x=0.02, ha='left', parse_math=False)
    heights = [10, *(1 for _ in _STRIPS)]
    axes = figure.subplots(len(heights) * rows, 1, height_ratios=heights * rows)
    seen = dict(zip(_STRIPS, (track.signing, track.no_hand, track.no_face), strict=True))
    within = np.searchsorted(time_s, bounds[1:-1])
    for row, shown in enumerate(np.split(np.arange(len(time_s)), within)):
      curves, *strips = axes[len(heights) * row : len(heights) * (row + 1)]
      _curves(curves, track, edges, shown)
      for strip, (name, values) in zip(strips, seen.items(), strict=True):
        _strip(strip, values, edges, shown, name)
      for one in (curves, *strips):
        one.set_xlim(bounds[row], bounds[row + 1])
        _clock(one, in_minutes, labelled=one is strips[-1])
    averaged = max(1, -(-len(time_s) // rows // LINE_POINTS)) * frame_s
    axes[-1].set_xlabel(
      ('time (min:s)' if in_minutes else 'time (s)')
      + (f'; lines are means over up to {averaged:.1f} s' if averaged > 1.5 * frame_s else '')
    )
    figure.legend(handles=_legend(track.names), loc='outside lower center', ncols=6, handlelength=4)
    with files.replacing(path) as partial:
      figure.savefig(partial, format='png', dpi=_DPI)


def _curves(axes: Axes, track: Track, edges: np.ndarray, shown: np.ndarray) -> None:
  """A line per label over the frames `shown`, and the mark of the last two seconds."""
  segment = preprocess.cut_segment(track.time_s, 'last_2s', np.random.default_rng(0))
  axes.axvspan(edges[segment[0]], edges[-1], color=_LAST_2S, linewidth=0)
  axes.axvline(edges[segment[0]], color=_LAST_2S_EDGE, linewidth=1)
  groups = np.array_split(shown, min(len(shown), LINE_POINTS)) if len(shown) else []
  at = [track.time_s[g].mean() for g in groups]
  at += [edges[shown[-1] + 1]] if len(shown) else []  # what was found last is held
  marker = '.' if len(groups) <= 40 else None
  for k, (_, color, style) in enumerate(_styled(track.names)):
    values = [track.probabilities[g, k].mean() for g in groups]
    values += values[-1:]
    axes.plot(at, values, color=color, linestyle=style, marker=marker, linewidth=1.4)
  highest = np.nanmax(track.probabilities, initial=0)
  axes.set(ylim=(0, next(t for t in _TOPS if highest <= t)), ylabel='probability')
  axes.grid(alpha=0.3)


def _strip(axes: Axes, values: np.ndarray, edges: np.ndarray, shown: np.ndarray, name: str) -> None:
  """A strip that is dark where `values` hold, grey by their share where many frames are one."""
  if len(shown):
    groups = np.array_split(shown, min(len(shown), STRIP_POINTS))
    share = np.array([[values[g].mean() for g in groups]])
    borders = [edges[g[0]] for g in groups] + [edges[shown[-1] + 1]]
    axes.pcolormesh(borders, [0, 1], share, cmap=_STRIPS[name], vmin=0, vmax=1)
  axes.set(ylim=(0, 1))
  axes.set_yticks([0.5], [name])
  axes.tick_params(axis='y', length=0)


def _clock(axes: Axes, in_minutes: bool, labelled: bool) -> None:
  """Ticks at round times, with labels or without."""
  low, high = axes.get_xlim()
  step = next((s for s in _TICK_STEPS_S if (high - low) / s <= _MOST_TICKS), _TICK_STEPS_S[-1])

  def text(seconds: float, _) -> str:
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    clock = f'{hours}:{minutes:02d}' if hours else str(minutes)
    return f'{clock}:{whole % 60:02d}' if in_minutes else f'{seconds:g}'

  axes.xaxis.set_major_locator(ticker.MultipleLocator(step))
  axes.xaxis.set_major_formatter(ticker.FuncFormatter(text))
  axes.tick_params(axis='x', labelbottom=labelled, length=3 if labelled else 0)


def _styled(names: Sequence[str]) -> list[tuple]:
  """Every label with its colour and line style."""
  count = len(names)
  return list(zip(names, palette.COLORS[:count], palette.STYLES[:count], strict=True))


def _legend(names: Sequence[str]) -> list:
  """Lines of the labels, and what the shades mean."""
  return [
    *(
      lines.Line2D([], [], color=color, linestyle=style, label=name, linewidth=1.4)
      for name, color, style in _styled(names)
    ),
    patches.Patch(facecolor=_LAST_2S, edgecolor=_LAST_2S_EDGE, label='last 2 s'),
    *(
      patches.Patch(color=color, label=label)
      for color, label in (
        (_SIGNING, 'signing'),
        (_REST, 'rest, or no hand'),
        (_NO_HAND, 'no hand'),
        (_NO_FACE, 'no face'),
      )
    ),
  ]


@functools.cache
def _font():
  return font_manager.get_font(font_manager.findfont('DejaVu Sans'))


def _printable(title: Sequence[str]) -> str:
  """The lines wrapped; `?` for letters the font lacks, as in a file named in Japanese."""
  wrapped = [part for line in title for part in textwrap.wrap(line, _TITLE_LETTERS)]
  known = [''.join(c if _font().get_char_index(ord(c)) else '?' for c in line) for line in wrapped]
  return '\n'.join(known)

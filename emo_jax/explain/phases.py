"""Averages of attributions over the phases of clips and along time, with intervals.

Clips count alike, whatever their length: an average is over a clip's frames first, then over clips.
`relative` is a frame's absolute contribution as a multiple of the clip's mean over its frames, both
streams together: averaged over all frames of a clip, face and hands sum to 1, so that clips and
phases of any length and any certainty compare. `per_place` is the part that a phase has of one
stream's absolute contributions over the part it has of the places in the model's windows: 1 where
the model makes as much of the phase as it is shown of it. Late frames are shown more often, so
`relative` alone would find late phases weighty in any model. `signed` is the contribution itself,
as probability per frame: negative where a stream speaks against what was decided.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from emo_jax.explain.attribution import PHASES, ClipAttribution

DRAWS = 2000
KINDS = ('relative', 'per_place', 'signed')
# Of the clips that are aligned, at least this share must reach a moment for it to be averaged.
REACHED = 0.2

Column = tuple[str, str, str]  # phase, kind, stream
_OTHERS = tuple(phase for phase in PHASES if phase != 'signing')


@dataclasses.dataclass(frozen=True)
class Curves:
  """Averages along time, aligned at the last signing frame.

  Attributes:
    time_s: [M] seconds after it.
    clips: how many have a signing frame.
    values: kind -> stream -> [3, M] mean and 95 % interval; kinds are `relative` and `signed`.
      Of both, `places` (emo_jax.attribution.ClipAttribution.share) is of stream ''.
  """

  time_s: Float[np.ndarray, ' m']
  clips: int
  values: dict[str, dict[str, Float[np.ndarray, '3 m']]]


def relative(clip: ClipAttribution) -> dict[str, Float[np.ndarray, ' s']]:
  """A clip's absolute contributions as multiples of their mean (module docstring); NaN if all are
  zero."""
  mean = clip.size / len(clip.frame)
  return {name: np.abs(x) / (mean if mean > 0 else np.nan) for name, x in clip.streams.items()}


def resampled(
  values: Float[np.ndarray, 'n k'], groups: Sequence[str], seed: int = 0
) -> Float[np.ndarray, '3 k']:
  """Means over rows and their 95 % percentile intervals, by drawing whole groups with replacement.

  NaN is left out; of a single group the interval is NaN.
  """
  names, of = np.unique(np.asarray(groups), return_inverse=True)
  known = ~np.isnan(values)
  sums, counts = np.zeros((2, len(names), values.shape[1]))
  np.add.at(sums, of, np.where(known, values, 0))
  np.add.at(counts, of, known)
  rng = np.random.default_rng(seed)
  times = (rng.multinomial(len(names), [1 / len(names)] * len(names)) for _ in range(DRAWS))
  draws = np.array([_ratio(w @ sums, w @ counts) for w in times])
  found = np.full((3, values.shape[1]), np.nan)
  found[0] = _ratio(sums.sum(0), counts.sum(0))
  for k, column in enumerate(draws.T):
    drawn = column[~np.isnan(column)]
    if (counts[:, k] > 0).sum() > 1:
      found[1:, k] = np.quantile(drawn, [0.025, 0.975])
  return found


def _ratio(total: np.ndarray, count: np.ndarray) -> np.ndarray:
  return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def clusters(clips: Sequence[ClipAttribution]) -> list[str]:
  """What is drawn together: clips of the same utterance where every clip names one, else each
  clip alone."""
  if all(clip.utterance for clip in clips):
    return [clip.utterance for clip in clips]
  return [clip.id for clip in clips]


def averages(clips: Sequence[ClipAttribution]) -> dict[str, Any]:
  """Averages over `all` clips, those decided `correct` and `wrong`, and by label `predicted`.

  There must be a clip. Each has `clips`, `frames`, `phases` (rest, signing, post_signing: `clips`
  that have it, `frames`, the mean `share_of_frames`, `places` and per stream KINDS, with `mean`,
  `low` and `high`, None where unknown) and `contrasts` (`per_place` of another phase less that of
  signing, over clips that have both).
  """

  def of(chosen: Callable[[ClipAttribution], bool]) -> dict[str, Any]:
    return _averages([clip for clip in clips if chosen(clip)])

  decided = {clip.predicted for clip in clips}
  labelled = [name for name in clips[0].at_baseline if name in decided]
  return dict(
    all=of(lambda clip: True),
    correct=of(lambda clip: clip.true == clip.predicted),
    wrong=of(lambda clip: clip.true not in (None, clip.predicted)),
    predicted={name: of(lambda clip, name=name: clip.predicted == name) for name in labelled},
  )


def _averages(clips: Sequence[ClipAttribution]) -> dict[str, Any]:
  if not clips:
    return dict(clips=0, frames=0, phases={}, contrasts={})
  streams = list(clips[0].streams)
  found = _intervals([_row(clip) for clip in clips], clips)
  of_phase = {
    phase: dict(
      clips=sum(bool((clip.phase == phase).any()) for clip in clips),
      frames=sum(int((clip.phase == phase).sum()) for clip in clips),
      share_of_frames=found[phase, 'share_of_frames', ''],
      places=found[phase, 'places', ''],
      streams={name: {kind: found[phase, kind, name] for kind in KINDS} for name in streams},
    )
    for phase in PHASES
  }
  return dict(
    clips=len(clips),
    frames=sum(len(clip.frame) for clip in clips),
    phases=of_phase,
    contrasts={
      f'{phase} less signing': {name: found[phase, 'contrast', name] for name in streams}
      for phase in _OTHERS
    },
  )


def differences(
  clips: Sequence[ClipAttribution], others: Sequence[ClipAttribution]
) -> dict[str, Any]:
  """`per_place` of one run less that of another on the clips explained of both, at least one.

  Returns:
    `clips`, `phases` (phase -> stream of both -> `mean`, `low`, `high`) and `contrasts`, by how
    much the differences to the signing frames differ.
  """
  theirs = {clip.id: clip for clip in others}
  both = [clip for clip in clips if clip.id in theirs]
  rows = []
  for clip in both:
    mine, other = _row(clip), _row(theirs[clip.id])
    rows.append({column: mine[column] - other[column] for column in mine if column in other})
  found = _intervals(rows, both)
  shared = [name for name in both[0].streams if name in theirs[both[0].id].streams]

  def of(phase: str, kind: str) -> dict[str, Any]:
    return {name: found[phase, kind, name] for name in shared}

  return dict(
    clips=len(both),
    phases={phase: of(phase, 'per_place') for phase in PHASES},
    contrasts={f'{phase} less signing': of(phase, 'contrast') for phase in _OTHERS},
  )


def _intervals(
  rows: Sequence[dict[Column, float]], clips: Sequence[ClipAttribution]
) -> dict[Column, dict[str, float | None]]:
  """Mean and interval of every column over the clips' rows."""
  columns = list(rows[0])
  table = np.array([[row[c] for c in columns] for row in rows], np.float64)
  return {
    column: {what: _number(x) for what, x in zip(('mean', 'low', 'high'), values, strict=True)}
    for column, values in zip(columns, resampled(table, clusters(clips)).T, strict=True)
  }


def _row(clip: ClipAttribution) -> dict[Column, float]:
  """A clip's own averages by phase, kind and stream; NaN of a phase it lacks."""
  row, shares = {}, relative(clip)
  for phase in PHASES:
    at = clip.phase == phase
    row[phase, 'share_of_frames', ''] = at.mean()
    row[phase, 'places', ''] = _mean(clip.share[at])
    for name, values in clip.streams.items():
      row[phase, 'signed', name] = _mean(values[at])
      row[phase, 'relative', name] = _mean(shares[name][at])
      total, places = np.abs(values).sum(), clip.share[at].sum() / clip.share.sum()
      known = total > 0 and places > 0
      part = np.abs(values[at]).sum() / total / places if known else float('nan')
      row[phase, 'per_place', name] = part
  for phase in _OTHERS:
    for name in clip.streams:
      signing = row['signing', 'per_place', name]
      row[phase, 'contrast', name] = row[phase, 'per_place', name] - signing
  return row


def _mean(values: np.ndarray) -> float:
  return float(values.mean()) if len(values) else float('nan')


def _number(value: float) -> float | None:
  return None if np.isnan(value) else float(value)


def aligned(clips: Sequence[ClipAttribution]) -> Curves:
  """Averages along time of the clips with a signing frame, aligned at the last one.

  A clip's frames within half a sampling step (the clips' median) of a moment are its value there;
  moments that fewer than a fifth of these clips reach are left out.
  """
  signing = [clip for clip in clips if (clip.phase == 'signing').any()]
  if not signing:
    return Curves(np.zeros(0), 0, {})
  gaps = np.concatenate([np.diff(clip.time_s) for clip in signing] or [np.zeros(0)])
  step = float(np.median(gaps)) if len(gaps) else 0.2
  after = [
    np.round((clip.time_s - clip.time_s[clip.phase == 'signing'][-1]) / step).astype(int)
    for clip in signing
  ]
  first, last = min(x.min() for x in after), max(x.max() for x in after)
  reached = sum(np.bincount(np.unique(x - first), minlength=last - first + 1) for x in after)
  moments = np.flatnonzero(reached >= max(REACHED * len(signing), min(2, len(signing))))
  series = {('places', ''): lambda clip: clip.share}
  for name in clips[0].streams:
    series['relative', name] = lambda clip, name=name: relative(clip)[name]
    series['signed', name] = lambda clip, name=name: clip.streams[name]
  values: dict[str, dict[str, np.ndarray]] = {}
  for (kind, name), of in series.items():
    table = np.full((len(signing), len(moments)), np.nan)
    for row, (clip, x) in enumerate(zip(signing, after, strict=True)):
      counts = np.bincount(x - first, minlength=last - first + 1)[moments]
      sums = np.bincount(x - first, weights=of(clip), minlength=last - first + 1)[moments]
      table[row] = _ratio(sums, counts)
    values.setdefault(kind, {})[name] = resampled(table, clusters(signing))
  return Curves((moments + first) * step, len(signing), values)

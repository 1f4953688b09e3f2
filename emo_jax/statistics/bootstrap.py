"""How scores vary with the utterances that happen to be in the corpus: stratified bootstrap."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from emo_jax.errors import UserError
from emo_jax.statistics import measures
from emo_jax.statistics.clips import Scored

DRAWS = 2000
_QUANTILES = (0.025, 0.975)
_WEIGHTS_AT_ONCE = 4_000_000  # 32 MB
_ROUNDS = 10  # of drawing again


def weights(clips: Scored, draws: int = DRAWS, seed: int = 0) -> Float[np.ndarray, 'draws n']:
  """How often each clip counts in each draw of the bootstrap, each class as often as it occurs.

  Of the u units of a stratum u - 1 are drawn with replacement and count u / (u - 1) times: drawing
  u would make the variance too small by (u - 1) / u, by half in strata of two (Rao and Wu 1988).
  Then the weights of each class are scaled to its count of clips (post-stratification). Draws that
  lack a class are drawn again; a class still lacking after ten rounds, or that only one unit has,
  keeps the clips it has. Intervals are too narrow for classes of one unit or a few, for few
  episodes, and where an utterance is hard for all its signers alike: their units are drawn apart.

  Raises:
    UserError: all clips are of one unit.
  """
  return np.concatenate(list(chunks(clips, draws, seed)))


def chunks(clips: Scored, draws: int, seed: int) -> Iterator[Float[np.ndarray, 'some n']]:
  """The rows of `weights`, as many at once as memory is meant to hold."""
  if len(clips.stratum) < 2:
    raise UserError(
      f'the labelled clips ({len(clips.ids)}) are all of one unit of the bootstrap '
      f'({clips.resampled}): how scores vary needs two or more'
    )
  rng = np.random.default_rng(seed)
  size = max(1, _WEIGHTS_AT_ONCE // len(clips.ids))
  for start in range(0, draws, size):
    yield _draw(rng, clips, min(size, draws - start))


def intervals(clips: Scored, draws: int = DRAWS, seed: int = 0) -> dict[str, tuple[float, float]]:
  """95 % percentile intervals of the statistics of measures.names, means over the repeats.

  That of `ece` lies high: chance makes gaps in every bin, in the draws once more than in the clips.

  Raises:
    UserError: as `weights`.
  """
  each = [measures.weighted(clips, some) for some in chunks(clips, draws, seed)]
  return {name: percentiles(np.concatenate([one[name] for one in each])) for name in each[0]}


def percentiles(values: Float[np.ndarray, ' draws']) -> tuple[float, float]:
  """Between which the middle 95 % lie."""
  low, high = np.quantile(values, _QUANTILES)
  return float(low), float(high)


def _draw(rng: np.random.Generator, clips: Scored, draws: int) -> Float[np.ndarray, 'draws n']:
  classes, of_clip, count = np.unique(clips.true, return_inverse=True, return_counts=True)
  held = np.zeros((len(clips.stratum), len(classes)))
  np.add.at(held, (clips.unit, of_clip), 1)
  may_lack = (held > 0).sum(0) == 1
  units = _draw_units(rng, clips.stratum, draws)
  for _ in range(_ROUNDS):
    again = ((units @ held == 0) & ~may_lack).any(1)
    if not again.any():
      break
    units[again] = _draw_units(rng, clips.stratum, int(again.sum()))
  mass = units @ held
  lacking = mass == 0
  scale = count / np.where(lacking, 1, mass)
  return np.where(lacking[:, of_clip], 1.0, units[:, clips.unit] * scale[:, of_clip])


def _draw_units(
  rng: np.random.Generator, stratum: Int[np.ndarray, ' units'], draws: int
) -> Float[np.ndarray, 'draws units']:
  found = np.empty((draws, len(stratum)))
  for one in np.unique(stratum):
    members = np.flatnonzero(stratum == one)
    u = len(members)
    taken = max(u - 1, 1)
    drawn = rng.integers(u, size=(draws, taken)) + np.arange(draws)[:, None] * u
    times = np.bincount(drawn.reshape(-1), minlength=draws * u).reshape(draws, u)
    found[:, members] = times * (u / taken)
  return found

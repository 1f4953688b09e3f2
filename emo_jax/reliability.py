"""How far two annotators agree, from the counts of what each said of the same items.

Written out here: the packages that compute these bring much else or are no longer kept. Counts hold
the first annotator's label in rows and the second's in columns, over every label that was on offer,
given or not; each function is None where its coefficient is undefined.
"""

import math

import numpy as np
from jaxtyping import Float, Int


def observed_agreement(counts: Int[np.ndarray, 'k k']) -> float:
  """P_o: the share of items with the same label from both. Raises ValueError without any item."""
  if not counts.sum():
    raise ValueError('no item to agree on')
  return float(np.trace(counts) / counts.sum())


def gwet_chance_agreement(counts: Int[np.ndarray, 'k k']) -> float:
  """P_e of Gwet's AC1 (Gwet 2008; the paper's Appendix B): sum_k pi_k (1 - pi_k) / (K - 1).

  pi_k is the mean of both annotators' shares of label k, and K the number of labels on offer.
  """
  pi = _mean_shares(counts)
  return float((pi * (1 - pi)).sum() / (len(pi) - 1))


def gwet_ac1(counts: Int[np.ndarray, 'k k']) -> float:
  """Gwet's AC1 (Gwet 2008): (P_o - P_e) / (1 - P_e)."""
  chance = gwet_chance_agreement(counts)
  return (observed_agreement(counts) - chance) / (1 - chance)


def gwet_ac1_standard_error(counts: Int[np.ndarray, 'k k']) -> float:
  """The standard error of AC1 over items, for many of them and these two annotators.

  The variance of Gwet (2008) for two raters, without correction for a finite population. It is the
  delta method's: the variance over items of how much each one moves AC1, divided by their number.
  """
  n, pi = counts.sum(), _mean_shares(counts)
  disagreement = 1 - gwet_ac1(counts)
  by_chance = 1 - (pi[:, None] + pi[None, :]) / 2
  influence = np.eye(len(pi)) - 2 * disagreement / (len(pi) - 1) * by_chance
  shares = counts / n
  spread = (shares * (influence - (shares * influence).sum()) ** 2).sum()
  return math.sqrt(spread / n) / (1 - gwet_chance_agreement(counts))


def cohen_kappa(counts: Int[np.ndarray, 'k k']) -> float | None:
  """Cohen's kappa (Cohen 1960); None where both gave one and the same label throughout."""
  n = counts.sum()
  chance = float((counts.sum(1) / n) @ (counts.sum(0) / n))
  return (observed_agreement(counts) - chance) / (1 - chance) if chance < 1 else None


def krippendorff_alpha(counts: Int[np.ndarray, 'k k']) -> float | None:
  """Krippendorff's alpha for nominal data and two coders; None where only one label was given."""
  given = counts.sum(0) + counts.sum(1)
  pairs = given.sum() * (given.sum() - 1)
  expected = 1 - float((given * (given - 1)).sum() / pairs)
  return 1 - (1 - observed_agreement(counts)) / expected if expected else None


def _mean_shares(counts: Int[np.ndarray, 'k k']) -> Float[np.ndarray, ' k']:
  return (counts.sum(0) + counts.sum(1)) / (2 * counts.sum())

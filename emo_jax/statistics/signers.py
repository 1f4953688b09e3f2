"""Scores signer by signer."""

from typing import Any

import numpy as np

from emo_jax import labels, metrics
from emo_jax.statistics.clips import Scored


def per_signer(clips: Scored) -> list[dict[str, Any]]:
  """Scores of each signer's clips, means over the repeats; whoever has most clips first, then by
  name.

  Returns:
    Per signer `signer`, `n`, `wacc`, `accuracy`, `macro_f1` by metrics.rates (macro F1 over all
    classes of the task, also those the signer never shows) and `occur`, clips per label.
  """
  known, found = labels.names(clips.task), []
  for signer in np.unique(clips.signer):
    own = clips.signer == signer
    true = clips.true[own]
    decided = metrics.decisions(clips.p[:, own])
    counts = np.stack([metrics.confusion(true, d, len(known), no_class=True) for d in decided])
    of = metrics.scores(counts, known)
    occur = dict(zip(known, np.bincount(true, minlength=len(known)).tolist(), strict=True))
    kept = {name: of[name] for name in ('n', 'wacc', 'accuracy', 'macro_f1')}
    found.append(dict(signer=str(signer), **kept, occur=occur))
  return sorted(found, key=lambda one: (-one['n'], one['signer']))

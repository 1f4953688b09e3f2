"""Do probabilities mean what they say?"""

from typing import Any

import numpy as np

from emo_jax.statistics import measures
from emo_jax.statistics.clips import Scored


def calibration(clips: Scored) -> dict[str, Any]:
  """Proper scores and the calibration of the decision's probability, means over the repeats.

  Returns:
    `nll`, mean negative log-likelihood in nats; `brier`, mean over the clips of the squared errors
    summed over the classes, from 0 to 2; `ece`, expected calibration error of the top label
    (Guo et al. 2017), the mean over repeats; `bins`, equally wide ones (low, high] of all repeats
    together with `n`, clips per repeat, mean `confidence` and `accuracy`, None in an empty bin.
  """
  whole = measures.weighted(clips, np.ones((1, len(clips.ids))))
  each = [measures.top_label(p, clips.true) for p in clips.p]
  confidence, right, bin_ = (np.concatenate(x) for x in zip(*each, strict=True))
  edges = np.linspace(0, 1, measures.BINS + 1)
  bins = []
  for i, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
    here = bin_ == i
    mean = {
      name: float(values[here].mean()) if here.any() else None
      for name, values in (('confidence', confidence), ('accuracy', right))
    }
    bins.append(dict(low=float(low), high=float(high), n=float(here.sum() / len(clips.p)), **mean))
  return {name: float(whole[name][0]) for name in measures.PROBABLE} | dict(bins=bins)

"""What a report says of the uncertainty of an evaluation's scores."""

from collections.abc import Sequence
from typing import Any

from emo_jax.errors import UserError
from emo_jax.predictions import Prediction
from emo_jax.statistics import bootstrap
from emo_jax.statistics.calibration import calibration
from emo_jax.statistics.clips import scored
from emo_jax.statistics.measures import PROBABLE
from emo_jax.statistics.signers import per_signer


def summary(
  predictions: Sequence[Prediction],
  task: str,
  corpus: str,
  draws: int = bootstrap.DRAWS,
  probable: bool = True,
) -> dict[str, Any]:
  """The statistics of an evaluation, ready for JSON.

  Args:
    predictions, task, corpus: as of `scored`.
    draws: of the bootstrap.
    probable: do the probabilities mean anything? Of answers without any there is no calibration.

  Returns:
    `draws`, `resampled` (what, in words), `units` (how many of them), `intervals` (name -> [low,
    high]), `per_signer` and `calibration`; or `unknown` alone, the reason: no clip is labelled,
    signers or utterances are unknown, or all clips are of one unit.
  """
  try:
    clips = scored(predictions, task, corpus)
    intervals = bootstrap.intervals(clips, draws)
  except UserError as reason:
    return dict(unknown=str(reason))
  shown = [name for name in intervals if probable or name not in PROBABLE]
  return dict(
    draws=draws,
    resampled=clips.resampled,
    units=len(clips.stratum),
    intervals={name: list(intervals[name]) for name in shown},
    per_signer=per_signer(clips),
  ) | (dict(calibration=calibration(clips)) if probable else {})

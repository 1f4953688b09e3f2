"""Which clips of the training split are learnt from, and what each weighs."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emo_jax import coverage, labels
from emo_jax.errors import UserError
from emo_jax.survey import Survey


def choose(
  config: Mapping[str, Any], survey: Survey, spec: str
) -> tuple[np.ndarray, dict[str, Any]]:
  """Indices of the training split's clips that are learnt from, and how many there are of which.

  Clips without a label or without any face teach nothing and are left out. Of the usable ones left,
  those below a limit of `config.min_coverage` are kept or dropped by `config.train.low_coverage`.

  Returns:
    The indices, ascending, and counts: all `clips`, `usable`, `n_low_coverage` among these,
    `low_coverage` per limit, `learnt_from`; beside `min_coverage` and the `choice` of the config.

  Raises:
    UserError: no clip is left.
  """
  limits, choice = config['min_coverage'], config['train']['low_coverage']
  clips = len(survey.label)
  usable = (survey.label != labels.UNKNOWN) & survey.has_face
  if not usable.any():
    raise UserError(f'{spec}: none of its {clips} clips has a face and a label of {config["task"]}')
  low = coverage.low(survey.coverage, limits)
  marked = usable & np.any([np.zeros(clips, bool), *low.values()], axis=0)
  keep = usable & ~marked if choice == 'drop' else usable
  counts = dict(
    clips=clips,
    usable=int(usable.sum()),
    n_low_coverage=int(marked.sum()),
    low_coverage={what: int((usable & is_low).sum()) for what, is_low in low.items()},
    learnt_from=int(keep.sum()),
    min_coverage=dict(limits),
    choice=choice,
  )
  said = coverage.low_text(limits, counts['low_coverage'])
  if not keep.any():
    raise UserError(
      f'{spec}: config.train.low_coverage=drop leaves none of its {counts["usable"]} clips with a '
      f'face and a label ({said}): lower config.min_coverage or keep them'
    )
  return np.flatnonzero(keep), counts


def class_weights(label: np.ndarray, num_labels: int, rule: str) -> np.ndarray:
  """[k] float32: `balanced` is n / (k * count), so that every class weighs the same in sum."""
  if rule == 'none':
    return np.ones(num_labels, np.float32)
  count = np.bincount(label, minlength=num_labels)
  return np.where(count > 0, len(label) / (num_labels * np.maximum(count, 1)), 0).astype(np.float32)

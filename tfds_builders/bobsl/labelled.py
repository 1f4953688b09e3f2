"""Clips of BOBSL with the labels of label files, joined by the clip's id."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from emo_jax import label_files, labels
from emo_jax.errors import UserError
from tfds_builders.bobsl.clips import Clip

WEAK = 'a_tea'
ANNOTATED = ('m_a1', 'm_a2', 'm_c')
LABELLED = (WEAK, *ANNOTATED)
# Field of a labelled example with the probability per emotion; NaN where a file has none.
PROBABILITIES = 'label_probabilities'
_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class Example:
  """What becomes one example.

  Attributes:
    clip: of the episode.
    emotion: index of its label, `labels.UNKNOWN` without one.
    probabilities: per emotion, of a model; empty where a person labelled, or nobody.
  """

  clip: Clip
  emotion: int = labels.UNKNOWN
  probabilities: tuple[float, ...] = ()


def read(config: str, paths: Sequence[Path]) -> label_files.LabelFile:
  """The labels of a config: of its one file, or those on which its two files agree.

  Raises:
    UserError: as `label_files.read`; a file has no label, or probabilities of no named model; or
      two files agree on no clip.
  """
  found = [label_files.read(path) for path in paths]
  for path, file in zip(paths, found, strict=True):
    if not file.labels:
      raise UserError(f'{path} has no label')
    if not file.model and any(label.probabilities for label in file.labels.values()):
      raise UserError(
        f'{path} has probabilities and names no model: add the columns model, revision'
      )
  if len(found) == 1:
    return found[0]
  one, other = (file.labels for file in found)
  both = one.keys() & other.keys()
  agreed = {id: x for id, x in one.items() if id in both and x.label == other[id].label}  # noqa: A001
  print(f'{config}: {len(agreed)} of {len(both)} clips with the same label twice', file=sys.stderr)
  if not agreed:
    raise UserError(f'{paths[0]} and {paths[1]} agree on no clip: are they of the same clips?')
  both_by = ' and '.join(sorted({file.model for file in found} - {''}))
  revisions = ' and '.join(sorted({file.revision for file in found} - {''}))
  return label_files.LabelFile(agreed, both_by, revisions)


def unlabelled(clips: Mapping[str, Sequence[Clip]]) -> dict[str, list[Example]]:
  """Every clip, its emotion unknown."""
  return {split: [Example(clip) for clip in found] for split, found in clips.items()}


def join(
  clips: Mapping[str, Sequence[Clip]], found: label_files.LabelFile
) -> dict[str, list[Example]]:
  """The clips that have a label, per split; how many of either side are left is said on stderr.

  Raises:
    UserError: no label is of any clip, or there is none.
  """
  selected = {clip.id for of_split in clips.values() for clip in of_split}
  if not selected:
    raise UserError('no clip is left of those selected: shift by less')
  foreign = [id for id in found.labels if id not in selected]  # noqa: A001
  if len(foreign) == len(found.labels):
    raise UserError(
      f'none of the {len(foreign)} labels is of a selected clip (the labels: '
      f'{", ".join(foreign[:_SHOWN])}; the clips: {", ".join(sorted(selected)[:_SHOWN])}): select '
      'them by the same alignment, shift and lengths'
    )
  if foreign:
    print(f'{len(foreign)} labels are of clips that are not selected', file=sys.stderr)
  joined = {
    split: [_example(clip, found.labels[clip.id]) for clip in of_split if clip.id in found.labels]
    for split, of_split in clips.items()
  }
  without = len(selected) - sum(map(len, joined.values()))
  if without:
    print(f'{without} clips have no label and are left out', file=sys.stderr)
  return joined


def _example(clip: Clip, label: label_files.Label) -> Example:
  return Example(clip, labels.index('emotion', label.label), label.probabilities)

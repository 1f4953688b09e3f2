"""What a data set holds, counted: per split, label and signer, beside what the paper says."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from emo_jax import coverage, labels, provenance
from emo_jax.video import sampling
from tfds_builders import clip_features, crossing, stored

UNKNOWN = 'unknown'
# Of more, which are episodes rather than people, only how many clips they have is shown.
MOST_SIGNERS = 40

# "Emotion Recognition in Signers": where it says so, and clips per emotion.
PAPER = {
  name: (where, dict(zip(labels.EMOTIONS, counts, strict=True)))
  for name, where, counts in (
    ('ejsl', 'section 3.1', (156,) * 7),
    ('emosign/single', 'Table 8', (54, 29, 3, 10, 21, 12, 11)),
    ('bobsl/m_a1', 'Table 9', (59, 37, 35, 19, 21, 34, 1233)),
    ('bobsl/m_a2', 'Table 9', (251, 110, 92, 55, 33, 47, 850)),
    ('bobsl/m_c', 'Table 9', (48, 25, 26, 10, 5, 8, 808)),
  )
}
_FIELDS = (
  'signer',
  'utterance',
  'labels',
  'face_present',
  'hand_score',
  'time_s',
)
_NO_FRAME = dict(
  face_present=np.zeros(0, bool), hand_score=np.zeros((0, 2), np.float32), time_s=np.zeros(0)
)


@dataclasses.dataclass(frozen=True)
class Clips:
  """What is known of each of N clips without its features.

  Attributes:
    split, signer, utterance: [N] names.
    labels: task -> [N] index of the label, -1 where unknown; tasks without any label are left out.
    frames: [N] sampled frames.
    seconds: [N] from the first sampled frame to the end of the last.
    coverage: share -> [N] of frames (emo_jax.coverage.shares).
  """

  split: np.ndarray
  signer: np.ndarray
  utterance: np.ndarray
  labels: Mapping[str, np.ndarray]
  frames: np.ndarray
  seconds: np.ndarray
  coverage: Mapping[str, np.ndarray]


def read(builder: tfds.core.DatasetBuilder) -> Clips:
  """Reads every example once, without its features; where there are labels alone, clips have no
  frame. Raises UserError if a file is damaged."""
  rows = []
  fields = [name for name in _FIELDS if name in builder.info.features]
  for split in builder.info.splits:
    for example in stored.parts(stored.examples(builder, split), fields):
      example = _NO_FRAME | example
      rows.append(
        (
          split,
          example['signer'].decode(),
          example['utterance'].decode(),
          {task: int(index) for task, index in example['labels'].items()},
          len(example['time_s']),
          _seconds(example['time_s']),
          coverage.shares(example['face_present'], example['hand_score']),
        )
      )
  split, signer, utterance, indices, frames, seconds, shares = (
    zip(*rows, strict=True) if rows else ((),) * 7
  )
  of_tasks = {
    task: np.array([index.get(task, labels.UNKNOWN) for index in indices]) for task in labels.TASKS
  }
  return Clips(
    np.array(split, object),
    np.array(signer, object),
    np.array(utterance, object),
    {task: of for task, of in of_tasks.items() if (of != labels.UNKNOWN).any()},
    np.array(frames, np.int64),
    np.array(seconds, np.float64),
    {what: np.array([of[what] for of in shares]) for what in coverage.SHARES},
  )


def _seconds(time_s: np.ndarray) -> float:
  if not len(time_s):
    return 0.0
  step = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 1 / sampling.RATE_HZ
  return float(time_s[-1] - time_s[0]) + step


def summary(builder: tfds.core.DatasetBuilder, clips: Clips) -> dict[str, Any]:
  """All counts of a data set, as JSON can hold them; shares of frames are over all its frames."""
  name = '/'.join(builder.info.full_name.split('/')[:-1])
  key = dict(builder.info.metadata.get(clip_features.KEY, {}))
  table, counts = PAPER.get(name, ('', {}))
  crossed = crossing.find(_cells(clips))
  signers, who = np.unique(clips.signer, return_inverse=True)
  order = sorted(range(len(signers)), key=lambda number: _natural(signers[number]))
  return dict(
    name=builder.info.full_name,
    folder=str(builder.data_dir),
    synthetic=bool(key) and provenance.is_synthetic(key),
    compatibility_key=key,
    limits={what: limit for what, limit in coverage.DEFAULT_LIMITS.items() if limit},
    splits={split: _part(clips, clips.split == split) for split in builder.info.splits},
    all=_part(clips, np.ones(len(clips.split), bool)),
    utterances=len(set(clips.utterance)),
    signers={signers[number]: _part(clips, who == number) for number in order},
    paper=dict(where=table, labels=dict(emotion=counts)) if counts else None,
    crossed=crossed
    and dict(
      text=crossed.text,
      clips=crossed.size,
      missing=crossed.missing_count,
      repeated=len(crossed.repeated),
    ),
  )


def headline(found: Mapping[str, Any]) -> str:
  """A summary's clips, minutes, utterances and signers."""
  counts = dict(
    clip=found['all']['clips'], utterance=found['utterances'], signer=len(found['signers'])
  )
  clips, *others = (crossing.counted(n, what) for what, n in counts.items())
  return ', '.join([clips, f'{found["all"]["seconds"] / 60:,.1f} min', *others])


def _natural(name: str) -> list[tuple[int, str]]:
  """Sorts s2 before s10."""
  return [(int(part) if part.isdecimal() else 0, part) for part in re.split(r'(\d+)', name)]


def _cells(clips: Clips) -> list[crossing.Cell]:
  emotion = clips.labels.get('emotion', np.full(len(clips.split), labels.UNKNOWN))
  return crossing.cells_of(clips.utterance, clips.signer, emotion.tolist())


def _part(clips: Clips, of: np.ndarray) -> dict[str, Any]:
  """Counts of the clips where `of` holds."""
  frames = clips.frames[of]
  shares = {what: share[of] for what, share in clips.coverage.items()}
  total = max(int(frames.sum()), 1)
  low = coverage.low(shares, coverage.DEFAULT_LIMITS)
  return dict(
    clips=int(of.sum()),
    seconds=round(float(clips.seconds[of].sum()), 3),
    frames=int(frames.sum()),
    coverage={what: float((share * frames).sum()) / total for what, share in shares.items()},
    below_limits={what: int(low[what].sum()) for what, v in coverage.DEFAULT_LIMITS.items() if v},
    labels={task: _counts(task, index[of]) for task, index in clips.labels.items()},
  )


def _counts(task: str, index: np.ndarray) -> dict[str, int]:
  found = Counter(index.tolist())
  named = {name: found[i] for i, name in enumerate(labels.names(task))}
  return named | {UNKNOWN: found[labels.UNKNOWN]}

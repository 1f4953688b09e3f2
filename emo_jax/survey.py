"""What one pass over a split tells without its features."""

import dataclasses

import numpy as np

from emo_jax import coverage, labels, preprocess, processes
from emo_jax.corpora import Split, own_share
from emo_jax.errors import UserError
from emo_jax.recipe import Recipe
from tfds_builders import stored

_FIELDS = ('id', 'labels', 'face_present', 'hand_score', 'time_s')


@dataclasses.dataclass(frozen=True)
class Survey:
  """The clips of a split, in stored order.

  Attributes:
    clip_hash: [N] uint32 by their ids, what their random draws are keyed by.
    label: [N] label index, -1 where unknown.
    length: [N] sampled frames.
    time_s, face_present: of all sampled frames, clip after clip.
    coverage: share -> [N] float (emo_jax.coverage.shares).
  """

  clip_hash: np.ndarray
  label: np.ndarray
  length: np.ndarray
  time_s: np.ndarray
  face_present: np.ndarray
  coverage: dict[str, np.ndarray]

  @property
  def has_face(self) -> np.ndarray:
    """[N] bool, clips with at least one face: the others teach nothing."""
    return self.coverage['face'] > 0

  @property
  def frames(self) -> int:
    """Length to which clips are padded, the longest one's rounded up so that splits of like length
    share compiled programs."""
    return max(16, rounded_up(int(self.length.max()), 8))

  def chosen(self, keep: np.ndarray) -> 'Survey':
    """Of the clips at these indices alone."""
    ends = np.cumsum(self.length)
    of_frames = np.concatenate(
      [np.zeros(0, np.int64), *(np.arange(ends[i] - self.length[i], ends[i]) for i in keep)]
    )
    return Survey(
      self.clip_hash[keep],
      self.label[keep],
      self.length[keep],
      self.time_s[of_frames],
      self.face_present[of_frames],
      {what: share[keep] for what, share in self.coverage.items()},
    )


def rounded_up(count: int, least: int) -> int:
  """To a multiple of `least`, or of a power of two of which at most an eighth is added: like counts
  share compiled programs."""
  step = max(least, (1 << count.bit_length()) >> 4)
  return -(-count // step) * step


class Spans:
  """Which frames a model sees of each clip of a survey by a recipe.

  Attributes:
    recipe: of the split.
  """

  def __init__(self, survey: Survey, recipe: Recipe):
    self._survey, self.recipe = survey, recipe
    self._first = np.concatenate([[0], np.cumsum(survey.length)])
    self._redrawn = recipe.segment == 'random_2s'
    clips = range(len(survey.label))
    self._fixed = np.array([] if self._redrawn else [len(self.seen(i, 0)) for i in clips], np.int64)

  def whole(self) -> 'Spans':
    """Of everything that any epoch may show: itself, or whole clips where segments are redrawn."""
    if not self._redrawn:
      return self
    return Spans(self._survey, dataclasses.replace(self.recipe, segment='full'))

  def first(self) -> np.ndarray:
    """[N + 1] where the frames of each clip begin if they lie clip after clip."""
    return np.concatenate([[0], np.cumsum(self._fixed)])

  def seen(self, i: int, epoch: int) -> np.ndarray:
    """The frames of clip i, as `Recipe.seen`."""
    return self.recipe.seen(int(self._survey.clip_hash[i]), *self._of(i), epoch)

  def length(self, i: int, epoch: int) -> int:
    """How many they are."""
    return len(self.seen(i, epoch)) if self._redrawn else int(self._fixed[i])

  def offset(self, i: int, epoch: int) -> int:
    """Where they begin among those of the `whole` clip."""
    seen = self.seen(i, epoch) if self._redrawn else ()
    return int(np.searchsorted(self._kept(i), seen[0])) if len(seen) else 0

  def most(self) -> np.ndarray:
    """[N] the most frames of each clip in any epoch."""
    return np.array([self._most(i) for i in range(len(self._survey.label))])

  def _most(self, i: int) -> int:
    if not self._redrawn:
      return int(self._fixed[i])
    return min(len(self._kept(i)), preprocess.most_frames(self._of(i)[0]))

  def _kept(self, i: int) -> np.ndarray:
    return preprocess.kept_frames(self._of(i)[1], self.recipe.no_face)

  def _of(self, i: int) -> tuple[np.ndarray, np.ndarray]:
    at = slice(self._first[i], self._first[i + 1])
    return self._survey.time_s[at], self._survey.face_present[at]


def survey(split: Split, task: str) -> Survey:
  """Reads every example of the split once; of several processes each reads its share."""
  if not len(split.source):
    raise UserError(f'{split.spec} has no clip')
  rows = []
  for e in stored.parts(own_share(split).source, _FIELDS):
    processes.beat()
    rows.append(
      (
        preprocess.clip_hash(e['id'].decode()),
        e['labels'].get(task, labels.UNKNOWN),
        e['time_s'],
        e['face_present'],
        coverage.shares(e['face_present'], e['hand_score']),
      )
    )
  clip_hash, label, time_s, present, shares = zip(*rows, strict=True) if rows else [()] * 5
  return Survey(
    processes.joined(np.array(clip_hash, np.uint32)),
    processes.joined(np.array(label, np.int64)),
    processes.joined(np.array([len(x) for x in time_s], np.int64)),
    processes.joined(np.concatenate([np.zeros(0, np.float32), *time_s])),
    processes.joined(np.concatenate([np.zeros(0, bool), *present])),
    {
      what: processes.joined(np.array([s[what] for s in shares], np.float64))
      for what in coverage.SHARES
    },
  )

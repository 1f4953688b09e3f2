"""Corpora in which every signer signs every utterance in every emotion, as in eJSL: what is missing
or there twice."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from emo_jax import labels
from emo_jax.errors import UserError

# "Emotion Recognition in Signers", section 3.1: 78 x 2 x 7 = 1,092.
EJSL_UTTERANCES, EJSL_SIGNERS = 78, 2
_MOST_NAMED = 12

Cell = tuple[str, str, str]


@dataclasses.dataclass(frozen=True)
class Crossing:
  """Utterances crossed with signers and emotions.

  Attributes:
    utterances, signers, emotions: those that occur.
    missing: emotions by utterance and signer, where any is missing.
    repeated: number of clips by utterance, signer and emotion, where there are several.
  """

  utterances: tuple[str, ...]
  signers: tuple[str, ...]
  emotions: tuple[str, ...]
  missing: Mapping[tuple[str, str], tuple[str, ...]]
  repeated: Mapping[Cell, int]

  @property
  def size(self) -> int:
    """How many clips it is when each is there once."""
    return len(self.utterances) * len(self.signers) * len(self.emotions)

  @property
  def missing_count(self) -> int:
    """How many clips are missing."""
    return sum(map(len, self.missing.values()))

  @property
  def text(self) -> str:
    """One line: the sizes, and by name what is missing or there more than once."""
    said = [
      f'{counted(len(self.utterances), "utterance")} x {counted(len(self.signers), "signer")} x '
      f'{counted(len(self.emotions), "emotion")} = {counted(self.size, "clip")}'
    ]
    if self.missing:
      lacking = [
        f'{utterance} by {signer} ({self._emotions(emotions)})'
        for (utterance, signer), emotions in self.missing.items()
      ]
      said.append(f'{self.missing_count:,} missing: {_few(lacking)}')
    if self.repeated:
      twice = [f'{u} by {s} ({e}) {n} times' for (u, s, e), n in self.repeated.items()]
      said.append(f'{len(twice):,} more than once: {_few(twice)}')
    return '; '.join(said) if len(said) > 1 else f'{said[0]}, each once'

  def _emotions(self, emotions: tuple[str, ...]) -> str:
    return 'all emotions' if emotions == self.emotions else ', '.join(emotions)


def counted(count: int, what: str) -> str:
  """`1 clip` or `1,092 clips`."""
  return f'{count:,} {what}{"" if count == 1 else "s"}'


def cells_of(
  utterances: Iterable[str], signers: Iterable[str], emotions: Iterable[int]
) -> list[Cell]:
  """The cell of every clip, from its utterance, signer and index of the emotion, -1 if unknown."""
  names = (*labels.EMOTIONS, '')  # -1 is the last
  return [(u, s, names[e]) for u, s, e in zip(utterances, signers, emotions, strict=True)]


def cross(cells: Iterable[Cell]) -> Crossing:
  """The crossing of (utterance, signer, emotion) of every clip; the emotion is empty if unknown."""
  counts = Counter(cells)
  utterances = tuple(sorted({u for u, _, _ in counts}))
  signers = tuple(sorted({s for _, s, _ in counts}))
  found = {e for _, _, e in counts}
  emotions = tuple(e for e in labels.EMOTIONS if e in found)
  missing = defaultdict(list)
  for utterance in utterances:
    for signer in signers:
      for emotion in emotions:
        if (utterance, signer, emotion) not in counts:
          missing[utterance, signer].append(emotion)
  repeated = {cell: n for cell, n in sorted(counts.items()) if n > 1 and cell[2]}
  lacking = {where: tuple(emotions) for where, emotions in missing.items()}
  return Crossing(utterances, signers, emotions, lacking, repeated)


def find(cells: Iterable[Cell]) -> Crossing | None:
  """The crossing; None if an emotion is unknown or no more than half of the combinations occur."""
  cells = list(cells)
  if not cells or not all(emotion for _, _, emotion in cells):
    return None
  utterances, signers, emotions = (set(column) for column in zip(*cells, strict=True))
  combinations = len(utterances) * len(signers) * len(emotions)
  crossed = len(emotions) > 1 and 2 * len(set(cells)) > combinations
  return cross(cells) if crossed else None


def require_ejsl(cells: Iterable[Cell], where: str) -> None:
  """Raises UserError, with what is missing, unless the clips are those of eJSL, each once."""
  cells = list(cells)
  unknown = sum(not emotion for _, _, emotion in cells)
  found = cross(cells)
  sizes = len(found.utterances), len(found.signers), len(found.emotions)
  wanted = EJSL_UTTERANCES, EJSL_SIGNERS, len(labels.EMOTIONS)
  if sizes != wanted or found.missing or found.repeated or unknown:
    no_emotion = f'; {counted(unknown, "clip")} without an emotion' if unknown else ''
    raise UserError(
      f'{where} is not all of eJSL, which is {" x ".join(map(str, wanted))} = 1,092: '
      f'{found.text}{no_emotion}: add or remove clips, or leave --require_complete out'
    )


def _few(names: list[str]) -> str:
  more = len(names) - _MOST_NAMED
  return '; '.join(names[:_MOST_NAMED]) + (f'; and {more:,} more' if more > 0 else '')

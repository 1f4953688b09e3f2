"""The face stream: signer identity, affect and grammatical markers through a random backbone.

A frame is a vector of action units (FACS), to which affect and markers both contribute, beside
dimensions of appearance that no expression moves.
"""

import dataclasses
import functools

import numpy as np

from emo_jax import labels
from emo_jax.video.clip import FACE_DIM
from tfds_builders.signsim import constants as c
from tfds_builders.signsim.streams import stream

MARKERS = tuple(c.MARKER_UNITS)
UNITS = tuple(
  sorted({u for table in (c.AFFECT_UNITS, c.MARKER_UNITS) for us in table.values() for u in us})
)


@dataclasses.dataclass(frozen=True)
class Grammar:
  """The K grammatical markers of a sentence; spans are shares of its signing, in [0, 1].

  Attributes:
    kind: [K] index into MARKERS.
    start: [K] where each sets in.
    end: [K] where each ends.
    strength: [K] beside affect of strength 1.
  """

  kind: np.ndarray
  start: np.ndarray
  end: np.ndarray
  strength: np.ndarray


def directions(units_of: dict[str, tuple[str, ...]]) -> np.ndarray:
  """[names, units] of length 1 (0 without units), so that none is louder than another."""
  rows = np.array([[float(u in units) for u in UNITS] for units in units_of.values()])
  return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1)


_AFFECTS = directions({e: c.AFFECT_UNITS[e] for e in labels.EMOTIONS})
_MARKERS = directions(c.MARKER_UNITS)


def grammar(rng: np.random.Generator) -> Grammar:
  """Markers of a sentence; drawn without knowing any emotion."""
  low, high = c.MARKERS_PER_CLIP
  kind = rng.choice(len(MARKERS), size=rng.integers(low, high + 1), replace=False)
  span = rng.uniform(*c.MARKER_SPAN, size=len(kind))
  start = rng.uniform(size=len(kind)) * (1 - span)
  return Grammar(kind, start, start + span, rng.uniform(*c.MARKER_STRENGTH, size=len(kind)))


def markers_on(phases: tuple[int, int, int], sentence: Grammar | None) -> np.ndarray:
  """[T, markers] strength of each marker in each frame: 0 outside signing or without a grammar."""
  on = np.zeros((sum(phases), len(MARKERS)))
  if sentence is not None:
    rest, signing, _ = phases
    middle = (np.arange(signing)[:, None] + 0.5) / signing
    spans = (middle >= sentence.start) & (middle < sentence.end)
    on[rest : rest + signing, sentence.kind] = spans * sentence.strength
  return on


def features(
  seed: int,
  name: str,
  signer: str,
  affect: int,
  phases: tuple[int, int, int],
  sentence: Grammar | None,
) -> np.ndarray:
  """[T, 512] float32 face features of one clip, as a backbone's ReLU layer gives them.

  Affect has the same strength in all phases; markers attenuate it and add their own units.

  Args:
    seed: the corpus' seed.
    name: the clip's id, which names its random stream.
    signer: whose face it is.
    affect: index into EMOTIONS.
    phases: frames of rest, signing and hold.
    sentence: its grammatical markers, None for a speaker or without markers.
  """
  rng = stream(seed, 'face', name)
  frames = sum(phases)
  identity, resting, ways = _signer(seed, signer)
  strength = rng.uniform(*c.AFFECT_STRENGTH) * (1 + c.AFFECT_FLUCTUATION * _slow(rng, frames))
  on = markers_on(phases, sentence)
  seen = np.where(on.any(axis=1), c.AFFECT_UNDER_MARKER, 1.0)
  units = (
    resting
    + c.CLIP_FACE * rng.standard_normal(len(UNITS))
    + (strength * seen)[:, None] * ways[affect]
    + on @ _MARKERS
    + c.FRAME_FACE * rng.standard_normal((frames, len(UNITS)))
  )
  look = identity + c.CLIP_IDENTITY * rng.standard_normal(c.IDENTITY_DIM)
  from_units, from_look, bias = _backbone(seed)
  noise = c.BACKBONE_NOISE * rng.standard_normal((frames, FACE_DIM))
  return np.maximum(units @ from_units + look @ from_look + bias + noise, 0).astype(np.float32)


def boxes(seed: int, name: str, signer: str, frames: int) -> tuple[np.ndarray, np.ndarray]:
  """[T, 4] face boxes in pixels and [T] detector's scores, both independent of everything shown."""
  rng = stream(seed, 'box', name)
  of_signer = c.FACE_DEVIATION * stream(seed, 'box', signer).standard_normal(3)
  centre = np.array(c.FACE_CENTRE) + of_signer[:2]
  centre = centre + c.FACE_JITTER * rng.standard_normal((frames, 2))
  half = (c.FACE_SIDE + of_signer[2]) / 2
  box = np.concatenate([centre - half, centre + half], axis=1)
  return box.astype(np.float32), rng.uniform(*c.FACE_SCORE, size=frames).astype(np.float32)


def landmarks(box: np.ndarray) -> np.ndarray:
  """[T, 5, 2] eyes, nose and corners of the mouth at the same places of every box [T, 4]."""
  places = np.array(c.FACE_LANDMARKS).reshape(1, 5, 2)
  return (box[:, None, :2] + places * (box[:, None, 2:] - box[:, None, :2])).astype(np.float32)


@functools.lru_cache(maxsize=256)
def _signer(seed: int, signer: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  # Looks [16], the face at rest [units] and how each affect shows [7, units]: neutral not at all.
  rng = stream(seed, 'signer', signer)
  looks = rng.standard_normal(c.IDENTITY_DIM)
  resting = c.SIGNER_FACE * rng.standard_normal(len(UNITS))
  own_way = c.SIGNER_AFFECT * rng.standard_normal(_AFFECTS.shape)
  return looks, resting, _AFFECTS + own_way * _AFFECTS.any(axis=1, keepdims=True)


@functools.lru_cache(maxsize=4)
def _backbone(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  rng = stream(seed, 'backbone')
  from_units = rng.standard_normal((len(UNITS), FACE_DIM))
  from_look = rng.standard_normal((c.IDENTITY_DIM, FACE_DIM)) / np.sqrt(c.IDENTITY_DIM)
  return from_units, from_look, c.BACKBONE_BIAS * rng.standard_normal(FACE_DIM)


def _slow(rng: np.random.Generator, frames: int) -> np.ndarray:
  # First-order autoregression of deviation 1 from its first frame on, as one matrix product.
  lag = np.subtract.outer(np.arange(frames), np.arange(frames))
  weights = np.where(lag >= 0, c.AFFECT_CORRELATION ** np.maximum(lag, 0), 0.0)
  weights[:, 1:] *= np.sqrt(1 - c.AFFECT_CORRELATION**2)
  return weights @ rng.standard_normal(frames)

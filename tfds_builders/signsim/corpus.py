"""What the corpus holds: a plan per clip, then the clip itself, both from the seed alone."""

import dataclasses
from collections.abc import Callable

import numpy as np

from emo_jax import labels
from emo_jax.video.clip import Clip
from tfds_builders.signsim import constants as c
from tfds_builders.signsim import face, hand, text
from tfds_builders.signsim.streams import stream

VARIANTS = ('no_markers', 'hands_shuffled', 'labels_shuffled')
_EMOTIONS = len(labels.EMOTIONS)


@dataclasses.dataclass(frozen=True)
class Plan:
  """One clip before it is drawn.

  Attributes:
    id: the clip.
    signer: who signs (or speaks).
    utterance: the sentence; the same for all clips of one sentence.
    text: its subtitle, empty for non-signers.
    text_emotion: index of the emotion the text bears, UNKNOWN without a text.
    affect: index of the emotion the signer shows.
    label: index of the emotion the corpus tells.
    phases: frames of rest, signing and hold.
    grammar: the sentence's markers, None for non-signers.
  """

  id: str
  signer: str
  utterance: str
  text: str
  text_emotion: int
  affect: int
  label: int
  phases: tuple[int, int, int]
  grammar: face.Grammar | None


def plans(seed: int, split: str, variant: str = '') -> list[Plan]:
  """The plans of a split's clips.

  In the variant `labels_shuffled` the labels of the weakly labelled splits are permuted among their
  clips; everything else, and every other variant, is the same.
  """
  made = SPLITS[split](seed, split)
  if variant == 'labels_shuffled' and split in WEAK_SPLITS:
    order = stream(seed, 'labels_shuffled', split).permutation(len(made))
    made = [dataclasses.replace(p, label=made[j].label) for p, j in zip(made, order, strict=True)]
  return made


def clips(seed: int, split: str, variant: str = '') -> list[tuple[Plan, Callable[[], Clip]]]:
  """Every plan of a split with a function that draws its clip, in the order of the ids."""
  made = plans(seed, split, variant)
  givers = made
  if variant == 'hands_shuffled':
    # Along one cycle through all clips, so that none keeps its own hands.
    order = stream(seed, 'hands_shuffled', split).permutation(len(made))
    of = dict(zip(order, np.roll(order, 1), strict=True))
    givers = [made[of[i]] for i in range(len(made))]
  return [
    (plan, lambda plan=plan, giver=giver: draw(seed, plan, giver, variant))
    for plan, giver in zip(made, givers, strict=True)
  ]


def draw(seed: int, plan: Plan, giver: Plan, variant: str = '') -> Clip:
  """The clip of a plan, with the hand stream of `giver`, which is `plan` unless hands are shuffled.

  Another clip's hands are read in a circle from a random frame on, for as long as this clip lasts:
  in every frame of this clip they are as likely to be resting, moving or held as in any other.
  """
  frames = sum(plan.phases)
  grammar = None if variant == 'no_markers' else plan.grammar
  face_box, face_score = face.boxes(seed, plan.id, plan.signer, frames)
  if plan.grammar is None:
    points, score = hand.absent(frames)  # public face corpora show no hands
  else:
    points, score = hand.keypoints(seed, giver.id, giver.phases)
  if giver is not plan:
    start = stream(seed, 'hands_from', plan.id).integers(len(points))
    circle = (start + np.arange(frames)) % len(points)
    points, score = points[circle], score[circle]
  steps = np.arange(frames)
  return Clip(
    face=face.features(seed, plan.id, plan.signer, plan.affect, plan.phases, grammar),
    face_present=np.ones(frames, bool),
    face_score=face_score,
    face_box=face_box,
    face_points=face.landmarks(face_box),
    hand_points=points,
    hand_score=score,
    time_s=(steps * c.FRAME_STEP / c.FPS).astype(np.float32),
    frame_index=(steps * c.FRAME_STEP).astype(np.int32),
    frame_size=np.array(c.FRAME_SIZE, np.int32),
    fps=np.float32(c.FPS),
  )


def _plan(seed: int, split: str, i: int, sentence: str = '', **told) -> Plan:
  # Phases and markers come from streams of their own: neither knows any emotion.
  name = f'{split}_{i:05d}'
  rng = stream(seed, 'phases', name)
  phases = tuple(int(rng.integers(low, high + 1)) for low, high in c.PHASES)
  utterance = sentence or name
  return Plan(
    id=name,
    utterance=utterance,
    phases=phases,
    **{'grammar': face.grammar(stream(seed, 'grammar', utterance))} | told,
  )


def _nonsigners(seed: int, split: str) -> list[Plan]:
  return [
    _plan(
      seed,
      split,
      i,
      signer=f'{split}_{i // _EMOTIONS % c.NONSIGNERS:02d}',
      text='',
      text_emotion=labels.UNKNOWN,
      affect=i % _EMOTIONS,
      label=i % _EMOTIONS,
      grammar=None,
    )
    for i in range(c.NONSIGNER_CLIPS)
  ]


def _weak(clips_of: int, signers: int) -> Callable[[int, str], list[Plan]]:
  def make(seed: int, split: str) -> list[Plan]:
    rng = stream(seed, 'plan', split)
    emotion = rng.choice(_EMOTIONS, size=clips_of, p=c.TEXT_PRIOR)
    label = text.draw(rng, emotion, text.label_given_text())
    return _from_text(seed, split, rng, emotion, label, signers)

  return make


def _bobsl_like(seed: int, split: str) -> list[Plan]:
  rng = stream(seed, 'plan', split)
  emotion = rng.permutation(np.repeat(np.arange(_EMOTIONS), c.BOBSL_COUNTS))
  return _from_text(seed, split, rng, emotion, emotion, c.BOBSL_SIGNERS)


def _from_text(
  seed: int,
  split: str,
  rng: np.random.Generator,
  emotion: np.ndarray,
  label: np.ndarray,
  signers: int,
) -> list[Plan]:
  affect = text.draw(rng, emotion, text.affect_given_text())
  signer = rng.integers(signers, size=len(emotion))
  return _worded(seed, split, rng, signer, emotion, affect, label)


def _worded(
  seed: int,
  split: str,
  rng: np.random.Generator,
  signer: np.ndarray,
  emotion: np.ndarray,
  affect: np.ndarray,
  label: np.ndarray,
) -> list[Plan]:
  """Plans of clips with a subtitle each, drawn from templates that bear its `emotion`."""
  return [
    _plan(
      seed,
      split,
      i,
      signer=f'{split}_{signer[i]:02d}',
      text=text.subtitle(rng, emotion[i]),
      text_emotion=int(emotion[i]),
      affect=int(affect[i]),
      label=int(label[i]),
    )
    for i in range(len(emotion))
  ]


def _ejsl_like(seed: int, split: str) -> list[Plan]:
  emotion_of = np.arange(c.EJSL_SENTENCES) % _EMOTIONS
  subtitles = text.distinct_subtitles(stream(seed, 'plan', split), emotion_of)
  shape = (c.EJSL_SENTENCES, c.EJSL_SIGNERS, _EMOTIONS)
  return [
    _plan(
      seed,
      split,
      i,
      sentence=f'{split}_sentence_{sentence:02d}',
      signer=f'{split}_{signer:02d}',
      text=subtitles[sentence],
      text_emotion=int(emotion_of[sentence]),
      affect=affect,
      label=affect,
    )
    for i, (sentence, signer, affect) in enumerate(np.ndindex(shape))
  ]


def _emosign_like(seed: int, split: str) -> list[Plan]:
  rng = stream(seed, 'plan', split)
  counts = np.array(c.EMOSIGN_COUNTS)
  pairs = np.repeat(list(np.ndindex(counts.shape)), counts.ravel(), axis=0)
  signer, affect = rng.permutation(pairs).T
  # Assumed: a text agrees with the affect as often as affect agrees with a text elsewhere.
  emotion = text.draw(rng, affect, text.affect_given_text())
  return _worded(seed, split, rng, signer, emotion, affect, label=affect)


SPLITS = {
  'nonsigners': _nonsigners,
  'weak': _weak(c.WEAK_CLIPS, c.WEAK_SIGNERS),
  'validation': _weak(c.VALIDATION_CLIPS, c.VALIDATION_SIGNERS),
  'bobsl_like': _bobsl_like,
  'ejsl_like': _ejsl_like,
  'emosign_like': _emosign_like,
}
WEAK_SPLITS = ('weak', 'validation')

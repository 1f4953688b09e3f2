"""Subtitles from emotion-bearing templates; the emotions of text, signer and labeller's answer."""

import numpy as np

from emo_jax import labels
from tfds_builders.signsim import constants as c

NEUTRAL = labels.EMOTIONS.index('neutral')

_TEMPLATES = {
  'joy': (
    'I am so happy that {who} came to {place}!',
    'What a wonderful {thing}, I could dance all {time}!',
    '{who} laughed with delight about the {thing}.',
    'Hooray, we won the {thing} at {place}!',
    'This {time} is the best one we ever had.',
  ),
  'sadness': (
    'I miss {who} so much since that {time}.',
    '{who} wept over the lost {thing} for hours.',
    'It breaks my heart that {place} is gone.',
    'Sadly, nothing is left of the {thing}.',
    'That {time} I sat at {place} alone and cried.',
  ),
  'anger': (
    'How dare {who} take my {thing}!',
    'I am furious about what happened at {place}!',
    'Enough! {who} ruined the whole {time}!',
    'Put down that {thing} at once, I told you so!',
    '{who} lied to me again, and I will not stand for it.',
  ),
  'disgust': (
    'Ugh, the {thing} smelled of rotten fish.',
    'The filth at {place} made me sick.',
    'It is revolting how {who} treats the animals.',
    '{who} spat on the {thing}, how vile.',
    'I could not swallow anything at {place} that {time}.',
  ),
  'fear': (
    'I am terrified of going to {place} in the dark.',
    'Something moved behind the {thing}, and we froze.',
    '{who} is afraid that the {time} will end badly.',
    'Please do not leave me alone with that {thing}.',
    'We ran from {place} as fast as we could, {who} was shaking.',
  ),
  'surprise': (
    'What, {who} bought a {thing}?',
    'I never expected to see {who} at {place}!',
    'Suddenly the {thing} stood in front of us!',
    'Really, it happened at {place}?',
    'Nobody saw it coming that {time}, not even {who}.',
  ),
  'neutral': (
    '{who} went to {place} that {time}.',
    'The {thing} is kept at {place}.',
    '{who} has a {thing}.',
    'The {time} begins at nine.',
    'There is a {thing} on the second shelf.',
    'From {place} it takes an hour by bus.',
  ),
}
_SLOTS = {
  'who': ('my sister', 'our neighbour', 'the teacher', 'his uncle', 'the doctor', 'her friend'),
  'thing': ('parcel', 'garden', 'bicycle', 'picture', 'kettle', 'letter', 'match'),
  'place': ('the station', 'the harbour', 'school', 'the old mill', 'the market', 'home'),
  'time': ('morning', 'evening', 'weekend', 'summer', 'night'),
}


def subtitle(rng: np.random.Generator, emotion: int) -> str:
  """A sentence that bears the emotion, with its slots filled independently of it."""
  template = rng.choice(_TEMPLATES[labels.EMOTIONS[emotion]])
  filled = template.format(**{slot: rng.choice(words) for slot, words in _SLOTS.items()})
  return filled[0].upper() + filled[1:]


def distinct_subtitles(rng: np.random.Generator, emotions: np.ndarray) -> list[str]:
  """One subtitle per emotion given, no two the same."""
  seen = {}
  for emotion in emotions:
    while (sentence := subtitle(rng, emotion)) in seen:
      pass
    seen[sentence] = emotion
  return list(seen)


def affect_given_text() -> np.ndarray:
  """[7, 7], row: the text's emotion, column: probability of the signer's affect.

  The text's emotion with AFFECT_AGREES, else neutral with AFFECT_NEUTRAL, else any other emotion
  alike. On neutral text the first two are the same.
  """
  return _confusion(c.AFFECT_AGREES, c.AFFECT_NEUTRAL, neutral_right=None)


def label_given_text() -> np.ndarray:
  """[7, 7], row: the text's emotion, column: probability of the text labeller's answer."""
  return _confusion(c.LABELLER_RIGHT, c.LABELLER_NEUTRAL, neutral_right=c.LABELLER_RIGHT)


def draw(rng: np.random.Generator, given: np.ndarray, table: np.ndarray) -> np.ndarray:
  """[N] indices drawn from the rows of `table` [7, 7] that `given` [N] names."""
  return (rng.random((len(given), 1)) > np.cumsum(table, axis=1)[given, :-1]).sum(axis=1)


def _confusion(right: float, neutral: float, neutral_right: float | None) -> np.ndarray:
  n = len(labels.EMOTIONS)
  table = np.full((n, n), (1 - right - neutral) / (n - 2))
  table[:, NEUTRAL] = neutral
  np.fill_diagonal(table, right)
  stays = right + neutral if neutral_right is None else neutral_right
  table[NEUTRAL] = (1 - stays) / (n - 1)
  table[NEUTRAL, NEUTRAL] = stays
  return table

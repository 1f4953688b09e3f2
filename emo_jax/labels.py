"""Label vocabularies: the seven emotions in the paper's order and the names others give them.

Labels travel by name; an index means something only beside the tuple of names it indexes.
"""

import difflib
from collections.abc import Iterable

from emo_jax.errors import UserError

# "Emotion Recognition in Signers", Table 7 column order.
EMOTIONS = ('joy', 'sadness', 'anger', 'disgust', 'fear', 'surprise', 'neutral')

# The ten categories of EmoSign, in the order of its paper's tables.
EXPRESSIONS = (
  'happiness',
  'surprise_pos',
  'surprise_neg',
  'worry',
  'sadness',
  'fear',
  'disgust',
  'frustration',
  'anger',
  'neutral',
)

UNKNOWN = -1
NO_CLASS = 'none'  # what a column of answers that fit no label is called

# Every task a corpus may carry labels for. `emotion` is the paper's; `expression` and `sentiment`
# (very negative to very positive) are EmoSign's, `sentiment3` the same by its sign;
# `sign_handedness` (is the sign made with one hand or with two?) stands in for emotion on real
# clips whose emotion nobody has labelled.
TASKS = {
  'emotion': EMOTIONS,
  'expression': EXPRESSIONS,
  'sentiment': ('-3', '-2', '-1', '0', '1', '2', '3'),
  'sentiment3': ('negative', 'neutral', 'positive'),
  'sign_handedness': ('one_handed', 'two_handed'),
}

# The order of the public EMO-AffectNet weights' outputs (AffectNet without Contempt).
EAN_ORDER = ('neutral', 'joy', 'sadness', 'surprise', 'fear', 'disgust', 'anger')

# Names other sources use for the same emotion (EMO-AffectNet, EmoSign after the paper's Appendix A,
# text emotion recognition models, MELD).
_SYNONYMS = {
  'happiness': 'joy',
  'happy': 'joy',
  'joyful': 'joy',
  'excited': 'joy',
  'sad': 'sadness',
  'frustration': 'sadness',
  'angry': 'anger',
  'disgusted': 'disgust',
  'fearful': 'fear',
  'worry': 'fear',
  'surprised': 'surprise',
  'surprise_pos': 'surprise',
  'surprise_neg': 'surprise',
}


def names(task: str) -> tuple[str, ...]:
  """The label names of a task in index order. Raises UserError for an unknown task."""
  if task not in TASKS:
    raise UserError(
      f'unknown task {task!r}{nearest(task, TASKS)}; the tasks are {", ".join(TASKS)}'
    )
  return TASKS[task]


def index(task: str, name: str) -> int:
  """The index of a label, by name or known synonym; an empty name is UNKNOWN.

  Raises:
    UserError: the name is not a label of the task; the message lists the known ones.
  """
  known = names(task)
  key = name.strip().lower()
  if not key:
    return UNKNOWN
  if task == 'emotion':
    key = _SYNONYMS.get(key, key)
  if key not in known:
    raise UserError(
      f'unknown {task} label {name!r}{nearest(key, known)}; known: {", ".join(known)}'
    )
  return known.index(key)


def nearest(name: str, known: Iterable[str]) -> str:
  """`' (did you mean X?)'` for the closest known name, or nothing if none is close."""
  close = difflib.get_close_matches(name, list(known), n=1)
  return f' (did you mean {close[0]!r}?)' if close else ''

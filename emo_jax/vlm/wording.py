"""What a vision language model is asked about a clip, and which label its answer names."""

import base64
import dataclasses
import json
import re
from collections.abc import Iterable
from typing import Any

from emo_jax import labels
from emo_jax.errors import UserError

VERSION = 1  # of the wording: kept answers to another one are not taken

# The tasks a model can be asked about, and what it is told of them.
QUESTIONS = {
  'emotion': 'Which emotion does the signer express most?',
  'expression': 'Which of these categories fits best what the signer expresses? surprise_pos is '
  'pleasant surprise, surprise_neg an unpleasant one, happiness includes excitement, and neutral '
  'means that no emotion is expressed.',
  'sentiment': 'Rate the sentiment that the signer expresses, from -3 (very negative) over 0 '
  '(neutral) to 3 (very positive).',
  'sentiment3': 'Is the sentiment that the signer expresses negative, neutral or positive?',
}

_THOUGHTS = re.compile(r'<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)', re.DOTALL | re.IGNORECASE)
_OBJECT = re.compile(r'\{[^{}]*\}')
_WORD = re.compile(r'[^\W\d_]+(?:[_-][^\W\d_]+)*')
_NUMBER = re.compile(r'(?<![\w.])[+-]?\d+(?![\w]|\.\d)')
_NEGATION = re.compile(
  r"(?:\b(?:not|no|nor|never|neither|without)|n[’']t)\s+(?:\w+\s+){0,2}$", re.I
)
_CONCLUSION = re.compile(
  r'(?im)^\W*(?:\w+ ){0,3}(?:answer|label|emotion|category|sentiment)\W*:(.+)$'
)
_MINUS = str.maketrans({'\u2212': '-', '\u2013': '-'})


@dataclasses.dataclass(frozen=True)
class Prompt:
  """One question about one clip.

  Attributes:
    task: of QUESTIONS.
    caption: what is said in the clip, in words; empty where the model sees the video alone.
  """

  task: str
  caption: str

  @property
  def text(self) -> str:
    """The words beside the images."""
    parts = [
      'The images are frames of one video clip, in order and evenly spread. They show a person who '
      'uses a sign language. In sign languages the face also carries grammar: not every movement '
      'of it is an emotion.',
      *([f'What is signed means: "{self.caption}"'] if self.caption else []),
      QUESTIONS[self.task],
      f'The labels are: {", ".join(labels.names(self.task))}. Answer with a JSON object whose '
      'field "label" is exactly one of them, and with nothing else.',
    ]
    return '\n\n'.join(parts)


def messages(prompt: Prompt, images: Iterable[bytes]) -> list[dict[str, Any]]:
  """The conversation: the words, then the JPEG images in order."""
  pictures = [
    dict(type='image_url', image_url=dict(url=f'data:image/jpeg;base64,{_base64(image)}'))
    for image in images
  ]
  return [dict(role='user', content=[dict(type='text', text=prompt.text), *pictures])]


def response_format(task: str) -> dict[str, Any]:
  """The form of the answer, for servers that hold a model to it: one of the task's labels."""
  label = dict(type='string', enum=list(labels.names(task)))
  schema = dict(
    type='object', properties=dict(label=label), required=['label'], additionalProperties=False
  )
  return dict(
    type='json_schema', json_schema=dict(name=f'{task}_label', strict=True, schema=schema)
  )


def parse(task: str, answer: str) -> str | None:
  """The label that an answer names, None if it names none or several.

  Read are an object's field `label` (or its only field), a last line `Answer: <label>`, else the
  one label among the words; wrong case and known synonyms are taken, a label that is denied is not.
  """
  text = _THOUGHTS.sub(' ', answer).translate(_MINUS).strip()
  objects = [found for found in map(_loaded, [text, *_OBJECT.findall(text)]) if found is not None]
  if objects:
    named = {_of_object(task, found) for found in objects}
    return named.pop() if len(named) == 1 else None
  if label := _exact(task, text):
    return label
  named = _mentioned(task, text)
  if len(named) == 1:
    return named.pop()
  concluded = {_exact(task, line) for line in _CONCLUSION.findall(text)}
  return concluded.pop() if len(concluded) == 1 else None


def _of_object(task: str, found: dict[str, Any]) -> str | None:
  value = found.get('label', next(iter(found.values())) if len(found) == 1 else None)
  if isinstance(value, int | float) and not isinstance(value, bool):
    value = f'{value:g}'
  if not isinstance(value, str):
    return None
  value = value.translate(_MINUS)
  named = _mentioned(task, value)
  return _exact(task, value) or (named.pop() if len(named) == 1 else None)


def _loaded(text: str) -> dict[str, Any] | None:
  try:
    found = json.loads(text)
  except (ValueError, RecursionError):
    return None
  return found if isinstance(found, dict) else None


def _exact(task: str, text: str) -> str | None:
  """The label that a text is, marks around it aside."""
  bare = text.strip().strip('"\'`*_.!() \t')
  if task.startswith('sentiment'):
    return _known(task, bare.removeprefix('+'))
  return _known(task, bare) or _known(task, re.sub(r'[ -]+', '_', bare))


def _known(task: str, name: str) -> str | None:
  try:
    index = labels.index(task, name)
  except UserError:
    return None
  return None if index == labels.UNKNOWN else labels.names(task)[index]


def _mentioned(task: str, text: str) -> set[str]:
  """The labels among the words of a text, of which none may be denied."""
  found: set[str] = set()
  words = _NUMBER if task == 'sentiment' else _WORD
  for match in words.finditer(text):
    if label := _exact(task, match.group()):
      if _NEGATION.search(text[: match.start()]):
        continue
      found.add(label)
  return found


def _base64(image: bytes) -> str:
  return base64.b64encode(image).decode()

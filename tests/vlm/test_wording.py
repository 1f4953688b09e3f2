"""Which label an answer in words names: one, or none where it names none or several."""

import pytest

from emo_jax import labels
from emo_jax.vlm import wording
from emo_jax.vlm.wording import Prompt

ANSWERS = {
  'emotion': {
    'Joy': 'joy',
    '  "JOY!" ': 'joy',
    '**Sad**': 'sadness',
    '{"label": "fear"}': 'fear',
    '{"emotion": "Angry"}': 'anger',
    'Here it is:\n```json\n{"label": "disgust", "reason": "a wrinkled nose"}\n```': 'disgust',
    '{"label": "joy': 'joy',  # cut off
    'The signer seems worried, that is fear.': 'fear',
    'This is joy, not anger.': 'joy',
    'First joy, then fear.\n\nAnswer: surprise': 'surprise',
    'Joy or fear?\n**Final answer:** *fear*': 'fear',
    '<think>joy? fear?</think>\nneutral': 'neutral',
    'There is no doubt that this is joy.': 'joy',
    'joy and fear': None,
    'neutral/surprise': None,
    'not joy': None,
    "It isn't really joy.": None,
    'fearless': None,
    'I cannot tell.': None,
    'Answer: joy\nAnswer: fear': None,
    '{"label": null}': None,
    '{"label": "bored"}': None,
    '{"label": ["joy"]}': None,
    '{"label": "joy"} {"label": "fear"}': None,
    '[1, 2]': None,
    'null': None,
    '<think>joy': None,
    '': None,
    '{' * 2000: None,
  },
  'expression': {
    'surprise-pos': 'surprise_pos',
    'Surprise neg.': 'surprise_neg',
    'It is surprise_pos': 'surprise_pos',
    'frustration': 'frustration',
    'surprise': None,
    'joy': None,
  },
  'sentiment': {
    '-3': '-3',
    '+2': '2',
    '\u22121 (slightly negative)': '-1',
    '{"label": -2}': '-2',
    '{"label": 1.0}': '1',
    'Sentiment: 0': '0',
    'between -3 and 3': None,
    '2.5': None,
    '10': None,
    '{"label": true}': None,
    'very negative': None,
  },
  'sentiment3': {'Very positive.': 'positive', 'neither negative nor positive': None},
}


@pytest.mark.parametrize(
  ('task', 'answer', 'label'),
  [(task, answer, label) for task, told in ANSWERS.items() for answer, label in told.items()],
)
def test_answers_in_words(task, answer, label):
  assert wording.parse(task, answer) == label


@pytest.mark.parametrize('task', wording.QUESTIONS)
def test_every_label_is_offered_and_read_back(task):
  text = Prompt(task, '').text
  schema = wording.response_format(task)['json_schema']['schema']
  assert schema['properties']['label']['enum'] == list(labels.names(task))
  for name in labels.names(task):
    assert name in text
    for answer in (name, f'{{"label": "{name}"}}', f'The label is {name}.'):
      assert wording.parse(task, answer) == name
  assert 'What is signed' not in text


def test_a_caption_is_part_of_the_question():
  assert 'What is signed means: "My dog died."' in Prompt('emotion', 'My dog died.').text

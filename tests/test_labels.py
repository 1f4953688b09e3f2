"""Names of labels, whatever source they come from."""

import pytest

from emo_jax import labels
from emo_jax.errors import UserError


def test_the_papers_order():
  assert labels.EMOTIONS == ('joy', 'sadness', 'anger', 'disgust', 'fear', 'surprise', 'neutral')


@pytest.mark.parametrize(
  ('name', 'emotion'),
  [
    ('Happiness', 'joy'),
    ('frustration', 'sadness'),
    ('worry', 'fear'),
    ('surprise_neg', 'surprise'),
  ],
)
def test_other_vocabularies(name, emotion):
  assert labels.index('emotion', name) == labels.EMOTIONS.index(emotion)


def test_empty_is_unknown_and_wrong_is_an_error():
  assert labels.index('emotion', ' ') == labels.UNKNOWN
  with pytest.raises(UserError, match="'supprise'.*did you mean 'surprise'.*joy, sadness"):
    labels.index('emotion', 'supprise')
  with pytest.raises(UserError, match="unknown task 'emotions'.*'emotion'"):
    labels.names('emotions')

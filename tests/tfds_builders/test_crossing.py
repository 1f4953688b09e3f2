"""What is missing of utterances x signers x emotions is found and named."""

import pytest

from emo_jax import labels
from emo_jax.errors import UserError
from tfds_builders import crossing


def all_of_ejsl():
  return [
    (f'u{u:02d}', signer, emotion)
    for u in range(78)
    for signer in ('f1', 'm1')
    for emotion in labels.EMOTIONS
  ]


def test_a_whole_corpus_lacks_nothing():
  cells = all_of_ejsl()
  found = crossing.find(cells)
  assert found.size == len(cells) == 1092
  assert not found.missing and not found.repeated
  assert found.text == '78 utterances x 2 signers x 7 emotions = 1,092 clips, each once'
  crossing.require_ejsl(cells, 'manifest.csv')


def test_what_is_missing_or_there_twice_is_named():
  cells = [c for c in all_of_ejsl() if c not in {('u05', 'f1', 'joy'), ('u05', 'f1', 'fear')}]
  cells = [c for c in cells if c[:2] != ('u77', 'm1')] + [('u01', 'm1', 'anger')] * 2
  found = crossing.find(cells)
  assert found.missing == {('u05', 'f1'): ('joy', 'fear'), ('u77', 'm1'): labels.EMOTIONS}
  assert found.repeated == {('u01', 'm1', 'anger'): 3} and found.missing_count == 9
  expected = (
    '1,092 clips; 9 missing: u05 by f1 (joy, fear); u77 by m1 (all emotions); '
    '1 more than once: u01 by m1 (anger) 3 times'
  )
  assert found.text.endswith(expected)
  with pytest.raises(UserError) as error:
    crossing.require_ejsl(cells, 'manifest.csv')
  assert expected in str(error.value) and str(error.value).startswith('manifest.csv is not all of')


def test_of_many_missing_the_first_are_named():
  cells = [cell for i, cell in enumerate(all_of_ejsl()) if i % 3]
  text = crossing.find(cells).text
  assert '364 missing: ' in text and text.count(' by ') == 12 and text.endswith('and 144 more')


@pytest.mark.parametrize(
  'cells',
  [
    [],
    [('u1', 'f1', ''), ('u1', 'f1', 'joy'), ('u1', 'm1', 'joy')],  # an emotion is unknown
    [('u1', 'f1', 'joy'), ('u2', 'f1', 'joy')],  # one emotion
    [(f'u{i}', 'f1', ('joy', 'fear')[i % 2]) for i in range(10)],  # each utterance once
    [(f'u{i}', f's{i % 4}', labels.EMOTIONS[i % 7]) for i in range(100)],
  ],
)
def test_other_corpora_are_not_crossed(cells):
  assert crossing.find(cells) is None


@pytest.mark.parametrize(
  ('changed', 'said'),
  [
    (lambda cells: [c for c in cells if c[0] != 'u00'], '77 utterances x 2 signers'),
    (lambda cells: [c for c in cells if c[1] != 'm1'], 'x 1 signer x'),
    (lambda cells: [c for c in cells if c[2] != 'joy'], 'x 6 emotions'),
    (lambda cells: [*cells, ('u00', 'm2', 'joy')], 'x 3 signers'),
    (lambda cells: [*cells, ('u00', 'm1', '')], '1 clip without an emotion'),
    (lambda cells: [], '0 utterances'),
  ],
)
def test_ejsl_is_78_by_2_by_7(changed, said):
  with pytest.raises(UserError, match=f'not all of eJSL, which is 78 x 2 x 7 = 1,092: .*{said}'):
    crossing.require_ejsl(changed(all_of_ejsl()), 'manifest.csv')

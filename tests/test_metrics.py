"""Scores against published figures and hand-made cases."""

import csv

import numpy as np
import pytest

from emo_jax import labels, metrics


def of(true, predicted, k=7):
  counts = metrics.confusion(np.array(true, int), np.array(predicted, int), k)
  return metrics.scores(counts, [str(i) for i in range(k)])


def test_always_neutral_on_meld_gives_the_published_macro_f1_and_accuracy(shared):
  with open(shared / 'data/meld/test_sent_emo.csv', newline='', encoding='utf-8') as f:
    true = [labels.index('emotion', row['Emotion']) for row in csv.DictReader(f)]
  found = of(true, [labels.EMOTIONS.index('neutral')] * len(true))
  assert round(found['accuracy'], 3) == 0.481
  assert round(found['macro_f1'], 3) == 0.093


@pytest.mark.parametrize(
  ('per_class', 'macro'),
  [  # Tables 6 and 7 of "Emotion Recognition in Signers": macro F1 is the plain mean
    ((30.99, 16.67, 26.67, 8.33, 10.53, 0.00, 25.00), 16.88),
    ((35.91, 10.64, 15.55, 14.29, 9.65, 21.10, 40.49), 21.09),
  ],
)
def test_macro_f1_is_the_mean_over_all_classes(per_class, macro):
  assert round(float(np.mean(per_class)), 2) == pytest.approx(macro, abs=0.01)
  found = of([0, 0, 1, 2], [0, 1, 1, 0])
  assert found['macro_f1'] == pytest.approx(np.mean(list(found['per_class_f1'].values())))


def test_wacc_is_the_mean_recall_over_classes_that_occur():
  # GPT-4o on EmoSign's ten classes: recalls that add up to 115 % give a wAcc of 11.50 %.
  recalls = [35, 0, 0, 7, 0, 0, 20, 53, 0, 0]
  true = np.repeat(np.arange(10), 100)
  predicted = np.concatenate(
    [np.r_[[i] * r, [(i + 1) % 10] * (100 - r)] for i, r in enumerate(recalls)]
  )
  assert of(true, predicted.astype(int), 10)['wacc'] == pytest.approx(0.115)
  assert of([0, 0, 1], [0, 0, 0])['wacc'] == 0.5  # five absent classes do not count


def test_hand_made_confusion():
  found = of([0, 0, 0, 1], [0, 0, 1, 1], 3)
  assert found['accuracy'] == 0.75
  assert found['per_class_f1'] == {'0': pytest.approx(0.8), '1': pytest.approx(2 / 3), '2': 0}


def test_without_a_label_there_is_no_score():
  found = of([], [])
  assert found['n'] == 0
  assert found['wacc'] is found['accuracy'] is found['macro_f1'] is None


def test_temperature_recovers_what_the_probabilities_were_sharpened_by():
  rng = np.random.default_rng(0)
  p = rng.dirichlet(np.ones(7), 20000)
  true = np.array([rng.choice(7, p=row) for row in p])
  sharp = metrics.with_temperature(p, 0.5)
  assert metrics.fit_temperature(sharp, true) == pytest.approx(2, rel=0.03)
  assert (sharp.argmax(-1) == p.argmax(-1)).all()
  assert metrics.fit_temperature(p[:0], true[:0]) == 1

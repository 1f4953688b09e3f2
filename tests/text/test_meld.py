"""Real dialogue: a small classifier trained on MELD's training split is scored by the command."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
import tokenizers
import torch
import transformers

from emo_jax import labels, metrics
from emo_jax.text import ter_metrics
from tests.text import tiny_models

EPOCHS, BATCH = 3, 64


def sentences(shared, split):
  path = shared / 'data/meld' / f'{split}_sent_emo.csv'
  return ter_metrics.read(path, 'Utterance', 'Emotion')


def test_scores_of_always_neutral_are_the_published_ones(shared):
  true = np.array(sentences(shared, 'test').true)
  always = np.full_like(true, labels.EMOTIONS.index('neutral'))
  found = metrics.scores(metrics.confusion(true, always, 7), labels.EMOTIONS)
  assert found['n'] == 2610
  assert found['accuracy'] == pytest.approx(0.481, abs=5e-4)
  assert found['macro_f1'] == pytest.approx(0.093, abs=5e-4)
  support = np.bincount(true, minlength=7) / len(true)
  f1 = [found['per_class_f1'][name] for name in labels.EMOTIONS]
  assert support @ f1 == pytest.approx(0.313, abs=5e-4)


def words_of(texts):
  """Words that occur twice, split as the tokenizer splits them."""
  split = tokenizers.pre_tokenizers.Whitespace()
  counts = Counter(word for text in texts for word, _ in split.pre_tokenize_str(text.lower()))
  return [word for word, count in counts.items() if count > 1]


def train(found, folder):
  """Two layers of width 64, classes weighted by the root of their rarity."""
  torch.manual_seed(0)
  rng = np.random.default_rng(0)
  tokenizer = tiny_models.tokenizer(words_of(found.texts), max_length=48)
  names = dict(enumerate(labels.EMOTIONS[::-1]))
  config = transformers.DistilBertConfig(
    vocab_size=len(tokenizer),
    dim=64,
    hidden_dim=128,
    n_layers=2,
    n_heads=4,
    max_position_embeddings=48,
    seq_classif_dropout=0.3,
    id2label=names,
    label2id={name: i for i, name in names.items()},
  )
  model = transformers.DistilBertForSequenceClassification(config).train()
  true = torch.tensor(6 - np.array(found.true))
  rarity = (len(true) / torch.bincount(true)) ** 0.5
  loss_of = torch.nn.CrossEntropyLoss(weight=rarity / rarity.mean())
  optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
  for _ in range(EPOCHS):
    order = rng.permutation(len(true))
    # Batches of similar length, in random order: little padding.
    pools = [
      sorted(order[i : i + 20 * BATCH], key=lambda i: len(found.texts[i]))
      for i in range(0, len(order), 20 * BATCH)
    ]
    batches = [pool[i : i + BATCH] for pool in pools for i in range(0, len(pool), BATCH)]
    for k in rng.permutation(len(batches)):
      tokens = tokenizer(
        [found.texts[i] for i in batches[k]],
        padding=True,
        truncation=True,
        return_token_type_ids=False,
        return_tensors='pt',
      )
      optimizer.zero_grad()
      loss_of(model(**tokens).logits, true[batches[k]]).backward()
      optimizer.step()
  return tiny_models.save(folder, model, tokenizer)


@pytest.fixture(scope='module')
def trained(shared, tmp_path_factory):
  return train(sentences(shared, 'train'), tmp_path_factory.mktemp('meld') / 'model')


def command(*words):
  environment = {k: v for k, v in os.environ.items() if k != 'XLA_FLAGS'}
  return dict(args=[sys.executable, '-m', 'emo_jax.label', *map(str, words)], env=environment)


@pytest.mark.slow
def test_a_trained_classifier_beats_always_neutral(shared, trained):
  test = shared / 'data/meld/test_sent_emo.csv'
  columns = '--text_column=Utterance', '--label_column=Emotion'
  words = command(f'--evaluate={test}', *columns, f'--model={trained}', '--device=cpu')
  done = subprocess.run(**words, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  (found,) = json.loads(done.stdout)['models']
  assert found['n'] == 2610
  assert found['macro_f1'] >= 0.20
  assert found['accuracy'] > 0.40


@pytest.mark.slow
def test_a_killed_command_goes_on_to_the_same_file(shared, trained, tmp_path):
  with open(shared / 'data/meld/train_sent_emo.csv', encoding='utf-8') as f:
    texts = [row['Utterance'].strip() for row in csv.DictReader(f)]
  table, whole, killed = (tmp_path / name for name in ('s.csv', 'whole.csv', 'killed.csv'))
  with open(table, 'w', newline='', encoding='utf-8') as f:
    csv.writer(f).writerows([('id', 'text'), *enumerate(texts)])
  words = table, f'--model={trained}', '--device=cpu', '--batch_size=8'
  subprocess.run(**command(*words, f'--out={whole}'), check=True)
  partial = tmp_path / 'killed.csv.partial'
  kept = 0
  for lines in (20, 200):
    process = subprocess.Popen(**command(*words, f'--out={killed}'))
    while not partial.exists() or partial.read_bytes().count(b'\n') < lines:
      assert process.poll() is None
      time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not killed.exists()
    assert partial.read_bytes().count(b'\n') > kept
    kept = partial.read_bytes().count(b'\n')
  subprocess.run(**command(*words, f'--out={killed}'), check=True)
  assert killed.read_bytes() == whole.read_bytes()
  assert not partial.exists()

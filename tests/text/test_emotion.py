"""Classifiers of transformers, read by the names of their labels."""

import json
import sys

import numpy as np
import pytest
import torch
import transformers

from emo_jax import labels
from emo_jax.errors import UserError
from emo_jax.text import emotion
from tests.text import tiny_models
from tests.text.tiny_models import NAMES

TEXTS = ('I am so glad!', 'No.', 'What? You never', 'it', 'sad sad no I am so sad', 'You? What!')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tiny_models.save(tmp_path_factory.mktemp('models') / 'tiny')


def test_probabilities_are_those_of_transformers_pipeline(folder):
  mine = emotion.probabilities(emotion.load(str(folder), 'cpu'), TEXTS)
  pipeline = transformers.pipeline('text-classification', model=str(folder), top_k=None)
  for text, row in zip(TEXTS, mine, strict=True):
    theirs = {said['label']: said['score'] for said in pipeline([text])[0]}
    expected = [theirs[name] for name in labels.EMOTIONS]
    np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-7)
  assert len(set(mine.argmax(-1))) > 2


@pytest.mark.parametrize('seed', [1, 2])
def test_the_order_of_a_models_labels_does_not_matter(folder, tmp_path, seed):
  order = np.random.default_rng(seed).permutation(7)
  original = tiny_models.classifier()
  copy = tiny_models.classifier([('Happy' if NAMES[i] == 'joy' else NAMES[i]) for i in order])
  copy.load_state_dict(original.state_dict())
  with torch.no_grad():
    copy.classifier.weight.copy_(original.classifier.weight[order])
    copy.classifier.bias.copy_(original.classifier.bias[order])
  permuted = tiny_models.save(tmp_path / 'permuted', copy)
  one, other = (emotion.load(str(path), 'cpu') for path in (folder, permuted))
  assert one.columns != other.columns
  np.testing.assert_allclose(
    emotion.probabilities(one, TEXTS), emotion.probabilities(other, TEXTS), rtol=1e-5
  )


def test_neighbours_in_a_batch_do_not_matter(folder):
  classifier = emotion.load(str(folder), 'cpu')
  together = emotion.probabilities(classifier, TEXTS)
  alone = np.concatenate([emotion.probabilities(classifier, [text]) for text in TEXTS])
  np.testing.assert_allclose(together, alone, rtol=1e-5)
  np.testing.assert_allclose(together.sum(-1), 1)


def test_batches_are_of_similar_length_and_hold_every_sentence_once(folder):
  counts = emotion.lengths(emotion.load(str(folder), 'cpu'), TEXTS)
  assert counts.tolist() == [7, 4, 6, 3, 9, 6]  # words and marks, [CLS] and [SEP]
  made = [batch.tolist() for batch in emotion.batches(counts, 4)]
  assert made == [[4, 0, 2, 5], [1, 3]]


def test_what_is_beyond_the_models_length_is_cut_off(folder):
  classifier = emotion.load(str(folder), 'cpu')
  assert classifier.max_length == 16
  fits = ' '.join(['no'] * 14)
  assert emotion.lengths(classifier, [fits, fits + ' glad']).tolist() == [16, 17]
  fitting, cut = emotion.probabilities(classifier, [fits, fits + ' glad'])
  np.testing.assert_array_equal(fitting, cut)


def test_roberta_reads_fewer_tokens_than_it_has_positions(tmp_path):
  config = transformers.RobertaConfig(
    vocab_size=17,
    hidden_size=16,
    intermediate_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    max_position_embeddings=10,
    pad_token_id=0,
    type_vocab_size=1,
    id2label=dict(enumerate(NAMES)),
  )
  unlimited = tiny_models.tokenizer(max_length=int(1e30))
  model = transformers.RobertaForSequenceClassification(config)
  classifier = emotion.load(str(tiny_models.save(tmp_path / 'r', model, unlimited)), 'cpu')
  assert classifier.max_length == 9  # position 0 is the padding's
  assert emotion.probabilities(classifier, ['no ' * 20]).shape == (1, 7)


def test_a_model_that_reads_the_last_token_may_lack_a_padding_token(tmp_path):
  config = transformers.GPT2Config(
    vocab_size=17,
    n_embd=16,
    n_layer=1,
    n_head=2,
    n_positions=16,
    initializer_range=1.0,
    id2label=dict(enumerate(NAMES)),
  )
  torch.manual_seed(0)
  path = tiny_models.save(tmp_path / 'gpt', transformers.GPT2ForSequenceClassification(config))
  classifier = emotion.load(str(path), 'cpu')
  together = emotion.probabilities(classifier, TEXTS)
  alone = np.concatenate([emotion.probabilities(classifier, [text]) for text in TEXTS])
  np.testing.assert_allclose(together, alone, rtol=1e-4)


def test_a_revision_is_of_the_files_that_matter(folder, tmp_path):
  tiny_models.save(tmp_path / 'copy')
  tiny_models.save(tmp_path / 'other', tiny_models.classifier(seed=1))
  (tmp_path / 'copy' / 'README.md').write_text('Mine')
  first, copy, other = (
    emotion.load(str(path), 'cpu') for path in (folder, tmp_path / 'copy', tmp_path / 'other')
  )
  assert first.revision == copy.revision != other.revision
  assert first.revision.startswith('sha256:') and len(first.revision) == 23
  assert (first.name, copy.name) == ('tiny', 'copy')


@pytest.mark.parametrize(
  ('names', 'message'),
  [
    ([f'LABEL_{i}' for i in range(7)], "unknown emotion label 'LABEL_0'.*known: joy, .*id2label"),
    (NAMES[:6], 'has the labels anger, .*sadness; wanted is one for each of joy'),
    ((*NAMES, 'excited'), 'has the labels anger, .*excited; wanted'),
    ((*NAMES, 'love'), "unknown emotion label 'love'"),
  ],
)
def test_labels_that_are_not_the_seven_emotions_are_refused(tmp_path, names, message):
  path = tiny_models.save(tmp_path / 'm', tiny_models.classifier(names))
  with pytest.raises(UserError, match=message):
    emotion.load(str(path), 'cpu')


def test_several_labels_at_once_are_refused(tmp_path):
  model = tiny_models.classifier(problem_type='multi_label_classification')
  with pytest.raises(UserError, match='gives several labels at once'):
    emotion.load(str(tiny_models.save(tmp_path / 'm', model)), 'cpu')


def as_pickle(path):
  (path / 'model.safetensors').rename(path / 'pytorch_model.bin')


def torn(path):
  weights = path / 'model.safetensors'
  weights.write_bytes(weights.read_bytes()[:-100])


def without_head(path):
  transformers.DistilBertModel.from_pretrained(path).save_pretrained(path / 'base')
  (path / 'base' / 'model.safetensors').rename(path / 'model.safetensors')


def changed(**fields):
  def change(path):
    config = json.loads((path / 'config.json').read_text())
    (path / 'config.json').write_text(json.dumps(config | fields))

  return change


def without_tokenizer(path):
  for file in path.glob('tokenizer*'):
    file.unlink()


def torn_tokenizer(path):
  (path / 'tokenizer.json').write_text('{"version": "1.0", "model": {}}')


def another_tokenizer(path):
  tiny_models.tokenizer([f'word{i}' for i in range(100)]).save_pretrained(path)


def without_padding(path):
  own = tiny_models.tokenizer()
  own.pad_token = None
  own.save_pretrained(path)


def with_own_code(path):
  changed(model_type='mine', auto_map={'AutoConfig': 'mine.Config'})(path)
  (path / 'mine.py').write_text(f'open({str(path / "ran")!r}, "w")')


@pytest.mark.parametrize(
  ('damage', 'message'),
  [
    (as_pickle, 'no model.safetensors, and pickles .* are never opened'),
    (torn, 'cannot be read as a sequence classifier'),
    (without_head, 'lacks 4 of its weights, such as classifier.bias'),
    (changed(dim=32), 'cannot be read as a sequence classifier'),
    (changed(model_type='unheard-of'), 'cannot be read as a sequence classifier'),
    (without_tokenizer, 'has no tokenizer.json'),
    (another_tokenizer, 'has a tokenizer of 104 tokens for a vocabulary of 17: .* not its own'),
    (without_padding, 'has no padding token'),
    (torn_tokenizer, 'cannot be read as a sequence classifier'),
    (changed(id2label=dict(enumerate(NAMES, 1))), 'has the labels .* wanted is one for each'),
    (with_own_code, 'cannot be read as a sequence classifier'),
    (lambda path: (path / 'config.json').unlink(), 'has no config.json'),
  ],
)
def test_what_is_no_trained_safe_classifier_is_refused_in_a_line(tmp_path, damage, message):
  path = tiny_models.save(tmp_path / 'm')
  damage(path)
  with pytest.raises(UserError, match=message) as raised:
    emotion.load(str(path), 'cpu')
  assert '\n' not in str(raised.value)
  assert not (path / 'ran').exists()


def test_weights_that_are_not_numbers_are_found_out(tmp_path):
  model = tiny_models.classifier()
  with torch.no_grad():
    model.classifier.bias[0] = torch.nan
  classifier = emotion.load(str(tiny_models.save(tmp_path / 'm', model)), 'cpu')
  with pytest.raises(UserError, match='m gives outputs that are not finite'):
    emotion.probabilities(classifier, TEXTS)


@pytest.mark.parametrize('model', ['./absent', '/absent/model', 'absent/'])
def test_a_directory_that_is_not_there_is_not_asked_of_the_hub(model):
  with pytest.raises(UserError, match=f'{model} is no directory'):
    emotion.load(model, 'cpu')


@pytest.mark.parametrize('package', ['torch', 'transformers'])
def test_a_missing_package_is_named_with_its_extra(monkeypatch, folder, package):
  monkeypatch.setitem(sys.modules, package, None)
  with pytest.raises(UserError, match=rf"{package} is missing.*pip install 'emo_jax\[ter\]'"):
    emotion.load(str(folder), 'cpu')


@pytest.mark.skipif(torch.cuda.is_available(), reason='a CUDA device is there')
def test_a_device_that_is_not_there_is_said(folder):
  with pytest.raises(UserError, match="torch has no device 'cuda'"):
    emotion.load(str(folder), 'cuda')

"""Sequence classifiers of transformers that are made in a moment: a few words, hidden 16."""

from collections.abc import Sequence
from pathlib import Path

import tokenizers
import torch
import transformers
from tokenizers import models, pre_tokenizers, processors

NAMES = ('anger', 'disgust', 'fear', 'joy', 'neutral', 'sadness', 'surprise')
WORDS = ('i', 'am', 'so', 'glad', 'sad', 'what', 'no', 'never', 'you', 'it', '!', '?', '.')
SPECIAL = ('[PAD]', '[UNK]', '[CLS]', '[SEP]')


def tokenizer(words: Sequence[str] = WORDS, max_length: int = 16):
  """Word by word, [CLS] before and [SEP] after."""
  vocabulary = {word: i for i, word in enumerate((*SPECIAL, *words))}
  made = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token='[UNK]'))
  made.normalizer = tokenizers.normalizers.Lowercase()
  made.pre_tokenizer = pre_tokenizers.Whitespace()
  made.post_processor = processors.TemplateProcessing(
    single='[CLS] $A [SEP]', special_tokens=[(name, vocabulary[name]) for name in SPECIAL[2:]]
  )
  return transformers.PreTrainedTokenizerFast(
    tokenizer_object=made,
    model_max_length=max_length,
    **dict(zip(('pad_token', 'unk_token', 'cls_token', 'sep_token'), SPECIAL, strict=True)),
  )


def classifier(names: Sequence[str] = NAMES, seed: int = 0, **options):
  """An untrained DistilBERT whose decisions differ from sentence to sentence."""
  torch.manual_seed(seed)
  config = transformers.DistilBertConfig(
    vocab_size=len(SPECIAL) + len(WORDS),
    dim=16,
    hidden_dim=32,
    n_layers=1,
    n_heads=2,
    max_position_embeddings=16,
    initializer_range=1.0,
    id2label=dict(enumerate(names)),
    label2id={name: i for i, name in enumerate(names)},
    **options,
  )
  return transformers.DistilBertForSequenceClassification(config)


def save(folder: Path, model=None, words=None) -> Path:
  """Writes a model with its tokenizer."""
  (model or classifier()).save_pretrained(folder)
  (words or tokenizer()).save_pretrained(folder)
  return folder

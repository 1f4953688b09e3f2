"""Text emotion recognition: a transformers sequence classifier over the seven emotions.

The paper (section 3.3) labels subtitles with `michellejieli/emotion_text_classifier`. torch and
transformers (the extra `ter`) are imported when a classifier is loaded. Only safetensors are read,
no pickle, and no code that comes with a model is run.
"""

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from emo_jax import labels
from emo_jax.errors import UserError

PAPERS_MODEL = 'michellejieli/emotion_text_classifier'

# What a directory's answers depend on; other files, such as a trainer's, may change freely.
_FILES = (
  'config.json',
  'model*.safetensors',
  'model.safetensors.index.json',
  'tokenizer*.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.*',
  'merges.txt',
  '*.model',
)
_VOCABULARIES = ('tokenizer.json', 'vocab.*', '*.model')
_HUB_ANSWERS_S = 10.0
_CHUNK = 4096  # sentences whose tokens are held at once while lengths are counted


@dataclasses.dataclass(frozen=True)
class Classifier:
  """A model that is loaded.

  Attributes:
    name: on the hub, or the directory's.
    revision: the hub's commit, or `sha256:` and the first 16 digits of a digest of the files.
    columns: per emotion of `emo_jax.labels.EMOTIONS`, its output of the model.
    max_length: tokens that the model reads of a sentence, special ones included.
    device: that it computes on, in float32.
  """

  name: str
  revision: str
  columns: tuple[int, ...]
  max_length: int
  device: str
  tokenizer: Any
  model: Any


def load(model: str, device: str = 'auto') -> Classifier:
  """Loads a classifier.

  Args:
    model: a directory, or a name on the Hugging Face hub (`NAME@REVISION` for one version).
    device: as torch names it, such as `cpu`, `cuda:1` or `mps`; `auto` is an accelerator where
      torch finds one.

  Raises:
    UserError: torch or transformers is missing; the model cannot be had, has no safetensors, lacks
      weights or needs code of its own; its labels are not the seven emotions; no such device.
  """
  torch, transformers = _libraries()
  transformers.logging.set_verbosity_error()
  transformers.logging.disable_progress_bar()
  device = _device(device, torch)
  own = _is_directory(model)
  folder = Path(model).expanduser().resolve() if own else _from_hub(model)
  _require_files(folder, model)
  options = dict(trust_remote_code=False, local_files_only=True)
  with _in_one_line(model):
    config = transformers.AutoConfig.from_pretrained(folder, **options)
  columns = _columns(model, config)
  with _in_one_line(model):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **options)
    network, info = transformers.AutoModelForSequenceClassification.from_pretrained(
      folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **options
    )
  if missing := sorted(info['missing_keys']):
    raise UserError(
      f'{model} lacks {len(missing)} of its weights, such as {missing[0]}: it is not a trained '
      'sequence classifier'
    )
  _require_fitting(tokenizer, network, model)
  if network.config.pad_token_id is None:  # GPT's kind look for a sentence's last token by it
    network.config.pad_token_id = tokenizer.pad_token_id
  return Classifier(
    name=folder.name if own else model.partition('@')[0],
    revision=_digest(folder) if own else folder.name,
    columns=columns,
    max_length=_max_length(tokenizer, network),
    device=device,
    tokenizer=tokenizer,
    model=network.to(device).eval(),
  )


def lengths(classifier: Classifier, texts: Sequence[str]) -> Int[np.ndarray, ' n']:
  """Tokens of each sentence, special ones included, before anything is cut off."""
  found = []
  for start in range(0, len(texts), _CHUNK):
    chunk = list(texts[start : start + _CHUNK])
    tokens = classifier.tokenizer(chunk, verbose=False, return_attention_mask=False)['input_ids']
    found += [len(ids) for ids in tokens]
  return np.array(found, np.int64)


def batches(
  token_counts: Int[np.ndarray, ' n'], batch_size: int
) -> list[Int[np.ndarray, ' batch']]:
  """Indices of sentences in batches of similar length, the longest first.

  The same sentences give the same batches. What does not fit in memory shows at the start.
  """
  order = np.argsort(-token_counts, kind='stable')
  return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def probabilities(classifier: Classifier, texts: Sequence[str]) -> Float[np.ndarray, 'n 7']:
  """The emotions' probabilities of one batch, in the order of `emo_jax.labels.EMOTIONS`.

  Sentences are padded to the longest of the batch; of those beyond `max_length` the end is cut off.

  Raises:
    UserError: an output is not finite, or the device's memory does not hold the batch.
  """
  torch, _ = _libraries()
  tokens = classifier.tokenizer(
    list(texts),
    padding=True,
    truncation=True,
    max_length=classifier.max_length,
    return_tensors='pt',
  )
  try:
    with torch.inference_mode():
      logits = classifier.model(**tokens.to(classifier.device)).logits
  except torch.OutOfMemoryError as error:
    raise UserError(
      f'{len(texts)} sentences at once do not fit in the memory of {classifier.device}: give a '
      'smaller --batch_size'
    ) from error
  shares = torch.softmax(logits.double(), -1).cpu().numpy()[:, list(classifier.columns)]
  if not np.isfinite(shares).all():
    raise UserError(f'{classifier.name} gives outputs that are not finite: its weights are damaged')
  return shares


def _libraries() -> tuple[Any, Any]:
  try:
    import torch
    import transformers
  except ImportError as error:
    raise UserError(
      f"{error.name or error} is missing: labelling text needs pip install 'emo_jax[ter]'"
    ) from error
  return torch, transformers


def _device(wanted: str, torch: Any) -> str:
  if wanted == 'auto':
    there = torch.accelerator.is_available()
    return torch.accelerator.current_accelerator().type if there else 'cpu'
  try:
    torch.zeros(1, device=wanted)
  except (RuntimeError, AssertionError, NotImplementedError) as error:
    reason = str(error).strip().splitlines()[0]
    raise UserError(f'torch has no device {wanted!r} ({reason}): give --device=cpu') from error
  return wanted


def _is_directory(model: str) -> bool:
  if Path(model).expanduser().is_dir():
    return True
  if Path(model).exists() or model.startswith(('.', '/', '~')) or model.endswith('/'):
    raise UserError(f'{model} is no directory: give one with config.json and model.safetensors')
  return False


def _from_hub(model: str) -> Path:
  """The folder of one commit's files in the hub's cache, named after the commit."""
  import huggingface_hub

  name, _, revision = model.partition('@')
  wanted = revision or None
  unreachable = None
  try:  # of its client only this call ends when the hub accepts and never answers
    huggingface_hub.HfApi().model_info(name, revision=wanted, timeout=_HUB_ANSWERS_S)
  except Exception as error:  # the hub's own, and whatever the network raises
    unreachable = error
  try:
    return Path(
      huggingface_hub.snapshot_download(
        name,
        revision=wanted,
        allow_patterns=list(_FILES),
        local_files_only=unreachable is not None,
      )
    )
  except Exception as error:
    raise UserError(
      f'cannot get {model} from the Hugging Face hub: give --model=DIR, a directory with its '
      f'config.json, model.safetensors and tokenizer files ({_one_line(unreachable or error)})'
    ) from error


def _require_files(folder: Path, model: str) -> None:
  if not (folder / 'config.json').is_file():
    raise UserError(f'{model} has no config.json: it is not a transformers model')
  if not any(folder.glob('model*.safetensors')):
    raise UserError(
      f'{model} has no model.safetensors, and pickles (pytorch_model.bin) are never opened: save '
      "it anew with transformers' save_pretrained, or name a converted version, NAME@refs/pr/N"
    )
  # Without these transformers would make a tokenizer that knows no word.
  if not any(any(folder.glob(pattern)) for pattern in _VOCABULARIES):
    raise UserError(f'{model} has no tokenizer.json, nor any other vocabulary of a tokenizer')


def _require_fitting(tokenizer: Any, network: Any, model: str) -> None:
  known = network.config.vocab_size
  if len(tokenizer) > known:
    raise UserError(
      f'{model} has a tokenizer of {len(tokenizer)} tokens for a vocabulary of {known}: it is not '
      'its own'
    )
  if tokenizer.pad_token_id is None:
    raise UserError(f'{model} has no padding token: name one in its tokenizer_config.json')


@contextlib.contextmanager
def _in_one_line(model: str) -> Iterator[None]:
  """Turns what transformers raises about a model's files into a UserError."""
  try:
    yield
  except Exception as error:  # of tokenizers even a bare one
    raise UserError(
      f'{model} cannot be read as a sequence classifier: {_one_line(error)}'
    ) from error


def _one_line(error: Exception) -> str:
  return ' '.join(str(error).split())[:300]


def _columns(model: str, config: Any) -> tuple[int, ...]:
  """Per emotion the output that is named so. Index orders differ among copies of one model."""
  named = {int(i): str(name) for i, name in config.id2label.items()}
  listed = ', '.join(named[i] for i in sorted(named))
  wanted = f'one for each of {", ".join(labels.EMOTIONS)}'
  if config.problem_type == 'multi_label_classification':
    raise UserError(f'{model} gives several labels at once ({listed}); wanted is {wanted}')
  found: dict[int, int] = {}
  for output, name in named.items():
    try:
      emotion = labels.index('emotion', name)
    except UserError as error:
      raise UserError(
        f'{model}: {error}; its labels are {listed}: if they are emotions, name them in id2label '
        'of its config.json'
      ) from error
    if emotion == labels.UNKNOWN or emotion in found:
      raise UserError(f'{model} has the labels {listed}; wanted is {wanted}')
    found[emotion] = output
  if len(found) != len(labels.EMOTIONS) or max(named) >= len(named):
    raise UserError(f'{model} has the labels {listed}; wanted is {wanted}')
  return tuple(found[i] for i in range(len(labels.EMOTIONS)))


def _max_length(tokenizer: Any, network: Any) -> int:
  """What both read; a tokenizer that was saved without a limit claims some 1e30 tokens."""
  limits = [tokenizer.model_max_length]
  if positions := getattr(network.config, 'max_position_embeddings', None):
    tables = (m for n, m in network.named_modules() if n.endswith('position_embeddings'))
    # RoBERTa counts positions from behind the padding's.
    skipped = (getattr(table, 'padding_idx', None) for table in tables)
    limits.append(positions - max((p + 1 for p in skipped if p is not None), default=0))
  return int(min(limits))


def _digest(folder: Path) -> str:
  total = hashlib.sha256()
  for path in sorted({path for pattern in _FILES for path in folder.glob(pattern)}):
    with open(path, 'rb') as f:
      total.update(os.fsencode(path.name) + b'\0' + hashlib.file_digest(f, 'sha256').digest())
  return f'sha256:{total.hexdigest()[:16]}'

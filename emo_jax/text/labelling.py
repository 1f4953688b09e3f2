"""Labels of many sentences, kept batch by batch so that a run that was killed goes on."""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from emo_jax import files, label_files, labels
from emo_jax.errors import UserError
from emo_jax.label_files import Label, LabelFile
from emo_jax.text import emotion
from emo_jax.text.emotion import Classifier
from emo_jax.text.sentences import Sentence

_SECONDS_BETWEEN_LINES = 5.0


def label(
  classifier: Classifier, found: Sequence[Sentence], out: Path, batch_size: int = 32
) -> None:
  """Writes the label file of sentences, in their order.

  Until it is whole, what is done lies in `<out>.partial`, from which the next call goes on. Batches
  depend on all sentences, not on what is left: the file is that of an uninterrupted run.

  Raises:
    UserError: `out` or its partial file is of another model or of other sentences, or cannot be
      written.
  """
  ids = [s.id for s in found]
  partial, kept_origin = (out.with_name(out.name + end) for end in ('.partial', '.origin.json'))
  origin = _origin(classifier, found)
  if out.exists():
    _require_same(out, classifier, ids)
    if kept_origin.exists() and json.loads(kept_origin.read_text()) != origin:
      raise UserError(f'{out} has the labels of other texts: delete it or name another --out')
    partial.unlink(missing_ok=True)  # killed right after the file was whole
    print(f'{out} is done already', file=sys.stderr)
    return
  try:
    shares = _resume(partial, origin)
    with open(partial, 'a', encoding='utf-8') as f:
      if not f.tell():
        _append(f, origin)
      done = {i for i, sentence in enumerate(ids) if sentence in shares}
      for batch, rows in classify(classifier, [s.text for s in found], batch_size, done):
        new = {ids[i]: row for i, row in zip(batch, rows.tolist(), strict=True)}
        _append(f, new)
        shares |= new
    made = {i: Label(labels.EMOTIONS[int(np.argmax(shares[i]))], tuple(shares[i])) for i in ids}
    with files.replacing(kept_origin) as unfinished:
      unfinished.write_text(json.dumps(origin))
    label_files.write(out, LabelFile(made, classifier.name, classifier.revision))
    partial.unlink()
  except OSError as error:
    raise UserError(f'cannot write {out}: {error.strerror or error}') from error


def classify(
  classifier: Classifier, texts: Sequence[str], batch_size: int, done: Set[int] = frozenset()
) -> Iterator[tuple[Int[np.ndarray, ' batch'], Float[np.ndarray, 'batch 7']]]:
  """Indices of sentences and the emotions' probabilities, batch by batch.

  Says on stderr how far it is, and how many sentences are longer than the model reads.

  Args:
    done: sentences that need not be classified again; a batch of such is left out.
  """
  counts = emotion.lengths(classifier, texts)
  if cut := int((counts > classifier.max_length).sum()):
    _say(f'{cut} of {len(texts)} sentences are cut off at {classifier.max_length} tokens')
  read = np.minimum(counts, classifier.max_length)
  left = [b for b in emotion.batches(read, batch_size) if not set(b.tolist()) <= done]
  work = np.array([len(batch) * read[batch[0]] for batch in left])  # tokens, padding included
  sizes = np.array([len(batch) for batch in left])
  began = told = time.perf_counter()
  for step, batch in enumerate(left, 1):
    yield batch, emotion.probabilities(classifier, [texts[i] for i in batch])
    now = time.perf_counter()
    if step == len(left) or now - told >= _SECONDS_BETWEEN_LINES:
      told = now
      finished = int(sizes[:step].sum())
      seconds = int((now - began) * work[step:].sum() / work[:step].sum())
      _say(
        f'{len(texts) - int(sizes[step:].sum())}/{len(texts)} sentences  '
        f'{finished / (now - began):,.1f} sentences/s  {seconds // 60}:{seconds % 60:02d} left'
      )


def _say(line: str) -> None:
  print(line, file=sys.stderr, flush=True)


def _origin(classifier: Classifier, found: Sequence[Sentence]) -> dict[str, str]:
  """What a partial file is of."""
  said = json.dumps([[s.id, s.text] for s in found]).encode()
  return dict(
    model=classifier.name,
    revision=classifier.revision,
    sentences=hashlib.sha256(said).hexdigest(),
  )


def _append(f: Any, line: dict[str, Any]) -> None:
  f.write(json.dumps(line) + '\n')
  f.flush()


def _resume(partial: Path, origin: dict[str, str]) -> dict[str, list[float]]:
  """Probabilities by id that a partial file holds; a last line that is torn is cut off."""
  if not partial.exists():
    return {}
  whole = partial.read_bytes()
  lines = whole[: whole.rfind(b'\n') + 1]
  try:
    first, *rest = [json.loads(line) for line in lines.splitlines()] or [_torn(whole, origin)]
    differing = [key for key in origin if first[key] != origin[key]]
    shares = {i: row for line in rest for i, row in line.items()}
  except (ValueError, KeyError, TypeError, AttributeError) as error:
    raise UserError(f'{partial} is not what a killed run leaves: delete it') from error
  if differing:
    what = 'other sentences' if differing == ['sentences'] else _named(first)
    raise UserError(f'{partial} is of {what}: delete it or name another --out')
  os.truncate(partial, len(lines))
  if shares:
    _say(f'{len(shares)} sentences were done before')
  return shares


def _torn(whole: bytes, origin: dict[str, str]) -> dict[str, str]:
  if not json.dumps(origin).encode().startswith(whole):
    raise ValueError('the first line is not ours')
  return origin


def _named(origin: dict[str, str]) -> str:
  return f'the model {origin["model"]} {origin["revision"]}'


def _require_same(out: Path, classifier: Classifier, ids: Sequence[str]) -> None:
  there = label_files.read(out)
  if (there.model, there.revision) != (classifier.name, classifier.revision):
    of = _named(dict(model=there.model, revision=there.revision)) if there.model else 'a person'
    raise UserError(f'{out} has the labels of {of}: name another --out')
  if list(there.labels) != list(ids):
    raise UserError(f'{out} has the labels of other sentences: delete it or name another --out')

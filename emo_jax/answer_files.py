"""Anybody's answers for clips: a run's predictions, another model's lines, or a person's CSV."""

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emo_jax import csv_tables, labels
from emo_jax.errors import UserError, first_of
from emo_jax.references import References

_NAMED = 3  # ids that a message names
_SHOWN = 40  # characters of a label that fits no class


@dataclasses.dataclass(frozen=True)
class Answer:
  """What was said of one clip.

  Attributes:
    id: the clip's.
    label: index into the task's labels, None if what was said is none of them.
    said: what was said, where it was a word.
    true: name of the clip's label if the file has it, else None.
    repeat: seed and draw of a run's predictions.
  """

  id: str
  label: int | None
  said: str = ''
  true: str | None = None
  repeat: tuple[int, int] = (0, 0)


@dataclasses.dataclass(frozen=True)
class Answers:
  """What a file holds.

  Attributes:
    answers: in its order.
    of_features: does a line of a run's predictions, made from stored features, occur?
  """

  answers: Sequence[Answer]
  of_features: bool = False


def read(path: Path, task: str) -> Answers:
  """Reads a file of answers: a CSV with `id` and `label`, or JSON lines.

  A line is a run's prediction (`emo_jax.predictions.Prediction`) or has an `id` and a `label`, by
  name or known synonym; null, an empty or an unknown name fit no class. A person's CSV must hold
  labels: an unknown one is a slip of the pen. Its other columns are not read.

  Raises:
    UserError: as `csv_tables.read_by_id`; an unknown or empty label in a CSV; a line that is
      neither of the two.
  """
  labels.names(task)
  if path.suffix.lower() == '.csv':
    rows = csv_tables.read_by_id(path, ('label',))
    return Answers([_of_person(id_, *row, task) for id_, row in rows.items()])
  try:
    lines = path.read_text(encoding='utf-8-sig').split('\n')
  except UnicodeDecodeError as error:
    raise UserError(f'{path} is not UTF-8 ({error.reason}): name a .jsonl or .csv file') from error
  except OSError as error:
    raise UserError(f'cannot read {path}: {error.strerror or error}') from error
  found, of_features = [], False
  for number, line in enumerate(lines, start=1):
    if line.strip():
      cells = _object(line, f'{path}, line {number}')
      found.append(_of_model(cells, task, f'{path}, line {number}'))
      of_features |= 'label' not in cells
  return Answers(found, of_features)


def repeats(
  found: Answers, reference: References, path: Path, also: References
) -> list[list[Answer]]:
  """The answers of each seed and draw for the labelled clips, in the reference's order.

  Args:
    found: what `path` holds.
    reference: the clips to be scored; each needs one answer per seed and draw.
    path: for messages.
    also: clips that may be answered as well.

  Raises:
    UserError: a clip without an answer, with two, or an answer to no clip of `also`; or the file's
      true label of a clip is another than the data set's.
  """
  groups: dict[tuple[int, int], list[Answer]] = {}
  for answer in found.answers:
    groups.setdefault(answer.repeat, []).append(answer)
  wanted = reference.labelled
  for answers in groups.values() or [[]]:
    ids = Counter(answer.id for answer in answers)
    wrong = [
      _count([i for i in wanted if i not in ids], 'not answered'),
      _count([i for i in ids if i not in also.clips], 'unknown'),
      _count([i for i, n in ids.items() if n > 1], 'answered more than once'),
    ]
    if any(wrong):
      raise UserError(
        f'{path} and the {len(wanted)} labelled clips of {reference.corpus}:{reference.split}: '
        f'{"; ".join(filter(None, wrong))}: each must be answered once'
      )
  for answer in found.answers:
    true = also.clips[answer.id].true
    if None not in (answer.true, true) and answer.true != true:
      raise UserError(
        f'{path} has {answer.true} as the true label of {answer.id}, {reference.corpus} has '
        f'{true}: it was made on another data set, or for another task than {reference.task}'
      )
  return [
    [by_id[id_] for id_ in wanted]
    for by_id in ({a.id: a for a in groups[key]} for key in sorted(groups))
  ]


def _count(ids: Sequence[str], what: str) -> str:
  return f'{len(ids)} {what} ({first_of(ids, _NAMED)})' if ids else ''


def _of_person(id_: str, where: str, cells: Mapping[str, str], task: str) -> Answer:
  try:
    label = labels.index(task, cells['label'])
  except UserError as error:
    raise UserError(f'{where}: {error}') from error
  if label == labels.UNKNOWN:
    raise UserError(f'{where}: no label')
  return Answer(id_, label)


def _object(line: str, where: str) -> dict[str, Any]:
  try:
    cells = json.loads(line)
  except ValueError:
    cells = None
  if not isinstance(cells, dict):
    raise UserError(f'{where}: no JSON object: write {{"id": ..., "label": ...}} per clip')
  if not isinstance(cells.get('id'), str) or not cells['id']:
    raise UserError(f'{where}: no id, which must be text')
  return cells


def _of_model(cells: Mapping[str, Any], task: str, where: str) -> Answer:
  said, true = cells.get('label'), cells.get('true')
  repeat = cells.get('seed', 0), cells.get('draw', 0)
  if not all(type(n) is int for n in repeat):
    raise UserError(f'{where}: seed and draw must be whole numbers')
  if true is not None:
    true = labels.names(task)[_true(true, task, where)]
  if 'label' not in cells:
    return Answer(cells['id'], _most_probable(cells, task, where), true=true, repeat=repeat)
  if said is not None and not isinstance(said, str):
    raise UserError(f'{where}: the label is {said!r}; labels go by name, or null for none')
  try:
    label = labels.index(task, said or '')
  except UserError:
    label = labels.UNKNOWN
  known = None if label == labels.UNKNOWN else label
  return Answer(cells['id'], known, ' '.join((said or '').split())[:_SHOWN], true, repeat)


def _true(name: Any, task: str, where: str) -> int:
  try:
    index = labels.index(task, name if isinstance(name, str) else repr(name))
  except UserError as error:
    raise UserError(f'{where}: its true label is of another task: {error}') from error
  if index == labels.UNKNOWN:
    raise UserError(f'{where}: the true label is empty; leave it out where it is unknown')
  return index


def _most_probable(cells: Mapping[str, Any], task: str, where: str) -> int:
  names, shares = labels.names(task), cells.get('probabilities')
  if not isinstance(shares, dict):
    raise UserError(f'{where}: neither a label nor probabilities')
  if set(shares) != set(names):
    raise UserError(
      f'{where}: probabilities of {", ".join(shares) or "nothing"}; the labels of {task} are '
      f'{", ".join(names)}'
    )
  values = [shares[name] for name in names]
  if not all(type(v) in (int, float) and math.isfinite(v) and v >= 0 for v in values):
    raise UserError(f'{where}: a probability is no number of at least 0')
  return int(np.argmax(values))

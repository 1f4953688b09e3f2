"""Answers of another model or of a person in a folder that emo_jax.report takes like a run's."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emo_jax import corpora, labels, predictions, provenance, published, run_dir
from emo_jax.answer_files import Answer
from emo_jax.errors import UserError
from emo_jax.predictions import Prediction
from emo_jax.references import References
from emo_jax.statistics import summary

_SEGMENT = 'full'  # a clip is answered as a whole


def write(
  folder: Path, path: Path, repeats: Sequence[Sequence[Answer]], clips: References, row: str
) -> None:
  """Writes `config.json`, the answers as predictions, and last `report.json`.

  Args:
    folder: to write; answers scored there before are replaced.
    path: of the answers; the line is called after the file.
    repeats: answers to the labelled clips, as of answer_files.repeats.
    clips: that were answered.
    row: of the published tables, as `table6/gpt4o`; empty for none.

  Raises:
    UserError: the folder holds something else or cannot be written, or `row` is of another task or
      corpus.
  """
  if row:
    _require_of_table(row, clips)
  _claim(folder)
  try:
    _write(folder, path, repeats, clips, row)
  except OSError as error:
    raise UserError(f'cannot write to {folder}: {error.strerror or error}') from error


def _require_of_table(row: str, clips: References) -> None:
  table, _ = published.row(row)
  theirs = f'{table.task} of {table.corpus}:{table.split}'
  if (clips.task, clips.split) != (table.task, table.split) or not table.has_clips_of(clips.corpus):
    ours = f'{clips.task} of {clips.corpus}:{clips.split}'
    raise UserError(f'--row={row} is about {theirs}, these answers are about {ours}')


def _claim(folder: Path) -> None:
  if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
    return
  remedy = 'name another --out'
  if not folder.is_dir() or not (folder / 'config.json').exists():
    raise UserError(f'--out={folder} is there and holds no scored answers: {remedy}')
  if 'answers' not in run_dir.read_json(folder / 'config.json', remedy):
    raise UserError(f'--out={folder} holds a run: {remedy}')


def _write(
  folder: Path, path: Path, repeats: Sequence[Sequence[Answer]], clips: References, row: str
) -> None:
  folder.mkdir(parents=True, exist_ok=True)
  (folder / 'report.json').unlink(missing_ok=True)
  source = dict(file=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
  config = dict(name=path.stem, row=row, task=clips.task, eval=dict(segment=_SEGMENT))
  run_dir.write_json(folder / 'config.json', config | dict(answers=source))
  found = _as_predictions(repeats, clips)
  predictions.write(predictions.file(folder, clips.corpus, clips.split, _SEGMENT), found)
  synthetic = clips.corpus.split('/')[0] == corpora.EMBEDDED
  entry: dict[str, Any] = dict(corpus=clips.corpus, split=clips.split, segment=_SEGMENT)
  entry |= predictions.score(found, clips.task)
  entry |= dict(
    task=clips.task,
    nll=None,
    features={},
    synthetic=synthetic,
    random_backbone=False,
    seen=False,
    statistics=summary.summary(found, clips.task, clips.corpus, probable=False),
  )
  run_dir.write_json(
    folder / 'report.json',
    dict(
      name=path.stem,
      row=row,
      task=clips.task,
      answers=source,
      synthetic=synthetic,
      random_backbone=False,
      provenance={},
      information=provenance.information(),
      evals=[entry],
    ),
  )


def _as_predictions(repeats: Sequence[Sequence[Answer]], clips: References) -> list[Prediction]:
  """Every labelled clip as it was answered, the others without an answer."""
  names, found = labels.names(clips.task), []
  for answers in repeats:
    seed, draw = answers[0].repeat
    by_id = {answer.id: answer for answer in answers}
    for id_, clip in clips.clips.items():
      said = by_id[id_].label if id_ in by_id else None
      found.append(
        Prediction(
          id=id_,
          true=clip.true,
          probabilities={name: float(i == said) for i, name in enumerate(names)},
          has_face=True,
          signer=clip.signer,
          utterance=clip.utterance,
          seed=seed,
          draw=draw,
        )
      )
  return found

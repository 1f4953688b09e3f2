"""Scoring trained heads on splits of corpora, for a run's report."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emo_jax import corpora, inference, predictions, preprocess, provenance, run_dir, run_report
from emo_jax.errors import UserError, require
from emo_jax.finished_runs import has_seen, open_run, open_split_for, refuse_folds
from emo_jax.predictions import Prediction
from emo_jax.statistics import summary


def predicted(
  heads: Sequence[inference.Trained], split: corpora.Split, segment: str
) -> list[Prediction]:
  """A split by every head."""
  return [prediction for head in heads for prediction in head(split, segment)]


def scored(
  config: Mapping[str, Any],
  workdir: Path,
  split: corpora.Split,
  segment: str,
  found: Sequence[Prediction],
) -> dict[str, Any]:
  """Writes `predictions/<corpus>-<split>-<segment>.jsonl` and scores them from the file.

  Args:
    config, workdir: of the run.
    split, segment: what is predicted.
    found: by all of its heads.

  Returns:
    An entry of `evals`.
  """
  task, (corpus, name) = config['task'], corpora.parse(split.spec)
  path = predictions.file(workdir, corpus, name, segment)
  predictions.write(path, found)
  entry = dict(corpus=corpus, split=name, segment=segment, task=task)
  entry |= predictions.score(predictions.read(path), task)
  entry |= dict(
    min_coverage=dict(config.get('min_coverage', {})),
    features=dict(split.key),
    synthetic=provenance.is_synthetic(split.key),
    random_backbone=provenance.is_random(split.key),
    seen=False,
    statistics=summary.summary(found, task, corpus),
  )
  repeats = f', mean of {entry["n_repeats"]} repeats' if entry['n_repeats'] > 1 else ''
  print(
    f'{split.spec} ({segment}{repeats}): {entry["n"]} of {entry["n_clips"]} clips are labelled for '
    f'{task}, {entry["n_without_face"]} have no face, '
    f'{entry["n_low_coverage"]} are marked for low coverage',
    file=sys.stderr,
  )
  return entry


def shared_videos(result: Mapping[str, Any], split: corpora.Split) -> dict[str, int]:
  """How many videos the split's clips are cut out of, and how many of them were trained or selected
  on too."""
  videos = split.videos
  return dict(
    n_videos=len(videos),
    n_videos_trained_on=len(videos.intersection(result.get('training_videos', ()))),
    n_videos_selected_on=len(videos.intersection(result.get('selection_videos', ()))),
  )


def score_run(
  workdir: Path, corpus: str, split: str, data_dir: str, segment: str
) -> dict[str, Any]:
  """Scores a finished run on another corpus and adds the result to its report.

  Args:
    workdir: of the run.
    corpus, split: as in `ejsl` and `all`.
    data_dir: where the corpus lies; empty: where the run's own were looked for.
    segment: empty: the run's own.

  Returns:
    The entry added to `evals`.
  """
  run = open_run(workdir)
  config, result = run.config, run.report
  require(segment or 'full', preprocess.SEGMENTS, '--segment')
  refuse_folds(workdir, run)
  other = open_split_for(run, f'{corpus}:{split}', data_dir)
  if config['task'] not in other.tasks:
    raise UserError(f'{corpus} has no labels for {config["task"]}; it has {", ".join(other.tasks)}')
  with run_dir.locked(workdir):
    segment = segment or config['eval']['segment']
    entry = scored(config, workdir, other, segment, predicted(run.trained(), other, segment))
    entry |= shared_videos(result, other)
    entry['seen'] = has_seen(run, other)
    result = run_report.read(workdir)  # another may have added to it
    run_report.add(result, entry)
    run_report.write(workdir, result, config['paper'])
  return entry

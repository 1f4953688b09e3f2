"""A run from config to report: train, score on every test split, write the tables and figures."""

import dataclasses
import itertools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from emo_jax import (
  config_check,
  corpora,
  inference,
  predictions,
  preprocess,
  provenance,
  run_dir,
  run_report,
  train,
)
from emo_jax.checkpoints import Checkpoints
from emo_jax.errors import UserError, require


def run(config: Mapping[str, Any], workdir: Path) -> dict[str, Any]:
  """Trains, evaluates and reports; a run started again in its workdir goes on where it was.

  Returns:
    The contents of `report.json`.

  Raises:
    UserError: whatever the user can mend.
  """
  config_check.check(config)
  data_dir, embedded = corpora.locate(config['data']['dir'], config['data']['train'])
  names = config['embedded' if embedded else 'data']
  if not names['train']:
    raise UserError(
      f'no directory holds {config["data"]["train"]}: build it with python -m tfds_builders.build '
      'and name its --data_dir by --config.data.dir'
    )
  if embedded:
    print(
      f'no directory holds {config["data"]["train"]}: using the embedded SYNTHETIC corpus '
      f'{corpora.EMBEDDED}. Its scores say nothing about real signers.',
      file=sys.stderr,
    )
  specs = [names['train'], names['validation'], *names['test']]
  for one, other in itertools.combinations(specs, 2):
    if corpora.overlap(one, other):
      _refuse_shared(one, other)
  training, validation, *tests = (corpora.open_split(spec, data_dir) for spec in specs)
  for other in (validation, *tests):
    corpora.require_mixable(training.key, other)
  for one, other in itertools.combinations((training, validation, *tests), 2):
    if corpora.share_clips(one, other):
      _refuse_shared(one.spec, other.spec)
  used = dict(
    train=training.spec,
    validation=validation.spec,
    clips=[len(training.source), len(validation.source)],
    features=training.key,
  )
  run_dir.claim(workdir, config, used)
  return finish(config, workdir, training, validation, tests)


def _refuse_shared(one: str, other: str) -> NoReturn:
  raise UserError(f'{one} and {other} share clips: train, validation and test must not')


def finish(
  config: Mapping[str, Any],
  workdir: Path,
  training: corpora.Split,
  validation: corpora.Split,
  tests: Sequence[corpora.Split],
) -> dict[str, Any]:
  """`run` from the point where its splits are open and its workdir is claimed."""
  fitted = train.fit(config, workdir, training, validation)
  result = dict(
    name=config['name'],
    task=config['task'],
    synthetic=provenance.is_synthetic(training.key),
    random_backbone=provenance.is_random(training.key),
    params=run_report.parameter_counts(fitted.params),
    trained_on=training.spec,
    training_videos=sorted(training.videos),
    selection_videos=sorted(validation.videos),
    labelled_by=training.labelled_by,
    training_clips=fitted.clips,
    selected_on=validation.spec,
    selected_step=fitted.step,
    temperature=fitted.temperature,
    provenance=dict(training.key),
    information=provenance.information(),
    evals=[],
  )
  if (workdir / 'report.json').exists():
    # The run had finished; what `evaluate` has added since is of the same model.
    result['evals'] = run_report.read(workdir)['evals']
  trained = inference.Trained(config, fitted.params, fitted.temperature)
  for test in tests:
    entry = score(trained, workdir, test, config['eval']['segment'])
    run_report.add(result, entry | shared_videos(result, test))
  return run_report.write(workdir, result, config['paper'])


@dataclasses.dataclass(frozen=True)
class Finished:
  """A finished run.

  Attributes:
    config: of the run.
    report: contents of `report.json`.
    params: of the selected model, on the host.
  """

  config: dict[str, Any]
  report: dict[str, Any]
  params: Any


def open_run(workdir: Path) -> Finished:
  """Opens a finished run. Raises UserError if there is none or it has not finished."""
  config = run_dir.read_config(workdir)
  result = run_report.read(workdir)
  params = Checkpoints(workdir / 'checkpoints').restore_state()['best']['params']
  return Finished(config, result, params)


def score(
  trained: inference.Trained, workdir: Path, split: corpora.Split, segment: str
) -> dict[str, Any]:
  """Scores a split; writes `predictions/<corpus>-<split>-<segment>.jsonl`.

  Returns:
    An entry of `evals`.
  """
  task, found = trained.config['task'], trained(split, segment)
  corpus, name = corpora.parse(split.spec)
  path = workdir / 'predictions' / run_dir.file_name(f'{corpus}-{name}-{segment}.jsonl')
  predictions.write(path, found)
  entry = dict(corpus=corpus, split=name, segment=segment, task=task)
  entry |= predictions.score(predictions.read(path), task)
  entry |= dict(
    min_coverage=dict(trained.config.get('min_coverage', {})),
    features=dict(split.key),
    synthetic=provenance.is_synthetic(split.key),
    random_backbone=provenance.is_random(split.key),
    seen=False,
  )
  print(
    f'{split.spec} ({segment}): {entry["n"]} of {len(found)} clips are labelled for '
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
  spec = f'{corpus}:{split}'
  where, _ = corpora.locate(data_dir or config['data']['dir'], spec)
  other = corpora.open_split(spec, where)
  corpora.require_mixable(result['provenance'], other)
  if config['task'] not in other.tasks:
    raise UserError(f'{corpus} has no labels for {config["task"]}; it has {", ".join(other.tasks)}')
  trained = inference.Trained(config, run.params, result['temperature'])
  entry = score(trained, workdir, other, segment or config['eval']['segment'])
  entry |= shared_videos(result, other)
  entry['seen'] = any(corpora.overlap(spec, result[k]) for k in ('trained_on', 'selected_on'))
  run_report.add(result, entry)
  run_report.write(workdir, result, config['paper'])
  return entry

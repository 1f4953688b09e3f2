"""A run from config to report: train its heads, score the test splits, write tables and figures."""

import contextlib
import hashlib
import itertools
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from emo_jax import (
  config_check,
  corpora,
  evaluation,
  inference,
  members,
  processes,
  provenance,
  run_dir,
  run_report,
  train,
  weights,
)
from emo_jax.errors import UserError
from emo_jax.finished_runs import (
  heads_of,
  open_run,
  trained_where,
)
from emo_jax.members import Member
from emo_jax.predictions import Prediction
from emo_jax.training_head import Fitted


def run(config: Mapping[str, Any], workdir: Path, trained_in: Path | None = None) -> dict[str, Any]:
  """Trains, evaluates and reports; a run started again in its workdir goes on where it was.

  Args:
    config: of the run (configs/eanwh.py).
    workdir: of the run.
    trained_in: workdir of a finished run whose training is the same, to be scored by this config
      instead of training again.

  Returns:
    The contents of `report.json`.

  Raises:
    UserError: whatever the user can mend.
  """
  config_check.check(config)
  names, data_dir = _names_of_corpora(config)
  specs = _specs(names)
  for one, other in itertools.combinations(specs, 2):
    if corpora.overlap(one, other):
      _refuse_shared(one, other)
  opened = _opened(specs, data_dir)
  for other in list(opened.values())[1:]:
    corpora.require_mixable(opened[specs[0]].key, other)
  for one, other in itertools.combinations(opened.values(), 2):
    if corpora.share_clips(one, other):
      _refuse_shared(one.spec, other.spec)
  training, folded, validation = (
    opened.get(names[part]) for part in ('train', 'folds', 'validation')
  )
  tests = [opened[spec] for spec in names['test']]
  with contextlib.ExitStack() as held:
    processes.by_first(lambda: held.enter_context(run_dir.locked(workdir)))
    used = _used(config, names, opened)
    processes.by_first(lambda: run_dir.claim(workdir, config, used))
    if folded:
      return cross_validate(config, workdir, folded, training, trained_in)
    return finish(config, workdir, training, validation, tests, trained_in)


def is_finished(config: Mapping[str, Any], workdir: Path) -> bool:
  """Has this run ended in its workdir? Raises UserError if another has, or one on other data."""
  if not _has_report(workdir):
    return False
  names, data_dir = _names_of_corpora(config)
  opened = {spec: corpora.open_split(spec, data_dir) for spec in _specs(names)}
  run_dir.claim(workdir, config, _used(config, names, opened))
  return True


def _opened(specs: Sequence[str], data_dir: Path) -> dict[str, corpora.Split]:
  def all_of_them():
    return {spec: corpora.open_split(spec, data_dir) for spec in specs}

  if processes.count() > 1:  # the first may have to build what is embedded
    processes.by_first(lambda: all_of_them() and None)
  return all_of_them()


def _has_report(workdir: Path) -> bool:
  """A report that cannot be read is made again."""
  try:
    return 'evals' in run_report.read(workdir)
  except UserError:
    return False


def _specs(names: Mapping[str, Any]) -> list[str]:
  """Of everything a run reads, what it learns from first."""
  return [names[p] for p in ('train', 'folds', 'validation') if names[p]] + [*names['test']]


def _used(
  config: Mapping[str, Any], names: Mapping[str, Any], opened: Mapping[str, corpora.Split]
) -> dict[str, Any]:
  """What a run reads, for its `config.json`: the same config on other data is another run."""
  path = config['init_weights']
  return dict(
    train=names['train'],
    folds=names['folds'],
    validation=names['validation'],
    clips={spec: len(split.source) for spec, split in opened.items()},
    labelled_by={spec: split.labelled_by for spec, split in opened.items() if split.labelled_by},
    features=next(iter(opened.values())).key,
    init_weights=hashlib.sha256(Path(path).read_bytes()).hexdigest()
    if path and Path(path).is_file()
    else '',
  )


def _names_of_corpora(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], Path]:
  """The specs of a run's corpora, real or embedded, and where they lie."""
  wanted = config['data']
  if not _specs(wanted):
    raise UserError(
      f'{config["name"]} names no corpus: give config.data.train, .folds or .test one'
    )
  leading = _specs(wanted)[0]
  data_dir, embedded = corpora.locate(wanted['dir'], leading)
  names = config['embedded' if embedded else 'data']
  if not (names['train'] or names['folds'] or names['test']):
    raise UserError(
      f'no directory holds {leading}: build it with python -m tfds_builders.build '
      'and name its --data_dir by --config.data.dir'
    )
  if embedded:
    print(
      f'no directory holds {leading}: using the embedded SYNTHETIC corpus '
      f'{corpora.EMBEDDED}. Its scores say nothing about real signers.',
      file=sys.stderr,
    )
  return names, data_dir


def _refuse_shared(one: str, other: str) -> NoReturn:
  raise UserError(f'{one} and {other} share clips: train, validation and test must not')


def finish(
  config: Mapping[str, Any],
  workdir: Path,
  training: corpora.Split | None,
  validation: corpora.Split | None,
  tests: Sequence[corpora.Split],
  trained_in: Path | None = None,
) -> dict[str, Any]:
  """`run` from the point where its splits are open and its workdir is claimed, without folds."""
  heads = members.repeated(config, training, validation) if training else []
  if trained_in:
    fitted = _fitted_in(trained_in, config, workdir)
  elif heads:
    fitted = train.fit_all(config, workdir, heads)
  else:
    fitted = [train.untrained(config, workdir, tests)]
  heads = heads or [Member('', config['seed'], tests[0], None)]
  facts = dict(
    trained_on=training.spec if training else '',
    learnt_specs=[split.spec for split in (training, validation) if training and split],
    training_videos=sorted(training.videos) if training else [],
    labelled_by=training.labelled_by if training else '',
    selected_on=validation.spec if training and validation else '',
    selection_videos=sorted(validation.videos) if training and validation else [],
  )
  trained = _trained(config, heads, fitted)
  found = [(test, evaluation.predicted(trained, test, config['eval']['segment'])) for test in tests]
  return processes.by_first(
    lambda: _reported(config, workdir, heads, fitted, trained_in, facts, found)
  )


def cross_validate(
  config: Mapping[str, Any],
  workdir: Path,
  corpus: corpora.Split,
  also: corpora.Split | None,
  trained_in: Path | None = None,
) -> dict[str, Any]:
  """`run` over the folds of a corpus: every clip is scored by the heads that did not learn from it,
  and the folds are pooled before scoring.

  Args:
    config, workdir, trained_in: as of `run`.
    corpus: that is folded.
    also: clips that every head learns from besides.
  """
  folds, heads = members.cross_validated(config, corpus, also)
  if trained_in:
    fitted = _fitted_in(trained_in, config, workdir)
  else:
    fitted = train.fit_all(config, workdir, heads)
  own = f'{corpus.spec} without the tested fold'
  facts = dict(
    folds=[dict(name=fold.name, signers=list(fold.signers)) for fold in folds],
    trained_on=f'{also.spec} and {own}' if also else own,
    learnt_specs=[corpus.spec, *([also.spec] if also else [])],
    training_videos=sorted(also.videos) if also else [],
    labelled_by=also.labelled_by if also else '',
    selected_on='the next fold' if config['folds']['validation'] == 'next' else '',
    selection_videos=[],
  )
  found = [
    prediction
    for head, trained in zip(heads, _trained(config, heads, fitted), strict=True)
    for prediction in trained(head.test, config['eval']['segment'])
  ]
  return processes.by_first(
    lambda: _reported(config, workdir, heads, fitted, trained_in, facts, [(corpus, found)])
  )


def _reported(
  config: Mapping[str, Any],
  workdir: Path,
  heads: Sequence[Member],
  fitted: Sequence[Fitted],
  trained_in: Path | None,
  facts: Mapping[str, Any],
  found: Sequence[tuple[corpora.Split, list[Prediction]]],
) -> dict[str, Any]:
  """Writes the report of what was trained, with `facts` about it, and of what it predicted."""
  result = _result(config, workdir, heads, fitted, trained_in) | facts
  for split, predictions in found:
    entry = evaluation.scored(config, workdir, split, config['eval']['segment'], predictions)
    run_report.add(result, entry | evaluation.shared_videos(result, split))
  return run_report.write(workdir, result, config['paper'])


def _result(
  config: Mapping[str, Any],
  workdir: Path,
  heads: Sequence[Member],
  fitted: Sequence[Fitted],
  trained_in: Path | None,
) -> dict[str, Any]:
  """The report before anything is scored."""
  key, first = heads[0].train.key, fitted[0]
  result = dict(
    name=config['name'],
    row=config['row'],
    task=config['task'],
    synthetic=provenance.is_synthetic(key),
    random_backbone=provenance.is_random(key),
    params=run_report.parameter_counts(first.params, config['model']['kind']),
    training_clips=first.clips,
    selected_step=first.step,
    temperature=first.temperature,
    heads=[
      dict(
        name=head.name,
        seed=head.seed,
        step=one.step,
        temperature=one.temperature,
        selected_score=one.score,
        params_sha256=weights.tensors_id(one.params),
        learnt_from=one.clips['learnt_from'],
      )
      for head, one in zip(heads, fitted, strict=True)
    ],
    folds=[],
    trained_in=os.path.relpath(trained_where(trained_in), workdir) if trained_in else '',
    provenance=dict(key),
    information=provenance.information(),
    evals=[],
  )
  if _has_report(workdir):
    # The run had finished; what `evaluate` has added since is of the same model.
    result['evals'] = run_report.read(workdir)['evals']
  return result


def _trained(
  config: Mapping[str, Any], heads: Sequence[Member], fitted: Sequence[Fitted]
) -> list[inference.Trained]:
  return [
    inference.trained_head(config, head.seed, one.params, one.temperature)
    for head, one in zip(heads, fitted, strict=True)
  ]


def _fitted_in(trained_in: Path, config: Mapping[str, Any], workdir: Path) -> list[Fitted]:
  """The heads of a finished run. Raises UserError if its training is not that of the config."""
  there = open_run(trained_in)
  wanted = {**config, 'used': run_dir.read_config(workdir).get('used', {})}
  one, other = (
    run_dir.flatten(run_dir.plain(config_check.training_part(c) | dict(used=_used_in_training(c))))
    for c in (there.config, wanted)
  )
  different = [name for name in one.keys() | other.keys() if one.get(name) != other.get(name)]
  if different:
    name = sorted(different)[0]
    raise UserError(
      f'{trained_in} was trained with {name}={one.get(name)}, {config["name"]} has '
      f'{other.get(name)}: train it itself'
    )
  clips = there.report['training_clips']
  return [
    Fitted(
      params,
      head['step'],
      head['temperature'],
      head['selected_score'],
      clips | dict(learnt_from=head['learnt_from']),
    )
    for head, params in zip(heads_of(there.config, there.report), there.heads.values(), strict=True)
  ]


def _used_in_training(config: Mapping[str, Any]) -> dict[str, Any]:
  """What `config.json` says was read, without the tests."""
  used = config.get('used', {})
  learnt = [used.get(part) for part in ('train', 'folds', 'validation')]
  part = {k: used.get(k) for k in ('train', 'folds', 'validation', 'features', 'init_weights')}
  for name in ('clips', 'labelled_by'):
    part[name] = {spec: v for spec, v in used.get(name, {}).items() if spec in learnt}
  return part

"""Finished runs: what their training ended with, and what they may be asked about."""

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emo_jax import corpora, inference, run_dir, run_report, weights
from emo_jax.checkpoints import Checkpoints
from emo_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Finished:
  """A finished run.

  Attributes:
    config: of the run.
    report: contents of `report.json`.
    heads: what its training ended with, by `Member.name`.
  """

  config: dict[str, Any]
  report: dict[str, Any]
  heads: dict[str, Any]

  @property
  def params(self) -> Any:
    """Of the selected model, on the host; of several heads the first one's."""
    return next(iter(self.heads.values()))

  def trained(self) -> list[inference.Trained]:
    """Every head, ready to predict."""
    heads = zip(heads_of(self.config, self.report), self.heads.values(), strict=True)
    return [
      inference.trained_head(self.config, head['seed'], params, head['temperature'])
      for head, params in heads
    ]


def open_run(workdir: Path) -> Finished:
  """Opens a finished run. Raises UserError if there is none or it has not finished."""
  config = run_dir.read_config(workdir)
  result = run_report.read(workdir)
  if 'answers' in result:
    raise UserError(f'{workdir} holds scored answers of others, and no model: name a run')
  root = workdir / result.get('trained_in', '')
  params = {}
  for head in heads_of(config, result):
    folder = run_dir.head_folder(root, head['name'])
    if not (folder / 'checkpoints').is_dir():
      raise UserError(f'{workdir} was trained in {folder}, which has no checkpoints: put them back')
    found = Checkpoints(folder / 'checkpoints').restore_state()['best']['params']
    wanted = head.get('params_sha256')  # reports of earlier versions have none
    if wanted and wanted != weights.tensors_id(found):
      raise UserError(
        f'{folder} no longer holds what {workdir} was scored with: score it again in a new workdir'
      )
    params[head['name']] = found
  return Finished(config, result, params)


def open_single(workdir: Path) -> Finished:
  """As `open_run`, for who reads one model: of several seeds the first, which is said.

  Raises:
    UserError: as `open_run`, or the run is cross-validated.
  """
  run = open_run(workdir)
  refuse_folds(workdir, run)
  if len(run.heads) > 1:
    print(f'{workdir} has {len(run.heads)} heads: using {next(iter(run.heads))}', file=sys.stderr)
  return run


def refuse_folds(workdir: Path, run: Finished) -> None:
  if run.report.get('folds'):
    raise UserError(
      f'{workdir} is cross-validated: its heads learnt from different signers. Train one on all of '
      'them, in another run'
    )


def heads_of(config: Mapping[str, Any], result: Mapping[str, Any]) -> list[dict[str, Any]]:
  """What a report says of its heads; those of earlier versions had one."""
  one = dict(name='', seed=config['seed'], step=result['selected_step'], selected_score=None)
  return result.get('heads') or [one | dict(temperature=result['temperature'], learnt_from=0)]


def trained_where(workdir: Path) -> Path:
  """The workdir that holds the heads of a finished run: its own, or the one it was trained in."""
  return workdir / run_report.read(workdir).get('trained_in', '')


def has_checkpoints(workdir: Path) -> bool:
  """Are the heads of a finished run still there?"""
  root = trained_where(workdir)
  return (root / 'checkpoints').is_dir() or (root / 'heads').is_dir()


def open_split_for(run: Finished, spec: str, data_dir: str) -> corpora.Split:
  """A split that a finished run is to read, from where its own were looked for unless named.

  Raises:
    UserError: as `corpora.open_split`, or its features may not be mixed with the run's.
  """
  where, _ = corpora.locate(data_dir or run.config['data']['dir'], spec)
  split = corpora.open_split(spec, where)
  corpora.require_mixable(run.report['provenance'], split)
  return split


def has_seen(run: Finished, split: corpora.Split) -> bool:
  """Was a run trained or selected on clips of the split, under whatever config of the corpus?"""
  result = run.report
  # Reports of earlier versions name them elsewhere.
  learnt = result.get('learnt_specs') or [result['trained_on'], result['selected_on']]
  for known in filter(None, learnt):
    if corpora.overlap(split.spec, known):
      return True
    where, _ = corpora.locate(run.config['data']['dir'], known)
    there = corpora.same_builder(split.spec, known) and corpora.holds(where, known)
    if there and corpora.share_clips(split, corpora.open_split(known, where)):
      return True
  return False

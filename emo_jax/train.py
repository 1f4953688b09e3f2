"""Training temporal heads on stored features, one after another or several at once."""

import functools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emo_jax import (
  config_check,
  corpora,
  inference,
  initial_weights,
  labels,
  parallel,
  processes,
  weights,
)
from emo_jax.checkpoints import Checkpoints
from emo_jax.errors import UserError
from emo_jax.members import Member
from emo_jax.trainer import AfterStep, Apart, Trainer
from emo_jax.training_head import Fitted, Head


def fit(
  config: Mapping[str, Any],
  workdir: Path,
  train: corpora.Split,
  validation: corpora.Split | None,
  after_step: AfterStep = lambda step, progress: None,
) -> Fitted:
  """`fit_all` of one head, with the config's seed."""
  (fitted,) = fit_all(config, workdir, [Member('', config['seed'], train, validation)], after_step)
  return fitted


def fit_all(
  config: Mapping[str, Any],
  workdir: Path,
  members: Sequence[Member],
  after_step: AfterStep = lambda step, progress: None,
) -> list[Fitted]:
  """Trains heads, each resuming from its newest checkpoint, and selects on their validation splits.

  Each is trained as it would be alone; `config.heads_at_once` only says how many share a program.

  Args:
    config: of the run (configs/eanwh.py).
    workdir: where checkpoints and metrics go (`Member.folder`).
    members: the heads: clips to learn from, clips of unseen signers for selection, and seed.
    after_step: called with the number of steps done and the progress.

  Returns:
    What each ended with, in order.

  Raises:
    UserError: nothing to learn from, an impossible config, or a loss that is not finite.
  """
  config_check.check(config)
  devices = parallel.devices(config['devices'])
  at_once = config['heads_at_once'] or (1 if parallel.platform() == 'cpu' else len(members))
  trainer = Trainer(config, devices)
  found: dict[str, Fitted] = {}
  todo = list(members)
  while todo:
    # Heads that stand at different steps, after a kill, are not trained together.
    stands = processes.by_first(functools.partial(_stands, todo, workdir))
    group = [m for m in todo if stands[m.name] == stands[todo[0].name]][:at_once]
    heads = [Head(trainer.common, workdir, member, len(members)) for member in group]
    try:
      fits = trainer.fit(heads, after_step)
    except Apart:
      continue
    for head, fitted in zip(heads, fits, strict=True):
      found[head.member.name] = fitted
      if 'backbone' in fitted.params:
        processes.by_first(lambda: _export(fitted.params, config['task'], head.folder))  # noqa: B023
    todo = [m for m in todo if m.name not in found]
  return [found[m.name] for m in members]


def _export(params: Mapping[str, Any], task: str, folder: Path) -> None:
  """Writes the fine-tuned backbone as weights that features can be extracted with, and its head if
  it is of the published size."""
  path = folder / 'weights.safetensors'
  head = dict(params={layer: x for layer, x in params.items() if layer != 'backbone'})
  shapes = {name: x.shape for name, x in weights.flatten(head).items()}
  is_published = shapes in [weights.head_shapes(width) for width in weights.HEAD_WIDTHS]
  alone = not is_published or labels.names(task) != labels.EMOTIONS
  weights.save(path, backbone=params['backbone'], head=None if alone else head)
  print(f'the fine-tuned backbone{"" if alone else " and its head"}: {path}', file=sys.stderr)


def untrained(config: Mapping[str, Any], workdir: Path, tests: Sequence[corpora.Split]) -> Fitted:
  """`config.init_weights` as they are, kept as the run's checkpoint.

  Raises:
    UserError: no weights are named, or as `initial_weights.converted`.
  """
  config_check.check(config)
  if not config['init_weights']:
    raise UserError(
      f'{config["name"]} trains nothing: give --config.init_weights=FILE, made by '
      'python -m emo_jax.convert'
    )
  params = initial_weights.params(config, inference.build_model(config), tests[0].key)
  processes.by_first(lambda: _keep(params, workdir))
  clips = dict(clips=0, usable=0, n_low_coverage=0, low_coverage={}, learnt_from=0)
  clips |= dict(min_coverage=dict(config['min_coverage']), choice=config['train']['low_coverage'])
  return Fitted(params, 0, 1.0, None, clips)


def _keep(params: Any, workdir: Path) -> None:
  checkpoints = Checkpoints(workdir / 'checkpoints')
  if checkpoints.latest_step() is None:
    checkpoints.save(0, dict(best=dict(params=params)))
  checkpoints.close()


def _stands(members: Sequence[Member], workdir: Path) -> dict[str, int]:
  """The step of each head's newest checkpoint, by name."""
  return {member.name: _latest_step(member.folder(workdir)) for member in members}


def _latest_step(folder: Path) -> int:
  if not (folder / 'checkpoints').is_dir():
    return 0
  checkpoints = Checkpoints(folder / 'checkpoints')
  step = checkpoints.latest_step() or 0
  checkpoints.close()
  return step

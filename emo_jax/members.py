"""The heads that one run trains: one per fold and seed."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emo_jax import corpora, labels, run_dir
from emo_jax.errors import UserError
from tfds_builders import stored


@dataclasses.dataclass(frozen=True)
class Member:
  """One head to be trained.

  Attributes:
    name: as in `Rachel-seed0`; empty for the only one of a run.
    seed: of its parameters, its order of clips and all its random draws.
    train: clips to learn from.
    validation: clips of unseen signers for selection and temperature; None: there are none.
    test: of a fold, the clips it is tested on; None: the run's own tests.
  """

  name: str
  seed: int
  train: corpora.Split
  validation: corpora.Split | None
  test: corpora.Split | None = None

  def folder(self, workdir: Path) -> Path:
    """Where its checkpoints and metrics lie."""
    return run_dir.head_folder(workdir, self.name)


@dataclasses.dataclass(frozen=True)
class Fold:
  """A part of a corpus that is tested on.

  Attributes:
    name: its signers, joined by `+`.
    signers: all whose clips are in it.
  """

  name: str
  signers: tuple[str, ...]


def seeds(config: Mapping[str, Any]) -> range:
  """The seeds a run trains with: `config.seed` and those after it, `config.repeats` in all."""
  return range(config['seed'], config['seed'] + config['repeats'])


def repeated(
  config: Mapping[str, Any], train: corpora.Split, validation: corpora.Split | None
) -> list[Member]:
  """A head per seed, all of the same clips."""
  several = config['repeats'] > 1
  return [
    Member(f'seed{seed}' if several else '', seed, train, validation) for seed in seeds(config)
  ]


def plan_folds(signers: Sequence[str], how: Mapping[str, Any]) -> list[Fold]:
  """Folds by signer, each signer's clips in one of them.

  Args:
    signers: of every clip.
    how: `config.folds`. `listed`: the folds as `('Rachel+Ben', 'Cory')`; else `count` of them, 0
      for one per signer (leave-one-signer-out). Signers are dealt out by their number of clips,
      the next one to the fold with the fewest so far, so that folds are of like size.

  Raises:
    UserError: a listed signer is unknown, listed twice or missing, or there are too few signers.
  """
  clips = {name: list(signers).count(name) for name in sorted(set(signers))}
  if how['listed']:
    # On the command line all folds may come as one text.
    listed = [part for text in how['listed'] for part in text.split(',')]
    found = [tuple(fold.split('+')) for fold in listed]
    given = [name for fold in found for name in fold]
    for name in given:
      if name not in clips:
        raise UserError(
          f'config.folds.listed names {name!r}{labels.nearest(name, clips)}, who signs no clip; '
          f'the signers are {", ".join(clips)}'
        )
    twice = sorted({name for name in given if given.count(name) > 1})
    missing = [name for name in clips if name not in given]
    if twice or missing:
      wrong = f'{", ".join(twice)} twice' if twice else f'no {", ".join(missing)}'
      raise UserError(f'config.folds.listed has {wrong}: name every signer once')
  else:
    count = how['count'] or len(clips)
    if count > len(clips):
      raise UserError(f'config.folds.count is {count}, but there are {len(clips)} signers')
    dealt: list[list[str]] = [[] for _ in range(count)]
    for name in sorted(clips, key=lambda name: (-clips[name], name)):
      min(dealt, key=lambda fold: (sum(clips[n] for n in fold), dealt.index(fold))).append(name)
    found = [tuple(sorted(fold)) for fold in dealt]
  needed = 3 if how['validation'] == 'next' else 2
  if len(found) < needed:
    raise UserError(
      f'{len(found)} folds: at least {needed} are needed'
      + (", or config.folds.validation='none'" if len(found) == 2 else '')
    )
  return [Fold('+'.join(fold), fold) for fold in found]


def cross_validated(
  config: Mapping[str, Any], corpus: corpora.Split, also: corpora.Split | None
) -> tuple[list[Fold], list[Member]]:
  """A head per fold and seed, tested on its fold's clips.

  Args:
    config: `folds.validation` is `next`: the fold after the tested one is selected on instead of
      learnt from; or `none`: nothing is selected on.
    corpus: that is folded.
    also: clips that every head learns from besides; of the same corpus, those of other signers.
  """
  who = [signer for signer, _ in stored.groups(corpus.source)]
  folds = plan_folds(who, config['folds'])

  def of(chosen: Sequence[Fold]) -> corpora.Split:
    signers = {name for fold in chosen for name in fold.signers}
    return corpora.subset(
      corpus, '+'.join(sorted(signers)), [i for i, name in enumerate(who) if name in signers]
    )

  heads = []
  for i, fold in enumerate(folds):
    held_out = folds[(i + 1) % len(folds)] if config['folds']['validation'] == 'next' else None
    learnt = of([other for other in folds if other not in (fold, held_out)])
    unseen = {name for one in (fold, held_out) if one for name in one.signers}
    train = corpora.joined(_without(also, unseen, corpus), learnt) if also else learnt
    validation = of([held_out]) if held_out else None
    heads += [
      Member(f'{fold.name}-seed{seed}', seed, train, validation, of([fold]))
      for seed in seeds(config)
    ]
  return folds, heads


def _without(split: corpora.Split, signers: set[str], corpus: corpora.Split) -> corpora.Split:
  """A split without signers of `corpus`, if it is another part of it."""
  if not corpora.same_builder(split.spec, corpus.spec):
    return split
  who = [signer for signer, _ in stored.groups(split.source)]
  kept = [i for i, name in enumerate(who) if name not in signers]
  others = sorted(set(who) - signers)
  if not others:
    raise UserError(f'{split.spec} has no signer but those who are tested or selected on')
  return corpora.subset(split, '+'.join(others), kept)

"""Runs on the synthetic corpus and on its variants whose cause of an effect was taken out."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from emo_jax import corpora, evaluation, experiment, run_report

TEST = 'ejsl_like'
SEGMENTS = ('full', 'random_2s', 'last_2s')

# Arm -> config, training split, variant of the corpus, segments it is scored on. As in the paper,
# segments are chosen at evaluation, of a model trained on full clips.
ARMS = {
  'EAN, non-signers': ('ean', 'nonsigners', '', ('full',)),
  'EAN, weak labels alone': ('ean', 'weak', '', ('full',)),
  'EAN': ('ean', 'nonsigners+weak', '', SEGMENTS),
  'EANwH': ('eanwh', 'nonsigners+weak', '', ('full',)),
  'EAN, no markers': ('ean', 'nonsigners+weak', 'no_markers', SEGMENTS),
  'EANwH, no markers': ('eanwh', 'nonsigners+weak', 'no_markers', ('full',)),
  'EANwH, hands shuffled': ('eanwh', 'nonsigners+weak', 'hands_shuffled', ('full',)),
  'EAN, labels shuffled': ('ean', 'weak', 'labels_shuffled', SEGMENTS),
  'EANwH, labels shuffled': ('eanwh', 'weak', 'labels_shuffled', ('full',)),
}


def file_name(arm: str) -> str:
  """`EAN, no markers` -> `ean_no_markers`."""
  return arm.lower().replace(',', '').replace(' ', '_').replace('-', '_')


def config_of(
  arm: str, seed: int, data_dir: str, hidden: Sequence[int], epochs: int
) -> dict[str, Any]:
  """The config of an arm on the corpus of a generator seed, which lies or is built in `data_dir`
  (empty: in the cache)."""
  name, split, variant, _ = ARMS[arm]
  config = importlib.import_module(f'configs.{name}').get_config().to_dict()
  corpus = f'{corpora.EMBEDDED}/seed{seed}' + (f'_{variant}' if variant else '')
  config['data'] |= dict(
    dir=data_dir,
    train=f'{corpus}:{split}',
    validation=f'{corpus}:validation',
    test=(f'{corpus}:{TEST}',),
  )
  config['model']['hidden'] = tuple(hidden)
  config['train']['total_epochs'] = epochs
  config['seed'] = seed
  return config


def run_arm(arm: str, config: Mapping[str, Any], workdir: Path) -> dict[str, dict[str, Any]]:
  """Trains an arm and scores it on its segments; one that had finished is only read.

  Returns:
    Entries of `evals` by segment.
  """
  finished = experiment.is_finished(config, workdir)
  result = run_report.read(workdir) if finished else experiment.run(config, workdir)
  corpus, _ = corpora.parse(config['data']['test'][0])
  found = {}
  for segment in ARMS[arm][3]:
    there = [e for e in result['evals'] if e['segment'] == segment]
    found[segment] = there[0] if there else evaluation.score_run(workdir, corpus, TEST, '', segment)
  # Compiled programs of dozens of runs would use up the memory maps a process may have.
  jax.clear_caches()
  return found

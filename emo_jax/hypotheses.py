"""The paper's three hypotheses and their controls on the synthetic corpus, over generator seeds.

  python -m emo_jax.hypotheses --out=DIR [--seeds=101,102,103,104,105] [--hidden=512,256]

It says whether the whole way from clips to scores finds an effect that was built in and finds none
where its cause was taken out. It says nothing about real signers. Started again, it goes on.
"""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emo_jax import controls, corpora, figures, labels, run_dir, run_report, runtime
from emo_jax.errors import ArgumentParser, UserError, exit_status
from emo_jax.statistics.seeds import interval

CHANCE = 1 / len(labels.EMOTIONS)

# Name -> (arm, segment) less (arm, segment), and whether the effect is expected.
EFFECTS = {
  'H1 weak signer labels over non-signers alone': (
    ('EAN', 'full'),
    ('EAN, non-signers', 'full'),
    True,
  ),
  'H1, read strictly: weak labels alone over non-signers': (
    ('EAN, weak labels alone', 'full'),
    ('EAN, non-signers', 'full'),
    True,
  ),
  'H2 last 2 s over random 2 s': (('EAN', 'last_2s'), ('EAN', 'random_2s'), True),
  'H2 last 2 s over full clip': (('EAN', 'last_2s'), ('EAN', 'full'), True),
  'H3 hands over face alone': (('EANwH', 'full'), ('EAN', 'full'), True),
  'control, no markers: last over random 2 s': (
    ('EAN, no markers', 'last_2s'),
    ('EAN, no markers', 'random_2s'),
    False,
  ),
  'control, no markers: last 2 s over full clip': (
    ('EAN, no markers', 'last_2s'),
    ('EAN, no markers', 'full'),
    False,
  ),
  'control, no markers: hands over face alone': (
    ('EANwH, no markers', 'full'),
    ('EAN, no markers', 'full'),
    False,
  ),
  'control, hands shuffled: hands over face alone': (
    ('EANwH, hands shuffled', 'full'),
    ('EAN', 'full'),
    False,
  ),
}


def run_arms(out: Path, seeds: Sequence[int], options: Mapping[str, Any]) -> dict[str, Any]:
  """Trains and scores every arm on every seed.

  Returns:
    `{arm: {segment: {'macro_f1': [per seed], 'wacc': [per seed]}}}`.
  """
  scores: dict[str, Any] = {}
  data = out / 'corpora'
  for number, seed in enumerate(seeds, start=1):
    # Half a gigabyte a seed: kept while it is used, and not in the cache.
    (data / corpora.EMBEDDED).mkdir(parents=True, exist_ok=True)
    for arm in controls.ARMS:
      print(f'seed {seed} ({number}/{len(seeds)}): {arm}', file=sys.stderr, flush=True)
      config = controls.config_of(arm, seed, str(data), **options)
      workdir = out / f'seed{seed}' / controls.file_name(arm)
      for segment, entry in controls.run_arm(arm, config, workdir).items():
        kept = scores.setdefault(arm, {}).setdefault(segment, dict(macro_f1=[], wacc=[]))
        for metric, values in kept.items():
          values.append(entry[metric])
    shutil.rmtree(data)
  return scores


def _verdict(as_expected: bool, seeds: int) -> str:
  if seeds < 2:
    return 'undecided'
  return 'holds' if as_expected else 'fails'


def judge(scores: Mapping[str, Any]) -> dict[str, Any]:
  """Effects on macro F1 with intervals, and the distance of shuffled labels from chance (wAcc)."""
  effects = {}
  for name, ((arm, segment), (base, base_segment), expected) in EFFECTS.items():
    pairs = zip(
      scores[arm][segment]['macro_f1'], scores[base][base_segment]['macro_f1'], strict=True
    )
    differences = [a - b for a, b in pairs]
    mean, low, high = interval(differences)
    # A control asks that no advantage is left: a model may well be hurt by what tells it nothing.
    verdict = _verdict(low > 0 if expected else low <= 0, len(differences))
    effects[name] = dict(mean=mean, low=low, high=high, seeds=differences, verdict=verdict)
  for arm in ('EAN, labels shuffled', 'EANwH, labels shuffled'):
    for segment, values in scores[arm].items():
      mean, low, high = interval([w - CHANCE for w in values['wacc']])
      name = f'control, {arm.replace(", ", " ")}: wAcc less chance ({segment})'
      seeds = [w - CHANCE for w in values['wacc']]
      verdict = _verdict(low <= 0 <= high, len(seeds))
      effects[name] = dict(mean=mean, low=low, high=high, seeds=seeds, verdict=verdict)
  return effects


def markdown(effects: Mapping[str, Any], scores: Mapping[str, Any]) -> str:
  """Both tables, in points of per cent."""
  rows = [
    [
      name,
      f'{100 * e["mean"]:+.1f}',
      f'{100 * e["low"]:+.1f} to {100 * e["high"]:+.1f}',
      e['verdict'],
    ]
    for name, e in effects.items()
  ]
  arms = [
    [arm, segment, f'{100 * np.mean(v["macro_f1"]):.1f}', f'{100 * np.mean(v["wacc"]):.1f}']
    for arm, segments in scores.items()
    for segment, v in segments.items()
  ]
  return '\n\n'.join(
    [
      'SYNTHETIC corpus signsim: says nothing about real signers. Macro F1 on its balanced test of '
      'unseen signers, mean over generator seeds, 95 % Student interval over seeds.',
      run_report.markdown_table(['effect', 'points', '95 % interval', 'verdict'], rows),
      run_report.markdown_table(['arm', 'segment', 'macro F1', 'wAcc'], arms),
    ]
  )


def _claim(out: Path, options: Mapping[str, Any]) -> None:
  """Runs of other options must not be taken for these."""
  path = out / 'options.json'
  if path.exists():
    if run_dir.read_json(path, 'name another --out') != options:
      raise UserError(f'{out} holds runs of other options (see {path}): name another --out')
  else:
    out.mkdir(parents=True, exist_ok=True)
    run_dir.write_json(path, options)


def main(argv: Sequence[str]) -> None:
  """Runs, prints the tables, writes them with a figure."""
  parser = ArgumentParser(prog='python -m emo_jax.hypotheses', description=__doc__)
  parser.add_argument('--out', required=True, help='folder of the runs and the result')
  parser.add_argument('--seeds', default='101,102,103,104,105', help='generator seeds')
  parser.add_argument('--hidden', default='512,256', help='units of the two LSTM layers')
  parser.add_argument('--epochs', type=int, default=6)
  arguments = parser.parse_args(argv)
  try:
    seeds = [int(s) for s in arguments.seeds.split(',')]
    first, second = (int(h) for h in arguments.hidden.split(','))
  except ValueError as error:
    raise UserError(f'--seeds and --hidden are whole numbers with commas: {error}') from error
  runtime.prepare()
  out = Path(arguments.out)
  options = dict(hidden=[first, second], epochs=arguments.epochs)
  _claim(out, options)
  scores = run_arms(out, seeds, options)
  effects = judge(scores)
  result = dict(options=options, seeds=seeds, effects=effects, scores=scores)
  run_dir.write_json(out / 'hypotheses.json', result)
  run_dir.write_text(out / 'hypotheses.md', markdown(effects, scores) + '\n')
  print(markdown(effects, scores))
  print(figures.effects(out, effects))


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

"""Every experiment of the paper, one run per row, and its tables with ours beside the published.

  python -m emo_jax.paper --out=DIR [--data_dir=DATA --weights FILE...] [--only=table3,...]
    [--repeats=N] [--hidden=512,256] [--no-controls]

Rows are the configs that name one (configs/table3_last_2s.py and the like); rows of the same
training share it. With DATA they run on the corpora there; without, on the embedded SYNTHETIC one,
with the controls of the three hypotheses, and every page says so. Started again, it goes on.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emo_jax import (
  config_check,
  config_flags,
  controls,
  corpora,
  experiment,
  finished_runs,
  run_dir,
  runtime,
)
from emo_jax.errors import ArgumentParser, UserError, exit_status, first_of
from emo_jax.report import write as report_files

_CONTROLS = (
  'EAN',
  'EANwH',
  'EAN, no markers',
  'EANwH, no markers',
  'EANwH, hands shuffled',
  'EAN, labels shuffled',
  'EANwH, labels shuffled',
)
# A small head and few epochs, so that three seeds of seven of them take less time than the tables.
_CONTROL_HIDDEN, _CONTROL_EPOCHS, _CONTROL_REPEATS = (64, 32), 2, 3
_SEED = 0  # of the generator


def rows(folder: Path) -> dict[str, dict[str, Any]]:
  """The configs in a folder that reproduce a row of a published table, by name.

  Raises:
    UserError: there are none.
  """
  found = {}
  for path in sorted(folder.glob('*.py')):
    config = config_flags.load_config(str(path)).to_dict()
    if config.get('row'):
      found[config['name']] = config
  if not found:
    raise UserError(f'no config in {folder} names a row: run in the folder of the project')
  return found


def wanted(configs: Mapping[str, dict[str, Any]], only: Sequence[str]) -> dict[str, dict[str, Any]]:
  """Those of the tables or rows named; all for none. Raises UserError for an unknown one."""
  tables = {config['row'].partition('/')[0] for config in configs.values()}
  for name in only:
    if name not in tables and name not in configs:
      known = ', '.join(sorted(tables))
      raise UserError(f'--only={name} is no table and no row; the tables are {known}')
  return {
    name: config
    for name, config in configs.items()
    if not only or name in only or config['row'].partition('/')[0] in only
  }


def require_apart(weights: Sequence[str]) -> None:
  """Raises UserError if two files would name the same run."""
  stems = [*(Path(file).stem for file in weights), 'static']
  twice = sorted({stem for stem in stems if stems.count(stem) > 1})
  if twice:
    raise UserError(f'two of --weights are called {twice[0]}, and runs are named so: rename one')


def with_weights(
  config: Mapping[str, Any], weights: Sequence[str], from_scratch: bool
) -> list[dict[str, Any]]:
  """The runs of a row on real corpora: of rows without training one per weights file, and the
  static model of the first; others start from the first file.

  Raises:
    UserError: no weights are given.
  """
  data = config['data']
  if not weights and from_scratch and (data['train'] or data['folds']):
    return [dict(config)]
  if not weights:
    raise UserError(
      "the paper's rows start from EMO-AffectNet's public weights: give them with --weights "
      '(make paper WEIGHTS=...), converted as the README says, or train from random ones with '
      '--from_scratch, which leaves out the rows that train nothing'
    )
  if data['train']:
    return [{**config, 'init_weights': weights[0]}]
  if data['folds']:
    # Heads of other tasks have no public weights to start from.
    return [{**config, 'init_weights': weights[0] if config['task'] == 'emotion' else ''}]
  runs = [
    {**config, 'name': f'{config["name"]}-{Path(file).stem}', 'init_weights': file}
    for file in weights
  ]
  static = dict(name=f'{config["name"]}-static', temporal='sequence', init_weights=weights[0])
  return [*runs, {**config, **static, 'model': {**config['model'], 'kind': 'static'}}]


def missing(config: Mapping[str, Any], data_dir: Path) -> list[str]:
  """Corpora of a row that the directory lacks."""
  data = config['data']
  specs = [data['train'], data['validation'], data['folds'], *data['test']]
  lacking = [corpora.parse(s)[0] for s in specs if s and not corpora.holds(data_dir, s)]
  return list(dict.fromkeys(lacking))


def run_rows(configs: Sequence[Mapping[str, Any]], out: Path) -> tuple[list[Path], dict[str, str]]:
  """Runs every config in a workdir of its name, one training for those that agree in it.

  Returns:
    The workdirs, and what is wrong with the rows that could not be run, by name.
  """
  finished = {c['name'] for c in configs if experiment.is_finished(c, out / c['name'])}
  trained = {}
  for config in configs:
    there = out / config['name']
    # A training that others share may have been deleted since.
    if config['name'] in finished and finished_runs.has_checkpoints(there):
      trained[_training(config)] = there
  began, workdirs, failed = time.perf_counter(), [], {}
  for number, config in enumerate(configs, start=1):
    workdir, there = out / config['name'], trained.get(_training(config))
    how = f'scored with the training of {there.name}' if there else 'trained and scored'
    done = config['name'] in finished
    print(
      f'[{number}/{len(configs)}, {(time.perf_counter() - began) / 60:.1f} min] '
      f'{config["name"]}: {"is there" if done else how}',
      file=sys.stderr,
      flush=True,
    )
    try:
      if not done:
        experiment.run(config, workdir, trained_in=there)
    except UserError as error:  # the others may take hours and be fine
      print(f'{config["name"]}: {error}', file=sys.stderr)
      failed[config['name']] = str(error)
      continue
    trained.setdefault(_training(config), workdir)
    workdirs.append(workdir)
  return workdirs, failed


def _training(config: Mapping[str, Any]) -> str:
  return json.dumps(run_dir.plain(config_check.training_part(config)), sort_keys=True)


def run_controls(out: Path) -> list[Path]:
  """The controls of the three hypotheses, each in a workdir of its name.

  Returns:
    The workdirs.
  """
  workdirs = []
  for number, arm in enumerate(_CONTROLS, start=1):
    print(f'[control {number}/{len(_CONTROLS)}] {arm}', file=sys.stderr, flush=True)
    config = controls.config_of(arm, _SEED, '', _CONTROL_HIDDEN, _CONTROL_EPOCHS)
    config |= dict(name=f'control_{controls.file_name(arm)}', repeats=_CONTROL_REPEATS)
    config['eval']['draws'] = 1  # beside three seeds
    workdirs.append(out / config['name'])
    controls.run_arm(arm, config, workdirs[-1])
  return workdirs


def main(argv: Sequence[str]) -> int:
  """Runs the rows and controls, prints the paths of the report; 1 if a row could not be run."""
  arguments = _arguments(argv)
  out = Path(arguments.out)
  require_apart(arguments.weights)
  configs = wanted(rows(Path('configs')), list(filter(None, arguments.only.split(','))))
  for config in configs.values():
    config['repeats'] = arguments.repeats
    config['model']['hidden'] = _hidden(arguments.hidden)
  left_out = {}
  if arguments.data_dir:
    data_dir = Path(arguments.data_dir).expanduser()
    runs = []
    for name, config in configs.items():
      config['data']['dir'] = str(data_dir)
      if lacking := missing(config, data_dir):
        left_out[name] = f'no {first_of(lacking, 3)} in {data_dir}'
      elif not (config['data']['train'] or config['data']['folds'] or arguments.weights):
        left_out[name] = 'no --weights'
      else:
        runs += with_weights(config, arguments.weights, arguments.from_scratch)
    if not runs:
      why = '; '.join(f'{name}: {reason}' for name, reason in left_out.items())
      raise UserError(f'{data_dir} has the corpora of no row: {why}')
  else:
    runs = [c for c in configs.values() if c['embedded']['test'] or c['embedded']['folds']]
    for config in runs:
      # Whatever lies in TFDS's directory: all rows are of the synthetic corpus.
      config['data'] = {**config['embedded'], 'dir': ''}
    left_out = {
      c['name']: 'the synthetic corpus has no such labels'
      for c in configs.values()
      if c not in runs
    }
  for name, why in left_out.items():
    print(f'{name} is left out: {why}', file=sys.stderr)
  runtime.prepare()
  workdirs, failed = run_rows(runs, out)
  if not workdirs:
    raise UserError(f'no row could be run; {next(iter(failed))}: {next(iter(failed.values()))}')
  if arguments.controls and not arguments.data_dir:
    workdirs += run_controls(out)
  for path in report_files.report(workdirs, out / 'report', allow_mixed=False):
    print(path)
  for name, why in failed.items():
    print(f'{name} could not be run: {why}', file=sys.stderr)
  return 1 if failed else 0


def _hidden(text: str) -> tuple[int, int]:
  try:
    first, second = (int(n) for n in text.split(','))
  except ValueError as error:
    raise UserError(f'--hidden is two whole numbers with a comma: {error}') from error
  return first, second


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
  parser = ArgumentParser(prog='python -m emo_jax.paper', description=__doc__)
  parser.add_argument('--out', default='runs/paper', help='folder of the runs and the report')
  parser.add_argument('--data_dir', default='', help='of the built corpora; none: synthetic')
  parser.add_argument('--weights', nargs='+', default=[], help='converted weights of EAN')
  parser.add_argument(
    '--from_scratch', action='store_true', help='start from random heads instead of --weights'
  )
  parser.add_argument('--only', default='', help='tables or rows, with commas; all by default')
  parser.add_argument('--repeats', type=int, default=1, help='seeds per row')
  parser.add_argument('--hidden', default='512,256', help='units of the two LSTM layers')
  parser.add_argument('--no-controls', dest='controls', action='store_false')
  arguments = parser.parse_args(argv)
  if not arguments.data_dir and (arguments.weights or arguments.from_scratch):
    raise UserError('--weights and --from_scratch are for corpora: give --data_dir too')
  if arguments.weights and arguments.from_scratch:
    raise UserError('--weights and --from_scratch exclude each other: give one')
  if arguments.repeats < 1:
    raise UserError(f'--repeats is {arguments.repeats}; it must be at least 1')
  return arguments


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

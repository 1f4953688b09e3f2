"""Tries the settings the paper leaves open, by their scores on the validation split alone.

  python -m emo_jax.sweep --config=configs/sweep_training.py --out=DIR [--full]
    [--config.data.dir=DATA] [--config.FIELD=X]

The config file names the grid (`get_grid()`: field -> values, the config's own first). Each field
is varied by itself, with --full all are combined. No test split is read: the table ranks the
settings by macro F1 on validation, the mean over `config.repeats` seeds. Started again, it goes on.
"""

import copy
import csv
import io
import itertools
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from emo_jax import config_flags, run_dir, run_report
from emo_jax.errors import ArgumentParser, UserError, exit_status

Grid = Mapping[str, Sequence[Any]]


def points(grid: Grid, full: bool) -> Iterator[dict[str, Any]]:
  """The settings to be tried: the base, then each other value of a field with the base's of the
  rest; or every combination."""
  if full:
    for values in itertools.product(*grid.values()):
      yield dict(zip(grid, values, strict=True))
    return
  base = {field: values[0] for field, values in grid.items()}
  yield base
  for field, values in grid.items():
    for value in values[1:]:
      yield base | {field: value}


def with_settings(config: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
  """A config with some fields (`optim.learning_rate`) changed and no test.

  Raises:
    UserError: it has no such field.
  """
  changed = copy.deepcopy(dict(config))
  for field, value in settings.items():
    *parents, leaf = field.split('.')
    node = changed
    for parent in parents:
      node = node.get(parent, {})
    if leaf not in node:
      raise UserError(f'the grid varies {field}, which the config does not have')
    node[leaf] = value
  changed['data']['test'] = changed['embedded']['test'] = ()
  return changed


def name_of(settings: Mapping[str, Any], grid: Grid) -> str:
  """What differs from the base, as in `optim.learning_rate=0.003`."""
  varied = [f'{k}={v}' for k, v in settings.items() if v != grid[k][0]]
  return ', '.join(varied) or 'base'


def table(found: Mapping[str, Sequence[float]]) -> tuple[list[str], list[list[str]]]:
  """Head and rows, the best setting first: mean, lowest and highest macro F1 in per cent."""
  ranked = sorted(found.items(), key=lambda item: (-statistics.mean(item[1]), item[0]))
  return ['setting', 'validation macro F1', 'lowest', 'highest', 'seeds'], [
    [name, *(f'{100 * f(scores):.2f}' for f in (statistics.mean, min, max)), str(len(scores))]
    for name, scores in ranked
  ]


def main(argv: Sequence[str]) -> None:
  """Runs the grid and prints the table."""
  parser = ArgumentParser(prog='python -m emo_jax.sweep', description=__doc__)
  parser.add_argument('--config', required=True, help='with get_config() and get_grid()')
  parser.add_argument('--out', required=True, help='folder of the runs')
  parser.add_argument('--full', action='store_true', help='combine all values')
  arguments, rest = parser.parse_known_args(argv)
  config = config_flags.parse(['sweep', f'--config={arguments.config}', *rest]).config
  grid = config_flags.load_grid(arguments.config)
  given = {argument.split('=', 1)[0].lstrip('-').removeprefix('config.') for argument in rest}
  if varied := sorted(given & grid.keys()):
    raise UserError(f'--config.{varied[0]} is varied by the grid: change get_grid() instead')
  if 'workdir' in given:
    raise UserError('the runs lie in --out: leave --workdir out')
  out = Path(arguments.out)

  # After the flags: a misspelt one should not wait for JAX to start.
  import jax

  from emo_jax import experiment, runtime

  runtime.prepare()
  each = list(points(grid, arguments.full))
  found = {}
  for number, settings in enumerate(each, start=1):
    name = name_of(settings, grid)
    print(f'[{number}/{len(each)}] {name}', file=sys.stderr, flush=True)
    workdir = out / run_dir.file_name(name)
    wanted = with_settings(config, settings)
    done = experiment.is_finished(wanted, workdir)
    result = run_report.read(workdir) if done else experiment.run(wanted, workdir)
    found[name] = [head['selected_score'] for head in result['heads']]
    if None in found[name]:
      raise UserError('there is no validation split to rank by: name one in config.data')
    jax.clear_caches()  # programs of dozens of runs would use up a process' memory maps
  head, rows = table(found)
  text = io.StringIO()
  csv.writer(text).writerows([head, *rows])
  run_dir.write_text(out / 'sweep.csv', text.getvalue())
  print(run_report.markdown_table(head, rows))
  print(out / 'sweep.csv')


if __name__ == '__main__':
  sys.exit(exit_status(main, sys.argv[1:]))

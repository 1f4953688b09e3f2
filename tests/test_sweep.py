"""The grids over what the paper leaves open: which settings, tried on validation alone."""

import csv
import functools
import math
from pathlib import Path

import pytest

from emo_jax import config_check, config_flags, corpora, errors, sweep
from emo_jax.errors import UserError
from tests import toys

SWEEPS = sorted(Path('configs').glob('sweep_*.py'))
GRID = {'a': (1, 2, 3), 'b': ('x', 'y')}


def test_each_field_is_varied_by_itself_or_all_are_combined():
  one_by_one = [sweep.name_of(p, GRID) for p in sweep.points(GRID, full=False)]
  assert one_by_one == ['base', 'a=2', 'a=3', 'b=y']
  combined = [tuple(p.values()) for p in sweep.points(GRID, full=True)]
  assert len(set(combined)) == 6 and combined[0] == (1, 'x')


@pytest.mark.parametrize('path', SWEEPS, ids=lambda p: p.stem)
def test_every_grid_starts_from_its_config_and_can_be_run(path):
  config = config_flags.load_config(str(path)).to_dict()
  grid = config_flags.load_grid(str(path))
  assert math.prod(map(len, grid.values())) > 1
  for field, values in grid.items():
    at = functools.reduce(lambda node, name: node[name], field.split('.'), config)
    assert values[0] == at and len(set(values)) == len(values), field
  for settings in sweep.points(grid, full=False):
    config_check.check(sweep.with_settings(config, settings))


def test_a_field_that_is_not_there_is_named():
  with pytest.raises(UserError, match='the grid varies optim.rate, which the config does not have'):
    sweep.with_settings(toys.config(), {'optim.rate': 1})


def test_the_best_setting_on_validation_comes_first():
  _, rows = sweep.table({'base': [0.2, 0.4], 'b=y': [0.5, 0.3]})
  assert rows == [['b=y', '40.00', '30.00', '50.00', '2'], ['base', '30.00', '20.00', '40.00', '2']]


def test_a_grid_is_run_without_reading_a_test(tmp_path, monkeypatch, capsys):
  opened = []

  def open_split(spec, _):
    opened.append(spec)
    return toys.split(20, len(opened), spec)

  monkeypatch.setattr(corpora, 'locate', lambda *_: (tmp_path, False))
  monkeypatch.setattr(corpora, 'open_split', open_split)
  (tmp_path / 'grid.py').write_text(
    'from tests import toys\nfrom ml_collections import config_dict\n'
    'def get_config():\n'
    '  config = toys.config(train__total_steps=2)\n'
    "  names = dict(train='toy:a', folds='', validation='toy:b', test=('toy:c',))\n"
    "  config['data'] = dict(dir='', **names)\n"
    '  return config_dict.ConfigDict(config)\n'
    "def get_grid():\n  return {'optim.learning_rate': (1e-3, 1e-2)}\n"
  )
  command = [f'--config={tmp_path}/grid.py', f'--out={tmp_path}/out', '--config.repeats=2']
  assert errors.exit_status(sweep.main, command) == 0
  assert set(opened) == {'toy:a', 'toy:b'}
  assert 'optim.learning_rate=0.01' in capsys.readouterr().out
  rows = list(csv.reader((tmp_path / 'out' / 'sweep.csv').read_text().splitlines()))
  assert len(rows) == 3 and {row[-1] for row in rows[1:]} == {'2'}
  assert (
    errors.exit_status(sweep.main, command) == 0 and len(opened) == 8
  )  # all were there, which is seen from their corpora


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['--config.no_face=drop'], '--config.no_face is varied by the grid'),
    (['--workdir=X'], 'the runs lie in --out'),
  ],
)
def test_flags_that_would_have_no_effect(arguments, message, capsys, tmp_path):
  command = ['--config=configs/sweep_reading.py', f'--out={tmp_path}', *arguments]
  assert errors.exit_status(sweep.main, command) == 2
  assert message in capsys.readouterr().err


def test_a_config_without_a_grid(capsys, tmp_path):
  command = ['--config=configs/eanwh.py', f'--out={tmp_path}']
  assert errors.exit_status(sweep.main, command) == 2
  assert 'configs/eanwh.py has no get_grid()' in capsys.readouterr().err


def test_no_out_is_one_line(capsys):
  assert errors.exit_status(sweep.main, ['--config=configs/sweep_reading.py']) == 2
  assert 'the following arguments are required: --out' in capsys.readouterr().err

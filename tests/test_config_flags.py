"""Configs and their overrides."""

import importlib
from pathlib import Path

import pytest

from emo_jax import config_flags, labels, preprocess
from emo_jax.errors import UserError

CONFIGS = sorted(Path('configs').glob('*.py'))


def parse(*arguments):
  return config_flags.parse(['main', *arguments])


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_every_config_loads_and_makes_sense(path):
  given = parse(f'--config={path}')
  config, workdir = given.config, given.workdir
  assert config['name'] == path.stem
  assert workdir.parent == Path('runs') and workdir.name.startswith(path.stem)
  assert config['task'] in labels.TASKS
  assert config['train']['segment'] in preprocess.SEGMENTS
  assert config['eval']['segment'] in preprocess.SEGMENTS
  assert importlib.import_module(f'configs.{path.stem}').get_config().is_locked


def test_ean_is_eanwh_without_hands():
  ean, eanwh = (parse(f'--config=configs/{n}.py').config for n in ('ean', 'eanwh'))
  assert ean['model'].pop('inputs') == ('face',)
  assert eanwh['model'].pop('inputs') == ('face', 'hands')
  for config in (ean, eanwh):
    del config['name'], config['paper']
  assert ean == eanwh


def test_fields_are_overridden():
  given = parse(
    '--config=configs/eanwh.py',
    '--workdir=here',
    '--config.optim.learning_rate=3e-4',
    '--config.train.batch_size=8',
    "--config.data.test=('ejsl:all', 'signsim:ejsl_like')",
  )
  assert given.config['optim']['learning_rate'] == 3e-4
  assert given.config['train']['batch_size'] == 8
  assert given.config['data']['test'] == ('ejsl:all', 'signsim:ejsl_like')
  assert given.workdir == Path('here')
  assert not given.distributed
  assert parse('--config=configs/eanwh.py', '--distributed').distributed


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (
      ['--config=configs/eanwh.py', '--config.optim.learning_rat=1'],
      "'config.optim.learning_rate'",
    ),
    (
      ['--config=configs/eanwh.py', '--config.optm.learning_rate=1'],
      "'config.optim.learning_rate'",
    ),
    (['--config=configs/eanwh.py', '--workdri=x'], "did you mean 'workdir'"),
    (['--config=configs/eanwh.py', '--config.optim.learning_rate=fast'], 'could not convert'),
    (['--config=configs/eanwh.py', '--config.train.batch_size=1.5'], '1.5'),
    (['--config=configs/eanwhh.py'], "did you mean 'configs/eanwh.py'"),
    (['--config=configs/eanwh.py', 'stray'], "unexpected argument 'stray'"),
    ([], 'no --config given'),
  ],
)
def test_mistakes_are_one_line_with_the_nearest_name(arguments, message):
  with pytest.raises(UserError, match=message) as caught:
    parse(*arguments)
  assert '\n' not in str(caught.value)

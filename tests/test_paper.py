"""Every experiment of the paper by one command: which rows there are, and what they share."""

import json
import re
import shutil
from pathlib import Path

import pytest

from emo_jax import corpora, errors, paper, published, train
from emo_jax.errors import UserError
from tests import toys

CONFIGS = paper.rows(Path('configs'))
OURS = {  # rows of the paper that are runs of its own models
  f'{name}/{key}'
  for name, table in published.PAPER.items()
  for key, row in table.rows.items()
  if not row.peer
}


def test_every_row_of_the_papers_own_models_has_a_config():
  found = {config['row'] for config in CONFIGS.values()}
  assert found >= OURS and len(OURS) == 14
  assert {row for row in found - OURS} == {
    'table3/last_2s_trained',
    'table3/random_2s_trained',
    'table5/eanwh_loso',
    'table6/eanwh_folds',
    'emosign_expression/eanwh',
    'emosign_sentiment3/eanwh',
    'emosign_sentiment/eanwh',
  }


@pytest.mark.parametrize('name', CONFIGS)
def test_a_row_is_scored_on_its_tables_clips(name):
  config = CONFIGS[name]
  table, row = published.row(config['row'])
  assert name == config['row'].replace('/', '_') and config['task'] == table.task
  spec = f'{table.corpus}:{table.split}'
  assert config['data']['folds'] == spec or config['data']['test'] == (spec,)
  made = config['embedded']['test'] or [config['embedded']['folds']]
  assert made == [''] or list(made) == [f'signsim:{table.embedded}']
  if row:
    assert config['eval']['segment'] == row.segment
    (beside,) = config['paper'].values()
    printed = [x for x in beside['scores'] if x is not None]
    assert printed == [row.scores[m] for m in ('wacc', 'macro_f1') if m in row.scores]
    assert config['paper'].keys() == {table.corpus} and beside['clips'] == table.clips


def test_some_tables_or_rows_alone():
  assert set(paper.wanted(CONFIGS, ['table4', 'table3_full'])) == {
    'table3_full',
    'table4_ean',
    'table4_eanwh',
  }
  with pytest.raises(UserError, match='--only=table33 is no table and no row; the tables are emos'):
    paper.wanted(CONFIGS, ['table33'])


def test_public_weights_are_each_a_row_and_the_start_of_the_others():
  files = ['a/ravdess.safetensors', 'a/crema.safetensors']
  runs = paper.with_weights(CONFIGS['table1_non_signers'], files, False)
  assert [r['name'] for r in runs] == [
    'table1_non_signers-ravdess',
    'table1_non_signers-crema',
    'table1_non_signers-static',
  ]
  assert [r['init_weights'] for r in runs] == [*files, files[0]]
  assert [r['model']['kind'] for r in runs] == ['lstm', 'lstm', 'static']
  (tea,) = paper.with_weights(CONFIGS['table1_a_tea'], files, False)
  assert tea['init_weights'] == files[0]
  (sentiment,) = paper.with_weights(CONFIGS['emosign_sentiment_eanwh'], files, False)
  assert sentiment['init_weights'] == ''
  with pytest.raises(UserError, match='give them with --weights'):
    paper.with_weights(CONFIGS['table1_a_tea'], [], False)
  (scratch,) = paper.with_weights(CONFIGS['table1_a_tea'], [], True)
  assert scratch['init_weights'] == ''


def test_rows_that_agree_in_training_are_trained_once(tmp_path, monkeypatch):
  splits = dict(train=toys.split(), validation=toys.split(20, 1, 'toy:validation'))
  monkeypatch.setattr(corpora, 'locate', lambda *_: (tmp_path, False))
  monkeypatch.setattr(
    corpora, 'open_split', lambda spec, _: splits.get(spec.split(':')[1]) or toys.split(9, 2, spec)
  )
  trained, fit = [], train.fit_all
  monkeypatch.setattr(
    train, 'fit_all', lambda config, *more: trained.append(config['name']) or fit(config, *more)
  )

  def row(name, **changes):
    config = toys.config(train__total_steps=2, name=name, row=f'table3/{name}', **changes)
    config['data'] = dict(
      dir='', train='toy:train', folds='', validation='toy:validation', test=('toy:test',)
    )
    return config

  configs = [
    row('full'),
    row('last', eval__segment='last_2s'),
    row('trained', train__segment='last_2s', eval__segment='last_2s'),
  ]
  workdirs, failed = paper.run_rows(configs, tmp_path / 'out')
  assert not failed
  assert trained == ['full', 'trained']
  reports = [json.loads((w / 'report.json').read_text()) for w in workdirs]
  assert [r['trained_in'] for r in reports] == ['', '../full', '']
  assert [r['evals'][0]['segment'] for r in reports] == ['full', 'last_2s', 'last_2s']
  before = (workdirs[1] / 'report.json').read_bytes()
  assert paper.run_rows(configs, tmp_path / 'out') == (workdirs, {}) and len(trained) == 2
  assert (workdirs[1] / 'report.json').read_bytes() == before
  with pytest.raises(UserError, match=r'holds another run \(optim.learning_rate was 0.001, is 0.5'):
    paper.run_rows([row('full', optim__learning_rate=0.5)], tmp_path / 'out')
  shutil.rmtree(workdirs[0])  # what `last` was scored with
  (workdirs[2] / 'report.json').write_text('{"name"')
  assert paper.run_rows(configs, tmp_path / 'out') == (workdirs, {})
  assert trained[2:] == ['full', 'trained']
  more = toys.split(60)
  splits['train'] = more
  with pytest.raises(UserError, match=r'used.clips.toy:train was 45, is 60'):
    paper.run_rows(configs, tmp_path / 'out')


def test_a_row_that_fails_does_not_end_the_others(tmp_path, monkeypatch):
  monkeypatch.setattr(corpora, 'locate', lambda *_: (tmp_path, False))
  monkeypatch.setattr(corpora, 'open_split', lambda spec, _: toys.split(15, len(spec), spec))
  base = toys.config(train__total_steps=2)
  names = dict(dir='', train='toy:train', folds='', validation='toy:valid', test=('toy:test',))
  good = base | dict(name='good', data=names)
  bad = good | dict(name='bad', init_weights=str(tmp_path / 'absent.safetensors'))
  workdirs, failed = paper.run_rows([bad, good], tmp_path / 'out')
  assert [w.name for w in workdirs] == ['good'] and 'no weight file' in failed['bad']


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['--hidden=12'], '--hidden is two whole numbers with a comma'),
    (['--only=table0'], '--only=table0 is no table'),
    (['--data_dir=NOWHERE'], 'NOWHERE has the corpora of no row: .*table7_eanwh: no bobsl'),
    (['--repeats=two'], 'invalid int value'),
    (['--repeats=0'], '--repeats is 0; it must be at least 1'),
    (['--weights=w'], '--weights and --from_scratch are for corpora: give --data_dir too'),
    (
      ['--data_dir=D', '--weights', 'a/ean.safetensors', 'b/ean.safetensors'],
      'two of --weights are called ean',
    ),
  ],
)
def test_mistakes_are_one_line(tmp_path, capsys, arguments, message):
  status = errors.exit_status(paper.main, [f'--out={tmp_path}', *arguments])
  said = capsys.readouterr().err.strip()
  assert status == 2
  assert re.search(message, said) and said.count('\n') <= 1

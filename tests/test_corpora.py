"""Which corpus is read, and which may be mixed."""

import dataclasses
import json
import subprocess
import sys

import pytest
import tensorflow_datasets as tfds

from emo_jax import corpora, evaluate, experiment, files, run_dir
from emo_jax.errors import UserError, exit_status
from tests import toys
from tfds_builders.signsim import corpus, signsim_dataset_builder

REAL = toys.KEY | dict(backbone='f00d')


@pytest.fixture
def default(monkeypatch, tmp_path):
  """TFDS's default directory, empty, and no TFDS_DATA_DIR."""
  monkeypatch.delenv('TFDS_DATA_DIR', raising=False)
  monkeypatch.setattr(tfds.core.constants, 'DATA_DIR', str(tmp_path / 'default'))
  return tmp_path / 'default'


def test_the_directory_named_comes_first(default, monkeypatch, tmp_path):
  monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'variable'))
  assert corpora.locate(str(tmp_path / 'flag'), 'ejsl:all') == (tmp_path / 'flag', False)
  assert corpora.locate('', 'ejsl:all') == (tmp_path / 'variable', False)


def test_the_default_directory_counts_if_it_holds_the_corpus(default):
  assert corpora.locate('', 'ejsl:all') == (default, True)
  (default / 'ejsl' / '1.1.0').mkdir(parents=True)
  assert corpora.locate('', 'ejsl:all') == (default, False)
  assert corpora.locate('', 'bobsl/a_tea:train') == (default, True)


def test_the_embedded_corpus_by_name_is_no_stand_in(default):
  assert corpora.locate('', 'signsim:weak') == (default, False)


def test_a_named_directory_that_lacks_the_corpus_says_how_to_build_it(tmp_path):
  with pytest.raises(UserError, match=f'no ejsl in {tmp_path}.*tfds_builders.build ejsl'):
    corpora.open_split('ejsl:all', tmp_path)
  with pytest.raises(UserError, match="no signsimm .*did you mean 'signsim'"):
    corpora.open_split('signsimm:all', tmp_path)


@pytest.mark.parametrize('spec', ['ejsl', 'ejsl:', 'a/b/c:d', 'ejsl:all:all', '../ejsl:all'])
def test_a_malformed_name_is_an_error(spec):
  with pytest.raises(UserError, match='names no corpus'):
    corpora.parse(spec)


@pytest.mark.parametrize(
  ('one', 'other', 'shared'),
  [
    ('ejsl:f1', 'ejsl:m1', False),
    ('ejsl:f1+m1', 'ejsl:m1', True),
    ('ejsl:all', 'ejsl:m1', True),
    ('ejsl:all', 'signsim:all', False),
    ('bobsl/a:train', 'bobsl/a_tea:train', False),
  ],
)
def test_overlap(one, other, shared):
  assert corpora.overlap(one, other) is shared


def test_features_of_another_key_are_not_mixed():
  real = dataclasses.replace(toys.split(), key=REAL)
  corpora.require_mixable(REAL, real)
  corpora.require_mixable(toys.KEY, real)  # trained on the synthetic corpus, tried on clips
  with pytest.raises(UserError, match='backbone: f00d against synthetic:toy'):
    corpora.require_mixable(REAL, toys.split())
  with pytest.raises(UserError, match='backbone: other against f00d.*same weights'):
    corpora.require_mixable(REAL | dict(backbone='other'), real)


FIRST_USE = """
from pathlib import Path
from emo_jax import corpora
from tfds_builders.signsim import corpus

corpus.SPLITS = {'emosign_like': corpus.SPLITS['emosign_like']}
source = corpora.open_split('signsim:emosign_like', Path('nowhere')).source
print(len(source), *sorted(source.dataset_info.splits))
"""


def test_of_two_runs_at_once_one_builds_the_embedded_corpus(tmp_path, monkeypatch):
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
  where = files.cache_dir() / f'signsim-{signsim_dataset_builder.generator_digest()}'
  with files.one_at_a_time(where / 'signsim', 'building a corpus'):
    other = subprocess.Popen(
      [sys.executable, '-c', FIRST_USE],
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    said = other.stderr.readline()
    assert said == f'waiting for another process that is building a corpus in {where}/signsim\n'
    few = {name: corpus.SPLITS[name] for name in ('emosign_like', 'validation')}
    monkeypatch.setattr(corpus, 'SPLITS', few)
    signsim_dataset_builder.Builder(data_dir=where).download_and_prepare()
  found, said = other.communicate(timeout=100)
  assert other.returncode == 0, said
  assert found.split() == ['140', 'emosign_like', 'validation']  # the first one's, not its own


def open_toys(key):
  return lambda spec, where: dataclasses.replace(toys.split(30, 2, spec), key=key)


def test_evaluate_refuses_another_key(tmp_path, monkeypatch, capsys):
  workdir = toys.finished_run(tmp_path)
  monkeypatch.setattr(corpora, 'open_split', open_toys(toys.KEY | dict(backbone='synthetic:b')))
  assert exit_status(evaluate.main, [str(workdir), '--corpus=toy', '--split=test']) == 2
  assert 'backbone: synthetic:toy against synthetic:b' in capsys.readouterr().err


def toy_config():
  config = toys.config(train__total_steps=4)
  config['data'] = dict(dir='', train='toy:a', folds='', validation='toy:b', test=('toy:c',))
  return config


def test_splits_of_a_run_must_not_share_clips(tmp_path, monkeypatch):
  monkeypatch.setattr(corpora, 'open_split', open_toys(toys.KEY))
  monkeypatch.setattr(corpora, 'locate', lambda *_: (tmp_path, False))
  config = toy_config()
  config['data']['test'] = ('toy:b+c',)
  with pytest.raises(UserError, match=r'toy:b and toy:b\+c share clips'):
    experiment.run(config, tmp_path / 'run')


def test_a_run_does_not_go_on_with_another_corpus(tmp_path, monkeypatch):
  monkeypatch.setattr(corpora, 'locate', lambda *_: (tmp_path, False))
  monkeypatch.setattr(corpora, 'open_split', open_toys(toys.KEY))
  config, workdir = toy_config(), tmp_path / 'run'
  first = experiment.run(config, workdir)
  assert json.loads((workdir / 'config.json').read_text())['used']['features'] == toys.KEY
  monkeypatch.setattr(corpora, 'open_split', open_toys(REAL))
  with pytest.raises(UserError, match='used.features.backbone was synthetic:toy, is f00d'):
    experiment.run(config, workdir)
  monkeypatch.setattr(corpora, 'open_split', open_toys(toys.KEY))
  again = experiment.run(config, workdir)
  assert again['evals'] == first['evals'] and again['temperature'] == first['temperature']


def test_a_mistake_before_the_first_checkpoint_does_not_claim_the_workdir(tmp_path):
  run_dir.claim(tmp_path, dict(seed=0), {})
  run_dir.claim(tmp_path, dict(seed=1), {})
  (tmp_path / 'checkpoints' / '5').mkdir(parents=True)
  with pytest.raises(UserError, match='seed was 1, is 2'):
    run_dir.claim(tmp_path, dict(seed=2), {})
  (tmp_path / 'config.json').write_text('{')
  with pytest.raises(UserError, match='config.json is not there or cannot be read'):
    run_dir.claim(tmp_path, dict(seed=2), {})

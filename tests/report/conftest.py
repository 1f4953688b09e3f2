"""Two whole reports, made once: of synthetic runs with controls, and of real clips."""

from pathlib import Path

import pytest

from emo_jax.report import write
from tests.report import made


@pytest.fixture(scope='session')
def synthetic(tmp_path_factory) -> Path:
  """The folder of a report of six synthetic runs, two of them controls."""
  folder, key = tmp_path_factory.mktemp('synthetic'), made.SYNTHETIC_KEY
  runs = [
    made.run(folder / 'full', 'table3/full', key=key, skill=0.3),
    made.run(folder / 'last', 'table3/last_2s', key=key, skill=1.0, seed=1),
    made.run(folder / 'eanwh', 'table6/eanwh', key=key, seed=2),
    made.run(folder / 'control', name='control_ean', key=key, seed=3),
    made.run(folder / 'shuffled', name='control_ean_labels_shuffled', key=key, skill=0.0, seed=4),
  ]
  write.report(runs, folder / 'report', allow_mixed=False)
  return folder / 'report'


@pytest.fixture(scope='session')
def real(tmp_path_factory) -> Path:
  """The folder of a report of three runs on real clips."""
  folder = tmp_path_factory.mktemp('real')
  runs = [
    made.run(folder / 'a & b', 'table3/full', skill=0.5),
    made.run(folder / 'own', 'table3/first_2s', name='first <2 s> | 50 % & more', seed=1),
    made.run(folder / 'emosign', 'table6/eanwh', seed=2, without=('anger',)),
  ]
  write.report(runs, folder / 'report', allow_mixed=False)
  return folder / 'report'

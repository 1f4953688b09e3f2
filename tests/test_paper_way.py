"""The paper's tables from data sets of the paper's sizes, with random features: all the way."""

import csv
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

from emo_jax import labels, published, weights
from tests import toys
from tests.tfds_builders import made


def weight_files(folder):
  """EAN's public weights, made up: one file with the backbone, one with another LSTM alone."""
  rng = np.random.default_rng(0)

  def draw(shapes):
    return weights.nest({n: 0.05 * rng.standard_normal(s) for n, s in shapes.items()})

  backbone = draw(weights.backbone_shapes())
  weights.save(folder / 'one.safetensors', backbone=backbone, head=draw(weights.head_shapes(512)))
  weights.save(folder / 'two.safetensors', head=draw(weights.head_shapes(512)))
  return [folder / 'one.safetensors', folder / 'two.safetensors'], weights.tensors_id(backbone)


def clips(counts, signers, **more):
  """Descriptions of so many clips per emotion, the signers in turn."""
  who = itertools.cycle(signers)
  return [
    dict(emotion=emotion, signer=next(who), utterance=f'{emotion}{i}', frames=6 + i % 9, **more)
    for emotion, count in zip(labels.EMOTIONS, counts, strict=True)
    for i in range(count)
  ]


def ejsl():
  return [
    dict(emotion=emotion, signer=signer, utterance=f'u{number}', frames=6 + number % 9)
    for signer, number, emotion in itertools.product(('f', 'm'), range(78), labels.EMOTIONS)
  ]


def emosign(clips_of):
  for i, clip in enumerate(clips_of):
    clip['expression'] = labels.EXPRESSIONS[i % 10]
    clip['sentiment'] = labels.TASKS['sentiment'][i % 7]
    clip['sentiment3'] = labels.TASKS['sentiment3'][i % 3]
  return clips_of


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_table_of_corpora_that_are_there(tmp_path):
  files, backbone = weight_files(tmp_path)
  key, data = toys.KEY | dict(backbone=backbone), tmp_path / 'data'
  agreed = [n for _, _, n in published.COUNTS['table9'].rows.values()]
  single = [n for (n,) in published.COUNTS['table8'].rows.values()]
  weak = clips([6] * 7, [f'episode{i}' for i in range(6)])
  unseen = clips([2] * 7, ['episode8', 'episode9'])
  made.build(data, dict(train=weak, validation=unseen), 'bobsl', 'a_tea', key)
  episodes = [f'held_out{i}' for i in range(20)]
  made.build(data, dict(test=clips(agreed, episodes)), 'bobsl', 'm_c', key)
  made.build(data, dict(f=ejsl()), 'ejsl', '', key)
  people = ('Cory', 'Jonathan', 'Rachel', 'Ben')
  made.build(data, dict(p=emosign(clips(single, people))), 'emosign', 'single', key)

  command = [sys.executable, '-m', 'emo_jax.paper', f'--out={tmp_path}/out', f'--data_dir={data}']
  environment = {k: v for k, v in os.environ.items() if k != 'XLA_FLAGS'}

  def run(*more):
    done = subprocess.run(
      [*command, *more], env=environment, capture_output=True, text=True, timeout=1500
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done

  done = run('--weights', *map(str, files))
  assert 'emosign_sentiment_eanwh is left out: no emosign/all in' in done.stderr
  text = (tmp_path / 'out' / 'report' / 'report.md').read_text()
  assert 'SYNTHETIC' not in text and 'random backbone' not in text
  tables = tmp_path / 'out' / 'report' / 'tables'
  rows = list(csv.DictReader((tables / 'table1.csv').read_text().splitlines()))
  assert [row['method'] for row in rows] == [
    'EAN, non-signers: table1_non_signers-one',
    'EAN, non-signers: table1_non_signers-two',
    'EAN, non-signers: table1_non_signers-static',
    'EAN, BOBSL-A_TEA',
  ]
  for row in rows:
    ours = float(row['macro F1: ours'].split()[0])
    assert float(row['macro F1: difference']) == pytest.approx(
      ours - float(row['macro F1: paper']), abs=0.011
    )
  counts = csv.reader((tables / 'table9.csv').read_text().splitlines())
  (fear,) = [row for row in counts if row[0] == 'fear']
  assert '5' in fear
  again = run('--weights', *map(str, files))
  assert again.stderr.count('is there') == again.stderr.count('min]')

"""Exact parameter counts, in tables that must name every config and every network."""

import importlib
import inspect
import pkgutil
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emo_jax import inference, input_pipeline, models, run_report
from emo_jax.config_flags import load_config
from emo_jax.models import mtcnn, resnet

# EAN and EANwH: the reference's Keras model at 512 and 596 inputs; at 84 inputs and 2 labels.
EAN, EANWH = 2_888_455, 3_060_487
HEADS = {
  'ean': EAN,
  'eanwh': EANWH,
  'jsl_handedness': 2_010_626,
  'table1_non_signers': EAN,
  'table1_a_tea': EAN,
  'table2_non_signers': EAN,
  'table2_a_tea': EAN,
  'table3_full': EAN,
  'table3_random_2s': EAN,
  'table3_random_2s_trained': EAN,
  'table3_last_2s': EAN,
  'table3_last_2s_trained': EAN,
  'table4_ean': EAN,
  'table4_eanwh': EANWH,
  'table5_ean': EAN,
  'table5_ean_last_2s': EAN,
  'table5_eanwh': EANWH,
  'table5_eanwh_loso': EANWH,
  'table6_eanwh': EANWH,
  'table6_eanwh_folds': EANWH,
  'table7_eanwh': EANWH,
  'finetune': EANWH + 24_613_831,  # with the backbone
  'sweep_training': EANWH,
  'sweep_reading': EANWH,
  # Ten categories take 3 x 257 parameters more than seven, three of sentiment 4 x 257 fewer.
  'emosign_expression_eanwh': EANWH + 3 * 257,
  'emosign_sentiment_eanwh': EANWH,
  'emosign_sentiment3_eanwh': EANWH - 4 * 257,
}

# The backbone with its 7-way layer and batch norm statistics (EMO-AffectNet); MTCNN's three
# networks as in the original release.
NETWORKS = {'FaceBackbone': 24_613_831, 'PNet': 6_632, 'RNet': 100_178, 'ONet': 389_040}
# Counted above as heads, or within a network.
PARTS = {'Model', 'StaticModel', 'LSTM', 'Block', 'PReLU'}


def count(tree) -> int:
  return sum(int(np.prod(x.shape)) for x in jax.tree.leaves(tree))


@pytest.mark.parametrize('path', sorted(Path('configs').glob('*.py')), ids=lambda p: p.stem)
def test_every_config_has_its_count(path):
  model = inference.build_model(load_config(str(path)).to_dict())
  shapes = jax.eval_shape(lambda: inference.initial_params(model, 0, input_pipeline.STREAM_WIDTHS))
  assert count(shapes) == HEADS[path.stem]


def test_every_network_is_in_the_table():
  found = set()
  for module in pkgutil.iter_modules(models.__path__):
    members = vars(importlib.import_module(f'emo_jax.models.{module.name}'))
    found |= {
      name
      for name, member in members.items()
      if inspect.isclass(member)
      and issubclass(member, nn.Module)
      and member.__module__.startswith('emo_jax')
      and not name.startswith('_')
    }
  assert found == NETWORKS.keys() | PARTS


def test_backbone():
  assert count(resnet.random_variables(0)) == NETWORKS['FaceBackbone']
  assert NETWORKS['FaceBackbone'] == run_report.BACKBONE_PARAMETERS


@pytest.mark.parametrize(('name', 'size'), [('PNet', 12), ('RNet', 24), ('ONet', 48)])
def test_detector(name, size):
  network = getattr(mtcnn, name)()
  shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, size, size, 3)))
  assert count(shapes) == NETWORKS[name]

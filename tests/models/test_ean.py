"""The temporal model against the reference's outputs."""

import numpy as np
import pytest

from emo_jax import convert, labels, weights
from emo_jax.models.ean import Model
from tests import golden


def test_reference_logits_through_conversion_and_model(shared, tmp_path):
  torch = pytest.importorskip('torch')
  state = {n: torch.from_numpy(x) for n, x in golden.states(shared)['dynamic_lstm'].items()}
  torch.save(state, tmp_path / 'lstm.pt')
  out = tmp_path / 'ean.safetensors'
  convert.main(['ean-torch', f'--dynamic={tmp_path / "lstm.pt"}', f'--out={out}'])

  _, windows = golden.inputs()
  batch = dict(streams=dict(face=windows), length=dict(face=np.full(3, 10)))
  loaded = weights.load(out)
  logits = np.asarray(Model().apply(loaded['head'], batch))

  expected = golden.outputs(shared)['lstm_logits']
  in_our_order = expected[:, [labels.EAN_ORDER.index(name) for name in loaded['labels']]]
  assert golden.error(logits, in_our_order) <= 1e-4

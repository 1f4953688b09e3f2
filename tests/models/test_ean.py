"""The temporal model against the reference's outputs."""

import json
import zlib

import numpy as np
import pytest

from emo_jax import convert, labels, weights
from emo_jax.models.ean import Model


def test_reference_logits_through_conversion_and_model(shared, tmp_path):
  torch = pytest.importorskip('torch')
  shapes = json.loads((shared / 'golden/ean_torch_names_shapes.json').read_text())['dynamic_lstm']
  state = {}
  for name, shape in shapes.items():
    r = np.random.default_rng([20261121, zlib.crc32(name.encode())])
    bias = 'bias' in name
    value = r.standard_normal(shape)
    state[name] = torch.tensor(
      np.float32(0.1 * value if bias else value / np.sqrt(np.prod(shape[1:])))
    )
  torch.save(state, tmp_path / 'lstm.pt')
  out = tmp_path / 'ean.safetensors'
  convert.main(['ean-torch', f'--dynamic={tmp_path / "lstm.pt"}', f'--out={out}'])

  r = np.random.default_rng(20261121)
  r.integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
  windows = np.abs(r.standard_normal((3, 10, 512))).astype(np.float32)
  batch = dict(streams=dict(face=windows), length=dict(face=np.full(3, 10)))
  loaded = weights.load(out)
  logits = np.asarray(Model().apply(loaded['head'], batch))

  expected = np.load(shared / 'golden/ean_torch_seed20261121.npz')['lstm_logits']
  in_our_order = expected[:, [labels.EAN_ORDER.index(name) for name in loaded['labels']]]
  error = np.linalg.norm(logits - in_our_order) / np.linalg.norm(in_our_order)
  assert error <= 1e-4

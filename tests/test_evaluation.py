"""Evaluations: the same whatever the padding, order, batches and devices; every clip once."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from emo_jax import inference, input_pipeline, labels, parallel, predictions
from tests import toys


@pytest.fixture(scope='module')
def params():
  model = inference.build_model(toys.config())
  return inference.initial_params(model, 0, input_pipeline.STREAM_WIDTHS)


def predict(params, split, devices=1, batch_size=16, frames=32, temporal='windows', **changes):
  config = toys.config(temporal=temporal, eval__batch_size=batch_size, **changes)
  on = parallel.devices(devices)
  run = inference.Predictor(inference.build_model(config), config['eval']['aggregate'], on)
  how = inference.recipe(config, 'eval', len(on))
  return run(parallel.replicate(params, on), split, how, frames)


def by_id(found):
  assert len({p.id for p in found}) == len(found)
  return {p.id: np.array(list(p.probabilities.values())) for p in found}


@pytest.mark.parametrize('temporal', ['windows', 'sequence'])
@pytest.mark.parametrize(
  'how', [dict(devices=8), dict(batch_size=7), dict(frames=64), dict(batch_size=64, devices=3)]
)
def test_padding_batches_and_devices_change_nothing(params, temporal, how):
  split = toys.split()
  one, other = (by_id(predict(params, split, temporal=temporal, **h)) for h in ({}, how))
  assert one.keys() == other.keys() == {e['id'].decode() for e in split.source}
  for key, p in one.items():
    np.testing.assert_allclose(other[key], p, rtol=1e-5, atol=1e-6)


def test_order_changes_nothing(params):
  split = toys.split()
  backwards = dataclasses.replace(split, source=split.source[::-1])
  one, other = by_id(predict(params, split)), by_id(predict(params, backwards))
  for key, p in one.items():
    np.testing.assert_allclose(other[key], p, rtol=1e-5, atol=1e-6)


def test_random_segments_depend_on_the_clip_not_on_its_neighbours(params):
  split = toys.split()
  half = dataclasses.replace(split, source=split.source[::2])
  whole, part = (by_id(predict(params, s, eval__segment='random_2s')) for s in (split, half))
  for key, p in part.items():
    np.testing.assert_allclose(whole[key], p, rtol=1e-5, atol=1e-6)


def test_a_clip_without_a_face_is_uniform_and_counted(params):
  found = predict(params, toys.split())
  without = [p for p in found if not p.has_face]
  assert [p.id for p in without] == ['toy:train-44']
  assert list(without[0].probabilities.values()) == pytest.approx([1 / 7] * 7)
  score = predictions.score(found, 'emotion')
  assert (score['n'], score['n_clips'], score['n_without_face']) == (45, 45, 1)
  assert np.sum(score['confusion']) == 45


def test_probabilities_are_the_mean_over_windows(params):
  """One clip of 12 frames is three windows, the last of 2 frames and eight repeats of the last."""
  rng = np.random.default_rng(5)
  clip = toys.clip(rng, 'long', 12, 0)
  windows = []
  for start in (0, 5, 10):
    frames = np.minimum(np.arange(start, start + 10), 11)
    timed = ('face', 'face_present', 'hand_points', 'hand_score')
    cut = {name: clip[name][frames] for name in timed}
    windows.append(clip | cut | dict(id=f'w{start}'.encode(), time_s=clip['time_s'][:10]))
  found = by_id(predict(params, dataclasses.replace(toys.split(), source=[clip, *windows])))
  mean = np.mean([found['w0'], found['w5'], found['w10']], axis=0)
  np.testing.assert_allclose(found['long'], mean, rtol=1e-5)


def test_mode_counts_the_decisions_of_windows(params):
  clip = toys.clip(np.random.default_rng(6), 'long', 24, 0)
  found = by_id(
    predict(params, dataclasses.replace(toys.split(), source=[clip]), eval__aggregate='mode')
  )
  np.testing.assert_allclose(found['long'] * 5, np.round(found['long'] * 5), atol=1e-6)


def test_the_output_at_every_frame_of_a_prefix_is_that_of_the_prefix(params):
  model = inference.build_model(toys.config(temporal='sequence'))
  x = np.random.default_rng(7).standard_normal((2, 9, 596)).astype(np.float32)
  batch = dict(streams=dict(face=x[..., :512], hands=x[..., 512:]))
  full = batch | dict(length=dict(face=np.array([9, 9]), hands=np.array([9, 9])))
  short = batch | dict(length=dict(face=np.array([4, 7]), hands=np.array([4, 7])))
  each = model.apply({'params': params}, full, per_frame=True)
  last = model.apply({'params': params}, short)
  np.testing.assert_allclose(each[0, 3], last[0], rtol=1e-5, atol=1e-6)
  np.testing.assert_allclose(each[1, 6], last[1], rtol=1e-5, atol=1e-6)


def test_a_face_seen_before_the_segment_is_held_in_it(params):
  clip = toys.clip(np.random.default_rng(8), 'early', 20, 0)
  clip['face_present'][10:] = False
  split = dataclasses.replace(toys.split(), source=[clip])
  (held,) = predict(params, split, eval__segment='last_2s')
  assert held.has_face
  (dropped,) = predict(params, split, eval__segment='last_2s', no_face='drop')
  assert not dropped.has_face


@pytest.mark.parametrize('temporal', ['windows', 'sequence'])
def test_masked_frames_are_skipped_as_if_they_were_not_there(params, temporal):
  """On a clip of one row, skipping frames and dropping them are the same."""
  clip = toys.clip(np.random.default_rng(9), 'gaps', 10, 0)
  whole = clip | dict(id=b'whole', face_present=np.ones(10, bool))
  clip['face_present'][[0, 4, 9]] = False
  split = dataclasses.replace(toys.split(), source=[clip, whole])
  options = dict(no_face='mask', temporal=temporal)
  masked = by_id(predict(params, split, **options))
  dropped = by_id(predict(params, split, no_face='drop', temporal='sequence'))
  np.testing.assert_allclose(masked['gaps'], dropped['gaps'], rtol=1e-5)
  assert np.abs(masked['gaps'] - masked['whole']).max() > 1e-4


def test_predictions_survive_their_file(tmp_path, params):
  found = predict(params, toys.split())
  predictions.write(tmp_path / 'p.jsonl', found)
  assert predictions.read(tmp_path / 'p.jsonl') == found
  line = json.loads((tmp_path / 'p.jsonl').read_text().splitlines()[0])
  assert tuple(line['probabilities']) == labels.EMOTIONS


def test_dropout_of_a_clip_does_not_depend_on_its_neighbours():
  model = inference.build_model(toys.config())
  params = inference.initial_params(model, 0, input_pipeline.STREAM_WIDTHS)
  how = inference.recipe(toys.config(), 'train', 1)
  examples = [input_pipeline.prepare(raw, how, 0) for raw in toys.split(4).source[:3]]

  def logits(chosen):
    batch = jax.tree.map(lambda x: x[0], input_pipeline.collate(chosen, how, 32))
    key = {'dropout': jax.random.key(1)}
    out = model.apply({'params': params}, batch, train=True, rngs=key)
    mine = chosen.index(examples[1])
    rows = (batch['rows']['clip'] == mine) & (batch['rows']['weight'] > 0)
    return np.asarray(out)[rows]

  alone, among = logits([examples[1]]), logits(examples)
  np.testing.assert_allclose(among, alone, rtol=1e-5, atol=1e-6)

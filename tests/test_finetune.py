"""The face backbone is fine-tuned on crops: on what features are made of, and only where asked."""

import dataclasses
import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import finetune
from emo_jax import (
  config_check,
  inference,
  initial_weights,
  input_pipeline,
  mixup,
  train,
  training_input,
  weights,
)
from emo_jax.errors import UserError
from emo_jax.models import resnet
from emo_jax.survey import survey
from tests import toys


def with_crops(split):
  """Made-up crops whose brightness shows the label; face features are those of the backbone."""
  rng, network = np.random.default_rng(0), resnet.FaceBackbone()
  embed = jax.jit(lambda x: network.apply(resnet.random_variables(0), x))
  for clip in split.source:
    present = clip['face_present']
    base = 20 + 30 * clip['labels']['emotion']
    noise = rng.integers(0, 20, (int(present.sum()), 224, 224, 3))
    clip['crops'] = (base + noise).astype(np.uint8)
    padded = np.zeros((8, 224, 224, 3), np.uint8)
    padded[: len(noise)] = clip['crops']
    clip['face'][present] = np.asarray(embed(padded))[: len(noise)]
  return split


@pytest.fixture(scope='module')
def clips():
  """Four clips of 3 to 6 frames, of which some have no face."""
  rng = np.random.default_rng(1)
  source = [toys.clip(rng, f'c{i}', 3 + i, i) for i in range(4)]
  source[1]['face_present'][:2] = False
  return with_crops(dataclasses.replace(toys.split(1), source=source, spec='toy:crops'))


def config(**changes):
  own = dict(
    model__inputs=('crops', 'hands'),
    heads_at_once=1,
    train__input='streamed',
    train__batch_size=2,
    eval__batch_size=2,
    train__total_steps=2,
    checkpoint_steps=1,
    select='last',
  )
  for part in ('data', 'embedded'):
    own |= {f'{part}__validation': ''}
  return toys.config(**own | changes)


def of_backbone(params):
  return weights.flatten(params['backbone'])


def test_crops_through_the_backbone_are_the_features(clips):
  """Frames without a face show the crop whose features they would have."""
  read = {}
  for inputs in (('crops', 'hands'), ('face', 'hands')):
    own = config(model__inputs=inputs)
    model = inference.build_model(own)
    how = inference.recipe(own, 'eval', 1)
    ((_, batch), *_) = input_pipeline.evaluation_batches(clips, how, 8)
    params = initial_weights.params(own, model, clips.key)
    one = jax.tree.map(lambda x: x[0], batch)
    read[inputs[0]] = np.asarray(jax.jit(model.apply)({'params': params}, one))
  np.testing.assert_allclose(read['crops'], read['face'], atol=2e-4)
  assert np.ptp(read['crops'], axis=0).max() > 1e-3


def test_named_stages_learn_the_rest_stays_and_the_weights_extract(clips, tmp_path):
  own = config(finetune__stages=('conv5',), finetune__mixup=0.4)
  own['finetune']['augmentation'] |= dict(flip=0.5, rotation=10.0, contrast=0.2)
  whole = train.fit(own, tmp_path / 'whole', clips, None)
  start, end = of_backbone(dict(backbone=resnet.random_variables(0))), of_backbone(whole.params)
  changed = {name for name, x in end.items() if (x != start[name]).any()}
  assert changed == {name for name in end if name.startswith('params/conv5_')}
  written = weights.load(tmp_path / 'whole/weights.safetensors')
  assert written['head'] is None  # not of the published size
  for name, x in weights.flatten(written['backbone']).items():
    np.testing.assert_array_equal(x, end[name])
  lines = (tmp_path / 'whole/metrics.jsonl').read_text().splitlines()
  assert all(np.isfinite(json.loads(line)['loss']) for line in lines)

  class Killed(Exception):
    pass

  def kill(step, _):
    if step == 1:
      raise Killed

  with pytest.raises(Killed):
    train.fit(own, tmp_path / 'killed', clips, None, kill)
  resumed = train.fit(own, tmp_path / 'killed', clips, None)
  for a, b in zip(jax.tree.leaves(whole.params), jax.tree.leaves(resumed.params), strict=True):
    np.testing.assert_array_equal(a, b)


def crops_of(split, epoch, **augmentation):
  own = config()
  own['finetune']['augmentation'] |= augmentation
  how = inference.recipe(own, 'train', 1)
  return [input_pipeline.prepare(raw, how, epoch).streams['crops'] for raw in split.source]


def test_augmentation_is_drawn_anew_each_epoch_and_alike_for_all_frames(clips):
  plain = crops_of(clips, 0)
  flipped = crops_of(clips, 0, flip=1.0)
  for a, b in zip(plain, flipped, strict=True):
    np.testing.assert_array_equal(a[:, :, ::-1], b)
  for name, amount in (('rotation', 20.0), ('scale', 0.3), ('shift', 0.2), ('contrast', 0.5)):
    first, again, later = (crops_of(clips, epoch, **{name: amount}) for epoch in (0, 0, 1))
    for a, b in zip(first, again, strict=True):
      np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(first, plain, strict=True))
    assert any((a != b).any() for a, b in zip(first, later, strict=True))
  still = dataclasses.replace(clips, source=[dict(clips.source[0])])
  still.source[0]['crops'] = np.repeat(still.source[0]['crops'][:1], 3, 0)
  for x in crops_of(still, 0, rotation=20.0, shift=0.2, contrast=0.5):
    np.testing.assert_array_equal(x[0], x[-1])


def test_evaluation_changes_no_crop(clips):
  own = config()
  own['finetune']['augmentation'] |= dict(flip=1.0)
  how = inference.recipe(own, 'eval', 1)
  found = input_pipeline.prepare(clips.source[0], how, 0).streams['crops']
  np.testing.assert_array_equal(found, clips.source[0]['crops'])


def test_mixed_crops_and_targets_are_blended_alike(clips):
  how = inference.recipe(config(train__batch_size=3), 'train', 1)
  steps = training_input.Steps(survey(clips, 'emotion'), np.arange(4), how, 4, one_size=False)
  (batch,) = itertools.islice(training_input.streamed(clips, steps, 8), 1)
  one = jax.tree.map(lambda x: x[0], batch)
  usable = jnp.array([True, True, False])
  seen = set()
  for seed in range(20):
    mix = mixup.draw(jax.random.key(seed), usable, 0.4)
    partner, share = np.asarray(mix.partner), np.asarray(mix.share)
    assert partner[2] == 2 and share[2] == 1 and ((share >= 0.5) & (share <= 1)).all()
    seen.add(tuple(partner.tolist()))
    before = one['streams']['crops'].astype(np.float32)
    after = np.asarray(mixup.crops(one, mix)['streams']['crops'])
    last = one['length']['crops'][partner[0]] - 1
    t = min(1, last)
    expected = share[0] * before[0, 1] + (1 - share[0]) * before[partner[0], t]
    np.testing.assert_allclose(after[0, 1], expected, rtol=1e-5)
    np.testing.assert_array_equal(after[2], before[2])
    target = np.asarray(mixup.targets(jnp.eye(3), mix))
    np.testing.assert_allclose(target.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(target[0, 0], share[0] if partner[0] != 0 else 1, rtol=1e-6)
  assert {(0, 1, 2), (1, 0, 2)} <= seen


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    (dict(finetune__stages=('conv9',)), 'conv9.*must be one of conv1, conv2'),
    (dict(model__inputs=('face',), finetune__stages=('conv5',)), "put 'crops' in the place"),
    (dict(model__inputs=('crops', 'face')), 'take one'),
    (dict(train__input='auto'), 'train.input=streamed'),
    (dict(finetune__mixup=-1.0), 'finetune.mixup is -1'),
  ],
)
def test_what_cannot_be_is_refused(changes, message):
  with pytest.raises(UserError, match=message):
    config_check.check(config(**changes))


def test_features_alone_are_refused_with_what_to_do(tmp_path):
  with pytest.raises(UserError, match=r'toy:train-\d+ has features alone.*like ejsl/crops'):
    train.fit(config(), tmp_path, toys.split(), None)


def test_a_backbone_must_be_given_for_features_of_one(clips, tmp_path):
  real = dataclasses.replace(clips, key={**clips.key, 'backbone': 'ab' * 32})
  with pytest.raises(UserError, match='no backbone to fine-tune: give --config.init_weights'):
    train.fit(config(), tmp_path, real, None)


def test_the_config_is_sound():
  config_check.check(finetune.get_config().to_dict())

"""Contributions: exact where they can be worked out, and where a built-in cause is."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emo_jax import inference, input_pipeline, preprocess, train
from emo_jax.errors import UserError
from emo_jax.explain import attribution
from tests import toys
from tests.explain import signed_toys


def streams(**values):
  """A clip of one frame with these features."""
  return {name: jnp.array([[x]], jnp.float32) for name, x in values.items()}


@pytest.mark.parametrize(
  'function, at, wanted',
  [
    # Sundararajan, Taly and Yan 2017: section 1 (saturation) and remark 5 (the minimum).
    (lambda a: 1 - jax.nn.relu(1 - a[..., 0]), [2.0], 1.0),
    (lambda a: a.min(-1), [1.0, 3.0], 1.0),
    (lambda a: a @ jnp.array([2.0, -3.0]), [5.0, 1.0], 7.0),
    (lambda a: a[..., 0] ** 3 * a[..., 1] ** 2, [2.0, 3.0], 72.0),
  ],
)
def test_contributions_sum_to_the_difference(function, at, wanted):
  inputs = streams(face=at)
  start = jax.tree.map(jnp.zeros_like, inputs)
  found = attribution.integrated_gradients(lambda s: function(s['face'])[:, 0], inputs, start, 32)
  np.testing.assert_allclose(found['face'], [[wanted]], rtol=0.02)


def test_integrated_gradients_of_a_product_are_the_shares_of_its_degrees():
  """Of x^a y^b from zero, x has the part a / (a + b): the path integral by hand."""
  inputs = streams(face=[2.0], hands=[3.0])
  start = jax.tree.map(jnp.zeros_like, inputs)
  found = attribution.integrated_gradients(
    lambda s: (s['face'][..., 0] ** 3 * s['hands'][..., 0] ** 2)[:, 0], inputs, start, 3
  )
  np.testing.assert_allclose(found['face'], [[72 * 3 / 5]], rtol=1e-5)
  np.testing.assert_allclose(found['hands'], [[72 * 2 / 5]], rtol=1e-5)


def test_of_a_minimum_the_smaller_one_has_everything():
  inputs = streams(face=[1.0], hands=[3.0])
  start = jax.tree.map(jnp.zeros_like, inputs)
  found = attribution.integrated_gradients(
    lambda s: jnp.minimum(s['face'], s['hands'])[:, 0, 0], inputs, start, 5
  )
  np.testing.assert_allclose([found['face'][0, 0], found['hands'][0, 0]], [1, 0], atol=1e-6)


def test_on_a_linear_function_both_methods_are_weight_times_distance():
  rng = np.random.default_rng(0)
  shapes = dict(face=(3, 5, 4), hands=(3, 5, 2))
  at, start, weight = (
    {n: jnp.float32(rng.standard_normal(s)) for n, s in shapes.items()} for _ in range(3)
  )

  def value(s):
    return sum((weight[n] * s[n]).sum((1, 2)) for n in s)

  gradients = attribution.integrated_gradients(value, at, start, 1)
  drops = attribution.occlusion(value, at, start)
  for name in shapes:
    wanted = (weight[name] * (at[name] - start[name])).sum(-1)
    np.testing.assert_allclose(gradients[name], wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(drops[name], wanted, rtol=1e-4, atol=1e-5)


def explained(config, params, split, steps=32, method='integrated_gradients', empty=None):
  explain = attribution.Explainer(config, params, method, steps)
  empty = attribution.baseline(split) if empty is None else empty
  return [clip for batch in explain(split, empty) for clip in batch]


@pytest.fixture(scope='module')
def params():
  """Not trained, so that both streams matter."""
  return inference.initial_params(
    inference.build_model(toys.config()), 0, input_pipeline.STREAM_WIDTHS
  )


def test_overlapping_windows_add_up(params):
  """A clip of 12 frames has what its three windows have, each explained as a clip of its own."""
  clip = toys.clip(np.random.default_rng(5), 'long', 12, 0)
  how = inference.recipe(toys.config(), 'eval', 1)
  places = [np.minimum(np.arange(start, start + 10), 11) for start in (0, 5, 10)]
  timed = ('face', 'face_present', 'hand_points', 'hand_score')
  cuts = [
    clip | {name: clip[name][at] for name in timed} | dict(time_s=clip['time_s'][:10])
    for at in places
  ]
  predict = inference.predict_step(inference.build_model(toys.config()), 'mean')
  empty = attribution.baseline(toys.split())

  def contributions(raw):
    example = input_pipeline.prepare(raw, how, 0)
    batch = jax.tree.map(lambda x: jnp.asarray(x[0]), input_pipeline.collate([example], how, 16))
    start = {n: jnp.broadcast_to(empty[n], x.shape) for n, x in batch['streams'].items()}
    found = attribution.integrated_gradients(
      lambda s: predict(params, batch | dict(streams=s))[:, 3], batch['streams'], start, 16
    )
    return {name: np.asarray(x[0, : example.length]) for name, x in found.items()}

  whole, windows = contributions(clip), [contributions(cut) for cut in cuts]
  for name in whole:
    wanted = np.zeros(12)
    for at, window in zip(places, windows, strict=True):
      np.add.at(wanted, at, window[name] / 3)
    np.testing.assert_allclose(whole[name], wanted, rtol=1e-3, atol=1e-6)
    assert np.abs(wanted).max() > 1e-4


@pytest.mark.parametrize(
  'temporal, method', [('windows', 'integrated_gradients'), ('sequence', 'occlusion')]
)
def test_padding_batches_and_devices_change_nothing(params, temporal, method):
  split = toys.split(12)
  empty = attribution.baseline(split)
  rng = np.random.default_rng(3)
  longer = dataclasses.replace(split, source=[*split.source, toys.clip(rng, 'long', 40, 0)])

  def found(on, batch_size=16, devices=1):
    config = toys.config(temporal=temporal, eval__batch_size=batch_size, devices=devices)
    return explained(config, params, on, 2, method, empty)

  one = found(split)
  others = found(split, 5, devices=2), found(longer)[:-1]
  assert one[-1] is None and sum(clip is None for clip in one) == 1  # the one without a face
  for other in others:
    for a, b in zip(one[:-1], other[:-1], strict=True):
      assert (a.id, a.predicted) == (b.id, b.predicted)
      for name in ('face', 'hands'):
        np.testing.assert_allclose(a.streams[name], b.streams[name], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
  'changes',
  [dict(), dict(eval__aggregate='mode'), dict(temporal='sequence'), dict(no_face='mask')],
  ids=str,
)
def test_what_is_explained_is_what_evaluation_decides(params, changes):
  config, split = toys.config(eval__batch_size=16, **changes), toys.split(16)
  for raw in split.source[:-1]:
    raw['face_present'][3::5] = False
  found = explained(config, params, split, 2)[:-1]
  decided = inference.Trained(config, params, 1.0)(split)[:-1]
  mean = inference.Trained(config | dict(eval=config['eval'] | dict(aggregate='mean')), params, 1.0)
  for clip, prediction, p in zip(found, decided, mean(split), strict=False):
    assert clip.id == prediction.id and clip.true == prediction.true
    assert clip.predicted == max(prediction.probabilities, key=prediction.probabilities.get)
    assert clip.probability == pytest.approx(p.probabilities[clip.predicted], rel=1e-5)
    assert sum(clip.at_baseline.values()) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize('no_face', preprocess.NO_FACE)
@pytest.mark.parametrize('segment', preprocess.SEGMENTS)
def test_frames_are_those_the_model_sees(segment, no_face):
  how = inference.recipe(toys.config(no_face=no_face), 'eval', 1, segment)
  for raw in toys.split(8).source:
    raw['face_present'][2::3] = False
    example = input_pipeline.prepare(raw, how, epoch=0)
    kept = example.frames
    hands = preprocess.hand_features(raw['hand_points'][kept], raw['hand_score'][kept])
    np.testing.assert_array_equal(example.streams['hands'], hands)


@pytest.fixture(scope='module', params=['windows', 'sequence'])
def late(request, tmp_path_factory):
  """A run, and clips, in which the label shows in the face after the signing only."""
  shown = slice(signed_toys.REST + signed_toys.SIGNING, None)
  config = toys.config(
    temporal=request.param,
    eval__batch_size=21,
    train__total_steps=40,
    train__batch_size=32,
    optim__learning_rate=1e-2,
    checkpoint_steps=40,
  )
  splits = signed_toys.split(140, 0, shown), signed_toys.split(28, 1, shown)
  fitted = train.fit(config, tmp_path_factory.mktemp('run'), *splits)
  return config, fitted.params, signed_toys.split(21, 2, shown)


def test_a_label_that_shows_in_late_faces_is_found_there(late):
  found = explained(*late, steps=256)
  assert np.mean([clip.true == clip.predicted for clip in found]) > 0.9
  assert max(clip.gap for clip in found) < 1e-3
  total = sum(np.abs(clip.streams['face']).sum() for clip in found)
  after = sum(np.abs(clip.streams['face'][clip.phase == 'post_signing']).sum() for clip in found)
  hands = sum(np.abs(clip.streams['hands']).sum() for clip in found)
  assert after > 0.85 * total and hands < 0.1 * total
  # Probability over the baseline's is due to the face.
  gained = sum(clip.probability - clip.at_baseline[clip.predicted] for clip in found)
  assert gained > 1 and sum(clip.streams['face'].sum() for clip in found) > 0.8 * gained


def test_occlusion_finds_the_same_frames(late):
  by_gradient, by_drop = explained(*late, steps=256), explained(*late, method='occlusion')
  same = [
    np.corrcoef(a.streams['face'], b.streams['face'])[0, 1]
    for a, b in zip(by_gradient, by_drop, strict=True)
  ]
  assert np.median(same) > 0.6


def test_a_run_without_hands(params):
  config = toys.config(model__inputs=('face',))
  face = inference.initial_params(inference.build_model(config), 0, dict(face=512))
  found = explained(config, face, toys.split(6))
  assert [list(clip.streams) for clip in found[:-1]] == [['face']] * 5


def test_absent_hands_and_skipped_frames_contribute_nothing(params):
  split = toys.split(4)
  split.source[0]['hand_score'][:3] = 0
  split.source[1]['face_present'][:2] = False
  one, other = explained(toys.config(no_face='mask'), params, split)[:2]
  assert not one.streams['hands'][:3].any() and one.streams['hands'][3:].all()
  assert not any(x[:2].any() for x in other.streams.values())
  assert not other.share[:2].any() and other.share[2:].all()


def test_the_baseline_is_the_mean_of_the_clips_mean_faces():
  split = toys.split(3)
  first, second = split.source[:2]
  second['face_present'][1:] = False
  empty = attribution.baseline(split)
  wanted = (first['face'].mean(0) + second['face'][0]) / 2
  np.testing.assert_allclose(empty['face'], wanted, rtol=1e-5)
  assert empty['hands'].shape == (84,) and not empty['hands'].any()
  with pytest.raises(UserError, match='toy:train has no clip with a face'):
    attribution.baseline(dataclasses.replace(split, source=split.source[2:]))


@pytest.mark.parametrize(
  'moving, wanted',
  [('..##.#..', 'rrssrspp'), ('....', 'rrrr'), ('##', 'ss'), ('#.', 'sp'), ('', '')],
)
def test_phases(moving, wanted):
  found = attribution.phases(np.array([c == '#' for c in moving], bool))
  assert ''.join(phase[0] for phase in found) == wanted


def test_phases_of_a_clip_follow_its_hands(params):
  split = signed_toys.split(3, 0)
  for clip in explained(toys.config(), params, split, 1):
    assert ''.join(phase[0] for phase in clip.phase) == 'r' * 4 + 's' * 6 + 'p' * 6
  # Of a segment, phases are still those of the whole clip.
  config = toys.config(eval__segment='last_2s')
  for clip in explained(config, params, split, 1):
    assert ''.join(phase[0] for phase in clip.phase) == 's' * 4 + 'p' * 6
    assert clip.frame.tolist() == list(range(6, 16))


def test_places_of_frames_in_overlapping_windows():
  # Twelve frames: windows from 0, 5 and 10; the last frame stands for three and eight more.
  found = attribution.places(np.ones(12, bool), 'windows')
  np.testing.assert_allclose(found, np.array([1] * 5 + [2] * 6 + [13]) * 12 / 30)
  assert attribution.places(np.ones(12, bool), 'sequence').tolist() == [1] * 12
  shown = np.arange(4) != 1
  assert attribution.places(shown, 'sequence') == pytest.approx([4 / 3, 0, 4 / 3, 4 / 3])

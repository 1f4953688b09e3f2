"""Training: the same on any number of devices, the same after a kill, and stopped by a NaN."""

import json

import jax
import numpy as np
import pytest

from emo_jax import inference, initial_weights, input_pipeline, train, training_clips, weights
from emo_jax.errors import UserError
from tests import toys


def leaves(tree):
  return [np.asarray(x) for x in jax.tree.leaves(tree)]


def fit(tmp_path, config, **options):
  validation = toys.split(20, seed=1, spec='toy:validation')
  return train.fit(config, tmp_path, toys.split(), validation, **options)


@pytest.mark.parametrize('temporal', ['windows', 'sequence'])
def test_eight_devices_give_the_parameters_of_one(tmp_path, temporal):
  # 44 usable clips in batches of 16: the last of an epoch has 12, which 8 devices share unevenly.
  found = [
    fit(tmp_path / str(n), toys.config(devices=n, temporal=temporal, select='last')).params
    for n in (1, 8)
  ]
  for one, eight in zip(*map(leaves, found), strict=True):
    np.testing.assert_allclose(eight, one, rtol=1e-5, atol=1e-5 * np.abs(one).max())


class Killed(Exception):
  """Stands for a run that ends between two steps."""


@pytest.mark.parametrize('segment', ['full', 'random_2s'])
def test_a_run_broken_off_between_checkpoints_ends_the_same_bit_for_bit(tmp_path, segment, capsys):
  config = toys.config(train__segment=segment)
  whole = fit(tmp_path / 'whole', config)

  def kill(step, _):
    if step == 12:  # five steps after the checkpoint at 7
      raise Killed

  with pytest.raises(Killed):
    fit(tmp_path / 'broken', config, after_step=kill)
  capsys.readouterr()
  resumed = fit(tmp_path / 'broken', config)
  assert 'resuming at step 7' in capsys.readouterr().err
  for a, b in zip(leaves(whole.params), leaves(resumed.params), strict=True):
    assert a.tobytes() == b.tobytes()
  assert (whole.step, whole.temperature) == (resumed.step, resumed.temperature)
  lines = [(tmp_path / name / 'metrics.jsonl').read_text() for name in ('whole', 'broken')]
  assert lines[0] == lines[1]


def test_the_log_has_a_line_per_interval_and_epoch(tmp_path):
  fit(tmp_path, toys.config())
  lines = [json.loads(x) for x in (tmp_path / 'metrics.jsonl').read_text().splitlines()]
  assert [x['step'] for x in lines if 'loss' in x] == [3, 6, 9, 12, 15, 18, 20]
  assert [x['step'] for x in lines if 'validation/macro_f1' in x] == [3, 6, 9, 12, 15, 18, 20]
  assert lines[-1]['validation/nll'] > 0


def test_an_unlabelled_validation_split_cannot_select(tmp_path):
  validation = toys.split(20, seed=1, spec='toy:validation')
  for clip in validation.source:
    clip['labels']['emotion'] = -1
  with pytest.raises(UserError, match='no clip of toy:validation has a label of emotion'):
    train.fit(toys.config(), tmp_path, toys.split(), validation)
  fitted = train.fit(toys.config(select='last'), tmp_path, toys.split(), validation)
  assert (fitted.step, fitted.temperature) == (20, 1)


def test_training_learns(tmp_path):
  fitted = fit(tmp_path, toys.config(train__total_steps=60, optim__learning_rate=1e-2))
  last = json.loads((tmp_path / 'metrics.jsonl').read_text().splitlines()[-1])
  assert last['validation/accuracy'] > 0.6
  assert 0 < fitted.step <= 60


def test_a_nan_stops_the_run_and_names_the_step(tmp_path):
  config = toys.config(optim__learning_rate=1e30, optim__schedule='constant', log_steps=7)
  with pytest.raises(UserError, match=r'not finite at step [2-7];.*learning_rate'):
    fit(tmp_path, config)
  assert not list((tmp_path / 'checkpoints').glob('[0-9]*'))


def test_features_that_are_not_finite_are_named_with_their_clip(tmp_path):
  split = toys.split()
  split.source[3]['face'][:] = np.nan
  with pytest.raises(UserError, match='features of clip toy:train-3 are not finite'):
    train.fit(toys.config(), tmp_path, split, toys.split(20))


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    (dict(train__total_epochs=2), 'give one, set the other to 0'),
    (dict(train__total_steps=0), 'give one'),
    (
      dict(train__class_weights='even'),
      "class_weights is 'even'; it must be one of none, balanced",
    ),
    (dict(optim__name='lion'), "optim.name is 'lion'"),
    (dict(optim__schedule='linear'), "optim.schedule is 'linear'"),
    (dict(select='first'), "config.select is 'first'"),
    (dict(temporal='window'), "config.temporal is 'window'"),
    (dict(no_face='skip'), "config.no_face is 'skip'"),
    (dict(eval__aggregate='max'), "aggregate is 'max'"),
    (dict(devices=9), 'config.devices=9, but there are 8'),
    (dict(train__batch_size=0), 'train.batch_size is 0; it must be at least 1'),
    (dict(eval__batch_size=-3), 'eval.batch_size is -3'),
    (dict(train__total_steps=-5), 'total_steps is -5'),
    (dict(optim__learning_rate=-1.0), 'learning_rate is -1.0'),
    (dict(optim__learning_rate=float('nan')), 'learning_rate is nan'),
    (dict(optim__warmup_share=2.0), 'warmup_share is 2.0; .* at most 1'),
    (dict(model__dropout=2.0), 'dropout is 2.0'),
    (dict(profile=(5, 4)), 'profile is 5, 4'),
    (dict(log_steps=0), 'log_steps is 0'),
    (dict(checkpoint_steps=-1), 'checkpoint_steps is -1'),
    (dict(seed=-1), 'seed is -1'),
    (dict(min_coverage__face=1.5), 'min_coverage.face is 1.5; .* at most 1'),
    (
      dict(min_coverage__hand=0.5),
      "limit of config.min_coverage is 'hand'; it must be one of face",
    ),
    (
      dict(train__low_coverage='skip'),
      "train.low_coverage is 'skip'; it must be one of keep, drop",
    ),
    (dict(optim__name='adam'), 'weight_decay is 0.0001, which adam does not apply'),
    (dict(model__inputs=('voice',)), 'model.inputs is .*must name some of'),
    (dict(model__inputs=()), 'model.inputs is'),
    (dict(model__hidden=(16,)), 'model.hidden is .*two layers'),
    (dict(model__hidden=(16, 8.5)), 'model.hidden is'),
    (
      dict(model__inputs=('hands', 'face'), init_weights='w.safetensors'),
      "must begin with 'face'",
    ),
    (dict(task='sign_handedness'), 'none of its 45 clips has a face and a label'),
  ],
)
def test_impossible_configs_are_one_line(tmp_path, changes, message):
  with pytest.raises(UserError, match=message) as caught:
    fit(tmp_path, toys.config(**changes))
  assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
  'changes',
  [
    dict(optim__name='sgd', optim__learning_rate=1e-2),
    dict(optim__name='adam', optim__weight_decay=0.0, optim__schedule='constant'),
    dict(train__label_smoothing=0.1, train__class_weights='none', optim__clip_norm=0.0),
    dict(model__inputs=('face',), no_face='drop', train__segment='last_2s'),
    dict(eval__aggregate='mode', eval__segment='random_2s', no_face='mask'),
  ],
)
def test_every_choice_trains(tmp_path, changes):
  fitted = fit(tmp_path, toys.config(train__total_steps=4, **changes))
  assert all(np.isfinite(x).all() for x in leaves(fitted.params))


def test_eanwh_starts_as_ean_when_it_begins_from_its_weights(tmp_path):
  """The hands' input rows start at zero, so that the first predictions are the face model's."""
  rng = np.random.default_rng(0)
  flat = {n: rng.standard_normal(s) * 0.1 for n, s in weights.head_shapes(512).items()}
  path = tmp_path / 'ean.safetensors'
  weights.save(path, head=weights.nest(flat))
  whole = toys.config(model__hidden=(512, 256))
  face = inference.build_model(toys.config(model__hidden=(512, 256), model__inputs=('face',)))
  both = inference.build_model(whole)
  fresh = inference.initial_params(both, 0, input_pipeline.STREAM_WIDTHS)
  started = initial_weights.converted(fresh, str(path), 'emotion', both, toys.KEY)
  x = rng.standard_normal((2, 10, 596)).astype(np.float32)
  streams = dict(face=x[..., :512], hands=x[..., 512:])
  batch = dict(streams=streams, length=dict(face=np.array([10, 10]), hands=np.array([10, 10])))
  np.testing.assert_allclose(
    both.apply({'params': started}, batch),
    face.apply(weights.load(path)['head'], batch),
    rtol=1e-4,
    atol=1e-5,
  )
  with pytest.raises(UserError, match=r'is \[256, 7\], the model needs \[8, 7\]'):
    small = inference.initial_params(
      inference.build_model(toys.config()), 0, input_pipeline.STREAM_WIDTHS
    )
    initial_weights.converted(small, str(path), 'emotion', both, toys.KEY)


def test_balanced_weights_make_every_class_weigh_the_same():
  label = np.array([0] * 6 + [1] * 3 + [2])
  weights = training_clips.class_weights(label, 4, 'balanced')
  assert weights.tolist() == pytest.approx([10 / 24, 10 / 12, 10 / 4, 0])
  assert training_clips.class_weights(label, 4, 'none').tolist() == [1, 1, 1, 1]


def test_a_trace_of_some_steps_is_written(tmp_path, capsys):
  fit(tmp_path, toys.config(profile=(4, 5), train__total_steps=6))
  assert list((tmp_path / 'profile').rglob('*.xplane.pb'))
  assert f'a trace of the steps up to 5 is in {tmp_path}/profile' in capsys.readouterr().err


@pytest.mark.parametrize(
  'changes',
  [
    dict(),
    dict(train__segment='random_2s', train__input='streamed'),
    dict(train__steps_at_once=3),
    dict(devices=3, train__batch_size=7, no_face='drop'),
  ],
)
def test_nothing_is_compiled_after_the_first_epoch(tmp_path, changes):
  """Batches need unlike numbers of rows, which change from epoch to epoch."""
  lowered, at = [], {}
  jax.monitoring.register_event_duration_secs_listener(
    lambda name, s, **_: lowered.append(name) if name.endswith('mlir_module_duration') else None
  )
  config = toys.config(**dict(train__batch_size=4, train__total_steps=60) | changes)
  batch = config['train']['batch_size']

  def look(step, progress):
    at[step] = len(lowered)

  before = len(lowered)
  train.fit(config, tmp_path, toys.split(), toys.split(20, 1, 'toy:validation'), look)
  per_epoch = -(-44 // batch)
  first = min(step for step in at if step >= per_epoch)
  assert at[first] > before
  assert set(at) > {first} and {n for step, n in at.items() if step >= first} == {at[first]}


@pytest.mark.parametrize('no_face', ['hold', 'mask'])
def test_clips_without_the_frames_that_longer_ones_have_learn_the_same(
  tmp_path, monkeypatch, no_face
):
  config = toys.config(temporal='sequence', no_face=no_face, model__lstm='float32')
  grouped = fit(tmp_path / 'grouped', config)
  monkeypatch.setattr('emo_jax.batch_plan._GROUPS', 1)
  together = fit(tmp_path / 'together', config)
  for a, b in zip(leaves(grouped.params), leaves(together.params), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(b).max())

"""Features that lie on the devices make the same batches and the same run as streamed ones."""

import itertools
import json

import jax
import numpy as np
import pytest

from emo_jax import inference, resident, train, training_input
from emo_jax.errors import UserError
from emo_jax.members import Member
from emo_jax.survey import survey
from tests import toys

FRAMES = 32


def gappy(count=45):
  """Toy clips in which a third of the frames show no face."""
  split = toys.split(count)
  for number, clip in enumerate(split.source[:-1]):
    clip['face_present'][number % 3 :: 3] = False
  return split


def pairs(devices=1, count=7, **changes):
  """(streamed, gathered) batches of each device, one after the other."""
  split, config = gappy(), toys.config(**changes)
  how = inference.recipe(config, 'train', devices)
  keep, inputs = np.arange(44), config['model']['inputs']
  steps = training_input.Steps(survey(split, 'emotion'), keep, how, 20, one_size=False)
  arrays = resident.load(split, steps, inputs, 'float32')
  streams = (training_input.streamed(split, steps, FRAMES), resident.batches(steps))
  for one, other in itertools.islice(zip(*streams, strict=True), count):
    for device in range(devices):
      a, b = (jax.tree.map(lambda x, d=device: x[d], x) for x in (one, other))
      yield a, resident.gathered(b, arrays, FRAMES, how.no_face == 'mask')


@pytest.mark.parametrize('segment', ['full', 'random_2s', 'last_2s'])
@pytest.mark.parametrize('no_face', ['hold', 'drop', 'mask'])
@pytest.mark.parametrize('temporal', ['windows', 'sequence'])
def test_batches_are_the_same(segment, no_face, temporal):
  changes = dict(train__segment=segment, no_face=no_face, temporal=temporal)
  for streamed, gathered in pairs(**changes):
    streams, others = streamed.pop('streams'), gathered.pop('streams')
    real = np.arange(FRAMES) < streamed['length']['face'][:, None]
    for name, x in streams.items():
      np.testing.assert_array_equal(x[real], others[name][real])
    if no_face == 'mask':
      np.testing.assert_array_equal(streamed.pop('shown')[real], gathered.pop('shown')[real])
    gathered.pop('first')
    jax.tree.map(np.testing.assert_array_equal, streamed, gathered)


def test_batches_of_several_devices_are_the_same():
  for streamed, gathered in pairs(devices=3):
    real = np.arange(FRAMES) < streamed['length']['face'][:, None]
    np.testing.assert_array_equal(streamed['id'], gathered['id'])
    for name, x in streamed['streams'].items():
      np.testing.assert_array_equal(x[real], gathered['streams'][name][real])


def fit(workdir, heads=None, after_step=lambda step, progress: None, **changes):
  """Trains on gappy clips; returns what it ended with and its log."""
  config = toys.config(**changes)
  validation = toys.split(20, 1, 'toy:validation')
  heads = heads or [Member('', config['seed'], gappy(), validation)]
  found = train.fit_all(config, workdir, heads, after_step)
  logs = [(head.folder(workdir) / 'metrics.jsonl').read_text() for head in heads]
  return found, logs


def same(one, other, rtol=1e-6):
  for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6)


def losses(log):
  return [line['loss'] for line in map(json.loads, log.splitlines()) if 'loss' in line]


@pytest.mark.parametrize('segment', ['full', 'random_2s'])
def test_a_run_ends_the_same_whatever_the_way_in(tmp_path, segment):
  changes = dict(train__segment=segment)
  (streamed,), logs = fit(tmp_path / 'streamed', train__input='streamed', **changes)
  (found,), its_logs = fit(tmp_path / 'resident', train__input='resident', **changes)
  same(found.params, streamed.params)
  assert its_logs == logs
  assert (found.step, found.temperature) == (streamed.step, streamed.temperature)


@pytest.mark.parametrize(
  ('way_in', 'at_once', 'devices'),
  [('resident', 4, 1), ('streamed', 4, 1), ('resident', 50, 2)],
)
def test_steps_in_a_row_are_steps_one_after_another(tmp_path, way_in, at_once, devices):
  (alone,), (log,) = fit(tmp_path / 'alone', train__input='streamed')
  how = dict(train__input=way_in, train__steps_at_once=at_once, devices=devices)
  (found,), (its_log,) = fit(tmp_path / 'many', **how)
  same(found.params, alone.params, rtol=1e-4)
  assert len(losses(log)) == 6 + 1  # every third of 20, and the last
  assert losses(its_log) == pytest.approx(losses(log), rel=1e-4)
  assert found.step == alone.step


def test_heads_at_once_gather_each_their_own(tmp_path):
  validation = toys.split(20, 1, 'toy:validation')
  heads = [
    Member('a', 0, gappy(), validation),
    Member('b', 1, toys.split(60, 5, 'toy:other'), validation),
  ]
  one_by_one, _ = fit(tmp_path / 'alone', heads, train__input='streamed', heads_at_once=1)
  for at_once in (1, 3):
    how = dict(train__input='resident', heads_at_once=2, train__steps_at_once=at_once)
    together, _ = fit(tmp_path / f'together{at_once}', heads, **how)
    for one, other in zip(one_by_one, together, strict=True):
      same(other.params, one.params, rtol=1e-4)


def test_a_resident_run_that_was_broken_off_ends_the_same_bit_for_bit(tmp_path):
  how = dict(train__input='resident', train__steps_at_once=2, train__segment='random_2s')
  (whole,), logs = fit(tmp_path / 'whole', **how)

  def kill(step, _):
    if step > 10:  # after the checkpoint at 7
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    fit(tmp_path / 'broken', after_step=kill, **how)
  (resumed,), again = fit(tmp_path / 'broken', **how)
  for a, b in zip(jax.tree.leaves(whole.params), jax.tree.leaves(resumed.params), strict=True):
    assert a.tobytes() == b.tobytes()
  assert logs == again


def test_rounded_features_train_nearly_the_same(tmp_path):
  (exact,), _ = fit(tmp_path / 'exact', train__input='resident')
  (rounded,), _ = fit(
    tmp_path / 'rounded', train__input='resident', train__resident_dtype='bfloat16'
  )
  largest = max(
    float(np.abs(a - b).max())
    for a, b in zip(*map(jax.tree.leaves, (exact.params, rounded.params)), strict=True)
  )
  assert 0 < largest < 0.05


def test_the_choice_is_made_by_room_said_and_can_be_forced(tmp_path, capsys, monkeypatch):
  fit(tmp_path / 'a')
  assert 'features lie on every device: 0.00 GB' in capsys.readouterr().err
  monkeypatch.setattr('emo_jax.parallel.memory_bytes', lambda on: 1000)
  fit(tmp_path / 'b')
  assert 'features are streamed: 0.00 GB' in capsys.readouterr().err
  fit(tmp_path / 'c', train__input='resident')
  assert 'features lie on every device' in capsys.readouterr().err
  with pytest.raises(UserError, match='config.train.input'):
    fit(tmp_path / 'd', train__input='Resident')


def test_clips_without_a_frame_left_are_gathered(tmp_path):
  """A random segment may hold none of the frames that show a face."""
  split = toys.split(6)
  for clip in split.source:
    clip['face_present'][:] = False
    clip['face_present'][0] = True
  how = inference.recipe(
    toys.config(no_face='drop', train__segment='random_2s', train__batch_size=4), 'train', 1
  )
  steps = training_input.Steps(survey(split, 'emotion'), np.arange(6), how, 20, one_size=False)
  arrays = resident.load(split, steps, ('face',), 'float32')
  lengths = set()
  for batch in itertools.islice(resident.batches(steps), 10):
    one = jax.tree.map(lambda x: x[0], batch)
    found = resident.gathered(one, arrays, FRAMES, masked=False)
    assert np.isfinite(found['streams']['face']).all()
    lengths |= set(one['length']['face'].tolist())
  assert {0, 1} <= lengths


def test_its_size_is_what_the_devices_get():
  how = inference.recipe(toys.config(), 'train', 1)
  split = gappy()
  steps = training_input.Steps(survey(split, 'emotion'), np.arange(44), how, 20, one_size=False)
  for dtype in resident.DTYPES:
    arrays = resident.load(split, steps, ('face', 'hands'), dtype)
    held = sum(arrays[name].nbytes for name in ('face', 'hands'))
    assert held == resident.size(len(arrays['shown']), ('face', 'hands'), dtype)


def test_heads_of_nearly_as_many_clips_share_programs_for_little_memory(monkeypatch):
  how, split = inference.recipe(toys.config(), 'train', 1), gappy()

  def frames(clips):
    keep = np.arange(clips)
    steps = training_input.Steps(survey(split, 'emotion'), keep, how, 20, one_size=False)
    found = len(resident.load(split, steps, ('face',), 'float32')['shown'])
    return found, int(steps.spans.whole().first()[-1])

  assert frames(35)[0] == frames(44)[0] == 4096
  monkeypatch.setattr(resident, '_FEW', 1)
  for clips in range(1, 45):
    held, used = frames(clips)
    assert used <= held <= max(1.13 * used, 1)

"""Batches: every clip once an epoch, shuffled anew, wherever the iterator is taken up."""

import dataclasses
import itertools

import numpy as np
import pytest

from emo_jax import inference, input_pipeline, preprocess, training_input
from emo_jax.errors import UserError
from emo_jax.survey import survey
from tests import toys


def batches(count, seed=0, batch_size=16, segment='full', first=0):
  split = toys.split()
  how = inference.recipe(
    toys.config(seed=seed, train__batch_size=batch_size, train__segment=segment), 'train', 1
  )
  steps = training_input.Steps(survey(split, 'emotion'), np.arange(44), how, 20, one_size=False)
  return list(itertools.islice(training_input.streamed(split, steps, 32, first), count))


def ids(found):
  return [x for b in found for x, real in zip(b['id'][0], b['mask'][0], strict=True) if real]


def test_every_clip_comes_once_an_epoch_in_an_order_of_its_own():
  found = batches(6)
  sizes = [int(b['mask'].sum()) for b in found]
  assert sizes == [16, 16, 12] * 2
  expected = {preprocess.clip_hash(f'toy:train-{i}') for i in range(44)}
  first, second = ids(found[:3]), ids(found[3:])
  assert set(first) == set(second) == expected
  assert len(first) == len(second) == 44
  assert first != second
  assert ids(batches(3, seed=1)) != first


def test_batches_from_a_number_on_are_those_of_the_whole():
  rest, whole = batches(3, first=4), batches(7)
  for a, b in zip(rest, whole[4:], strict=True):
    np.testing.assert_equal(a, b)


def test_random_segments_differ_between_epochs():
  found = batches(6, segment='random_2s')
  lengths = [b['length']['face'].max() for b in found]
  assert max(lengths) == 10
  streams = [dict(zip(ids([b]), b['streams']['face'][0], strict=False)) for b in found]
  first, second = (
    {k: v for s in part for k, v in s.items()} for part in (streams[:3], streams[3:])
  )
  assert any(np.abs(first[k] - second[k]).max() > 0 for k in first)


@pytest.mark.parametrize('devices', [1, 3])
def test_rows_cover_every_window_and_weigh_one_per_clip(devices):
  split = toys.split()
  how = dataclasses.replace(inference.recipe(toys.config(), 'eval', devices), batch_size=16)
  windows = 0
  for examples, batch in input_pipeline.evaluation_batches(split, how, 32):
    rows = batch['rows']
    for device in range(devices):
      weight = np.bincount(
        rows['clip'][device], rows['weight'][device], minlength=batch['mask'].shape[1]
      )
      np.testing.assert_allclose(weight, batch['length']['face'][device] > 0, atol=1e-6)
    windows += int((rows['weight'] > 0).sum())
    assert batch['mask'].sum() == len(examples)
  expected = [len(preprocess.window_starts(len(e['time_s']))) for e in split.source[:-1]]
  assert windows == sum(expected)


def test_an_empty_split_is_an_error():
  with pytest.raises(UserError, match='toy:train has no clip'):
    survey(dataclasses.replace(toys.split(), source=[]), 'emotion')


@pytest.mark.parametrize('planned', [0, 10**7])
@pytest.mark.parametrize('segment', ['full', 'random_2s'])
def test_no_batch_has_longer_clips_than_were_planned(segment, planned, monkeypatch):
  monkeypatch.setattr('emo_jax.batch_plan._MOST_CLIPS', planned)
  config = toys.config(temporal='sequence', train__segment=segment, train__batch_size=15)
  how, split = inference.recipe(config, 'train', 2), toys.split()
  steps = training_input.Steps(survey(split, 'emotion'), np.arange(44), how, 30, one_size=False)
  rows = [rows for rows, _ in steps.longest]
  most = np.repeat([frames for _, frames in steps.longest], rows)
  assert rows == [2, 2, 2, 2]
  for batch in itertools.islice(training_input.streamed(split, steps, 32), 30):
    for device in range(2):
      clips = batch['rows']['clip'][device][batch['rows']['weight'][device] > 0]
      lengths = batch['length']['face'][device][clips]
      assert (np.diff(lengths) <= 0).all()
      assert (lengths <= most[: len(lengths)]).all()
  if planned and segment == 'full':
    assert most.sum() < 0.9 * 8 * most[0]  # what is saved, of clips of 4 to 25 frames

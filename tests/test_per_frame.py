"""Probabilities per frame: the reference's rule in `windows` mode, prefixes in `sequence` mode."""

import dataclasses

import numpy as np
import pytest

from emo_jax import inference, input_pipeline, per_frame
from tests import toys

STEP = 6  # decoded frames from one sampled frame to the next
PER_SAMPLE = ('face', 'face_present', 'hand_points', 'hand_score', 'time_s', 'frame_index')


@pytest.fixture(scope='module')
def params():
  return inference.initial_params(
    inference.build_model(toys.config()), 0, input_pipeline.STREAM_WIDTHS
  )


def clip(frames, seed=0):
  made = toys.clip(np.random.default_rng(seed), 'clip', frames, 0)
  return made | dict(frame_index=np.arange(frames, dtype=np.int32) * STEP)


def split(raw):
  return dataclasses.replace(toys.split(2), source=[raw])


def found(params, raw, temperature=1.0, **changes):
  return per_frame.FramePredictor(toys.config(**changes), params, temperature)(split(raw))


def of_clip(params, raw, temperature=1.0, **changes):
  (p,) = inference.Trained(toys.config(**changes), params, temperature)(split(raw))
  return np.array(list(p.probabilities.values()))


def reference_rule(windows, probabilities, total):
  """Lists of frame numbers and means, as EMO-AffectNet's run.py groups its windows' frames."""
  listed = []
  for frames, p in zip(windows, probabilities, strict=True):
    listed += [(frame, p) for frame in range(frames[0], frames[-1] + 1)]
  listed += [(frame, probabilities[-1]) for frame in range(listed[-1][0] + 1, total)]
  numbers = sorted({frame for frame, _ in listed})
  return numbers, [np.mean([p for f, p in listed if f == frame], axis=0) for frame in numbers]


@pytest.mark.parametrize('sampled', [1, 4, 10, 12, 25, 26])
def test_frames_of_windows_follow_the_reference(params, sampled):
  raw = clip(sampled)
  index = raw['frame_index']
  starts = [0] if sampled <= 10 else range(0, sampled, 5)
  cuts = [np.minimum(np.arange(s, s + 10), sampled - 1) for s in starts]
  alone = [of_clip(params, raw | {name: raw[name][cut] for name in PER_SAMPLE}) for cut in cuts]
  total = int(index[-1]) + 20
  numbers, wanted = reference_rule([index[c] for c in cuts], alone, total)
  assert numbers == list(range(total))
  got = found(params, raw)
  assert len(got) == index[-1] + 2
  np.testing.assert_allclose(got[np.minimum(numbers, len(got) - 1)], wanted, rtol=1e-4, atol=1e-6)


def test_the_output_of_a_sequence_holds_until_the_next_frame(params):
  raw = clip(7)
  got = found(params, raw, temporal='sequence')
  for seen in range(1, 8):
    prefix = raw | {name: raw[name][:seen] for name in PER_SAMPLE}
    wanted = of_clip(params, prefix, temporal='sequence')
    held = got[(seen - 1) * STEP : seen * STEP]
    np.testing.assert_allclose(held, np.broadcast_to(wanted, held.shape), rtol=1e-4, atol=1e-6)


def test_a_clip_of_one_window_has_its_probabilities_throughout_with_temperature(params):
  raw = clip(9)
  got = found(params, raw, temperature=2.5)
  wanted = of_clip(params, raw, temperature=2.5)
  np.testing.assert_allclose(got, np.broadcast_to(wanted, got.shape), rtol=1e-4)


@pytest.mark.parametrize('temporal', ['windows', 'sequence'])
@pytest.mark.parametrize('no_face', ['hold', 'drop', 'mask'])
def test_frames_before_the_first_face(params, temporal, no_face):
  raw = clip(14)
  raw['face_present'][:3] = False
  raw['face_present'][8] = False
  got = found(params, raw, temporal=temporal, no_face=no_face)
  known = ~np.isnan(got[:, 0])
  # A face that comes later is held backwards; windows look ahead where frames are skipped.
  early = no_face == 'hold' or (no_face == 'mask' and temporal == 'windows')
  assert known[: 3 * STEP].tolist() == [early] * 3 * STEP and known[3 * STEP :].all()
  np.testing.assert_allclose(got[known].sum(1), 1)
  if temporal == 'sequence':
    last = of_clip(params, raw, temporal=temporal, no_face=no_face)
    np.testing.assert_allclose(got[-1], last, rtol=1e-4)


@pytest.mark.parametrize('no_face', ['hold', 'drop', 'mask'])
def test_without_a_face_every_frame_is_uniform(params, no_face):
  raw = clip(5)
  raw['face_present'][:] = False
  assert found(params, raw, no_face=no_face) == pytest.approx(1 / 7)

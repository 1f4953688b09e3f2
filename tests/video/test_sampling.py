import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emo_jax.errors import UserError
from emo_jax.video import sampling
from emo_jax.video.decode import Frame, Video

PIXEL = np.zeros((1, 1, 3), np.uint8)
SETTLED = settings(deadline=None, derandomize=True, max_examples=200)


def picked(times):
  frames = (Frame(i, t, PIXEL) for i, t in enumerate(times))
  return [frame.index for frame in sampling.nearest(frames, 0.2)]


@pytest.mark.parametrize(
  'fps, step',
  [(24, 5), (23.976, 5), (25, 5), (29.97, 6), (30, 6), (50, 10), (60, 12), (5, 1), (1, 1)],
)
def test_steps_of_the_reference(fps, step):
  assert sampling.step(float(fps)) == step


def test_index_takes_every_step_from_the_first(shared):
  video = Video(shared / 'data/signing/Jsl_age.mp4')
  assert [f.index for f in sampling.sample(video, 'index')] == list(range(0, 69, 6))


def test_time_equals_index_at_30_fps(shared):
  video = Video(shared / 'data/signing/Jsl_age.mp4')
  assert [f.index for f in sampling.sample(video, 'time')] == list(range(0, 69, 6))


def test_time_of_an_irregular_file(shared):
  video = Video(shared / 'data/edge/face_noface.mov')
  every = [frame.time_s for frame in video.frames()]
  assert np.ptp(np.diff(every)) > 0.02
  taken = list(sampling.sample(video, 'time'))
  ticks = 0.2 * np.arange(int(every[-1] / 0.2 + 1e-6) + 1)
  nearest = [int(np.argmin(np.abs(np.asarray(every) - tick))) for tick in ticks]
  assert [frame.index for frame in taken] == nearest
  assert [frame.time_s for frame in taken] == [every[i] for i in nearest]


def test_nearest_keeps_no_frame_twice():
  assert picked([0.0, 0.11, 0.19, 0.22, 0.39, 0.41]) == [0, 2, 4]
  assert picked([0.0, 0.19, 1.21, 1.4]) == [0, 1, 2, 3]  # a gap in the file
  assert picked([7.0, 7.1, 7.2, 7.3]) == [0, 2]  # the clock does not start at zero
  assert picked([0.0, 0.1, 0.3, 0.4]) == [0, 1, 3]  # of two equally near ones the earlier
  assert picked([3 * 0.2 - 0.6, 0.1999999999, 0.6000000001 - 0.2]) == [0, 1, 2]
  assert picked([]) == []


@pytest.mark.parametrize('rule', sampling.RULES)
def test_frames_are_not_kept(rule, write_video):
  video = Video(write_video('grey.avi', [np.full((48, 64, 3), 99, np.uint8)] * 120))
  pictures = []
  for frame in sampling.sample(video, rule):
    pictures.append(weakref.ref(frame.rgb))
    assert sum(picture() is not None for picture in pictures) <= 3
  assert len(pictures) == 20


def test_an_unknown_rule(shared):
  with pytest.raises(UserError, match="unknown sampling rule 'often'; the rules are index, time"):
    sampling.sample(Video(shared / 'data/signing/Jsl_age.mp4'), 'often')


@SETTLED
@given(st.integers(1, 240), st.sampled_from([1.0, 1000 / 1001]))
def test_step_is_the_references(rate, ntsc):
  kept = sampling.step(rate * ntsc)
  # A frame every 0.2 s as near as whole frames come; halves go to the even step, as `round` does.
  assert kept >= 1
  assert abs(kept - rate / 5) <= 0.5 or (rate < 3 and kept == 1)


@SETTLED
@given(times=st.lists(st.integers(0, 5000), unique=True).map(sorted), start_s=st.integers(0, 50))
def test_nearest_keeps_the_nearest_frame_of_every_tick(times, start_s):
  """Times in milliseconds, where a comparison of distances is exact."""
  kept = picked([start_s + t / 1000 for t in times])
  ticks = range(times[0], times[-1] + 1, 200) if times else ()
  # Of two equally near frames min() takes the earlier.
  nearest = [min(range(len(times)), key=lambda i: abs(times[i] - tick)) for tick in ticks]
  assert kept == sorted(set(nearest)) and kept[:1] == [0][: len(times)]


@SETTLED
@given(fps=st.floats(5.01, 240), count=st.integers(1, 500), start_s=st.floats(0, 100))
def test_nearest_of_an_even_rate(fps, count, start_s):
  kept = np.asarray(picked([start_s + i / fps for i in range(count)]))
  assert kept[0] == 0 and (np.diff(kept) > 0).all()
  off = kept / fps - 0.2 * np.arange(len(kept))
  assert (np.abs(off) <= 0.5 / fps + 1e-5).all()
  # No tick that the video reaches is left out.
  assert len(kept) == int((count - 1) / fps / 0.2 + 1e-5) + 1

"""Which frames of a video are kept: about five a second, by index or by presentation time."""

from collections.abc import Iterable, Iterator

from emo_jax.errors import UserError
from emo_jax.video.decode import Frame, Video

RATE_HZ = 5
RULES = ('index', 'time')

_ROUNDING_S = 1e-6  # of presentation times, so that 0.6 s is reached at 0.5999999


def step(fps: float) -> int:
  """The distance of frames sampled by `index`, after EMO-AffectNet's get_face_areas."""
  return max(1, round(RATE_HZ * round(fps) / 25))


def key(rule: str) -> str:
  """The rule with its rate, as the compatibility key names it. Raises UserError if unknown."""
  if rule not in RULES:
    raise UserError(f'unknown sampling rule {rule!r}; the rules are {", ".join(RULES)}')
  return f'{rule}-{RATE_HZ}hz'


def sample(video: Video, rule: str) -> Iterator[Frame]:
  """Yields the sampled frames in order.

  `index` keeps every `step(fps)`-th decoded frame from the first. `time` keeps the frame nearest to
  every 0.2 s from the first frame's time on, the earlier of two equally near ones, as far as the
  video reaches; no frame is kept twice.

  Raises:
    UserError: the rule is unknown or the video cannot be decoded.
  """
  key(rule)
  if rule == 'index':
    every = step(video.fps)
    return video.frames(lambda index: index % every == 0)
  return nearest(video.frames(), 1 / RATE_HZ)


def nearest(frames: Iterable[Frame], period_s: float) -> Iterator[Frame]:
  """Yields the frame nearest to every multiple of the period, counted from the first frame."""
  start_s = previous = kept = None
  ticks = 0
  for frame in frames:
    start_s = frame.time_s if start_s is None else start_s
    while frame.time_s >= (tick_s := start_s + ticks * period_s) - _ROUNDING_S:
      ticks += 1
      later = previous is None or frame.time_s - tick_s < tick_s - previous.time_s - _ROUNDING_S
      best = frame if later else previous
      if best is not kept:
        kept = best
        yield best
    previous = frame

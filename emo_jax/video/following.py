"""Whose face it is through a video, and how little of a frame must be searched for it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

from emo_jax.errors import UserError
from emo_jax.video.faces import FaceDetector, Faces

Person = tuple[np.ndarray, float, np.ndarray]  # a face's box [4], score and landmarks [5, 2]

SEARCHES = ('follow', 'full')

# The nearest centre, at most one face (its longer side) away from the last one; after so many
# seconds out of sight the largest face is taken again.
_FARTHEST = 1.0
_OUT_OF_SIGHT_S = 1.0

EVERY = 16  # sampled frames from one full search to the next
_SURE = 0.95  # a followed face of a lower score is searched for in full
# P-Net's windows that are looked through, relative to the face of the last full search.
_SIDES = (0.7, 1.2)
# A full search begins with large windows, of which there are few: from half the last face on, or
# from this share of the frame's shorter side. A face that is larger than the smallest of them by
# this factor, more than the step from one size of window to the next, is the largest there is.
_LEAST_OF_LAST, _LEAST_OF_FRAME, _CLEARLY_LARGER = 0.5, 1 / 12, 1.5


def key(search: str) -> str:
  """The detector as the compatibility key names it. Raises UserError if the search is unknown."""
  if search not in SEARCHES:
    raise UserError(f'unknown face search {search!r}; there are {", ".join(SEARCHES)}')
  return f'mtcnn-1.0.0-{search}'


class Follower:
  """Keeps to one person's face through a video, frames in order.

  The largest face at first sight. Afterwards the face whose centre is nearest to the last one's,
  if it is at most the longer side of the last box away; farther faces are other people, and the
  frame counts as one without the person's face. Once the person has not been seen for 1 s, the
  largest face is taken again.
  """

  def __init__(self, box: np.ndarray | None = None, seen_s: float = 0.0):
    """Starts anew, or from the box [4] last seen and its time."""
    self._box, self._seen_s = box, seen_s

  def pick(self, time_s: float, boxes: Float[np.ndarray, 'k 4']) -> int | None:
    """The index of the person's face among a frame's boxes, or None.

    Args:
      time_s: presentation time of the frame.
      boxes: x0, y0, x1, y1 of its faces.
    """
    chosen = self.look(time_s, boxes)
    if chosen is not None:
      self._box, self._seen_s = boxes[chosen], time_s
    return chosen

  def look(self, time_s: float, boxes: Float[np.ndarray, 'k 4']) -> int | None:
    """What `pick` would say, without taking it."""
    if not len(boxes):
      return None
    size = boxes[:, 2:] - boxes[:, :2]
    if self.lost(time_s):
      return int(np.argmax(size.prod(axis=1)))
    last_size = self._box[2:] - self._box[:2]
    centres = boxes[:, :2] + size / 2 - (self._box[:2] + last_size / 2).reshape(1, 2)
    distance = np.linalg.norm(centres, axis=1) / last_size.max()
    chosen = int(np.argmin(distance))
    return chosen if distance[chosen] <= _FARTHEST else None

  @property
  def side(self) -> float:
    """The longer one of the box last seen, in pixels."""
    return _side(self._box)

  def lost(self, time_s: float) -> bool:
    """Whether the largest face is taken at this time, whoever's it is."""
    return self._box is None or time_s - self._seen_s >= _OUT_OF_SIGHT_S


class FaceSearch:
  """The person's face in the frames of one video.

  A full search of every 16th sampled frame, which is spared the small windows where the large ones
  show the face; in the frames between, P-Net looks through the windows near the size of the face
  found there, and the whole frame is searched where that finds no face, or one of a low score. How
  frames are cut into chunks changes nothing.
  """

  def __init__(self, detector: FaceDetector, search: str, follower: Follower | None = None):
    """`search`: `follow`, or `full` to search every frame in full."""
    key(search)
    self._detector, self._always = detector, search == 'full'
    self._follower = follower or Follower()
    self._side: float | None = None  # of the face at the last full search
    self._number = 0

  def find(self, rgb: UInt8[np.ndarray, 'n h w 3'], time_s: Sequence[float]) -> list[Person | None]:
    """The person's box [4], score and landmarks [5, 2] in each of the next frames, or None."""
    found = []
    while len(found) < len(rgb):
      start = len(found)
      if self._number % EVERY == 0 or self._side is None or self._always:
        found += self._in_full(rgb[start:], time_s[start:])
      else:
        end = start + EVERY - self._number % EVERY
        found += self._near(rgb[start:end], time_s[start:end])
    return found

  def _in_full(self, rgb: np.ndarray, time_s: Sequence[float]) -> list[Person | None]:
    """Frames up to the one from which on the face can be followed."""
    count = 1
    if self._always:
      count = len(rgb)
    elif self._number % EVERY:  # no face was found at the last full search
      count = min(len(rgb), EVERY - self._number % EVERY)
    found = []
    if self._always or self._number % EVERY:
      seen = self._detector.detect(rgb[:count])
    else:
      seen = [self._from_large(rgb[0], time_s[0])]
    for faces, t in zip(seen, time_s[:count], strict=True):
      found.append(self._take(faces, self._follower.pick(t, faces.boxes)))
    if self._number % EVERY == 0:
      self._side = None if found[0] is None else _side(found[0][0])
    self._number += count
    return found

  def _from_large(self, frame: np.ndarray, t: float) -> Faces:
    """A frame's faces, among them the one a search through all windows would pick."""
    least = _LEAST_OF_FRAME * min(frame.shape[:2])
    if not self._follower.lost(t):
      least = _LEAST_OF_LAST * self._follower.side
    (faces,) = self._detector.detect(frame[None], (least, np.inf))
    chosen = self._sure(t, faces)
    if chosen is None or _side(faces.boxes[chosen]) < _CLEARLY_LARGER * least:
      (faces,) = self._detector.detect(frame[None])
    return faces

  def _near(self, rgb: np.ndarray, time_s: Sequence[float]) -> list[Person | None]:
    sides = (_SIDES[0] * self._side, _SIDES[1] * self._side)
    found = []
    for frame, faces, t in zip(rgb, self._detector.detect(rgb, sides), time_s, strict=True):
      if self._sure(t, faces) is None or self._follower.lost(t):
        (faces,) = self._detector.detect(frame[None])
      found.append(self._take(faces, self._follower.pick(t, faces.boxes)))
    self._number += len(rgb)
    return found

  def _sure(self, t: float, faces: Faces) -> int | None:
    """The person's face, if its score leaves no doubt."""
    chosen = self._follower.look(t, faces.boxes)
    return chosen if chosen is not None and faces.scores[chosen] >= _SURE else None

  @staticmethod
  def _take(faces: Faces, chosen: int | None) -> Person | None:
    if chosen is None:
      return None
    return faces.boxes[chosen], float(faces.scores[chosen]), faces.points[chosen]


def _side(box: np.ndarray) -> float:
  """The longer one."""
  return float((box[2:] - box[:2]).max())

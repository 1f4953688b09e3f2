"""The crop of a face, for any box."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from emo_jax.video.faces import crop_face

WIDTH, HEIGHT = 40, 30
PICTURE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)

everywhere = st.tuples(*[st.floats(-1e6, 1e6)] * 4)
nearby = st.tuples(*[st.floats(-20, 60)] * 4)
settled = settings(deadline=None, derandomize=True, max_examples=200)


@settled
@given(nearby | everywhere)
def test_any_box_gives_a_crop_that_lies_in_the_frame(box):
  crop = crop_face(PICTURE, np.asarray(box))
  assert crop.shape == (224, 224, 3) and crop.dtype == np.uint8
  x0, y0, x1, y1 = np.trunc(box).astype(int)
  columns = [x for x in range(WIDTH - 1) if x0 <= x < x1]
  rows = [y for y in range(HEIGHT - 1) if y0 <= y < y1]
  if columns and rows:
    region = PICTURE[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert (crop == cv2.resize(region, (224, 224), interpolation=cv2.INTER_AREA)).all()
  elif not columns and not rows:  # one pixel is left
    assert (crop == crop[0, 0]).all() and (crop[0, 0] == PICTURE).all(axis=2).any()


@settled
@given(st.integers(1, 50), st.integers(1, 50), nearby)
def test_any_frame(width, height, box):
  crop = crop_face(np.full((height, width, 3), 77, np.uint8), np.asarray(box, np.float32))
  assert crop.shape == (224, 224, 3) and (crop == 77).all()


@settled
@given(nearby, st.tuples(*[st.floats(0, 0.99)] * 4))
def test_fractions_of_pixels_do_not_matter(box, fractions):
  whole = np.trunc(np.abs(box))
  there = crop_face(PICTURE, whole)
  assert (crop_face(PICTURE, whole + fractions) == there).all()

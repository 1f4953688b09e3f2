"""Dropout of rows: as many as the rate says, the mean kept, each row by its own key."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emo_jax.models.ean import row_dropout


@pytest.mark.parametrize('rate', [0.0, 0.2, 0.5, 0.99])
def test_as_many_are_dropped_as_the_rate_says_and_the_mean_is_kept(rate):
  keys = jax.random.split(jax.random.key(0), 50)
  found = np.asarray(row_dropout(jnp.ones((2000, 50)), keys, rate)).T
  dropped = found == 0
  assert dropped.mean() == pytest.approx(rate, abs=4 * np.sqrt(max(rate * (1 - rate), 1e-9) / 1e5))
  np.testing.assert_allclose(found[~dropped], 1 / (1 - rate), rtol=2e-3)
  assert len({row.tobytes() for row in dropped}) == (50 if rate else 1)


def test_a_rows_mask_is_by_its_key_alone_however_many_frames_come_after():
  keys = jax.random.split(jax.random.key(1), 3)
  x = jnp.ones((100, 4, 3))
  whole = row_dropout(x, keys, 0.2)
  np.testing.assert_array_equal(whole[..., 1:2], row_dropout(x[..., :1], keys[1:2], 0.2))
  np.testing.assert_array_equal(whole[:, :2], row_dropout(x[:, :2], keys, 0.2))

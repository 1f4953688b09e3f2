import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emo_jax import weights
from emo_jax.models import resnet


@pytest.fixture(scope='module')
def variables() -> dict:
  return resnet.random_variables(0)


@pytest.fixture(scope='module')
def crops() -> np.ndarray:
  return np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)


def test_variables_are_those_of_the_table():
  init = functools.partial(resnet.FaceBackbone().init, method='outputs')
  shapes = jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, 224, 224, 3), jnp.uint8))
  leaves = jax.tree_util.tree_leaves_with_path(shapes)
  named = {jax.tree_util.keystr(p, simple=True, separator='/'): x.shape for p, x in leaves}
  assert named == weights.backbone_shapes()


def test_count_is_the_reference_s(variables):
  sizes = {n: x.size for n, x in weights.flatten(variables).items()}
  assert sum(sizes.values()) == 24_613_831
  assert sum(s for n, s in sizes.items() if n.startswith('batch_stats/')) == 53_120


def test_preprocess_takes_the_mean_off_in_bgr():
  mean = np.broadcast_to(np.float32([131.0912, 103.8827, 91.4953]), (1, 2, 2, 3))
  np.testing.assert_array_equal(resnet.preprocess(mean), 0)
  red = np.zeros((1, 1, 1, 3), np.uint8)
  red[..., 0] = 255
  expected = [-91.4953, -103.8827, 255 - 131.0912]
  np.testing.assert_allclose(resnet.preprocess(red)[0, 0, 0], expected, rtol=1e-6)


def test_random_variables_depend_on_the_seed_alone(variables):
  assert weights.tensors_id(variables) == weights.tensors_id(resnet.random_variables(0))
  assert weights.tensors_id(variables) != weights.tensors_id(resnet.random_variables(1))


def test_random_features_tell_pictures_apart(variables, crops):
  features = np.asarray(resnet.FaceBackbone().apply(variables, crops))
  assert features.shape == (2, 512)
  assert features.dtype == np.float32
  assert np.isfinite(features).all()
  assert 0 <= features.min() < 0.1 < features.std() < 10
  assert np.abs(features[0] - features[1]).max() > 1e-3


def test_bfloat16_stays_near_float32(variables, crops):
  features = resnet.FaceBackbone().apply(variables, crops)
  rounded = resnet.FaceBackbone(dtype=jnp.bfloat16).apply(variables, crops)
  assert rounded.dtype == jnp.float32
  assert jnp.linalg.norm(rounded - features) / jnp.linalg.norm(features) < 0.03

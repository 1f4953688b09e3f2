import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emo_jax.models import mtcnn
from emo_jax.video import mtcnn_weights

NETS = {'pnet': (mtcnn.PNet, 12), 'rnet': (mtcnn.RNet, 24), 'onet': (mtcnn.ONet, 48)}


@pytest.mark.parametrize('net, count', [('pnet', 6632), ('rnet', 100178), ('onet', 389040)])
def test_published_weights_fit_the_network(net, count):
  module, size = NETS[net]
  variables = mtcnn_weights.load(net)
  wanted = jax.eval_shape(module().init, jax.random.key(0), jnp.zeros((1, size, size, 3)))
  assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, dict(wanted))
  assert sum(x.size for x in jax.tree.leaves(variables)) == count


def test_pnet_window_sees_its_twelve_pixels_only():
  variables = mtcnn_weights.load('pnet')
  image = jax.random.uniform(jax.random.key(0), (1, 20, 24, 3), minval=-1)
  boxes, scores = mtcnn.PNet().apply(variables, image)
  assert scores.shape == (1, 5, 7)
  for y, x in ((0, 0), (4, 6), (2, 3)):
    crop = image[:, 2 * y : 2 * y + 12, 2 * x : 2 * x + 12]
    box, score = mtcnn.PNet().apply(variables, crop)
    np.testing.assert_allclose(score[0, 0, 0], scores[0, y, x], atol=1e-6)
    np.testing.assert_allclose(box[0, 0, 0], boxes[0, y, x], atol=1e-5)


@pytest.mark.parametrize('net', ['rnet', 'onet'])
def test_candidates_are_judged_independently(net):
  module, size = NETS[net]
  crops = jax.random.uniform(jax.random.key(0), (5, size, size, 3), minval=-1)
  together = module().apply(mtcnn_weights.load(net), crops)
  alone = module().apply(mtcnn_weights.load(net), crops[3:4])
  assert [a.shape[1:] for a in together] == ([(4,), (10,), ()] if net == 'onet' else [(4,), ()])
  for a, b in zip(together, alone, strict=True):
    np.testing.assert_allclose(a[3], b[0], atol=1e-5)


def test_prelu_scales_negatives_by_channel():
  x = jnp.asarray([[[[-2.0, -2.0, 3.0]]]])
  variables = {'params': {'alpha': jnp.asarray([0.5, -1.0, 7.0])}}
  assert mtcnn.PReLU().apply(variables, x).tolist() == [[[[-1.0, 2.0, 3.0]]]]

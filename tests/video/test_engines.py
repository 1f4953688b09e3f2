import importlib.util

import cv2
import numpy as np
import pytest

from emo_jax import weights
from emo_jax.errors import UserError
from emo_jax.video import engines
from emo_jax.video.decode import Video
from emo_jax.video.engines.flax_engine import area_bands
from emo_jax.video.faces import FaceDetector


def trained_like():
  """A backbone in which every statistic and every bias counts, as after training."""
  rng = np.random.default_rng(0)
  flat = {}
  for name, shape in weights.backbone_shapes().items():
    leaf = name.rsplit('/', 1)[1]
    if leaf == 'kernel':
      value = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))
    elif leaf in ('scale', 'var'):
      value = rng.uniform(0.5, 1.5, shape) * (5000 if 'conv1_7x7_s2_bn/var' in name else 1)
    else:
      value = 0.1 * rng.standard_normal(shape)
    if leaf == 'scale' and '1x1_increase_bn' in name:
      value = 0.3 * value
    flat[name] = value.astype(np.float32)
  return weights.nest(flat)


@pytest.fixture(scope='module')
def backbone():
  return trained_like()


@pytest.fixture(scope='module')
def opened(backbone):
  """opened(name, precision) -> the engine, made once."""
  made = {}

  def open_once(name, precision='float32'):
    if (name, precision) not in made:
      made[name, precision] = engines.open_engine(name, precision, backbone)
    return made[name, precision]

  return open_once


@pytest.fixture(scope='module')
def crops():
  rng = np.random.default_rng(1)
  coarse = rng.integers(0, 256, (4, 14, 14, 3), np.uint8)
  return np.stack([cv2.resize(x, (224, 224), interpolation=cv2.INTER_CUBIC) for x in coarse])


def relative(a, b):
  return np.linalg.norm(a - b) / np.linalg.norm(b)


def test_both_engines_give_the_same_features(opened, crops):
  flax, openvino = (np.asarray(opened(name).embed(crops)) for name in ('flax', 'openvino'))
  assert flax.shape == (4, 512) and flax.std(axis=0).mean() > 1e-3
  assert relative(openvino, flax) < 1e-5


@pytest.mark.parametrize('name', ['flax', 'openvino'])
def test_what_bfloat16_does_to_features(opened, crops, name):
  engine = opened(name, 'bfloat16')
  if engine.precision == 'float32':
    pytest.skip('this CPU has no bfloat16')
  rounded, exact = np.asarray(engine.embed(crops)), np.asarray(opened(name).embed(crops))
  assert 1e-5 < relative(rounded, exact) < 1e-2


@pytest.mark.parametrize('precision', engines.PRECISIONS)
@pytest.mark.parametrize('name', ['flax', 'openvino'])
def test_a_crop_does_not_depend_on_its_neighbours(opened, crops, name, precision):
  engine = opened(name, precision)
  together = np.asarray(engine.embed(crops))
  assert np.array_equal(np.asarray(engine.embed(crops[2:3])), together[2:3])


@pytest.fixture(scope='module')
def frames(shared):
  wanted = (0, 12, 24, 36, 48)
  return np.stack(
    [
      frame.rgb
      for frame in Video(shared / 'data/signing/Jsl_age.mp4').frames(lambda i: i in wanted)
    ]
  )


def test_both_engines_find_the_same_faces(opened, frames):
  flax, openvino = (FaceDetector(opened(name)).detect(frames) for name in ('flax', 'openvino'))
  for a, b in zip(flax, openvino, strict=True):
    assert len(a.boxes) == len(b.boxes) == 1
    for field in ('boxes', 'points', 'scores'):
      np.testing.assert_allclose(getattr(a, field), getattr(b, field), atol=5e-3)


@pytest.mark.parametrize('net', ['rnet', 'onet'])
def test_both_engines_judge_the_same_candidates_alike(opened, frames, net):
  rng = np.random.default_rng(2)
  low = rng.uniform(-0.2, 0.9, (40, 2))
  boxes = np.concatenate([low, low + rng.uniform(0.05, 0.5, (40, 2))], axis=1)
  frame = np.sort(rng.integers(0, len(frames), 40))
  found = []
  for name in ('flax', 'openvino'):
    engine = opened(name)
    found.append(engine.judge(net, engine.load(frames), frame, boxes))
  for a, b in zip(*found, strict=True):
    np.testing.assert_allclose(a, b, atol=2e-4)
  assert found[0][1].any() == (net == 'onet') and np.ptp(found[0][2]) > 0.1


@pytest.mark.parametrize('name', ['flax', 'openvino'])
def test_no_candidates(opened, frames, name):
  engine = opened(name)
  none = engine.judge('onet', engine.load(frames), np.zeros(0, int), np.zeros((0, 4)))
  assert [x.shape for x in none] == [(0, 4), (0, 10), (0,)]


def test_what_cannot_be_opened(backbone, monkeypatch):
  with pytest.raises(UserError, match="unknown engine 'torch'.*engines: auto, flax, openvino"):
    engines.open_engine('torch', 'float32', backbone)
  with pytest.raises(UserError, match="precision 'int8'.*precisions: bfloat16, float32"):
    engines.open_engine('flax', 'int8', backbone)
  find = importlib.util.find_spec
  monkeypatch.setattr(
    importlib.util, 'find_spec', lambda name: None if name == 'openvino' else find(name)
  )
  with pytest.raises(UserError, match='OpenVINO is not installed.*--engine=flax'):
    engines.open_engine('openvino', 'float32', backbone)
  assert engines.open_engine('auto', 'float32', backbone).name == 'flax'


def dense(size, out):
  """The area resize as a plain matrix: the mean of the input interval under every output pixel."""
  matrix = np.zeros((out, size))
  for row in range(out):
    low, high = row * size / out, (row + 1) * size / out
    for column in range(size):
      matrix[row, column] = max(0, min(column + 1, high) - max(column, low)) * out / size
  return matrix


@pytest.mark.parametrize(
  'size, out', [(480, 288), (101, 60), (83, 7), (13, 12), (12, 12), (1080, 33)]
)
def test_area_bands_are_the_area_resize(size, out):
  index, weight = area_bands(size, out)
  matrix = np.zeros((weight.shape[0], weight.shape[1], size))
  for block in range(len(index)):
    np.add.at(matrix[block].T, index[block], weight[block].T)
  np.testing.assert_allclose(matrix.reshape(-1, size)[:out], dense(size, out), atol=2e-4)
  np.testing.assert_allclose(weight.sum(axis=2).reshape(-1)[:out], 1, atol=1e-4)

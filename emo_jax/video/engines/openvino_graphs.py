"""The frozen networks written with OpenVINO's operators, from the variables of the Flax modules.

Batch norm is folded into the convolutions. Padding, strides and the order of numbers are those of
`emo_jax.models.resnet` and `emo_jax.models.mtcnn`, which define the networks.
"""

from collections.abc import Mapping

import numpy as np

from emo_jax.models.resnet import BN_EPSILON, MEAN_BGR
from emo_jax.video import libraries
from emo_jax.weights import RESNET_STAGES

ov = libraries.openvino()
op = ov.opset13

_BATCH, _CHANNELS = np.array([0, 3, 1, 2]), np.array([0, 2, 3, 1])  # NHWC -> NCHW and back


def backbone(variables: Mapping, batch: int) -> 'ov.Model':
  """The face network: [batch, 224, 224, 3] uint8 RGB -> [batch, 512] float32."""
  params, stats = variables['params'], variables['batch_stats']
  rgb = op.parameter([batch, 224, 224, 3], np.uint8)
  x = op.transpose(op.convert(rgb, 'f32'), op.constant(_BATCH))
  bgr = op.gather(x, op.constant(np.array([2, 1, 0])), op.constant(np.array(1)))
  x = op.subtract(bgr, _constant(np.reshape(MEAN_BGR, (1, 3, 1, 1))))
  x = op.relu(_conv_bn(x, params, stats, 'conv1_7x7_s2', 2))
  x = _max_pool(x, 3, 'valid')
  for stage, (_, _, blocks) in RESNET_STAGES.items():
    for block in range(1, blocks + 1):
      name = f'conv{stage}_{block}'
      stride = 2 if block == 1 and stage > 2 else 1
      x = _block(x, params[name], stats[name], stride)
  x = op.reduce_mean(x, op.constant(np.array([2, 3])))
  return ov.Model([op.relu(_dense(x, params['features']))], [rgb])


def pnet(variables: Mapping) -> 'ov.Model':
  """P-Net: [n, h, w, 3] normalised RGB -> offsets [n, y, x, 4] and scores [n, y, x]."""
  p = variables['params']
  rgb = op.parameter(ov.PartialShape([-1, -1, -1, 3]), np.float32)
  x = op.transpose(rgb, op.constant(_BATCH))
  x = _max_pool(_prelu(_conv(x, p['conv1']), p['prelu1']), 2, 'same_upper')
  x = _prelu(_conv(x, p['conv2']), p['prelu2'])
  x = _prelu(_conv(x, p['conv3']), p['prelu3'])
  offsets = op.transpose(_conv(x, p['box']), op.constant(_CHANNELS))
  return ov.Model([offsets, _face_probability(_conv(x, p['score']))], [rgb])


def rnet(variables: Mapping) -> 'ov.Model':
  """R-Net on candidates: planes [1, 3, h, w], grid [1, k * 24, 24, 2] -> offsets [k, 4] and scores
  [k]."""
  p = variables['params']
  inputs, x = _candidates(24)
  x = _max_pool(_prelu(_conv(x, p['conv1']), p['prelu1']), 3, 'same_upper')
  x = _max_pool(_prelu(_conv(x, p['conv2']), p['prelu2']), 3, 'valid')
  x = _prelu(_conv(x, p['conv3']), p['prelu3'])
  x = _prelu(_dense(_flatten(x), p['dense4']), p['prelu4'])
  return ov.Model([_dense(x, p['box']), _face_probability(_dense(x, p['score']))], inputs)


def onet(variables: Mapping) -> 'ov.Model':
  """O-Net on candidates: planes [1, 3, h, w], grid [1, k * 48, 48, 2] -> offsets [k, 4], landmarks
  [k, 10] and scores [k]."""
  p = variables['params']
  inputs, x = _candidates(48)
  x = _max_pool(_prelu(_conv(x, p['conv1']), p['prelu1']), 3, 'same_upper')
  x = _max_pool(_prelu(_conv(x, p['conv2']), p['prelu2']), 3, 'valid')
  x = _max_pool(_prelu(_conv(x, p['conv3']), p['prelu3']), 2, 'same_upper')
  x = _prelu(_conv(x, p['conv4']), p['prelu4'])
  x = _prelu(_dense(_flatten(x), p['dense5']), p['prelu5'])
  score = _face_probability(_dense(x, p['score']))
  return ov.Model([_dense(x, p['box']), _dense(x, p['landmarks']), score], inputs)


def _block(x, params: Mapping, stats: Mapping, stride: int):
  y = op.relu(_conv_bn(x, params, stats, '1x1_reduce', stride))
  y = op.relu(_conv_bn(y, params, stats, '3x3'))
  y = _conv_bn(y, params, stats, '1x1_increase')
  projected = '1x1_proj' in params
  shortcut = _conv_bn(x, params, stats, '1x1_proj', stride) if projected else x
  return op.relu(op.add(y, shortcut))


def _candidates(size: int):
  """Samples of size x size points, as `crop_and_resize` takes them, one candidate below the other
  in the grid; the points' coordinates run from -1 to 1 over the frame, those outside are zero."""
  planes = op.parameter(ov.PartialShape([1, 3, -1, -1]), np.float32)
  grid = op.parameter(ov.PartialShape([1, -1, size, 2]), np.float32)
  how = {'align_corners': True, 'mode': 'bilinear', 'padding_mode': 'zeros'}
  sampled = op.grid_sample(planes, grid, how)
  each = op.reshape(sampled, op.constant(np.array([3, -1, size, size])), False)
  return [planes, grid], op.transpose(each, op.constant(np.array([1, 0, 2, 3])))


def _constant(x):
  return op.constant(np.ascontiguousarray(x, np.float32))


def _conv_bn(x, params: Mapping, stats: Mapping, name: str, stride: int = 1):
  norm, of_data = params[f'{name}_bn'], stats[f'{name}_bn']
  scale = np.asarray(norm['scale']) / np.sqrt(np.asarray(of_data['var']) + BN_EPSILON)
  bias = np.asarray(norm['bias']) - np.asarray(of_data['mean']) * scale
  kernel = np.asarray(params[name]['kernel']) * scale
  return _convolved(x, kernel, bias, stride, 'same_upper')


def _conv(x, p: Mapping):
  return _convolved(x, np.asarray(p['kernel']), np.asarray(p['bias']), 1, 'valid')


def _convolved(x, kernel: np.ndarray, bias: np.ndarray, stride: int, padding: str):
  weight = _constant(kernel.transpose(3, 2, 0, 1))
  y = op.convolution(x, weight, [stride] * 2, [0, 0], [0, 0], [1, 1], auto_pad=padding)
  return op.add(y, _constant(bias.reshape(1, -1, 1, 1)))


def _dense(x, p: Mapping):
  return op.add(op.matmul(x, _constant(p['kernel']), False, False), _constant(p['bias']))


def _prelu(x, p: Mapping):
  return op.prelu(x, _constant(p['alpha']))


def _max_pool(x, window: int, padding: str):
  size = [window, window]
  return op.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], size, auto_pad=padding).output(0)


def _flatten(x):
  columns_first = op.transpose(x, op.constant(np.array([0, 3, 2, 1])))
  width = int(np.prod([d.get_length() for d in list(x.get_output_partial_shape(0))[1:]]))
  return op.reshape(columns_first, op.constant(np.array([-1, width])), False)


def _face_probability(logits):
  return op.gather(op.softmax(logits, 1), op.constant(np.array(1)), op.constant(np.array(1)))

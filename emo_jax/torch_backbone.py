"""The face backbone in PyTorch, as people run it today: what `emo_jax.bench` measures against."""

from collections.abc import Mapping

import numpy as np

from emo_jax.errors import UserError
from emo_jax.models.resnet import BN_EPSILON, MEAN_BGR
from emo_jax.weights import RESNET_STAGES

try:
  import torch
  from torch import nn
except ModuleNotFoundError as error:
  raise UserError("PyTorch is not installed: pip install 'emo_jax[convert]'") from error


_LAYOUTS = dict(contiguous=torch.contiguous_format, channels_last=torch.channels_last)


class _SamePad(nn.Module):
  # As TensorFlow pads the stem: 2 before and 3 after.
  def forward(self, x):
    return nn.functional.pad(x, (2, 3, 2, 3))


class _Block(nn.Module):
  def __init__(self, params: Mapping, stats: Mapping, stride: int):
    super().__init__()
    self.body = nn.Sequential(
      *_conv_bn(params, stats, '1x1_reduce', stride),
      nn.ReLU(),
      *_conv_bn(params, stats, '3x3', 1),
      nn.ReLU(),
      *_conv_bn(params, stats, '1x1_increase', 1),
    )
    projected = '1x1_proj' in params
    self.skip = (
      nn.Sequential(*_conv_bn(params, stats, '1x1_proj', stride)) if projected else nn.Identity()
    )

  def forward(self, x):
    return torch.relu(self.body(x) + self.skip(x))


def _conv_bn(params: Mapping, stats: Mapping, name: str, stride: int) -> list:
  kernel = torch.from_numpy(np.array(params[name]['kernel']).transpose(3, 2, 0, 1).copy())
  outputs, inputs, size, _ = kernel.shape
  padding = 1 if size == 3 else 0
  conv = nn.Conv2d(inputs, outputs, size, stride, padding, bias=False)
  norm = nn.BatchNorm2d(outputs, eps=BN_EPSILON)
  tensors = [norm.weight, norm.bias, norm.running_mean, norm.running_var, conv.weight]
  values = [params[f'{name}_bn'][x] for x in ('scale', 'bias')]
  values += [stats[f'{name}_bn'][x] for x in ('mean', 'var')]
  with torch.no_grad():
    for tensor, value in zip(tensors, [*values, kernel], strict=True):
      tensor.copy_(torch.as_tensor(np.asarray(value)))
  return [conv, norm]


class TorchBackbone:
  """The network of `emo_jax.models.resnet.FaceBackbone` with its variables.

  Attributes:
    precision: `float32` or `bfloat16`.
    layout: of the activations: `contiguous`, PyTorch's default, or `channels_last`.
  """

  def __init__(self, variables: Mapping, precision: str, layout: str = 'contiguous'):
    params, stats = variables['params'], variables['batch_stats']
    layers = [_SamePad(), *_conv_bn(params, stats, 'conv1_7x7_s2', 2), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, 2))
    for stage, (_, _, blocks) in RESNET_STAGES.items():
      for block in range(1, blocks + 1):
        name = f'conv{stage}_{block}'
        stride = 2 if block == 1 and stage > 2 else 1
        layers.append(_Block(params[name], stats[name], stride))
    features = params['features']
    dense = nn.Linear(*np.shape(features['kernel']))
    with torch.no_grad():
      dense.weight.copy_(torch.from_numpy(np.array(features['kernel']).T.copy()))
      dense.bias.copy_(torch.from_numpy(np.array(features['bias'])))
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), dense, nn.ReLU()]
    self.precision, self.layout = precision, layout
    self._kind = getattr(torch, precision), _LAYOUTS[layout]
    self._net = nn.Sequential(*layers).eval().to(self._kind[0]).to(memory_format=self._kind[1])
    self._mean = torch.tensor(MEAN_BGR).reshape(1, 3, 1, 1)

  def embed(self, crops: np.ndarray) -> np.ndarray:
    """Features [b, 512] float32 of crops [b, 224, 224, 3] uint8 RGB."""
    with torch.inference_mode():
      bgr = torch.from_numpy(np.ascontiguousarray(crops[..., ::-1].transpose(0, 3, 1, 2)))
      x = (bgr.float() - self._mean).to(self._kind[0]).contiguous(memory_format=self._kind[1])
      return self._net(x).float().numpy()

"""How training grows: with the batch, the frames and the devices here, and in a pod on paper."""

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot as plt

from emo_jax import files, palette
from emo_jax.bench import machine, training
from emo_jax.errors import UserError

_BATCHES, _FRAMES, _DEVICES = (8, 32, 128, 512), (10, 22, 50, 100), (1, 2, 4, 8)
_BATCH, _WINDOW = 128, 10  # what is held while another thing grows
_POD = tuple(2**n for n in range(9))  # devices
_POD_BATCH, _POD_FRAMES = 1024, 22  # of a step, and the mean of BOBSL-A_TEA's clips
_HOP_S = 1e-6  # from one device to the next, per message


def measure_scaling(arguments: argparse.Namespace) -> dict[str, Any]:
  """Clips per second over batches, frames and devices, drawn to `--out`."""
  measured = dict(
    batch={n: _run(arguments, batch=n) for n in _BATCHES},
    frames={n: _run(arguments, frames=n) for n in _FRAMES},
    devices={n: _run(arguments, devices=n, simulated=True) for n in _DEVICES},
  )
  chip = arguments.chip_tflops * 1e12 * arguments.chip_share
  on_paper = {
    kind: {n: pod_clips_per_s(n, kind == 'strong', chip, 1e9 * arguments.link_gbs) for n in _POD}
    for kind in ('strong', 'weak')
  }
  _draw(arguments.out, measured, on_paper, arguments)
  rounded = {kind: {n: round(x) for n, x in found.items()} for kind, found in on_paper.items()}
  return dict(clips_per_s=measured, pod_on_paper=rounded, figure=str(arguments.out))


def pod_clips_per_s(devices: int, strong: bool, flops: float, link: float) -> float:
  """Clips per second of EANwH where each device computes at `flops` and sends at `link` bytes/s.

  A step is the products of its clips and a ring all-reduce of the gradients in float32: each device
  sends 2 (n - 1) / n of them in 2 (n - 1) messages. Nothing overlaps.

  Args:
    devices: of the pod.
    strong: is a batch shared by all devices, or as large as one device's on each?
    flops: of one device in these products.
    link: of one device.
  """
  clips = _POD_BATCH / devices if strong else _POD_BATCH
  config = dict(temporal='sequence', model=dict(inputs=('face', 'hands'), hidden=(512, 256)))
  compute_s = clips * training.flops_of_clip(config, _POD_FRAMES) / flops
  hops = 2 * (devices - 1)
  reduce_s = hops / devices * 4 * training.parameters(config) / link + hops * _HOP_S
  return devices * clips / (compute_s + reduce_s)


def _run(
  arguments: argparse.Namespace,
  batch: int = _BATCH,
  frames: int = _WINDOW,
  devices: int = 1,
  simulated: bool = False,
) -> float:
  """Clips per second of `bench train` in a process of its own."""
  machine.say(f'{batch} clips of {frames} frames on {devices} devices')
  flags = dict(batch=batch, frames=frames, devices=devices, seconds=arguments.seconds)
  words = [f'--{name}={value}' for name, value in flags.items()]
  words += [f'--repeat={arguments.repeat}', f'--config={arguments.config}']
  own = {}
  if simulated:
    count = f'--xla_force_host_platform_device_count={devices}'
    own = dict(XLA_FLAGS=f'{os.environ.get("XLA_FLAGS", "")} {count}', JAX_PLATFORMS='cpu')
  done = subprocess.run(
    [sys.executable, '-m', 'emo_jax.bench', 'train', *words],
    env=os.environ | own,
    capture_output=True,
    text=True,
  )
  if done.returncode:
    raise UserError(f'bench train fails: {(done.stderr.strip().splitlines() or [""])[-1]}')
  return json.loads(done.stdout.splitlines()[-1])['clips_per_s']


def _draw(
  path: Path,
  measured: dict[str, dict[int, float]],
  on_paper: dict[str, dict[int, float]],
  arguments: argparse.Namespace,
) -> None:
  figure, axes = plt.subplots(2, 2, figsize=(10, 7.5))
  titles = dict(
    batch=(f'clips of {_WINDOW} frames, one device', 'clips a batch'),
    frames=(f'batches of {_BATCH} clips, one device', 'frames a clip'),
    devices=(f'batches of {_BATCH} clips of {_WINDOW} frames', 'simulated devices on these cores'),
  )
  for where, (what, (title, label)) in zip(axes.flat, titles.items(), strict=False):
    _line(where, measured[what], palette.BLUE, 'o')
    where.set(title=title, xlabel=label, ylabel='clips/s')
    where.set_ylim(0, 1.1 * max(measured[what].values()))
  paper = axes[1, 1]
  for kind, color, marker in (('weak', palette.VERMILLION, 's'), ('strong', palette.BLUE, 'o')):
    batch = f'{_POD_BATCH} clips ' + ('on each device' if kind == 'weak' else 'shared by all')
    _line(paper, on_paper[kind], color, marker, label=batch)
  one = on_paper['weak'][1]
  ideal = [n * one for n in _POD]
  paper.plot(_POD, ideal, color=palette.BLACK, linestyle=':', label='no all-reduce')
  share = 100 * arguments.chip_share
  paper.set(
    title=f'ON PAPER: clips of {_POD_FRAMES} frames, devices of {arguments.chip_tflops:g} TFLOP/s\n'
    f'of which {share:g} % are reached, {arguments.link_gbs:g} GB/s to the next',
    xlabel='devices of a pod',
    ylabel='clips/s',
    yscale='log',
  )
  paper.legend(fontsize=8)
  for where in axes.flat:
    where.grid(alpha=0.3)
    where.title.set_fontsize(10)
  figure.suptitle(f'EANwH, training: {machine.device()}', fontsize=10)
  figure.tight_layout()
  with files.replacing(path) as partial:
    figure.savefig(partial, format='png', dpi=150)
  plt.close(figure)


def _line(
  axes: plt.Axes, points: dict[int, float], color: str, marker: str, label: str | None = None
) -> None:
  across: Sequence[int] = list(points)
  axes.plot(across, list(points.values()), color=color, marker=marker, label=label)
  axes.set_xscale('log', base=2)
  shown = across if len(across) < 6 else [n for n in across if int(math.log2(n)) % 2 == 0]
  axes.set_xticks(shown, [str(n) for n in shown])
  axes.minorticks_off()

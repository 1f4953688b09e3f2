"""How work is spread over accelerators: every question about devices is answered here.

Step functions are written for one device; `spread` runs them on all of them under `jax.pmap`, and
inside `total` adds over devices. Batches carry a leading device axis, made by `device_count`
consecutive groups of clips; states are copied to every device. Of several processes
(emo_jax.processes) each holds what belongs to its own devices.
"""

import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from emo_jax import processes
from emo_jax.errors import UserError

AXIS = 'devices'


def devices(count: int = 0) -> list[jax.Device]:
  """The devices of this process to use: the first `count`, or all of them for 0.

  Raises:
    UserError: fewer devices are there.
  """
  local = jax.local_devices()
  if not 0 <= count <= len(local):
    raise UserError(f'config.devices={count}, but there are {len(local)}; 0 means all of them')
  return local[: count or len(local)]


def of_all_processes(own: list[jax.Device]) -> list[jax.Device]:
  """The devices of all processes where each uses as many as this one does its `own`.

  Raises:
    UserError: another process has fewer.
  """
  by_process: dict[int, list[jax.Device]] = {}
  for device in jax.devices():
    by_process.setdefault(device.process_index, []).append(device)
  fewest = min(len(each) for each in by_process.values())
  if fewest < len(own):
    raise UserError(
      f'this process uses {len(own)} devices, but another has {fewest}: give --config.devices='
      f'{fewest}'
    )
  return [d for process in sorted(by_process) for d in by_process[process][: len(own)]]


def own_devices(number: int) -> slice:
  """Which of so many devices of all processes are this one's."""
  each = number // processes.count()
  return slice(processes.index() * each, (processes.index() + 1) * each)


def cores() -> int:
  """How many CPU cores this process may use."""
  affinity = getattr(os, 'sched_getaffinity', None)  # Linux only
  return len(affinity(0)) if affinity else os.cpu_count() or 1


def platform() -> str:
  """What JAX computes on by default: `cpu`, `gpu` or `tpu`."""
  return jax.default_backend()


def memory_bytes(on: list[jax.Device]) -> int:
  """Memory of one of the devices; simulated ones share that of the machine."""
  known = on[0].memory_stats() or {}
  if 'bytes_limit' in known and platform() != 'cpu':
    return known['bytes_limit']
  return os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') // len(on)


def describe() -> str:
  """The default device in words."""
  device = jax.devices()[0]
  return 'no accelerator' if device.platform == 'cpu' else device.device_kind


def spread(step: Callable, on: list[jax.Device], donate: tuple[int, ...] = ()) -> Callable:
  """`step`, written for one device, on every device: each argument has a leading device axis, of
  this process' devices where `on` holds others' too."""
  return jax.pmap(step, axis_name=AXIS, devices=on, donate_argnums=donate)


def total(tree: Any) -> Any:
  """Inside a step: the sum over devices of every leaf."""
  return jax.lax.psum(tree, AXIS)


def replicate(tree: Any, on: list[jax.Device]) -> Any:
  """A copy of `tree` on every device, under a leading device axis."""
  sharding = jax.sharding.NamedSharding(
    jax.sharding.Mesh(on, (AXIS,)), jax.sharding.PartitionSpec(AXIS)
  )

  def copies(x):
    each = [jax.device_put(jnp.asarray(x)[None], device) for device in on]
    return jax.make_array_from_single_device_arrays((len(on), *jnp.shape(x)), sharding, each)

  return jax.tree.map(copies, tree)


def first(tree: Any) -> Any:
  """The first device's copy, on the host."""
  return jax.tree.map(lambda x: jax.device_get(x.addressable_shards[0].data)[0], tree)

"""What commands set up before they compute."""

import subprocess
import sys

import pytest

CALLS, PAGES = 20, 4096**2 * 4 // 4096  # of 4 kB

# Calls of a program whose temporaries take 64 MB, and the pages mapped meanwhile.
PROGRAM = """
import resource, sys
import jax, jax.numpy as jnp
from emo_jax import runtime

if sys.argv[1] == 'prepared':
  runtime.prepare()
step = jax.jit(lambda x: (x @ x.T) @ x)
x = jnp.ones((4096, 4))
for number in range(30):
  if number == 10:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
  x = step(x).block_until_ready() * 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


# What the process has of the system's memory, before, with and after 3 GB that are never touched.
GIVEN_BACK = """
import numpy as np
from emo_jax import runtime

def held():
  (line,) = (x for x in open('/proc/self/status') if x.startswith('VmData'))
  return int(line.split()[1])

runtime.prepare()
before, large = held(), np.empty(3 << 30, np.uint8)
most = held()
del large
print((most - held()) / (most - before))
"""


def said(program, tmp_path, *arguments):
  done = subprocess.run(
    [sys.executable, '-c', program, *arguments],
    capture_output=True,
    text=True,
    check=True,
    env=dict(PATH='', JAX_PLATFORMS='cpu', XDG_CACHE_HOME=str(tmp_path)),
  )
  return float(done.stdout)


@pytest.mark.skipif(sys.platform != 'linux', reason="keeping memory is for GNU's C library")
def test_programs_do_not_map_their_memory_anew_at_every_call(tmp_path):
  plain, prepared = (said(PROGRAM, tmp_path, how) for how in ('plain', 'prepared'))
  if plain < CALLS * PAGES / 2:
    pytest.skip(f'this system maps few pages anyway: {plain:.0f} in {CALLS} calls')
  assert prepared < plain / 3


@pytest.mark.skipif(sys.platform != 'linux', reason="keeping memory is for GNU's C library")
def test_nothing_large_is_given_back_either(tmp_path):
  assert said(GIVEN_BACK, tmp_path) < 0.01


FLAGS = """
import os
from emo_jax import runtime
runtime.prepare()
print(os.environ.get('XLA_FLAGS'))
"""


@pytest.mark.parametrize(
  ('platforms', 'given', 'flags'),
  [
    ('cpu', None, '--xla_backend_optimization_level=1'),
    ('cpu', '--xla_cpu_x=1', '--xla_cpu_x=1 --xla_backend_optimization_level=1'),
    ('cpu', '--xla_backend_optimization_level=3', '--xla_backend_optimization_level=3'),
    ('cuda,cpu', None, 'None'),  # an accelerator's programs are worth the effort
  ],
)
def test_programs_of_cpus_are_compiled_with_less_effort(tmp_path, platforms, given, flags):
  own = dict(PATH='', JAX_PLATFORMS=platforms, XDG_CACHE_HOME=str(tmp_path))
  own |= dict(XLA_FLAGS=given) if given else {}
  done = subprocess.run(
    [sys.executable, '-c', FLAGS], capture_output=True, text=True, check=True, env=own
  )
  assert done.stdout.strip() == flags

"""What every test sees: 8 simulated CPU devices, no silent rank promotion, the shared data."""

import os
import tempfile
from pathlib import Path

# Programs of tests run for moments: compiling them takes most of the time.
os.environ['XLA_FLAGS'] = (
  os.environ.get('XLA_FLAGS', '')
  + ' --xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0'
)

import jax
import pytest

jax.config.update('jax_numpy_rank_promotion', 'raise')
# The same small models are compiled in many tests; removed when they end.
_PROGRAMS = tempfile.TemporaryDirectory(prefix='emo_jax_test_xla_')
jax.config.update('jax_compilation_cache_dir', _PROGRAMS.name)
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.2)

SHARED = Path(os.environ.get('EMO_JAX_SHARED', Path(__file__).parents[2] / 'shared')).resolve()


@pytest.fixture(scope='session')
def shared() -> Path:
  """The folder of real clips, reference outputs and models (EMO_JAX_SHARED)."""
  if not (SHARED / 'golden').is_dir():
    pytest.skip(f'no shared data at {SHARED}; set EMO_JAX_SHARED')
  return SHARED


@pytest.fixture(autouse=True)
def _commands_leave_this_process_as_it_is(monkeypatch):
  """What a command sets up for itself would hold for all tests after it."""
  for name in ('prepare', 'keep_programs'):
    monkeypatch.setattr(f'emo_jax.runtime.{name}', lambda: None)


@pytest.fixture(autouse=True)
def _forget_compiled_programs():
  """Programs of hundreds of tests would use up the memory maps a process may have."""
  yield
  if _memory_maps() > 20_000:
    jax.clear_caches()


def _memory_maps() -> int:
  maps = Path('/proc/self/maps')
  return len(maps.read_text().splitlines()) if maps.exists() else 0

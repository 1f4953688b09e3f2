"""What every command that computes with JAX sets up before it does."""

import ctypes
import importlib.metadata
import importlib.util
import os

import jax

from emo_jax import files

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_NEVER = -1
_LEVEL = '--xla_backend_optimization_level'


def prepare() -> None:
  """Keeps compiled programs between runs, and memory between programs. To be called first: threads
  that are already there allocate as before."""
  keep_programs()
  _keep_memory()
  _compile_sooner()


def keep_programs() -> None:
  """Compiled programs are kept in the cache (emo_jax.files.cache_dir), also those that are quickly
  compiled: there are dozens of them before a first step."""
  jax.config.update('jax_compilation_cache_dir', str(files.cache_dir() / 'xla'))
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)


def _keep_memory() -> None:
  """Memory that is freed is not given back to the system, where the C library is GNU's.

  On a CPU every call of a program allocates its temporaries, some 80 MB for a training step, and by
  default the system maps all their pages anew, zeroed: a quarter of the step's time.
  The process then holds to its end the most that it held at once.
  """
  try:
    mallopt = ctypes.CDLL(None).mallopt
  except (AttributeError, OSError, TypeError):
    return
  # Large pieces otherwise come from mappings of their own, and those of threads from arenas that
  # are given back whole.
  for parameter, value in ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER)):
    mallopt(parameter, value)


def _compile_sooner() -> None:
  """Where JAX has nothing but CPUs, programs are compiled with less effort, in two thirds of the
  time: they run as fast, since nearly all of it is products that are compiled already.

  What XLA_FLAGS say of it is left alone. Must come before JAX looks for devices.
  """
  flags = os.environ.get('XLA_FLAGS', '')
  if _LEVEL not in flags and _only_cpus():
    os.environ['XLA_FLAGS'] = f'{flags} {_LEVEL}=1'.strip()


def _only_cpus() -> bool:
  """As far as can be told without waking devices: by JAX_PLATFORMS, or by what is installed."""
  if jax.config.jax_platforms:
    return jax.config.jax_platforms == 'cpu'
  installed = (importlib.util.find_spec(name) for name in ('jax_plugins', 'libtpu'))
  return not any(installed) and not importlib.metadata.entry_points(group='jax_plugins')

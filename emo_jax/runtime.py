"""What every command that computes with JAX sets up before it does."""

import ctypes

import jax

from emo_jax import files

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_NEVER = -1


def prepare() -> None:
  """Keeps compiled programs between runs, and memory between programs. To be called first: threads
  that are already there allocate as before."""
  keep_programs()
  _keep_memory()


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

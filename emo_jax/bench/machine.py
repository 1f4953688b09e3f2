"""What benchmarks have in common: the machine, the peer, and what is said on the way."""

import json
import os
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from emo_jax import parallel
from emo_jax.errors import UserError


def device() -> str:
  """What is computed on, in words."""
  return f'{parallel.describe()}, {parallel.cores()} cores of {_cpu_model()}'


def _cpu_model() -> str:
  try:
    lines = Path('/proc/cpuinfo').read_text().splitlines()
  except OSError:
    return 'unknown CPU'
  fields = dict(line.split(':', 1) for line in lines if ':' in line)
  fields = {name.strip(): value.strip() for name, value in fields.items()}
  flags = fields.get('flags', '').split()
  wide = [flag for flag in ('amx_bf16', 'avx512_bf16', 'avx512f', 'avx2') if flag in flags]
  return f'{fields.get("model name", "unknown CPU")} ({wide[0] if wide else "no AVX2"})'


def say(line: str) -> None:
  """Beside the line of JSON, on stderr."""
  print(line, file=sys.stderr, flush=True)


def peak_memory_mb() -> int:
  """The most that this process has held at once."""
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def since_start_s() -> float | None:
  """Seconds since this process was started; None where the system does not say."""
  try:
    fields = Path('/proc/self/stat').read_text().rpartition(')')[2].split()
    started = int(fields[19]) / os.sysconf('SC_CLK_TCK')
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started
  except (OSError, AttributeError):
    return None


def peer(command: str, arguments: Sequence[str], figure: str) -> float:
  """What another program measures: the figure of that name in its last line, which is JSON.

  Raises:
    UserError: it cannot be run, or ends in another line.
  """
  try:
    words = [*shlex.split(command), *arguments]
    done = subprocess.run(words, capture_output=True, text=True)
  except (OSError, ValueError) as error:
    raise UserError(f'--peer cannot be run: {error}') from error
  try:
    return float(json.loads(done.stdout.splitlines()[-1])[figure])
  except (IndexError, KeyError, TypeError, ValueError) as error:
    last = (done.stderr.strip().splitlines() or ['it printed nothing'])[-1]
    raise UserError(
      f'--peer must end with a line of JSON that holds {figure}; it says: {last}'
    ) from error

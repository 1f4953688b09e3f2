"""Files that are whole or not there, and the folder for what is kept between runs."""

import contextlib
import fcntl
import os
import sys
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path

from emo_jax.errors import UserError


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
  """A temporary path beside `path` that takes its place at the end; on an error it is removed.

  A link is followed. Raises UserError if there is something else than a file, such as a device.
  """
  path = Path(os.path.realpath(path))
  if path.exists() and not path.is_file():
    raise UserError(f'{path} is no file that could be replaced: name another')
  # Not the name itself with something added: the longest names allowed would become too long.
  digest = zlib.crc32(os.fsencode(path.name))
  # Containers that share a disk have equal process ids.
  partial = path.with_name(f'.{digest:08x}.{uuid.uuid4().hex[:12]}.partial')
  try:
    yield partial
    os.replace(partial, path)
  finally:
    partial.unlink(missing_ok=True)


@contextlib.contextmanager
def one_at_a_time(folder: Path, what: str) -> Iterator[None]:
  """Makes the folder and waits until no other process is in a block for the same one; says so,
  naming `what` the other is doing. Where a file system has no locks nobody waits."""
  folder.mkdir(parents=True, exist_ok=True)
  lock = os.open(folder / '.lock', os.O_RDWR | os.O_CREAT, 0o644)
  try:
    with contextlib.suppress(OSError):
      try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
      except BlockingIOError:
        print(f'waiting for another process that is {what} in {folder}', file=sys.stderr)
        fcntl.flock(lock, fcntl.LOCK_EX)
    yield
  finally:
    os.close(lock)  # which unlocks it


def cache_dir() -> Path:
  """Where the embedded corpus, compiled programs and the hand model are kept between runs."""
  return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'emo_jax'

"""Files that are whole or not there, and the folder for what is kept between runs."""

import contextlib
import os
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


def cache_dir() -> Path:
  """Where the embedded corpus, compiled programs and the hand model are kept between runs."""
  return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'emo_jax'

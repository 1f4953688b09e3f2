"""Files that are whole or not there, and the folder for what is kept between runs."""

import contextlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
  """A temporary path beside `path` that takes its place at the end; on an error it is removed."""
  path = Path(path)
  # Not the name itself with something added: the longest names allowed would become too long.
  digest = zlib.crc32(os.fsencode(path.name))
  partial = path.with_name(f'.{digest:08x}.{os.getpid()}.partial')
  try:
    yield partial
    os.replace(partial, path)
  finally:
    partial.unlink(missing_ok=True)


def cache_dir() -> Path:
  """Where the embedded corpus, compiled programs and the hand model are kept between runs."""
  return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'emo_jax'

"""Answers that were paid for: kept one by one, so that a run that was killed asks none again."""

import errno
import fcntl
import hashlib
import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from emo_jax.errors import UserError


def key(**determining: Any) -> str:
  """sha256 of everything that an answer is determined by."""
  return hashlib.sha256(json.dumps(determining, sort_keys=True).encode()).hexdigest()


class Cache:
  """JSON lines, each an answer under its key; a context that keeps other runs out.

  Of several threads each may `put`. What a kill leaves of a last line is dropped.
  """

  def __init__(self, path: Path):
    """Reads what is there.

    Raises:
      UserError: another run has the file open, it cannot be read or written, or it is not a cache.
    """
    self._path, self._lock = path, threading.Lock()
    self._found: dict[str, dict[str, Any]] = {}
    try:
      self._file = open(path, 'a+b')  # noqa: SIM115
    except OSError as error:
      raise UserError(f'cannot write {path}: {error.strerror or error}') from error
    try:
      self._require_alone()
      self._read()
    except BaseException:
      self._file.close()
      raise

  def __enter__(self) -> 'Cache':
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    self._file.close()

  def get(self, key_: str) -> dict[str, Any] | None:
    """The answer under a key, None if there is none."""
    return self._found.get(key_)

  def put(self, key_: str, answer: Mapping[str, Any]) -> None:
    """Keeps an answer, on disk before this returns. Raises OSError where there is no room."""
    line = json.dumps(dict(key=key_, **answer)) + '\n'
    with self._lock:
      self._file.write(line.encode())
      self._file.flush()
      os.fsync(self._file.fileno())
      self._found[key_] = dict(answer)

  def _require_alone(self) -> None:
    try:
      fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
      if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
        return  # a file system without locks
      raise UserError(
        f'another run is writing {self._path}: wait for it, or name another --out'
      ) from error

  def _read(self) -> None:
    self._file.seek(0)
    content = self._file.read()
    end = content.rfind(b'\n') + 1
    for number, line in enumerate(content[:end].splitlines(), start=1):
      entry = _entry(line)
      if entry is None:
        raise UserError(f'{self._path}, line {number}: not what a run leaves; take the line out')
      self._found[entry.pop('key')] = entry
    if end == len(content):
      return
    last = _entry(content[end:])
    if last is None:
      print(f'{self._path}: a half-written last line is dropped', file=sys.stderr)
      self._file.truncate(end)
    else:  # all of it but its end was written
      self._found[last.pop('key')] = last
      self._file.write(b'\n')
      self._file.flush()


def _entry(line: bytes) -> dict[str, Any] | None:
  try:
    found = json.loads(line)
  except ValueError:
    return None
  whole = isinstance(found, dict) and isinstance(found.get('key'), str)
  return found if whole and isinstance(found.get('answer'), str) else None

"""A run's `workdir`: its config, metrics and where everything else lies."""

import contextlib
import fcntl
import json
import os
import platform
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from emo_jax import files
from emo_jax.errors import UserError

LEASE_S = 180  # for which a file system may keep the lock of a node that is gone
_FREE = ('tracker', 'profile')  # fields that a resumed run may change


def file_name(text: str) -> str:
  """`text` with what a file's name should not hold replaced, as in `bobsl/a_tea` and `a+b`."""
  return re.sub(r'[^\w.-]', '_', text)


def write_text(path: Path, text: str) -> None:
  """Writes a file that is whole or not there."""
  with files.replacing(path) as partial:
    partial.write_text(text)


def write_json(path: Path, value: Any) -> None:
  """Writes JSON that a person can read."""
  write_text(path, json.dumps(value, indent=2) + '\n')


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
  """The config as JSON reads it back."""
  return json.loads(json.dumps(config))


def flatten(config: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
  """`{'optim': {'name': x}}` -> `{'optim.name': x}`."""
  flat = {}
  for name, value in config.items():
    if isinstance(value, Mapping):
      flat |= flatten(value, f'{prefix}{name}.')
    else:
      flat[f'{prefix}{name}'] = value
  return flat


def head_folder(workdir: Path, name: str) -> Path:
  """Where the checkpoints and metrics of a head lie; a run's only head has no name."""
  return workdir / 'heads' / name if name else workdir


def head_folders(workdir: Path) -> list[Path]:
  """Every folder that may hold those of a head, whether or not it does."""
  return [workdir, *sorted((workdir / 'heads').glob('*'))]


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[None]:
  """Makes the workdir, in which nobody else runs meanwhile.

  A lock of another node, which may be gone, is waited for as long as file systems keep those.

  Raises:
    UserError: another process has locked it, or it cannot be written.
  """
  try:
    workdir.mkdir(parents=True, exist_ok=True)
    lock = os.open(workdir / '.lock', os.O_RDWR | os.O_CREAT, 0o644)
  except OSError as error:
    raise _cannot_write(workdir, error) from error
  try:
    _take(lock, workdir)
    os.ftruncate(lock, 0)
    os.write(lock, f'process {os.getpid()} on {platform.node()}'.encode())
    yield
  finally:
    os.close(lock)  # which unlocks it


def _take(lock: int, workdir: Path) -> None:
  """Locks an open file for this process. Raises UserError if another keeps it."""
  until, waits = time.monotonic() + LEASE_S, False
  while True:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
      return
    except BlockingIOError as error:
      who = os.pread(lock, 200, 0).decode(errors='replace').strip()
      here = who.endswith(f' on {platform.node()}')
      if here or time.monotonic() > until:
        raise UserError(
          f'a run is going on in {workdir} ({who}): wait for it, or use another --workdir'
        ) from error
      if not waits:
        print(
          f'a run is going on in {workdir} ({who}), or its node is gone: waiting up to {LEASE_S} '
          's: its lock may outlive it',
          file=sys.stderr,
        )
      waits = True
      time.sleep(1)
    except OSError as error:  # a file system without locks
      print(
        f'warning: {workdir} cannot be locked ({error.strerror}): see to it that no other run uses '
        'it',
        file=sys.stderr,
      )
      return


def _cannot_write(workdir: Path, error: OSError) -> UserError:
  return UserError(f'cannot write to {workdir}: {error.strerror or error}')


def claim(workdir: Path, config: Mapping[str, Any], data: Mapping[str, Any]) -> None:
  """Makes the workdir with its `config.json`, or checks that a run resumed there is the same one.

  Args:
    workdir: of the run.
    config: of the run.
    data: the corpora it reads and their compatibility key, kept as `used` in `config.json`: a run
      begun on the embedded corpus must not go on with another.

  Raises:
    UserError: another run has begun there, or the folder cannot be written.
  """
  new_config = plain({**config, 'used': data})
  try:
    begun = (workdir / 'report.json').exists() or any(
      any(folder.glob('checkpoints/*')) for folder in head_folders(workdir)
    )
    if begun:
      old, new = flatten(read_config(workdir)), flatten(new_config)
      differ = (k for k in sorted(old.keys() | new.keys()) if old.get(k) != new.get(k))
      changed = [k for k in differ if k not in _FREE]
      if changed:
        what = '; '.join(f'{k} was {old.get(k)}, is {new.get(k)}' for k in changed)
        raise UserError(f'{workdir} holds another run ({what}): use another --workdir')
    else:
      workdir.mkdir(parents=True, exist_ok=True)
      write_json(workdir / 'config.json', new_config)
  except OSError as error:
    raise _cannot_write(workdir, error) from error


def read_json(path: Path, remedy: str) -> dict[str, Any]:
  """A JSON file of a run. Raises UserError, ending in `remedy`, if it is not there or broken."""
  try:
    found = json.loads(path.read_text())
  except (OSError, ValueError) as error:
    raise UserError(f'{path} is not there or cannot be read: {remedy}') from error
  if not isinstance(found, dict):
    raise UserError(f'{path} holds no JSON object: {remedy}')
  return found


def read_config(workdir: Path) -> dict[str, Any]:
  """The config of a run. Raises UserError if there is none."""
  return read_json(workdir / 'config.json', 'name the --workdir of a run')

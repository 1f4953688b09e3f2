"""A user's mistake: one line of what is wrong and what to do, exit status 2, no traceback."""

import argparse
import contextlib
import errno
import os
import sys
from collections.abc import Callable, Collection, Sequence
from typing import NoReturn

REQUEUE = 75  # EX_TEMPFAIL of sysexits.h: the same command, later
# Of disks behind a network: starting again may do, and the scripts of launch/ try it.
_MAY_PASS = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENOTCONN)


class UserError(Exception):
  """What the user gave cannot be used. The message is one line: what was got, what to do."""


class Preempted(Exception):
  """The system asked a run to end, which has saved what it did and is to be started again."""


class ArgumentParser(argparse.ArgumentParser):
  """argparse's, with its mistakes in one line, and no guessing of shortened flags."""

  def __init__(self, **options):
    super().__init__(
      allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options
    )

  def error(self, message: str) -> NoReturn:
    raise UserError(f'{message}; see {self.prog} --help')


def first_of(names: Sequence[str], most: int) -> str:
  """The first names of a list that may be long, as in `a, b, ...`."""
  return ', '.join(names[:most]) + (', ...' if len(names) > most else '')


def first_line(error: Exception) -> str:
  """What another library's error says, for a line of ours."""
  lines = str(error).strip().splitlines() or ['']
  return f'{type(error).__name__}: {lines[0][:200]}'


def require(value: str, known: Collection[str], what: str) -> None:
  """Raises UserError unless `value` is one of `known`."""
  if value not in known:
    raise UserError(f'{what} is {value!r}; it must be one of {", ".join(known)}')


def exit_status(main: Callable[..., int | None], *args) -> int:
  """Runs `main(*args)` and returns its status.

  A UserError, and what the system refuses (no room, no permission), is printed and gives 2; a disk
  that does not answer 1; a run that was preempted gives REQUEUE; Ctrl-C gives 130, a reader of
  stdout that is gone 141.
  """
  try:
    status = main(*args) or 0
    sys.stdout.flush()
    return status
  except UserError as error:
    print(f'error: {error}', file=sys.stderr)
    return 2
  except Preempted as told:
    print(told, file=sys.stderr)
    return REQUEUE
  except BrokenPipeError:
    _drop_stdout()
    return 141
  except OSError as error:
    of = f' ({error.filename})' if error.filename else ''
    print(f'error: {error.strerror or error}{of}: mend that and start again', file=sys.stderr)
    _drop_stdout()
    return 1 if error.errno in _MAY_PASS else 2
  except KeyboardInterrupt:
    print('interrupted', file=sys.stderr)
    return 130


def _drop_stdout() -> None:
  """What is left to be written would fail again when the interpreter ends."""
  with contextlib.suppress(OSError):  # stdout is no file
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

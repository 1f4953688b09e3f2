"""A user's mistake: one line of what is wrong and what to do, exit status 2, no traceback."""

import sys
from collections.abc import Callable


class UserError(Exception):
  """What the user gave cannot be used. The message is one line: what was got, what to do."""


def exit_status(main: Callable[..., int | None], *args) -> int:
  """Runs `main(*args)` and returns its exit status; a UserError is printed and gives 2."""
  try:
    return main(*args) or 0
  except UserError as error:
    print(f'error: {error}', file=sys.stderr)
    return 2

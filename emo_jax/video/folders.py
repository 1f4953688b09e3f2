"""Folders that results are written to."""

import tempfile
from pathlib import Path

from emo_jax.errors import UserError


def make_writable(folder: Path) -> None:
  """Makes the folder where it is missing. Raises UserError unless files can be written there."""
  try:
    folder.mkdir(parents=True, exist_ok=True)
    # Permissions alone do not tell: root passes them all, and a file system may be read-only.
    with tempfile.TemporaryFile(dir=folder):
      pass
  except OSError as error:
    reason = 'it is a file' if isinstance(error, FileExistsError) else error.strerror
    raise UserError(f'{folder} cannot be written to ({reason}): name another folder') from error

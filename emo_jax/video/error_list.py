"""The list of videos that could not be extracted, for whoever mends or replaces them."""

import csv
from collections.abc import Mapping
from pathlib import Path

from emo_jax import files
from emo_jax.errors import UserError


def name(shard: tuple[int, int] = (1, 1)) -> str:
  """The list's file name; shards of one extraction, which may share a folder, have one each."""
  number, count = shard
  return f'extract_errors-{number}-of-{count}.csv' if count > 1 else 'extract_errors.csv'


def write(path: Path, failed: Mapping[Path, UserError]) -> None:
  """Writes the list (UTF-8; file, reason) as a whole; without a failure there is none.

  Args:
    path: of the list, in the folder of the features.
    failed: video -> why it failed, of the whole run so far; listed by name.

  Raises:
    UserError: the list cannot be written.
  """
  try:
    if not failed:
      path.unlink(missing_ok=True)
      return
    # A name that is no UTF-8 must not keep the others from the list.
    text = dict(encoding='utf-8', errors='backslashreplace', newline='')
    with files.replacing(path) as partial, open(partial, 'w', **text) as f:
      rows = csv.writer(f, lineterminator='\n')
      rows.writerow(('file', 'reason'))
      rows.writerows((v, str(failed[v]).removeprefix(f'{v}: ')) for v in sorted(failed))
  except OSError as error:
    raise UserError(f'cannot write {path} ({error.strerror}): name another folder') from error

"""How a command ends."""

import subprocess
import sys

import pytest

from emo_jax import files
from emo_jax.errors import UserError, exit_status


def raising(error):
  def main():
    raise error

  return main


@pytest.mark.parametrize(
  ('error', 'status', 'said'),
  [
    (UserError('no such thing'), 2, 'error: no such thing\n'),
    (OSError(28, 'No space left on device', 'a.csv'), 2, 'No space left on device (a.csv)'),
    (PermissionError(13, 'Permission denied', 'b'), 2, 'Permission denied (b)'),
    (OSError(116, 'Stale file handle', 'c'), 1, 'Stale file handle (c)'),
    (KeyboardInterrupt(), 130, 'interrupted'),
    (BrokenPipeError(), 141, ''),
  ],
)
def test_what_a_user_can_mend_is_a_line(error, status, said, capfd):
  assert exit_status(raising(error)) == status
  err = capfd.readouterr().err
  assert said in err and err.count('\n') == bool(said)


def test_a_programs_own_mistake_is_not_hidden():
  with pytest.raises(KeyError):
    exit_status(raising(KeyError('x')))


@pytest.mark.parametrize('target', ['| head -0', '> /dev/full'])
def test_a_stdout_that_takes_nothing_ends_without_a_traceback(target):
  program = (
    'import sys; from emo_jax.errors import exit_status; sys.exit(exit_status(print, "x" * 99999))'
  )
  command = f"{sys.executable} -c '{program}' {target}"
  done = subprocess.run(command, shell=True, capture_output=True, text=True)
  assert 'Traceback' not in done.stderr and 'ignored' not in done.stderr


def test_only_files_are_replaced(tmp_path):
  (tmp_path / 'folder').mkdir()
  with pytest.raises(UserError, match='is no file'), files.replacing(tmp_path / 'folder'):
    pass
  with pytest.raises(UserError, match='is no file'), files.replacing('/dev/null'):
    pass


def test_a_link_is_followed(tmp_path):
  (tmp_path / 'real').write_text('old')
  (tmp_path / 'link').symlink_to(tmp_path / 'real')
  with files.replacing(tmp_path / 'link') as partial:
    partial.write_text('new')
  assert (tmp_path / 'real').read_text() == 'new' and (tmp_path / 'link').is_symlink()

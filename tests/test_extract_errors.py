"""What the command does with videos and folders that cannot be used: a line each, never a crash."""

import csv
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from emo_jax import extract
from emo_jax.errors import UserError, exit_status
from emo_jax.video import clip, error_list, feature_files
from tests.video import made

PAGE = 4096


@pytest.fixture
def run(shared, capsys, tmp_path):
  """run(*videos) -> exit status, lines of stdout, lines of stderr; features go to `out`."""

  def call(*videos, out=tmp_path / 'out'):
    model = f'--hand_model={shared}/models/hand_landmarker.task'
    arguments = ['--weights=random', model, f'--out={out}', *map(str, videos)]
    status = exit_status(extract.main, arguments)
    captured = capsys.readouterr()
    return status, captured.out.splitlines(), captured.err.splitlines()

  return call


def listed(out):
  """The rows of the list; None without a list."""
  if not (out / error_list.name()).exists():
    return None
  with open(out / error_list.name(), encoding='utf-8', newline='') as f:
    header, *rows = csv.reader(f)
  assert header == ['file', 'reason']
  assert all(len(row) == 2 for row in rows)
  return dict(rows)


@pytest.fixture
def small(tmp_path):
  """A video small enough to be extracted in no time."""
  return made.numbered(tmp_path / 'small.mp4', 7)


def test_every_failed_video_is_listed_and_the_rest_goes_on(run, small, tmp_path):
  folder, empty = tmp_path / 'a folder.mp4', tmp_path / 'empty.mp4'
  folder.mkdir()
  empty.touch()
  text = tmp_path / '手話, "quoted"\nin two lines.mp4'
  text.write_text('no video')
  cut = made.truncated(small, 50)
  out = tmp_path / 'out'
  status, stdout, stderr = run(folder, empty, tmp_path / 'absent.mp4', small, text, cut)
  assert (status, stdout) == (1, [f'{out}/small.npz'])
  assert f'5 of 6 videos failed, listed in {out}/extract_errors.csv:' in stderr
  starts = {
    folder: 'is a folder',
    tmp_path / 'absent.mp4': 'no such video file',
    cut: 'breaks off: ',
    empty: 'cannot be opened as a video (the file is empty)',
    text: 'cannot be opened as a video (it is text)',
  }
  found = listed(out)
  assert list(found) == sorted(map(str, starts))
  assert all(found[str(video)].startswith(start) for video, start in starts.items())
  assert sorted(os.listdir(out)) == ['extract_errors.csv', 'small.npz']


def test_a_mended_video_leaves_the_list(run, small, tmp_path):
  out, a, b = tmp_path / 'out', tmp_path / 'a.mp4', tmp_path / 'b.mp4'
  a.write_text('no video')
  b.write_text('no video')
  assert run(a, b)[0] == 1 and set(listed(out)) == {str(a), str(b)}
  shutil.copy(small, a)
  assert run(a, b)[0] == 1 and set(listed(out)) == {str(b)}
  shutil.copy(small, b)
  assert run(a, b)[0] == 0 and listed(out) is None


def test_the_list_is_there_before_the_run_ends(run, tmp_path, monkeypatch):
  out, first, second = tmp_path / 'out', tmp_path / 'first.mp4', tmp_path / 'second.mp4'

  def interrupted(targets, _):
    yield targets[first], UserError(f'{first}: broken')
    raise KeyboardInterrupt

  monkeypatch.setattr(feature_files, 'extract_all', interrupted)
  status, _, stderr = run(first, second)
  assert (status, stderr[-1]) == (130, 'interrupted')
  assert listed(out) == {str(first): 'broken'}


def test_long_names(run, small, tmp_path):
  """Names of 249 bytes work; of 255, the longest there are, with or without a line."""
  out = tmp_path / 'out'
  long = tmp_path / ('日' * 81 + 'ab.mp4')
  longest = tmp_path / ('n' * 251 + '.mp4')
  too_long = tmp_path / ('n' * 252 + '.ts')  # its features' name would have 256
  for video in (long, longest, too_long):
    shutil.copy(small, video)
  status, stdout, _ = run(too_long, longest, long)
  found = listed(out)
  assert status == 1 and f'{out / long.stem}.npz' in stdout
  assert found[str(too_long)] == (
    f'{out / too_long.stem}.npz cannot be written (File name too long): rename'
  )
  assert (str(longest) in found) != (f'{out / longest.stem}.npz' in stdout)


@pytest.mark.parametrize('name', ['n' * 300, 'n/' * 3000])
def test_a_folder_whose_name_is_too_long(run, small, tmp_path, name):
  status, stdout, stderr = run(small, out=tmp_path / name)
  assert (status, stdout) == (2, [])
  assert stderr[-1].endswith('cannot be written to (File name too long): name another folder')


def test_a_list_that_cannot_be_written_stops_the_run(run, small, tmp_path):
  (tmp_path / 'out' / error_list.name()).mkdir(parents=True)
  status, _, stderr = run(tmp_path / 'absent.mp4', small)
  assert status == 2
  assert f'{tmp_path}/out/extract_errors.csv is no file that could be replaced' in stderr[-1]


def command(shared, out, *videos):
  model = f'--hand_model={shared}/models/hand_landmarker.task'
  return [sys.executable, '-m', 'emo_jax.extract', '--weights=random', model, f'--out={out}',
          *map(str, videos)]  # fmt: skip


def test_names_that_are_not_utf8(shared, small, tmp_path):
  out = os.fsdecode(os.fsencode(tmp_path) + b'/gr\xfcn')
  video = os.fsdecode(os.fsencode(tmp_path) + b'/caf\xe9.mp4')
  shutil.copy(small, video)
  done = subprocess.run(command(shared, out, video, small), capture_output=True)
  assert (done.returncode, done.stdout) == (1, os.fsencode(out) + b'/small.npz\n')
  assert b'Traceback' not in done.stderr
  assert listed(Path(out)) == {
    f'{tmp_path}/caf\\udce9.mp4': 'its name or folder is not UTF-8; rename it'
  }


def test_a_file_that_may_not_grow_stops_the_run(shared, small, tmp_path):
  out, absent = tmp_path / 'out', tmp_path / 'absent.mp4'
  second = shutil.copy(small, tmp_path / 'second.mp4')
  limited = ['sh', '-c', 'ulimit -f 4 && exec "$@"', 'sh']  # blocks of 512 bytes
  done = subprocess.run(
    # OpenVINO's hands need room in the temporary folder first.
    [*limited, *command(shared, out, '--hands=mediapipe', absent, small, second)],
    capture_output=True,
    text=True,
  )
  assert (done.returncode, done.stdout) == (2, '')
  assert 'Traceback' not in done.stderr
  last = done.stderr.splitlines()[-1]
  assert last.startswith(f'error: cannot write {out}/s') and '.npz (File too large)' in last
  assert set(os.listdir(out)) <= {error_list.name()}  # nothing half written


def test_no_room_to_unpack_the_landmarker(shared, small, tmp_path):
  limited = ['sh', '-c', 'ulimit -f 4 && exec "$@"', 'sh']
  done = subprocess.run(
    [*limited, *command(shared, tmp_path / 'out', small)], capture_output=True, text=True
  )
  assert (done.returncode, done.stdout) == (2, '') and 'Traceback' not in done.stderr
  last = done.stderr.splitlines()[-1]
  assert last.startswith('error: the hand landmarker cannot be unpacked: ') and 'TMPDIR' in last


@pytest.fixture
def full_disk(tmp_path):
  """A file system of 64 KiB."""
  disk = tmp_path / 'disk'
  disk.mkdir()
  if os.geteuid() or not shutil.which('mount'):
    pytest.skip('only root can mount a small file system')
  mounted = subprocess.run(
    ['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk], capture_output=True, text=True
  )
  if mounted.returncode:
    pytest.skip(f'no file system can be mounted here: {mounted.stderr.strip()}')
  yield disk
  subprocess.run(['umount', disk], check=True)


def test_a_full_disk_stops_the_run(run, small, full_disk, tmp_path):
  second, third = (shutil.copy(small, tmp_path / f'{name}.mp4') for name in ('second', 'third'))
  assert run(small)[0] == 0
  # Room for the features of one video and the list.
  needed = -(-(tmp_path / 'out/small.npz').stat().st_size // PAGE) + 1
  room = os.statvfs(full_disk).f_bavail * os.statvfs(full_disk).f_frsize
  (full_disk / 'filler').write_bytes(bytes(room - needed * PAGE))
  status, stdout, stderr = run(tmp_path / 'absent.mp4', small, second, third, out=full_disk)
  assert status == 2 and len(stdout) == 1
  assert stderr[-1].startswith('error: ') and 'No space left on device' in stderr[-1]
  # One video was done, nothing is half written, and no other one was reported as failed.
  assert set(os.listdir(full_disk)) <= {'filler', Path(stdout[0]).name, error_list.name()}
  assert set(listed(full_disk) or ()) <= {str(tmp_path / 'absent.mp4')}
  assert len(clip.load(stdout[0])[0].face) == 2


@pytest.fixture(scope='module')
def unprivileged(shared):
  """What to put before a command so that permissions bind it, as they bind everyone but root."""
  loads = [sys.executable, '-c', 'import emo_jax.extract, cv2, mediapipe']
  ways = [[]] if os.geteuid() else [
    ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'],
    # Where others may not read the interpreter: root without any of its powers.
    ['setpriv', '--bounding-set=-all', '--inh-caps=-all'],
  ]  # fmt: skip
  for way in ways:
    there = not way or shutil.which(way[0])
    if there and subprocess.run([*way, *loads], capture_output=True).returncode == 0:
      return way
  pytest.skip('root cannot give up its powers here (setpriv)')


def test_folders_and_videos_without_permission(shared, small, tmp_path, unprivileged):
  locked = tmp_path / 'locked'
  locked.mkdir(mode=0o555)
  above = Path(tempfile.gettempdir()).resolve()
  for folder in (tmp_path, *tmp_path.parents):
    if above in folder.parents:
      folder.chmod(0o755)
  ours = [*unprivileged, *command(shared, locked, small)]
  done = subprocess.run(ours, capture_output=True, text=True)
  assert (done.returncode, done.stdout, os.listdir(locked)) == (2, '', [])
  assert done.stderr.splitlines()[-1] == (
    f'error: {locked} cannot be written to (Permission denied): name another folder'
  )

  secret, out = tmp_path / 'secret.mp4', tmp_path / 'open'
  shutil.copy(small, secret)
  secret.chmod(0)
  out.mkdir()
  out.chmod(0o777)
  done = subprocess.run(
    [*unprivileged, *command(shared, out, secret)], capture_output=True, text=True
  )
  assert (done.returncode, done.stdout) == (1, '')
  assert 'Traceback' not in done.stderr
  assert listed(out) == {str(secret): 'cannot be read (Permission denied)'}

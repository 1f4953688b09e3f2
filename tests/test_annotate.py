"""The terminal program: its screen by Textual's pilot, the command in a terminal of its own."""

import asyncio
import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import pytest

from emo_jax import annotate, label_files, labels
from emo_jax.annotation_screen import KEYS, AnnotationApp
from emo_jax.errors import exit_status
from emo_jax.text import annotation, sentences
from emo_jax.text.sentences import Sentence

SENTENCES = [
  Sentence('a', '[BELL] Who is there?', '', 'Only me.'),
  Sentence('b', 'Only me.', '[BELL] Who is there?', 'Come in, then.'),
  Sentence('c', 'Come in, then.', 'Only me.', ''),
]
SIZES = [(80, 24), (120, 40)]


def drive(out: Path, keys: str, size=(80, 24), given=tuple(SENTENCES)):
  """The screen's lines at first and after each of `keys` (by spaces), and what run returns."""
  screens = []

  async def run() -> str | None:
    with annotation.Session(given, out) as session:
      app = AnnotationApp(session)
      async with app.run_test(size=size) as pilot:
        await pilot.pause()
        screens.append(lines(app))
        for key in keys.split():
          await pilot.press(key)
          await pilot.pause()
          if app.is_running and app.screen_stack:
            screens.append(lines(app))
      return app.return_value

  returned = asyncio.run(run())
  return screens, returned


def lines(app) -> list[str]:
  return [strip.text.strip() for strip in app.screen._compositor.render_strips()]


def on_disk(out: Path) -> dict[str, str]:
  return {id_: given.label for id_, given in label_files.read(out).labels.items()}


def has(screen: list[str], text: str) -> bool:
  return any(text in line for line in screen)


def test_the_papers_keys():
  # Appendix B.
  names = ['anger', 'disgust', 'fear', 'joy', 'neutral', 'sadness', 'surprise']
  assert dict(zip('adfjnsu', names, strict=True)) == KEYS


@pytest.mark.parametrize('size', SIZES)
def test_a_sentence_stands_between_its_neighbours_with_every_key(tmp_path, size):
  (first, second), _ = drive(tmp_path / 'L.csv', 'space', size)
  assert first[0].startswith('sentence 1 of 3   0 labelled   0 skipped')
  assert has(first, 'before: (none)') and has(first, '┃ [BELL] Who is there?')
  assert has(first, 'after: Only me.') and has(first, 'label: no label yet')
  assert second[0].startswith('sentence 2 of 3   0 labelled   1 skipped')
  assert has(second, 'before: [BELL] Who is there?') and has(second, 'after: Come in, then.')
  for screen in (first, second):
    assert screen[-2] == '  '.join(f'{key} {name}' for key, name in KEYS.items())
    assert all(word in screen[-1] for word in ('back', 'next', 'skip', 'help', 'quit'))
    assert len(screen) == size[1]


@pytest.mark.parametrize('key', [*KEYS, *(key.upper() for key in KEYS)])
def test_a_key_labels(tmp_path, key):
  (_, after), _ = drive(tmp_path / 'L.csv', key)
  assert on_disk(tmp_path / 'L.csv') == {'a': KEYS[key.lower()]}
  assert after[0].startswith('sentence 2 of 3   1 labelled   0 skipped')


@pytest.mark.parametrize('back', ['left', 'backspace'])
def test_a_label_is_changed_by_going_back(tmp_path, back):
  screens, _ = drive(tmp_path / 'L.csv', f'j {back} s')
  assert has(screens[2], 'label: joy') and has(screens[2], 'Who is there?')
  assert on_disk(tmp_path / 'L.csv') == {'a': 'sadness'}
  assert screens[3][0].startswith('sentence 2 of 3   1 labelled')


@pytest.mark.parametrize('skip', ['space', 'right'])
def test_skipping(tmp_path, skip):
  screens, _ = drive(tmp_path / 'L.csv', f'{skip} n left left')
  assert on_disk(tmp_path / 'L.csv') == {'b': 'neutral'}
  assert has(screens[-1], 'label: skipped')
  screens, _ = drive(tmp_path / 'L.csv', '')
  assert screens[0][0].startswith('sentence 3 of 3   1 labelled   1 skipped')


def test_a_label_is_taken_away(tmp_path):
  screens, _ = drive(tmp_path / 'L.csv', 'j left x')
  assert has(screens[-1], 'label: skipped') and on_disk(tmp_path / 'L.csv') == {}


def test_the_end_leads_back_to_what_was_skipped(tmp_path):
  screens, _ = drive(tmp_path / 'L.csv', 'j space s space u')
  assert has(screens[3], 'That was the last sentence') and has(screens[3], 'end of 3')
  assert screens[4][0].startswith('sentence 2 of 3')
  assert has(screens[5], 'Every sentence has a label')


@pytest.mark.parametrize('opening', ['h', 'question_mark'])
def test_help_fits_the_screen_and_labels_nothing(tmp_path, opening):
  screens, _ = drive(tmp_path / 'L.csv', f'{opening} j n x {opening} j')
  page = screens[1]
  assert all(has(page, f'{key}  {name}') for key, name in KEYS.items())
  assert has(page, 'WHAT TO DO') and has(page, 'this page') and len(page) == 24
  assert screens[4] == page and screens[5] == screens[0]
  assert on_disk(tmp_path / 'L.csv') == {'a': 'joy'}


def test_every_emotion_has_a_key():
  assert sorted(KEYS.values()) == sorted(labels.EMOTIONS)


@pytest.mark.parametrize('keys', ['j q j', 'j Q j', 'j ctrl+c j', 'j h q j', 'j h ctrl+c j'])
def test_quitting(tmp_path, keys):
  _, returned = drive(tmp_path / 'L.csv', keys)
  assert returned is None and on_disk(tmp_path / 'L.csv') == {'a': 'joy'}


@pytest.mark.parametrize('size', [*SIZES, (40, 14)])
def test_a_long_sentence_wraps_and_scrolls(tmp_path, size):
  words = [f'word{i}' for i in range(size[0] * size[1] // 10)]
  given = [Sentence('a', ' '.join(words), 'Before it.', 'After it.')]
  screens, _ = drive(tmp_path / 'L.csv', 'down ' * (size[1] + 10), size, given)
  assert has(screens[0], 'word0 word1') and not has(screens[0], 'After it.')
  assert has(screens[-1], words[-1]) and has(screens[-1], 'After it.')
  seen = ' '.join(line for screen in screens for line in screen).replace('┃', ' ').split()
  assert set(words) <= set(seen)


def test_japanese_wraps_by_its_width(tmp_path):
  given = [Sentence('a', '本日は晴天なり' * 20)]
  (screen,), _ = drive(tmp_path / 'L.csv', '', (80, 24), given)
  framed = [line.strip('┃ ▇▆▁') for line in screen if line.startswith('┃')]
  assert ''.join(framed) == given[0].text and max(map(len, framed)) <= 37


def test_control_characters_do_not_reach_the_terminal(tmp_path):
  (screen,), _ = drive(
    tmp_path / 'L.csv', '', (80, 24), [Sentence('a', 'red \x1b[31m\x07 \x9b1m end')]
  )
  assert not [c for line in screen for c in line if ord(c) < 32 or 127 <= ord(c) < 160]
  assert has(screen, 'red \ufffd[31m\ufffd \ufffd1m end')


def test_a_disk_that_fails_ends_the_program_in_a_line(tmp_path, monkeypatch):
  def fail(*_):
    raise OSError(28, 'No space left on device')

  out = tmp_path / 'L.csv'
  with monkeypatch.context() as patched:
    patched.setattr(os, 'fsync', lambda _: fail() if out.exists() else None)
    _, returned = drive(out, 'j')
  assert returned == f'cannot write {out} and its log: No space left on device'
  assert on_disk(out) == {}


@pytest.fixture
def files(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  sentences.write(tmp_path / 'S.csv', SENTENCES)
  return tmp_path


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['S.csv'], 'the following arguments are required: --out'),
    (['absent.csv', '--out=L.csv'], 'cannot read absent.csv'),
    (['S.csv', '--out=L.csv'], 'labelling needs a terminal'),
  ],
)
def test_what_is_wrong_is_said_in_a_line(files, capsys, arguments, message):
  assert exit_status(annotate.main, arguments) == 2
  captured = capsys.readouterr()
  assert message in captured.err and captured.err.count('\n') == 1 and not captured.out
  assert [p.name for p in files.iterdir()] == ['S.csv']


class Terminal:
  """`python -m emo_jax.annotate` in a terminal of 80x24; `screen` is all that was written to it."""

  def __init__(self, *arguments: str, block: str = ''):
    self._ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
    code = 'import runpy, sys; '
    code += f'sys.modules[{block!r}] = None; ' if block else ''
    code += 'runpy.run_module("emo_jax.annotate", run_name="__main__", alter_sys=True)'
    environment = dict(os.environ, PYTHONPATH=str(Path(__file__).parents[1]), TERM='xterm-256color')
    self.process = subprocess.Popen(
      [sys.executable, '-c', code, *arguments],
      stdin=theirs,
      stdout=subprocess.PIPE,
      stderr=theirs,
      env=environment,
      start_new_session=True,
      text=True,
    )
    os.close(theirs)
    self.screen = ''
    self._reader = threading.Thread(target=self._read, daemon=True)
    self._reader.start()

  def press(self, keys: str) -> None:
    os.write(self._ours, keys.encode())

  def wait(self) -> tuple[int, str]:
    """Exit status and what went to stdout."""
    out, _ = self.process.communicate(timeout=60)
    self._reader.join(5)
    os.close(self._ours)
    return self.process.returncode, out

  def _read(self) -> None:
    with contextlib.suppress(OSError):  # the other side was closed
      while data := os.read(self._ours, 65536):
        self.screen += data.decode(errors='replace')


def wait_until(condition) -> None:
  end = time.monotonic() + 60
  while not condition():
    assert time.monotonic() < end
    time.sleep(0.005)


def test_the_command_in_a_terminal(files):
  terminal = Terminal('S.csv', '--out=L.csv')
  wait_until(lambda: 'Who is there?' in terminal.screen)
  terminal.press('j q')
  status, out = terminal.wait()
  assert (status, out) == (0, 'L.csv: 1 of 3 sentences labelled, 1 skipped\n')
  assert on_disk(files / 'L.csv') == {'a': 'joy'}


def test_a_program_killed_at_any_moment_has_lost_no_key(files):
  many = [Sentence(str(i), f'Sentence {i}.') for i in range(400)]
  sentences.write(files / 'S.csv', many)
  out, names = files / 'L.csv', list(KEYS.values())
  for _ in range(2):
    before = len(on_disk(out)) if out.exists() else 0
    terminal = Terminal('S.csv', '--out=L.csv')
    wait_until(lambda shown=f'Sentence {before}.', t=terminal: shown in t.screen)
    # The keys of sentence i are those of the emotion i modulo 7.
    terminal.press(''.join(list(KEYS)[i % 7] for i in range(before, 400)))
    wait_until(lambda least=before + 20: len(on_disk(out)) >= least)  # valid whenever read
    terminal.process.kill()
    assert terminal.wait()[0] == -9
    found = on_disk(out)
    assert found == {str(i): names[i % 7] for i in range(len(found))} and len(found) < 400
    with annotation.Session(many, out) as session:
      assert len(found) <= session.labelled <= len(found) + 1


def test_without_textual_a_line_says_what_to_install(files):
  terminal = Terminal('S.csv', '--out=L.csv', block='textual')
  status, _ = terminal.wait()
  message = "error: Textual is not installed: pip install 'emo_jax[annotate]'"
  assert (status, terminal.screen.strip()) == (2, message)
  assert not (files / 'L.csv').exists()

"""A user's mistakes are one line, and the key is in none."""

import os
import subprocess
import sys

import pytest

from tests.vlm import chat_server
from tests.vlm.cases import KEY, truly
from tests.vlm.chat_server import refused, said


@pytest.mark.parametrize('status', [400, 401, 403, 404, 429, 500])
def test_the_key_is_never_shown(run, tmp_path, monkeypatch, status):
  monkeypatch.setenv('OPENAI_API_KEY', f'{KEY}\n')
  with chat_server.running(lambda asked: refused(status, f'bad {asked.key} {KEY}')) as chat:
    code, _, stderr = run(chat, '--retries=1')
  assert code == (2 if status in (401, 403, 404) else 1)
  assert chat.asked[0].key == f'Bearer {KEY}'
  assert f'HTTP {status}: bad' in stderr
  kept = ''.join(path.read_text() for path in tmp_path.glob('answers*'))
  assert KEY not in stderr + kept and KEY[8:20] not in stderr + kept
  assert len(stderr.splitlines()) < 10


def test_the_key_is_hidden_in_an_answer_too(run, tmp_path, monkeypatch):
  monkeypatch.setenv('MY_KEY', KEY)
  with chat_server.running(lambda asked: said(f'{KEY} joy')) as chat:
    status, lines, stderr = run(chat, '--api_key_env=MY_KEY')
  assert status == 0 and chat.asked[0].key == f'Bearer {KEY}'
  kept = ''.join(path.read_text() for path in tmp_path.glob('answers*'))
  assert KEY not in stderr + kept and lines['f1_0']['answer'] == '<key> joy'
  assert lines['f1_0']['label'] == 'joy'


def test_the_clients_own_log_does_not_show_the_key(words):
  env = os.environ | dict(OPENAI_LOG='debug', OPENAI_API_KEY=KEY)
  with chat_server.running(lambda asked: refused(500, f'{KEY}')) as chat:
    command = [sys.executable, '-m', 'emo_jax.vlm', *words(chat, '--retries=0')]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
  assert done.returncode == 1 and chat.asked[0].key == f'Bearer {KEY}'
  assert 'HTTP 500: <key>' in done.stderr and KEY not in done.stderr + done.stdout


@pytest.mark.parametrize(
  ('flag', 'message'),
  [
    (f'--api_key={KEY}', 'no flag takes a key'),
    (f'--api-key={KEY}', 'no flag takes a key'),
    (f'--api_key_env={KEY}', 'never a key itself'),
    ('--api_key_env=sk_proj_0123456789abcdefSECRET', 'not set or empty'),
    ('--base_url=localhost:8000', '--base_url is no address'),
    ('--max_cost=1', '--max_cost needs --price_in and --price_out'),
    ('--price_in=1', 'give both'),
    ('--captions=c.csv', '--captions is read with --with_captions only'),
    ('--task=sign_handedness', 'invalid choice'),
    ('--task=sentiment', 'none of the 5 clips of ejsl:all is labelled for sentiment'),
    ('--corpus=ejsl/x', 'no ejsl/x in'),
    ('--split=f1+y1', "no split 'y1'; it has f1, m1, x1"),
    ('--with_captions', '4 of 4 clips have no caption (f1_0, f1_1, m1_0, ...)'),
    ('--concurrency=0', 'not a whole number above 0'),
    ('--fps=0', "'0' is not above 0"),
    ('--out=/', '--out=/ is no file'),
    ('--max_wait=-1', 'no number of at least 0'),
    ('--videos=nowhere', 'nowhere is no folder'),
    ('--data_dir=nowhere', 'no ejsl in nowhere'),
  ],
)
def test_mistakes_are_one_line(run, flag, message):
  with chat_server.running(truly) as chat:
    status, _, stderr = run(chat, flag)
  assert status == 2 and not chat.asked
  last = stderr.splitlines()[-1]
  assert message in last and last.startswith('error: ') and KEY[8:] not in stderr
  assert 'SECRET' not in stderr


def test_openai_itself_needs_a_key(run):
  with chat_server.running(truly) as chat:
    status, _, stderr = run(chat, '--base_url=https://api.openai.com/v1')
  assert status == 2 and 'set OPENAI_API_KEY' in stderr

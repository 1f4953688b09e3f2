"""A server that fails, stalls, limits or drops is asked again, as long as that is of use."""

import email.utils
import threading
import time

import pytest

from tests.vlm import chat_server
from tests.vlm.cases import TRUE, clip_of, truly
from tests.vlm.chat_server import CUT, DROP, HANG, refused


@pytest.mark.parametrize('status', [400, 422])
def test_a_server_without_structured_answers_is_asked_in_plain_words(run, status):
  def respond(asked):
    return refused(status, 'unknown field') if asked.structured else truly(asked)

  with chat_server.running(respond) as chat:
    code, lines, _ = run(chat, '--concurrency=1')
  assert code == 0 and {i: line['label'] for i, line in lines.items()} == TRUE
  assert [asked.structured for asked in chat.asked] == [True, False, False, False, False]


def test_a_question_refused_in_either_form_fails_alone(run):
  def respond(asked):
    return refused(400, 'too many images') if clip_of(asked) == 'm1_1' else truly(asked)

  with chat_server.running(respond) as chat:
    status, _, stderr = run(chat)
  assert status == 1
  assert 'm1_1: HTTP 400: too many images' in stderr and '1 of 4 answers are missing' in stderr


@pytest.mark.parametrize(
  'fault',
  [refused(500), refused(503), DROP, CUT, HANG, (200, {}, '<html>'), (200, {}, '{"error": {}}')],
)
def test_a_fault_is_asked_again(run, fault):
  faulty = set()

  def respond(asked):
    first = clip_of(asked) not in faulty
    faulty.add(clip_of(asked))
    return fault if first else truly(asked)

  with chat_server.running(respond) as chat:
    status, lines, _ = run(chat, '--timeout=1')
  assert status == 0 and len(lines) == 4 and len(chat.asked) == 8


def test_what_still_fails_is_not_kept_and_asked_at_the_next_call(run):
  broken = True

  def respond(asked):
    return refused(500) if broken and clip_of(asked) in ('f1_1', 'm1_0') else truly(asked)

  with chat_server.running(respond) as chat:
    status, _, stderr = run(chat, '--retries=2')
    assert status == 1 and '2 of 4 answers are missing' in stderr
    assert len(chat.asked) == 2 + 2 * 3
    broken = False
    status, lines, stderr = run(chat, '--retries=2')
    assert status == 0 and len(lines) == 4
  assert '2 answered before, 2 requests' in stderr
  assert sorted(clip_of(one) for one in chat.asked[-2:]) == ['f1_1', 'm1_0']
  assert len({clip_of(one) for one in chat.answered}) == len(chat.answered) == 4


def test_a_stalled_answer_is_asked_for_again(run):
  release, stalled = threading.Event(), []

  def respond(asked):
    if clip_of(asked) == 'f1_0' and not stalled:
      stalled.append(asked)
      release.wait(30)
    return truly(asked)

  with chat_server.running(respond) as chat:
    status, lines, _ = run(chat, '--timeout=0.5')
    release.set()
  assert status == 0 and len(lines) == 4 and len(chat.asked) == 5


def test_a_rate_limit_holds_for_every_question(run):
  limited = []

  def respond(asked):
    if not limited:
      limited.append(time.monotonic())
      return refused(429, 'slow down', Retry_After='1')
    return truly(asked)

  with chat_server.running(respond) as chat:
    status, lines, _ = run(chat, '--max_wait=5', '--concurrency=1')
  assert status == 0 and len(lines) == 4
  assert chat.asked[1].at - limited[0] >= 1


def test_a_longer_wait_than_allowed_ends_the_run(run):
  with chat_server.running(lambda _: refused(429, 'later', Retry_After='3600')) as chat:
    began = time.monotonic()
    status, _, stderr = run(chat, '--concurrency=1')
  assert status == 1 and time.monotonic() - began < 20 and len(chat.asked) == 1
  assert 'wants to be asked again in 3600 s' in stderr and '4 of 4 answers are missing' in stderr


def test_a_spent_account_is_not_asked_again(run):
  limit = refused(429, 'quota', code='insufficient_quota')
  with chat_server.running(lambda _: limit) as chat:
    status, _, stderr = run(chat, '--concurrency=1')
  assert status == 1 and len(chat.asked) == 1 and 'is spent' in stderr


def test_a_date_to_ask_again_at_is_kept(run):
  def respond(asked):
    # Dates have whole seconds: this one is between 1 and 2 s away.
    again = email.utils.formatdate(time.time() + 2, usegmt=True)
    return truly(asked) if asked.number else refused(429, Retry_After=again)

  with chat_server.running(respond) as chat:
    status, _, _ = run(chat, '--max_wait=5', '--concurrency=1')
  assert status == 0 and chat.asked[1].at - chat.asked[0].at >= 0.9


def test_no_server_is_said_at_once(run):
  with chat_server.running(truly) as chat:
    pass
  status, _, stderr = run(chat)
  assert status == 2 and 'cannot be reached' in stderr and chat.url in stderr


def test_a_server_that_only_fails_is_left(run):
  with chat_server.running(lambda _: refused(500)) as chat:
    status, _, stderr = run(chat, '--retries=1')
  assert status == 1 and '4 of 4 answers are missing' in stderr and len(chat.asked) == 8

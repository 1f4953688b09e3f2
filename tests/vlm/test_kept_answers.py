"""Answers are kept: no kill, other call or limit of costs has one asked for twice."""

import signal
import subprocess
import sys
import threading

from emo_jax.errors import exit_status
from emo_jax.vlm import __main__ as vlm
from tests.video import made as made_videos
from tests.vlm import chat_server
from tests.vlm.cases import IDS, clip_of, truly
from tests.vlm.chat_server import said


def test_other_settings_ask_anew_and_the_same_ones_do_not(run):
  with chat_server.running(truly) as chat:
    assert run(chat)[0] == 0
    for flags, asked in [
      ((), 4),
      (('--concurrency=1', '--timeout=9'), 4),
      (('--max_frames=20',), 8),
      (('--model=other',), 12),
      (('--max_tokens=9',), 16),
      (('--max_frames=20',), 16),
    ]:
      assert run(chat, *flags)[0] == 0
      assert len(chat.asked) == asked


def test_another_video_or_caption_asks_anew(data, videos, tmp_path, words):
  own = tmp_path / 'own'
  own.mkdir()
  for video in videos.iterdir():
    (own / video.name).write_bytes(video.read_bytes())
  captions = tmp_path / 'captions.csv'
  captions.write_text('id,text\n' + ''.join(f'{i},Said in {i}.\n' for i in IDS) + 'other,x\n')
  flags = (f'--videos={own}', '--with_captions', f'--captions={captions}')
  with chat_server.running(lambda asked: said('joy')) as chat:
    assert exit_status(vlm.main, words(chat, *flags)) == 0
    assert (
      'What is signed means: "Said in m1_1."' in {clip_of(a): a.text for a in chat.asked}['m1_1']
    )
    captions.write_text(captions.read_text().replace('in m1_1', 'by m1_1'))
    assert exit_status(vlm.main, words(chat, *flags)) == 0
    assert [clip_of(asked) for asked in chat.asked[4:]] == ['m1_1']
    made_videos.numbered(own / 'f1_0.mp4', 4, rate='10')
    assert exit_status(vlm.main, words(chat, *flags)) == 0
    assert [len(asked.jpegs) for asked in chat.asked[5:]] == [4]


def test_a_half_written_last_line_is_dropped(run, tmp_path):
  cache = tmp_path / 'answers.jsonl.cache'
  with chat_server.running(truly) as chat:
    assert run(chat, '--concurrency=1')[0] == 0
    whole = cache.read_bytes()
    cache.write_bytes(whole[:-20])
    status, lines, stderr = run(chat)
    assert status == 0 and len(lines) == 4 and len(chat.asked) == 5
    assert 'half-written' in stderr and clip_of(chat.asked[-1]) == 'm1_1'
    cache.write_bytes(whole[:-1])  # only the end of the line is missing
    assert run(chat)[0] == 0 and len(chat.asked) == 5
    cache.write_bytes(whole)
    assert run(chat)[0] == 0 and len(chat.asked) == 5
    cache.write_text('id,label\n')
    status, _, stderr = run(chat)
    assert status == 2 and 'line 1: not what a run leaves' in stderr and len(chat.asked) == 5


def test_killed_and_started_again_no_answer_is_asked_for_twice(words, run):
  blocked, release = threading.Event(), threading.Event()

  def respond(asked):
    if asked.number == 2:
      blocked.set()
      release.wait(60)
    return truly(asked)

  with chat_server.running(respond) as chat:
    flags = words(chat, '--concurrency=1')
    command = [sys.executable, '-m', 'emo_jax.vlm', *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
      assert blocked.wait(60)
      process.send_signal(signal.SIGKILL)
      assert process.wait() == -signal.SIGKILL
    before = [clip_of(asked) for asked in chat.asked[:2]]
    status, lines, stderr = run(chat)
    release.set()
    assert status == 0 and tuple(lines) == IDS and '2 answered before, 2 requests' in stderr
    again = [clip_of(asked) for asked in chat.asked[3:]]
  assert len(again) == 2 and not set(again) & set(before)


def test_another_run_is_kept_out(run, words):
  inside, release = threading.Event(), threading.Event()

  def respond(asked):
    inside.set()
    release.wait(60)
    return truly(asked)

  with chat_server.running(respond) as chat:
    first = threading.Thread(target=exit_status, args=(vlm.main, words(chat, '--timeout=60')))
    first.start()
    assert inside.wait(60)
    other = [word for word in words(chat)]
    assert exit_status(vlm.main, other) == 2
    release.set()
    first.join()
  assert len(chat.asked) == 4


def test_costs_are_counted_and_kept_below_a_limit(run):
  prices = ('--price_in=1000', '--price_out=10000', '--max_frames=3')  # 1.1 for an answer
  with chat_server.running(lambda asked: said('joy')) as chat:
    status, _, stderr = run(chat, *prices, '--max_cost=2.5')
    assert status == 1 and len(chat.asked) == 2
    assert 'cost 2.2000' in stderr and '--max_cost' in stderr and '2 of 4 answers' in stderr
    status, _, stderr = run(chat, *prices, '--max_cost=2.5')  # earlier answers count
    assert status == 1 and len(chat.asked) == 2
    status, _, stderr = run(chat, *prices, '--max_cost=4.4')
    assert status == 0 and len(chat.asked) == 4 and 'cost 4.4000' in stderr


def test_longer_clips_are_expected_to_cost_more(run):
  def respond(asked):
    return said('joy', tokens=(1000 * len(asked.jpegs), 0))

  prices = ('--price_in=1000', '--price_out=0')  # 1 for a frame: 3, 5, 7 and 9
  with chat_server.running(respond) as chat:
    status, _, stderr = run(chat, *prices, '--max_cost=14.9')
    assert status == 1 and len(chat.asked) == 2 and 'cost 8.0000' in stderr
    status, _, stderr = run(chat, *prices, '--max_cost=15')
    assert status == 1 and len(chat.asked) == 3 and 'cost 15.0000' in stderr


def test_a_limit_needs_counted_tokens(run):
  with chat_server.running(lambda asked: said('joy', tokens=None)) as chat:
    prices = ('--price_in=1000', '--price_out=10000')
    status, _, stderr = run(chat, *prices, '--max_cost=9')
    assert status == 1 and len(chat.asked) == 1 and 'counts no tokens' in stderr
    assert run(chat)[0] == 0 and len(chat.asked) == 4

import pytest

from emo_jax.errors import UserError
from emo_jax.text import webvtt
from emo_jax.text.webvtt import Cue


@pytest.fixture
def vtt(tmp_path):
  def write(content: str | bytes):
    path = tmp_path / 'e.vtt'
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path

  return write


FULL = """WEBVTT - made up
Kind: captions

STYLE
::cue { color: yellow }

NOTE of whoever wrote this,
over two lines

first
00:00:01.000 --> 00:00:03.500 line:0 align:start
<v Speaker>Rain &amp; <c.yellow>wind,</c></v>
and &lt;more&gt; of <i
class="a">both</i>&nbsp;here

00:04.250 --> 00:05.000
<font color="#ffffff">A <00:04.500>tag</font> &#39;or&#39; two

00:00:06.000 --> 00:00:07.000

NOTE

00:00:08.000 --> 00:00:09.000
<i> </i>
"""
FULL_CUES = [
  Cue(1.0, 3.5, 'Rain & wind, and <more> of both here'),
  Cue(4.25, 5.0, "A tag 'or' two"),
]


def test_a_cue_is_its_times_and_its_plain_text(vtt):
  assert webvtt.read(vtt(FULL)) == FULL_CUES


@pytest.mark.parametrize('end', ['\r\n', '\r'])
def test_line_ends_of_other_systems_and_a_byte_order_mark(vtt, end):
  assert webvtt.read(vtt('\ufeff' + FULL.replace('\n', end))) == FULL_CUES


def test_cues_come_by_start_and_overlaps_stay(vtt):
  path = vtt("""WEBVTT

00:00:05.000 --> 00:00:06.000
third

00:00:01.000 --> 00:00:08.000
second

00:00:01.000 --> 00:00:02.000
first

00:00:01.000 --> 00:00:02.000
first again
""")
  assert [(c.start_s, c.end_s, c.text) for c in webvtt.read(path)] == [
    (1.0, 2.0, 'first'),
    (1.0, 2.0, 'first again'),
    (1.0, 8.0, 'second'),
    (5.0, 6.0, 'third'),
  ]


def test_hours_go_past_99(vtt):
  path = vtt('WEBVTT\n\n01:59:59.999 --> 100:00:00.001\nlong\n')
  assert webvtt.read(path) == [Cue(7199.999, 360000.001, 'long')]


def test_a_file_may_hold_no_cue(vtt):
  assert webvtt.read(vtt('WEBVTT')) == []


CUE = '00:00:01.000 --> 00:00:02.000'


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('', r"line 1: '' is not WEBVTT"),
    (f'1\n{CUE}\na\n', "line 1: '1' is not WEBVTT"),
    (f'WEBVTTX\n\n{CUE}\na\n', "line 1: 'WEBVTTX' is not WEBVTT"),
    (f'WEBVTT\n\n{CUE}\na\n\n00:00:03,000 --> 00:00:04,000\nb\n', 'line 6: .* is not HH:MM:SS.mmm'),
    ('WEBVTT\r\n\r\n00:61:00.000 --> 00:62:00.000\r\na\r\n', 'line 3: .* is not HH:MM:SS.mmm'),
    ('WEBVTT\n\n00:00:01.000 --> \na\n', 'line 3: .* is not HH:MM:SS.mmm'),
    ('WEBVTT\n\n0:0:1.5 --> 0:0:2.5\na\n', 'line 3: .* is not HH:MM:SS.mmm'),
    ('WEBVTT\n\n00:00:01.000 --> 00:00:02.0001\na\n', 'line 3: .* is not HH:MM:SS.mmm'),
    (f'WEBVTT\n\n{CUE}\na --> b\n', "line 4: 'a --> b' is not HH:MM:SS.mmm"),
    (
      f'WEBVTT\n\n{CUE}\na\n\nx\n00:00:04.000 --> 00:00:03.000\nb\n',
      'line 7: the cue ends at 00:00:03.000, not after its start 00:00:04.000',
    ),
    (
      'WEBVTT\n\n00:00:04.000 --> 00:00:04.000\n',
      'line 3: the cue ends at 00:00:04.000, not after',
    ),
    (f'WEBVTT\n\n{CUE}\ncaf\xe9\n'.encode('latin-1'), 'line 4: not UTF-8 .*: save it so'),
    (f'WEBVTT\n\n{CUE}\na\n'.encode('utf-16'), 'line 1: not UTF-8'),
  ],
)
def test_what_is_wrong_is_said_in_a_line_with_its_number(vtt, content, message):
  with pytest.raises(UserError, match=f'e.vtt, {message}') as caught:
    webvtt.read(vtt(content))
  assert '\n' not in str(caught.value)


def test_a_file_must_be_there(tmp_path):
  with pytest.raises(UserError, match='cannot read .*absent.vtt: No such file'):
    webvtt.read(tmp_path / 'absent.vtt')


def test_without_the_library_the_extra_is_named(vtt, monkeypatch):
  monkeypatch.setitem(__import__('sys').modules, 'webvtt', None)
  with pytest.raises(UserError, match=r'pip install .emo_jax\[bobsl\]'):
    webvtt.read(vtt(FULL))


def test_only_tags_are_taken_out(tmp_path):
  path = tmp_path / 'a.vtt'
  path.write_text(
    'WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nI <3 you, <i>really</i>, 2 < 3 > 1 <c.loud>OK</c>\n'
  )
  (cue,) = webvtt.read(path)
  assert cue.text == 'I <3 you, really, 2 < 3 > 1 OK'


@pytest.mark.parametrize('arrow', ['->', '=>', '\N{EN DASH}>', '\N{RIGHTWARDS ARROW}'])
def test_times_with_another_arrow_are_not_text(tmp_path, arrow):
  path = tmp_path / 'a.vtt'
  path.write_text(
    f'WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nOne\n\n00:00:03.000 {arrow} 00:00:04.000\nTwo\n'
  )
  with pytest.raises(UserError, match='a.vtt, line 6: .* is not HH:MM:SS.mmm -->'):
    webvtt.read(path)

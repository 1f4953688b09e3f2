"""What containers say of themselves, on files of ffmpeg and on damaged ones."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emo_jax.errors import UserError
from emo_jax.video import container
from tests.video import made

KINDS = ('a.mp4', 'fragments.mp4', 'a.mkv', 'a.avi', 'a.ts', 'a.wmv')


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  """A small whole file of every kind."""
  folder = tmp_path_factory.mktemp('containers')
  fragments = ('-movflags', 'frag_keyframe+empty_moov', '-pix_fmt', 'yuv420p')
  options = {'fragments.mp4': fragments, 'a.wmv': ('-c:v', 'wmv2')}
  return {
    name: made.numbered(folder / name, 30, *options.get(name, ('-pix_fmt', 'yuv420p')))
    for name in KINDS
  }


@pytest.mark.parametrize('name', KINDS)
def test_what_is_cut_off_is_missed(whole, tmp_path, name):
  content = whole[name].read_bytes()
  assert container.read(whole[name]).missing_bytes == 0
  for cut in (1, 100, len(content) // 2):
    path = tmp_path / name
    path.write_bytes(content[:-cut])
    missing = container.read(path).missing_bytes
    if name in ('a.mp4', 'fragments.mp4'):  # the box that is cut, not those after it
      assert 0 < missing <= cut
    else:  # packets of a transport stream are all the same: only a broken one tells
      assert missing == (cut % 188 if name == 'a.ts' else cut)


def test_only_mp4_says_how_long_the_picture_is_shown(whole):
  assert container.read(whole['a.mp4']).seconds == pytest.approx(1.2)
  assert not container.read(whole['a.mp4']).whole
  for name in ('fragments.mp4', 'a.mkv', 'a.ts'):
    found = container.read(whole[name])
    assert found.whole and found.seconds is None


def test_boxes_longer_than_32_bits(whole, tmp_path):
  content = whole['a.mp4'].read_bytes()
  at = content.index(b'mdat') - 4
  length = int.from_bytes(content[at : at + 4])
  path, data = tmp_path / 'large.mp4', content[at + 8 : at + length]
  for declared, missing in ((length + 8, 0), (2**40, 2**40 - length - 8)):
    path.write_bytes(content[:at] + struct.pack('>I4sQ', 1, b'mdat', declared) + data)
    assert container.read(path).missing_bytes == missing


def test_a_box_within_that_claims_too_much(tmp_path):
  path = tmp_path / 'a.mp4'
  track = struct.pack('>I4s', 10**6, b'trak')
  movie = struct.pack('>I4s', 8 + len(track), b'moov') + track
  path.write_bytes(struct.pack('>I4s', 8, b'ftyp') + movie)
  assert container.read(path) == container.Container()


def test_rubbish_after_the_end_is_not_counted(whole, tmp_path):
  for name in ('a.mp4', 'a.avi', 'a.mkv'):
    path = tmp_path / name
    for rubbish in (b'\xff' * 500, bytes(500), b'\xff'):
      path.write_bytes(whole[name].read_bytes() + rubbish)
      assert container.read(path).missing_bytes == 0


def test_lengths_never_filled_in_are_unknown(whole, tmp_path):
  path = tmp_path / 'recorded.avi'
  content = bytearray(whole['a.avi'].read_bytes()[:-50])
  content[4:8] = bytes(4)
  path.write_bytes(content)
  assert container.read(path) == container.Container()


@settings(deadline=None, derandomize=True, max_examples=300)
@given(
  name=st.sampled_from(KINDS),
  keep=st.floats(0, 1),
  damage=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=5),
)
def test_damage_never_ends_in_anything_but_an_answer(whole, tmp_path_factory, name, keep, damage):
  content = bytearray(whole[name].read_bytes())
  for where, data in damage:
    at = int(where**3 * len(content))  # mostly in the headers
    content[at : at + len(data)] = data
  path = tmp_path_factory.getbasetemp() / 'damaged'
  path.write_bytes(content[: int(keep * len(content))])
  try:
    assert container.read(path).missing_bytes >= 0
  except UserError as error:
    assert len(str(error).splitlines()) == 1

import pytest

from emo_jax.errors import UserError
from tests.tfds_builders import bobsl_tree
from tests.tfds_builders.bobsl_tree import MANUAL, TEST, TRAIN, VALIDATION
from tfds_builders.bobsl import clips, layout
from tfds_builders.bobsl.clips import Clip, Selection

ONE = {'train': TRAIN[:1], 'val': (), 'test': ()}


def one_episode(tmp_path, cues, **selection) -> list[Clip]:
  """The clips of a corpus of one episode with these cues, by default unshifted."""
  root = bobsl_tree.write(tmp_path / 'one', splits=ONE, manual=(), cues=cues)
  chosen = Selection(**{'alignment': 'sat', 'with_manual_episodes': True, **selection})
  return clips.select(layout.open_tree(root), chosen, videos=False)['train']


def listing(path, *ids) -> dict:
  path.write_text('id\n' + ''.join(f'{i}\n' for i in ids))
  return dict(clips=path)


@pytest.fixture
def tree(tmp_path) -> layout.Tree:
  root = bobsl_tree.write(tmp_path / 'tree', video=lambda path: path.write_bytes(b'mp4'))
  return layout.open_tree(root)


def episodes_of(found) -> dict[str, list[str]]:
  return {split: list(dict.fromkeys(c.episode for c in made)) for split, made in found.items()}


def test_a_clip_is_a_subtitle_shifted_with_its_neighbours(tree):
  found = clips.select(tree, Selection())
  e = TRAIN[0]
  assert [c for c in found['train'] if c.episode == e] == [
    Clip(f'{e}_3200_4400', e, 3.2, 4.4, 'Good evening.', '', 'Hello!'),
    Clip(
      f'{e}_5200_7200',
      e,
      5.2,
      7.2,
      'The rain has come at last.',
      'Hello!',  # too short for a clip of its own
      'Nobody was sad about it.',
    ),
    Clip(
      f'{e}_7700_9200', e, 7.7, 9.2, 'Nobody was sad about it.', 'The rain has come at last.', ''
    ),
  ]


@pytest.mark.parametrize(
  ('version', 'alignment', 'shift_ms'),
  [
    ('1.4', 'audio', 2700),
    ('1.4', 'sat', 0),
    ('1.4', 'manual', 0),
    ('legacy', 'audio', 2700),
    ('legacy', 'audio_raw', 2700),
    ('legacy', 'manual', 0),
  ],
)
def test_only_what_is_aligned_to_the_audio_is_shifted(tmp_path, version, alignment, shift_ms):
  tree = layout.open_tree(bobsl_tree.write(tmp_path, version=version))
  found = clips.select(tree, Selection(alignment), videos=False)
  first = found['test'][0]
  assert first.id == f'{first.episode}_{500 + shift_ms}_{1700 + shift_ms}'
  assert first.start_s == (500 + shift_ms) / 1000


def test_a_shift_can_be_given(tree):
  first = clips.select(tree, Selection('manual', shift_s=-0.5))['train'][0]
  assert first.id == f'{TRAIN[2]}_0_1200'
  with pytest.raises(
    UserError, match=r'cue at 0.500 s, shifted by -0.501 s, starts before the vid'
  ):
    clips.select(tree, Selection('manual', shift_s=-0.501))


def test_manual_episodes_are_a_part_of_their_own(tree, capsys):
  found = clips.select(tree, Selection('sat'))
  assert episodes_of(found) == {
    'train': list(TRAIN[:2]),
    'validation': [VALIDATION[0]],
    'test': [TEST[0]],
  }
  assert (
    'left out: 3 manually aligned episodes (train 1, validation 1, test 1)'
    in capsys.readouterr().err
  )
  found = clips.select(tree, Selection('sat', with_manual_episodes=True))
  assert episodes_of(found) == {
    'train': list(TRAIN),
    'validation': list(VALIDATION),
    'test': list(TEST),
  }
  found = clips.select(tree, Selection('manual'))
  assert episodes_of(found) == {
    'train': [TRAIN[2]],
    'validation': [VALIDATION[1]],
    'test': [TEST[1]],
  }


def test_the_real_lists_leave_the_manual_episodes_out(shared, tmp_path):
  folder = shared / 'data/bobsl'
  names = {'train': 'train_1658', 'val': 'val_32', 'test': 'test_250'}
  splits = {k: (folder / f'bobsl_{v}.txt').read_text().split() for k, v in names.items()}
  manual = [e for k in names for e in (folder / f'bobsl_align_{k}.txt').read_text().split()]
  root = bobsl_tree.write(
    tmp_path, version='legacy', splits=splits, manual=manual, cues=[(0, 1, 'a')]
  )
  tree = layout.open_tree(root)

  def counts(**selection) -> list[int]:
    found = clips.select(tree, Selection(**selection), videos=False)
    return [len(made) for made in found.values()]

  assert counts(with_manual_episodes=True) == [1658, 32, 250]
  assert counts() == [1642, 28, 215]
  assert counts(alignment='manual') == [16, 4, 35]


def test_manual_episodes_must_be_known_to_be_left_out(tmp_path):
  tree = layout.open_tree(bobsl_tree.write(tmp_path, manual=()))
  with pytest.raises(UserError, match='or keep them with --with_manual_episodes'):
    clips.select(tree, Selection(), videos=False)
  with pytest.raises(UserError, match='aligned manually: download them$'):
    clips.select(tree, Selection('manual'), videos=False)
  assert clips.select(tree, Selection(with_manual_episodes=True), videos=False)


def test_lengths_include_both_limits(tmp_path):
  # As binary fractions 32.008 - 12.008 s, the shifted times of c, are more than 20 s.
  cues = [(0, 0.499, 'a'), (1, 1.5, 'b'), (11.708, 31.708, 'c'), (7200.1, 7220.101, 'd')]
  assert [c.text for c in one_episode(tmp_path, cues, shift_s=0.3)] == ['b', 'c']
  assert [c.text for c in one_episode(tmp_path / '2', cues, min_s=1.0)] == ['c']


def test_hours_into_a_programme(tmp_path):
  (clip,) = one_episode(tmp_path, [(360_000.001, 360_002.5, 'a')], shift_s=2.7)
  assert clip.id == f'{TRAIN[0]}_360002701_360005200'
  assert (clip.start_s, clip.end_s) == (360_002.701, 360_005.2)


def test_subtitles_of_the_same_times_are_one_clip(tmp_path):
  cues = [(1, 2, 'Who'), (1, 2, 'is it?'), (1, 2, 'Who'), (1, 3, 'Me.')]
  first, second = one_episode(tmp_path, cues)
  assert (first.text, first.after) == ('Who is it?', 'Me.')
  assert (second.text, second.before, second.end_s) == ('Me.', 'Who is it?', 3.0)


def test_a_list_takes_the_place_of_the_lengths(tree, tmp_path):
  ids = [f'{TEST[0]}_4700_5100', f'{TRAIN[1]}_3200_4400']  # the first is 0.4 s long
  found = clips.select(tree, Selection(**listing(tmp_path / 'l.csv', *ids)))
  assert {split: [c.id for c in made] for split, made in found.items()} == {
    'train': [ids[1]],
    'validation': [],
    'test': [ids[0]],
  }


@pytest.mark.parametrize(
  'unknown',
  [f'{TRAIN[0]}_500_1700', f'{MANUAL[0]}_3200_4400', '42_3200_4400', 'x'],
  ids=['unshifted', 'of a manual episode', 'of no episode', 'no id'],
)
def test_a_listed_clip_must_be_of_a_subtitle(tree, tmp_path, unknown):
  listed = listing(tmp_path / 'l.csv', f'{TRAIN[0]}_3200_4400', unknown)
  with pytest.raises(
    UserError, match=rf'l.csv, line 3: no subtitle gives the clip {unknown} \(one'
  ):
    clips.select(tree, Selection(**listed))


def test_a_list_may_name_clips_of_splits_that_are_not_read(tree, tmp_path):
  ids = [f'{TEST[0]}_3200_4400', f'{TRAIN[1]}_3200_4400']
  listed = listing(tmp_path / 'l.csv', *ids)
  found = clips.select(tree, Selection(**listed), splits=('test',))
  assert {split: [c.id for c in made] for split, made in found.items()} == {'test': ids[:1]}
  with pytest.raises(UserError, match='no clip of the list in 1 episodes of validation'):
    clips.select(tree, Selection(**listed), splits=('validation',))


def test_a_list_names_a_clip(tree, tmp_path):
  with pytest.raises(UserError, match='l.csv lists no clip'):
    clips.select(tree, Selection(**listing(tmp_path / 'l.csv')))


def test_missing_files_are_an_error_or_left_out(tree, capsys):
  tree.subtitles('audio', TRAIN[0]).unlink()
  tree.video(TRAIN[1]).unlink()
  with pytest.raises(UserError, match=f'1 of 4 episodes have no subtitles in .*: {TRAIN[0]}: down'):
    clips.select(tree, Selection())
  tree.subtitles('audio', TRAIN[0]).write_text(bobsl_tree.vtt(bobsl_tree.CUES))
  with pytest.raises(UserError, match=f'1 of 4 episodes have no video in .*: {TRAIN[1]}: download'):
    clips.select(tree, Selection())
  tree.subtitles('audio', TRAIN[0]).unlink()
  capsys.readouterr()
  found = clips.select(tree, Selection(), missing='skip')
  assert episodes_of(found) == {'train': [], 'validation': [VALIDATION[0]], 'test': [TEST[0]]}
  said = capsys.readouterr().err
  assert f'no subtitles in {tree.subtitles_folder("audio")}: {TRAIN[0]}\n' in said
  assert f'no video in {tree.video("x").parent}: {TRAIN[1]}\n' in said
  assert episodes_of(clips.select(tree, Selection(), missing='skip', videos=False))['train'] == [
    TRAIN[1]
  ]


def test_a_list_may_name_clips_that_are_left_out(tree, tmp_path):
  tree.video(TRAIN[1]).unlink()
  ids = [f'{TEST[0]}_3200_4400', f'{TRAIN[1]}_3200_4400']
  found = clips.select(tree, Selection(**listing(tmp_path / 'l.csv', *ids)), missing='skip')
  assert [c.id for made in found.values() for c in made] == ids[:1]


def test_the_first_of_many_are_named(tmp_path):
  tree = layout.open_tree(bobsl_tree.write(tmp_path))
  with pytest.raises(
    UserError, match=rf'4 of 4 .* no video in .*: {TRAIN[0]}, .{{19}}, .{{19}}, \.\.'
  ):
    clips.select(tree, Selection())
  with pytest.raises(UserError, match='not one of 4 episodes of train, validation, test is there'):
    clips.select(tree, Selection(), missing='skip')


def test_a_wrong_subtitle_file_is_named(tree):
  tree.subtitles('audio', VALIDATION[0]).write_text('WEBVTT\n\nsoon --> later\nHello\n')
  with pytest.raises(UserError, match=f'{VALIDATION[0]}.vtt, line 3: '):
    clips.select(tree, Selection())


def test_nothing_left_is_an_error(tree):
  with pytest.raises(UserError, match='no clip of 30 to 40 s in 4 episodes of train, validation'):
    clips.select(tree, Selection(min_s=30.0, max_s=40.0))


@pytest.mark.parametrize(
  ('wrong', 'message'),
  [
    (dict(alignment='audoi'), "alignment is 'audoi'; it must be one of audio, sat, manual"),
    (dict(min_s=3.0, max_s=2.0), 'clips of 3.0 to 2.0 s'),
    (dict(min_s=float('nan')), 'clips of nan to 20.0 s'),
    (dict(max_s=float('inf')), 'clips of 0.5 to inf s'),
    (dict(shift_s=float('nan')), 'a shift of nan s'),
  ],
)
def test_a_selection_must_make_sense(wrong, message):
  with pytest.raises(UserError, match=message):
    Selection(**wrong)


def test_ends_are_held_to_the_videos(tmp_path, capsys):
  selection = Selection('sat', with_manual_episodes=True)
  made = one_episode(tmp_path, [(0, 2, 'a'), (8, 9.9, 'b'), (9, 10.9, 'c')])
  tree = layout.open_tree(tmp_path / 'one')
  asked = []

  def ten(episode):
    asked.append(episode)
    return 10.0

  kept = clips.check_ends(tree, selection, made, ten)
  assert [(c.id, c.end_s) for c in kept] == [
    (made[0].id, 2.0),
    (made[1].id, 9.9),
    (f'{TRAIN[0]}_9000_10900', 10.0),
  ]
  assert asked == [TRAIN[0]] and not capsys.readouterr().err
  message = (
    rf"sat_aligned/{TRAIN[0]}.vtt: the cue from 9.000 to 10.900 s \('c'\) is past the end of"
  )
  with pytest.raises(UserError, match=message):  # it ends a second after the video
    clips.check_ends(tree, selection, made, lambda _: 9.9)
  left = clips.check_ends(tree, selection, made, lambda _: 9.9, missing='skip')
  assert len(left) < len(made) and all(clip.end_s <= 9.9 for clip in left)
  assert 'whose subtitle is past the end' in capsys.readouterr().err
  short = one_episode(tmp_path / 'short', [(9.3, 9.9, 'd')])
  with pytest.raises(UserError, match='from 9.300 to 9.900 s'):  # it starts as the video ends
    clips.check_ends(tree, selection, short, lambda _: 9.3)


def test_what_the_shift_takes_past_the_end_is_left_out(tmp_path, capsys):
  selection = Selection('audio', with_manual_episodes=True)
  cues = [(0, 2, 'a'), (6, 9.5, 'b'), (6.9, 9.5, 'c'), (9.6, 10, 'd'), (8, 9.9, 'e')]
  made = one_episode(tmp_path, cues, alignment='audio')
  kept = clips.check_ends(layout.open_tree(tmp_path / 'one'), selection, made, lambda _: 10.0)
  assert [(c.text, c.end_s) for c in kept] == [('a', 4.7), ('b', 10.0)]
  assert 'left out 2 clips that the shift of 2.7 s takes past the end' in capsys.readouterr().err


def test_a_sample_is_drawn_without_replacement_in_order(tmp_path):
  made = one_episode(tmp_path, [(t, t + 1, f'{t}') for t in range(500)])
  drawn = clips.sample(made, 200, 0)
  assert drawn == clips.sample(made, 200, 0) != clips.sample(made, 200, 1)
  assert len({c.id for c in drawn}) == 200
  assert [c.start_s for c in drawn] == sorted(c.start_s for c in drawn)
  assert 60 < sum(c.start_s < 250 for c in drawn) < 140  # from all over
  assert clips.sample(made, 500, 7) == made
  for count in (0, 501):
    with pytest.raises(UserError, match=f'a sample of {count} of 500 clips'):
      clips.sample(made, count, 0)


def test_an_episode_without_cues_has_no_clip(tmp_path):
  root = bobsl_tree.write(tmp_path / 'tree')
  tree = layout.open_tree(root)
  tree.subtitles('sat', TRAIN[0]).write_text('WEBVTT\n')
  found = clips.select(tree, Selection('sat', with_manual_episodes=True), videos=False)
  episodes = {clip.episode for of_split in found.values() for clip in of_split}
  assert TRAIN[0] not in episodes and TRAIN[1] in episodes

import json

import pytest

from emo_jax.errors import UserError
from tests.tfds_builders import bobsl_tree
from tfds_builders.bobsl import layout


@pytest.mark.parametrize('version', ['1.4', 'legacy'])
def test_every_file_is_found_where_the_release_has_it(tmp_path, version):
  root = bobsl_tree.write(tmp_path, version=version, video=lambda path: path.write_bytes(b'mp4'))
  tree = layout.open_tree(root)
  assert tree.version == version
  assert tree.splits == {
    'train': bobsl_tree.TRAIN,
    'validation': bobsl_tree.VALIDATION,
    'test': bobsl_tree.TEST,
  }
  assert tree.manual_episodes() == set(bobsl_tree.MANUAL)
  for episode in (*bobsl_tree.TRAIN, *bobsl_tree.VALIDATION, *bobsl_tree.TEST):
    assert tree.video(episode).is_file()
    for alignment in bobsl_tree.SUBTITLES[version]:
      there = alignment != 'manual' or episode in bobsl_tree.MANUAL
      assert tree.subtitles(alignment, episode).is_file() == there


@pytest.mark.parametrize('folder', ['metadata', 'splits'])
def test_legacy_lists_may_lie_in_a_folder(tmp_path, folder):
  root = bobsl_tree.write(tmp_path, version='legacy')
  (root / folder).mkdir()
  (root / 'subset2episode.json').rename(root / folder / 'subset2episode.json')
  assert layout.open_tree(root).splits['test'] == bobsl_tree.TEST


def test_the_challenge_test_is_not_read(tmp_path):
  root = bobsl_tree.write(tmp_path, splits={**bobsl_tree.SPLITS, 'challenge_test': ('54',)})
  assert set(layout.open_tree(root).splits) == {'train', 'validation', 'test'}


def test_the_real_lists_are_read_as_they_are(shared, tmp_path):
  def listed(name: str) -> list[str]:
    return (shared / f'data/bobsl/{name}.txt').read_text().split()

  splits = {
    'train': listed('bobsl_train_1658'),
    'val': listed('bobsl_val_32'),
    'test': listed('bobsl_test_250'),
  }
  manual = {name: listed(f'bobsl_align_{name}') for name in splits}
  every = [episode for ids in manual.values() for episode in ids]
  tree = layout.open_tree(bobsl_tree.write(tmp_path, splits=splits, manual=every, cues=()))
  assert tree.splits == {
    'train': tuple(splits['train']),
    'validation': tuple(splits['val']),
    'test': tuple(splits['test']),
  }
  assert [len(ids) for ids in tree.splits.values()] == [1658, 32, 250]
  assert tree.manual_episodes() == set(every)
  found = [len(tree.manual_episodes() & set(ids)) for ids in tree.splits.values()]
  assert found == [16, 4, 35]


def test_manual_episodes_are_those_of_the_lists(tmp_path):
  tree = layout.open_tree(bobsl_tree.write(tmp_path, manual=(bobsl_tree.TEST[0], '99')))
  assert tree.manual_episodes() == {bobsl_tree.TEST[0]}


@pytest.mark.parametrize(('version', 'alignment'), [('1.4', 'audio_raw'), ('legacy', 'sat')])
def test_an_alignment_may_belong_to_the_other_layout(tmp_path, version, alignment):
  tree = layout.open_tree(bobsl_tree.write(tmp_path, version=version))
  with pytest.raises(UserError, match=f'layout {version}, which has no subtitles') as caught:
    tree.subtitles(alignment, bobsl_tree.TRAIN[0])
  known = str(caught.value).split('it has ')[1].split(', ')
  assert sorted(known) == sorted(bobsl_tree.SUBTITLES[version])


def test_another_folder_is_refused_with_what_was_looked_for(tmp_path):
  with pytest.raises(UserError, match='it has none of original_data/metadata/subset2episode.json'):
    layout.open_tree(tmp_path)


GOOD = {'train': ['1'], 'val': ['2'], 'test': ['3']}


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('{', 'is no JSON'),
    ('[' * 100_000, 'is no JSON'),
    ('[]', 'holds no lists'),
    ('{}', "has no list 'train'; it has none"),
    (json.dumps({'train': [], 'public_test': []}), "no list 'val'; it has train, public_test"),
    (json.dumps({**GOOD, 'val': '2'}), "has no list 'val'"),
    (json.dumps({**GOOD, 'val': [2]}), "2 in 'val' is no id of an episode"),
    (json.dumps({**GOOD, 'val': ['../2']}), "'../2' in 'val' is no id"),
    (json.dumps({**GOOD, 'val': ['2\n']}), r"'2\\n' in 'val' is no id"),
    (json.dumps({**GOOD, 'test': ['1']}), "episode 1 is in 'train' and again in 'test'"),
    (json.dumps({**GOOD, 'test': ['3', '3']}), "episode 3 is in 'test' and again in 'test'"),
  ],
)
def test_a_broken_list_is_said_in_a_line(tmp_path, content, message):
  root = bobsl_tree.write(tmp_path)
  (root / bobsl_tree.EPISODES['1.4']).write_text(content)
  with pytest.raises(UserError, match=message) as caught:
    layout.open_tree(root)
  assert '\n' not in str(caught.value) and 'subset2episode.json' in str(caught.value)

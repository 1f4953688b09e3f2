"""Damaged data sets end in a line that names the file, whoever reads them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from emo_jax import corpora, labels, training_input
from emo_jax.errors import UserError, exit_status
from emo_jax.recipe import Recipe
from emo_jax.survey import survey
from emo_jax.video import clip as clip_lib
from tests import toys
from tests.tfds_builders import made
from tfds_builders import build, clip_features, describe, stored

CLIPS = {
  'a': [dict(frames=60, utterance=f'u{i}', emotion='joy') for i in range(3)],
  'b': [dict(frames=40, utterance=f'u{i}', emotion='fear') for i in range(2)],
}


@pytest.fixture(scope='module')
def whole(tmp_path_factory) -> Path:
  folder = tmp_path_factory.mktemp('whole')
  made.build(folder, CLIPS)
  return folder


@pytest.fixture
def data(whole, tmp_path) -> Path:
  return Path(shutil.copytree(whole, tmp_path / 'data'))


def file_of(data: Path, split: str) -> Path:
  (path,) = (data / 'ejsl/1.1.0').glob(f'*-{split}.array_record*')
  return path


def flip(path: Path) -> None:
  """Damages the first clip."""
  content = bytearray(path.read_bytes())
  content[1000:1004] = bytes(255 - byte for byte in content[1000:1004])
  path.write_bytes(content)


def require_line(message: str, path: Path) -> None:
  assert '\n' not in message and message.startswith(f'{path} is damaged (')
  assert message.endswith(f'delete the data set {path.parent}, build it again')


def test_whole_examples_are_read_as_tfds_reads_them(data):
  split = corpora.open_split('ejsl:a+b', data)
  plain = stored.open_latest(data, 'ejsl').as_data_source(split='a+b')
  assert len(split.source) == len(plain) == 5
  for i in range(5):
    np.testing.assert_equal(split.source[i], plain[i])
  for one, other in zip(split.source.__getitems__([4, 0]), (plain[4], plain[0]), strict=True):
    np.testing.assert_equal(one, other)
  few = list(stored.parts(split.source, ('signer', 'time_s')))
  assert [sorted(e) for e in few] == [['signer', 'time_s']] * 5
  assert [e['signer'] for e in few] == [e['signer'] for e in plain]


def test_examples_are_parsed_once_as_far_as_memory_goes(data, monkeypatch):
  source = corpora.open_split('ejsl:a', data).source
  assert source[1] is source[1]
  with pytest.raises(ValueError, match='read-only'):
    source[1]['face'][0] = 1
  monkeypatch.setattr(stored, '_recent', {})
  monkeypatch.setattr(stored, 'KEPT_BYTES', 1)
  source = corpora.open_split('ejsl:a', data).source
  assert source[1] is not source[1]
  np.testing.assert_array_equal(source[1]['face'], source[1]['face'])


def test_arrays_that_were_stored_as_numbers_are_read_as_those_of_bytes(data, tmp_path, monkeypatch):
  """Data sets of version 1.0.0."""
  fields = clip_features.features(tuple(labels.TASKS))
  numbers = {
    name: tfds.features.Tensor(shape=shape, dtype=dtype)
    for name, (shape, dtype) in clip_lib.FIELDS.items()
  }
  old = tfds.features.FeaturesDict(dict(fields) | numbers)
  monkeypatch.setattr(clip_features, 'features', lambda tasks: old)
  monkeypatch.setattr(clip_features, 'VERSION', tfds.core.Version('1.0.0'))
  folder = made.build(tmp_path / 'old', CLIPS)
  assert folder.name == '1.0.0'
  assert '"bytes"' not in (folder / 'features.json').read_text()
  assert '"bytes"' in (data / 'ejsl/1.1.0/features.json').read_text()
  one, other = (corpora.open_split('ejsl:a+b', f) for f in (data, tmp_path / 'old'))
  assert len(one.source) == len(other.source) == 5
  for i in range(5):
    np.testing.assert_equal(one.source[i], other.source[i])
  parts = (stored.parts(x.source, ('labels', 'face_present', 'time_s')) for x in (one, other))
  for a, b in zip(*parts, strict=True):
    np.testing.assert_equal(a, b)


def test_groups_say_who_signs_what(data):
  source = corpora.open_split('ejsl:all', data).source
  found = stored.groups(source)
  assert sorted(found) == [('a', 'u0'), ('a', 'u1'), ('a', 'u2'), ('b', 'u0'), ('b', 'u1')]
  assert found == [(e['signer'].decode(), e['utterance'].decode()) for e in source]


@pytest.mark.parametrize('share', [0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_noticed_on_opening(data, capsys, share):
  path = file_of(data, 'a')
  content = path.read_bytes()
  path.write_bytes(content[: int(len(content) * share)])
  with pytest.raises(UserError) as error:
    corpora.open_split('ejsl:all', data)
  require_line(str(error.value), path)
  assert len(corpora.open_split('ejsl:b', data).source) == 2  # its file is whole
  assert exit_status(describe.main, ['ejsl', f'--data_dir={data}']) == 2
  out, err = capsys.readouterr()
  assert not out
  require_line(err.strip().removeprefix('error: '), path)


def test_a_missing_file_is_noticed_on_opening(data):
  path = file_of(data, 'b')
  path.unlink()
  with pytest.raises(UserError, match='No such file or directory') as error:
    corpora.open_split('ejsl:all', data)
  require_line(str(error.value), path)


def test_a_file_of_another_data_set_is_noticed_on_opening(data):
  shutil.copy(file_of(data, 'b'), file_of(data, 'a'))
  with pytest.raises(UserError, match='2 of 3 clips can be found'):
    corpora.open_split('ejsl:a', data)


def test_flipped_bytes_are_noticed_when_their_clip_is_read(data, capsys, monkeypatch):
  monkeypatch.setattr(stored, '_recent', {})
  monkeypatch.setattr(stored, 'KEPT_BYTES', 0)  # what the type check of the tests has read
  path = file_of(data, 'a')
  split = corpora.open_split('ejsl:b+a', data)
  flip(path)  # later, as the type check of the tests reads an example on opening
  with pytest.raises(UserError, match='a clip in it cannot be read') as error:
    split.source[2]
  require_line(str(error.value), path)
  assert [split.source[i]['signer'] for i in (0, 1, 3, 4)] == [b'b', b'b', b'a', b'a']
  with pytest.raises(UserError, match='is damaged'):
    survey(split, 'emotion')
  assert exit_status(describe.main, ['ejsl', f'--data_dir={data}']) == 2
  out, err = capsys.readouterr()
  assert not out
  require_line(err.strip().removeprefix('error: '), path)


def test_training_batches_pass_the_line_on(data, monkeypatch):
  monkeypatch.setattr(stored, '_recent', {})
  monkeypatch.setattr(stored, 'KEPT_BYTES', 0)  # as above
  split = corpora.open_split('ejsl:a', data)
  recipe = Recipe('emotion', {}, 'full', 'hold', 'canonical', 'windows', 4, 1, 0)
  steps = training_input.Steps(survey(split, 'emotion'), np.arange(3), recipe, 1, one_size=False)
  flip(file_of(data, 'a'))
  batches = training_input.streamed(split, steps, 64)
  with pytest.raises(UserError, match='is damaged'):
    next(batches)


@pytest.mark.parametrize('name', ['dataset_info.json', 'features.json', 'metadata.json'])
@pytest.mark.parametrize('content', [b'', b'{"a": 1}', b'{"name": "ej', b'[]', None])
def test_a_damaged_description_is_a_line(data, name, content):
  path = data / 'ejsl/1.1.0' / name
  path.unlink() if content is None else path.write_bytes(content)
  with pytest.raises(UserError) as error:
    corpora.open_split('ejsl:all', data)
  assert 'build it again' in str(error.value) and '\n' not in str(error.value)


def test_a_damaged_description_of_the_synthetic_corpus_is_a_line(tmp_path):
  folder = made.build(tmp_path, CLIPS, 'signsim', 'seed0')
  (folder / 'dataset_info.json').write_text('{')
  with pytest.raises(UserError, match='seed0/1.1.0 cannot be opened.*build it again'):
    corpora.open_split('signsim:all', tmp_path)


def test_building_over_a_damaged_description_is_a_line(tmp_path, capsys):
  folder = made.build(tmp_path, CLIPS, 'signsim', 'seed0')
  (folder / 'features.json').unlink()
  capsys.readouterr()
  assert exit_status(build.main, ['signsim/seed0', f'--data_dir={tmp_path}']) == 2
  out, err = capsys.readouterr()
  assert not out and len(err.splitlines()) == 1 and f'{folder} cannot be opened' in err


def test_a_list_has_its_parts_too():
  split = toys.split(3)
  assert list(stored.parts(split.source, ('id',))) == split.source


def test_a_split_opened_again_is_not_parsed_again_unless_it_was_built_anew(data):
  first = corpora.open_split('ejsl:a', data).source
  assert corpora.open_split('ejsl:a', data).source[0] is first[0]
  shutil.rmtree(data / 'ejsl')
  made.build(data, {'a': [dict(frames=7, utterance='new', emotion='joy')]})
  (again,) = corpora.open_split('ejsl:a', data).source
  assert again['utterance'] == b'new'

"""What is wrong with a BOBSL, or with a command that builds it, ends in a line."""

import shutil

import pytest

from emo_jax.labels import EMOTIONS
from emo_jax.video import clip, error_list
from tests.tfds_builders import bobsl_tree
from tests.tfds_builders.bobsl_data import (
  MANUAL,
  MANUAL_CLIPS,
  SAT,
  TEST,
  TRAIN,
  examples,
  last_error,
  metadata,
  run_build,
  write_labels,
)
from tfds_builders.bobsl import layout


def test_a_data_set_that_is_there_must_be_of_the_same_choices(
  shared, bobsl, bobsl_built, tmp_path, capsys, features
):
  assert run_build(shared, 'a', bobsl, bobsl_built) == 0
  out, err = capsys.readouterr()
  assert (
    out == f'{bobsl_built / "bobsl" / "a" / "1.1.0"}\n' and 'a/1.1.0 already there: train 4' in err
  )
  assert run_build(shared, 'a', bobsl, bobsl_built, '--max_s=19') == 2
  error = last_error(capsys)
  assert 'built from something else (max_s: 20.0 against 19.0): delete it' in error
  weak = [
    write_labels(tmp_path / f'{name}.csv', {SAT[0]: name}, weak=True) for name in ('joy', 'fear')
  ]
  assert run_build(shared, 'a_tea', bobsl, tmp_path, f'--labels={weak[0]}', features) == 0
  capsys.readouterr()
  assert run_build(shared, 'a_tea', bobsl, tmp_path, f'--labels={weak[1]}', features) == 2
  assert 'labels 1' in last_error(capsys)
  assert examples(tmp_path, 'a_tea')[SAT[0]]['labels']['emotion'] == EMOTIONS.index('joy')


def test_an_episode_that_cannot_be_decoded_keeps_the_others(shared, bobsl, tmp_path, capsys):
  own, data = shutil.copytree(bobsl, tmp_path / 'tree'), tmp_path / 'data'
  video = own / bobsl_tree.VIDEOS['1.4'] / f'{TRAIN[2]}.mp4'
  video.write_bytes(b'no video')
  assert run_build(shared, 'm', own, data) == 2
  error = last_error(capsys)
  assert f'1 of 2 episodes cannot be extracted ({video}: ' in error and 'mend them' in error
  assert not (data / 'bobsl' / 'm' / '1.1.0').exists()
  features = data / 'features' / 'bobsl'
  assert [path.name for path in features.iterdir() if path.suffix == '.npz'] == [f'{TEST[1]}.npz']
  assert video.name in (features / error_list.name()).read_text()
  shutil.copy(bobsl / bobsl_tree.VIDEOS['1.4'] / video.name, video)
  assert run_build(shared, 'm', own, data) == 0
  err = capsys.readouterr().err
  assert '1 episodes are extracted already' in err and f'{TEST[1]}.mp4: ' not in err
  assert not (features / error_list.name()).exists()
  assert len(examples(data, 'm')) == len(MANUAL_CLIPS)


def test_an_episode_of_another_key_is_refused(shared, bobsl, bobsl_built, tmp_path, capsys):
  own = shutil.copytree(bobsl_built / 'features' / 'bobsl', tmp_path / 'features')
  found, key, info = clip.load(own / f'{MANUAL[0]}.npz')
  clip.save(own / f'{MANUAL[0]}.npz', found, key | {'sampling': 'time-5hz'}, info)
  assert run_build(shared, 'm', bobsl, tmp_path, f'--features={own}') == 2
  error = last_error(capsys)
  assert f'{MANUAL[0]}.npz' in error and 'sampling: time-5hz against index-5hz' in error
  assert not (tmp_path / 'bobsl' / 'm' / '1.1.0').exists()


def test_a_missing_episode_is_an_error_unless_it_may_be_skipped(
  shared, bobsl, tmp_path, capsys, features
):
  own = shutil.copytree(bobsl, tmp_path / 'tree')
  (own / bobsl_tree.VIDEOS['1.4'] / f'{TRAIN[1]}.mp4').unlink()
  assert run_build(shared, 'a', own, tmp_path / 'data', features) == 2
  error = last_error(capsys)
  assert TRAIN[1] in error and '--missing=skip' in error
  assert not (tmp_path / 'data' / 'bobsl' / 'a' / '1.1.0').exists()
  assert run_build(shared, 'a', own, tmp_path / 'data', '--missing=skip', features) == 0
  there = {id.split('_')[0] for id in examples(tmp_path / 'data', 'a', 'train')}
  assert there == {TRAIN[0]} and metadata(tmp_path / 'data', 'a')['built_from']['missing'] == 'skip'


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (f'id,label,{",".join(EMOTIONS)}\nx,joy,1,0,0,0,0,0,0\n', 'names no model'),
    ('id,label,mood\nx,joy,1\n', "has an unknown column 'mood'"),
    ('id,label\nx,joy\nx,fear\n', 'line 3: a second row for x'),
    ('id,label\nx,furious\n', "line 2: unknown emotion label 'furious'"),
    ('id,label\n', 'has no label'),
  ],
)
def test_mistakes_in_a_label_file_end_before_networks_are_loaded(
  shared, bobsl, tmp_path, capsys, content, message
):
  path = tmp_path / 'labels.csv'
  path.write_text(content)
  flags = (f'--labels={path}', '--weights=/nowhere')
  assert run_build(shared, 'a_tea', bobsl, tmp_path / 'data', *flags) == 2
  assert message in last_error(capsys)
  assert not (tmp_path / 'data').exists()


def test_labels_of_no_selected_clip_are_refused(shared, bobsl, tmp_path, capsys, features):
  path = write_labels(tmp_path / 'weak.csv', {'7_0_800': 'joy', SAT[0]: 'joy'}, weak=True)
  flags = (f'--labels={path}', features, '--alignment=audio', '--shift=0')
  assert run_build(shared, 'a_tea', bobsl, tmp_path, *flags) == 2
  error = last_error(capsys)
  assert 'none of the 2 labels is of a selected clip' in error and 'the same alignment' in error
  assert not (tmp_path / 'bobsl' / 'a_tea' / '1.1.0').exists()


@pytest.mark.parametrize(
  ('config', 'flags', 'message'),
  [
    ('b', [], "bobsl has no config 'b'"),
    ('a_tea', [], 'a_tea needs labels: give --labels=FILE'),
    ('m_c', [], 'm_c needs labels: give --labels=FILE, or --labels_a1 and'),
    ('m_c', ['--labels_a1=x', '--labels_a2=y', '--labels=z'], 'not all of them'),
    ('m_a1', ['--labels_a1=x', '--labels_a2=y'], 'are for m_c: m_a1 takes --labels'),
    ('a', ['--labels=x'], 'a takes no labels'),
    ('a', ['--alignment=manual'], "the alignment of a is 'manual'; it must be one of audio, sat"),
    ('m', ['--alignment=sat'], "the alignment of m is 'sat'; it must be one of manual"),
    ('a', ['--missing=never'], "--missing is 'never'"),
    ('a', ['--min_s=3', '--max_s=2'], 'clips of 3.0 to 2.0 s'),
    ('a', ['--shift=soon'], "argument --shift: invalid float value: 'soon'"),
    ('a', ['--manual_dir=/nowhere'], '--manual_dir=/nowhere is no folder: bobsl needs its videos'),
    ('a', ['--manual_dir=/proc'], '/proc is no download of BOBSL'),
    ('a', ['--beam_pipeline_options=direct_runing_mode=x'], "did you mean 'direct_running_mode'"),
    ('a', ['--beam_pipeline_options=direct_num_workers=x'], "invalid int value: 'x'"),
    ('a', ['--beam_pipeline_options=runner=FlinkRuner'], "did you mean 'FlinkRunner'"),
  ],
)
def test_mistakes_on_the_command_line_end_in_a_line(
  shared, bobsl, tmp_path, capsys, config, flags, message
):
  data = tmp_path / 'data'
  assert run_build(shared, config, bobsl, data, '--weights=/nowhere', *flags) == 2
  assert message in last_error(capsys)
  assert not data.exists()


def test_a_runner_that_lacks_its_options_ends_in_a_line(shared, bobsl, tmp_path, capsys, features):
  flags = ('--beam_pipeline_options=runner=DataflowRunner', features)
  assert run_build(shared, 'm', bobsl, tmp_path, *flags) == 2
  error = last_error(capsys)
  assert 'the Beam pipeline ended with ' in error and 'temp_location' in error
  assert not (tmp_path / 'bobsl' / 'm' / '1.1.0').exists()


def test_one_annotator_is_not_taken_for_two(shared, bobsl, tmp_path, capsys):
  path = write_labels(tmp_path / 'one.csv', {MANUAL_CLIPS[0]: 'joy'})
  for flags, message in (
    ([f'--labels_a1={path}', f'--labels_a2={path}'], 'are the same labels'),
    ([f'--labels_a1={path}'], 'go together: give both'),
  ):
    assert run_build(shared, 'm_c', bobsl, tmp_path / 'data', *flags) == 2
    assert message in last_error(capsys)


def test_a_data_set_of_other_subtitles_is_not_taken_for_this_one(
  shared, bobsl, tmp_path, capsys, features
):
  own = shutil.copytree(bobsl, tmp_path / 'tree')
  assert run_build(shared, 'm', own, tmp_path / 'data', features) == 0
  assert run_build(shared, 'm', own, tmp_path / 'data', features) == 0
  path = layout.open_tree(own).subtitles('manual', MANUAL[0])
  path.write_text(path.read_text().replace('It rained.', 'It snowed.'))
  capsys.readouterr()
  assert run_build(shared, 'm', own, tmp_path / 'data', features) == 2
  assert 'built from other episodes or subtitles' in last_error(capsys)


def test_a_data_set_with_a_file_missing_is_not_already_there(
  shared, bobsl, tmp_path, capsys, features
):
  assert run_build(shared, 'm', bobsl, tmp_path, features) == 0
  next((tmp_path / 'bobsl' / 'm' / '1.1.0').glob('*train.array_record*')).unlink()
  capsys.readouterr()
  assert run_build(shared, 'm', bobsl, tmp_path, features) == 2
  assert 'is damaged' in last_error(capsys)

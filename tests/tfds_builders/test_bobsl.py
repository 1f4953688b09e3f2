"""A small BOBSL of real clips becomes data sets, each episode extracted once."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from apache_beam.runners.portability import fn_api_runner

from emo_jax import corpora, labels
from emo_jax.errors import UserError
from emo_jax.video import clip
from tests.tfds_builders import bobsl_tree
from tests.tfds_builders.bobsl_data import (
  CUES,
  MANUAL,
  MANUAL_CLIPS,
  SAT,
  TEST,
  TRAIN,
  VALIDATION,
  examples,
  metadata,
  run_build,
  write_labels,
)
from tfds_builders import build, clip_features
from tfds_builders.bobsl import bobsl_dataset_builder, runners


def test_the_clips_of_a_split_are_those_of_its_episodes(bobsl_built):
  assert sorted(examples(bobsl_built, 'a')) == sorted(SAT)
  for split, episodes in (('train', TRAIN[:2]), ('validation', VALIDATION), ('test', TEST[:1])):
    assert {id.split('_')[0] for id in examples(bobsl_built, 'a', split)} == set(episodes)
  assert sorted(examples(bobsl_built, 'm')) == sorted(MANUAL_CLIPS)


def test_a_clip_is_the_sampled_frames_within_its_subtitle(bobsl_built):
  # Every 6th frame of 30 a second is sampled: at 0, 0.2, 0.4 s and so on.
  first, second = (
    examples(bobsl_built, 'a')[f'{TRAIN[0]}_{span}'] for span in ('0_800', '900_1500')
  )
  np.testing.assert_array_equal(first['frame_index'], [0, 6, 12, 18])  # 0.8 s is not within
  np.testing.assert_allclose(first['time_s'], [0, 0.2, 0.4, 0.6], atol=1e-3)
  np.testing.assert_array_equal(second['frame_index'], [30, 36, 42])
  np.testing.assert_allclose(second['time_s'], [0.1, 0.3, 0.5], atol=1e-3)
  whole, key, _ = clip.load(bobsl_built / 'features' / 'bobsl' / f'{TRAIN[0]}.npz')
  np.testing.assert_array_equal(second['face'], whole.face[5:8])
  np.testing.assert_array_equal(second['hand_points'], whole.hand_points[5:8])
  assert key['backbone'] == 'random:0' and metadata(bobsl_built, 'a')[clip_features.KEY] == key


def test_an_example_tells_its_text_and_episode_and_knows_no_emotion(bobsl_built):
  one = examples(bobsl_built, 'm', 'train')[f'{TRAIN[2]}_100_800']
  assert (one['text'].decode(), one['signer'].decode()) == ('It rained.', TRAIN[2])
  assert one['labels'] == dict.fromkeys(labels.TASKS, labels.UNKNOWN)


def test_an_episode_is_extracted_once_for_all_configs(shared, bobsl, bobsl_built, tmp_path, capsys):
  files = sorted((bobsl_built / 'features' / 'bobsl').glob('*.npz'))
  assert [file.stem for file in files] == sorted((*TRAIN, *VALIDATION, *TEST))
  written = [file.stat().st_mtime_ns for file in files]
  names = write_labels(tmp_path / 'weak.csv', {SAT[0]: 'joy'}, weak=True)
  assert run_build(shared, 'a_tea', bobsl, bobsl_built, f'--labels={names}') == 0
  err = capsys.readouterr().err
  assert 'bobsl/a_tea: 1 episodes, 1 clips' in err and '1 episodes are extracted already' in err
  assert [file.stat().st_mtime_ns for file in files] == written


def test_weak_labels_keep_their_probabilities_and_model(shared, bobsl, tmp_path, capsys, features):
  names = {SAT[0]: 'joy', SAT[3]: 'fear', SAT[4]: 'neutral', 'unknown_0_1': 'joy'}
  path = write_labels(tmp_path / 'weak.csv', names, weak=True, model='toy/ter', revision='abc')
  assert run_build(shared, 'a_tea', bobsl, tmp_path, f'--labels={path}', features) == 0
  err = capsys.readouterr().err
  assert '1 labels are of clips that are not selected' in err
  assert f'{len(SAT) - 3} clips have no label and are left out' in err
  assert 'the split test has no clip and is left out' in err
  found = examples(tmp_path, 'a_tea')
  assert sorted(found) == sorted(set(names) & set(SAT))
  fear = found[SAT[3]]
  assert fear['labels']['emotion'] == labels.EMOTIONS.index('fear')
  index = labels.EMOTIONS.index('fear')
  expected = [0.7 if n == index else 0.05 for n in range(len(labels.EMOTIONS))]
  np.testing.assert_allclose(fear['label_probabilities'], expected, rtol=1e-6)
  there = metadata(tmp_path, 'a_tea')
  assert (there['label_model'], there['label_revision']) == ('toy/ter', 'abc')
  assert there['manual_episodes_included'] == 0
  split = corpora.open_split('bobsl/a_tea:train', tmp_path)
  assert split.labelled_by == 'toy/ter abc'
  assert split.videos == {id.split('_')[0] for id in examples(tmp_path, 'a_tea', 'train')}
  assert corpora.open_split('bobsl/a_tea:all', tmp_path).videos > split.videos


def test_a_models_labels_of_manual_clips_keep_their_probabilities_and_model(
  shared, bobsl, tmp_path, features
):
  path = write_labels(tmp_path / 'model.csv', {MANUAL_CLIPS[0]: 'fear'}, weak=True, model='toy')
  assert run_build(shared, 'm_a1', bobsl, tmp_path, f'--labels={path}', features) == 0
  (one,) = examples(tmp_path, 'm_a1').values()
  assert one['label_probabilities'].max() == pytest.approx(0.7)
  assert metadata(tmp_path, 'm_a1')['label_model'] == 'toy'


def test_clips_of_two_configs_are_known_to_be_the_same(shared, bobsl, tmp_path, features):
  first = write_labels(tmp_path / '1.csv', dict.fromkeys(MANUAL_CLIPS, 'joy'))
  assert run_build(shared, 'm_a1', bobsl, tmp_path, f'--labels={first}', features) == 0
  assert run_build(shared, 'm', bobsl, tmp_path, features) == 0
  assert run_build(shared, 'a', bobsl, tmp_path, features) == 0
  annotated, manual, automatic = (
    corpora.open_split(f'bobsl/{config}:all', tmp_path) for config in ('m_a1', 'm', 'a')
  )
  assert corpora.share_clips(annotated, manual)
  assert not corpora.share_clips(annotated, automatic)


def test_annotators_and_where_they_agree(shared, bobsl, tmp_path, capsys, features):
  one = dict(zip(MANUAL_CLIPS, ('joy', 'anger', 'neutral', 'fear'), strict=True))
  other = one | {MANUAL_CLIPS[1]: 'sadness', MANUAL_CLIPS[3]: 'disgust'}
  first = write_labels(tmp_path / '1.csv', one)
  second = write_labels(tmp_path / '2.csv', other)
  assert run_build(shared, 'm_a2', bobsl, tmp_path, f'--labels={second}', features) == 0
  both = (f'--labels_a1={first}', f'--labels_a2={second}')
  assert run_build(shared, 'm_c', bobsl, tmp_path, *both, features) == 0
  assert 'm_c: 2 of 4 clips with the same label twice' in capsys.readouterr().err

  def emotions(config):
    found = examples(tmp_path, config).items()
    return {id: labels.EMOTIONS[e['labels']['emotion']] for id, e in found}

  assert emotions('m_a2') == other
  assert np.isnan(examples(tmp_path, 'm_a2')[MANUAL_CLIPS[0]]['label_probabilities']).all()
  assert emotions('m_c') == {MANUAL_CLIPS[0]: 'joy', MANUAL_CLIPS[2]: 'neutral'}


def test_agreed_labels_may_come_in_one_file(shared, bobsl, tmp_path, features):
  agreed = write_labels(tmp_path / 'c.csv', {MANUAL_CLIPS[0]: 'joy', MANUAL_CLIPS[3]: 'fear'})
  assert run_build(shared, 'm_c', bobsl, tmp_path, f'--labels={agreed}', features) == 0
  found = {id: e['labels']['emotion'] for id, e in examples(tmp_path, 'm_c').items()}
  expected = {MANUAL_CLIPS[0]: 'joy', MANUAL_CLIPS[3]: 'fear'}
  assert found == {id: labels.EMOTIONS.index(name) for id, name in expected.items()}  # noqa: A001


def test_any_beam_runner_makes_the_same_data_set(shared, bobsl, bobsl_built, tmp_path):
  """One that is named is given the whole way, here Beam's own in this process."""
  runner = fn_api_runner.FnApiRunner()
  config = tfds.download.DownloadConfig(manual_dir=bobsl, beam_runner=runner)
  assert not runners.is_local(config)
  builder = bobsl_dataset_builder.Builder(
    data_dir=tmp_path,
    config='m',
    weights='random',
    hand_model=shared / 'models/hand_landmarker.task',
  )
  builder.download_and_prepare(download_config=config)
  ours, theirs = examples(bobsl_built, 'm'), examples(tmp_path, 'm')
  assert ours.keys() == theirs.keys()
  for id, example in ours.items():  # noqa: A001
    np.testing.assert_equal(theirs[id], example)


def test_manual_episodes_kept_by_option_are_counted(shared, bobsl, bobsl_built, tmp_path, features):
  assert metadata(bobsl_built, 'a')['manual_episodes_included'] == 0
  flags = ('--with_manual_episodes', '--alignment=audio', '--shift=0', '--min_s=0.4', features)
  assert run_build(shared, 'a', bobsl, tmp_path, *flags) == 0
  found = examples(tmp_path, 'a')
  assert {id.split('_')[0] for id in found} == {*TRAIN, *VALIDATION, *TEST}
  assert {id.partition('_')[2] for id in found} == {'300_1100', '1200_1600'}
  there = metadata(tmp_path, 'a')
  assert there['manual_episodes_included'] == len(MANUAL)
  assert there['built_from']['alignment'] == 'audio'


def test_a_clip_between_sampled_frames_is_left_out_and_counted(
  shared, bobsl, tmp_path, capsys, features
):
  own = shutil.copytree(bobsl, tmp_path / 'tree')
  folder = own / bobsl_tree.SUBTITLES['1.4']['sat']
  (folder / f'{TRAIN[0]}.vtt').write_text(bobsl_tree.vtt([*CUES['sat'], (1.25, 1.35, 'Oh')]))
  flags = ('--min_s=0', features)
  assert run_build(shared, 'a', own, tmp_path / 'data', *flags) == 0
  assert 'train: 1 clips without a sampled frame are left out' in capsys.readouterr().err
  assert sorted(examples(tmp_path / 'data', 'a')) == sorted(SAT)


def test_without_a_folder_the_data_set_is_just_opened(shared, bobsl_built):
  hand_model = shared / 'models/hand_landmarker.task'
  builder = bobsl_dataset_builder.Builder(
    data_dir=bobsl_built, config='m', weights='random', hand_model=hand_model
  )
  builder.download_and_prepare()
  assert builder.info.splits.total_num_examples == len(MANUAL_CLIPS)


def test_variables_say_what_flags_say(shared, bobsl, tmp_path, monkeypatch, bobsl_built):
  """As `tfds build` makes the builder: by its config's name alone."""
  path = write_labels(tmp_path / 'weak.csv', {SAT[1]: 'joy'}, weak=True)
  variables = dict(
    ALIGNMENT='sat',
    MAX_S='5',
    LABELS=path,
    WEIGHTS='random',
    FEATURES=bobsl_built / 'features' / 'bobsl',
    HAND_MODEL=shared / 'models/hand_landmarker.task',
  )
  for name, value in variables.items():
    monkeypatch.setenv(f'EMO_JAX_{name}', str(value))
  builder = bobsl_dataset_builder.Builder(data_dir=tmp_path, config='a_tea')
  builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=bobsl))
  assert list(examples(tmp_path, 'a_tea')) == [SAT[1]]
  assert builder.info.metadata['built_from']['max_s'] == '5.0'
  monkeypatch.setenv('EMO_JAX_MAX_S', 'five')
  with pytest.raises(UserError, match='EMO_JAX_MAX_S=five is no number'):
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=bobsl))


def test_pipelines_run_in_this_process_unless_a_runner_is_named():
  local = runners.configured(tfds.download.DownloadConfig())
  assert type(local.beam_runner).__name__ == 'FnApiRunner'
  options = runners.options('runner=FlinkRunner,flink_master=localhost:1')
  flink = runners.configured(tfds.download.DownloadConfig(beam_options=options))
  assert flink.beam_runner is None
  assert flink.beam_options.get_all_options()['flink_master'] == 'localhost:1'


def command(shared, tree, data_dir, *flags) -> dict:
  """Arguments of subprocess for a build of `a` in processes of its own."""
  words = [sys.executable, '-m', 'tfds_builders.build', 'bobsl/a', f'--manual_dir={tree}']
  words += [f'--data_dir={data_dir}', '--weights=random', '--alignment=sat', *flags]
  words.append(f'--hand_model={shared}/models/hand_landmarker.task')
  environment = {k: v for k, v in os.environ.items() if k != 'XLA_FLAGS'}
  return dict(args=words, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_two_processes_make_the_same_data_set(shared, bobsl, bobsl_built, tmp_path):
  processes = 'direct_running_mode=multi_processing,direct_num_workers=2'
  done = subprocess.run(
    **command(shared, bobsl, tmp_path, f'--beam_pipeline_options={processes}'), timeout=300
  )
  assert done.returncode == 0, done.stderr
  assert done.stdout == f'{tmp_path / "bobsl" / "a" / "1.1.0"}\n'
  # Said by every process that opens the networks: the build and two workers.
  assert done.stderr.count('random backbone') == 3
  ours, theirs = examples(bobsl_built, 'a'), examples(tmp_path, 'a')
  assert ours.keys() == theirs.keys()
  for id, example in ours.items():  # noqa: A001
    np.testing.assert_equal(theirs[id], example)


@pytest.mark.slow
def test_tfds_build_makes_the_same_data_set(tfds_command, shared, bobsl, bobsl_built, tmp_path):
  where = dict(
    EMO_JAX_ALIGNMENT='sat',
    EMO_JAX_WEIGHTS='random',
    EMO_JAX_HAND_MODEL=str(shared / 'models/hand_landmarker.task'),
    EMO_JAX_FEATURES=str(bobsl_built / 'features' / 'bobsl'),
  )
  flags = ['--config=a', f'--manual_dir={bobsl}', f'--data_dir={tmp_path}']
  done = subprocess.run(
    [tfds_command, 'build', *flags],
    cwd=Path(build.__file__).parent / 'bobsl',
    env=os.environ | where,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  assert metadata(tmp_path, 'a')['built_from'] == metadata(bobsl_built, 'a')['built_from']
  ours, theirs = examples(bobsl_built, 'a'), examples(tmp_path, 'a')
  assert ours.keys() == theirs.keys()
  for id, example in ours.items():  # noqa: A001
    np.testing.assert_equal(theirs[id], example)

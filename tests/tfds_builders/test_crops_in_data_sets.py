"""Data sets with face crops, of which features are made, and a run that learns from them."""

import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import tensorflow_datasets as tfds

from configs import finetune
from emo_jax import corpora, experiment, weights
from emo_jax.errors import UserError, exit_status
from emo_jax.models import resnet
from emo_jax.video import clip as clip_lib
from emo_jax.video import crops
from tests.tfds_builders import test_emosign
from tests.video import made
from tfds_builders import build, manifest

CLIPS = {'Jsl_bird': ('signer_d', 'one_handed'), 'Jsl_dog': ('signer_e', 'two_handed')}


def run_build(shared, folder, data_dir, corpus='ejsl/crops'):
  return exit_status(
    build.main,
    [
      corpus,
      f'--manual_dir={folder}',
      f'--data_dir={data_dir}',
      f'--hand_model={shared}/models/hand_landmarker.task',
      '--weights=random',
    ],
  )


@pytest.fixture(scope='module')
def data(shared, tmp_path_factory) -> Path:
  """Two real clips with their crops."""
  folder, data = tmp_path_factory.mktemp('clips'), tmp_path_factory.mktemp('data')
  rows = [f'{name}.mp4,{s},{name},,,{hands}\n' for name, (s, hands) in CLIPS.items()]
  header = 'file,signer,utterance,emotion,text,sign_handedness\n'
  (folder / manifest.NAME).write_text(header + ''.join(rows))
  for name in CLIPS:
    shutil.copy(shared / f'data/signing/{name}.mp4', folder)
  assert run_build(shared, folder, data) == 0
  return data


def test_crops_are_what_features_were_made_of(data):
  """But for JPEG's loss and the rounding of the extractor's convolutions."""
  network = resnet.FaceBackbone()
  embed = jax.jit(lambda x: network.apply(resnet.random_variables(0), x))
  found = list(corpora.open_split('ejsl/crops:all', data).source)
  assert len(found) == 2
  for example in found:
    present = example['face_present']
    pixels = np.stack(example['crops'])
    assert pixels.shape == (present.sum(), 224, 224, 3) and pixels.dtype == np.uint8
    own, other = np.asarray(embed(pixels)), example['face'][present]
    middle = other.mean(0)
    cosine = ((own - middle) * (other - middle)).sum(1) / (
      np.linalg.norm(own - middle, axis=1) * np.linalg.norm(other - middle, axis=1)
    )
    assert cosine.min() > 0.9  # of what sets frames of one clip apart


def test_both_configs_have_the_same_clips(data):
  builder = tfds.builder_from_directory(data / 'ejsl' / 'crops' / '1.1.0')
  assert builder.info.config_name == 'crops'
  shared_features = data / 'features' / 'ejsl'
  assert sorted(path.stem for path in shared_features.glob('*.npz')) == sorted(CLIPS)


def test_another_video_than_that_of_the_features_is_refused(data, tmp_path):
  features, _, _ = clip_lib.load(data / 'features' / 'ejsl' / 'Jsl_bird.npz')
  other = tmp_path / 'other.mp4'
  made.numbered(other, 9)
  with pytest.raises(UserError, match=r'other.mp4 is not the video that its features are of'):
    crops.cut(other, features)


def test_clips_without_a_face_have_no_crops(shared, tmp_path):
  folder = tmp_path / 'clips'
  folder.mkdir()
  rows = {'Ada_2001-2-3_sc4_501': ('3', dict(joy='2', excited='4'), 'happiness')}
  test_emosign.write_annotations(folder / test_emosign.annotations.NAME, rows)
  made.numbered(folder / 'Ada_2001-2-3_sc4_501.mp4', 9)
  assert run_build(shared, folder, tmp_path / 'data', 'emosign/crops') == 0
  (found,) = corpora.open_split('emosign/crops:all', tmp_path / 'data').source
  assert not found['face_present'].any() and np.size(found['crops']) == 0


def test_a_run_learns_from_crops_and_is_scored(data, tmp_path):
  config = finetune.get_config().to_dict()
  config['task'] = 'sign_handedness'
  config['data'] |= dict(dir=str(data), folds='', train='ejsl/crops:signer_d')
  config['data']['test'] = ('ejsl/crops:signer_e',)
  config['model']['hidden'] = (16, 8)
  config['train'] |= dict(total_epochs=0, total_steps=1, batch_size=1, class_weights='none')
  config['eval'] |= dict(batch_size=1)
  config['devices'] = 1
  config['finetune']['stages'] = ('features',)
  report = experiment.run(config, tmp_path / 'run')
  (entry,) = report['evals']
  assert (entry['corpus'], entry['n']) == ('ejsl/crops', 1)
  written = weights.load(tmp_path / 'run' / 'weights.safetensors')['backbone']
  start = weights.flatten(resnet.random_variables(0))
  changed = {n for n, x in weights.flatten(written).items() if (x != start[n]).any()}
  assert changed == {'params/features/kernel', 'params/features/bias'}

"""EmoSign's clips and annotations become a data set, as far as the clips are there."""

import csv
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from emo_jax import corpora, evaluate, labels, run_report
from emo_jax.errors import UserError, exit_status
from emo_jax.video import clip as clip_lib
from emo_jax.video import extractor
from tests import toys
from tests.video import made
from tfds_builders import build, forecast
from tfds_builders.emosign import annotations, emosign_dataset_builder

# Made up: video -> sentiment, intensities above 1, expression by EmoSign's rule.
ROWS = {
  'Ada_2001-2-3_sc4_501': ('3', dict(joy='2', excited='4'), 'happiness'),
  'Ada_2001-2-3_sc4_502': ('-1', dict(worry='3', fear='2'), 'worry'),
  'Ada_2001-2-3_sc4_503': ('-2', dict(worry='3', fear='3'), 'fear+worry'),
  'Ada_2001-2-3_sc4_504': ('-3', dict(worry='2', fear='2'), 'fear+worry'),
  '7-Ben-Some-Topic_88': ('0', {}, 'neutral'),
  '7-Ben-Some-Topic_89': ('-2', dict(worry='4', fear='4', joy='2'), 'fear+worry'),
  'Cyd_2002-12-11_sc9_7': ('1', dict(surprise_pos='3'), 'surprise_pos'),
  'Cyd_2002-12-11_sc9_8': ('1', dict(surprise_pos='2', anger='2'), ''),
  'Cyd_2002-12-11_sc9_9': ('-3', dict(anger='4'), 'anger'),
}
ABSENT = 'Cyd_2002-12-11_sc9_9'
FRAMES = 9


def write_annotations(path: Path, rows=ROWS) -> Path:
  """A CSV with the published columns."""
  with open(path, 'w', newline='') as f:
    writer = csv.DictWriter(f, annotations.COLUMNS)
    writer.writeheader()
    for video, (sentiment, intensity, _) in rows.items():
      cells = dict.fromkeys(annotations.EMOTIONS, '1') | intensity
      cells |= {f'Reasoning_{n}': f'{video}, annotator {n}' for n in (1, 2, 3)}
      writer.writerow(cells | dict(video_name=video, Sentiment=sentiment))
  return path


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
  """The annotations, and all videos but one; Ben's are a folder deeper."""
  folder = tmp_path_factory.mktemp('clips')
  write_annotations(folder / annotations.NAME)
  (folder / 'ben').mkdir()
  for video in ROWS.keys() - {ABSENT}:
    where = folder / 'ben' / f'{video}.MOV' if 'Ben' in video else folder / f'{video}.mp4'
    made.numbered(where, FRAMES)
  return folder


def run_build(shared, config, data_dir, *flags):
  hand_model = f'--hand_model={shared}/models/hand_landmarker.task'
  return exit_status(build.main, [config, f'--data_dir={data_dir}', hand_model, *flags])


@pytest.fixture(scope='module')
def built(shared, folder, tmp_path_factory) -> tuple[Path, str]:
  """Where the config `single` lies, on a random backbone, and what was said of the clips."""
  data = tmp_path_factory.mktemp('data')
  with pytest.MonkeyPatch.context() as patch:
    patch.delenv(annotations.VARIABLE, raising=False)
    said = tmp_path_factory.mktemp('said') / 'stderr'
    with open(said, 'w') as f:
      patch.setattr('sys.stderr', f)
      assert run_build(shared, 'emosign', data, f'--manual_dir={folder}', '--weights=random') == 0
  return data, said.read_text()


@pytest.fixture
def data(built) -> Path:
  return built[0]


@pytest.fixture
def features(data) -> str:
  """The flag that names the features extracted already."""
  return f'--features={data / "features" / "emosign"}'


def examples(spec, data_dir):
  return {e['id'].decode(): e for e in corpora.open_split(spec, data_dir).source}


def require_annotated(found, video):
  """Everything but the clip is as in ROWS."""
  sentiment, intensity, expression = ROWS[video]
  assert found['signer'].decode() == ('Ben' if 'Ben' in video else video[:3])
  assert found['utterance'].decode() == video.rpartition('_')[2] and not found['text']
  assert labels.names('sentiment')[found['labels']['sentiment']] == sentiment
  want = dict.fromkeys(annotations.EMOTIONS, 1) | {e: int(n) for e, n in intensity.items()}
  assert found['intensity'] == want
  assert [r.decode() for r in found['reasoning']] == [f'{video}, annotator {n}' for n in (1, 2, 3)]
  assert found['expression'].decode() == expression
  single = expression and '+' not in expression
  assert found['labels']['emotion'] == labels.index('emotion', expression if single else '')


def test_examples_hold_the_clip_and_what_was_said_of_it(data):
  split = corpora.open_split('emosign/single:all', data)
  assert split.key['backbone'] == 'random:0' and split.tasks == (
    'emotion',
    'expression',
    'sentiment',
    'sentiment3',
  )
  found = examples('emosign/single:all', data)
  single = {v for v, (_, _, e) in ROWS.items() if e and '+' not in e}
  assert found.keys() == single - {ABSENT}
  for video, example in found.items():
    require_annotated(example, video)
    # At 25 frames a second every fifth is sampled.
    assert example['frame_index'].tolist() == [0, 5] and example['face'].shape == (2, 512)
  emotions = {v: labels.EMOTIONS[e['labels']['emotion']] for v, e in found.items()}
  assert (
    emotions['Ada_2001-2-3_sc4_502'] == 'fear' and emotions['Cyd_2002-12-11_sc9_7'] == 'surprise'
  )


def test_a_split_is_one_signer(data):
  builder = tfds.builder_from_directory(data / 'emosign' / 'single' / '1.1.0')
  assert {s: i.num_examples for s, i in builder.info.splits.items()} == dict(Ada=2, Ben=1, Cyd=1)
  assert len(corpora.open_split('emosign/single:Ada+Cyd', data).source) == 3


def test_clips_that_are_not_there_are_named(built, folder):
  data, said = built
  assert f'1 of 5 clips are not in {folder}: {ABSENT} (listed in missing_clips.txt' in said
  where = data / 'emosign' / 'single' / '1.1.0'
  assert (where / emosign_dataset_builder.MISSING_FILE).read_text() == f'{ABSENT}\n'
  metadata = tfds.builder_from_directory(where).info.metadata
  assert metadata[emosign_dataset_builder.MISSING_KEY] == [ABSENT]


def test_a_finished_run_is_scored_on_it(data, tmp_path, capsys):
  workdir = toys.finished_run(tmp_path)
  arguments = [str(workdir), '--corpus=emosign/single', '--split=all', f'--data_dir={data}']
  assert exit_status(evaluate.main, arguments) == 0
  assert '4 of 4 clips are labelled for emotion' in capsys.readouterr().err
  entry = run_report.read(workdir)['evals'][-1]
  assert (entry['corpus'], entry['n'], entry['n_clips']) == ('emosign/single', 4, 4)
  # Nobody's face is drawn, so that every clip gets the first label: joy, as one of the four is.
  assert entry['random_backbone'] and entry['accuracy'] == entry['wacc'] == 0.25


def test_the_other_configs_take_the_features_that_are_there(
  shared, folder, data, features, tmp_path, capsys
):
  flags = (f'--manual_dir={folder}', '--weights=random', features)
  assert run_build(shared, 'emosign/all', tmp_path, *flags) == 0
  assert capsys.readouterr().err.count('already done') == 4
  found = examples('emosign/all:all', tmp_path)
  assert found.keys() == ROWS.keys() - {ABSENT}
  for video, example in found.items():
    require_annotated(example, video)
  assert run_build(shared, 'emosign/multi', tmp_path, *flags) == 0
  assert capsys.readouterr().err.count('already done') == 3
  multi = {v for v, (_, _, expression) in ROWS.items() if '+' in expression}
  assert examples('emosign/multi:all', tmp_path).keys() == multi
  where = tmp_path / 'emosign' / 'multi' / '1.1.0'
  assert not (where / emosign_dataset_builder.MISSING_FILE).exists()  # all are there


@pytest.fixture(scope='module')
def labels_alone(tmp_path_factory) -> Path:
  """Where the config `labels` lies, built from nothing but the annotations."""

  def opened(*_, **__):
    raise AssertionError('a network is opened')

  path = write_annotations(tmp_path_factory.mktemp('annotations') / 'any name.csv')
  data = tmp_path_factory.mktemp('labels')
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(extractor, 'open_extractor', opened)
    patch.delenv('EMO_JAX_WEIGHTS', raising=False)
    flags = (f'--data_dir={data}', f'--annotations={path}')
    assert exit_status(build.main, ['emosign/labels', *flags]) == 0
  return data


def test_labels_need_neither_clips_nor_weights_nor_networks(labels_alone, data):
  builder = tfds.builder_from_directory(labels_alone / 'emosign' / 'labels' / '1.1.0')
  found = {e['id'].decode(): e for e in builder.as_data_source(split='all')}
  assert found.keys() == ROWS.keys()
  for video, example in found.items():
    require_annotated(example, video)
  of_clips = tfds.builder_from_directory(data / 'emosign' / 'single' / '1.1.0').info.features
  assert set(of_clips) - set(builder.info.features) == set(clip_lib.FIELDS)


def test_a_corpus_without_clips_or_config_is_refused_by_name(labels_alone, data):
  with pytest.raises(UserError, match='emosign/labels has labels alone, no features'):
    corpora.open_split('emosign/labels:all', labels_alone)
  with pytest.raises(UserError, match='holds emosign/single: name one, like emosign/single'):
    corpora.open_split('emosign:all', data)


def test_other_annotations_are_noticed_without_clips(labels_alone, tmp_path, capsys):
  path = write_annotations(tmp_path / 'a.csv', ROWS | {ABSENT: ('-2', dict(anger='4'), '')})
  flags = (f'--data_dir={labels_alone}', f'--annotations={path}')
  assert exit_status(build.main, ['emosign/labels', *flags]) == 2
  assert f'built from other annotations than {path}: delete it' in capsys.readouterr().err
  write_annotations(path, dict(reversed(ROWS.items())))  # another order says the same
  assert exit_status(build.main, ['emosign/labels', *flags]) == 0
  assert 'labels/1.1.0 already there: Ada 4, Ben 2, Cyd 3' in capsys.readouterr().err


def test_what_changed_since_the_build_is_noticed(shared, folder, data, tmp_path, capsys):
  builder = emosign_dataset_builder.Builder(
    data_dir=data, weights='random', hand_model=shared / 'models/hand_landmarker.task'
  )
  assert builder.builder_config.name == 'single'

  def prepare(clips):
    builder.download_and_prepare(
      download_config=tfds.download.DownloadConfig(manual_dir=str(clips))
    )

  builder.download_and_prepare()  # only opened, without a folder
  prepare(folder)
  more = tmp_path / 'more'
  more.mkdir()
  for path in [p for p in folder.rglob('*') if p.is_file()]:
    (more / path.name).symlink_to(path)
  prepare(more)  # where the clips lie does not matter
  (more / f'{ABSENT}.mov').touch()
  with pytest.raises(UserError, match='built from other clips than those in .*lacks 0 of 5: del'):
    prepare(more)
  (more / annotations.NAME).unlink()
  write_annotations(more / annotations.NAME, ROWS | {ABSENT: ('-2', dict(anger='4'), '')})
  with pytest.raises(UserError, match='built from other annotations than .*more.*: delete it'):
    prepare(more)


def test_a_clip_that_cannot_be_decoded_is_named_and_nothing_built(
  shared, tmp_path, capsys, monkeypatch
):
  announced = []
  monkeypatch.setattr(forecast, 'announce', lambda videos, folder: announced.extend(videos))
  clips = tmp_path / 'clips'
  clips.mkdir()
  write_annotations(clips / annotations.NAME)
  (clips / f'{ABSENT}.mp4').write_bytes(b'no video')
  flags = (f'--manual_dir={clips}', '--weights=random')
  assert run_build(shared, 'emosign/single', tmp_path / 'data', *flags) == 2
  error = capsys.readouterr().err.splitlines()[-1]
  assert error.startswith('error: 1 of 1 videos cannot be decoded') and ABSENT in error
  assert not list((tmp_path / 'data' / 'emosign' / 'single').glob('*'))
  assert announced == [clips / f'{ABSENT}.mp4']


def refused(arguments, capsys) -> str:
  """The one line in which a build ends."""
  assert exit_status(build.main, arguments) == 2
  out, err = capsys.readouterr()
  assert not out and len(err.splitlines()) == 1
  return err


def test_mistakes_are_found_before_networks_are_loaded(folder, tmp_path, capsys, monkeypatch):
  monkeypatch.delenv(annotations.VARIABLE, raising=False)
  flags = [f'--data_dir={tmp_path / "data"}', '--weights=/nowhere']
  there = f'--manual_dir={folder}'
  empty = f'--manual_dir={tmp_path}'
  named = f'--annotations={folder / annotations.NAME}'

  assert "(did you mean 'single'?)" in refused(['emosign/singel', *flags, there], capsys)
  assert 'is no folder: emosign needs its videos' in refused(['emosign', *flags, named], capsys)
  assert 'is no folder: emosign needs' in refused(['emosign/labels', *flags], capsys)
  assert 'neither emosign_dataset.csv nor an .arrow' in refused(['emosign', *flags, empty], capsys)
  message = refused(['emosign/all', *flags, empty, named], capsys)
  assert f'no clip of EmoSign in {tmp_path}' in message and 'dai.cs.rutgers.edu' in message
  assert 'emosign/labels, which needs none' in message
  missing = f'--annotations={tmp_path / "no.csv"}'
  assert 'cannot read' in refused(['emosign/labels', *flags, missing], capsys)
  assert not (tmp_path / 'data').exists()


def test_two_videos_of_a_name_are_refused(tmp_path):
  (tmp_path / 'a').mkdir()
  (tmp_path / 'a' / 'b').mkdir()
  for path in ('x.mp4', 'y.txt', 'z.mp4', 'a/y.mov', 'a/b/w.mp4'):
    (tmp_path / path).touch()
  names = {'w', 'x', 'y'}
  found = emosign_dataset_builder.find_videos(tmp_path, names)
  assert found == dict(x=tmp_path / 'x.mp4', y=tmp_path / 'a' / 'y.mov')  # one level down, no more
  (tmp_path / 'a' / 'x.MOV').touch()
  with pytest.raises(UserError, match='x.mp4 and .*x.MOV|x.MOV and .*x.mp4'):
    emosign_dataset_builder.find_videos(tmp_path, names)


def test_tfds_knows_its_tags_and_what_to_cite():
  metadata = emosign_dataset_builder.Builder.get_metadata()
  assert metadata.tags and set(metadata.tags) <= set(tfds.core.dataset_metadata.valid_tags())
  for eprint in ('2505.17090', '2201.07899', '2512.15376'):
    assert eprint in metadata.citation
  assert 'ASLLRP' in metadata.description


@pytest.mark.slow
def test_tfds_build_makes_the_same_data_set(tfds_command, shared, folder, data, tmp_path):
  where = dict(
    EMO_JAX_WEIGHTS='random',
    EMO_JAX_HAND_MODEL=str(shared / 'models/hand_landmarker.task'),
    EMO_JAX_FEATURES=str(data / 'features' / 'emosign'),
    EMO_JAX_ANNOTATIONS=str(folder / annotations.NAME),
  )
  flags = [f'--manual_dir={folder}', f'--data_dir={tmp_path}']
  for config in ('single', 'labels'):
    done = subprocess.run(
      [tfds_command, 'build', f'--config={config}', *flags],
      cwd=Path(build.__file__).parent / 'emosign',
      env=os.environ | where,
      capture_output=True,
      text=True,
    )
    assert done.returncode == 0, done.stderr
  ours = examples('emosign/single:all', data)
  theirs = examples('emosign/single:all', tmp_path)
  assert ours.keys() == theirs.keys()
  for key, example in ours.items():
    np.testing.assert_equal(theirs[key], example)
  labelled = tfds.builder_from_directory(tmp_path / 'emosign' / 'labels' / '1.1.0')
  assert labelled.info.splits.total_num_examples == len(ROWS)

"""A folder of real clips becomes a data set, and a data set a table."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from emo_jax import corpora, evaluate, experiment, labels, run_report
from emo_jax.config_flags import load_config
from emo_jax.errors import exit_status
from tests import toys
from tfds_builders import build, clip_features, manifest
from tfds_builders.ejsl import ejsl_dataset_builder

CLIPS = {  # file -> signer, handedness
  'Jsl_bird.mp4': ('signer_d', 'one_handed'),
  'Jsl_dog.mp4': ('signer_d', 'two_handed'),
  'Jsl_dragonfly.mp4': ('signer_e', 'two_handed'),
  'Jsl_fly.mp4': ('signer_f', 'one_handed'),
}
HEADER = 'file,signer,utterance,emotion,text,sign_handedness\n'


@pytest.fixture(scope='module')
def folder(shared, tmp_path_factory) -> Path:
  """Four clips with their manifest."""
  folder = tmp_path_factory.mktemp('clips')
  rows = [f'{file},{s},{file[4:-4]},,,{hands}\n' for file, (s, hands) in CLIPS.items()]
  (folder / manifest.NAME).write_text(HEADER + ''.join(rows))
  for file in CLIPS:
    shutil.copy(shared / 'data/signing' / file, folder / file)
  return folder


def run_build(shared, folder, data_dir, *flags):
  return exit_status(
    build.main,
    [
      'ejsl',
      f'--manual_dir={folder}',
      f'--data_dir={data_dir}',
      f'--hand_model={shared}/models/hand_landmarker.task',
      *flags,
    ],
  )


@pytest.fixture(scope='module')
def data(shared, folder, tmp_path_factory) -> Path:
  """The data set of the four clips, on a random backbone."""
  data = tmp_path_factory.mktemp('data')
  assert run_build(shared, folder, data, '--weights=random') == 0
  return data


def test_examples_hold_the_clip_its_people_and_its_labels(data):
  split = corpora.open_split('ejsl:all', data)
  assert split.key['backbone'] == 'random:0'
  assert set(split.tasks) == set(labels.TASKS)  # TFDS reads them back in any order
  examples = {e['id'].decode(): e for e in split.source}
  assert sorted(examples) == sorted(Path(f).stem for f in CLIPS)
  for file, (signer, hands) in CLIPS.items():
    found = examples[Path(file).stem]
    assert found['signer'].decode() == signer
    assert found['labels'] == dict.fromkeys(labels.TASKS, labels.UNKNOWN) | {
      'sign_handedness': labels.names('sign_handedness').index(hands),
    }
    assert found['face'].shape == (len(found['time_s']), 512) and found['face_present'].all()
  assert len(corpora.open_split('ejsl:signer_d', data).source) == 2


def test_the_main_job_runs_on_real_clips(data, tmp_path):
  config = load_config('configs/jsl_handedness.py').to_dict()
  config['model']['hidden'] = (16, 8)
  config['data'] |= dict(
    dir=str(data), train='ejsl:signer_d', validation='ejsl:signer_e', test=('ejsl:signer_f',)
  )
  config['train'] |= dict(total_epochs=2)
  config['devices'] = 1
  result = experiment.run(config, tmp_path)
  assert result['random_backbone'] and not result['synthetic']
  (entry,) = result['evals']
  assert (entry['task'], entry['n'], entry['n_clips']) == ('sign_handedness', 1, 1)
  text = (tmp_path / 'report.md').read_text()
  assert 'Random backbone: not a score.' in text and 'paper' not in text


def test_a_run_on_the_synthetic_corpus_may_be_tried_on_clips_without_labels(data, tmp_path, capsys):
  workdir = toys.finished_run(tmp_path)
  arguments = [str(workdir), '--corpus=ejsl', '--split=all', f'--data_dir={data}']
  assert exit_status(evaluate.main, arguments) == 0
  assert '0 of 4 clips are labelled for emotion' in capsys.readouterr().err
  entry = run_report.read(workdir)['evals'][-1]
  assert entry['corpus'] == 'ejsl' and entry['random_backbone'] and entry['wacc'] is None
  assert 'SYNTHETIC' in (workdir / 'report.md').read_text()


def test_features_are_reused(shared, folder, data, tmp_path, capsys):
  files = sorted((data / 'features' / 'ejsl').glob('*.npz'))
  assert len(files) == len(CLIPS)
  written = [f.stat().st_mtime_ns for f in files]
  flags = ('--weights=random', f'--features={files[0].parent}')
  assert run_build(shared, folder, tmp_path, *flags) == 0
  assert capsys.readouterr().err.count('already done') == len(CLIPS)
  assert [f.stat().st_mtime_ns for f in files] == written


def test_another_key_is_refused(shared, folder, data, tmp_path, capsys):
  from emo_jax import weights
  from emo_jax.models import resnet

  weights.save(tmp_path / 'w.safetensors', backbone=resnet.random_variables(1))
  other = f'--weights={tmp_path / "w.safetensors"}'
  assert run_build(shared, folder, data, other) == 2  # the data set
  assert 'backbone: random:0 against' in capsys.readouterr().err
  features = f'--features={data / "features" / "ejsl"}'
  assert run_build(shared, folder, tmp_path / 'new', other, features) == 2  # the .npz files
  assert 'backbone: random:0 against' in capsys.readouterr().err


def test_tfds_reads_the_data_set_by_itself(data):
  builder = tfds.builder_from_directory(data / 'ejsl' / '1.1.0')
  assert builder.info.metadata[clip_features.KEY]['backbone'] == 'random:0'
  assert sorted(builder.info.splits) == ['signer_d', 'signer_e', 'signer_f']


def test_the_same_manifest_is_already_there_and_stdout_is_the_path(shared, folder, data, capfd):
  assert run_build(shared, folder, data, '--weights=random') == 0
  out, err = capfd.readouterr()
  assert out == f'{data / "ejsl" / "1.1.0"}\n'
  assert 'ejsl/1.1.0 already there: signer_d 2, signer_e 1, signer_f 1' in err


def test_a_changed_manifest_is_noticed(shared, folder, data, tmp_path, capsys):
  changed = tmp_path / 'labelled.csv'
  text = (folder / manifest.NAME).read_text()
  changed.write_text(text.replace('Jsl_bird.mp4,signer_d,bird,', 'Jsl_bird.mp4,signer_d,bird,joy'))
  assert changed.read_text() != text
  flags = ('--weights=random', f'--manifest={changed}', f'--features={data / "features" / "ejsl"}')
  assert run_build(shared, folder, data, *flags) == 2
  error = capsys.readouterr().err.splitlines()[-1]
  assert 'was built from another manifest' in error and 'give another --data_dir' in error
  assert run_build(shared, folder, tmp_path / 'new', *flags) == 0
  out, err = capsys.readouterr()
  assert out.splitlines() == [str(tmp_path / 'new' / 'ejsl' / '1.1.0')]
  assert 'Downloading and preparing' in err


def test_without_a_folder_of_clips_the_data_set_is_just_opened(shared, data):
  hand_model = shared / 'models/hand_landmarker.task'
  builder = ejsl_dataset_builder.Builder(data_dir=data, weights='random', hand_model=hand_model)
  builder.download_and_prepare()
  assert builder.info.splits.total_num_examples == len(CLIPS)


@pytest.mark.parametrize('by', ['flag', 'variable'])
def test_the_sampling_rule_is_part_of_the_key(shared, folder, data, capsys, monkeypatch, by):
  flags = ['--weights=random']
  if by == 'flag':
    flags.append('--sampling=time')
  else:
    monkeypatch.setenv('EMO_JAX_SAMPLING', 'time')
  assert run_build(shared, folder, data, *flags) == 2
  assert 'sampling: index-5hz against time-5hz' in capsys.readouterr().err


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['ejsl/foo', '--data_dir=unused'], "ejsl has no config 'foo'"),
    (['signsim/foo', '--data_dir=unused'], "signsim has no config 'foo'"),
    (['bobsl_', '--data_dir=unused'], "no corpus 'bobsl_'"),
    (['signsim', '--data_dir=/proc/nowhere'], '/proc/nowhere cannot be written to'),
    (['signsim', f'--data_dir={__file__}'], 'cannot be written to (it is a file)'),
    (['signsim'], 'the following arguments are required: --data_dir'),
    (['ejsl', '--data_dir=unused', '--sampling=never'], "invalid choice: 'never'"),
  ],
)
def test_mistakes_on_the_command_line_end_in_a_line(arguments, message, capsys):
  assert exit_status(build.main, arguments) == 2
  out, err = capsys.readouterr()
  assert not out and len(err.splitlines()) == 1 and message in err
  assert not Path('unused').exists()


def test_the_manifest_is_checked_before_networks_are_loaded(folder, tmp_path, capsys):
  wrong = tmp_path / 'wrong.csv'
  wrong.write_text('file\n')
  arguments = [f'--manual_dir={folder}', f'--manifest={wrong}', '--weights=/nowhere']
  assert exit_status(build.main, ['ejsl', f'--data_dir={tmp_path}', *arguments]) == 2
  assert 'wrong.csv lacks the column signer' in capsys.readouterr().err


def test_without_weights_or_folder_nothing_is_built(shared, folder, tmp_path, capsys, monkeypatch):
  monkeypatch.delenv('EMO_JAX_WEIGHTS', raising=False)
  assert run_build(shared, folder, tmp_path) == 2
  assert 'no weights given' in capsys.readouterr().err
  assert run_build(shared, tmp_path / 'nowhere', tmp_path, '--weights=random') == 2
  assert 'is no folder' in capsys.readouterr().err


def features_of(data: Path) -> str:
  return f'--features={data / "features" / "ejsl"}'


CROSSED = """\
Jsl_bird.mp4,f1,u1,joy,,,EMOTION100_001
Jsl_dog.mp4,f1,u1,fear,,,EMOTION100_001
Jsl_dragonfly.mp4,m1,u1,joy,as written,,EMOTION100_001
"""


@pytest.fixture
def crossed(tmp_path) -> Path:
  """A manifest of two emotions crossed with two signers, of which one is missing."""
  path = tmp_path / 'crossed.csv'
  path.write_text(HEADER.replace('\n', ',ita_id\n') + CROSSED)
  return path


@pytest.fixture
def ita_dir(tmp_path) -> Path:
  """A made-up sentence."""
  (tmp_path / 'emotion_transcript_utf8.txt').write_text('EMOTION100_001:犬は。,イヌワ。\n')
  (tmp_path / 'recitation_transcript_utf8.txt').write_text('RECITATION324_001:鳥。,トリ。\n')
  return tmp_path


def test_what_is_missing_of_crossed_emotions_is_a_warning(
  shared, folder, data, crossed, tmp_path, capsys
):
  flags = ('--weights=random', f'--manifest={crossed}', features_of(data))
  assert run_build(shared, folder, tmp_path / 'data', *flags) == 0
  warnings = [x for x in capsys.readouterr().err.splitlines() if x.startswith('warning: ')]
  sizes = '1 utterance x 2 signers x 2 emotions = 4 clips'
  assert warnings == [f'warning: {crossed}: {sizes}; 1 missing: u1 by m1 (fear)']


def test_with_require_complete_nothing_is_built(folder, crossed, tmp_path, capsys):
  arguments = [f'--manual_dir={folder}', f'--manifest={crossed}', '--weights=/nowhere']
  where = tmp_path / 'data'
  assert (
    exit_status(build.main, ['ejsl', f'--data_dir={where}', '--require_complete', *arguments]) == 2
  )
  out, err = capsys.readouterr()
  assert not out and len(err.splitlines()) == 1 and not where.exists()
  assert 'is not all of eJSL' in err and '1 missing: u1 by m1 (fear)' in err


@pytest.mark.parametrize('by', ['flag', 'variable'])
def test_texts_of_the_ita_corpus_are_stored(
  shared, folder, data, crossed, ita_dir, tmp_path, monkeypatch, capsys, by
):
  flags = ['--weights=random', f'--manifest={crossed}', features_of(data)]
  where = tmp_path / 'data'
  assert run_build(shared, folder, where, *flags) == 0
  given = [f'--ita={ita_dir}'] if by == 'flag' else []
  if by == 'variable':
    monkeypatch.setenv('EMO_JAX_ITA', str(ita_dir))
  assert run_build(shared, folder, where, *flags, *given) == 2  # there without the texts
  assert 'or with other texts' in capsys.readouterr().err
  shutil.rmtree(where)
  assert run_build(shared, folder, where, *flags, *given) == 0
  texts = {
    e['id'].decode(): e['text'].decode() for e in corpora.open_split('ejsl:all', where).source
  }
  assert texts == dict(Jsl_bird='犬は。', Jsl_dog='犬は。', Jsl_dragonfly='as written')


def test_the_forecast_comes_first_and_is_of_what_is_left_to_do(
  shared, folder, data, tmp_path, capsys
):
  kept = tmp_path / 'features'
  shutil.copytree(data / 'features' / 'ejsl', kept)
  (kept / 'Jsl_fly.npz').unlink()
  assert run_build(shared, folder, tmp_path, '--weights=random', f'--features={kept}') == 0
  err = capsys.readouterr().err
  forecast, extraction = err.index('1 video, 2 s: about 9 sampled'), err.index('video 1/1 Jsl_fly')
  assert forecast < extraction and f'are free in {kept}' in err


def _manifest_sha256(data_dir: Path) -> str:
  builder = tfds.builder_from_directory(data_dir / 'ejsl' / '1.1.0')
  return builder.info.metadata[ejsl_dataset_builder.MANIFEST_KEY]


@pytest.mark.slow
def test_tfds_build_makes_the_same_data_set(tfds_command, shared, folder, data, tmp_path):
  where = dict(
    EMO_JAX_WEIGHTS='random',
    EMO_JAX_HAND_MODEL=str(shared / 'models/hand_landmarker.task'),
    EMO_JAX_FEATURES=str(data / 'features' / 'ejsl'),
  )
  done = subprocess.run(
    [tfds_command, 'build', f'--manual_dir={folder}', f'--data_dir={tmp_path}'],
    cwd=Path(build.__file__).parent / 'ejsl',
    env=os.environ | where,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  assert _manifest_sha256(tmp_path) == _manifest_sha256(data)
  ours, theirs = (
    {e['id']: e for e in corpora.open_split('ejsl:all', where).source} for where in (data, tmp_path)
  )
  assert ours.keys() == theirs.keys()
  for key, example in ours.items():
    np.testing.assert_equal(theirs[key], example)

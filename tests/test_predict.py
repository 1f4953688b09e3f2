"""The command: its numbers are those of `evaluate`, its files whole, its mistakes in one line."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest

from emo_jax import (
  coverage,
  evaluation,
  finished_runs,
  inference,
  labels,
  predict,
  predictions,
  run_dir,
  run_report,
)
from emo_jax.errors import exit_status
from emo_jax.video import clip as clip_lib
from emo_jax.video.decode import Video
from tests import toys
from tfds_builders import build


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  return toys.finished_run(tmp_path_factory.mktemp('run') / 'run')


@pytest.fixture
def run(shared, workdir, capfd):
  """run(*flags, *videos) -> exit status, lines of stdout, lines of stderr."""

  def call(*arguments, checkpoint=workdir):
    flags = [f'--hand_model={shared}/models/hand_landmarker.task', f'--checkpoint={checkpoint}']
    capfd.readouterr()
    status = exit_status(predict.main, [*flags, *map(str, arguments)])
    captured = capfd.readouterr()
    return status, captured.out.splitlines(), captured.err.splitlines()

  return call


@pytest.fixture(scope='module')
def out(tmp_path_factory):
  """Features of the clips below are extracted once for all tests of this file."""
  return tmp_path_factory.mktemp('out')


def flags(out, *more):
  return '--weights=random', f'--out={out}', *more


def test_a_clip_gets_what_evaluate_gives_it(run, shared, workdir, out, tmp_path, monkeypatch):
  swim = shared / 'data/signing/Jsl_swim.mp4'
  broken = tmp_path / 'broken.mp4'
  broken.write_bytes(b'no video')
  status, stdout, stderr = run(*flags(out, '--json'), broken, swim)
  assert status == 1
  assert stderr[-2:] == [
    '1 of 2 videos could not be reported on:',
    f'  {broken}: cannot be opened as a video (it is text)',
  ]
  failed, record = map(json.loads, stdout)
  assert failed == dict(
    id='broken', video=str(broken), error=f'{broken}: cannot be opened as a video (it is text)'
  )
  assert record['id'] == 'Jsl_swim' and record['frames'] == 10 and record['video_frames'] == 58
  clip = clip_lib.load(out / 'features/Jsl_swim.npz')[0]
  assert record['coverage'] == coverage.shares(clip.face_present, clip.hand_score)
  assert record['segment'] == 'full' and record['has_face']
  assert tuple(record['probabilities']) == labels.EMOTIONS
  assert record['decision'] == max(record['probabilities'], key=record['probabilities'].get)
  assert record['caveats'] == [
    'Trained on the SYNTHETIC corpus signsim: says nothing about real signers.',
    'random backbone: not a score',
  ]

  clips = tmp_path / 'clips'
  clips.mkdir()
  shutil.copy(swim, clips)
  (clips / 'manifest.csv').write_text(
    'file,signer,utterance,emotion,text\nJsl_swim.mp4,a,swim,joy,\n'
  )
  hand_model = f'--hand_model={shared}/models/hand_landmarker.task'
  where = [f'--manual_dir={clips}', f'--data_dir={tmp_path / "data"}']
  build.main(['ejsl', *where, '--weights=random', hand_model, f'--features={out / "features"}'])
  copy = shutil.copytree(workdir, tmp_path / 'run')
  evaluation.score_run(copy, 'ejsl', 'all', str(tmp_path / 'data'), '')
  (evaluated,) = predictions.read(copy / 'predictions' / 'ejsl-all-full.jsonl')
  assert record['probabilities'] == pytest.approx(evaluated.probabilities, rel=1e-5)

  assert set(record['files']) == {'features', 'overlay', 'csv', 'timeline'}
  video_frames = sum(1 for _ in Video(swim).frames())
  assert sum(1 for _ in Video(record['files']['overlay']).frames()) == video_frames
  with open(record['files']['csv']) as f:
    head, *rows = csv.reader(f)
  assert head == ['frame', *labels.EMOTIONS]
  assert [row[0] for row in rows] == [f'{i:06d}' for i in range(1, video_frames + 1)]
  # Ten frames are one window: every frame has the clip's probabilities.
  clip_row = list(record['probabilities'].values())
  np.testing.assert_allclose(np.array([r[1:] for r in rows], float), [clip_row] * 58, atol=2e-6)
  assert not [p for p in out.rglob('*') if 'partial' in p.name]


def test_a_second_call_extracts_nothing_and_prints_a_table(run, shared, out):
  swim = shared / 'data/signing/Jsl_swim.mp4'
  assert run(*flags(out, '--no-overlay'), swim)[0] == 0
  (out / 'Jsl_swim-overlay.mp4').unlink(missing_ok=True)
  status, stdout, stderr = run(*flags(out, '--no-overlay'), swim)
  assert status == 0 and f'{swim}: already done' in stderr
  assert not any('frames/s' in line for line in stderr)
  assert not (out / 'Jsl_swim-overlay.mp4').exists()
  assert stdout[1] == '** random backbone: not a score **'
  assert stdout[2] == 'emotion on segment full, per cent'
  head, row = ([cell.strip() for cell in stdout[i].split('|')[1:-1]] for i in (3, 5))
  assert head[:3] == ['clip', 'decision', 'joy'] and row[0] == 'Jsl_swim'
  assert sum(map(float, row[2:9])) == pytest.approx(100, abs=0.5)


def test_a_clip_without_a_face_is_uniform_and_says_so(run, write_blank, out):
  blank = write_blank('blank.avi')
  status, stdout, _ = run(*flags(out, '--json'), blank)
  record = json.loads(stdout[0])
  assert status == 0 and not record['has_face'] and record['video_frames'] == 12
  assert list(record['probabilities'].values()) == pytest.approx([1 / 7] * 7)
  assert record['decision'] is None and record['low_coverage'] == ['face']
  assert record['caveats'][-2:] == ['low coverage: face', 'no face found: uniform probabilities']
  status, stdout, _ = run(*flags(out, '--no-overlay'), blank)
  assert 'none (no face)' in stdout[-1]


@pytest.fixture
def write_blank(tmp_path):
  """write_blank(name) writes a small grey video of odd size."""
  import cv2

  def write(name):
    writer = cv2.VideoWriter(str(tmp_path / name), cv2.VideoWriter_fourcc(*'MJPG'), 30.0, (17, 31))
    for _ in range(12):
      writer.write(np.full((31, 17, 3), 90, np.uint8))
    writer.release()
    return tmp_path / name

  return write


def test_a_folder_that_is_no_run(run, tmp_path):
  status, stdout, stderr = run(*flags(tmp_path), 'x.mp4', checkpoint=tmp_path / 'nothing')
  assert (status, stdout) == (2, [])
  (line,) = stderr
  assert f'{tmp_path}/nothing/config.json is not there' in line


def test_features_of_another_backbone_than_the_runs(run, workdir, tmp_path):
  other = shutil.copytree(workdir, tmp_path / 'run')
  changed = run_report.read(other)
  changed['provenance']['backbone'] = 'f00d'
  run_dir.write_json(other / 'report.json', changed)
  status, stdout, stderr = run(*flags(tmp_path), 'x.mp4', checkpoint=other)
  assert (status, stdout) == (2, [])
  assert 'the training features and those of the videos differ in' in stderr[-1]
  assert 'backbone: f00d against random:0' in stderr[-1]


def test_two_videos_of_one_name(run, tmp_path):
  status, _, stderr = run(*flags(tmp_path), 'a/x.mp4', 'b/x.mov')
  assert status == 2 and 'a/x.mp4 and b/x.mov would both become' in stderr[-1]


def test_no_video_is_overwritten(run, tmp_path):
  status, _, stderr = run(*flags(tmp_path), 'a/x.mp4', tmp_path / 'x-overlay.mp4')
  assert status == 2
  assert f'{tmp_path}/x-overlay.mp4 would be overwritten by an overlay' in stderr[-1]


@pytest.mark.parametrize(
  'changes',
  [
    dict(eval__segment='last_2s'),
    dict(eval__segment='random_2s', eval__aggregate='mode'),
    dict(temporal='sequence', eval__segment='last_2s'),
    dict(no_face='drop', eval__segment='random_2s'),
    dict(no_face='mask'),
  ],
  ids=str,
)
def test_alone_and_among_others_a_clip_gets_the_same(workdir, changes):
  """As `predict` asks and as `evaluate` does, under every recipe a run may have."""
  config = toys.config(**changes)
  opened = finished_runs.open_run(workdir)
  others = toys.split(12)
  for raw in others.source:
    raw['face_present'][:: 3 + len(raw['id']) % 2] = False
  evaluate = inference.Trained(config, opened.params, 1.7)
  alone = inference.Trained(inference.one_by_one(config), opened.params, 1.7)
  wanted = {p.id: p.probabilities for p in evaluate(others) if p.draw == 0}
  for raw in others.source[-3:]:
    (found,) = alone(dataclasses.replace(others, source=[raw]))
    assert found.probabilities == pytest.approx(wanted[found.id], rel=1e-4, abs=1e-6)

"""The command: files, figures that can be read, mistakes in one line."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest

from emo_jax import corpora, inference, labels, run_report
from emo_jax.errors import exit_status
from emo_jax.explain import __main__ as explain
from emo_jax.explain import drawings, phases
from tests import test_figures, toys
from tests.explain import signed_toys, test_phases

saved = test_figures.saved


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  return toys.finished_run(tmp_path_factory.mktemp('run') / 'run')


@pytest.fixture
def split():
  made = signed_toys.split(9, 3)
  made.source[-1]['face_present'][:] = False
  return made


@pytest.fixture
def run(workdir, split, monkeypatch, capfd):
  """run(*flags) -> exit status, stdout, lines of stderr, on the clips of `split`."""
  monkeypatch.setattr(
    corpora, 'open_split', lambda spec, where: dataclasses.replace(split, spec=spec)
  )

  def call(*flags, where=workdir):
    capfd.readouterr()
    always = [str(where), '--corpus=toy', '--split=all', '--steps=8']
    status = exit_status(explain.main, [*always, *map(str, flags)])
    captured = capfd.readouterr()
    return status, captured.out, captured.err.splitlines()

  return call


def test_files_of_a_split(run, split, workdir, tmp_path, saved):
  status, stdout, stderr = run(f'--out={tmp_path}')
  assert status == 0
  assert 'eanwh: explained 9/9 clips  0:00 left' in stderr
  assert any(line.startswith('eanwh: contributions sum to') for line in stderr)
  names = ['explain.md', 'explain.json', 'attributions.csv', 'phases.png', 'end-of-signing.png']
  assert stdout.splitlines()[-5:] == [str(tmp_path / name) for name in names]
  assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)

  found = json.loads((tmp_path / 'explain.json').read_text())
  assert (found['clips'], found['clips_without_face'], found['all']['clips']) == (9, 1, 8)
  assert found['caveats'] == [
    'Trained on the SYNTHETIC corpus signsim: says nothing about real signers.',
    'Clips seen in training or selection: not a test.',  # toy:all
  ]
  assert tuple(found['at_baseline']) == labels.EMOTIONS
  assert found['completeness']['largest_relative_gap'] < 0.01
  frames = {phase: of['frames'] for phase, of in found['all']['phases'].items()}
  assert frames == dict(rest=8 * 4, signing=8 * 6, post_signing=8 * 6)

  with open(tmp_path / 'attributions.csv') as f:
    rows = list(csv.DictReader(f))
  columns = ['id', 'frame', 'time_s', 'phase', 'face', 'hands', 'true', 'predicted', 'places']
  assert list(rows[0]) == columns
  assert len(rows) == 8 * signed_toys.LENGTH
  assert [row['time_s'] for row in rows[:3]] == ['0.000', '0.200', '0.400']
  # A clip's rows sum to what its probability has over the baseline's.
  opened = explain.finished_runs.open_run(workdir)
  for p in inference.Trained(opened.config, opened.params, 1.0)(split)[:-1]:
    mine = [row for row in rows if row['id'] == p.id]
    decided = max(p.probabilities, key=p.probabilities.get)
    assert {(row['true'], row['predicted']) for row in mine} == {(p.true, decided)}
    total = sum(float(row['face']) + float(row['hands']) for row in mine)
    gained = p.probabilities[decided] - found['at_baseline'][decided]
    assert total == pytest.approx(gained, abs=1e-4)

  text = (tmp_path / 'explain.md').read_text()
  assert '**Trained on the SYNTHETIC corpus signsim' in text and '8 of 9 clips explained' in text
  for figure, options in saved:
    test_figures.require_legible(figure, options)
    test_figures.require_distinct(figure)
    assert 'SYNTHETIC' in figure.get_suptitle()


def test_a_single_clip_has_the_same_values_as_among_others(run, tmp_path, saved):
  clip_id = 'signed3-004'
  run(f'--out={tmp_path}')
  status, stdout, _ = run(f'--out={tmp_path}', f'--clip={clip_id}')
  assert status == 0
  wanted = [str(tmp_path / f'clip-{clip_id}.{kind}') for kind in ('csv', 'png')]
  assert stdout.splitlines() == wanted
  with open(tmp_path / 'attributions.csv') as whole, open(wanted[0]) as alone:
    among = [row for row in csv.DictReader(whole) if row['id'] == clip_id]
    for a, b in zip(among, csv.DictReader(alone), strict=True):
      assert (a['phase'], a['predicted'], a['places']) == (b['phase'], b['predicted'], b['places'])
      assert float(a['face']) == pytest.approx(float(b['face']), rel=1e-3, abs=1e-6)
  figure, options = saved[-1]
  test_figures.require_legible(figure, options)
  curves, signing, after, *_ = figure.axes
  np.testing.assert_allclose(
    curves.lines[1].get_ydata(), [100 * float(row['face']) for row in among], atol=1e-3
  )
  assert signing.collections[0].get_array().ravel().tolist() == [0] * 4 + [1] * 6 + [0] * 6
  assert after.collections[0].get_array().ravel().tolist() == [0] * 10 + [1] * 6


def test_occlusion_of_a_few_clips(run, tmp_path):
  status, stdout, stderr = run(f'--out={tmp_path}', '--method=occlusion', '--limit=3')
  assert status == 0 and 'explained 3/3 clips' in stderr[-1]
  found = json.loads((tmp_path / 'explain.json').read_text())
  assert (found['clips'], found['clips_of_split'], found['steps']) == (3, 9, None)
  assert 'Drops by occlusion do not sum' in stdout and 'completeness' not in found


def test_a_run_beside_itself_differs_in_nothing(run, workdir, tmp_path):
  status, stdout, stderr = run(f'--out={tmp_path}', '--limit=4', f'--beside={workdir}')
  assert status == 0 and sum('explained 4/4 clips' in line for line in stderr) == 2
  found = json.loads((tmp_path / 'explain.json').read_text())['difference']
  assert found['clips'] == 3
  values = [x for of in found['phases'].values() for x in of['face'].values()]
  assert values == pytest.approx([0] * 9, abs=1e-9)
  assert '## Beside eanwh' in stdout


def test_few_steps_are_complained_about(run, tmp_path, monkeypatch):
  monkeypatch.setattr(explain, 'GAP', 0.0)
  assert (
    run(f'--out={tmp_path}')[2][-1]
    == 'eanwh: 8 of 8 clips are off by more than 0 %: give more --steps'
  )


@pytest.mark.parametrize(
  'flags, message',
  [
    (['--clip=signed3-04'], "toy:all has no clip 'signed3-04' (did you mean 'signed3-004'?)"),
    (['--clip=signed3-008'], 'none of the 1 clips has a face'),
    (['--method=guess'], "--method is 'guess'; it must be one of integrated_gradients, occlusion"),
    (['--segment=half'], "--segment is 'half'; it must be one of full, random_2s, last_2s"),
    (['--steps=0'], '--steps is 0; it must be at least 1'),
    (['--limit=-1'], '--limit is -1'),
    (['--beside=x', '--clip=y'], '--beside compares averages'),
    (['--beside=nowhere'], 'nowhere/config.json is not there'),
  ],
)
def test_mistakes(run, tmp_path, flags, message):
  status, stdout, stderr = run(f'--out={tmp_path}', *flags)
  assert (status, stdout) == (2, '') and stderr[-1].startswith(f'error: {message}')


def test_an_empty_split(run, split):
  split.source.clear()
  status, _, stderr = run()
  assert status == 2 and stderr == ['error: toy:all has no clip']


def test_features_of_another_backbone(run, split, workdir, tmp_path):
  other = shutil.copytree(workdir, tmp_path / 'run')
  report = run_report.read(other)
  report['provenance']['backbone'] = 'f00d'
  (other / 'report.json').write_text(json.dumps(report))
  status, _, stderr = run(where=other)
  assert status == 2 and 'backbone: f00d against synthetic:toy' in stderr[-1]


def test_a_folder_that_is_no_run(run, tmp_path):
  status, _, stderr = run(where=tmp_path / 'nothing')
  assert status == 2 and 'config.json is not there' in stderr[-1]


@pytest.mark.parametrize('streams', [dict(), dict(hands=[0.0, 0.1, -0.2, 0.0])])
def test_figures_of_few_clips(saved, tmp_path, streams):
  """One clip, in which two phases do not occur, with and without hands."""
  clips = [test_phases.clip([0.1, -0.2, 0.3, 0.0], 'ssss', **streams)]
  title = ['run on bobsl/m_c:validation+test (random_2s), 日本 $x_1$ ' * 3, 'not a score']
  drawings.by_phase(tmp_path / 'a.png', phases.averages(clips)['all'], title)
  drawings.over_time(tmp_path / 'b.png', phases.aligned(clips), title)
  drawings.of_clip(tmp_path / 'c.png', clips[0], title)
  for figure, options in saved:
    test_figures.require_legible(figure, options)
  assert len(saved) == 3

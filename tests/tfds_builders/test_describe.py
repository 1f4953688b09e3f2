"""What is said of a corpus is what is in it, beside what the paper says, and can be read."""

import json

import numpy as np
import pytest

from configs import eanwh
from emo_jax import coverage, labels
from emo_jax.errors import exit_status
from tests import toys
from tests.test_figures import VISION, cie76, require_distinct, require_legible, saved  # noqa: F401
from tests.tfds_builders import made
from tfds_builders import corpus_counts, describe

# 10 frames are 2 s: shares are easily counted.
CLIPS = {
  'f1': [
    dict(emotion='joy', utterance='u1', faces=0.4, hands=(0.5, 0.1)),
    dict(emotion='joy', utterance='u2', faces=1, hands=(0, 0.2)),
    dict(emotion='fear', utterance='u1', frames=20, faces=1, hands=(0, 0)),
  ],
  'm1': [dict(utterance='u1', sign_handedness='two_handed', faces=0, hands=(1, 1))],
}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  folder = tmp_path_factory.mktemp('data')
  made.build(folder, CLIPS)
  return folder


@pytest.fixture(autouse=True)
def _figures_elsewhere(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)  # a figure is drawn there unless --out names another place


def run(*arguments):
  return exit_status(describe.main, list(map(str, arguments)))


def described(capsys, data, name='ejsl'):
  assert run(name, f'--data_dir={data}', '--json') == 0
  return json.loads(capsys.readouterr().out)


def test_counts_of_splits_labels_and_coverage(data, capsys):
  found = described(capsys, data)
  f1, m1, whole = found['splits']['f1'], found['splits']['m1'], found['all']
  assert [part['clips'] for part in (f1, m1, whole)] == [3, 1, 4]
  assert [part['frames'] for part in (f1, m1, whole)] == [40, 10, 50]
  assert whole['seconds'] == pytest.approx(10)
  # Of f1's 40 frames 4 + 10 + 20 show a face, 5 the left hand, 1 + 2 the right, 5 + 2 either.
  shares = dict(face=34 / 40, left_hand=5 / 40, right_hand=3 / 40, hands=7 / 40)
  assert f1['coverage'] == pytest.approx(shares)
  assert [part['below_limits'] for part in (f1, m1, whole)] == [{'face': n} for n in (1, 1, 2)]
  assert f1['labels']['emotion'] == dict.fromkeys(labels.EMOTIONS, 0) | dict(
    joy=2, fear=1, unknown=0
  )
  assert m1['labels']['emotion']['unknown'] == 1
  assert whole['labels']['sign_handedness'] == dict(one_handed=0, two_handed=1, unknown=3)
  assert 'sentiment' not in whole['labels']
  assert found['signers'] == found['splits'] and found['utterances'] == 2
  assert found['compatibility_key'] == toys.KEY and found['crossed'] is None


def test_the_limits_are_those_of_the_config():
  assert eanwh.get_config().min_coverage.to_dict() == coverage.DEFAULT_LIMITS


def rows(text):
  return [line.split() for line in text.splitlines()]


def test_the_tables_say_the_same(data, capsys):
  assert run('ejsl', f'--data_dir={data}') == 0
  text = capsys.readouterr().out
  found = rows(text)
  assert text.splitlines()[1] == '4 clips, 0.2 min, 2 utterances, 2 signers'
  assert ['f1', '3', '8.0', '40', '85.0', '12.5', '7.5', '17.5', '1'] in found
  assert ['all', '4', '10.0', '50', '68.0', '30.0', '26.0', '34.0', '2'] in found
  assert ['emotion', *labels.EMOTIONS, 'unknown'] in found
  assert ['all', '2', '0', '0', '0', '1', '0', '0', '1'] in found
  assert ['paper,', 'section', '3.1', '156', '156', '156', '156', '156', '156', '156'] in found
  assert 'no label for: expression, sentiment, sentiment3' in text
  assert 'backbone: synthetic:toy' in text and 'SYNTHETIC' in text


def counted(name, counts, tmp_path, capsys, *flags):
  """A data set with so many clips per emotion, described."""
  clips = [
    dict(emotion=label, utterance=f'{label}{i}', frames=1)
    for label, count in zip(labels.EMOTIONS, counts, strict=True)
    for i in range(count)
  ]
  corpus, _, config = name.partition('/')
  made.build(tmp_path, {'train': clips[::2], 'test': clips[1::2]}, corpus, config)
  assert run(name, f'--data_dir={tmp_path}', *flags) == 0
  return capsys.readouterr().out


# "Emotion Recognition in Signers", Tables 8 and 9, and their totals.
@pytest.mark.parametrize(
  ('name', 'counts', 'total'),
  [
    ('emosign/single', (54, 10 + 19, 3, 10, 7 + 14, 5 + 7, 11), 140),
    ('bobsl/m_a1', (59, 37, 35, 19, 21, 34, 1233), 1438),
    ('bobsl/m_a2', (251, 110, 92, 55, 33, 47, 850), 1438),
    ('bobsl/m_c', (48, 25, 26, 10, 5, 8, 808), 930),
    ('ejsl', (156,) * 7, 1092),
  ],
)
def test_the_papers_counts(name, counts, total):
  assert tuple(corpus_counts.PAPER[name][1][label] for label in labels.EMOTIONS) == counts
  assert sum(counts) == total


def test_the_paper_is_beside_ours(tmp_path, capsys):
  counts = (54, 29, 3, 10, 21, 12, 11)
  found = rows(counted('emosign/single', counts, tmp_path, capsys))
  numbers = [str(count) for count in counts]
  assert ['all', *numbers, '0'] in found
  assert ['paper,', 'Table', '8', *numbers] in found
  assert found[0][0] == 'emosign/single/1.1.0'


def test_signers_other_than_splits_have_a_table(tmp_path, capsys):
  clips = [dict(signer=who, emotion=e) for who, e in (('p1', 'joy'), ('p2', 'joy'), ('p1', 'fear'))]
  made.build(tmp_path, {'train': clips}, 'emosign', 'multi')
  assert run('emosign', f'--data_dir={tmp_path}') == 0  # its only config
  found = rows(capsys.readouterr().out)
  assert ['p1', '2', '1', '0', '0', '0', '1', '0', '0', '0'] in found
  assert ['p2', '1', '1', '0', '0', '0', '0', '0', '0', '0'] in found


def test_of_many_signers_the_numbers_of_clips_are_told(tmp_path, capsys):
  clips = [dict(signer=f'e{i}', frames=2) for i in range(60) for _ in range(1 + i % 3)]
  made.build(tmp_path, {'train': clips}, 'bobsl', 'a')
  assert run('bobsl/a', f'--data_dir={tmp_path}') == 0
  assert 'clips per signer: 1 to 3 (e2), median 2, 60 signers' in capsys.readouterr().out
  found = described(capsys, tmp_path, 'bobsl/a')
  assert {signer: part['clips'] for signer, part in found['signers'].items()} == {
    f'e{i}': 1 + i % 3 for i in range(60)
  }


@pytest.mark.parametrize('complete', [True, False])
def test_what_is_missing_of_crossed_emotions_is_named(tmp_path, capsys, complete):
  cells = [(u, e) for u in ('u1', 'u2') for e in ('joy', 'fear', 'neutral')]
  clips = {s: [dict(utterance=u, emotion=e, frames=2) for u, e in cells] for s in ('f1', 'm1')}
  if not complete:
    clips['m1'] = clips['m1'][1:] + clips['m1'][-1:]
  made.build(tmp_path, clips)
  assert run('ejsl', f'--data_dir={tmp_path}') == 0
  line = capsys.readouterr().out.splitlines()[3]
  sizes = '2 utterances x 2 signers x 3 emotions = 12 clips'
  mistakes = '1 missing: u1 by m1 (joy); 1 more than once: u2 by m1 (neutral) 2 times'
  assert line == (f'{sizes}, each once' if complete else f'{sizes}; {mistakes}')


@pytest.mark.parametrize(
  ('name', 'message'),
  [
    ('ejs', "no ejs in {0} (did you mean 'ejsl'?); it holds ejsl: name a directory"),
    ('ejsl/x', "no ejsl/x in {0} (did you mean 'ejsl'?); it holds ejsl: "),
    ('signsim', 'python -m tfds_builders.build signsim --data_dir=DATA'),
    ('', 'no  in {0}'),
    ('../ejsl', 'no ../ejsl in {0}'),
  ],
)
def test_a_corpus_that_is_not_there_is_a_line(data, capsys, name, message):
  assert run(name, f'--data_dir={data}') == 2
  out, err = capsys.readouterr()
  assert not out and len(err.splitlines()) == 1 and message.format(data) in err


def test_a_folder_without_data_sets_is_a_line_with_the_build_command(tmp_path, capsys):
  assert run('ejsl', f'--data_dir={tmp_path}/nowhere') == 2
  err = capsys.readouterr().err
  assert len(err.splitlines()) == 1
  assert 'python -m tfds_builders.build ejsl --data_dir=DATA --manual_dir=CLIPS' in err


def test_a_figure_that_cannot_be_written_is_a_line(data, tmp_path, capsys):
  assert run('ejsl', f'--data_dir={data}', f'--out={__file__}/figure.png') == 2
  out, err = capsys.readouterr()
  assert not out and 'cannot be written to' in err and len(err.splitlines()) == 1
  (tmp_path / 'folder.png').mkdir()
  assert run('ejsl', f'--data_dir={data}', f'--out={tmp_path}/folder.png') == 2
  assert 'folder.png' in capsys.readouterr().err
  assert [p.name for p in tmp_path.iterdir()] == ['folder.png']


def of_signers(count, name='signer_{}', **changed):
  rng = np.random.default_rng(count)
  return [
    dict(
      signer=name.format(i),
      utterance=f'u{k}',
      emotion=labels.EMOTIONS[int(rng.integers(7))],
      frames=int(rng.integers(1, 60)),
      faces=float(rng.uniform()),
      hands=tuple(rng.uniform(size=2).tolist()),
    )
    | changed
    for i in range(count)
    for k in range(1 + i % 4)
  ]


FIGURES = {
  'one signer': of_signers(1),
  'forty signers': of_signers(40),
  'hundred signers': of_signers(100),
  'long names': of_signers(7, 'Signer_$x_1$_日本_' * 9 + '{}'),
  'three tasks': of_signers(12, sentiment='-3', sign_handedness='one_handed'),
  'no label': of_signers(3, emotion=''),
  'more than the paper': [dict(emotion='neutral', frames=1)] * 1438,
  'no frames': [dict(frames=0)],
}


@pytest.mark.parametrize('clips', FIGURES.values(), ids=FIGURES)
def test_the_figure_can_be_read(tmp_path, saved, clips):  # noqa: F811
  made.build(tmp_path, {'all_clips': clips})
  out = tmp_path / 'new' / 'figure.png'
  assert run('ejsl', f'--data_dir={tmp_path}', f'--out={out}') == 0
  assert out.stat().st_size > 10_000 and [p.name for p in out.parent.iterdir()] == [out.name]
  require_legible(*saved[0])
  require_distinct(saved[0][0])


def bars(axes):
  return [[patch.get_width() for patch in container] for container in axes.containers]


def test_the_figure_shows_the_counts(data, tmp_path, saved, capsys):  # noqa: F811
  assert run('ejsl', f'--data_dir={data}', f'--out={tmp_path}/figure.png') == 0
  emotion, handedness, signers, lengths, seen, _ = saved[0][0].axes
  assert bars(emotion) == [[2, 0, 0, 0, 1, 0, 0, 1]]
  paper = emotion.lines[0]
  assert list(paper.get_xdata()) == [156] * 7 and 'diamond: the paper' in emotion.get_title()
  assert bars(handedness) == [[0, 1, 3]]
  assert np.sum(bars(signers), axis=0).tolist() == [3, 1]
  assert bars(signers)[0] == [2, 0] and bars(signers)[-1] == [0, 1]  # joy, unknown
  assert sum(patch.get_height() for patch in lengths.patches) == 4
  shown = {line.get_label(): line for line in seen.lines}
  at = shown['face'].get_xdata().tolist().index(40)
  assert [shown['face'].get_ydata()[i] for i in (0, at, at + 1, 100)] == [100, 75, 50, 50]
  assert 'face below 0.5: 2 clips' in seen.get_title()


def test_labels_have_the_colours_of_every_figure(data, tmp_path, saved, capsys):  # noqa: F811
  from emo_jax import palette

  assert run('ejsl', f'--data_dir={data}', f'--out={tmp_path}/figure.png') == 0
  colors = [patch.get_facecolor() for patch in saved[0][0].axes[0].patches]
  for color, expected in zip(colors[:7], palette.COLORS[:7], strict=True):
    assert max(cie76(color, expected, vision) for vision in VISION) < 1e-6

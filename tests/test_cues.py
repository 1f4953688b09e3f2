import subprocess
import sys

import pytest

from emo_jax import cues
from emo_jax.errors import exit_status
from emo_jax.text import sentences
from tests.tfds_builders import bobsl_tree
from tests.tfds_builders.bobsl_tree import TEST, TRAIN


@pytest.fixture
def root(tmp_path):
  return bobsl_tree.write(tmp_path / 'bobsl')


def run(root, out, *flags) -> int:
  return exit_status(cues.main, ['bobsl', f'--root={root}', f'--out={out}', *flags])


def test_the_sentences_of_a_corpus(root, tmp_path, capsys):
  out = tmp_path / 'new' / 'SUBTITLES.csv'
  assert run(root, out) == 0
  printed = capsys.readouterr()
  assert printed.out == f'{out}\n'
  assert printed.err.endswith('12 clips of 4 episodes\n')
  made = sentences.read(out)
  assert len(made) == 12
  assert made[1] == sentences.Sentence(
    id=f'{TRAIN[0]}_5200_7200',
    text='The rain has come at last.',
    before='Hello!',
    after='Nobody was sad about it.',
    episode=TRAIN[0],
    start_s=5.2,
    end_s=7.2,
  )


def test_flags_choose_the_clips(root, tmp_path, capsys):
  out = tmp_path / 's.csv'

  def ids(*flags) -> list[str]:
    assert run(root, out, *flags) == 0, capsys.readouterr().err
    return [s.id for s in sentences.read(out)]

  assert ids('--split=test', '--alignment=sat', '--min_s=1.9') == [f'{TEST[0]}_2500_4500']
  assert ids('--split=test', '--alignment=manual', '--max_s=1.2') == [f'{TEST[1]}_500_1700']
  assert ids('--split=test', '--shift=1', '--min_s=1.9') == [f'{TEST[0]}_3500_5500']
  assert len(ids('--with_manual_episodes')) == 21
  (tmp_path / 'list.csv').write_text(f'id\n{TRAIN[1]}_4700_5100\n')
  assert ids(f'--clips={tmp_path}/list.csv') == [f'{TRAIN[1]}_4700_5100']
  every = ids()
  drawn = ids('--sample=5', '--seed=3')
  assert drawn == ids('--sample=5', '--seed=3') != ids('--sample=5')
  assert len(drawn) == 5 and drawn == [id for id in every if id in drawn]  # noqa: A001


def test_absent_subtitles_can_be_left_out(root, tmp_path, capsys):
  (root / bobsl_tree.SUBTITLES['1.4']['audio'] / f'{TEST[0]}.vtt').unlink()
  assert run(root, tmp_path / 's.csv', '--missing=skip') == 0
  assert '9 clips of 3 episodes' in capsys.readouterr().err


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (['--root=/nowhere'], '/nowhere is no download of BOBSL'),
    (['--alignment=audio_raw'], "which has no subtitles 'audio_raw'"),
    (['--alignment=audio-raw'], 'invalid choice'),
    (['--split=val'], 'invalid choice'),
    (['--min_s=a'], 'invalid float value'),
    (['--sample=99'], 'a sample of 99 of 12 clips'),
    (['--clips=/nowhere.csv'], 'cannot read /nowhere.csv'),
    (['--shift=-3'], 'starts before the video'),
    (['--min_s=30', '--max_s=40'], 'no clip of 30 to 40 s'),
  ],
)
def test_a_mistake_is_one_line_and_leaves_what_was_there(root, tmp_path, capsys, flags, message):
  out = tmp_path / 's.csv'
  out.write_text('of before')
  assert run(root, out, *flags) == 2
  printed = capsys.readouterr()
  said = printed.err.splitlines()[-1]
  assert said.startswith('error: ') and message in said and not printed.out
  assert out.read_text() == 'of before'
  assert sorted(p.name for p in tmp_path.iterdir()) == ['bobsl', 's.csv']


def test_the_result_is_a_file_in_a_folder(root, tmp_path, capsys):
  assert run(root, tmp_path) == 2
  assert 'is a folder: name a file' in capsys.readouterr().err
  (tmp_path / 'file').write_text('')
  assert run(root, tmp_path / 'file' / 's.csv') == 2
  assert 'cannot be written to' in capsys.readouterr().err


def test_the_command_loads_no_network_library(root, tmp_path):
  code = (
    'import sys; from emo_jax import cues; '
    f'cues.main(["bobsl", "--root={root}", "--out={tmp_path}/s.csv"]); '
    'print({"jax", "cv2", "mediapipe", "tensorflow_datasets"} & set(sys.modules))'
  )
  done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
  assert done.stdout == f'{tmp_path}/s.csv\nset()\n'

"""The command: files, the same bytes again, and mistakes in a line."""

import subprocess
import sys

import pytest

from emo_jax.errors import exit_status
from emo_jax.report.__main__ import main
from tests import toys
from tests.report import made

SMALL = dict(utterances=4)


def run(*arguments):
  return exit_status(main, [str(x) for x in arguments])


def contents(folder):
  return {p.relative_to(folder): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def test_the_same_runs_give_the_same_bytes(tmp_path, capsys):
  folders = [
    made.run(tmp_path / 'full', 'table3/full', **SMALL),
    made.run(tmp_path / 'last', 'table3/last_2s', seed=1, **SMALL),
  ]
  for name in ('one', 'other'):
    assert run(*folders, f'--out={tmp_path / name}') == 0
  out = capsys.readouterr().out.splitlines()
  assert out[:2] == [str(tmp_path / 'one' / f'report.{ext}') for ext in ('html', 'md')]
  one, other = (contents(tmp_path / name) for name in ('one', 'other'))
  assert one == other
  names = {str(p) for p in one}
  assert {'report.html', 'report.md', 'tables/table3.csv', 'tables/table9.tex'} <= names
  assert {'figures/table3-wacc.png', 'figures/table3-macro_f1.png'} <= names
  assert not [name for name in names if 'partial' in name]
  # Over an older report, too.
  assert run(*folders, f'--out={tmp_path / "one"}') == 0
  assert contents(tmp_path / 'one') == one


def test_a_run_that_was_trained_is_reported(tmp_path, capsys):
  workdir = toys.finished_run(tmp_path / 'run')
  assert run(workdir, f'--out={tmp_path / "report"}') == 0
  assert 'no run fills a row' in capsys.readouterr().err
  text = (tmp_path / 'report/report.md').read_text()
  assert 'No run fills a row of a table: see Other evaluations.' in text
  assert 'SYNTHETIC' in text.splitlines()[0] and 'toy:test' in text
  others = (tmp_path / 'report/tables/others.csv').read_text()
  assert '"eanwh, full (synthetic)",toy:test,emotion,' in others


def test_mixed_runs_are_refused_unless_that_is_allowed(tmp_path, capsys):
  key = made.KEY | dict(resize='nearest')
  folders = [
    made.run(tmp_path / 'full', 'table3/full', **SMALL),
    made.run(tmp_path / 'last', 'table3/last_2s', key=key, **SMALL),
  ]
  out = tmp_path / 'report'
  assert run(*folders, f'--out={out}') == 2
  (line,) = capsys.readouterr().err.splitlines()
  assert line.startswith('error: ') and 'resize: none against nearest' in line
  assert 'table3_full' in line and 'table3_last_2s' in line and not out.exists()
  assert run(*folders, f'--out={out}', '--allow_mixed') == 0
  text = (out / 'report.md').read_text()
  top, _, table = text.partition('Table 3: ')
  assert 'side by side (--allow_mixed)' in top and 'resize: none against nearest' in top
  assert 'Mixed: table3_full' in table.partition('Table 4: ')[0]
  assert 'Mixed: table3_full' in text.partition('## On ejsl:all')[2]
  assert 'not compared, as they differ in resize' in table


def test_real_scores_beside_synthetic_ones_have_their_own_difference(tmp_path):
  folders = [
    made.run(tmp_path / 'full', 'table3/full'),
    made.run(tmp_path / 'last', 'table3/last_2s', key=made.SYNTHETIC_KEY),
  ]
  assert run(*folders, f'--out={tmp_path / "report"}', '--allow_mixed') == 0
  text = (tmp_path / 'report/report.md').read_text()
  assert '(partly SYNTHETIC)' in text.splitlines()[0]
  assert '**Partly SYNTHETIC clips. Which segment of a clip' in text
  lines = (tmp_path / 'report/tables/table3.csv').read_text().splitlines()
  head = lines[0].split(',')
  place = head.index('macro F1: difference')
  assert 'macro F1: paper (real signers)' in head
  by_name = {line.split(',')[0]: line.split(',') for line in lines[1:]}
  assert by_name['full clip'][place] and not by_name['last 2 s (synthetic)'][place]


@pytest.mark.parametrize(
  ('arguments', 'said'),
  [
    (['nowhere'], 'nowhere is no folder'),
    ([], 'the following arguments are required: WORKDIR'),
    (['x', '--allow'], 'unrecognized arguments: --allow'),
  ],
)
def test_a_mistake_ends_in_a_line(capsys, arguments, said):
  assert run(*arguments) == 2
  (line,) = capsys.readouterr().err.splitlines()
  assert line.startswith('error: ') and said in line


def test_a_folder_that_cannot_be_written_is_told(tmp_path, capsys):
  folder = made.run(tmp_path / 'run', 'table3/full', **SMALL)
  (tmp_path / 'file').write_text('')
  assert run(folder, f'--out={tmp_path / "file" / "report"}') == 2
  assert 'cannot write to' in capsys.readouterr().err
  assert run(folder, f'--out={folder}') == 2
  assert 'holds a run, whose own report would be lost' in capsys.readouterr().err


def test_help_is_quick():
  """It is printed before anything heavy is imported."""
  code = (
    'import sys; from emo_jax.report.__main__ import main\n'
    "try: main(['--help'])\nexcept SystemExit: assert 'jax' not in sys.modules"
  )
  done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
  assert done.returncode == 0 and '--allow_mixed' in done.stdout, done.stderr

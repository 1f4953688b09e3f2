"""Figures of a report can be read, and show the numbers that they were given."""

import numpy as np
import pytest

from emo_jax import palette
from emo_jax.report import charts
from emo_jax.report.blocks import Number
from emo_jax.report.charts import Bar
from tests import test_figures
from tests.test_figures import VISION, cie76, require_legible

TITLE = 'wAcc (UAR) in Table 1 of the paper. SYNTHETIC corpus signsim, says nothing of signers'
LONG = 'EAN, non-signers: table1_non_signers_crema_d (clips seen in training: not a test)'


saved = test_figures.saved


def bars(count, called=LONG):
  rng = np.random.default_rng(count)
  found = []
  for i in range(count):
    value = float(rng.uniform(0, 90))
    ours = Number(value, max(value - 8, 0.0), value + 9) if i % 3 != 1 else None
    found.append(Bar(f'{called} {i}', ours, Number(float(rng.uniform(0, 40)))))
  return found


@pytest.mark.parametrize('count', [1, 3, 14])
@pytest.mark.parametrize('called', ['EANwH', LONG, 'a_very_long_name_of_a_run_' * 3])
def test_bars_are_legible(saved, tmp_path, count, called):
  path = tmp_path / 'figures' / 'bars.png'
  png, svg = charts.bars(path, TITLE, 'wAcc', bars(count, called), 'paper (real signers)', 14.3)
  assert png.is_file() and svg.is_file()
  require_legible(saved[0][0], dict(dpi=charts.DPI, bbox_inches='tight'))


def lines(figure, marker):
  return [x.get_xydata() for x in figure.axes[0].lines if x.get_marker() == marker]


def test_bars_show_values_intervals_and_published_numbers(saved, tmp_path):
  shown = [
    Bar('a', Number(30.0, 25.0, 36.0), Number(15.5)),
    Bar('b', None, Number(7.41)),
    Bar('c', Number(12.0), None),
  ]
  charts.bars(tmp_path / 'a.png', 'title', 'wAcc', shown, 'paper', None)
  figure = saved[0][0]
  assert [p.get_width() for p in figure.axes[0].patches] == [30.0, 12.0]
  assert [x[:, 0].tolist() for x in lines(figure, '|')] == [[25.0, 36.0]]
  assert [x[0, 0] for x in lines(figure, 'D')] == [15.5, 7.41]
  assert figure.axes[0].get_xlim()[1] > 36
  texts = [t.get_text() for t in figure.axes[0].texts]
  assert texts == ['a', '30.00', 'b', '-', 'c', '12.00']
  heads = [t.get_text() for t in figure.legends[0].get_texts()]
  assert heads == ['ours', '95 % interval', 'paper']


def test_published_numbers_are_not_drawn_where_they_have_no_name(saved, tmp_path):
  shown = [Bar('a', Number(30.0), Number(15.5))]
  charts.bars(tmp_path / 'a.png', 'title', 'wAcc', shown, '', None)
  assert not lines(saved[0][0], 'D')
  assert [t.get_text() for t in saved[0][0].legends[0].get_texts()] == ['ours']


def calibration(rows):
  edges = np.linspace(0, 1, 11)
  bins = [
    dict(low=low, high=high, n=0.0, confidence=None, accuracy=None)
    for low, high in zip(edges[:-1], edges[1:], strict=True)
  ]
  for i, n, accuracy in rows:
    bins[i] |= dict(n=n, accuracy=accuracy, confidence=float(edges[i]) + 0.05)
  return dict(bins=bins, ece=0.1, nll=1.0, brier=0.5)


@pytest.mark.parametrize(
  'rows', [[(9, 1000.0, 1.0)], [(i, 100000.0 - 7.5 * i, 0.9) for i in range(10)]]
)
def test_reliability_is_legible(saved, tmp_path, rows):
  charts.reliability(tmp_path / 'r.png', f'{LONG}\non ejsl:all, ECE 5.3 %', calibration(rows))
  require_legible(saved[0][0], dict(dpi=charts.DPI, bbox_inches='tight'))


def test_reliability_shows_the_bins(saved, tmp_path):
  charts.reliability(tmp_path / 'r.png', 'title', calibration([(3, 40.0, 0.25), (5, 10.5, 0.75)]))
  above, below = saved[0][0].axes
  assert [p.get_height() for p in above.patches] == [25.0, 75.0]
  assert [p.get_height() for p in below.patches] == [40.0, 10.5]
  (marks,) = (x for x in above.lines if x.get_marker() == 'D')
  np.testing.assert_allclose(marks.get_xydata(), [(35, 35), (55, 55)])


@pytest.mark.parametrize('vision', VISION)
def test_colours_are_told_apart(vision):
  used = palette.SKY_BLUE, palette.VERMILLION, palette.BLACK, '#ffffff'
  for i, one in enumerate(used):
    for other in used[:i]:
      assert cie76(one, other, vision) > 25, (one, other)


def test_the_same_numbers_give_the_same_bytes(tmp_path):
  made = [charts.bars(tmp_path / d / 'a.png', 't', 'x', bars(2), 'p', 9.0) for d in 'ab']
  for one, other in zip(*made, strict=True):
    assert one.read_bytes() == other.read_bytes()

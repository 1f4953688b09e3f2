"""Figures can be read: no text cut off, overlapping or tiny, lines told apart by everybody."""

import itertools

import numpy as np
import pytest
from matplotlib import colors
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from emo_jax import figures, labels, metrics, palette, timeline

SMALLEST_PT = 8

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
VISION = {
  'protanopia': [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  'deuteranopia': [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.011820, 0.042940, 0.968881],
  ],
}
SRGB_TO_XYZ = np.array(
  [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)


def lab(color, vision):
  """CIE L*a*b* (D65) of a colour as it is seen."""
  srgb = np.array(colors.to_rgb(color))
  linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
  seen = np.clip(np.array(VISION[vision]) @ linear, 0, 1)
  t = SRGB_TO_XYZ @ seen / (SRGB_TO_XYZ @ np.ones(3))
  f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
  return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def cie76(one, other, vision):
  return float(np.linalg.norm(lab(one, vision) - lab(other, vision)))


@pytest.fixture
def saved(monkeypatch):
  """The figures that were saved, with how they were."""
  found, save = [], Figure.savefig

  def recording(self, *args, **kwargs):
    found.append((self, kwargs))
    return save(self, *args, **kwargs)

  monkeypatch.setattr(Figure, 'savefig', recording)
  return found


def require_legible(figure, options):
  """Draws a figure as it was saved and looks at every text in it."""
  texts, draw = [], Text.draw

  def recording(self, renderer, *args, **kwargs):
    if self.get_visible() and self.get_text().strip():
      texts.append((self, self.get_window_extent(renderer)))
    return draw(self, renderer, *args, **kwargs)

  figure.set_dpi(options['dpi'])
  canvas = FigureCanvasAgg(figure)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(Text, 'draw', recording)
    canvas.draw()
  box = figure.bbox
  if options.get('bbox_inches') == 'tight':
    box = figure.get_tightbbox(canvas.get_renderer()).padded(0.1)
    box = box.transformed(figure.dpi_scale_trans)
  assert texts
  for text, (x0, y0, x1, y1) in ((t, b.extents) for t, b in texts):
    assert text.get_fontsize() >= SMALLEST_PT, text
    assert box.x0 <= x0 and box.y0 <= y0 and x1 <= box.x1 and y1 <= box.y1, f'{text} is cut off'
  for (a, one), (b, other) in itertools.combinations(texts, 2):
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    assert width < 1 or height < 1, f'{a} and {b} overlap'


def require_distinct(figure):
  """Any two lines of a legend differ in style or marker, or in colour for everybody."""
  for axes in figure.axes:
    drawn = [line for line in axes.lines if not line.get_label().startswith('_')]
    for a, b in itertools.combinations(drawn, 2):
      shape = [(x.get_linestyle(), x.get_marker()) for x in (a, b)]
      far = min(cie76(a.get_color(), b.get_color(), vision) for vision in VISION)
      assert shape[0] != shape[1] or far > 15, (a, b)


@pytest.mark.parametrize('vision', VISION)
def test_the_palette_is_told_apart_by_the_colour_blind(vision):
  assert len(set(palette.STYLES)) == len(palette.STYLES) == len(palette.COLORS)
  for one, other in itertools.combinations(palette.COLORS, 2):
    assert cie76(one, other, vision) > 12, (one, other)
  # The distance itself: red and green, which the colour-blind confuse, white and black, which not.
  assert cie76('#b57a00', '#8f8f00', 'deuteranopia') < 15 < cie76('w', 'k', vision)


def test_every_task_has_a_colour_per_label():
  assert max(len(labels.names(task)) for task in labels.TASKS) <= len(palette.COLORS)


def entry(task, **changed):
  names = labels.names(task)
  n = len(names)
  counts = metrics.confusion(np.repeat(np.arange(n), 1234), np.arange(n).repeat(1234)[::-1], n)
  made = dict(corpus='bobsl/m_c', split='validation+test', segment='random_2s')
  return metrics.scores(counts, names) | made | dict(labels=names, confusion=counts.tolist())


@pytest.mark.parametrize('task', labels.TASKS)
def test_confusion_matrix(saved, tmp_path, task):
  mark = ' (synthetic; clips seen in training or selection: not a test)'
  figures.confusion(tmp_path, entry(task), mark, 'Trained on the SYNTHETIC corpus signsim.')
  require_legible(*saved[0])


@pytest.mark.parametrize('steps', [1, 30])
def test_training_curves(saved, tmp_path, steps):
  scores = {f'validation/{k}': 0.5 for k in ('macro_f1', 'wacc', 'accuracy')}
  lines = [dict(step=1000 * s, loss=2 / s, **scores) for s in range(1, steps + 1)]
  figures.curves(tmp_path, [lines], 'Trained on the SYNTHETIC corpus signsim.')
  require_legible(*saved[0])
  require_distinct(saved[0][0])


def test_effects(saved, tmp_path):
  one = dict(mean=0.1, low=-0.05, high=0.25, seeds=[0.0, 0.1, 0.2])
  found = {
    f'control, EANwH labels shuffled: wAcc less chance {i}': one | dict(verdict=verdict)
    for i, verdict in enumerate(['holds', 'fails'] * 6)
  }
  figures.effects(tmp_path, found)
  require_legible(*saved[0])
  shapes = {(line.get_color(), line.get_marker()) for line in saved[0][0].axes[0].lines}
  by_marker = {marker: color for color, marker in shapes if marker in ('o', 'X')}
  assert min(cie76(by_marker['o'], by_marker['X'], vision) for vision in VISION) > 15


def track(seconds, names=labels.EMOTIONS, frame_s=0.2):
  rng = np.random.default_rng(0)
  time_s = np.arange(0, seconds, frame_s, dtype=np.float32)
  weight = rng.uniform(0, 1, (len(time_s), len(names))) ** 4
  return timeline.Track(
    names,
    time_s,
    weight / weight.sum(1, keepdims=True),
    rng.uniform(size=len(time_s)) > 0.5,
    rng.uniform(size=len(time_s)) > 0.7,
    rng.uniform(size=len(time_s)) > 0.9,
  )


LONG = ['A_SIGNER_日本_$x_1$_' * 14 + ': joy 34 % by eanwh on the full clip', 'not a score']


@pytest.mark.parametrize('seconds', [0.2, 3.9, 119.9, 130, 1300, 9000])
@pytest.mark.parametrize('title', [['short'], LONG], ids=['short', 'long'])
def test_timeline(saved, tmp_path, seconds, title):
  timeline.draw(tmp_path / 't.png', track(seconds), title)
  require_legible(*saved[0])
  assert [p.name for p in tmp_path.iterdir()] == ['t.png']


def test_timeline_of_two_labels_and_frames_of_which_nothing_is_known(saved, tmp_path):
  known = track(20, labels.names('sign_handedness'))
  known.probabilities[:30] = np.nan
  timeline.draw(tmp_path / 't.png', known, ['two'])
  require_legible(*saved[0])


def test_timeline_shows_values_strips_and_the_last_two_seconds(saved, tmp_path):
  shown = track(10)
  timeline.draw(tmp_path / 't.png', shown, ['ten seconds'])
  curves, signing, no_hand, no_face = saved[0][0].axes
  drawn = np.array([line.get_ydata() for line in curves.lines[1:]])
  np.testing.assert_allclose(drawn[:, :-1].T, shown.probabilities)
  strips = (signing, shown.signing), (no_hand, shown.no_hand), (no_face, shown.no_face)
  for strip, values in strips:
    np.testing.assert_array_equal(strip.collections[0].get_array().ravel(), values)
  # Frames at 0, 0.2, ..., 9.8 s: those later than 7.8 s are the last ten.
  assert curves.lines[0].get_xdata()[0] == pytest.approx(8.0)


def test_a_long_timeline_is_averaged_in_rows(saved, tmp_path):
  shown = track(3700)
  timeline.draw(tmp_path / 't.png', shown, ['an hour'])
  axes = saved[0][0].axes
  assert len(axes) == 4 * timeline.MOST_ROWS
  first = np.array([line.get_ydata() for line in axes[0].lines[1:]])
  assert first.shape[1] <= timeline.LINE_POINTS + 1
  np.testing.assert_allclose(first[:, :-1].sum(0), 1)

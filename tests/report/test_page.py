"""The page: whole in itself, read by machines, and laid out on wide and narrow screens."""

import itertools
import re
import shutil
from html.parser import HTMLParser

import pytest

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('chrome')
WIDTHS = (1280, 390)
VOID = {'meta', 'br', 'img', 'wbr', 'input', 'link', 'hr'}


class Page(HTMLParser):
  """Elements in order, those that are open, and the text."""

  def __init__(self, text):
    super().__init__()
    self.elements, self.open, self.said = [], [], []
    self.feed(text)
    self.close()

  def handle_starttag(self, tag, attrs):
    self.elements.append((tag, dict(attrs), tuple(self.open)))
    if tag not in VOID:
      self.open.append(tag)

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_data(self, data):
    if 'style' not in self.open:
      self.said.append(data)

  def all(self, name):
    return [attrs for tag, attrs, _ in self.elements if tag == name]


@pytest.fixture(scope='module', params=['synthetic', 'real'])
def folder(request):
  return request.getfixturevalue(request.param)


@pytest.fixture(scope='module')
def page(folder):
  return Page((folder / 'report.html').read_text())


def test_elements_are_closed_and_names_are_unique(page):
  assert page.open == []
  ids = [attrs['id'] for _, attrs, _ in page.elements if 'id' in attrs]
  assert len(set(ids)) == len(ids)
  links = [attrs['href'] for attrs in page.all('a')]
  assert links and {link.removeprefix('#') for link in links} <= set(ids)
  named = [attrs[k] for _, attrs, _ in page.elements for k in attrs if k == 'aria-labelledby']
  assert named and set(named) <= set(ids)


def test_it_needs_nothing_else(folder, page):
  text = (folder / 'report.html').read_text()
  assert not re.search(r'(?i)https?:|//[a-z]|@import|url\(|<script|<link|srcset', text)
  pictures = page.all('img')
  assert pictures
  for attrs in pictures:
    assert attrs['src'].startswith('data:image/') and len(attrs['alt']) > 20
    assert int(attrs['width']) and int(attrs['height'])


def test_it_is_accessible(page):
  (html,) = page.all('html')
  assert html['lang'] == 'en'
  assert [tag for tag, _, _ in page.elements if tag in ('h1', 'main', 'title')] == [
    'title',
    'h1',
    'main',
  ]
  assert page.all('a')[0] == {'class': 'skip', 'href': '#main'}
  for attrs in page.all('th'):
    assert attrs['scope'] in ('col', 'row', 'colgroup', 'rowgroup')
  levels = [int(tag[1]) for tag, _, _ in page.elements if re.fullmatch('h[1-6]', tag)]
  assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
  for attrs in page.all('div'):
    if attrs.get('class') == 'box':
      assert attrs['role'] == 'region' and attrs['tabindex'] == '0'


def test_rows_of_a_table_are_as_wide_as_its_head(folder):
  text = (folder / 'report.html').read_text()
  for table in re.findall(r'(?s)<table.*?</table>', text):
    below, widths = {}, []
    for row in re.findall(r'(?s)<tr.*?</tr>', table):
      width = below.pop(len(widths), 0)
      for attributes in re.findall(r'<t[hd]([^>]*)>', row):
        spans = {k: int(n) for k, n in re.findall(r'(rowspan|colspan)="(\d+)"', attributes)}
        width += spans.get('colspan', 1)
        for later in range(1, spans.get('rowspan', 1)):
          below[len(widths) + later] = below.get(len(widths) + later, 0) + 1
      widths.append(width)
    assert len(set(widths)) == 1, table[:300]


def test_every_caption_says_synthetic(synthetic):
  text = (synthetic / 'report.html').read_text()
  page = Page(text)
  assert 'SYNTHETIC' in page.said[page.said.index('\n', 1) - 1] or 'SYNTHETIC' in text[:900]
  captions = re.findall(r'<figcaption[^>]*>(.*?)</figcaption>', text)
  assert captions and all(caption.startswith('SYNTHETIC') for caption in captions)
  (title,) = re.findall('<h1>(.*?)</h1>', text)
  assert 'SYNTHETIC' in title
  markdown = (synthetic / 'report.md').read_text()
  assert 'SYNTHETIC' in markdown.splitlines()[0]
  for caption in re.findall(r'(?m)^(?:\*\*|\*)(.*?)\*', markdown):
    assert caption.startswith('SYNTHETIC')
  for path in (synthetic / 'tables').glob('*.tex'):
    assert r'\caption{SYNTHETIC' in path.read_text()


def test_names_of_runs_are_shown_as_they_are(real):
  said = ''.join(Page((real / 'report.html').read_text()).said)
  assert 'first <2 s> | 50 % & more' in said


def test_sections_stand_in_their_order(page):
  ids = [attrs['id'] for tag, attrs, _ in page.elements if tag in ('h2', 'h3') and 'id' in attrs]
  expected = ['summary', 'reading', 'hypotheses', 'controls', 'tables', 'table1', 'table9']
  expected += ['emosign', 'emosign_sentiment', 'others', 'provenance']
  assert [x for x in ids if x in expected] == expected


@pytest.fixture(scope='module')
def browser():
  if not CHROMIUM:
    pytest.skip('no Chromium here')
  api = pytest.importorskip('playwright.sync_api', reason='no playwright here')
  with api.sync_playwright() as playwright:
    made = playwright.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
    yield made
    made.close()


@pytest.fixture(scope='module', params=WIDTHS)
def shown(browser, folder, request):
  tab = browser.new_page(viewport=dict(width=request.param, height=900))
  tab.goto(f'file://{folder / "report.html"}')
  yield tab
  tab.close()


def test_the_page_never_scrolls_sideways(shown):
  wide, window = shown.evaluate('[document.documentElement.scrollWidth, innerWidth]')
  assert wide <= window
  stray = shown.evaluate("""[...document.querySelectorAll('body *')].filter(e =>
    !e.closest('.box') && !e.closest('.skip') && !e.matches('.hidden, .hidden *')
    && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))""")
  assert stray == []


def test_tables_can_be_reached_to_their_end(shown):
  ends = shown.evaluate("""[...document.querySelectorAll('.box')].map(box => {
    const inner = box.firstElementChild, hidden = box.scrollWidth - box.clientWidth;
    box.scrollLeft = 1e6;
    const seen = box.getBoundingClientRect().right - inner.getBoundingClientRect().right;
    box.scrollLeft = 0;
    return [hidden, seen, getComputedStyle(box).overflowX, box.tabIndex];
  })""")
  assert ends and any(hidden > 0 for hidden, *_ in ends)
  for _, seen, overflow, tab in ends:
    assert seen > -1.5 and overflow == 'auto' and tab == 0


def test_blocks_of_text_do_not_overlap(shown):
  overlaps = shown.evaluate("""(() => {
    const found = [];
    const said = 'h1, h2, h3, p, li, figcaption, .box, nav a';
    const blocks = [...document.querySelectorAll(said)].filter(e =>
      !e.querySelector(said) && !e.matches('.skip'));
    const boxes = blocks.map(e => e.getBoundingClientRect());
    for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {
      const a = boxes[i], b = boxes[j];
      const w = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const h = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (w > 1 && h > 1) found.push([i, j].map(k => blocks[k].outerHTML.slice(0, 90)));
    }
    return found;
  })()""")
  assert overlaps == []


def test_cells_hold_their_text(shown):
  """No text runs out of its cell into the next one."""
  spilt = shown.evaluate("""[...document.querySelectorAll('th, td')].filter(cell => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    const text = range.getBoundingClientRect(), box = cell.getBoundingClientRect();
    return text.width && !cell.querySelector('.hidden')
      && (text.right > box.right + 1 || text.left < box.left - 1);
  }).map(cell => cell.outerHTML.slice(0, 120))""")
  assert spilt == []


def test_letters_are_large_enough(shown):
  smallest = shown.evaluate("""Math.min(...[...document.querySelectorAll('body *')]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .map(e => parseFloat(getComputedStyle(e).fontSize)))""")
  assert smallest >= 12


def luminance(rgb):
  linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
  return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def color(text):
  """`rgb(1, 2, 3)`, `rgba(...)` or `color(srgb 0.1 0.2 0.3)` -> red, green, blue, alpha."""
  values = [float(x) for x in re.findall(r'[\d.]+', text)]
  scale = 1 if text.startswith('color') else 255
  return [x / scale for x in values[:3]] + [values[3] if len(values) > 3 else 1.0]


def test_contrast_is_that_of_wcag_aa(shown):
  """4.5 to 1 for every text on what lies behind it."""
  pairs = shown.evaluate("""[...new Set([...document.querySelectorAll('body *')]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .map(e => {
      let behind = e, ground = 'rgb(255, 255, 255)';
      for (; behind; behind = behind.parentElement) {
        const own = getComputedStyle(behind).backgroundColor;
        if (!/, 0\\)$|\\/ 0\\)$/.test(own)) { ground = own; break; }
      }
      return getComputedStyle(e).color + '|' + ground;
    }))]""")
  assert len(pairs) > 2
  for pair in pairs:
    text, ground = (color(x) for x in pair.split('|'))
    assert text[3] == ground[3] == 1, pair
    light, dark = sorted((luminance(text[:3]), luminance(ground[:3])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5, pair


def test_numbers_stand_to_the_right_with_figures_of_one_width(shown):
  styles = shown.evaluate("""[...new Set([...document.querySelectorAll('td.number')].map(e => {
    const s = getComputedStyle(e);
    return s.textAlign + ' ' + s.fontVariantNumeric;
  }))]""")
  assert styles == ['right lining-nums tabular-nums']


def test_the_keyboard_skips_to_the_content(shown):
  shown.evaluate('scrollTo(0, 0)')
  shown.keyboard.press('Tab')
  assert shown.evaluate('document.activeElement.className') == 'skip'
  assert shown.evaluate("document.querySelector('.skip').getBoundingClientRect().top") >= 0
  shown.keyboard.press('Enter')
  assert shown.evaluate('document.activeElement.id') == 'main'


def test_pictures_are_as_large_as_their_letters_need(shown):
  """Points of the figure are points of the page: nine of them are twelve pixels."""
  sizes = shown.evaluate("""[...document.images].map(i =>
    [i.complete, i.width / i.naturalWidth])""")
  assert sizes and all(done for done, _ in sizes)
  assert all(ratio == pytest.approx(1, abs=0.02) for _, ratio in sizes)


def test_it_can_be_printed(browser, folder):
  tab = browser.new_page()
  tab.goto(f'file://{folder / "report.html"}')
  tab.emulate_media(media='print')
  assert tab.evaluate("getComputedStyle(document.querySelector('nav')).display") == 'none'
  assert tab.evaluate("getComputedStyle(document.querySelector('.box')).overflowX") == 'visible'
  assert tab.pdf(prefer_css_page_size=True).startswith(b'%PDF')
  tab.close()

"""The terminal program of `emo_jax.annotate`: a sentence, its neighbours, and a key per emotion."""

from collections.abc import Callable, Iterator

from emo_jax.errors import UserError
from emo_jax.text.annotation import Session

try:
  from textual.app import App
  from textual.binding import Binding
  from textual.containers import VerticalScroll
  from textual.screen import ModalScreen, Screen
  from textual.widget import Widget
  from textual.widgets import Static
except ModuleNotFoundError as error:
  raise UserError("Textual is not installed: pip install 'emo_jax[annotate]'") from error

# The paper's Appendix B.
KEYS = dict(a='anger', d='disgust', f='fear', j='joy', n='neutral', s='sadness', u='surprise')

_EXAMPLES = dict(
  anger='"You sold my bicycle without asking me? Get out of my sight!"',
  disgust='"There is hair in the soup, and something in it still moves."',
  fear='"Keep your voice down. Someone is behind that door."',
  joy='"They said yes! We are getting the house by the sea!"',
  neutral='"The shop opens at nine and closes at half past five."',
  sadness='"Her chair is empty now, and I still set a plate for her."',
  surprise='"Hold on, that tiny dog pulled the whole sledge by itself?"',
)

_MOVING = """\
Left, Backspace  the sentence before; another key then changes its label
Right            the sentence after; one without a label counts as skipped
Space            skip: on to the next sentence without a label
x                take the label away
Up, Down         scroll a long text
q, Ctrl+C        quit; start again with the same files to go on from here
h, ?             this page"""

_TASK = """\
WHAT TO DO

Give the sentence in the frame the one emotion it expresses, in the light of the \
sentences before and after it. Where no emotion is evident, it is neutral. Exactly \
one emotion per sentence; if several fit, take the strongest."""

# Control characters would reach the terminal.
_SHOWN = {
  **dict.fromkeys((*range(32), *range(127, 160)), '\N{REPLACEMENT CHARACTER}'),
  ord('\n'): '\n',
  ord('\t'): ' ',
}


class AnnotationApp(App[str]):
  """Shows a session's sentences; `run` returns what went wrong, or None."""

  ENABLE_COMMAND_PALETTE = False
  CSS = """
  #progress, #label, #keys { height: auto; padding: 0 1; }
  #progress { border-bottom: solid $foreground; }
  #keys { border-top: solid $foreground; }
  #label { text-style: bold; }
  VerticalScroll { height: 1fr; padding: 0 1; }
  #sentence { border: heavy $foreground; padding: 0 1; margin: 1 0; text-style: bold; }
  """
  BINDINGS = [Binding('ctrl+c', 'quit', show=False, priority=True)]

  def __init__(self, session: Session):
    super().__init__()
    self._session = session

  def on_mount(self) -> None:
    self.push_screen(_Labelling(self._session))


class _Labelling(Screen):
  BINDINGS = [
    *(Binding(f'{key},{key.upper()}', f'label("{name}")') for key, name in KEYS.items()),
    Binding('left,backspace', 'back'),
    Binding('right', 'forward'),
    Binding('space', 'skip'),
    Binding('x,X', 'clear'),
    Binding('up', 'scroll(-1)'),
    Binding('down', 'scroll(1)'),
    Binding('h,H,question_mark', 'help'),
    Binding('q,Q', 'app.quit'),
  ]

  def __init__(self, session: Session):
    super().__init__()
    self._session = session

  def compose(self) -> Iterator[Widget]:
    yield _text('progress')
    with VerticalScroll(id='body', can_focus=False):
      yield _text('before')
      yield _text('sentence')
      yield _text('after')
    yield _text('label')
    yield _text('keys')

  def on_mount(self) -> None:
    emotions = '  '.join(f'{key} {name}' for key, name in KEYS.items())
    moving = '← back   → next   Space skip   x no label   ↑↓ scroll   h help   q quit'
    self._put('keys', f'{emotions}\n{moving}')
    self._show()

  def action_label(self, name: str) -> None:
    self._do(lambda: self._session.label(name))

  def action_skip(self) -> None:
    self._do(self._session.skip)

  def action_forward(self) -> None:
    self._do(self._session.forward)

  def action_clear(self) -> None:
    self._do(self._session.clear)

  def action_back(self) -> None:
    self._do(self._session.back)

  def action_scroll(self, lines: int) -> None:
    self.query_one('#body').scroll_relative(y=lines, animate=False)

  def action_help(self) -> None:
    self.app.push_screen(_Help())

  def _do(self, change: Callable[[], None]) -> None:
    try:
      change()
    except UserError as error:
      self.app.exit(str(error))
      return
    self._show()

  def _show(self) -> None:
    session, sentence = self._session, self._session.current
    total = len(session.sentences)
    counts = f'{session.labelled:,} labelled   {session.skipped:,} skipped'
    place = f'sentence {session.position + 1:,} of {total:,}' if sentence else f'end of {total:,}'
    self._put('progress', f'{place}   {counts}')
    self._put('before', f'before: {sentence.before or "(none)"}' if sentence else '')
    self._put('after', f'after: {sentence.after or "(none)"}' if sentence else '')
    self._put('sentence', (sentence.text or '(no text)') if sentence else self._ending())
    given = session.label_of(sentence) if sentence else ''
    states = {None: 'no label yet', '': 'skipped'}
    self._put('label', f'label: {states.get(given, given)}' if sentence else '')
    self.query_one('#body').scroll_home(animate=False)

  def _ending(self) -> str:
    if self._session.labelled == len(self._session.sentences):
      return 'Every sentence has a label. q quits, ← goes back.'
    return 'That was the last sentence. Space goes to the first one without a label; q quits.'

  def _put(self, place: str, text: str) -> None:
    self.query_one(f'#{place}', Static).update(text.translate(_SHOWN))


class _Help(ModalScreen):
  BINDINGS = [
    Binding('h,H,question_mark,escape,space,left,right,backspace', 'dismiss'),
    Binding('q,Q', 'app.quit'),
    Binding('up', 'scroll(-1)'),
    Binding('down', 'scroll(1)'),
  ]

  def compose(self) -> Iterator[Widget]:
    emotions = '\n'.join(f'{key}  {name:9} {_EXAMPLES[name]}' for key, name in KEYS.items())
    with VerticalScroll(can_focus=False):
      yield Static(f'{_TASK}\n\n{emotions}\n\n{_MOVING}', markup=False)
    yield Static('h closes this page, Up and Down scroll', id='keys')

  def action_scroll(self, lines: int) -> None:
    self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)


def _text(place: str) -> Static:
  # Without markup: subtitles put what is heard in brackets.
  return Static(id=place, markup=False)

"""Questions to an OpenAI-compatible server: again after a failure, never faster than it allows."""

import dataclasses
import email.utils
import json
import random
import threading
import time
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from emo_jax.errors import UserError
from emo_jax.vlm import secrets, wording
from emo_jax.vlm.secrets import Secrets
from emo_jax.vlm.wording import Prompt

OPENAI_URL = 'https://api.openai.com/v1'
_EXTRA = "pip install -e '.[vlm]'"
_NO_KEY = 'none'  # the client insists on one; local servers do not look at it
_LONGEST = 300  # characters of what a server says
_FIRST_WAIT_S = 1.0
_AGAIN = (408, 409, 425, 429)  # and 500 and above
_DENIED = (401, 403, 404)  # every other question would be too
_NOT_THAT_FORM = (400, 415, 422, 501)  # what servers say to a response_format they do not know
_SPENT = 'insufficient_quota'


class Failed(Exception):
  """One question was not answered. The message is one line without the key."""


class Halted(Failed):
  """So is every other question for now; `denied`: until the user mends something."""

  def __init__(self, message: str, denied: bool = False):
    super().__init__(message)
    self.denied = denied


@dataclasses.dataclass(frozen=True)
class Reply:
  """An answer of a server.

  Attributes:
    text: what the model wrote, or why it refused.
    tokens_in, tokens_out: as the server counts them; None where it does not.
    model: what the server calls the model.
    finish: why the model stopped, in the server's words.
    structured: was the answer held to the labels by the server?
  """

  text: str
  tokens_in: int | None
  tokens_out: int | None
  model: str
  finish: str
  structured: bool


@dataclasses.dataclass(frozen=True)
class Settings:
  """How a server is asked.

  Attributes:
    model: its name there.
    base_url: such as `http://localhost:8000/v1`.
    timeout_s: without a sign of the server before a question is asked again.
    retries: how often a question is asked again.
    max_wait_s: longest wait before that.
    max_tokens: longest answer; 0: as long as the server allows.
  """

  model: str
  base_url: str
  timeout_s: float
  retries: int
  max_wait_s: float
  max_tokens: int


class Server:
  """A server that answers questions, from several threads at once; a context."""

  def __init__(self, settings: Settings, key: str | None):
    """Opens no connection yet.

    Raises:
      UserError: the package openai is not installed, the address is none, or OpenAI itself is to be
        asked without a key.
    """
    self._openai, self._settings = _library(), settings
    self._host = secrets.require_url(settings.base_url)
    if not key and self._host == OPENAI_URL:
      raise UserError(
        f'{self._host} needs a key: set {secrets.KEY_VARIABLE}, or --base_url=URL of another'
      )
    self._secrets = Secrets(key, settings.base_url)
    # Of the client's own tries neither the number nor the waits would be known here.
    self._client = self._openai.OpenAI(
      api_key=key or _NO_KEY,
      base_url=settings.base_url,
      timeout=settings.timeout_s,
      max_retries=0,
    )
    self._lock = threading.Lock()
    self._not_before = 0.0
    self._structured: bool | None = None  # None: not known yet
    self._answered = False
    self._stop = threading.Event()

  def __enter__(self) -> 'Server':
    return self

  def __exit__(self, *_: object) -> None:
    self._client.close()

  @property
  def host(self) -> str:
    """Where the questions go, without what is secret in the address."""
    return self._host

  def stop(self) -> None:
    """Lets no question be asked again; those under way may still be answered."""
    self._stop.set()

  def ask(self, prompt: Prompt, images: Sequence[bytes]) -> Reply:
    """Asks until there is an answer.

    Raises:
      Failed: there is none after all tries.
      Halted: the server denies the key, the model or the address, cannot be reached at all, or asks
        for a longer wait than allowed.
    """
    body = dict(
      model=self._settings.model, messages=wording.messages(prompt, images), temperature=0
    )
    if self._settings.max_tokens:
      body['max_tokens'] = self._settings.max_tokens
    for attempt in range(self._settings.retries + 1):
      self._wait_for_turn()
      try:
        return self._once(body, prompt.task)
      except self._openai.APIStatusError as error:
        wait_s = self._after_status(error, attempt)
        said = self._said(error)
      except self._openai.APIConnectionError as error:  # timeouts included
        said = self._unreached(error)
        wait_s = self._backoff(attempt)
      except (self._openai.OpenAIError, _OddReply) as error:
        said, wait_s = _short(self._secrets.hide(str(error))), self._backoff(attempt)
      if attempt < self._settings.retries and self._stop.wait(wait_s):
        break
    raise Failed(f'{said}, at try {attempt + 1}')

  def _once(self, body: Mapping[str, Any], task: str) -> Reply:
    """One question; without `response_format` where the server refuses that."""
    if self._structured is not False:
      try:
        reply = self._send(body | dict(response_format=wording.response_format(task)), True)
        self._structured = True
        return reply
      except self._openai.APIStatusError as error:
        if self._structured or error.status_code not in _NOT_THAT_FORM:
          raise
        refused = error
    try:
      reply = self._send(body, False)
    except self._openai.APIStatusError as error:
      if self._structured is None and error.status_code in _NOT_THAT_FORM:
        raise refused from None  # the form was not what was wrong
      raise
    if self._structured is None:
      self._structured = False
    return reply

  def _send(self, body: Mapping[str, Any], structured: bool) -> Reply:
    if self._stop.is_set():
      raise Failed('stopped before it was asked')
    raw = self._client.chat.completions.with_raw_response.create(**body)
    try:
      found = json.loads(raw.text)
      choice = found['choices'][0]
      message, usage = choice['message'], found.get('usage') or {}
      text = _content(message.get('content')) or str(message.get('refusal') or '')
      tokens = [usage.get(name) for name in ('prompt_tokens', 'completion_tokens')]
      reply = Reply(
        self._secrets.hide(text),
        *(n if type(n) is int and n >= 0 else None for n in tokens),
        self._secrets.hide(str(found.get('model') or '')),
        self._secrets.hide(str(choice.get('finish_reason') or '')),
        structured,
      )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
      said = _short(self._secrets.hide(raw.text))
      raise _OddReply(f'no answer of a chat model but {said!r}') from error
    self._answered = True
    return reply

  def _after_status(self, error: Any, attempt: int) -> float:
    """Seconds to wait after a refusal. Raises Failed or Halted where asking again is no use."""
    status, said = error.status_code, self._said(error)
    if status in _DENIED:
      what = {401: 'the key', 403: 'the key', 404: '--model and --base_url'}[status]
      raise Halted(f'{self._host} denies every question, {said}: look at {what}', denied=True)
    if _SPENT in (getattr(error, 'code', None), getattr(error, 'type', None)):
      raise Halted(f'the account at {self._host} is spent, {said}')
    if status not in _AGAIN and status < 500:
      raise Failed(said)
    told = _retry_after(error.response.headers)
    if not told:
      return self._backoff(attempt)
    if told > self._settings.max_wait_s:
      raise Halted(
        f'{self._host} wants to be asked again in {told:.0f} s only, {said}: call this again then, '
        'or raise --max_wait'
      )
    with self._lock:  # what holds for one question holds for all
      self._not_before = max(self._not_before, time.monotonic() + told)
    return told * random.uniform(0, 0.1)  # not all at the same moment

  def _unreached(self, error: Exception) -> str:
    """What went wrong. Raises Halted where there seems to be no server at all."""
    if isinstance(error, self._openai.APITimeoutError):
      return f'no answer within {self._settings.timeout_s:g} s'
    cause = error.__cause__
    why = _short(self._secrets.hide(str(cause or error)))
    if type(cause).__name__ == 'ConnectError' and not self._answered:
      raise Halted(
        f'{self._host} cannot be reached ({why}): is the server running, is --base_url right?',
        denied=True,
      ) from None
    return f'the connection broke ({why})'

  def _said(self, error: Any) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    message = body.get('message') or body.get('detail') or error.response.text or 'nothing said'
    return f'HTTP {error.status_code}: {_short(self._secrets.hide(str(message)))}'

  def _backoff(self, attempt: int) -> float:
    """Twice as long each time, up to the longest wait, with up to half of it left to chance."""
    longest = min(self._settings.max_wait_s, _FIRST_WAIT_S * 2 ** min(attempt, 30))
    return longest * random.uniform(0.5, 1)

  def _wait_for_turn(self) -> None:
    while (left := self._not_before - time.monotonic()) > 0:
      if self._stop.wait(left):
        raise Failed('stopped before it was asked')


class _OddReply(Exception):
  """A server said yes, and what it sent is no answer."""


def _library() -> ModuleType:
  try:
    import openai
  except ModuleNotFoundError as error:
    if error.name == 'openai':
      raise UserError(f'asking a server needs the package openai: {_EXTRA}') from error
    raise UserError(f'the package openai cannot be loaded ({error}): {_EXTRA}') from error
  return openai


def _content(content: Any) -> str:
  """A message's text; some servers send it in parts."""
  if isinstance(content, list):
    return ''.join(str(part.get('text') or '') for part in content)
  return str(content or '')


def _short(text: str) -> str:
  line = ' '.join(text.split())
  return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + '...'


def _retry_after(headers: Mapping[str, str]) -> float | None:
  """Seconds that a server asks to wait: a number of them or a date."""
  told = headers.get('retry-after', '').strip()
  try:
    seconds = float(told)
  except ValueError:
    try:
      seconds = email.utils.parsedate_to_datetime(told).timestamp() - time.time()
    except (ValueError, TypeError):
      return None
  return max(0.0, seconds) if seconds == seconds else None

"""A stub of an OpenAI-compatible server that also fails in the ways servers do."""

import base64
import contextlib
import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np

DROP = 'drop'  # closes the connection without a word
CUT = 'cut'  # closes it in the middle of an answer
HANG = 'hang'  # says no more in the middle of an answer


@dataclasses.dataclass
class Asked:
  """One request.

  Attributes:
    number: of the request, from 0.
    body: its JSON.
    key: that came in its header.
    at: when, seconds of the monotonic clock.
    answered: was it?
  """

  number: int
  body: dict[str, Any]
  key: str
  at: float
  answered: bool = False

  @property
  def text(self) -> str:
    return self.body['messages'][0]['content'][0]['text']

  @property
  def jpegs(self) -> list[bytes]:
    urls = [part['image_url']['url'] for part in self.body['messages'][0]['content'][1:]]
    assert all(url.startswith('data:image/jpeg;base64,') for url in urls)
    return [base64.b64decode(url.partition(',')[2]) for url in urls]

  @property
  def images(self) -> list[np.ndarray]:
    """[H, W, 3] RGB."""
    found = [cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) for jpeg in self.jpegs]
    return [cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB) for bgr in found]

  @property
  def structured(self) -> bool:
    return 'response_format' in self.body


def said(content: Any, tokens: tuple[int, int] | None = (1000, 10), **message: Any) -> Any:
  """An answer of a chat model."""
  choice = dict(index=0, message=dict(role='assistant', content=content, **message))
  body = dict(id='1', object='chat.completion', created=0, model='stub-1')
  body |= dict(choices=[choice | dict(finish_reason='stop')])
  if tokens:
    body['usage'] = dict(zip(('prompt_tokens', 'completion_tokens'), tokens, strict=True))
  return 200, {}, json.dumps(body)


def refused(status: int, message: str = 'no', code: str = '', **headers: str) -> Any:
  """An error as OpenAI's server words it; `Retry_After` stands for the header `Retry-After`."""
  error = dict(message=message, type='error', code=code or None)
  named = {name.replace('_', '-'): value for name, value in headers.items()}
  return status, named, json.dumps(dict(error=error))


class Chat:
  """What was asked of a running stub, and where it is."""

  def __init__(self, url: str):
    self.url, self.asked = url, []

  @property
  def answered(self) -> list[Asked]:
    return [one for one in self.asked if one.answered]


@contextlib.contextmanager
def running(respond: Callable[[Asked], Any]) -> Iterator[Chat]:
  """A stub on a free port; `respond` gives `said`, `refused`, DROP, CUT or HANG, at any speed."""

  class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_POST(self):
      assert self.path == '/v1/chat/completions'
      body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
      with lock:
        key = self.headers.get('Authorization', '')
        one = Asked(len(chat.asked), body, key, time.monotonic())
        chat.asked.append(one)
      response = respond(one)
      if response in (DROP, CUT, HANG):
        self._break_off(response)
        return
      status, headers, text = response
      content = text.encode()
      with contextlib.suppress(OSError):  # the client may have given up
        self.send_response(status)
        for name, value in {'Content-Type': 'application/json', **headers}.items():
          self.send_header(name, value)
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        one.answered = status == 200
        self.wfile.write(content)

    def _break_off(self, how):
      if how != DROP:
        self.send_response(200)
        self.send_header('Content-Length', '1000')
        self.end_headers()
        self.wfile.write(b'{"choices": [')
        self.wfile.flush()
      if how == HANG:
        ended.wait(30)
      self.close_connection = True

    def log_message(self, *_):
      pass

  lock, ended = threading.Lock(), threading.Event()
  server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
  server.daemon_threads, server.block_on_close = True, False
  chat = Chat(f'http://127.0.0.1:{server.server_port}/v1')
  thread = threading.Thread(target=server.serve_forever, args=(0.02,))
  thread.start()
  try:
    yield chat
  finally:
    ended.set()
    server.shutdown()
    thread.join()
    server.server_close()

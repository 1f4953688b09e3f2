"""The key of a server: read from the environment, sent in a request's header and nowhere else."""

import json
import os
import re
import urllib.parse

from emo_jax.errors import UserError

KEY_VARIABLE = 'OPENAI_API_KEY'
_VARIABLE = re.compile(r'[A-Za-z_][A-Za-z0-9_]*')
_LIKE_A_KEY = re.compile(r'\b(?:sk|gsk|hf|AIza)[-_][\w*.-]{8,}|(?i:bearer)\s+[\w.~+/-]{8,}')
_HIDDEN = '<key>'
_SHORTEST = 5  # what people set for a server that wants none may be shorter, and part of a word


class Secrets:
  """What must not be seen: the key, and the password and query of an address."""

  def __init__(self, key: str | None, url: str):
    address = urllib.parse.urlsplit(url)
    known = [key, address.password, *(v for _, v in urllib.parse.parse_qsl(address.query))]
    self._forms = sorted(
      {form for secret in known if len(secret or '') >= _SHORTEST for form in _forms(secret)},
      key=len,
      reverse=True,
    )

  def hide(self, text: str) -> str:
    """The text, which a server may have sent, without them or anything that looks like a key."""
    for form in self._forms:
      text = text.replace(form, _HIDDEN)
    return _LIKE_A_KEY.sub(_HIDDEN, text)


def key_of(variable: str | None) -> str | None:
  """The key in an environment variable; None if it is not there, and no other was asked for.

  Raises:
    UserError: the variable named is not set, its name is none (but may be a key, so it is not
      repeated) or what it holds cannot be sent.
  """
  if variable is not None and not _VARIABLE.fullmatch(variable):
    raise UserError('--api_key_env takes the NAME of an environment variable, never a key itself')
  key = os.environ.get(variable or KEY_VARIABLE, '').strip()
  if not key:
    if variable:
      raise UserError('the environment variable named by --api_key_env is not set or empty')
    return None
  if not key.isascii() or not key.isprintable() or ' ' in key:
    raise UserError('the key in the environment has blanks or letters that no key has: set it anew')
  return key


def require_url(url: str) -> str:
  """The address without user, password and query. Raises UserError if it is none."""
  try:
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ''
    port = f':{parts.port}' if parts.port else ''
  except ValueError:
    parts, host, port = None, '', ''
  if not host or parts.scheme not in ('http', 'https'):
    raise UserError('--base_url is no address: write it as in http://localhost:8000/v1')
  return f'{parts.scheme}://{host}{port}{parts.path.rstrip("/")}'


def _forms(secret: str) -> set[str]:
  """A secret as it is and as JSON and addresses write it."""
  return {secret, json.dumps(secret)[1:-1], urllib.parse.quote(secret, safe='')}

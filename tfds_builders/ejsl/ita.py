"""Sentences of the ITA corpus, of which eJSL's utterances are taken: github.com/mmorise/ita-corpus.

They are in the public domain. eJSL's authors changed some; which 78 they took is not published.
"""

import re
from pathlib import Path

from emo_jax.errors import UserError

VARIABLE = 'EMO_JAX_ITA'
FILES = ('emotion_transcript_utf8.txt', 'recitation_transcript_utf8.txt')
_LINE = re.compile(r'(?P<id>[A-Z]+\d+_\d+):(?P<text>[^,]+),[^,]+')  # text, then its reading


def read(folder: Path) -> dict[str, str]:
  """Text by id, such as EMOTION100_001 or RECITATION324_001, from the corpus' two transcripts.

  Raises:
    UserError: one cannot be read, has a line of another form or an id twice.
  """
  texts: dict[str, str] = {}
  for path in (folder / name for name in FILES):
    try:
      lines = path.read_text(encoding='utf-8-sig').splitlines()
    except (OSError, UnicodeDecodeError) as error:
      reason = getattr(error, 'strerror', None) or 'it is not UTF-8'
      raise UserError(
        f'cannot read {path} ({reason}): name the folder with {" and ".join(FILES)}'
      ) from error
    for number, line in enumerate(lines, start=1):
      match = _LINE.fullmatch(line.strip())
      if not match:
        raise UserError(f'{path}, line {number}: expected ID:text,reading')
      if match['id'] in texts:
        raise UserError(f'{path}, line {number}: a second sentence {match["id"]}')
      texts[match['id']] = match['text']
  return texts

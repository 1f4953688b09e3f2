"""A person's labels for sentences, kept on disk from key to key: the session without its screen.

Beside LABELS.csv lies its log, LABELS.csv.log, with a row per decision (`time`, `id`, `label`; the
label is empty where a sentence was left without one). A decision is in the log, synchronised with
the disk, before LABELS.csv is replaced as a whole: whatever ends the program, LABELS.csv is valid
and no decision is lost.
"""

import csv
import datetime
import errno
import fcntl
import io
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from emo_jax import csv_tables, label_files, labels
from emo_jax.errors import UserError, first_of
from emo_jax.label_files import Label, LabelFile
from emo_jax.text.sentences import Sentence

COLUMNS = ('time', 'id', 'label')
_NAMED = 3  # ids that a message names


class Session:
  """Where one annotator stands among the sentences; a context that holds the log.

  Attributes:
    sentences: to label, in order.
    position: index of the sentence shown; their number at the end.
  """

  def __init__(self, sentences: Sequence[Sentence], path: Path):
    """Takes up what `path` and its log hold, or begins both.

    Raises:
      UserError: there is no sentence; `path` or its log is unreadable, has ids that are no
        sentence's, is a model's, is being written by another session, or cannot be written; or the
        two disagree, because one was edited.
    """
    if not sentences:
      raise UserError('there is no sentence to label: the file has no rows')
    self.sentences = tuple(sentences)
    self._path, self._log_path = path, path.with_name(f'{path.name}.log')
    self._decided: dict[str, str] = {}
    stored = _stored(path)
    self._require_known(stored)
    self._log = self._open_log()
    try:
      self._take_up(stored)
      self._write_labels()
    except BaseException:
      self._log.close()
      raise
    self.position = self._first_open()

  def __enter__(self) -> 'Session':
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
  ) -> None:
    self._log.close()

  @property
  def current(self) -> Sentence | None:
    """The sentence shown; None at the end."""
    return self.sentences[self.position] if self.position < len(self.sentences) else None

  @property
  def labelled(self) -> int:
    """How many sentences have a label."""
    return sum(map(bool, self._decided.values()))

  @property
  def skipped(self) -> int:
    """How many were left without one."""
    return len(self._decided) - self.labelled

  def label_of(self, sentence: Sentence) -> str | None:
    """Its label; empty where it was skipped, None where nothing was decided yet."""
    return self._decided.get(sentence.id)

  def label(self, name: str) -> None:
    """Gives the sentence shown a label and goes to the next one without; at the end, nothing.

    Raises:
      UserError: it cannot be written.
    """
    if self.current:
      self._decide(name)
      self._go_to_unlabelled()

  def skip(self) -> None:
    """Leaves the sentence shown as it is and goes to the next one without a label.

    At the end it goes to the first one without. Raises UserError as `label`.
    """
    self._pass()
    self._go_to_unlabelled()

  def clear(self) -> None:
    """Takes the label away from the sentence shown. Raises UserError as `label`."""
    if self.current and self.label_of(self.current):
      self._decide('')

  def forward(self) -> None:
    """Goes to the next sentence; one without a label counts as skipped.

    Raises UserError as `label`.
    """
    self._pass()
    self.position = min(self.position + 1, len(self.sentences))

  def back(self) -> None:
    """Goes to the sentence before."""
    self.position = max(self.position - 1, 0)

  def _pass(self) -> None:
    if self.current and self.label_of(self.current) is None:
      self._decide('')

  def _decide(self, name: str) -> None:
    try:
      self._append([(_now(), self.current.id, name)])
    except OSError as error:
      raise _unwritable(self._path, error) from error
    self._decided[self.current.id] = name
    self._write_labels()

  def _go_to_unlabelled(self) -> None:
    start = (self.position + 1) % (len(self.sentences) + 1)
    rest = range(start, len(self.sentences))
    without = (i for i in rest if not self.label_of(self.sentences[i]))
    self.position = next(without, len(self.sentences))

  def _first_open(self) -> int:
    states = [self.label_of(s) for s in self.sentences]
    for wanted in (None, ''):
      if wanted in states:
        return states.index(wanted)
    return len(states)

  def _open_log(self) -> BinaryIO:
    try:
      log = open(self._log_path, 'a+b', buffering=0)  # noqa: SIM115
    except OSError as error:
      raise _unwritable(self._path, error) from error
    try:
      fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      log.close()
      raise UserError(f'{self._path} is being annotated in another window: close it') from error
    return log

  def _take_up(self, stored: dict[str, str]) -> None:
    """The decisions on disk: of the log, or of LABELS.csv where there is no log yet."""
    try:
      self._drop_torn_row()
      if not os.fstat(self._log.fileno()).st_size:
        now = _now()
        self._append([COLUMNS, *((now, *given) for given in stored.items())])
    except OSError as error:
      raise _unwritable(self._path, error) from error
    decided, agrees = self._replay(stored)
    self._require_known(decided)
    if not agrees:
      raise UserError(
        f'{self._path} and its log {self._log_path} differ: remove the one that is wrong; without '
        'the log, skipped sentences are shown again'
      )
    self._decided = decided

  def _replay(self, stored: dict[str, str]) -> tuple[dict[str, str], bool]:
    """The log's decisions, and whether `stored` is what it said at its end or earlier.

    Earlier, as a machine that fails may lose the latest LABELS.csv, but not a row of the log.
    """
    decided, differing = {}, set(stored)
    agrees = not differing
    for where, cells in csv_tables.read(self._log_path, COLUMNS)[1]:
      name, id_ = _checked(cells['label'], where), cells['id']
      decided[id_] = name
      (differing.discard if stored.get(id_, '') == name else differing.add)(id_)
      agrees = agrees or not differing
    return decided, agrees

  def _require_known(self, ids: Collection[str]) -> None:
    known = {s.id for s in self.sentences}
    unknown = [id_ for id_ in ids if id_ not in known]
    if unknown:
      raise UserError(
        f'{self._path} belongs to other sentences: {first_of(unknown, _NAMED)} not among '
        'those to label; give another --out'
      )

  def _drop_torn_row(self) -> None:
    self._log.seek(0)
    self._log.truncate(self._log.read().rfind(b'\n') + 1)

  def _append(self, rows: Sequence[Sequence[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows(rows)
    end = os.fstat(self._log.fileno()).st_size
    try:
      _write_whole(self._log, text.getvalue().encode())
    except OSError:
      self._log.truncate(end)
      raise

  def _write_labels(self) -> None:
    given = _given(self._decided)
    found = {s.id: Label(given[s.id]) for s in self.sentences if s.id in given}
    try:
      label_files.write(self._path, LabelFile(found))
    except OSError as error:
      raise _unwritable(self._path, error) from error


def _stored(path: Path) -> dict[str, str]:
  if not path.exists() or not path.stat().st_size:
    return {}
  found = label_files.read(path)
  if any(given.probabilities for given in found.labels.values()):
    raise UserError(f"{path} holds a model's labels: give another --out")
  return {id_: given.label for id_, given in found.labels.items()}


def _checked(name: str, where: str) -> str:
  try:
    index = labels.index('emotion', name)
  except UserError as error:
    raise UserError(f'{where}: {error}') from error
  return '' if index == labels.UNKNOWN else labels.EMOTIONS[index]


def _write_whole(file: BinaryIO, content: bytes) -> None:
  if file.write(content) < len(content):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
  os.fsync(file.fileno())


def _now() -> str:
  return datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')


def _given(decided: dict[str, str]) -> dict[str, str]:
  return {id_: name for id_, name in decided.items() if name}


def _unwritable(path: Path, error: OSError) -> UserError:
  return UserError(f'cannot write {path} and its log: {error.strerror}')

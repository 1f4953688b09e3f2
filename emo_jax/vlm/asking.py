"""Questions about many clips: decoded one after the other, asked some at a time, each kept."""

import concurrent.futures
import dataclasses
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from emo_jax.errors import UserError
from emo_jax.references import Reference
from emo_jax.vlm import frames, wording
from emo_jax.vlm.client import Failed, Halted, Server
from emo_jax.vlm.kept_answers import Cache
from emo_jax.vlm.spending import Costs
from emo_jax.vlm.wording import Prompt

_SECONDS_BETWEEN_LINES = 5.0
_IN_A_ROW = 10  # clips that fail one after the other: the server is taken to be out of order


@dataclasses.dataclass(frozen=True)
class Question:
  """What is asked about one clip.

  Attributes:
    clip: it.
    span: where it lies.
    prompt: the words.
    key: of the answer in the cache.
  """

  clip: Reference
  span: frames.Span
  prompt: Prompt
  key: str


@dataclasses.dataclass
class Outcome:
  """How a run ended.

  Attributes:
    failed: clip -> why it has no answer.
    stopped: why the rest was not asked; empty if all were.
    denied: the user must mend something first.
  """

  failed: dict[str, str] = dataclasses.field(default_factory=dict)
  stopped: str = ''
  denied: bool = False


def ask(
  server: Server,
  questions: Sequence[Question],
  cache: Cache,
  costs: Costs,
  settings: frames.Settings,
  concurrency: int,
) -> Outcome:
  """Asks what the cache has no answer to, and keeps every answer as soon as it is there.

  Says on stderr how far it is. At most `concurrency` clips are under way and one more in memory.
  """
  left = {q.clip.id: q for q in questions if cache.get(q.key) is None}
  outcome, progress = Outcome(), _Progress(len(questions), len(left), costs)
  under_way: dict[Future[dict[str, Any]], tuple[str, int]] = {}
  in_a_row = 0

  def settle() -> None:
    """Waits for an answer and counts it."""
    nonlocal in_a_row
    done, _ = concurrent.futures.wait(under_way, return_when=concurrent.futures.FIRST_COMPLETED)
    for future in done:
      id_, _ = under_way.pop(future)
      try:
        costs.add(future.result())
        in_a_row = 0
        progress.answered()
      except Failed as error:
        outcome.failed[id_] = str(error)
        in_a_row += 1
        if isinstance(error, Halted) and not outcome.stopped:
          outcome.stopped, outcome.denied = str(error), error.denied
        elif in_a_row == _IN_A_ROW and not outcome.stopped:
          outcome.stopped = f'{in_a_row} clips in a row had no answer, at last: {error}'

  with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
    try:
      for id_, images in _images(left, settings, outcome):
        while (
          under_way
          and not outcome.stopped
          and (
            len(under_way) >= concurrency
            or not costs.allow(len(images), [n for _, n in under_way.values()])
          )
        ):
          settle()
        if not outcome.stopped and not costs.allow(len(images), ()):
          outcome.stopped = 'the next question might cost more than --max_cost leaves'
          if costs.uncounted:
            outcome.stopped = 'the server counts no tokens: --max_cost cannot be kept'
        if outcome.stopped:
          break
        future = pool.submit(_answer, server, left[id_], images, cache)
        under_way[future] = id_, len(images)
      while under_way:
        if outcome.stopped:
          server.stop()
        settle()
    except BaseException:
      server.stop()
      raise
  progress.end()
  return outcome


def _images(
  left: Mapping[str, Question], settings: frames.Settings, outcome: Outcome
) -> Iterator[tuple[str, list[bytes]]]:
  """Clips with their images; one that cannot be decoded is noted as failed."""
  spans = {id_: question.span for id_, question in left.items()}
  for video, of_video in frames.by_video(spans).items():
    waiting = set(of_video)
    try:
      for id_, images in frames.read(video, of_video, settings):
        waiting.discard(id_)
        if images:
          yield id_, images
        else:
          outcome.failed[id_] = f'{video}: no frame lies in the clip'
    except UserError as error:
      outcome.failed |= dict.fromkeys(sorted(waiting), str(error))


def _answer(
  server: Server, question: Question, images: Sequence[bytes], cache: Cache
) -> dict[str, Any]:
  """Asks and keeps the answer. Raises Failed if there is none."""
  reply = server.ask(question.prompt, images)
  answer = dict(
    id=question.clip.id,
    answer=reply.text,
    images=len(images),
    tokens_in=reply.tokens_in,
    tokens_out=reply.tokens_out,
    model=reply.model,
    finish=reply.finish,
    structured=reply.structured,
  )
  cache.put(question.key, answer)
  return answer


def line(question: Question, kept: Mapping[str, Any]) -> dict[str, Any]:
  """What is written of a clip: `label` is None where the answer fits no class of the task."""
  clip, label = question.clip, wording.parse(question.prompt.task, kept['answer'])
  return dict(
    id=clip.id,
    true=clip.true,
    label=label,
    no_class=label is None,
    answer=kept['answer'],
    signer=clip.signer,
    utterance=clip.utterance,
    captions=bool(question.prompt.caption),
    **{name: value for name, value in kept.items() if name not in ('id', 'answer')},
  )


class _Progress:
  """How far the questions are, on stderr."""

  def __init__(self, total: int, left: int, costs: Costs):
    self._total, self._left, self._costs = total, left, costs
    self._began = self._told = time.monotonic()
    self._done = self._shown = 0

  def answered(self) -> None:
    self._done += 1
    if time.monotonic() - self._told >= _SECONDS_BETWEEN_LINES:
      self._show()

  def end(self) -> None:
    if self._done > self._shown:
      self._show()

  def _show(self) -> None:
    self._told, self._shown = time.monotonic(), self._done
    more = self._left - self._done
    seconds = int((self._told - self._began) / self._done * more)
    print(
      f'{self._total - more}/{self._total} clips  {self._costs.text}  '
      f'{seconds // 60}:{seconds % 60:02d} left',
      file=sys.stderr,
      flush=True,
    )

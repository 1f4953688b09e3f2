"""What training tells of itself, step by step, to files and trackers."""

import contextlib
import importlib
import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto import event_pb2

from emo_jax import run_dir
from emo_jax.errors import UserError, first_line

TRACKERS = ('', 'wandb', 'mlflow')
_FLUSH_S = 5  # a flush waits for the disk


@runtime_checkable
class Writer(Protocol):
  """Somewhere numbers of a step go."""

  def write(self, step: int, values: Mapping[str, Any]) -> None:
    """Adds the values of a step."""

  def close(self) -> None:
    """Nothing more will come."""


class JsonLines:
  """`metrics.jsonl`, one object per line.

  A resumed run goes on where its checkpoint stood: later lines are dropped first, so that none is
  there twice.
  """

  def __init__(self, folder: Path, resume_step: int):
    self._path = folder / 'metrics.jsonl'
    kept = [json.dumps(x) + '\n' for x in read(folder) if x['step'] <= resume_step]
    run_dir.write_text(self._path, ''.join(kept))

  def write(self, step: int, values: Mapping[str, Any]) -> None:
    with _named(self._path), open(self._path, 'a') as f:
      f.write(json.dumps(dict(step=step, **values)) + '\n')

  def close(self) -> None:
    pass


class TensorBoard:
  """Event files in the run's folder; a resumed run takes those of later steps back.

  Written by the thread that trains: tensorboardX's own would die of a full disk unseen, and block
  training once its queue is full.
  """

  def __init__(self, folder: Path, resume_step: int):
    self._prefix, self._flushed = folder / 'events', 0.0
    with _named(self._prefix):
      self._events = EventsWriter(str(self._prefix), f'.{uuid.uuid4().hex[:8]}')
    status = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    self._add(resume_step + 1, session_log=status)

  def write(self, step: int, values: Mapping[str, Any]) -> None:
    for name, value in _numbers(values).items():
      self._add(step, summary=summary.scalar(name, value))

  def _add(self, step: int, **what: Any) -> None:
    with _named(self._prefix):
      self._events.write_event(event_pb2.Event(wall_time=time.time(), step=step, **what))
      if time.monotonic() - self._flushed > _FLUSH_S:
        self._events.flush()
        self._flushed = time.monotonic()

  def close(self) -> None:
    with _named(self._prefix):
      self._events.close()


class WeightsAndBiases:
  """A run of Weights & Biases, whose own WANDB_ variables say where it goes."""

  def __init__(self, folder: Path, config: Mapping[str, Any]):
    wandb = _imported('wandb')
    self._run = wandb.init(
      project=__package__,
      name=_name(folder, config),
      id=_id(folder, 'wandb', uuid.uuid4().hex[:12]),
      resume='allow',
      reinit='create_new',  # each head has a run of its own
      dir=str(folder),
      config=run_dir.flatten(run_dir.plain(config)),
    )

  def write(self, step: int, values: Mapping[str, Any]) -> None:
    self._run.log(_numbers(values), step=step)

  def close(self) -> None:
    self._run.finish()


class Mlflow:
  """A run of MLflow, whose own MLFLOW_ variables say where it goes."""

  def __init__(self, folder: Path, config: Mapping[str, Any]):
    mlflow = _imported('mlflow')
    self._client = mlflow.MlflowClient()
    found = self._client.get_experiment_by_name(__package__)
    experiment = found.experiment_id if found else self._client.create_experiment(__package__)
    if (folder / 'mlflow.json').exists():
      self._run = _id(folder, 'mlflow', '')
      return
    self._run = self._client.create_run(experiment, run_name=_name(folder, config)).info.run_id
    _id(folder, 'mlflow', self._run)
    for name, value in run_dir.flatten(run_dir.plain(config)).items():
      self._client.log_param(self._run, name, str(value)[:500])

  def write(self, step: int, values: Mapping[str, Any]) -> None:
    for name, value in _numbers(values).items():
      self._client.log_metric(self._run, name, value, step=step)

  def close(self) -> None:
    self._client.set_terminated(self._run)


class _Tracker:
  """One of TRACKERS; one that fails once training has begun is left alone, and says so."""

  def __init__(self, name: str, folder: Path, config: Mapping[str, Any]):
    self._name = name
    made = dict(wandb=WeightsAndBiases, mlflow=Mlflow)[name]
    try:
      self._writer: Writer | None = made(folder, config)
    except UserError:
      raise
    except Exception as error:  # each has a family of its own
      raise UserError(
        f'config.tracker is {name!r}, which cannot begin ({first_line(error)}): log in to it, or '
        "give --config.tracker=''"
      ) from error

  def write(self, step: int, values: Mapping[str, Any]) -> None:
    self._tried(lambda writer: writer.write(step, values))

  def close(self) -> None:
    self._tried(lambda writer: writer.close())

  def _tried(self, do: Callable[[Writer], None]) -> None:
    if self._writer is None:
      return
    try:
      do(self._writer)
    except Exception as error:
      self._writer = None
      print(
        f'warning: {self._name} gets no more of this run ({first_line(error)}); metrics.jsonl has '
        'it all',
        file=sys.stderr,
      )


class MetricsLog:
  """All writers of one head."""

  def __init__(self, lasting: Sequence[Writer] = (), others: Sequence[Writer] = ()):
    """`lasting` ones get what is the same in every run alike, `others` speed and waiting too."""
    self._lasting, self._others = lasting, others

  def write(self, step: int, **values: Any) -> None:
    """To all of them. Raises OSError, with the file's name, if one cannot be written."""
    for writer in [*self._lasting, *self._others]:
      writer.write(step, values)

  def events(self, step: int, **values: Any) -> None:
    """What differs from run to run, like speed. Raises OSError as `write`."""
    for writer in self._others:
      writer.write(step, values)

  def close(self) -> None:
    """Of all of them, once: whoever ends a run may ask for it again."""
    writers = [*self._lasting, *self._others]
    self._lasting, self._others = (), ()
    for writer in writers:
      writer.close()


def open_log(folder: Path, resume_step: int, config: Mapping[str, Any]) -> MetricsLog:
  """`metrics.jsonl`, TensorBoard's events and `config.tracker`'s, going on after a step.

  Raises:
    UserError: the tracker is not installed or cannot begin, or `metrics.jsonl` is broken.
  """
  lasting, others = [JsonLines(folder, resume_step)], []
  if config['tracker']:
    others.append(_Tracker(config['tracker'], folder, config))
  return MetricsLog(lasting, [TensorBoard(folder, resume_step), *others])


def read(folder: Path) -> list[dict[str, Any]]:
  """The lines of `metrics.jsonl`; without the last one if a killed run left half of it."""
  path = folder / 'metrics.jsonl'
  lines = path.read_text().splitlines(keepends=True) if path.exists() else []
  try:
    return [json.loads(line) for line in lines if line.endswith('\n')]
  except ValueError as error:
    raise UserError(f'{path} is broken ({error}): delete it, or start in a new workdir') from error


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
  """What the disk refuses is told with the name of the file."""
  try:
    yield
  except OSError as error:
    raise OSError(error.errno, error.strerror, str(path)) from error


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
  return {name: x for name, x in values.items() if isinstance(x, int | float)}


def _imported(name: str) -> Any:
  try:
    return importlib.import_module(name)
  except ImportError as error:
    raise UserError(
      f"config.tracker is {name!r}, which is not installed: pip install -e '.[{name}]'"
    ) from error


def _name(folder: Path, config: Mapping[str, Any]) -> str:
  """The run's workdir and, of several heads, the head's folder."""
  return f'{config["name"]} {"/".join(folder.parts[-3:])}'


def _id(folder: Path, tracker: str, new: str) -> str:
  """Under which the tracker knows the run, also when it is resumed."""
  path = folder / f'{tracker}.json'
  if not path.exists():
    run_dir.write_json(path, dict(id=new))
  return run_dir.read_json(path, 'delete it')['id']

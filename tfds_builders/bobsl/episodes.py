"""Beam pipelines over episodes: their features, once each, and the clips cut out of them.

What is pickled are paths and settings; networks are opened once by each process that extracts.
"""

import dataclasses
import json
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_datasets as tfds
from apache_beam.utils import shared

from emo_jax import files, labels, provenance
from emo_jax.errors import UserError
from emo_jax.video import clip as clip_lib
from emo_jax.video import extractor, feature_files, folders
from tfds_builders import clip_features
from tfds_builders.bobsl.labelled import PROBABILITIES, Example


@dataclasses.dataclass(frozen=True)
class Episode:
  """What examples are cut out of.

  Attributes:
    path: of its `.npz`.
    examples: those to cut.
    frames: how many sampled frames they have together.
  """

  path: str
  examples: tuple[Example, ...]
  frames: int


def extract(
  targets: Mapping[Path, Path],
  settings: Mapping[str, Any],
  key: Mapping[str, str],
  config: tfds.download.DownloadConfig,
) -> dict[Path, UserError]:
  """Extracts episodes, each by whichever worker is free, and returns why some could not be.

  Args:
    targets: video -> its `.npz`, on a file system that every worker sees at the same place.
    settings: of `extractor.open_extractor`.
    key: the compatibility key that the settings must lead to on every worker.
    config: where the pipeline runs.
  """
  # What a worker found travels back as a file beside the features: no runner returns elements.
  folder = next(iter(targets.values())).parent
  folders.make_writable(folder)
  found = folder / f'.failed.{uuid.uuid4().hex}.json'
  try:
    with beam.Pipeline(runner=config.beam_runner, options=config.beam_options) as pipeline:
      _ = (
        pipeline
        | 'Episodes' >> beam.Create([(str(v), str(t)) for v, t in targets.items()])
        | 'Spread' >> beam.Reshuffle()
        | 'Extract' >> beam.ParDo(Extract(dict(settings), dict(key)))
        | 'Failures' >> beam.combiners.ToList()
        | 'Report' >> beam.Map(_report, str(found))
      )
    return {Path(video): UserError(reason) for video, reason in json.loads(found.read_text())}
  finally:
    found.unlink(missing_ok=True)


class _Networks:
  """An extractor and the lock of the threads that share it: one extraction uses all cores."""

  def __init__(self, settings: Mapping[str, Any], key: Mapping[str, str]):
    self.lock = threading.Lock()
    self.extractor = extractor.open_extractor(**settings)
    remedy = 'give every worker the same files'
    provenance.require_same(self.extractor.key, dict(key), 'this worker', 'the build', remedy)


class Extract(beam.DoFn):
  """(video, its `.npz`) -> (video, reason) of the videos that cannot be extracted."""

  def __init__(self, settings: dict[str, Any], key: dict[str, str]):
    self._settings, self._key = settings, key
    self._shared = shared.Shared()
    self._networks, self._unusable = None, ''

  def setup(self) -> None:
    """Opens the networks, or takes those that another thread of the process has opened.

    A worker that cannot open them says so of every episode it is given.
    """
    try:
      self._networks = self._shared.acquire(lambda: _Networks(self._settings, self._key))
    except UserError as error:
      self._unusable = str(error)

  def process(self, element: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Extracts one episode, or goes on with it; what is there already is kept."""
    video, target = element
    if self._networks is None:
      yield video, self._unusable
      return
    try:
      with self._networks.lock:
        made = feature_files.extract_all({Path(video): Path(target)}, self._networks.extractor)
        failed = [str(error) for _, error in made if error]
    except UserError as error:
      failed = [str(error)]
    yield from ((video, reason) for reason in failed)


def examples(episodes: Sequence[Episode], key: Mapping[str, str]) -> beam.PTransform:
  """The transform that yields what `examples_of` does, of all episodes."""
  return (
    'Episodes' >> beam.Create(episodes)
    | 'Spread' >> beam.Reshuffle()
    | 'Cut' >> beam.FlatMap(examples_of, key=dict(key))
  )


def examples_of(episode: Episode, key: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
  """Each example of an episode with its clip's id.

  Raises:
    UserError: its features cannot be read or have another key.
  """
  whole, there, _ = clip_lib.load(episode.path)
  remedy = 'delete it and build again'
  provenance.require_same(there, dict(key), episode.path, 'this data set', remedy)
  for one in episode.examples:
    yield one.clip.id, _example(cut(whole, one.clip.start_s, one.clip.end_s), one)


def within(time_s: np.ndarray, start_s: float, end_s: float) -> np.ndarray:
  """Which frames lie in start <= time < end, compared in milliseconds, as subtitles are timed."""
  times = np.round(time_s.astype(np.float64) * 1000)
  return (times >= round(start_s * 1000)) & (times < round(end_s * 1000))


def cut(whole: clip_lib.Clip, start_s: float, end_s: float) -> clip_lib.Clip:
  """The sampled frames from `start_s` to before `end_s`, with times from the start.

  `frame_index` stays that of the episode's video.
  """
  inside = within(whole.time_s, start_s, end_s)
  rows = [name for name, (shape, _) in clip_lib.FIELDS.items() if shape[:1] == (None,)]
  fields = {name: getattr(whole, name)[inside] for name in rows}
  times = np.maximum(fields['time_s'].astype(np.float64) - start_s, 0)
  return dataclasses.replace(whole, **fields | {'time_s': times.astype(np.float32)})


def _example(features: clip_lib.Clip, one: Example) -> dict[str, Any]:
  """BOBSL names no signer of an episode publicly: the episode stands for its interpreter."""
  task_labels = dict.fromkeys(labels.TASKS, labels.UNKNOWN) | {'emotion': one.emotion}
  fields = clip_features.example(
    features,
    id=one.clip.id,
    signer=one.clip.episode,
    utterance=one.clip.id,
    text=one.clip.text,
    task_labels=task_labels,
  )
  if one.emotion != labels.UNKNOWN:
    none = (np.nan,) * len(labels.EMOTIONS)
    fields[PROBABILITIES] = np.asarray(one.probabilities or none, np.float32)
  return fields


def _report(failures: list[tuple[str, str]], path: str) -> None:
  with files.replacing(path) as partial:
    partial.write_text(json.dumps(failures))

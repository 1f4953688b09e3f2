"""What a run says of one video: its record, a CSV per frame, a timeline and an overlay."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emo_jax import (
  files,
  inference,
  labels,
  per_frame,
  provenance,
  run_report,
  signing,
  timeline,
)
from emo_jax.finished_runs import Finished
from emo_jax.predictions import Prediction
from emo_jax.video import clip as clip_lib
from emo_jax.video import overlay
from emo_jax.video.decode import Video


def caveats(result: Mapping[str, Any], key: Mapping[str, str]) -> list[str]:
  """What keeps a run's numbers on features of this key from being scores; empty if nothing does."""
  trained = [run_report.caveat(result)] if result['synthetic'] else []
  return trained + (['random backbone: not a score'] if provenance.is_random(dict(key)) else [])


class ClipReport:
  """Reports on videos, one after the other, with a finished run's model."""

  def __init__(self, run: Finished, key: Mapping[str, str], out: Path, overlays: bool):
    """Takes the run, the key of the videos' features, and whether overlays are wanted in `out`."""
    alone = inference.one_by_one(run.config)
    temperature = run.report['temperature']
    self._predict = inference.Trained(alone, run.params, temperature)
    self._per_frame = per_frame.FramePredictor(alone, run.params, temperature)
    self._config, self._key, self._out, self._overlays = run.config, key, out, overlays
    self._names = labels.names(run.config['task'])
    self._marks = caveats(run.report, key)

  def __call__(self, video_path: Path, features_path: Path) -> dict[str, Any]:
    """Writes the files of a video whose features are extracted.

    Returns:
      A record that JSON can hold: `id`, `video`, `task`, `decision` (None without a face),
      `probabilities` per label, `segment` (what the decision is on), `has_face`, `frames` (sampled)
      and `video_frames`, `coverage` (emo_jax.coverage.shares), `low_coverage` (the limits of the
      run it misses), `signing` (share of the frames), `caveats` and `files`.

    Raises:
      UserError: the video cannot be decoded or the overlay not be written.
      OSError: another file cannot be written.
    """
    clip, _, _ = clip_lib.load(features_path)
    split = inference.single(clip, video_path.stem, self._key)
    (found,) = self._predict(split)
    decision = None
    said, marks = 'no decision', [*self._marks, *_marks(found)]
    if found.has_face:
      decision = max(found.probabilities, key=found.probabilities.get)
      said = f'{decision} {100 * found.probabilities[decision]:.0f} %'
    segment = self._config['eval']['segment']
    probabilities, moving = self._per_frame(split), signing.is_signing(clip)

    written = dict(features=features_path)
    video = Video(video_path)
    if self._overlays:
      written['overlay'] = self._out / f'{found.id}-overlay.mp4'
      shown = overlay.Shown(self._names, probabilities, [f'clip ({segment}): {said}'], marks)
      count = overlay.write(written['overlay'], video, clip, shown)
    else:
      count = overlay.decoded_frames(video)
    written['csv'] = self._out / f'{found.id}.csv'
    write_csv(written['csv'], self._names, probabilities, count)
    written['timeline'] = self._out / f'{found.id}-timeline.png'
    track = timeline.Track(
      self._names,
      clip.time_s,
      probabilities[clip.frame_index],
      moving,
      ~(clip.hand_score > 0).any(axis=1),
      ~clip.face_present,
    )
    title = f'{found.id}: {said} by {self._config["name"]} on {_SEGMENT_NAMES[segment]}'
    timeline.draw(written['timeline'], track, [title, *marks])
    return dict(
      id=found.id,
      video=str(video_path),
      task=self._config['task'],
      decision=decision,
      probabilities=found.probabilities,
      segment=segment,
      has_face=found.has_face,
      frames=len(clip.time_s),
      video_frames=count,
      coverage=found.coverage,
      low_coverage=found.low_coverage,
      signing=float(moving.mean()),
      caveats=marks,
      files={what: str(path) for what, path in written.items()},
    )


def _marks(found: Prediction) -> list[str]:
  """What is to be known of a clip's own prediction."""
  low = [f'low coverage: {", ".join(found.low_coverage)}'] if found.low_coverage else []
  return low + ([] if found.has_face else ['no face found: uniform probabilities'])


_SEGMENT_NAMES = dict(full='the full clip', random_2s='random 2 s', last_2s='the last 2 s')


def write_csv(path: Path, names: Sequence[str], probabilities: np.ndarray, count: int) -> None:
  """Probabilities per frame in the layout of EMO-AffectNet's `run.py`.

  Columns `frame` (from 000001) and one per label; a row per decoded frame, without those before
  anything is known.

  Args:
    path: of the file.
    names: of the labels.
    probabilities: [n, k], as of emo_jax.per_frame.FramePredictor.
    count: frames of the video.
  """
  with files.replacing(path) as partial, open(partial, 'w', newline='') as f:
    rows = csv.writer(f, lineterminator='\n')
    rows.writerow(['frame', *names])
    for frame in range(count):
      row = probabilities[min(frame, len(probabilities) - 1)]
      if not np.isnan(row[0]):
        rows.writerow([f'{frame + 1:06d}', *(f'{p:.6f}' for p in row)])

import dataclasses
import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

from emo_jax.errors import UserError
from emo_jax.video import assembly, clip, pipeline
from emo_jax.video.assembly import Failure, Part, Progress, Task
from emo_jax.video.pipeline import Pipeline


def same(a, b):
  return all(
    np.array_equal(getattr(a, field.name), getattr(b, field.name))
    for field in dataclasses.fields(a)
  )


def gathered(events):
  """Video -> its clip, and the failures."""
  parts, failures = {}, []
  for event in events:
    if isinstance(event, Part):
      parts.setdefault(event.task.video, []).append(event.clip)
    elif isinstance(event, Failure):
      failures.append(event)
  return {video: clip.join(found) for video, found in parts.items()}, failures


def test_videos_side_by_side_are_what_each_is_alone(extractor, shared):
  names = ('Jsl_age', 'Jsl_swim', 'Jsl_cat')
  videos = [shared / f'data/signing/{name}.mp4' for name in names]
  together, failures = gathered(extractor.run([Task(video) for video in videos]))
  assert set(together) == set(videos) and not failures
  for video in videos:
    assert same(together[video], extractor.extract(video))


def test_a_broken_video_stops_no_other(extractor, shared, tmp_path):
  broken, absent = tmp_path / 'broken.mp4', tmp_path / 'absent.mp4'
  whole = shared / 'data/signing/Jsl_swim.mp4'
  broken.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
  found, failures = gathered(extractor.run([Task(broken), Task(whole), Task(absent)]))
  assert set(found) == {whole} and len(found[whole].face) == 10
  assert {failure.task.video for failure in failures} == {broken, absent}


def test_progress_counts_up_to_the_whole_video(extractor, shared):
  seen = []
  made = extractor.extract(shared / 'data/edge/face_noface.mov', seen.append)
  assert all(isinstance(event, Progress) for event in seen)
  assert [event.frames for event in seen] == sorted({event.frames for event in seen})
  assert seen[-1].frames == len(made.face) and seen[-1].faces == made.face_present.sum()


@pytest.mark.parametrize('part', [16, 32])
def test_parts_and_what_follows_them(extractor, shared, monkeypatch, part):
  monkeypatch.setattr(assembly, 'PART', part)
  video = shared / 'data/edge/face_noface.mov'
  parts = [event for event in extractor.run([Task(video)]) if isinstance(event, Part)]
  assert [event.number for event in parts] == list(range(len(parts))) and len(parts) > 1
  assert [event.last for event in parts] == [False] * (len(parts) - 1) + [True]
  assert all(len(event.clip.face) == part for event in parts[:-1])
  assert 0 < len(parts[-1].clip.face) <= part

  first = parts[0].clip
  seen = first.face_present.nonzero()[0][-1]
  task = Task(video, 1, first.face_box[seen], float(first.time_s[seen]))
  rest = [event for event in extractor.run([task]) if isinstance(event, Part)]
  assert [event.number for event in rest] == [event.number for event in parts[1:]]
  for a, b in zip(rest, parts[1:], strict=True):
    assert same(a.clip, b.clip) and a.last == b.last


def test_a_video_that_became_shorter_than_its_parts(extractor, shared):
  (event,) = extractor.run([Task(shared / 'data/signing/Jsl_swim.mp4', 3)])
  assert isinstance(event, Failure) and 'shorter than when its first parts' in str(event.error)


def test_leaving_early_stops_every_thread(extractor, shared):
  before = set(threading.enumerate())
  events = extractor.run([Task(shared / 'data/edge/face_noface.mov')] * 3)
  next(events)
  events.close()
  assert set(threading.enumerate()) <= before


def test_what_goes_wrong_in_a_stage_is_raised(extractor, shared):
  class Broken:
    def start(self, video):
      pass

    def detect(self, rgb, time_s):
      raise ArithmeticError('of a hand')

    def close(self):
      pass

  class Unopened(Broken):
    def __init__(self):
      raise UserError('no such landmarker')

  engine = extractor._pipeline._engine
  tasks = [Task(shared / 'data/signing/Jsl_swim.mp4')]
  with pytest.raises(ArithmeticError, match='of a hand'):
    list(Pipeline(engine, Broken, 'index', 'follow', 2).run(tasks))
  with pytest.raises(UserError, match='no such landmarker'):
    list(Pipeline(engine, Unopened, 'index', 'follow', 2).run(tasks))


class Refusing:
  """Hands that cannot be had of any video."""

  def start(self, video):
    raise UserError(f'{video}: no .pose file')

  def detect(self, rgb, time_s):
    raise AssertionError

  def close(self):
    pass


class Stumbling(Refusing):
  def start(self, video):
    pass

  def detect(self, rgb, time_s):
    raise RuntimeError('Packet timestamp mismatch\nand more')


def test_refused_videos_keep_nothing_open(extractor, shared):
  engine = extractor._pipeline._engine
  tasks = [Task(shared / 'data/signing/Jsl_swim.mp4')] * 12
  kept = list(Pipeline(engine, Refusing, 'index', 'follow', 2).run(tasks[:2]))
  before = len(os.listdir('/proc/self/fd'))
  kept += Pipeline(engine, Refusing, 'index', 'follow', 2).run(tasks)
  assert len(kept) == 14 and all(isinstance(event, Failure) for event in kept)
  assert len(os.listdir('/proc/self/fd')) <= before


def test_one_odd_frame_stops_no_other_video(extractor, shared):
  engine = extractor._pipeline._engine
  tasks = [Task(shared / f'data/signing/{name}.mp4') for name in ('Jsl_swim', 'Jsl_age')]
  events = list(Pipeline(engine, Stumbling, 'index', 'follow', 1).run(tasks))
  for event, task in zip(events, tasks, strict=True):
    assert event.task == task
    assert str(event.error) == (
      f'{task.video}: no hands can be found in frame 0 (Packet timestamp mismatch)'
    )


def test_a_video_that_changes_while_it_is_read(extractor, shared, tmp_path):
  video, other = tmp_path / 'clip.mp4', shared / 'data/signing/Jsl_age.mp4'
  shutil.copy(shared / 'data/edge/face_noface.mov', video)
  events = extractor.run([Task(video)])
  first = next(events)
  assert isinstance(first, Progress)
  (tmp_path / 'new').write_bytes(other.read_bytes())
  os.replace(tmp_path / 'new', video)
  *_, last = events
  assert isinstance(last, Failure) and 'changed while it was read' in str(last.error)


def test_faces_are_awaited_only_so_long(extractor, shared, monkeypatch):
  """A finished video is not held back until later ones have shown enough faces."""
  monkeypatch.setattr(pipeline, '_WAITING', 0)
  engine = extractor._pipeline._engine
  monkeypatch.setattr(engine, 'under_way', 8)
  names = ('signing/Jsl_swim.mp4', 'edge/no_face.mp4', 'edge/no_face.mp4')
  events = extractor.run([Task(shared / 'data' / name) for name in names])
  ends = [event.task.video.name for event in events if isinstance(event, Part)]
  assert ends[0] == 'Jsl_swim.mp4'


def test_one_run_at_a_time(extractor, shared):
  events = extractor.run([Task(shared / 'data/signing/Jsl_swim.mp4')])
  next(events)
  with pytest.raises(RuntimeError, match='another run of this pipeline is not finished'):
    extractor.extract(shared / 'data/signing/Jsl_swim.mp4')
  events.close()
  assert len(extractor.extract(shared / 'data/signing/Jsl_swim.mp4').face) == 10


def test_a_forgotten_run_does_not_keep_the_program_from_ending(shared):
  code = (
    'from pathlib import Path\n'
    'from emo_jax.models import resnet\n'
    'from emo_jax.video.assembly import Task\n'
    'from emo_jax.video.extractor import Extractor\n'
    f'shared = Path({str(shared)!r})\n'
    "hands = shared / 'models/hand_landmarker.task'\n"
    "extractor = Extractor(resnet.random_variables(0), 'random:0', hands)\n"
    "events = extractor.run([Task(shared / 'data/edge/face_noface.mov')] * 50)\n"
    'next(events)\n'
  )
  subprocess.run([sys.executable, '-c', code], check=True, timeout=120, capture_output=True)

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from emo_jax.models import resnet
from emo_jax.video.extractor import Extractor


@pytest.fixture(scope='session')
def hand_task(shared) -> Path:
  """MediaPipe's hand landmarker."""
  return shared / 'models' / 'hand_landmarker.task'


@pytest.fixture(scope='session')
def extractor(hand_task) -> Extractor:
  """An extractor with random weights, shared by all tests: it keeps nothing between videos."""
  return Extractor(resnet.random_variables(0), 'random:0', hand_task)


@pytest.fixture(scope='session')
def golden(shared):
  """golden(name) -> {file: [(frame number, faces of the package mtcnn 1.0.0)]}."""

  def load(name):
    content = json.loads((shared / 'golden' / f'mtcnn_1.0.0_{name}.json').read_text())
    return {
      file: [(f['frame'], f['faces']) for f in entry['frames']] for file, entry in content.items()
    }

  return load


@pytest.fixture
def write_video(tmp_path):
  """write_video(name, frames, fps) writes RGB frames as Motion JPEG and returns the path."""

  def write(name, frames, fps=30.0):
    path = tmp_path / name
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), fps, (width, height))
    for frame in frames:
      writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path

  return write

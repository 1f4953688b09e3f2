"""What tests of the builders share: TFDS's own command, a BOBSL tree and two data sets of it."""

import os
import shutil
from pathlib import Path

import pytest

from tests.tfds_builders import bobsl_data, bobsl_tree


@pytest.fixture(scope='session')
def tfds_command() -> Path:
  """TFDS's own command, from an environment with the extra `tfds` (EMO_JAX_TFDS)."""
  command = os.environ.get('EMO_JAX_TFDS')
  if not command:
    pytest.skip('no EMO_JAX_TFDS: the path of a `tfds` command; make slow sets it')
  return Path(command).resolve()


@pytest.fixture(scope='session')
def bobsl(shared, tmp_path_factory) -> Path:
  """Six episodes, a clip of signing each; two are manually aligned too."""
  videos = iter(bobsl_data.VIDEOS)
  return bobsl_tree.write(
    tmp_path_factory.mktemp('bobsl'),
    splits=bobsl_data.SPLITS,
    manual=bobsl_data.MANUAL,
    cues=lambda alignment, _: bobsl_data.CUES[alignment],
    video=lambda path: shutil.copy(shared / f'data/signing/Jsl_{next(videos)}.mp4', path),
  )


@pytest.fixture(scope='session')
def bobsl_built(shared, bobsl, tmp_path_factory) -> Path:
  """`a` and `m` without labels: all episodes are extracted."""
  data = tmp_path_factory.mktemp('data')
  assert bobsl_data.run_build(shared, 'a', bobsl, data) == 0
  assert bobsl_data.run_build(shared, 'm', bobsl, data) == 0
  return data


@pytest.fixture
def features(bobsl_built) -> str:
  return f'--features={bobsl_built / "features" / "bobsl"}'

"""The clips as a data set and as videos, and the command that asks a stub about them."""

import json
from pathlib import Path

import pytest

from emo_jax.errors import exit_status
from emo_jax.vlm import __main__ as vlm
from tests.tfds_builders import made
from tests.video import made as made_videos
from tests.vlm.cases import CLIPS, FRAMES


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
  folder = tmp_path_factory.mktemp('data')
  made.build(folder, CLIPS)
  return folder


@pytest.fixture(scope='module')
def videos(tmp_path_factory) -> Path:
  folder = tmp_path_factory.mktemp('videos')
  for id_, count in FRAMES.items():
    made_videos.numbered(folder / f'{id_}.mp4', count, rate='10')
  return folder


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
  monkeypatch.delenv('OPENAI_API_KEY', raising=False)
  monkeypatch.delenv('OPENAI_BASE_URL', raising=False)
  monkeypatch.setenv('NO_PROXY', '127.0.0.1')


@pytest.fixture
def words(data, videos, tmp_path):
  """words(chat, *flags) -> the command's words."""

  def make(chat, *flags):
    return [
      '--corpus=ejsl',
      f'--data_dir={data}',
      f'--videos={videos}',
      '--model=stub',
      f'--base_url={chat.url}',
      f'--out={tmp_path / "answers.jsonl"}',
      '--max_wait=0.05',
      *flags,
    ]

  return make


@pytest.fixture
def run(words, tmp_path, capsys):
  """run(chat, *flags) -> exit status, lines by id, stderr."""

  def call(chat, *flags):
    out = tmp_path / 'answers.jsonl'
    out.unlink(missing_ok=True)
    status = exit_status(vlm.main, words(chat, *flags))
    captured = capsys.readouterr()
    assert captured.out == (f'{out}\n' if status == 0 else '')
    assert out.exists() == (status == 0)
    lines = [json.loads(line) for line in out.read_text().splitlines()] if status == 0 else []
    return status, {line['id']: line for line in lines}, captured.err

  return call

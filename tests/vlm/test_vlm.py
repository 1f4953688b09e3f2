"""What a vision language model is asked about clips, and what is made of its answers."""

import json
import sys

import pytest

from emo_jax import labels
from emo_jax.errors import exit_status
from emo_jax.vlm import __main__ as vlm
from tests.tfds_builders.test_emosign import write_annotations
from tests.video import made as made_videos
from tests.vlm import chat_server
from tests.vlm.cases import FRAMES, IDS, TRUE, clip_of, truly
from tests.vlm.chat_server import said
from tfds_builders import build


def test_every_labelled_clip_is_asked_once(run, tmp_path):
  with chat_server.running(truly) as chat:
    status, lines, stderr = run(chat)
    assert status == 0 and tuple(lines) == IDS
    assert sorted(clip_of(one) for one in chat.asked) == sorted(IDS)
  for id_, line in lines.items():
    assert (line['label'], line['true'], line['no_class']) == (TRUE[id_], TRUE[id_], False)
    assert (line['images'], line['signer']) == (FRAMES[id_], id_[:2])
  assert '1 of 5 clips have no label for emotion: not asked' in stderr
  assert '4 clips: 0 answered before, 4 requests with about 24 frames' in stderr
  assert '4 of 4 clips answered, 4,000 tokens in, 40 out' in stderr


def test_what_is_asked(run):
  with chat_server.running(truly) as chat:
    assert run(chat)[0] == 0
  one = next(asked for asked in chat.asked if clip_of(asked) == 'm1_1')
  assert (one.body['model'], one.body['temperature']) == ('stub', 0)
  schema = one.body['response_format']
  assert schema['type'] == 'json_schema' and schema['json_schema']['strict']
  label = schema['json_schema']['schema']['properties']['label']
  assert label['enum'] == list(labels.EMOTIONS)
  assert [made_videos.number(image) for image in one.images] == list(range(9))
  # Neither who signs nor the answer is given away.
  sent = json.dumps([part for part in one.body['messages'][0]['content'][:1]])
  assert not [name for name in ('m1', 'u2', 'answers') if name in sent]


def test_rate_and_size_of_frames_are_as_asked_for(run):
  seen = []

  def respond(asked):
    seen.append([made_videos.number(image) for image in asked.images])
    assert {image.shape for image in asked.images} == {(24, 32, 3)}
    return said('joy')

  with chat_server.running(respond) as chat:
    assert run(chat, '--fps=5', '--max_side=32')[0] == 0
  assert sorted(seen, key=len) == [[0, 2], [0, 2, 4], [0, 2, 4, 6], [0, 2, 4, 6, 8]]


def test_a_long_clip_is_shown_by_evenly_spread_frames(run):
  shown = []

  def respond(asked):
    shown.append([made_videos.number(image) for image in asked.images])
    return said('joy')

  with chat_server.running(respond) as chat:
    assert run(chat, '--max_frames=3')[0] == 0
  assert sorted(shown, key=max) == [[0, 1, 2], [0, 2, 4], [0, 3, 6], [0, 4, 8]]


@pytest.mark.parametrize(
  ('answer', 'label'),
  [
    ('{"label": "HAPPY"}', 'joy'),
    ('```json\n{"label": "fear"}\n```', 'fear'),
    ('I would say that this is Sadness.', 'sadness'),
    ('It is joy, not anger.', 'joy'),
    ('joy or fear', None),
    ('{"label": null}', None),
    ('{"label": "boredom"}', None),
    ('喜び', None),
    ('', None),
  ],
)
def test_answers_are_read_or_fit_no_class(run, answer, label):
  with chat_server.running(lambda asked: said(answer)) as chat:
    status, lines, stderr = run(chat)
  assert status == 0 and len(chat.asked) == 4
  for line in lines.values():
    assert (line['label'], line['no_class'], line['answer']) == (label, label is None, answer)
  assert ('4 answers fit no class' in stderr) == (label is None)


def test_a_refusal_is_an_answer_of_no_class(run):
  with chat_server.running(lambda asked: said(None, refusal='I cannot help.')) as chat:
    status, lines, _ = run(chat)
  assert status == 0 and {line['answer'] for line in lines.values()} == {'I cannot help.'}
  assert all(line['no_class'] for line in lines.values())


def test_without_the_package_its_extra_is_named(run, monkeypatch):
  monkeypatch.setitem(sys.modules, 'openai', None)
  with chat_server.running(truly) as chat:
    status, _, stderr = run(chat)
  assert status == 2 and "pip install -e '.[vlm]'" in stderr


def test_a_subset_alone_is_asked(run, tmp_path):
  ids = tmp_path / 'ids.csv'
  ids.write_text('id\nm1_1\nf1_0\n')
  with chat_server.running(truly) as chat:
    status, lines, _ = run(chat, f'--subset={ids}')
  assert status == 0 and list(lines) == ['m1_1', 'f1_0'] and len(chat.asked) == 2


def test_a_video_that_cannot_be_decoded_fails_alone(data, videos, tmp_path, words, capsys):
  own = tmp_path / 'own'
  (own / 'deep' / 'er').mkdir(parents=True)
  for video in videos.iterdir():
    (own / 'deep' / 'er' / video.name).write_bytes(video.read_bytes())
  (own / 'deep' / 'er' / 'f1_0.mp4').write_bytes(b'no video')
  with chat_server.running(truly) as chat:
    assert exit_status(vlm.main, words(chat, f'--videos={own}')) == 1
    assert len(chat.asked) == 3 and 'f1_0.mp4' in capsys.readouterr().err
    (own / 'f1_0.mov').write_bytes((videos / 'f1_0.mp4').read_bytes())
    assert exit_status(vlm.main, words(chat, f'--videos={own}')) == 2
    assert 'are both f1_0: keep one' in capsys.readouterr().err
    (own / 'deep' / 'er' / 'f1_0.mp4').unlink()
    (own / 'deep' / 'er' / 'm1_0.mp4').unlink()
    assert exit_status(vlm.main, words(chat, f'--videos={own}')) == 2
    assert '1 of 4 clips have no video' in capsys.readouterr().err


def test_labels_without_features_are_enough(tmp_path, words, capsys):
  """EmoSign's annotations alone: the tasks differ in which clips have a label."""
  annotations = write_annotations(tmp_path / 'a.csv')
  data, videos = tmp_path / 'data', tmp_path / 'emosign'
  command = ['emosign/labels', f'--data_dir={data}', f'--annotations={annotations}']
  assert exit_status(build.main, command) == 0
  (videos / 'ben').mkdir(parents=True)
  names = [row.split(',')[0] for row in annotations.read_text().splitlines()[1:]]
  for name in names:
    folder = videos / 'ben' if 'Ben' in name else videos
    made_videos.numbered(folder / f'{name}.mp4', 3, rate='10')
  flags = ('--corpus=emosign/labels', f'--data_dir={data}', f'--videos={videos}')
  out = tmp_path / 'answers.jsonl'
  for task, count, answer, label in [
    ('expression', 5, 'surprise_pos', 'surprise_pos'),
    ('emotion', 5, 'surprise_pos', 'surprise'),
    ('sentiment', 9, '{"label": "+2"}', '2'),
    ('sentiment3', 9, 'Positive.', 'positive'),
  ]:
    with chat_server.running(lambda asked, answer=answer: said(answer)) as chat:
      assert exit_status(vlm.main, words(chat, *flags, f'--task={task}')) == 0
      assert len(chat.asked) == count
      enum = chat.asked[0].body['response_format']['json_schema']['schema']
      assert enum['properties']['label']['enum'] == list(labels.names(task))
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert {line['label'] for line in lines} == {label}

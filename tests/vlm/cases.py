"""Four clips of two signers, told apart by their number of frames, and a clip without a label."""

import json

from tests.vlm.chat_server import said

KEY = 'sk-proj-0123456789abcdefSECRET'
CLIPS = {
  'f1': [dict(emotion='joy', utterance='u1'), dict(emotion='fear', utterance='u2')],
  'm1': [dict(emotion='joy', utterance='u1'), dict(emotion='anger', utterance='u2')],
  'x1': [dict(utterance='u3')],  # without a label
}
IDS = ('f1_0', 'f1_1', 'm1_0', 'm1_1')
# At 10 frames per second every frame is shown: their number tells the clips apart.
FRAMES = dict(zip(IDS, (3, 5, 7, 9), strict=True))
TRUE = dict(zip(IDS, ('joy', 'fear', 'joy', 'anger'), strict=True))


def clip_of(asked) -> str:
  return {count: id_ for id_, count in FRAMES.items()}[len(asked.jpegs)]


def truly(asked):
  return said(json.dumps(dict(label=TRUE[clip_of(asked)])))

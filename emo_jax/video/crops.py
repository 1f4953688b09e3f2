"""The face crops that features were made of, as JPEG: what a backbone is fine-tuned on."""

import os

from emo_jax.errors import UserError
from emo_jax.video import faces, libraries
from emo_jax.video.clip import Clip
from emo_jax.video.decode import Video

QUALITY = 95  # of JPEG


def cut(video: str | os.PathLike, clip: Clip) -> list[bytes]:
  """A JPEG of 224 x 224 pixels for every sampled frame with a face, in order.

  Args:
    video: the file whose features `clip` has.
    clip: says which frames, and where the face is.

  Raises:
    UserError: the video cannot be decoded, or is not the one the features are of.
  """
  cv2 = libraries.opencv()
  boxes = {
    int(index): box
    for index, box, there in zip(clip.frame_index, clip.face_box, clip.face_present, strict=True)
    if there
  }
  found = []
  for frame in Video(video).frames(boxes.__contains__):
    height, width = frame.rgb.shape[:2]
    if (width, height) != tuple(clip.frame_size.tolist()):
      break
    crop = faces.crop_face(frame.rgb, boxes[frame.index])
    _, jpeg = cv2.imencode('.jpg', crop[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    found.append(jpeg.tobytes())
  if len(found) != len(boxes):
    raise UserError(f'{video} is not the video that its features are of: delete those and go on')
  return found

"""What every corpus' examples hold: a clip's fields, who signs what, and a label per task."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from emo_jax import labels, provenance
from emo_jax.video import clip as clip_lib

# Of every corpus: they are stored alike. Data sets of any of these versions are read.
VERSION = tfds.core.Version('1.1.0')
RELEASE_NOTES = {
  '1.1.0': 'Arrays are stored as bytes, which are written and parsed several times as fast.',
  '1.0.0': 'Initial release.',
}

# Metadata field of a dataset that holds its compatibility key.
KEY = 'compatibility_key'
# Of a corpus whose clips are cut out of longer videos: split -> the videos' names.
VIDEOS = 'videos'
# Of a corpus that a model labelled: its name and revision.
LABEL_MODEL, LABEL_REVISION = 'label_model', 'label_revision'
# The config whose examples hold face crops too, [faces, 224, 224, 3] uint8: of frames with a face.
CROPS = 'crops'
CROP_SHAPE = (224, 224, 3)


def features(tasks: Sequence[str], with_crops: bool = False) -> tfds.features.FeaturesDict:
  """Features of one example with a label per task; T, the number of sampled frames, varies."""
  fields = {
    name: tfds.features.Tensor(shape=shape, dtype=dtype, encoding='bytes' if shape else 'none')
    for name, (shape, dtype) in clip_lib.FIELDS.items()
  }
  text = {name: tfds.features.Text() for name in ('id', 'signer', 'utterance', 'text')}
  task_labels = {task: tfds.features.Scalar(np.int64) for task in tasks}
  image = tfds.features.Image(shape=CROP_SHAPE, encoding_format='jpeg')
  crops = {CROPS: tfds.features.Sequence(image)} if with_crops else {}
  return tfds.features.FeaturesDict(fields | text | {'labels': task_labels} | crops)


def example(
  clip: clip_lib.Clip,
  *,
  id: str,  # noqa: A002 (the contract's name)
  signer: str,
  utterance: str,
  text: str,
  task_labels: Mapping[str, int],
  crops: Sequence[bytes] | None = None,
) -> dict[str, Any]:
  """One example; `task_labels` holds an index per task, `labels.UNKNOWN` where nobody knows, and
  `crops` the JPEGs of the frames with a face, for the config that has them."""
  for task, index in task_labels.items():
    assert labels.UNKNOWN <= index < len(labels.names(task)), (id, task, index)
  fields = {
    name: np.asarray(getattr(clip, name), dtype) for name, (_, dtype) in clip_lib.FIELDS.items()
  }
  if crops is not None:
    fields[CROPS] = [io.BytesIO(jpeg) for jpeg in crops]
  return fields | dict(
    id=id, signer=signer, utterance=utterance, text=text, labels=dict(task_labels)
  )


def readable_without_tensorflow(options: Mapping[str, Any]) -> dict[str, Any]:
  """A builder's options with TFDS's default file format, which needs TensorFlow, replaced."""
  return {**options, 'file_format': options.get('file_format') or 'array_record'}


def require_key(builder: tfds.core.DatasetBuilder, key: Mapping[str, str]) -> None:
  """Raises UserError if the builder's directory holds a data set of another compatibility key."""
  if Path(builder.data_dir).is_dir():
    there = tfds.builder_from_directory(builder.data_dir).info.metadata[KEY]
    provenance.require_same(
      dict(there),
      dict(key),
      f'the data set in {builder.data_dir}',
      'this build',
      'delete it or give another --data_dir',
    )

"""What builders of corpora of videos share: extractor, flags, and where features are kept."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emo_jax.errors import UserError
from emo_jax.video import extractor, feature_files, following, pose_files
from emo_jax.video import hand_model as hand_landmarker
from emo_jax.video import sampling as frame_sampling
from tfds_builders import clip_features, forecast

FEATURES_VARIABLE = 'EMO_JAX_FEATURES'
SAMPLING_VARIABLE = 'EMO_JAX_SAMPLING'


class VideoCorpus:
  """Beside a TFDS builder class, before it: features are taken from `.npz` files of the same
  compatibility key where there are some, and extracted and kept there where there are none.

  Attributes:
    extractor_settings: what `emo_jax.video.extractor.open_extractor` is called with.
    key: the compatibility key of the features.
  """

  def __init__(
    self,
    *,
    weights: str | None = None,
    hand_model: str | None = None,
    features_dir: str | os.PathLike | None = None,
    sampling: str | None = None,
    search: str = 'follow',
    hands_from: str | os.PathLike | None = None,
    extracts: bool = True,
    **kwargs,
  ):
    """As any TFDS builder, and:

    Args:
      weights: of the backbone, or `random` (default: the variable EMO_JAX_WEIGHTS).
      hand_model: the hand landmarker (default: EMO_JAX_HAND_MODEL, else the cached one).
      features_dir: where the `.npz` files lie (default: EMO_JAX_FEATURES, else beside the data
        set, in `<data_dir>/features/<name>`).
      sampling: `index` or `time` (default: EMO_JAX_SAMPLING, else `index`).
      search: for the face (`emo_jax.video.following`).
      hands_from: a folder of `.pose` files to take the hands from.
      extracts: False for a data set without features, for which no network is opened.

    Raises:
      UserError: no weights, an unknown sampling rule, or the directory holds a data set of another
        compatibility key.
    """
    self._kept = features_dir or os.environ.get(FEATURES_VARIABLE)
    if not extracts:
      super().__init__(**clip_features.readable_without_tensorflow(kwargs))
      return
    # What the environment says too: workers elsewhere have another one.
    weights = weights or os.environ.get(extractor.WEIGHTS_VARIABLE)
    hand_model = hand_model or os.environ.get(hand_landmarker.VARIABLE)
    self.extractor_settings = dict(
      weights_path=weights if weights in (None, 'random') else os.path.abspath(weights),
      hand_model_path=hand_model and os.path.abspath(hand_model),
      sampling=sampling or os.environ.get(SAMPLING_VARIABLE) or 'index',
      search=search,
      pose_hands=pose_files.in_folder(hands_from, Path(hands_from or '').glob('*.pose')),
    )
    self._extractor = extractor.open_extractor(**self.extractor_settings)
    self.key = self._extractor.key
    super().__init__(**clip_features.readable_without_tensorflow(kwargs))
    clip_features.require_key(self, self.key)

  @property
  def features_dir(self) -> Path:
    """Where the `.npz` files lie."""
    return Path(self._kept or Path(self._data_dir_root) / 'features' / self.name)

  def extract(self, targets: Mapping[Path, Path], listed_in: str) -> None:
    """Makes the features that are not there yet, after saying how long that will take.

    Args:
      targets: video -> its `.npz`.
      listed_in: what names the videos, for the message about those that cannot be decoded.

    Raises:
      UserError: as `feature_files.extract_all`, or videos cannot be decoded.
    """
    new = [video for video, target in targets.items() if not target.exists()]
    forecast.announce(new, self.features_dir)
    made = feature_files.extract_all(targets, self._extractor)
    failed = [str(error) for _, error in made if error]
    if failed:
      raise UserError(
        f'{len(failed)} of {len(targets)} videos cannot be decoded ({"; ".join(failed)}): mend '
        f'them or take them out of {listed_in}'
      )


def add_flags(parser: argparse.ArgumentParser) -> None:
  """The flags of `tfds_builders.build` for `VideoCorpus`."""
  parser.add_argument('--weights', help='converted weights or `random` (env EMO_JAX_WEIGHTS)')
  parser.add_argument('--hand_model', help='hand_landmarker.task (env EMO_JAX_HAND_MODEL)')
  parser.add_argument('--features', help='folder of .npz files to reuse and add to')
  parser.add_argument(
    '--sampling',
    choices=frame_sampling.RULES,
    help='of frames (env EMO_JAX_SAMPLING; default: index)',
  )
  parser.add_argument('--search', choices=following.SEARCHES, default='follow', help='for the face')
  parser.add_argument('--hands_from', metavar='DIR', help='folder of <video>.pose files with hands')


def options(arguments: argparse.Namespace) -> dict[str, Any]:
  """What `VideoCorpus` takes, from these flags."""
  return dict(
    weights=arguments.weights,
    hand_model=arguments.hand_model,
    features_dir=arguments.features,
    sampling=arguments.sampling,
    search=arguments.search,
    hands_from=arguments.hands_from,
  )


def require_folder(corpus: str, folder: str | None, needs: str) -> Path:
  """The folder of videos. Raises UserError, with what the corpus needs, if there is none."""
  if not folder or not Path(folder).is_dir():
    raise UserError(f'--manual_dir={folder} is no folder: {corpus} needs its videos. {needs}')
  return Path(folder)

"""What a data set of BOBSL is made from: the user's choices, and what it remembers of them."""

import argparse
import dataclasses
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emo_jax.errors import UserError, require
from tfds_builders.bobsl import labelled
from tfds_builders.bobsl.clips import MISSING, Selection
from tfds_builders.bobsl.layout import ALIGNMENTS

MANUAL = 'manual'
AUTOMATIC = tuple(name for name in ALIGNMENTS if name != MANUAL)
_ON = ('1', 'true', 'yes')

# Flag -> its type and help; the variable EMO_JAX_<FLAG> says the same to `tfds build`.
_FLAGS = {
  'alignment': (str, f'of a and a_tea: {" or ".join(AUTOMATIC)} (default: {Selection.alignment})'),
  'shift': (float, 'seconds added to subtitle times (default: what the alignment needs)'),
  'min_s': (float, 'shortest clip in seconds'),
  'max_s': (float, 'longest clip in seconds'),
  'clips': (str, 'CSV of the clips to take instead of all that these rules select'),
  'labels': (str, 'label file of a_tea, m_a1, m_a2, or of m_c with the agreed labels'),
  'labels_a1': (str, 'for m_c: label file of the first annotator'),
  'labels_a2': (str, 'for m_c: of the second; clips with the same label by both are taken'),
  'missing': (str, f'an episode without its files: {" or ".join(MISSING)} (default: error)'),
}
_SWITCH = 'with_manual_episodes'


@dataclasses.dataclass(frozen=True)
class Source:
  """What a data set is made from.

  Attributes:
    selection: which clips.
    labels: label files: none, one, or two of which the agreed labels are taken.
    missing: `error`, or `skip` for leaving out episodes without a video or subtitles.
  """

  selection: Selection
  labels: tuple[Path, ...]
  missing: str

  def record(self) -> dict[str, str]:
    """What a finished data set remembers, by name; files by their sha256.

    Raises:
      UserError: a file cannot be read.
    """
    fields = {f.name: getattr(self.selection, f.name) for f in dataclasses.fields(Selection)}
    fields |= {'shift_s': self.selection.shift, 'missing': self.missing}
    fields |= {f'labels {n}': path for n, path in enumerate(self.labels, start=1)}
    return {
      name: _digest(value) if isinstance(value, Path) else str(value)
      for name, value in fields.items()
    }


def add_flags(parser: argparse.ArgumentParser) -> None:
  """A flag per choice."""
  for name, (kind, what) in _FLAGS.items():
    parser.add_argument(f'--{name}', type=kind, help=f'{what} (env {_variable(name)})')
  what = 'keep manually aligned episodes in a and a_tea'
  parser.add_argument(
    f'--{_SWITCH}', action='store_true', default=None, help=f'{what} (env {_variable(_SWITCH)}=1)'
  )


def given(arguments: argparse.Namespace) -> dict[str, Any]:
  """The choices made by these flags, None where there is none."""
  return {name: getattr(arguments, name) for name in (*_FLAGS, _SWITCH)}


def resolve(config: str, choices: Mapping[str, Any]) -> Source:
  """The source of a config, from the choices given, the environment and the defaults.

  Raises:
    UserError: a choice is unknown or not of this config, or labels are lacking.
  """
  chosen = {name: _chosen(name, choices.get(name)) for name in (*_FLAGS, _SWITCH)}
  manual = config.startswith('m')
  alignment = chosen['alignment'] or (MANUAL if manual else Selection.alignment)
  require(alignment, (MANUAL,) if manual else AUTOMATIC, f'the alignment of {config}')
  missing = chosen['missing'] or 'error'
  require(missing, MISSING, '--missing')
  times = dict(shift_s=chosen['shift'], min_s=chosen['min_s'], max_s=chosen['max_s'])
  selection = Selection(
    alignment=alignment,
    with_manual_episodes=not manual and bool(chosen[_SWITCH]),
    clips=Path(chosen['clips']) if chosen['clips'] else None,
    **{name: value for name, value in times.items() if value is not None},
  )
  return Source(selection, _label_files(config, chosen), missing)


def _label_files(config: str, chosen: Mapping[str, Any]) -> tuple[Path, ...]:
  both = [chosen[name] for name in ('labels_a1', 'labels_a2')]
  if chosen['labels'] and any(both):
    raise UserError('give --labels or --labels_a1 and --labels_a2, not all of them')
  if any(both) and config != 'm_c':
    raise UserError(f'--labels_a1 and --labels_a2 are for m_c: {config} takes --labels')
  if any(both) and not all(both):
    raise UserError('--labels_a1 and --labels_a2 go together: give both')
  paths = tuple(map(Path, both)) if all(both) else ()
  if paths and _digest(paths[0]) == _digest(paths[1]):
    raise UserError(f'{paths[0]} and {paths[1]} are the same labels: give those of two annotators')
  if chosen['labels']:
    paths = (Path(chosen['labels']),)
  if config in labelled.LABELLED and not paths:
    also = ', or --labels_a1 and --labels_a2' if config == 'm_c' else ''
    raise UserError(f'{config} needs labels: give --labels=FILE{also} (env {_variable("labels")})')
  if config not in labelled.LABELLED and paths:
    raise UserError(f'{config} takes no labels: write {" or ".join(labelled.LABELLED)}')
  return paths


def _chosen(name: str, value: Any) -> Any:
  """What was given, else what the environment says, else None."""
  text = os.environ.get(_variable(name))
  if value is not None or not text:
    return value
  if name == _SWITCH:
    return text.lower() in _ON
  try:
    return _FLAGS[name][0](text)
  except ValueError as error:
    raise UserError(f'{_variable(name)}={text} is no number') from error


def _variable(name: str) -> str:
  return f'EMO_JAX_{name.upper()}'


def _digest(path: Path) -> str:
  try:
    return hashlib.sha256(path.read_bytes()).hexdigest()
  except OSError as error:
    raise UserError(f'cannot read {path}: {error.strerror}') from error

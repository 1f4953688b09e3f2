"""The flags of training: --config with overrides of its fields, --workdir, --distributed."""

import dataclasses
import datetime
import importlib.util
import sys
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import config_dict
from ml_collections import config_flags as ml_config_flags

from emo_jax import labels, run_dir
from emo_jax.errors import UserError


def load_config(path: str) -> config_dict.ConfigDict:
  """`get_config()` of a config file; `FILE.py:ARG` calls `get_config(ARG)`.

  Raises:
    UserError: no such file, with the configs that lie beside it, or it is no config.
  """
  return _call(path, 'get_config')


def load_grid(path: str) -> dict[str, tuple[Any, ...]]:
  """`get_grid()` of a config file: field -> values. Raises UserError as `load_config`."""
  return _call(path, 'get_grid')


def _call(path: str, function: str) -> Any:
  file, _, argument = path.partition(':')
  spec = importlib.util.spec_from_file_location('config', file)
  if not Path(file).is_file() or spec is None or spec.loader is None:
    there = sorted(str(p) for p in Path(file).parent.glob('*.py'))
    raise UserError(f'no config {file}{labels.nearest(file, there)}')
  module = importlib.util.module_from_spec(spec)
  root = str(Path(file).resolve().parents[1])
  if root not in sys.path:
    sys.path.append(root)  # configs import each other, from wherever the command is given
  try:
    spec.loader.exec_module(module)
    if not hasattr(module, function):
      raise UserError(f'{file} has no {function}()')
    return getattr(module, function)(*([argument] if argument else []))
  except UserError:
    raise
  except Exception as error:
    raise UserError(f'{file} is no config: {type(error).__name__}: {error}') from error


def _require_known(arguments: list[str], config: config_dict.ConfigDict) -> None:
  """Raises UserError for a flag that is no field (with the nearest name) or is given twice."""
  fields = [f'config.{name}' for name in run_dir.flatten(config.to_dict())]
  given = set()
  for argument in arguments:
    name = argument.split('=', 1)[0].lstrip('-')
    if name in given:
      raise UserError(f'--{name} is given twice')
    given |= {name} if argument.startswith('-') else set()
    if argument.startswith('-') and name not in fields:
      near = labels.nearest(name, [*fields, 'config', 'workdir', 'distributed', 'peer_timeout_s'])
      raise UserError(f'unknown flag --{name}{near}')


@dataclasses.dataclass(frozen=True)
class Flags:
  """What a run is told.

  Attributes:
    config: plain data with overrides applied.
    workdir: by default runs/<name>-<time>.
    distributed: does it join other processes?
    peer_timeout_s: how long it waits for them in vain.
  """

  config: dict[str, Any]
  workdir: Path
  distributed: bool
  peer_timeout_s: int


def parse(argv: list[str]) -> Flags:
  """Reads the command line.

  Raises:
    UserError: no such config, a misspelt field or flag (with the nearest name), or a value that
      its field cannot take.
  """
  first = flags.FlagValues()
  flags.DEFINE_string('config', '', 'config file', flag_values=first)
  flags.DEFINE_string('workdir', '', 'folder of the run', flag_values=first)
  flags.DEFINE_bool('distributed', False, 'join the processes of a cluster', flag_values=first)
  flags.DEFINE_integer(
    'peer_timeout_s', 900, 'wait so long for other processes', lower_bound=1, flag_values=first
  )
  try:
    rest = first(argv, known_only=True)
  except flags.Error as error:
    raise UserError(str(error)) from error
  if not first.config:
    raise UserError('no --config given: try --config=configs/eanwh.py')
  config = load_config(first.config)
  _require_known(rest[1:], config)
  fields = flags.FlagValues()
  holder = ml_config_flags.DEFINE_config_dict('config', config, flag_values=fields, sys_argv=rest)
  try:
    extra = fields(rest)[1:]
  except (flags.Error, TypeError, ValueError) as error:
    raise UserError(' '.join(str(error).split())) from error
  if extra:
    raise UserError(f'unexpected argument {extra[0]!r}: write --config.FIELD=VALUE')
  plain = holder.value.to_dict()
  now = datetime.datetime.now().strftime('%Y%m%d-%H%M%S')
  workdir = Path(first.workdir or f'runs/{plain["name"]}-{now}')
  return Flags(plain, workdir, first.distributed, first.peer_timeout_s)

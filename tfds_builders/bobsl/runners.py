"""Apache Beam, and where its pipelines run: on this machine, or with any runner by its options."""

import contextlib
import dataclasses
import importlib
import io
import logging
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import tensorflow_datasets as tfds

from emo_jax import labels
from emo_jax.errors import UserError

_LOCAL = ('', 'directrunner', 'direct', 'fnapirunner', 'fnapi')


def apache_beam() -> ModuleType:
  """The module apache_beam, of the extra `bobsl`. Raises UserError naming what to install."""
  try:
    with _unlogged():
      return importlib.import_module('apache_beam')
  except ImportError as error:
    remedy = "pip install 'emo_jax[bobsl]'"
    raise UserError(f'Apache Beam cannot be loaded ({error}): {remedy}') from error


def options(text: str | None) -> Any:
  """Beam's options from `name=value,name=value`, as `tfds build` writes them.

  Raises:
    UserError: a value that Beam refuses, an unknown runner or, where the pipeline runs on this
      machine, an unknown name.
  """
  beam = apache_beam()
  # Without flags of its own Beam reads those of this process.
  found = beam.options.pipeline_options.PipelineOptions(
    flags=[f'--{one.strip()}' for one in (text or '').split(',') if one.strip()]
  )
  complaint = io.StringIO()
  try:
    with contextlib.redirect_stderr(complaint), _unlogged():
      known = found.get_all_options()
      given = found.get_all_options(drop_default=True, retain_unknown_options=True)
  except SystemExit as error:
    reason = complaint.getvalue().strip().rpartition('error: ')[2]
    raise UserError(f'--beam_pipeline_options={text}: {reason}') from error
  # Elsewhere a name may be the runner's own.
  for name in given if _is_local(found) else ():
    if name not in known:
      near = labels.nearest(name, known)
      raise UserError(f'--beam_pipeline_options={text}: Beam has no option {name!r}{near}')
  if not _is_local(found):
    _require_runner(known['runner'])
  return found


def is_local(config: tfds.download.DownloadConfig) -> bool:
  """Do pipelines run on this machine?"""
  chosen = config.beam_options
  return config.beam_runner is None and (chosen is None or _is_local(chosen))


def configured(config: tfds.download.DownloadConfig) -> tfds.download.DownloadConfig:
  """A download config that says where pipelines run: by default in this process.

  Beam's own DirectRunner first looks for a runner written in Go and downloads it; the one that it
  falls back to, which knows `direct_running_mode`, is taken at once.
  """
  chosen = config.beam_options if config.beam_options is not None else options(None)
  runner = _local_runner(chosen) if is_local(config) else config.beam_runner
  return dataclasses.replace(config, beam_options=chosen, beam_runner=runner)


@contextlib.contextmanager
def failures_in_a_line(config: tfds.download.DownloadConfig) -> Iterator[None]:
  """What a named runner ends with, from a cluster that is not there on, becomes a UserError."""
  try:
    yield
  except UserError:
    raise
  except Exception as error:
    if is_local(config) and not config.beam_options.get_all_options().get('direct_running_mode'):
      raise  # in this process: its own mistake
    reason = '; '.join(line.strip() for line in str(error).splitlines() if line.strip())
    raise UserError(
      f'the Beam pipeline ended with {type(error).__name__} ({reason}): start again to go on from '
      'the episodes that are done, with other --beam_pipeline_options if those are to blame'
    ) from error


def _local_runner(chosen: Any) -> Any:
  """The runner behind `direct_running_mode`; its processes are told the options too."""
  from apache_beam.portability.api import beam_provision_api_pb2
  from apache_beam.runners.portability.fn_api_runner import fn_runner
  from apache_beam.runners.portability.portable_runner import JobServiceHandle

  worker = chosen.view_as(apache_beam().options.pipeline_options.WorkerOptions)
  worker.default_sdk_harness_log_level = worker.default_sdk_harness_log_level or 'WARNING'
  encoded = JobServiceHandle.encode_pipeline_options(chosen.get_all_options())
  info = beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
  return fn_runner.FnApiRunner(provision_info=fn_runner.ExtendedProvisionInfo(info))


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
  """Keeps Beam from logging about Google's libraries and about options that are refused anyway."""
  before = logging.root.manager.disable
  logging.disable(logging.WARNING)
  try:
    yield
  finally:
    logging.disable(before)


def _is_local(found: Any) -> bool:
  """Do the options name no runner, or Beam's own on this machine?"""
  standard = apache_beam().options.pipeline_options.StandardOptions
  return (found.view_as(standard).runner or '').lower() in _LOCAL


def _require_runner(name: str) -> None:
  """Raises UserError unless Beam has the runner and what it needs is installed."""
  runner = importlib.import_module('apache_beam.runners.runner')
  try:
    runner.create_runner(name)
  except (ImportError, AttributeError, ValueError) as error:
    known = apache_beam().options.pipeline_options.StandardOptions.KNOWN_RUNNER_NAMES
    near = labels.nearest(name, known)
    raise UserError(f'no Beam runner {name!r}{near}: {str(error).splitlines()[0]}') from error

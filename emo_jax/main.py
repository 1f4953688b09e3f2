"""Trains: python -m emo_jax.main --config=configs/eanwh.py [--workdir=DIR] [--config.FIELD=X]."""

import sys

from emo_jax import config_flags, errors


def main(argv: list[str]) -> None:
  """Parses the flags, runs the experiment, prints its table and the paths of its figures."""
  config, workdir = config_flags.parse(argv)

  # After the flags: a misspelt one should not wait for JAX to start.
  import jax

  from emo_jax import experiment, files, run_report

  jax.config.update('jax_compilation_cache_dir', str(files.cache_dir() / 'xla'))
  result = experiment.run(config, workdir)
  print(run_report.summary(result, config['paper']))
  for path in ('report.md', *result['figures'].values()):
    print(workdir / path)


if __name__ == '__main__':
  sys.exit(errors.exit_status(main, sys.argv))

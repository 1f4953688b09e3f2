"""Trains: python -m emo_jax.main --config=configs/eanwh.py [--workdir=DIR] [--config.FIELD=X].

With --distributed it joins the other processes of a Slurm job, TPU pod slice, MPI job or Kubernetes
JobSet (launch/README.md).
"""

import sys

from emo_jax import config_flags, errors


def main(argv: list[str]) -> None:
  """Parses the flags, runs the experiment, prints its table and the paths of its figures."""
  flags = config_flags.parse(argv)

  # After the flags: a misspelt one should not wait for JAX to start.
  from emo_jax import experiment, processes, run_report, runtime

  runtime.prepare()
  if flags.distributed:
    processes.start(flags.peer_timeout_s)
  with processes.together(flags.peer_timeout_s):
    result = experiment.run(flags.config, flags.workdir)
    print(run_report.summary(result, flags.config['paper']))
    for path in ('report.md', *result['figures'].values()):
      print(flags.workdir / path)


if __name__ == '__main__':
  sys.exit(errors.exit_status(main, sys.argv))

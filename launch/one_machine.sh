#!/usr/bin/env bash
# Trains on all accelerators of this machine; a run that is killed goes on from its last checkpoint.
# Change CONFIG, DATA and RUN, or set them in the environment; flags given here are passed on.
#   DATA=/data/tfds RUN=/runs/eanwh launch/one_machine.sh --config.seed=1
set -euo pipefail
cd "$(dirname "$0")/.."
CONFIG="${CONFIG:-configs/eanwh.py}"
RUN="${RUN:?name the folder of the run}"
DATA="${DATA:-}"
for attempt in 1 2 3; do
  status=0
  python -m emo_jax.main --config="$CONFIG" --workdir="$RUN" ${DATA:+--config.data.dir="$DATA"} "$@" || status=$?
  # 0: done; 2: a mistake that starting again does not mend; 75: someone asked it to end (SIGTERM).
  case "$status" in 0 | 2 | 75) exit "$status" ;; esac
  echo "attempt $attempt ended with status $status" >&2
done
exit "$status"

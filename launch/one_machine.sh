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
  python -m emo_jax.main --config="$CONFIG" --workdir="$RUN" ${DATA:+--config.data.dir="$DATA"} "$@" &
  run=$!
  # Ctrl-C and SIGTERM make the run save and end.
  trap 'kill -TERM "$run"' INT TERM
  while true; do
    status=0
    wait "$run" || status=$?
    kill -0 "$run" 2> /dev/null || break # a signal ends a wait too
  done
  # 0: done; 2: a mistake that starting again does not mend; the others: someone asked it to end.
  case "$status" in 0 | 2 | 75 | 130 | 143) exit "$status" ;; esac
  echo "attempt $attempt ended with status $status" >&2
done
exit "$status"

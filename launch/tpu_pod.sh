#!/usr/bin/env bash
# Trains on every host of a TPU pod slice, from a machine with gcloud; started again up to three times if it dies.
# Change TPU, ZONE, RUN, CONFIG and DATA, or set them in the environment; flags given here are passed on.
#   TPU=my-v5e-16 ZONE=us-west4-a DATA=/mnt/data RUN=/mnt/runs/eanwh launch/tpu_pod.sh --config.seed=1
# Each host needs this folder, installed with jax[tpu], at REPO, and a disk under RUN and DATA that all of them see.
set -euo pipefail
TPU="${TPU:?name the TPU slice}"
ZONE="${ZONE:?name its zone}"
RUN="${RUN:?name the folder of the run, on a disk that every host sees}"
CONFIG="${CONFIG:-configs/eanwh.py}"
DATA="${DATA:-}"
REPO="${REPO:-emo_jax}"

words=(python -m emo_jax.main --distributed --config="$CONFIG" --workdir="$RUN" ${DATA:+--config.data.dir="$DATA"} "$@")
for attempt in 1 2 3; do
  status=0
  gcloud compute tpus tpu-vm ssh "$TPU" --zone="$ZONE" --worker=all \
    --command="cd $(printf %q "$REPO") && $(printf '%q ' "${words[@]}")" || status=$?
  # 0: done; 2: a mistake that starting again does not mend; 130: Ctrl-C. A preempted slice has to be made anew first.
  case "$status" in 0 | 2 | 130) exit "$status" ;; esac
  echo "attempt $attempt ended with status $status" >&2
done
exit "$status"

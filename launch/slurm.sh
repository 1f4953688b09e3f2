#!/usr/bin/env bash
# Trains on the GPUs of one node under Slurm; preempted or out of time, it saves and is requeued.
# Change the #SBATCH lines to your site's, and CONFIG, DATA and RUN here or in the environment:
#   DATA=/data/tfds RUN=/runs/eanwh sbatch launch/slurm.sh --config.seed=1
#SBATCH --job-name=emo_jax
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
# SIGTERM to this script two minutes before the end: time to save.
#SBATCH --signal=B:TERM@120
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-$(dirname "$0")/..}"
CONFIG="${CONFIG:-configs/eanwh.py}"
RUN="${RUN:?name the folder of the run}"
DATA="${DATA:-}"

srun python -m emo_jax.main --config="$CONFIG" --workdir="$RUN" ${DATA:+--config.data.dir="$DATA"} "$@" &
training=$!
interrupted=0
trap 'interrupted=1; kill -TERM "$training"' TERM
status=0
wait "$training" || status=$?
# The signal ended that wait (143 = 128 + SIGTERM); the run is saving, and ends with its own status.
if [ "$interrupted" -eq 1 ] && [ "$status" -eq 143 ]; then
  status=0
  wait "$training" || status=$?
fi

# 75: saved, and to be started again.
if [ "$status" -eq 75 ]; then
  scontrol requeue "$SLURM_JOB_ID"
  exit 0
fi
exit "$status"

#!/usr/bin/env bash
# Trains on the GPUs of one or more nodes under Slurm, a task per GPU; preempted or out of time, it saves and is requeued.
# Change the #SBATCH lines to your site's, and CONFIG, DATA and RUN here or in the environment:
#   DATA=/data/tfds RUN=/runs/eanwh sbatch launch/slurm.sh --config.seed=1
# Do not bind GPUs to tasks (--gpus-per-task): each takes the one of its number on its node.
#SBATCH --job-name=emo_jax
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --mem=64G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
# SIGTERM to the tasks, not to this script, two minutes before the end: time to save.
#SBATCH --signal=TERM@120
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-$(dirname "$0")/..}"
CONFIG="${CONFIG:-configs/eanwh.py}"
RUN="${RUN:?name the folder of the run, on a disk that every node sees}"
DATA="${DATA:-}"

# A signal that comes here too must neither end this script nor reach srun, which would kill its tasks.
trap : TERM
status=0
srun --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" --kill-on-bad-exit=0 \
  python -m emo_jax.main --distributed --config="$CONFIG" --workdir="$RUN" ${DATA:+--config.data.dir="$DATA"} "$@" || status=$?

# 0: done; 2: a mistake that starting again does not mend; 75: saved, and to be started again, as is
# what SIGTERM ended before or after training (143).
# Anything else: a process died or hung, which is tried three times.
case "$status" in
  0 | 2) exit "$status" ;;
  75 | 143) ;;
  *)
    crashes="$RUN/crashes-$SLURM_JOB_ID"
    mkdir -p "$RUN"
    echo "status $status" >> "$crashes"
    [ "$(wc -l < "$crashes")" -le 3 ] || exit "$status"
    ;;
esac
# One that somebody cancelled stays so.
case "$(scontrol show job "$SLURM_JOB_ID")" in *JobState=CANCELLED*) exit "$status" ;; esac
scontrol requeue "$SLURM_JOB_ID"

#!/usr/bin/env bash
# Trains on two machines with four ranks each: sbatch slurm.sh photos. Options of training may follow: photos --epochs 5
# Slurm stops the ranks two minutes before the time is over; they save their state, and the job is put into the queue again,
# where it goes on from there.
#SBATCH --job-name=anneal
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=08:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -u
: "${1:?the folder of pictures, on a file system that all machines have}"
run=runs/slurm-$SLURM_JOB_ID

# The same number of threads in every rank: one for each core that Slurm gives it.
export ANNEAL_THREADS=$SLURM_CPUS_PER_TASK OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK

if [ -f "$run/config.json" ]; then what=(--resume "$run"); else what=("$@" --out "$run"); fi
# Not npx: Slurm's SIGTERM would end npx first, and Slurm then kills what it started.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=1 node_modules/.bin/anneal train "${what[@]}"
code=$?

# 143: stopped by SIGTERM, with its state saved.
if [ "$code" = 143 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit "$code"

#!/usr/bin/env bash
# Trains on two machines with four ranks each: sbatch slurm.sh photos
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
data=${1:?the folder of pictures, on a file system that all machines have}
run=runs/slurm-$SLURM_JOB_ID

# The same number of threads in every rank: one for each core that Slurm gives it.
export ANNEAL_THREADS=$SLURM_CPUS_PER_TASK OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK

if [ -f "$run/config.json" ]; then what=(--resume "$run"); else what=("$data" --out "$run"); fi
srun --kill-on-bad-exit=1 npx anneal train "${what[@]}"
code=$?

# 143: stopped by SIGTERM, with its state saved.
if [ "$code" = 143 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit "$code"

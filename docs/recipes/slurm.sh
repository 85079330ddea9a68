#!/bin/bash
# A sweep on Slurm: this job hands out the trainings, each a job of its own with one core, and waits for them.
#     sbatch slurm.sh
# The package is installed in a virtual environment that all machines see; so is the folder of the sweep. Given again,
# it goes on with what is not done. To do it by hand, run the last command where sbatch is.
#SBATCH --job-name=option-critic-sweep
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G
#SBATCH --time=2-00:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
set -euo pipefail
source /shared/venv/bin/activate # pip install "/shared/option-critic[metaworld,slurm]", a clone
exec option-critic sweep /shared/push.toml --out /shared/push --on slurm --partition cpu --minutes 240

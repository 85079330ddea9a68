#!/bin/bash
# One training on two machines with four processes each. By hand, on both machines, with the name of the first:
#     HEAD=node-1 bash torchrun.sh
# and on Slurm, which starts it on both:
#     sbatch --nodes=2 --ntasks-per-node=1 --cpus-per-task=4 --wrap "srun bash torchrun.sh"
# The folder is on storage that both see. Given again, it goes on from its last boundary.
set -euo pipefail
HEAD=${HEAD:-$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)}
source /shared/venv/bin/activate # pip install "/shared/option-critic[metaworld]", a clone
exec torchrun --nnodes 2 --nproc-per-node 4 --max-restarts 3 \
    --rdzv-id option-critic --rdzv-backend c10d --rdzv-endpoint "$HEAD:29500" \
    -m option_critic train mt10 --num-envs 80 --seeds 0 --resume auto --out /shared/mt10

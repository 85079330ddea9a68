"""Trainings that torchrun starts."""

import subprocess
import sys

TRAIN = [
    "-m", "option_critic", "train", "CartPole-v1", "--backend", "gymnasium", "--env-workers", "never",
    "--num-envs", "4", "--rollout-length", "32", "--hidden-dim", "16", "--epochs", "2", "--minibatch-size", "64",
    "--torch-threads", "1", "--checkpoint-every", "256", "--resume", "auto",
]  # fmt: skip


def by_two_ranks(out, steps, *flags):
    """torchrun at work; `flags`: its own."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *flags, *TRAIN]
    return subprocess.Popen([*command, "--total-timesteps", str(steps), "--out", str(out)],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip

"""Returns of `sac_oc` beside Stable-Baselines3's SAC, with the same networks, settings and steps.

    pip install "option-critic[rivals]"
    python experiments/soft_rivals.py train --env Pendulum-v1 --out runs/soft
    python experiments/soft_rivals.py train --env HalfCheetah-v5 --agents k1 --seeds 0 --out runs/soft   # a part
    python experiments/soft_rivals.py table --out runs/soft

One environment, no normalisation, learning rates 3e-4, gamma 0.99, tau 0.005, batches of 256, two layers of ReLU, a
temperature that is learned to an entropy of -1 a component, updates in turns of `every` steps. What is left: SB3
begins with uniform actions, ours with an untrained policy, whose first weights are orthogonal (the head's a
hundredth); ours learns from the first critics' step on with a temperature of 1, as SB3. A record of each run is
written when it is done, and a run with a record is left alone. Judged on 20 episodes without noise, the same first
states for all.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch

import option_critic as oc
from option_critic.evaluation.intervals import mean
from option_critic.runs.run_folder import versions

EPISODES, FIRST = 20, 10_000
"""Judged so many, seeds from FIRST on."""


@dataclass(frozen=True)
class Task:
    """What is the same for all agents on an environment."""

    steps: int
    starts: int
    """steps before the first update"""
    every: int
    """steps between turns of updates"""
    updates: int
    """in a turn"""
    width: int


TASKS = {
    "Pendulum-v1": Task(steps=20_000, starts=1_000, every=1, updates=1, width=64),
    # a fourth of the usual updates, and narrow networks: a million steps take minutes
    "HalfCheetah-v5": Task(steps=1_000_000, starts=10_000, every=4, updates=1, width=64),
}
AGENTS = {"sb3": 0, "k1": 1, "k2": 2}
"""Name -> number of options; 0: Stable-Baselines3."""


def judge(env_id: str, act: Any) -> list[float]:
    """Returns of episodes; `act`: an observation, and whether an episode begins -> the action."""
    env, returns = gym.make(env_id), []
    for seed in range(FIRST, FIRST + EPISODES):
        obs, _ = env.reset(seed=seed)
        total, first, done = 0.0, True, False
        while not done:
            obs, reward, terminated, truncated, _ = env.step(act(obs, first))
            total, first, done = total + float(reward), False, terminated or truncated
        returns.append(total)
    env.close()
    return returns


def theirs(env_id: str, task: Task, seed: int) -> list[float]:
    """SB3's."""
    from stable_baselines3 import SAC

    model = SAC(
        "MlpPolicy", env_id, seed=seed, device="cpu", learning_starts=task.starts, train_freq=task.every,
        gradient_steps=task.updates, policy_kwargs={"net_arch": [task.width, task.width]},
    )  # fmt: skip
    model.learn(task.steps)
    return judge(env_id, lambda obs, _: model.predict(obs, deterministic=True)[0])


def ours(env_id: str, task: Task, seed: int, options: int) -> list[float]:
    """An agent with so many options."""
    agent = oc.OptionCritic(
        env_id, algorithm="sac_oc", seed=seed, num_options=options, hidden_dim=task.width, policy_layers=2,
        critic_layers=2, activation="relu", num_envs=1, backend="gymnasium", torch_threads=1,
        normalize_observation=False, normalize_reward=False, gamma=0.99, learning_starts=task.starts,
        update_every=task.every, updates_per_step=task.updates / task.every, total_timesteps=task.steps,
    )  # fmt: skip
    agent.learn()
    state: Any = None

    def act(obs: Any, first: bool) -> Any:
        nonlocal state
        action, state = agent.predict(obs, state=None if first else state, deterministic=True)
        return action

    return judge(env_id, act)


def train(a: argparse.Namespace) -> None:
    """What has no record yet."""
    torch.set_num_threads(1)
    task = TASKS[a.env]
    for seed in a.seeds:
        for name in a.agents:
            record = a.out / f"{a.env}.{name}.seed-{seed}.json"
            if record.exists():
                continue
            began, options = time.process_time(), AGENTS[name]
            returns = ours(a.env, task, seed, options) if options else theirs(a.env, task, seed)
            took = round(time.process_time() - began)
            what = {"env": a.env, "agent": name, "seed": seed, "returns": returns, "cpu_seconds": took}
            record.write_text(json.dumps(what | vars(task) | {"versions": versions()}))
            print(f"{record.stem}: {np.mean(returns):.1f}, {took} s", flush=True)


def table(out: Path) -> str:
    """Markdown: the mean return of each seed, and over the seeds."""
    records = [json.loads(file.read_text()) for file in sorted(out.glob("*.seed-*.json"))]
    lines = ["| environment | agent | mean return of each seed | over the seeds | processor seconds |"]
    lines.append("|---|---|---|---|---|")
    for env in TASKS:
        for name in AGENTS:
            each = [r for r in records if (r["env"], r["agent"]) == (env, name)]
            means = [float(np.mean(r["returns"])) for r in each]
            if over := mean(means):
                seeds, whole = " ".join(f"{x:,.0f}" for x in means), f"{over.value:,.0f}"
                took = " ".join(f"{r['cpu_seconds']:,}" for r in each)
                lines.append(f"| {env} | {name} | {seeds} | {whole} [{over.low:,.0f}, {over.high:,.0f}] | {took} |")
    return "\n".join(lines)


def main() -> None:
    """Train, or show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "table"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--env", choices=tuple(TASKS), default="Pendulum-v1")
    parser.add_argument("--agents", choices=tuple(AGENTS), nargs="+", default=tuple(AGENTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    a = parser.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    print(table(a.out)) if a.what == "table" else train(a)


if __name__ == "__main__":
    main()

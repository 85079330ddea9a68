"""Processor time of a decision: of agents with skills, beside the agent whose options they are.

    option-critic train pick-place --seeds 0
    python experiments/decisions.py runs/pick-place/seed-0

One thread, in rounds: in each every agent decides along the same training episodes of the run's agent, in 32
environments. The least of all rounds counts, as what other work takes only adds.
"""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import torch

import option_critic as oc
from option_critic.envs.lookup import given
from option_critic.envs.make import in_their_chance
from option_critic.model.act import Noise, act
from option_critic.model.acting import snapshot
from option_critic.records import Carry, Rollout
from option_critic.skills.export import skill_of
from option_critic.training.collect import collect
from option_critic.training.threads import compute_threads
from option_critic.training.train import start


def agents_of(run: Path) -> dict[str, oc.OptionCritic]:
    """The agent of a run, and those that are made of its skills."""
    parent = oc.load(run)
    reach, grasp, move = (skill_of(parent, name) for name in parent.option_names)

    def made(*options: Any) -> oc.OptionCritic:
        return oc.OptionCritic(parent.settings.env_id, options=list(options))

    return {
        "the run's agent": parent,
        "three frozen skills": made(reach, grasp, move),
        "two frozen, a new move": made(reach, grasp, "reach-grasp-move:move"),
        "two frozen, a corrected move": made(reach, grasp, move.option(correction=True, ends="learned")),
    }


class Deciding:
    """Decisions of one agent on given observations."""

    def __init__(self, agent: oc.OptionCritic) -> None:
        self.rules, self.generators = agent.settings.options, agent.state.generators
        self.network = snapshot(agent.state.model)

    def seconds(self, rollout: Rollout) -> float:
        """Of a decision at each of its rows, each after the one that led there."""
        arriving, rows = rollout.decision.carry, rollout.obs.numpy()
        noise = Noise.draw(rows.shape[:2], self.network, self.generators).steps()
        carries = [Carry(*parts) for parts in zip(*(x.numpy() for x in vars(arriving).values()), strict=True)]
        began = time.thread_time()
        for obs, carry, chance in zip(rows, carries, noise, strict=True):
            act(self.network, obs, carry, self.rules, chance)
        return (time.thread_time() - began) / len(rows)


def episode(agent: oc.OptionCritic) -> Rollout:
    """An episode in each environment, as in training."""
    settings = agent.settings.override(env_groups=1)
    groups, live = start(agent.state, settings, given(settings.env_id))
    with closing(groups[0]), in_their_chance(groups):
        length = settings.learning.rollout_length
        return collect(groups, agent.state.model, live, length, settings.options, agent.state.generators)[0]


def main() -> None:
    """A line for each agent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a pick-place agent with the shipped options")
    parser.add_argument("--rounds", type=int, default=40)
    a = parser.parse_args()
    torch.set_num_threads(1)
    agents = agents_of(a.run)
    parent, *_ = agents.values()
    rollout, deciding = episode(parent), {name: Deciding(agent) for name, agent in agents.items()}
    least = dict.fromkeys(deciding, float("inf"))
    with compute_threads(1, arrays=1):
        for _ in range(a.rounds):
            for name, one in deciding.items():
                least[name] = min(least[name], one.seconds(rollout))
    first, *_ = least.values()
    for name, seconds in least.items():
        print(f"{name}: {seconds * 1e6:.0f} microseconds, {seconds / first:.2f} times that of the run's agent")


if __name__ == "__main__":
    main()

"""The agents of `transfer.py`: how each is made, and what it takes from a parent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor

import option_critic as oc
from option_critic.algorithms.settings import BURN_IN, DACSettings
from option_critic.envs.metaworld import PREFIX
from option_critic.errors import InputError
from option_critic.presets import settings_for
from option_critic.recipes import horizon, metaworld
from option_critic.runs.inventory import last_whole, read_config
from option_critic.runs.paths import RunPath
from option_critic.skills.export import skill_of
from option_critic.training.state import TrainState

PARENTS: dict[str, dict[str, Any]] = {"pick-place": {}, "flat": {"num_options": 1}}
"""Folder of parents -> what they set beside the preset pick-place."""
TEN, TEN_FLAT = "options/mt10", "flat/mt10"
"""Folders of those that are always given: agents of ten tasks, where `many_tasks.py` leaves them."""
FIRST = ("policy_trunk.0.weight", "critic_trunk.0.weight", "option_trunk.0.weight")
"""Weights on what is seen."""
EPISODE = 150
"""Steps of a training episode, where the task needs no more."""
LONG = 200
"""The preset's episodes, where they are longer than this (disassemble: 250)."""
ITERATION = 32 * EPISODE
"""Steps of an iteration, for every agent: an episode in each environment."""
LATER = 5.0
"""By how much, in logits, a skill is preferred to the one before it where nothing was learned of choosing."""
DRAWN = 1_000_000
"""Added to a seed for the weights of random networks."""


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    out: Path
    steps: int
    parents: Path
    parent_steps: int
    """0: the parents are given, and not trained"""
    goals: int
    noise_color: float = 0.0
    """of all agents: white, as that of the parents of pick-place"""

    def folder(self, which: str, seed: int) -> Path:
        """Of a parent."""
        return self.parents / which / f"seed-{seed}"

    def given(self, which: str) -> bool:
        """Whether a parent is not trained here."""
        return not self.parent_steps or which not in PARENTS

    def parent(self, which: str, seed: int) -> oc.OptionCritic:
        """A parent, trained first if it is not there. Raises InputError where those that are given lack it."""
        folder = self.folder(which, seed)
        if self.given(which):
            return oc.load(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):  # whoever needs it too waits for it
            settings = settings_for("pick-place").override(**PARENTS[which])
            return trained(folder, lambda: oc.OptionCritic.from_settings(settings.override(
                seed=seed, **budget(self.parent_steps))), self.parent_steps)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One training, or one agent that is only judged."""

    agent: str
    task: str
    reward: str
    seed: int

    @property
    def place(self) -> Path:
        """Of its run folder, below OUT."""
        return Path(self.agent, self.task, self.reward, f"seed-{self.seed}")

    @property
    def name(self) -> str:
        """Of its record in OUT/results."""
        return ".".join(self.place.parts)

    def settings(self, plan: Plan) -> dict[str, Any]:
        """What every agent is told."""
        reward = "success" if self.reward == "success" else "dense"
        return {"seed": self.seed, "reward": reward, "noise_color": plan.noise_color, "risk_seeking": 0.0,
                "final_risk_seeking": None, **budget(plan.steps)}  # fmt: skip

    def new(self, plan: Plan, **settings: Any) -> oc.OptionCritic:
        """An untrained agent by the preset of the task, with episodes of one length on all tasks."""
        return oc.OptionCritic(PREFIX + self.task, **episodes(self.task) | self.settings(plan) | settings)


def episode(task: str) -> int:
    """Steps of a training episode on a task."""
    return own if (own := horizon(task)) > LONG else EPISODE


def episodes(task: str) -> dict[str, int]:
    """Whole ones in each iteration."""
    steps = episode(task)
    return {"max_episode_steps": steps, "rollout_length": steps // metaworld(task).env.action_repeat + 1}


def budget(steps: int) -> dict[str, int]:
    """Whole iterations, four checkpoints to go on from."""
    return {"total_timesteps": steps, "checkpoint_every": max(steps // 4, ITERATION)}


def flat(cell: Cell, plan: Plan) -> oc.OptionCritic:
    """(a)"""
    return cell.new(plan, num_options=1)


def told(cell: Cell, plan: Plan) -> oc.OptionCritic:
    """(a) that sees the interests."""
    return cell.new(plan, num_options=1, observe_interest="reach-grasp-move")


def finetuned(cell: Cell, plan: Plan) -> oc.OptionCritic:
    """(b) The flat parent, as a training begins that has its policy already."""
    plan.parent("flat", cell.seed)
    told = episodes(cell.task) | cell.settings(plan)
    agent = oc.load(plan.folder("flat", cell.seed), env=PREFIX + cell.task, burn_in=BURN_IN, **told)
    kept = agent.state.model.state_dict()
    fresh = TrainState.fresh(agent.settings, agent.spaces)
    agent.state.model, agent.state.optimizer = fresh.model, fresh.optimizer
    take(agent, kept, cell.reward == "dense")
    return agent


def take(agent: oc.OptionCritic, kept: dict[str, Tensor], critic: bool) -> None:
    """Into networks that are new what another agent learned, its critic or not; their noise is that of a correction."""
    if not critic:
        kept = {name: x for name, x in kept.items() if not name.startswith(("critic_trunk.", "q_head."))}
    agent.state.model.load_state_dict(kept, strict=False)
    with torch.no_grad():
        agent.state.model.log_std.fill_(agent.settings.model.correction_log_std)


def named(cell: Cell, plan: Plan) -> oc.OptionCritic:
    """(c)"""
    return cell.new(plan, options_from="reach-grasp-move")


def zero_shot(cell: Cell, plan: Plan) -> oc.OptionCritic:
    """(d) An agent that learned nothing: its skills end as they did, and the last that may start does."""
    agent = cell.new(plan, options=skills(plan.parent("pick-place", cell.seed)), skill_ends="given")
    with torch.no_grad():
        agent.state.model.mu_head.bias.copy_(LATER * torch.arange(len(agent.option_names)))
    return agent


def new_move(cell: Cell, plan: Plan) -> oc.OptionCritic:
    """(e)"""
    reach, grasp, _ = skills(plan.parent("pick-place", cell.seed))
    return cell.new(plan, options=[reach, grasp, "reach-grasp-move:move"])


def corrected(cell: Cell, plan: Plan) -> oc.OptionCritic:
    """(f)"""
    reach, grasp, move = skills(plan.parent("pick-place", cell.seed))
    return cell.new(plan, options=[reach, grasp, move.option(correction=True, ends="learned")])


def scripted(cell: Cell, plan: Plan) -> oc.OptionCritic:
    """(g)"""
    reference = cell.task.removesuffix("-v3").replace("-", "_").upper()
    return cell.new(plan, options_from=f"scripted:{reference}")


def random_networks(cell: Cell, plan: Plan) -> oc.OptionCritic:
    """(h) The parent's skills with drawn weights, whose actions differ as much as a network's can, and a new option."""
    parent = plan.parent("pick-place", cell.seed)
    other = oc.OptionCritic.from_settings(parent.settings.override(seed=cell.seed + DRAWN))
    other.state.model.obs_norm.load_state_dict(parent.state.model.obs_norm.state_dict())
    with torch.no_grad():
        other.state.model.pi_head.weight.mul_(100)  # a policy's last layer begins with a hundredth of the others'
    return cell.new(plan, options=[*skills(other), "new:over"])


def held(cell: Cell, plan: Plan) -> oc.OptionCritic:
    """(i) Actions held for twice as many steps as in the preset."""
    preset = metaworld(cell.task)
    count, c = 2 * preset.env.action_repeat, preset.learning
    assert isinstance(c, DACSettings)
    return cell.new(
        plan, num_options=1, action_repeat=count, gamma=c.gamma**2, lam=c.lam**2,
        rollout_length=-(-episode(cell.task) // count) + 1, minibatch_size=c.minibatch_size // 2,
    )  # fmt: skip


def ten(cell: Cell, plan: Plan) -> oc.OptionCritic:
    """(j) What an agent of ten tasks has, frozen, and a new option."""
    return cell.new(plan, options=[*skills(plan.parent(TEN, cell.seed)), "new:other"])


def ten_finetuned(cell: Cell, plan: Plan) -> oc.OptionCritic:
    """(k) The flat agent of ten tasks. It sees no more which of them it is: of each as much as on average."""
    parent = plan.parent(TEN_FLAT, cell.seed)
    agent = cell.new(plan, num_options=1, hidden_dim=parent.settings.model.hidden_dim, burn_in=BURN_IN)
    size, seen = parent.spaces.obs_size, parent.state.model.obs_norm.size
    left = [i for i in range(seen) if not size - len(parent.spaces.tasks) <= i < size]
    kept = {
        name: x[..., left] if x.ndim and name.startswith(("obs_norm.", *FIRST)) else x
        for name, x in parent.state.model.state_dict().items() if not name.startswith("reward_norm.")
    }  # fmt: skip
    take(agent, kept, cell.reward == "dense")
    if cell.reward == "dense":  # so that what the critic knows is of the size of what it is told at first
        own, scale = agent.state.model.reward_norm.moments, parent.state.model.reward_norm.moments
        for name, x in (
            ("count", own.count.new_tensor(ITERATION)),
            ("mean", scale.mean.mean()),
            ("var", scale.var.mean()),
        ):
            getattr(own, name).fill_(x)
    return agent


AGENTS: dict[str, Callable[[Cell, Plan], oc.OptionCritic]] = {
    "flat": flat, "finetuned": finetuned, "named": named, "zero-shot": zero_shot, "new-move": new_move,
    "corrected": corrected, "scripted": scripted, "random": random_networks, "held": held, "told": told,
    "ten": ten, "ten-finetuned": ten_finetuned,
}  # fmt: skip
PARENT_OF = {
    "finetuned": "flat", "ten": TEN, "ten-finetuned": TEN_FLAT,
    **dict.fromkeys(("zero-shot", "new-move", "corrected", "random"), "pick-place"),
}  # fmt: skip
"""Agent -> the parent without which it would not be."""


def skills(agent: oc.OptionCritic) -> list[oc.Skill]:
    """All its options."""
    return [skill_of(agent, name) for name in agent.option_names]


def trained(folder: Path, make: Callable[[], oc.OptionCritic], steps: int) -> oc.OptionCritic:
    """The agent of a run folder at the end of its training: begun, gone on with or there already.

    Raises InputError for a run of another length.
    """
    run = RunPath.of(folder)
    if last_whole(run) is None:  # what was begun has saved nothing that `make` would not begin with
        return make().learn(run_folder=run, overwrite=True, progress=True)
    own = read_config(run)["settings"]["total_timesteps"]
    if own != steps:
        raise InputError(f"{folder} was trained for {own:,} steps, not {steps:,}: say so, or choose another --out")
    return oc.resume(run, progress=True)

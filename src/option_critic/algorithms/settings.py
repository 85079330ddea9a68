"""What each algorithm can be told about learning. Read without PyTorch, so it has a file of its own."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Literal

from option_critic.errors import InputError
from option_critic.search_space import Among, Between
from option_critic.value_types import check_ranges, conform

RANGES = {
    "gamma": (0, 1),
    "lam": (0, 1),
    "clip": (0, 1),
    "rollout_length": (2, 1_000_000),
    "epochs": (1, 1000),
    "minibatch_size": (2, 10_000_000),
    "max_skipped_updates": (1, 1_000_000),
    "burn_in": (0, 10**12),
    "final_log_std": (-20, 20),
    **dict.fromkeys(("lr_option", "lr_critic", "lr_master", "lr_termination"), (0, 100)),
    **dict.fromkeys(("entropy_master", "entropy_option", "value_weight", "target_kl"), (0, 1_000_000)),
    **dict.fromkeys(("deliberation_cost", "max_grad_norm"), (0, 1_000_000_000)),
}
"""Setting -> (lowest, highest): beyond them nothing is learned, or the numbers alone take all memory."""
BURN_IN = 20_000
"""`burn_in` of an agent that corrects an option, where nothing else is said."""
SEARCH: dict[str, Between | Among] = {
    "gamma": Among((0.9, 0.95, 0.98, 0.99, 0.995, 0.998)),
    "lam": Between(0.8, 1.0),
    "clip": Between(0.1, 0.4),
    "epochs": Between(1, 16, log=True, whole=True),
    "minibatch_size": Among((64, 128, 256, 512, 1024, 2048)),
    "target_kl": Among((0.0, 0.01, 0.03, 0.1)),
    **dict.fromkeys(("lr_option", "lr_critic", "lr_master", "lr_termination"), Between(3e-5, 1e-2, log=True)),
    **dict.fromkeys(("entropy_master", "entropy_option"), Between(0.0, 0.05)),
    "deliberation_cost": Between(0.0, 0.1),
    "max_grad_norm": Between(0.2, 5.0, log=True),
}
"""Setting -> where `option-critic tune` looks for its value."""


@dataclass(frozen=True, kw_only=True)
class PPOSettings:
    """How it learns."""

    parts: ClassVar[tuple[str, ...]] = ()
    """Parts of a checkpoint that the algorithm brings, by name (`table.py`)."""

    gamma: float = 0.99
    """Discount per decision, in [0, 1]: per environment step, unless actions are held for several (action_repeat)."""
    lam: float = 0.95
    """Trace decay of generalised advantage estimation, in [0, 1]."""
    rollout_length: int = 256
    """Rows collected per environment and iteration. Whole episodes, or staggered ones: slices of
    long episodes that all environments run in step teach nothing."""
    epochs: int = 8
    """Passes over each rollout."""
    minibatch_size: int = 1200
    """Rows per gradient step (about: rollouts are split evenly)."""
    clip: float = 0.2
    """PPO's clip of the probability ratio, at both levels."""
    target_kl: float = 0.03
    """No further epoch once the intra-option policies have moved this far (mean KL of the last epoch);
    0: never stop early."""
    lr_option: float = 7e-4
    """Learning rate of the intra-option policies."""
    lr_critic: float = 7e-4
    """Learning rate of the option values."""
    lr_master: float = 7e-4
    """Learning rate of the policy over options."""
    lr_termination: float = 7e-4
    """Learning rate of the terminations."""
    burn_in: int | None = None
    """Environment steps at the start of a training in which the critic learns alone. Values that say nothing yet push
    a policy about; one that begins as a skill, or comes from another task, is lost by it (residual policy learning
    [Silver+18]). none: the first 20,000 steps of an agent that corrects an option, no steps of any other."""
    anneal_lr: bool = True
    """Let all learning rates fall linearly to 0 over the training."""
    final_log_std: float | None = None
    """Where continuous actions end up at most: their log standard deviations are held below a line that falls,
    as the training goes on, from the initial one to this. none: only gradients move them, and slowly. Less noise
    lets a skill that was found succeed, and the end rehearses what is judged, the most likely actions."""
    deliberation_cost: float = 0.0
    """c: price of a change of option, in standard deviations of the return (Harb+18); without normalize_reward, in
    units of reward. Raise it when options end after a step or two."""
    entropy_master: float = 0.01
    """Weight of the entropy of the policy over options: keeps it from settling too soon."""
    entropy_option: float = 0.0
    """Weight of the entropy of the intra-option policies."""
    value_weight: float = 0.5
    """Weight of the value loss."""
    max_grad_norm: float = 0.5
    """Gradients are scaled down to this norm."""
    max_skipped_updates: int = 10
    """Updates in a row whose gradients are NaN or infinite, and which are skipped, before the training ends."""

    def __post_init__(self) -> None:
        conform(self)
        check_ranges(self, RANGES)


@dataclass(frozen=True, kw_only=True)
class DACSettings(PPOSettings):
    """How the double actor-critic learns."""


@dataclass(frozen=True, kw_only=True)
class PPOOCSettings(PPOSettings):
    """How option-critic with PPO learns."""

    price: Literal["change", "termination"] = "change"
    """What the deliberation cost is paid for: a change of option, or, as in A2OC, every termination that is learned,
    also one that chooses the same option again."""


SETTINGS: dict[str, type[PPOSettings]] = {"dac": DACSettings, "ppo_oc": PPOOCSettings}
"""Algorithm -> what it can be told. Its targets and losses: `table.py`."""


def as_told_to(algorithm: str, learning: PPOSettings) -> PPOSettings:
    """The same settings for `algorithm`; what only it has is as by default.

    Raises InputError where something was set that it does not have.
    """
    cls = SETTINGS[algorithm]
    own = {f.name for f in fields(cls)}
    for f in fields(learning):
        if f.name not in own and getattr(learning, f.name) != f.default:
            raise InputError(
                f"{f.name} {getattr(learning, f.name)} is nothing that {algorithm} can be told; "
                f"set it back to {f.default} first"
            )
    shared = {f.name: getattr(learning, f.name) for f in fields(learning) if f.name in own}
    return learning if type(learning) is cls else cls(**shared)

"""What each algorithm can be told about learning. Read without PyTorch, so it has a file of its own."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import ClassVar, Literal, Self

from option_critic.errors import InputError
from option_critic.search_space import Among, Between
from option_critic.value_types import check_ranges, conform

RANGES = {
    "gamma": (0, 1),
    "lam": (0, 1),
    **dict.fromkeys(("risk_seeking", "final_risk_seeking"), (-0.99, 0.99)),
    "clip": (0, 1),
    "rollout_length": (2, 1_000_000),
    "epochs": (1, 1000),
    "minibatch_size": (2, 10_000_000),
    "max_skipped_updates": (1, 1_000_000),
    "burn_in": (0, 10**12),
    "final_log_std": (-20, 20),
    **dict.fromkeys(("noise_color", "noise_color_first"), (0, 4)),
    "update_every": (1, 1_000_000),
    "updates_per_step": (0, 1000),
    "learning_starts": (1, 10**9),
    "buffer_size": (2, 10**9),
    "tau": (0, 1),
    **dict.fromkeys(("temperature_option", "temperature_master"), (0, 1_000_000)),
    "target_entropy": (-1_000_000, 1_000_000),
    **dict.fromkeys(("target_divergence", "hindsight"), (0, 1)),
    **dict.fromkeys(("lr_option", "lr_critic", "lr_master", "lr_termination", "lr_temperature"), (0, 100)),
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
class LearningSettings:
    """What every algorithm can be told."""

    parts: ClassVar[tuple[str, ...]] = ()
    """Parts of a checkpoint that the algorithm brings, by name (`table.py`, `runs/parts.py`)."""
    replays: ClassVar[bool] = False
    """It learns off-policy, from transitions that it keeps (`training/off_policy.py`)."""

    gamma: float = 0.99
    """Discount per decision, in [0, 1]: per environment step, unless actions are held for several (action_repeat)."""
    rollout_length: int = 256
    """Rows collected per environment and iteration. Whole episodes, or staggered ones: slices of
    long episodes that all environments run in step teach nothing."""
    minibatch_size: int = 1200
    """Rows per gradient step (about: rollouts are split evenly)."""
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
    deliberation_cost: float = 0.0
    """c: price of a change of option, in standard deviations of the return (Harb+18); without normalize_reward, in
    units of reward. Raise it when options end after a step or two."""
    max_skipped_updates: int = 10
    """Updates in a row whose gradients are NaN or infinite, and which are skipped, before the training ends."""

    def __post_init__(self) -> None:
        conform(self)
        check_ranges(self, {name: limits for name, limits in RANGES.items() if hasattr(self, name)})


@dataclass(frozen=True, kw_only=True)
class PPOSettings(LearningSettings):
    """How it learns."""

    lam: float = 0.95
    """Trace decay of generalised advantage estimation, in [0, 1]."""
    epochs: int = 8
    """Passes over each rollout."""
    clip: float = 0.2
    """PPO's clip of the probability ratio, at both levels."""
    target_kl: float = 0.03
    """No further epoch once the intra-option policies have moved this far (mean KL of the last epoch);
    0: never stop early."""
    final_log_std: float | None = None
    """Where continuous actions end up at most: their log standard deviations are held below a line that falls,
    as the training goes on, from the initial one to this; the last update takes the line where the last of N
    iterations began, 1/N of the way above. none: only gradients move them, and slowly. Less noise
    lets a skill that was found succeed, and the end rehearses what is judged, the most likely actions."""
    noise_color: float = 0.0
    """How long the noise of continuous actions lasts in a rollout: its power falls with frequency f as f^-noise_color.
    0: white, each step's is its own; 1: pink, it goes on in one direction for a while, and finds what lies beyond a
    step or two [Hollenstein+24, 2312.11091]. Probabilities stay those of each action alone."""
    noise_color_first: float | None = None
    """The same of the first of several options; the last has `noise_color`, the others lie evenly between. So options
    explore in different ways, and the policy over options finds out which one serves. none: all have `noise_color`."""
    risk_seeking: float = 0.0
    """How much more good surprises count than bad ones, in values and advantages: errors above 0 times 1 + this, below
    0 times 1 - this [Mihatsch+Neuneier 02]. More than 0: what the noise of exploration spoils keeps nobody from trying;
    less: what may go wrong is avoided. 0: expected returns."""
    final_risk_seeking: float | None = None
    """Where risk_seeking ends up: in the second half of the training it goes evenly to this. 0: what was found by hope
    is finished by expected returns, which count failures as well. none: it stays."""
    entropy_master: float = 0.01
    """Weight of the entropy of the policy over options: keeps it from settling too soon."""
    entropy_option: float = 0.0
    """Weight of the entropy of the intra-option policies."""
    value_weight: float = 0.5
    """Weight of the value loss."""
    max_grad_norm: float = 0.5
    """Gradients are scaled down to this norm."""

    def at(self, left: float) -> Self:
        """These settings where a share of `left` of the training, 1 to 0, is left."""
        if self.final_risk_seeking is None:
            return self
        risk = self.final_risk_seeking + min(1.0, 2 * left) * (self.risk_seeking - self.final_risk_seeking)
        return replace(self, risk_seeking=risk)

    def noise_colors(self, num_options: int) -> tuple[float, ...]:
        """Of each option's noise, evenly from `noise_color_first` to `noise_color`; of one option the latter."""
        last = self.noise_color
        if num_options == 1 or self.noise_color_first is None:
            return (last,)
        step = (last - self.noise_color_first) / (num_options - 1)
        return tuple(self.noise_color_first + step * k for k in range(num_options))


@dataclass(frozen=True, kw_only=True)
class DACSettings(PPOSettings):
    """How the double actor-critic learns."""


@dataclass(frozen=True, kw_only=True)
class PPOOCSettings(PPOSettings):
    """How option-critic with PPO learns."""

    price: Literal["change", "termination"] = "change"
    """What the deliberation cost is paid for: a change of option, or, as in A2OC, every termination that is learned,
    also one that chooses the same option again."""


@dataclass(frozen=True, kw_only=True)
class SACOCSettings(LearningSettings):
    """How soft option-critic learns, from transitions that it keeps."""

    parts: ClassVar[tuple[str, ...]] = ("replay",)
    replays: ClassVar[bool] = True

    rollout_length: int = 64
    """Rows collected per environment and iteration: how often figures are logged. Updates come in between
    (update_every)."""
    minibatch_size: int = 256
    """Transitions per update, drawn from all that are kept."""
    lr_option: float = 3e-4
    """Learning rate of the intra-option policies."""
    lr_critic: float = 3e-4
    """Learning rate of the critics."""
    lr_master: float = 3e-4
    """Learning rate of the policy over options."""
    lr_termination: float = 3e-4
    """Learning rate of the terminations."""
    lr_temperature: float = 3e-4
    """Learning rate of the temperatures that are learned."""
    anneal_lr: bool = False
    """Let all learning rates fall linearly to 0 over the training."""
    update_every: int = 1
    """Rows collected per environment before the next updates; at most `rollout_length`, an iteration."""
    updates_per_step: float = 1.0
    """Updates for each decision on an action that was collected, of all environments."""
    learning_starts: int = 1000
    """Decisions that are kept before the first update."""
    buffer_size: int = 1_000_000
    """Transitions that are kept, the last so many. Memory: two observations, an action and 33 bytes for each."""
    tau: float = 0.005
    """How far the target critics follow the critics with each update."""
    temperature_option: float | None = None
    """alpha: what entropy of the intra-option policies is worth, in scaled reward. none: learned, so that the entropy
    is target_entropy (Haarnoja+18)."""
    temperature_master: float | None = None
    """kappa: what it costs the policy over options to prefer some to others, in scaled reward per nat. none: learned,
    so that it does so by target_divergence."""
    target_entropy: float | None = None
    """Entropy of the intra-option policies, in nats for each component of the action. none: -1; where an action is one
    of several choices, 0.3 of what a uniform choice has."""
    target_divergence: float = 0.5
    """How decided the policy over options becomes, where temperature_master is learned: its divergence from the
    interests, as a share of the largest (log K). 0: it follows them."""
    replayed_option: Literal["stored", "posterior"] = "posterior"
    """Which option learns from a transition. stored: the one that executed then. posterior: each as likely as it would
    have taken the stored action now."""
    noise_color: float = 0.0
    """How long the noise of continuous actions lasts within the rows of an iteration (`rollout_length`): its power
    falls with frequency f as f^-noise_color. 0: white; 1: pink [Eberhard+23, Pink noise is all you need]."""
    hindsight: float = 0.0
    """Share of the transitions whose goal is replaced by one that was reached later in their episode (Andrychowicz+17),
    where observations are those of a goal environment."""


SETTINGS: dict[str, type[LearningSettings]] = {"dac": DACSettings, "ppo_oc": PPOOCSettings, "sac_oc": SACOCSettings}
"""Algorithm -> what it can be told. Its targets and losses: `table.py`."""


OF_THE_TASK = ("gamma", "deliberation_cost")
"""What is taken along to an algorithm that learns in another way: the others belong to how it learns."""


def as_told_to(algorithm: str, learning: LearningSettings) -> LearningSettings:
    """The same settings for `algorithm`; what only it has is as by default, and so is what belongs to another way of
    learning.

    Raises InputError where something was set that it does not have.
    """
    cls = SETTINGS[algorithm]
    if cls.replays != learning.replays:
        return cls(**{name: getattr(learning, name) for name in OF_THE_TASK})
    own = {f.name for f in fields(cls)}
    for f in fields(learning):
        if f.name not in own and getattr(learning, f.name) != f.default:
            raise InputError(
                f"{f.name} {getattr(learning, f.name)} is nothing that {algorithm} can be told; "
                f"set it back to {f.default} first"
            )
    shared = {f.name: getattr(learning, f.name) for f in fields(learning) if f.name in own}
    return learning if type(learning) is cls else cls(**shared)

"""The settings of the environments that training steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from option_critic.envs.arguments import plain_arguments
from option_critic.errors import InputError
from option_critic.search_space import Among, Between
from option_critic.value_types import amount, check_ranges, conform

Preprocessing = Literal["auto", "none", "atari", "minigrid"]
Backend = Literal["auto", "gymnasium", "envpool", "official"]
Reward = Literal["dense", "success"]
RANGES = {
    "num_envs": (1, 10_000),
    "max_episode_steps": (1, 1_000_000_000),
    "action_repeat": (1, 1000),
    "env_threads": (0, 1024),
    "worker_timeout": (0.001, 1_000_000),
}
"""Setting -> (lowest, highest)."""
SUCCESS_ONLY = "success-only reward"
"""What marks a training with `reward` success wherever figures are shown: its returns are not official ones."""
SEARCH: dict[str, Between | Among] = {
    "num_envs": Among((4, 8, 16, 32, 64)),
    "action_repeat": Among((1, 2, 4)),
}
"""Setting -> where `option-critic tune` looks for its value."""


@dataclass(frozen=True, kw_only=True)
class EnvSettings:
    """The environments that training steps."""

    backend: Backend = "auto"
    """Who simulates. auto: EnvPool where it is installed, for Meta-World (else the official package) and for those ids
    of Gymnasium that were measured to be alike (docs/envpool.md); Gymnasium for everything else. A training keeps what
    auto meant when it began."""
    env_kwargs: dict[str, Any] = field(default_factory=dict, hash=False)
    """Arguments that each environment is made with: name=value,name=value, by names that its class, or the function
    that makes it, takes. Kept with the run, which is resumed and judged with the same."""
    num_envs: int = 8
    """Environments stepped side by side."""
    reward: Reward = "dense"
    """What training is paid on Meta-World. dense: the official reward. success: 1 for each step at which the task's
    own success flag holds, else 0; the episode goes on after a success. The flag is privileged information: only a
    simulator tells it. Evaluations keep the official reward."""
    preprocessing: Preprocessing = "auto"
    """Gymnasium's own wrappers around each environment. atari: grey pictures of 84 x 84, four stacked, each action for
    four frames, up to 30 actions at the start that do nothing. minigrid: picture and direction, without the mission,
    which is text. auto: these for ids that begin with ALE/, MiniGrid- or BabyAI-, none for others."""
    max_episode_steps: int | None = None
    """Truncate training episodes (with bootstrap) after so many steps; none: the environment's own limit."""
    action_repeat: int = 1
    """Steps for which each action is held: the agent decides once in so many, and where an episode starts. What counts
    an agent's steps (rollout and option lengths, gamma, lam) counts decisions; what counts the environment's
    (total_timesteps, checkpoint_every, max_episode_steps, all results) counts steps as ever."""
    env_threads: int = 0
    """Threads or worker processes that step environments; 0: one per processor core that this process may use."""
    env_workers: Literal["auto", "never", "always"] = "auto"
    """Whether worker processes (env_threads of them) step environments of Gymnasium's. auto: where that was measured,
    when a training begins, to be faster. Weights are the same either way."""
    env_groups: int = 1
    """Groups that take turns: while one is stepped in the background, the agent decides for the next. 2 pays
    where there are more cores than `env_threads`. The order is fixed, so runs repeat exactly."""
    worker_timeout: float = 60.0
    """Seconds that a step of a worker process may take; then it counts as hung, and the
    run ends."""

    def __post_init__(self) -> None:
        conform(self)
        object.__setattr__(self, "env_kwargs", plain_arguments(self.env_kwargs))
        check_ranges(self, RANGES)
        if not 1 <= self.env_groups <= self.num_envs:
            raise InputError(f"env_groups must lie in [1, num_envs = {self.num_envs}], got {amount(self.env_groups)}")

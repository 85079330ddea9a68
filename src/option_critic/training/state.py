"""Everything that one checkpoint holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from option_critic.algorithms.settings import LearningSettings, SACOCSettings
from option_critic.algorithms.table import brought_by
from option_critic.errors import InputError
from option_critic.model.act import Generators
from option_critic.model.option_model import OptionModel
from option_critic.ranks.ranks import fingerprint
from option_critic.records import Rollout
from option_critic.settings import Settings
from option_critic.spaces import Spaces
from option_critic.training.replay import Replay

WINDOW = 128
"""Training episodes over which return, length and success are averaged."""
WINDOW_OF_TASK = 32
"""The same of each task, where several are trained at once: so all of them count alike."""


@dataclass
class Episodes:
    """Statistics of the last finished training episodes, and of those still running."""

    returns: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    lengths: deque[int] = field(default_factory=lambda: deque(maxlen=WINDOW))
    successes: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    """At any step of the episode ..."""
    last_successes: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    """... and at its last."""
    tasks: deque[int] = field(default_factory=lambda: deque(maxlen=WINDOW))
    """The task of each; empty where there is one alone."""
    tells_success: bool = False
    """Whether the task ever told of a success or of none. Until then both are 0, and not shown."""
    running: dict[str, Tensor] = field(default_factory=dict)
    """name -> [B]; empty before the first rollout and after environments were made anew."""
    ended: int = 0
    """Since environments were made anew."""

    @staticmethod
    def of(tasks: int) -> Episodes:
        """None yet, of so many tasks (0 or 1: one alone)."""
        size = WINDOW if tasks < 2 else WINDOW_OF_TASK * tasks
        returns, successes, last = (deque[float](maxlen=size) for _ in range(3))
        return Episodes(returns, deque(maxlen=size), successes, last, deque(maxlen=size))

    def begin(self) -> None:
        """All environments were made anew."""
        self.running, self.ended = {}, 0

    def update(self, rollout: Rollout) -> None:
        """Follow every environment through a rollout."""
        reward = (rollout.reward * rollout.valid).cpu()
        valid, done = rollout.valid.cpu(), (rollout.terminated | rollout.truncated).cpu()
        steps = rollout.steps.cpu()
        self.tells_success |= rollout.success is not None
        success, last = (
            (torch.zeros_like(valid) if told is None else told.cpu() & valid).float()  # what is missing is no success
            for told in (rollout.success, rollout.success_last)
        )
        if not self.running:
            self.running = {name: torch.zeros_like(reward[0]) for name in ("return", "length", "success")}
        task = None if rollout.task is None else rollout.task[0].tolist()
        total, length, any_success = (self.running[name] for name in ("return", "length", "success"))
        for t in range(len(reward)):
            total += reward[t]
            length += valid[t] * steps[t]
            torch.maximum(any_success, success[t], out=any_success)
            for b in done[t].nonzero().flatten().tolist():
                self.returns.append(float(total[b]))
                self.lengths.append(int(length[b]))
                self.successes.append(float(any_success[b]))
                self.last_successes.append(float(last[t, b]))
                self.tasks.extend([] if task is None else [task[b]])
                total[b] = length[b] = any_success[b] = 0
                self.ended += 1

    def metrics(self) -> dict[str, float]:
        """Means over the window; empty before the first finished episode.

        By SB3's names and in its meaning: success_rate is that of the last step of an episode. success_any_rate, that
        of any step, is what the field counts on Meta-World.
        """
        named: dict[str, deque[float] | deque[int]] = {
            "rollout/ep_rew_mean": self.returns,
            "rollout/ep_len_mean": self.lengths,
        }
        if self.tells_success:
            named |= {"rollout/success_rate": self.last_successes, "rollout/success_any_rate": self.successes}
        return {name: float(np.mean(np.array(values))) for name, values in named.items() if values}

    def by_task(self, names: Sequence[str]) -> dict[str, float]:
        """The same of each of several tasks: task/<name>/ep_rew_mean, success_rate and success_any_rate."""
        figures: dict[str, deque[float]] = {"ep_rew_mean": self.returns}
        if self.tells_success:
            figures |= {"success_rate": self.last_successes, "success_any_rate": self.successes}
        task, found = np.array(self.tasks), dict[str, float]()
        for i, name in enumerate(names):
            if (own := task == i).any():
                found |= {f"task/{name}/{figure}": float(np.array(x)[own].mean()) for figure, x in figures.items()}
        return found


def fresh_replay(config: LearningSettings) -> Replay | None:
    """Where transitions are kept, and none yet; none where the algorithm keeps none."""
    return Replay(config.buffer_size) if isinstance(config, SACOCSettings) else None


@dataclass
class TrainState:
    """A training in full: what `improve` changes, and how far it has come."""

    model: OptionModel
    optimizer: torch.optim.Optimizer
    generators: Generators
    spaces: Spaces
    """Those of the environment that it was trained in."""
    env_steps: int = 0
    iteration: int = 0
    schedule_start: int = 0
    """env_steps at which the current training began; learning rates fall from here ..."""
    schedule_end: int = 0
    """... to here."""
    skipped_in_row: int = 0
    """Updates skipped in a row, up to now, because their gradients were not finite."""
    elapsed: float = 0.0
    """Seconds trained so far."""
    episodes: Episodes = field(default_factory=Episodes)
    parts: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    """What the algorithm carries besides: name of the part -> tensors by name."""
    evaluation: dict[str, float] = field(default_factory=dict)
    """What was found when it was judged as it is now, by name (`eval/...`); empty: it was not."""
    discounted: Tensor | None = None
    """[B] what the discounted returns of the running episodes have come to, for the scale of rewards; none where
    environments are fresh, as they are after every checkpoint, so none holds it."""
    ranks: int = 1
    """Processes that it was trained by, up to now."""
    replay: Replay | None = None
    """The transitions that it learns from, where it keeps any."""

    @staticmethod
    @torch.inference_mode(False)  # what is made within that mode could never be trained
    def fresh(settings: Settings, spaces: Spaces) -> TrainState:
        """An untrained agent."""
        device = pick_device(settings.device)
        rules, learning = settings.options, settings.learning
        model = OptionModel(
            spaces, rules.num_options, settings.model, settings.seed, rules.definitions, soft=learning.replays
        ).to(device)
        return TrainState(
            model=model,
            optimizer=torch.optim.Adam(model.parameter_groups(), eps=1e-8 if learning.replays else 1e-5, fused=True),
            generators=Generators.seeded(settings.seed),
            parts={name: start(model) for name, start in brought_by(settings.algorithm).items()},
            spaces=spaces,
            replay=fresh_replay(learning),
            schedule_end=settings.total_timesteps,
            episodes=Episodes.of(len(spaces.tasks)),
        )

    def fingerprint(self) -> Tensor:
        """SHA-256 [32] of all that decides what is learned next."""
        moments = {
            f"{i}/{name}": x for i, each in self.optimizer.state_dict()["state"].items() for name, x in each.items()
        }
        streams = {name: g.get_state() for name, g in vars(self.generators).items()}
        named = {f"model/{name}": x for name, x in self.model.state_dict().items()} | moments | streams
        return fingerprint(named, (self.env_steps, self.iteration, self.schedule_start, self.schedule_end))

    @property
    def left(self) -> float:
        """What is left of the schedule, 1 to 0."""
        span = max(1, self.schedule_end - self.schedule_start)
        return max(0.0, 1 - (self.env_steps - self.schedule_start) / span)

    def set_rates(self, settings: Settings) -> None:
        """Set the learning rates for the current step. They live in the settings; the optimiser holds a copy."""
        config, alone = settings.learning, self.env_steps < settings.burnt_in(self.schedule_start)
        for group in self.optimizer.param_groups:
            rate: float = getattr(config, f"lr_{group['name']}")
            if alone and group["name"] != "critic":
                rate = 0.0
            group["lr"] = rate * self.left if config.anneal_lr else rate

    @torch.no_grad()
    def quieten(self, initial: float, final: float) -> None:
        """Hold log standard deviations below a line from `initial`, when the training begins, to `final` at its end."""
        self.model.log_std.clamp_(max=final + self.left * (initial - final))


def pick_device(wish: str) -> torch.device:
    """auto, cpu, cuda or cuda:N -> a device. Raises InputError where there is none of that number."""
    if wish == "auto":
        wish = nearest_device("cuda")
    if nearest_device(wish) != wish:
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        seen = f"only cuda:0 to cuda:{count - 1}; use one of them" if count else "no CUDA device; use --device cpu"
        raise InputError(f"device {wish} was asked for, but this PyTorch sees {seen}")
    return torch.device(wish)


def nearest_device(wish: str) -> str:
    """`wish` where there is such a device, else cuda or cpu."""
    if not wish.startswith("cuda"):
        return wish
    if not torch.cuda.is_available():
        return "cpu"
    return wish if int(wish.partition(":")[2] or 0) < torch.cuda.device_count() else "cuda"

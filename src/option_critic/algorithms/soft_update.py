"""Updates of soft option-critic: the critics, then, by them, everything else, then the critics' targets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from option_critic.algorithms.adam import Steps
from option_critic.algorithms.gradients import Gradient, Gradients
from option_critic.algorithms.sac_oc import critic_loss, policy_loss, state_at, targets, weights
from option_critic.algorithms.settings import SACOCSettings
from option_critic.algorithms.update import is_sound
from option_critic.model.act import arrive
from option_critic.model.option_model import OptionModel
from option_critic.options.settings import OptionSettings
from option_critic.transitions import Transitions


@dataclass(frozen=True)
class Draw:
    """What half of an update is made from."""

    batch: Transitions
    noise: Tensor
    """[N, K, A] standard normal, for actions that are numbers"""

    def flat(self) -> list[Tensor]:
        """Every tensor, in one order."""
        return [*vars(self.batch).values(), self.noise]

    @staticmethod
    def of(flat: Sequence[Tensor]) -> Draw:
        """The inverse."""
        return Draw(Transitions(*flat[:-1]), flat[-1])


class SoftUpdates:
    """The updates of one training: nothing changes but what is drawn, and the model's tensors, in place. So gradients
    are recorded once and then repeated (`recording.py`)."""

    def __init__(
        self, model: OptionModel, optimizer: torch.optim.Optimizer, config: SACOCSettings, rules: OptionSettings
    ) -> None:
        assert model.soft is not None
        self.model, self.optimizer, self.config, self.rules, self.soft = model, optimizer, config, rules, model.soft
        groups = {g["name"]: g["params"] for g in optimizer.param_groups}
        others = [p for name, params in groups.items() if name != "critic" for p in params]
        on_cpu, lasting = model.log_std.is_cpu, [*model.parameters(), *model.buffers()]
        self.critics = Gradients(self._critic_loss, groups["critic"], math.inf, Draw.of, on_cpu, lasting=lasting)
        self.others = Gradients(self._policy_loss, others, math.inf, Draw.of, on_cpu, lasting=lasting)
        self.steps: tuple[Steps, Steps] | None = None

    @contextmanager
    def at_these_rates(self) -> Iterator[None]:
        """In this block the learning rates stay as they are; the optimiser's count of steps is right after it."""
        with closing(Steps(self.optimizer)) as critics, closing(Steps(self.optimizer)) as others:
            self.steps = critics, others
            yield
        self.steps = None

    def improve(
        self, batch: Transitions, generator: Generator, is_logged: bool = True
    ) -> tuple[bool, dict[str, Tensor]]:
        """One update from a batch: whether it was made, or skipped where gradients were NaN or infinite; and what to
        log of it, if it is logged."""
        assert self.steps is not None
        batch = replace(batch, action=self.soft.number(batch.action))
        noises = [self._noise(len(batch), generator) for _ in range(2)]
        errors = self.critics.at(Draw(batch, noises[0]).flat(), is_logged)
        if not taken(errors, self.steps[0]):
            return False, {}
        loss = self.others.at(Draw(batch, noises[1]).flat(), is_logged)
        if not taken(loss, self.steps[1]):
            return False, {}
        self.soft.follow(self.config.tau, self.model.encoder)
        return True, errors.metrics | loss.metrics

    def _noise(self, rows: int, generator: Generator) -> Tensor:
        """Standard normal; choices need none."""
        shape = (0,) if self.model.discrete else (rows, self.rules.num_options, self.model.action_size)
        drawn = torch.randn(shape, generator=generator, device="cpu", dtype=torch.float32)
        return drawn.to(self.model.log_std.device)

    def _critic_loss(self, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        model, batch, config, rules = self.model, draw.batch, self.config, self.rules
        target = targets(model, batch, config, rules, draw.noise)
        here = state_at(model, batch.obs, rules)
        arrival = arrive(here.mu_logits, here.beta_logits, here.interest, batch.carry, rules)
        weight, _ = weights(here, arrival, batch, config, rules.num_options)
        errors = critic_loss(model, here, batch, target, weight)
        return errors, {"train/critic_loss": errors}

    def _policy_loss(self, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        model, batch, config, rules = self.model, draw.batch, self.config, self.rules
        here = state_at(model, batch.obs, rules)
        arrival = arrive(here.mu_logits, here.beta_logits, here.interest, batch.carry, rules)
        _, weight = weights(here, arrival, batch, config, rules.num_options)
        return policy_loss(model, here, arrival, batch, config, rules, draw.noise, weight)


def taken(found: Gradient, steps: Steps) -> bool:
    """Whether a step was taken: the gradient is finite."""
    if not is_sound(found.norm):
        return False
    steps.take(found)
    return True

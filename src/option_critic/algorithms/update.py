"""The update: the only place that asks for gradients (`gradients.py`) and takes steps (`adam.py`).

What is decided of it, whether a step is taken and when an epoch is the last, stands in functions of its own: where
several processes learn together, all of them have to decide alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from math import isfinite

import torch
from torch import Tensor

from option_critic.algorithms.adam import Steps
from option_critic.algorithms.gradients import PAYS, Gradients
from option_critic.algorithms.ppo import Objective
from option_critic.algorithms.settings import PPOSettings
from option_critic.algorithms.shared_gradients import SharedGradients
from option_critic.errors import NonFiniteError
from option_critic.model.option_model import OptionModel
from option_critic.ranks.ranks import ALONE, Ranks
from option_critic.records import Batch
from option_critic.transitions import Transitions

LOGGED = 8
"""Where there are many steps, one of so many is logged: a mean needs no more, and a fifth of the operations of an
update is for the log alone."""


class DivergedError(NonFiniteError):
    """Update after update had gradients that are NaN or infinite."""

    def __init__(self, in_row: int, batch: Batch | Transitions) -> None:
        super().__init__(
            f"the gradients of {in_row} updates in a row were NaN or infinite; the weights are those before them. "
            "Look at the rewards and observations, or lower the learning rates."
        )
        self.batch = batch
        """the rows of the last of them"""


def improve(
    objective: Objective,
    model: OptionModel,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    config: PPOSettings,
    generator: torch.Generator,
    in_row: int = 0,
    ranks: Ranks = ALONE,
) -> tuple[dict[str, Tensor], int]:
    """Epochs over shuffled minibatches: the only place where weights are learned. Means of the metrics: of every
    `LOGGED`th step where there are many.

    An update whose gradients are NaN or infinite is skipped. `in_row`: updates skipped in a row, so far and
    returned; at `max_skipped_updates` of them DivergedError is raised. Each of several `ranks` has the whole batch and
    takes its share of each minibatch; the steps are the same everywhere.
    """
    least = max(2, ranks.count)  # one row has no spread
    parts = max(1, min(round(len(batch) / config.minibatch_size), len(batch) // least))
    many = parts * config.epochs >= PAYS
    every = LOGGED if many else 1
    history, epochs, taken, skipped = list[dict[str, Tensor]](), 0, 0, 0
    gradients = Gradients(
        objective.of_whole if ranks.is_alone else objective.losses,
        [weight for weight in model.parameters() if weight.requires_grad],
        config.max_grad_norm,
        batch.like,
        repeats=many and batch.obs.is_cpu,
        always=("train/approx_kl",) if config.target_kl else (),
    )
    source = gradients if ranks.is_alone else SharedGradients(gradients, objective.scaled, ranks)
    with closing(Steps(optimizer)) as steps:
        for _ in range(config.epochs):
            moved: list[Tensor] = []
            order = torch.randperm(len(batch), generator=generator, device="cpu").to(batch.obs.device)
            for minibatch in batch.rows(order).split(parts):
                is_logged = taken % every == 0
                found = source.at(minibatch, is_logged)
                if not is_sound(found.norm):
                    skipped, in_row = skipped + 1, in_row + 1
                    if in_row >= config.max_skipped_updates:
                        raise DivergedError(in_row, batch.like(minibatch))
                    continue
                in_row = 0
                steps.take(found)
                if config.target_kl:
                    moved.append(found.metrics["train/approx_kl"])
                taken += 1
                if is_logged:
                    history.append(found.metrics | {"train/grad_norm": found.norm})
            epochs += 1
            if moved_enough(moved, config.target_kl):
                break
    means = {name: torch.stack([m[name] for m in history]).mean() for name in history[0]} if history else {}
    counts = {"train/n_epochs": float(epochs), "train/skipped_updates": float(skipped)}
    return means | {name: torch.tensor(count, device="cpu") for name, count in counts.items()}, in_row


def is_sound(norm: Tensor) -> bool:
    """Whether a step may be taken: the norm of the gradients [] is a number."""
    return isfinite(norm.item())


def moved_enough(moved: Sequence[Tensor], target_kl: float) -> bool:
    """Whether the last epoch was the last one: its steps moved the policies by more than `target_kl` on average (KL;
    0: never)."""
    return bool(target_kl and moved and torch.stack(list(moved)).mean() > target_kl)

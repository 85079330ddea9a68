"""The optimiser's steps, without what it finds out anew at each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from option_critic.algorithms.gradients import Gradient


@dataclass
class Together:
    """Weights that have the same learning rate and so on: one call."""

    index: list[int]
    """their numbers among all"""
    weights: list[Tensor]
    means: list[Tensor]
    squares: list[Tensor]
    steps: list[Tensor]
    """one and the same tensor for each of them"""
    lr: float
    beta1: float
    beta2: float
    eps: float


class Steps:
    """Steps of `optimizer` in a row: the operations of `Adam(fused=True)`, which takes five times as long around them.

    The first step is the optimiser's own. In between, its count of steps stands still: `close` puts it right.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self.weights: list[Tensor] = []
        self.together: list[Together] = []
        self.count: Tensor | None = None

    def take(self, found: Gradient) -> None:
        """One step along a gradient."""
        if self.count is None or not same(found.weights, self.weights):
            self._take_slowly(found)
            return
        with torch.inference_mode():
            if found.shrink.item() < 1:
                torch._foreach_mul_(found.gradients, found.shrink)
            self.count += 1
            for t in self.together:
                gradients = [found.gradients[i] for i in t.index]
                torch._fused_adam_(
                    t.weights, gradients, t.means, t.squares, [], t.steps, lr=t.lr, beta1=t.beta1, beta2=t.beta2,
                    eps=t.eps, weight_decay=0.0, amsgrad=False, maximize=False,
                )  # fmt: skip

    def _take_slowly(self, found: Gradient) -> None:
        """The optimiser's own step; the next ones can be those of this file."""
        self.close()
        shrunk = torch._foreach_mul(found.gradients, found.shrink)
        for weight, gradient in zip(found.weights, shrunk, strict=True):
            weight.grad = gradient
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._gather(found.weights)

    def _gather(self, weights: Sequence[Tensor]) -> None:
        """Gather what a step needs, where the optimiser is the Adam that is meant here."""
        groups = self.optimizer.param_groups
        states = [self.optimizer.state[weight] for weight in weights]
        if not all(map(is_plain, groups)) or len({float(state["step"]) for state in states}) != 1:
            return
        if not all(weight.is_cpu for weight in weights):
            return
        self.weights, self.count = list(weights), states[0]["step"].clone()
        self.together = []
        told = {id(weight): settings_of(group) for group in groups for weight in group["params"]}
        for settings in dict.fromkeys(told[id(weight)] for weight in weights):
            index = [i for i, weight in enumerate(weights) if told[id(weight)] == settings]
            self.together.append(
                Together(
                    index,
                    [weights[i] for i in index],
                    [states[i]["exp_avg"] for i in index],
                    [states[i]["exp_avg_sq"] for i in index],
                    [self.count] * len(index),
                    *settings,
                )
            )

    def close(self) -> None:
        """Tell the optimiser how many steps were taken."""
        for weight in self.weights if self.count is not None else ():
            self.optimizer.state[weight]["step"].copy_(self.count)
        self.count = None


def same(some: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    """Whether they are the same tensors."""
    return len(some) == len(others) and all(map(lambda a, b: a is b, some, others))


def is_plain(group: dict[str, Any]) -> bool:
    """Whether the group is one of the plain, fused Adam."""
    told = ("weight_decay", "amsgrad", "maximize", "capturable", "differentiable", "decoupled_weight_decay")
    return bool(group.get("fused")) and isinstance(group["lr"], float) and not any(group.get(x) for x in told)


def settings_of(group: dict[str, Any]) -> tuple[float, float, float, float]:
    """(learning rate, both betas, epsilon)."""
    return (group["lr"], *group["betas"], group["eps"])

"""The gradient of a loss at a minibatch, and the same by a recording where there are many minibatches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from option_critic.algorithms.recording import NotRecordableError, Program, Recorder, address, program
from option_critic.records import Batch

PAYS = 30
"""Minibatches of one length from which on a recording pays: it takes as long as ten of them."""
Loss = Callable[[Batch], tuple[Tensor, dict[str, Tensor]]]
"""The loss of a minibatch [], and what to log of it."""


@dataclass(frozen=True)
class Gradient:
    """What a minibatch says."""

    norm: Tensor
    """[] of all gradients together"""
    shrink: Tensor
    """[] what they are multiplied with, so that their norm is `max_grad_norm` at most"""
    metrics: dict[str, Tensor]
    weights: list[Tensor]
    """those that the loss depends on ..."""
    gradients: list[Tensor]
    """... and its gradients there, of the same shapes; not shrunk yet"""

    def flat(self) -> list[Tensor]:
        """All that was computed, in one order."""
        return [self.norm, self.shrink, *self.metrics.values(), *self.gradients]

    def like(self, flat: Sequence[Tensor]) -> Gradient:
        """The same with other tensors, in the order of `flat`."""
        norm, shrink, *others = flat
        n = len(self.metrics)
        return Gradient(norm, shrink, dict(zip(self.metrics, others[:n], strict=True)), self.weights, others[n:])


def gradient(loss: Loss, weights: Sequence[Tensor], batch: Batch, max_norm: float) -> Gradient:
    """By autograd."""
    total, metrics = loss(batch)
    found = torch.autograd.grad(total, weights, allow_unused=True)
    used = [(weight, g.contiguous()) for weight, g in zip(weights, found, strict=True) if g is not None]
    gradients = [g for _, g in used]
    norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
    shrink = torch.clamp(max_norm / (norm + 1e-6), max=1.0)
    logged = {name: value.detach() for name, value in metrics.items()}
    return Gradient(norm, shrink, logged, [weight for weight, _ in used], gradients)


class Gradients:
    """`gradient` at minibatch after minibatch, within one call of `improve`.

    The first minibatch of a length is recorded, the second is done both ways. What differs in one bit is not repeated;
    nor are gradients that share memory, or what looks at numbers, or draws them.
    """

    def __init__(self, loss: Loss, weights: Sequence[Tensor], max_norm: float, like: Batch, repeats: bool) -> None:
        self.loss, self.weights, self.max_norm, self.like, self.repeats = loss, weights, max_norm, like, repeats
        self.tried: dict[int, tuple[Gradient, Program] | None] = {}
        """rows of a minibatch -> what is recorded of it; none: that could not be"""
        self.trusted: set[int] = set()

    def at(self, rows: Sequence[Tensor]) -> Gradient:
        """Of the loss of a minibatch, in the order of `Batch.flat`."""
        length = len(rows[0])
        if length not in self.tried and self.repeats:
            return self._record(rows)
        recorded = self.tried.get(length)
        if recorded is None:
            return self._asked(rows)
        first, repeat = recorded
        with torch.inference_mode():
            again = first.like(repeat(*rows))
        if length in self.trusted:
            return again
        asked = self._asked(rows)
        with torch.inference_mode():
            more = first.like(repeat(*rows))
        if are_own(rows, again.gradients, more.gradients) and all(map(torch.equal, again.flat(), asked.flat())):
            self.trusted.add(length)
        else:
            self.tried[length] = None
        return asked

    def _asked(self, rows: Sequence[Tensor]) -> Gradient:
        return gradient(self.loss, self.weights, self.like.like(rows), self.max_norm)

    def _record(self, rows: Sequence[Tensor]) -> Gradient:
        """Of the loss of a minibatch, and how to repeat it."""
        self.tried[len(rows[0])] = None
        try:
            with Recorder(rows, self.weights) as recorder:
                first = self._asked(rows)
            self.tried[len(rows[0])] = first, program(recorder, first.flat())
        except NotRecordableError:
            return self._asked(rows)
        return first


def are_own(rows: Sequence[Tensor], *results: Sequence[Tensor]) -> bool:
    """Whether each result lies in memory of its own, so that it can be changed in place."""
    found = [address(x) for some in results for x in some]
    return len(found) == len(set(found)) and not {address(x) for x in rows}.intersection(found)

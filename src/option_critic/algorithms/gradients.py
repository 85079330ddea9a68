"""The gradient of a loss at a minibatch, and the same by a recording where there are many minibatches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from option_critic.algorithms.recording import NotRecordableError, Program, Recorder, address, program

Rows = TypeVar("Rows")
"""A minibatch as its loss reads it."""
Repeated = tuple[Program, tuple[str, ...]]
"""A recording, and which metrics it computes."""
PAYS = 30
"""Minibatches of one length from which on a recording pays: it takes as long as ten of them."""
Loss = Callable[[Rows], tuple[Tensor, dict[str, Tensor]]]
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

    def flat(self, names: Sequence[str]) -> list[Tensor]:
        """All that was computed, in one order, with the metrics called so."""
        return [self.norm, self.shrink, *(self.metrics[name] for name in names), *self.gradients]

    def like(self, flat: Sequence[Tensor], names: Sequence[str]) -> Gradient:
        """The same with other tensors, in the order of `flat`."""
        norm, shrink, *others = flat
        n = len(names)
        return Gradient(norm, shrink, dict(zip(names, others[:n], strict=True)), self.weights, others[n:])


def gradient(loss: Loss[Rows], weights: Sequence[Tensor], rows: Rows, max_norm: float) -> Gradient:
    """By autograd."""
    total, metrics = loss(rows)
    found = torch.autograd.grad(total, weights, allow_unused=True)
    used = [(weight, g.contiguous()) for weight, g in zip(weights, found, strict=True) if g is not None]
    gradients = [g for _, g in used]
    norm, shrink = norm_of(gradients, max_norm)
    logged = {name: value.detach() for name, value in metrics.items()}
    return Gradient(norm, shrink, logged, [weight for weight, _ in used], gradients)


def norm_of(gradients: Sequence[Tensor], max_norm: float) -> tuple[Tensor, Tensor]:
    """(the norm of all together, what they are multiplied with so that it is `max_norm` at most), [] each."""
    norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
    return norm, torch.clamp(max_norm / (norm + 1e-6), max=1.0)


class Gradients(Generic[Rows]):
    """`gradient` at minibatch after minibatch, while nothing changes but these, and the model's tensors, in place.

    The first minibatch of a length is recorded, the second is done both ways. What differs in one bit is not repeated;
    nor are gradients that share memory, or what looks at numbers, or draws them. There are two recordings: with all
    metrics, for minibatches that are logged, and without, which spares a fifth of the operations.
    """

    def __init__(
        self,
        loss: Loss[Rows],
        weights: Sequence[Tensor],
        max_norm: float,
        read: Callable[[Sequence[Tensor]], Rows],
        repeats: bool,
        always: tuple[str, ...] = (),
        lasting: Iterable[Tensor] = (),
    ) -> None:
        """`read`: tensors of a minibatch -> what the loss reads; `always`: metrics that are computed of every
        minibatch; `lasting`: what else the loss depends on that changes in place."""
        self.loss, self.weights, self.max_norm, self.read, self.repeats = loss, weights, max_norm, read, repeats
        self.always, self.lasting = always, [*weights, *(x for x in lasting if all(x is not w for w in weights))]
        self.tried: dict[int, tuple[Gradient, Repeated, Repeated] | None] = {}
        """rows of a minibatch -> the first, what is recorded with all metrics and without; none: that could not be"""
        self.trusted: set[int] = set()

    def at(self, rows: Sequence[Tensor], is_logged: bool = True) -> Gradient:
        """Of the loss of a minibatch, of which `read` makes what it reads. Where it is not logged, some of its metrics
        may be missing."""
        length = len(rows[0])
        if length not in self.tried and self.repeats:
            return self._record(rows)
        recorded = self.tried.get(length)
        if recorded is None:
            return self._asked(rows)
        first, *both = recorded
        if length in self.trusted:
            repeat, names = both[not is_logged]
            with torch.inference_mode():
                return first.like(repeat(*rows), names)
        asked = self._asked(rows)
        if is_repeated(rows, asked, both):
            self.trusted.add(length)
        else:
            self.tried[length] = None
        return asked

    def _asked(self, rows: Sequence[Tensor]) -> Gradient:
        return gradient(self.loss, self.weights, self.read(rows), self.max_norm)

    def _record(self, rows: Sequence[Tensor]) -> Gradient:
        """Of the loss of a minibatch, and how to repeat it."""
        self.tried[len(rows[0])] = None
        try:
            with Recorder(rows, self.lasting) as recorder:
                first = self._asked(rows)
            whole, bare = (
                (program(recorder, first.flat(names)), names) for names in (tuple(first.metrics), self.always)
            )
            self.tried[len(rows[0])] = first, whole, bare
        except NotRecordableError:
            return self._asked(rows)
        return first


def is_repeated(rows: Sequence[Tensor], asked: Gradient, recorded: Sequence[Repeated]) -> bool:
    """Whether the recordings give what autograd gives of a minibatch, to the bit and in memory of its own."""
    gradients = []
    for repeat, names in [*recorded, *recorded]:
        with torch.inference_mode():
            again = asked.like(repeat(*rows), names)
        if not all(map(torch.equal, again.flat(names), asked.flat(names))):
            return False
        gradients.append(again.gradients)
    return are_own(rows, *gradients)


def are_own(rows: Sequence[Tensor], *results: Sequence[Tensor]) -> bool:
    """Whether each result lies in memory of its own, so that it can be changed in place."""
    found = [address(x) for some in results for x in some]
    return len(found) == len(set(found)) and not {address(x) for x in rows}.intersection(found)

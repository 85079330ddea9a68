"""The gradient of a minibatch that several ranks share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from option_critic.algorithms.gradients import Gradient, Gradients, norm_of
from option_critic.ranks.ranks import Ranks, weighed
from option_critic.records import Batch


class SharedGradients:
    """`Gradients` of each rank's own rows, put together. All ranks are given the same minibatches."""

    def __init__(self, own: Gradients[Batch], scaled: Callable[[Batch], Batch], ranks: Ranks) -> None:
        """`own`: of the loss of rows whose advantages are `scaled` over their whole minibatch."""
        self.own, self.scaled, self.ranks = own, scaled, ranks

    def at(self, rows: Sequence[Tensor], is_logged: bool = True) -> Gradient:
        """Of the loss of a whole minibatch, in the order of `Batch.flat`: the same bits on every rank."""
        minibatch = self.scaled(self.own.read(rows))
        share = self.ranks.share(len(minibatch))
        found = self.own.at([x[share] for x in minibatch.flat()], is_logged)
        names = tuple(found.metrics) if is_logged else self.own.always
        parts = [*(found.metrics[name] for name in names), *found.gradients]
        with torch.no_grad():
            flat = weighed(torch.cat([x.flatten() for x in parts]), len(minibatch), self.ranks)
            pieces = torch.split(flat, [x.numel() for x in parts])
            whole = [piece.view(x.shape) for piece, x in zip(pieces, parts, strict=True)]
            gradients = whole[len(names) :]
            norm, shrink = norm_of(gradients, self.own.max_norm)
        metrics = dict(zip(names, whole, strict=False))
        return replace(found, norm=norm, shrink=shrink, metrics=metrics, gradients=gradients)

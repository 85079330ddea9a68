"""Who decides while a person plays: a trained agent, or options with given policies, under what the person wants."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch

from option_critic.functional.arrays import NDArray, single
from option_critic.model.act import act
from option_critic.model.network import Network
from option_critic.options.interest import interest_at
from option_critic.planning.running import AgentOptions, GivenOptions, Runner, noise, taken
from option_critic.records import Carry


@dataclass(frozen=True)
class Orders:
    """What the person wants of one decision."""

    permitted: NDArray
    """[K] bool: options that may run; one at least"""
    now: bool = False
    """the running option ends here, whatever it says itself"""
    shift: float = 0.0
    """added to the logits of learned terminations"""
    deterministic: bool = True


@dataclass(frozen=True)
class Decided:
    """One decision."""

    option: int
    """that runs"""
    age: int
    """decisions that it has run, at the next one"""
    action: Any
    """as the environment takes it"""
    ended: bool
    """the option that arrived ended here"""
    forced: bool
    """... by force: the first step, an order, its length, no interest"""
    told: dict[str, NDArray]
    """`beta` [], `q`, `mu`, `interest` and `distance` [K], as a `Trace` has them"""


class Player(Protocol):
    """What decides."""

    def decide(self, row: NDArray, option: int | None, age: int, orders: Orders, rng: np.random.Generator) -> Decided:
        """At a row [1, W], where `option` arrives that has run for `age` decisions; none: the episode begins."""


class AgentPlayer:
    """A trained agent."""

    def __init__(self, options: AgentOptions) -> None:
        self.options = options

    @torch.no_grad()
    def decide(self, row: NDArray, option: int | None, age: int, orders: Orders, rng: np.random.Generator) -> Decided:
        """As the agent does in evaluation, within the orders."""
        own = self.options
        network, free = shifted(own.network, orders.shift), bool(orders.permitted.all())
        carry = Carry(np.array([option or 0]), np.array([age]), np.array([option is None or orders.now]))
        mask = None if free else orders.permitted[None]
        acted = act(network, row, carry, own.rules, None if orders.deterministic else noise(network, rng), mask)
        choice, tensor = acted.choice, torch.from_numpy(row)
        device = own.model.log_std.device
        q, policies = own.model.values(tensor.to(device))[0], own.model.behaviour(tensor.to(device))
        distance = policies.distance(torch.from_numpy(choice.option).to(device))
        return Decided(
            option=int(choice.option[0]),
            age=int(choice.next_age[0]),
            action=taken(choice.action, own.spaces),
            ended=bool(choice.ended[0]),
            forced=bool(choice.forced[0]),
            told={
                "beta": choice.beta[0],
                "q": q[0].cpu().numpy(),
                "mu": np.exp(acted.arrival.log_mu[0]),
                "interest": interest_at(single(own.numbers(row)), own.rules, mask).start[0],
                "distance": distance[0].cpu().numpy(),
            },
        )


def shifted(network: Network[NDArray], shift: float) -> Network[NDArray]:
    """A network with `shift` added to its logits of terminations."""
    if shift == 0:
        return network
    heads = network.choice_heads

    def both(features: Any) -> tuple[NDArray, NDArray]:
        mu, beta = heads(features)
        return mu, beta + np.float32(shift)

    return replace(network, choice_heads=both)


class GivenPlayer:
    """Options with given policies, and nobody who learned to choose: the one of most interest runs, of several such the
    one that follows the last. There are no values, and terminations are as they are given."""

    def __init__(self, options: GivenOptions) -> None:
        self.options = options

    def decide(self, row: NDArray, option: int | None, age: int, orders: Orders, rng: np.random.Generator) -> Decided:
        """The option that arrives goes on until it ends."""
        own, count = self.options, len(self.options.names)
        own.deterministic = orders.deterministic
        interest = own.interest(row) * orders.permitted
        interest = interest if interest.any() else orders.permitted.astype(np.float32)
        end, action = None, None
        ordered = option is None or orders.now or not orders.permitted[option]
        if option is not None and not ordered:
            end, action = own.decide(row, option, max(age, 1), rng)
        ended = ordered or end is not None
        k = option if option is not None and not ended else self._next(interest, option)
        told = {
            "beta": np.float32(ended),
            "q": np.zeros(count, np.float32),
            "mu": (np.arange(count) == self._next(interest, option)).astype(np.float32),
            "interest": interest,
            "distance": np.zeros(count, np.float32),
        }
        if ended:
            _, action = own.decide(row, k, 0, rng)
        return Decided(k, 1 if ended else age + 1, action, ended, ended and (ordered or end != "own end"), told)

    @staticmethod
    def _next(interest: NDArray, last: int | None) -> int:
        """The option of most interest that follows `last`."""
        best, first = np.flatnonzero(interest == interest.max()), -1 if last is None else last
        return int(min(best, key=lambda k: (k <= first, k)))


def player(runner: Runner) -> Player:
    """Who decides about these options."""
    if isinstance(runner, AgentOptions):
        return AgentPlayer(runner)
    assert isinstance(runner, GivenOptions)
    return GivenPlayer(runner)

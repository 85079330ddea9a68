"""One step of layered interaction: does the arriving option end, which runs next, what does it do?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Generic, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from option_critic.functional.arrays import NDArray, Numbers, sigmoid, single
from option_critic.functional.noise import colored
from option_critic.functional.options import (
    arrival_log_prob,
    effective_termination,
    forced_end,
    master_log_probs,
    pick,
)
from option_critic.model.distributions import (
    ActionDistribution,
    DiagonalGaussian,
    FactoredCategorical,
    gumbel,
    sample_index,
)
from option_critic.model.layers import stream_seed
from option_critic.model.network import Network
from option_critic.options.interest import interest_at, wishes
from option_critic.options.settings import OptionSettings
from option_critic.records import Carry, Choice, Decision, Interest


@dataclass(frozen=True)
class Generators:
    """Separate random streams, so that drawing options never moves the action noise (none is global)."""

    option: Generator
    action: Generator
    batch: Generator

    @staticmethod
    def seeded(seed: int) -> Generators:
        """Three independent streams from one seed, on the CPU, where an agent acts."""

        def make(name: str) -> Generator:
            return torch.Generator("cpu").manual_seed(stream_seed(seed, name))

        return Generators(make("options"), make("actions"), make("minibatches"))


@dataclass(frozen=True)
class Noise:
    """The chance in decisions. Drawn for many steps at once: drawn step by step it would cost as much as deciding."""

    end: NDArray
    """[..., B] uniform in [0, 1)"""
    option: NDArray
    """[..., B, K] Gumbel"""
    action: NDArray
    """[..., B, A] standard normal, [..., B, K, A] where that of the options differs; or Gumbel for discrete actions:
    [..., B, M, N] for M choices at once"""
    differs: bool = False
    """that of the options' actions does"""

    @staticmethod
    def draw(
        shape: tuple[int, ...], network: Network[NDArray], generators: Generators, colors: Sequence[float] = (0.0,)
    ) -> Noise:
        """For decisions of `shape`: (B,), or (T, B); then noise of continuous actions may last. `colors`: how long, of
        each option (`noise_colors`), or of all."""
        (k, a), options, actions = network.log_std.shape, generators.option, generators.action
        end, option = (
            torch.rand(shape, generator=options, device="cpu", dtype=torch.float32),
            gumbel((*shape, k), options),
        )
        differs = not network.discrete and len(set(colors)) > 1
        if network.discrete:
            action = gumbel((*shape, a), actions)
        else:
            white = torch.randn((*shape, a), generator=actions, device="cpu", dtype=torch.float32)
            action = torch.stack([colored(white, c) for c in colors], -2) if differs else colored(white, colors[0])
        each = action.numpy() if network.factors is None else network.factors.apart(action.numpy(), -np.inf)
        return Noise(end.numpy(), option.numpy(), each, differs)

    def of_running(self, option: NDArray) -> NDArray:
        """That of the actions of the running options [B]: [B, A], or [B, M, N]."""
        return self.action[np.arange(len(option)), option] if self.differs else self.action

    def of(self, columns: slice) -> Noise:
        """That of some of the environments [T, B]."""
        return Noise(self.end[:, columns], self.option[:, columns], self.action[:, columns], self.differs)

    def steps(self) -> list[Noise]:
        """One for each of T steps."""
        return [Noise(*parts, self.differs) for parts in zip(self.end, self.option, self.action, strict=True)]


@dataclass(frozen=True)
class Arrival(Generic[Numbers]):
    """What meets an option that arrives at a state."""

    log_mu: Numbers
    """[..., K] log mu_I(w|s), the policy over options should it end"""
    beta: Numbers
    """[...] effective termination probability"""
    forced: Numbers
    """[...] the end is forced"""


def arrive(
    mu_logits: Numbers,
    beta_logits: Numbers,
    interest: Interest[Numbers] | None,
    carry: Carry[Numbers],
    rules: OptionSettings,
) -> Arrival[Numbers]:
    """The policy over options and beta_eff where `carry` arrives; heads and interest [..., K] (none: 1 everywhere)."""
    interest_w = None if interest is None else pick(interest.stay, carry.option)
    least, most = limit(rules.least, carry.option), limit(rules.most, carry.option)
    forced = forced_end(carry.is_first, carry.option_age, interest_w, most)
    beta_w = sigmoid(pick(beta_logits, carry.option))
    given = None if rules.given_ends is None else chosen(rules.given_ends, carry.option) > 0
    bounds = (rules.beta_floor, rules.beta_ceil)
    alone = (interest.start > 0).sum(-1) == 1 if rules.definitions and interest is not None else None
    beta = effective_termination(beta_w, interest_w, carry.option_age, forced, least, bounds, alone, given)
    return Arrival(master_log_probs(mu_logits, None if interest is None else interest.start), beta, forced)


def chosen(values: Sequence[int], option: Numbers) -> Numbers:
    """The entry of K numbers that applies to each option [...]."""
    return np.array(values)[option] if isinstance(option, np.ndarray) else option.new_tensor(values)[option]


def limit(lengths: tuple[int | None, ...] | None, option: Numbers) -> Numbers | None:
    """The length that applies to each running option [...]; no limit counts as the largest number."""
    if lengths is None:
        return None
    return chosen([np.iinfo(np.int64).max if length is None else length for length in lengths], option)


class Acted(NamedTuple):
    """What comes of one decision: all that `likelihoods` needs."""

    choice: Choice[NDArray]
    policy: ActionDistribution[NDArray]
    """of the option that executes, [B, ...]"""
    arrival: Arrival[NDArray]
    """what the arriving option met"""
    seen: NDArray
    """[B, S] what the networks saw"""


@np.errstate(all="ignore")  # log 0 where an option is not interested; and whatever the caller lets numpy raise for
def act(
    network: Network[NDArray],
    obs: NDArray,
    carry: Carry[NDArray],
    rules: OptionSettings,
    noise: Noise | None,
    available: NDArray | None = None,
) -> Acted:
    """Decide at raw observations [B, D] with the options in `carry` arriving.

    Without noise it is deterministic: an end where beta_eff > 0.5, the most likely option, the most likely
    action. `available` [B, K] (bool) forbids options, for ablations.
    """
    raw, options = single(network.see.numbers(obs)), rules.definitions  # once for all that users wrote
    shared = wishes(raw, options) if options and options == network.see.watched else None  # asked once, for both
    seen = network.see(obs, shared)
    if network.looking is None:
        policies, mu_logits, beta_logits = network.decide(seen)
    else:
        mu_logits, beta_logits = network.choice_heads(network.looking.choice(seen, carry.option))
    anywhere = not options and available is None  # interest is 1: nothing to weigh
    interest = None if anywhere else interest_at(raw, rules, available, shared)
    arrival = arrive(mu_logits, beta_logits, interest, carry, rules)
    if noise is None:
        ended, chosen = arrival.beta > 0.5, arrival.log_mu.argmax(-1)
    else:
        ended, chosen = noise.end < arrival.beta, sample_index(arrival.log_mu, noise.option)
    option = np.where(ended, chosen, carry.option)
    base = None if network.given is None else network.given.base(raw, option)
    pi = policies.at(option, None, base) if network.looking is None else network.policy(seen, option, base)
    action, pi = done(network, raw, option, pi, noise)
    choice = Choice(
        action=action,
        option=option,
        prev_option=carry.option,
        option_age=carry.option_age,
        is_first=carry.is_first,
        ended=ended,
        forced=arrival.forced,
        beta=arrival.beta,
    )
    return Acted(choice, pi, arrival, seen)


def done(
    network: Network[NDArray], raw: NDArray, option: NDArray, pi: ActionDistribution[NDArray], noise: Noise | None
) -> tuple[NDArray, ActionDistribution[NDArray]]:
    """(the actions of `option` [B], whose policies are `pi`, with what they are given and what is fixed; `pi` with
    what they decided of these)."""
    action = pi.mode() if noise is None else pi.sample(noise.of_running(option))
    if isinstance(pi, FactoredCategorical):
        return action, pi
    free: NDArray | None = None
    if network.given is not None and pi.base is not None:
        action, free = network.given.write(action, pi.base, option)
    if network.fixed is not None and isinstance(pi, DiagonalGaussian):
        action, decided = network.fixed.write(action, raw, option)
        free = decided if free is None else free & decided
    return action, pi if free is None else pi.deciding(free)


@dataclass(frozen=True)
class Held:
    """What environments go on doing that are stepped one by one while the agent decides once in several steps."""

    choice: Choice[NDArray]
    """the last one, fields [B, ...]"""
    left: NDArray
    """[B] further steps for which it holds"""
    made: NDArray
    """[B] bool: it was made just now"""

    @staticmethod
    def after(choice: Choice[NDArray], before: Held | None, count: int) -> Held:
        """The state after a step in which `choice` was on offer: taken where an episode starts, or where the one
        `before` has been held for `count` steps."""
        made = choice.is_first if before is None else choice.is_first | (before.left == 0)
        if before is None:
            return Held(choice, np.full_like(choice.option, count - 1), np.ones_like(choice.is_first))
        old = before.choice

        def pick_made(new: NDArray, held: NDArray) -> NDArray:
            return np.where(made.reshape(-1, *(1,) * (new.ndim - 1)), new, held)

        taken = Choice(*(pick_made(getattr(choice, f.name), getattr(old, f.name)) for f in fields(Choice)))
        return Held(taken, np.where(made, count - 1, before.left - 1), made)


def likelihoods(choice: Choice[Tensor], pi: ActionDistribution[Tensor], log_mu: Tensor) -> Decision:
    """How likely choices were: fields [..., B], log_mu [..., B, K]. Once for a rollout: step by step it costs time."""
    return Decision(
        **{f.name: getattr(choice, f.name) for f in fields(Choice)},
        free=pi.free,
        base=pi.base,
        log_pi=pi.log_prob(choice.action),
        log_mu=pick(log_mu, choice.option),
        log_arrival=arrival_log_prob(choice.option, choice.prev_option, choice.beta, log_mu),
    )

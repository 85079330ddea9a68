"""What the networks compute when an agent decides, written once: learning reads it with PyTorch's modules, acting with
numpy's functions (`acting.py`). What an observation looks like to the networks, or another layer, is said here or in
`layers.py`, and nowhere again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic

from option_critic.functional.anew import ask_anew
from option_critic.functional.arrays import Numbers, alike, clamp, real, single, take, xp
from option_critic.model.distributions import ActionDistribution, Factors
from option_critic.model.fixed import FixedActions
from option_critic.model.given import GivenPolicies
from option_critic.model.policies import intra_option_policies, policy_of_one
from option_critic.options.interest import wishes
from option_critic.options.option import Option


@dataclass(frozen=True)
class View(Generic[Numbers]):
    """What the networks see of raw observations [..., D]: [..., S] in float32. Where there are images, these are rows
    [..., W] (`observation_space.py: Row`)."""

    quaternions: tuple[Numbers, Numbers | None, Numbers] | None
    """(key, beside, below), [D] each: an entry turns its sign where its entry `key`, or the sum of that and its entry
    `beside`, is less than `below`, so that of the two unit quaternions that mean one rotation always the same is seen.
    Without it an agent of one simulator cannot be judged in another: EnvPool's Meta-World keeps the sign of one
    component, the official package makes the largest of the four positive, and so jumps where two are equally large.
    None: there are no quaternions."""
    differences: tuple[Numbers, Numbers] | None
    """(minuend, subtrahend): entries whose differences are seen beside the observation"""
    watched: tuple[Option, ...]
    """options whose interests are seen beside it"""
    features: tuple[Numbers, Numbers, Numbers] | None
    """(plus, minus, less), [F] each: entries `plus`, less those at `minus` where `less` is 1 (0: nothing is
    subtracted). What single options look at, at the end of all that is seen."""
    scaling: Callable[[Any], tuple[Numbers, Numbers]] | None
    """dtype -> (mean, standard deviation), [S] each; none: nothing is normalised"""
    clip: float
    read: Callable[[Numbers], Numbers] | None = None
    """rows [..., W] -> their numbers [..., D], where they hold images too, or are bytes; none: they are these"""
    whole: bool = True
    """whether the observation itself is seen; else `features` of it alone"""
    encode: Callable[[Numbers], Numbers] | None = None
    """rows [..., W] -> features of their images [..., F], seen beside it; none: there are none"""

    def __call__(self, obs: Numbers, wished: Numbers | None = None) -> Numbers:
        """(x - mean) / std, clipped. What comes in float64 is normalised in it: far from zero (a timestamp) float32
        would leave nothing of what varies. `wished`: the interests of the watched options there, if they are known."""
        x = self.prepare(obs, wished)
        if self.scaling is None:
            x = single(x)
        else:
            mean, std = self.scaling(x.dtype)
            x = single(clamp((x - mean) / std, -self.clip, self.clip))
        return x if self.encode is None else xp(x).concat([x, self.encode(obs)], -1)

    def numbers(self, obs: Numbers) -> Numbers:
        """Rows of observations [..., W] -> [..., D]: all of them but images that are encoded. What users' functions
        get."""
        return obs if self.read is None else self.read(obs)

    def prepare(self, obs: Numbers, wished: Numbers | None = None) -> Numbers:
        """All but the normalisation, which learns."""
        obs = self.numbers(obs)
        x = real(obs)
        if self.quaternions is not None:
            key, beside, below = self.quaternions
            sign = take(x, key) if beside is None else take(x, key) + take(x, beside)
            x = xp(x).where(sign < below, -x, x)
        parts = [x] if self.whole else []
        if self.differences is not None:
            minuend, subtrahend = self.differences
            parts.append(take(x, minuend) - take(x, subtrahend))
        if self.watched:
            known = ask_anew(partial(wishes, options=self.watched), obs) if wished is None else wished
            parts.append(alike(known, x))
        if self.features is not None:
            plus, minus, less = self.features
            parts.append(take(x, plus) - take(x, minus) * less)
        return xp(x).concat(parts, -1) if len(parts) > 1 else parts[0]


@dataclass(frozen=True)
class Looking(Generic[Numbers]):
    """How one decides where options see different things: each network is asked for the one option that matters."""

    choice: Callable[[Numbers, Numbers], Any]
    """what is seen [B, S], the option that arrives [B] -> what `choice_heads` reads: its logits of
    terminations are those of that option, K times"""
    outputs: Callable[[Numbers, Numbers], Numbers]
    """what is seen, the option that executes [B] -> what the policies' head says of it [B, A]; 0 where it is frozen"""


@dataclass(frozen=True)
class Network(Generic[Numbers]):
    """Everything that deciding needs; the option values, which only learning needs, stay with the model."""

    see: View[Numbers]
    trunks: Callable[[Numbers], tuple[Any, Any]] | None
    """what is seen [..., S] -> features under the intra-option policies, and under policy over options and
    terminations; [..., H] each, or as `looks.py` has them; none where one decides by `looking`"""
    policy_head: Callable[[Any], Numbers] | None
    """the former -> [..., K A], option by option"""
    choice_heads: Callable[[Any], tuple[Numbers, Numbers]]
    """the latter -> (mu_logits, beta_logits), [..., K] each"""
    log_std: Numbers
    """[K, A]"""
    discrete: bool
    fixed: FixedActions | None
    """what the options do not decide"""
    looking: Looking[Numbers] | None = None
    """for acting, where options see different things"""
    given: GivenPolicies | None = None
    """what the options are given to do"""
    factors: Factors[Numbers] | None = None
    """the choices that make one action together; none: one choice, or real numbers"""
    squashed: bool = False
    """policies are squashed, and the head says their spread as well: [..., K 2A]"""

    def __call__(
        self, obs: Numbers, wished: Numbers | None = None
    ) -> tuple[ActionDistribution[Numbers], Numbers, Numbers]:
        """Raw observations [..., D] -> (pi, mu_logits, beta_logits), each over K options. `wished` as in `View`."""
        return self.decide(self.see(obs, wished))

    def decide(self, x: Numbers) -> tuple[ActionDistribution[Numbers], Numbers, Numbers]:
        """The same of what is seen, [..., S]."""
        assert self.trunks is not None
        policy, choice = self.trunks(x)
        mu_logits, beta_logits = self.choice_heads(choice)
        return self.policies(policy), mu_logits, beta_logits

    def policy(self, x: Numbers, option: Numbers, base: Numbers | None) -> ActionDistribution[Numbers]:
        """pi of `option` [B] at what is seen [B, S], on top of `base` [B, A], where options see different things."""
        assert self.looking is not None
        outputs = self.looking.outputs(x, option)
        return policy_of_one(outputs, self.log_std[option], self.discrete, self.factors, base, self.squashed)

    def policies(self, features: Any) -> ActionDistribution[Numbers]:
        """What the trunk under them says -> pi over K options."""
        assert self.policy_head is not None
        outputs = self.policy_head(features)
        return intra_option_policies(outputs, self.log_std, self.discrete, self.factors, self.squashed)

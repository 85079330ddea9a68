"""Take something away from an agent and see whether it still succeeds: what its options are good for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from option_critic.functional.arrays import NDArray
from option_critic.model.act import Generators, Noise
from option_critic.model.network import Network
from option_critic.options.interest import wishes
from option_critic.options.settings import OptionSettings


@dataclass(frozen=True)
class Ablation:
    """One thing that is taken away."""

    name: str
    forbidden: tuple[int, ...] = ()
    """options that may not run"""
    rests: bool = False
    """nothing acts where none of the others is interested; without it, they run there all the same"""
    random_choice: bool = False
    """the policy over options is uniform, weighed by the interests as ever"""
    frozen_termination: bool = False
    """no option ends by learning, only by force"""

    def available(self, num_options: int) -> NDArray | None:
        """[K] the permitted options; none: all."""
        if not self.forbidden:
            return None
        return np.array([k not in self.forbidden for k in range(num_options)])

    def action(self, action: NDArray, obs: NDArray, rules: OptionSettings) -> NDArray:
        """The action [B, A] under it, at raw observations [B, D]: 0 where the agent rests."""
        if not self.rests:
            return action
        permitted = [o for k, o in enumerate(rules.definitions) if k not in self.forbidden]
        return action * (wishes(obs, permitted) > 0).any(-1, keepdims=True)

    def rules(self, rules: OptionSettings) -> OptionSettings:
        """The options' rules under it."""
        return replace(rules, beta_floor=0.0, beta_ceil=1e-9) if self.frozen_termination else rules

    def network(self, network: Network[NDArray]) -> Network[NDArray]:
        """The network under it."""
        if not self.random_choice:
            return network
        heads = network.choice_heads

        def uniform(features: NDArray) -> tuple[NDArray, NDArray]:
            mu_logits, beta_logits = heads(features)
            return np.zeros_like(mu_logits), beta_logits

        return replace(network, choice_heads=uniform)

    def noise(self, num_envs: int, network: Network[NDArray], generators: Generators) -> Noise | None:
        """The chance in its decisions: none, but for the option where that is drawn."""
        if not self.random_choice:
            return None
        noise = Noise.draw((num_envs,), network, generators)
        return Noise(end=np.full_like(noise.end, 0.5), option=noise.option, action=np.zeros_like(noise.action))


NOTHING = Ablation("as learned")
"""Takes nothing away."""


def ablations(rules: OptionSettings, discrete: bool) -> list[Ablation]:
    """Each option forbidden, each alone, a random choice, no learned end. Nothing for a single option.

    An option is forbidden in two ways: the others run where it would have run, though they never learned to; or, where
    the definitions say who is interested and there is an action that does nothing, they keep to their own parts, and
    elsewhere the agent rests.
    """
    names = rules.names
    numbers = range(len(names))
    if len(names) == 1:
        return []
    without = [Ablation(f"without {names[k]}", forbidden=(k,)) for k in numbers]
    if any(o.interest for o in rules.definitions) and not discrete:
        resting = [Ablation(f"without {names[k]}, at rest", forbidden=(k,), rests=True) for k in numbers]
    else:
        resting = []
    alone = [Ablation(f"{names[k]} alone", forbidden=tuple(j for j in numbers if j != k)) for k in numbers]
    return [
        *(without if len(names) > 2 else []),  # with two options it is the other one alone
        *resting,
        *alone,
        Ablation("random choice", random_choice=True),
        Ablation("no learned end", frozen_termination=True),
    ]

"""Options that see different things: each row of the networks under policies and terminations is masked by option.

All options share one trunk, as where they see everything. What an option does not see is 0 to it, so the trunk is asked
once for each option, K N rows at a time: the options stay a dimension. The policy over options and the critic see all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from option_critic.errors import InputError
from option_critic.model.settings import ModelSettings
from option_critic.options.feature import Feature
from option_critic.options.option import Option


@dataclass(frozen=True)
class Looks:
    """What K options look at, of all that is seen [..., S]."""

    features: tuple[Feature, ...]
    """Each feature that any of them sees, once; their F components are the last of what is seen."""
    options: tuple[Option, ...]
    common: int
    """S - F: the others, which options see that say nothing, and policy over options and critic do"""
    hidden: frozenset[int] = frozenset()
    """Which of these only the latter see: interests of the agent's own options, which no skill could bring along, and
    the one-hot of the task, where options do not see it"""

    @property
    def size(self) -> int:
        """F: the components of all features."""
        return sum(map(len, self.features))

    def mask(self, device: str = "cpu") -> Tensor:
        """[K, 1, S]: 1 where an option looks."""
        mask = torch.zeros((len(self.options), 1, self.common + self.size), dtype=torch.float32, device=device)
        for k, option in enumerate(self.options):
            mask[k, :, self.columns(option)] = 1
        return mask

    def columns(self, option: Option) -> list[int]:
        """Where, in what is seen, an option looks."""
        if option.sees is None:
            return [i for i in range(self.common) if i not in self.hidden]
        return [s + i for s, f in self._starts() if f in option.sees for i in range(len(f))]

    def _starts(self) -> list[tuple[int, Feature]]:
        starts, at = [], self.common
        for feature in self.features:
            starts.append((at, feature))
            at += len(feature)
        return starts


def check_looks(options: Sequence[Option], obs_size: int, settings: ModelSettings, images: bool) -> None:
    """Raise InputError unless observations of `obs_size` numbers have what the options see."""
    for option in options:
        for feature in option.sees or ():
            if feature.last >= obs_size:
                raise InputError(
                    f"option {option.name} sees {feature.name}, component {feature.last} of the observation, which has "
                    f"{obs_size}: 0 to {obs_size - 1}"
                )
    if any(o.sees for o in options) and settings.shared_trunk:
        raise InputError("options that see different things have a trunk of their own; leave out shared_trunk")
    if any(o.sees for o in options) and images:
        raise InputError(
            "what an option `sees` are numbers, and here images are encoded; leave it out, or encoder=flat"
        )


def all_features(options: Sequence[Option]) -> tuple[Feature, ...]:
    """Each feature that any option sees, once, in their order."""
    return tuple(dict.fromkeys(f for o in options for f in o.sees or ()))


def apart(x: Tensor, mask: Tensor) -> Tensor:
    """What is seen [..., S] as each of K options sees it: [K, N, S], with N rows in all."""
    return x.reshape(-1, x.shape[-1])[None] * mask


def own_head(head: nn.Linear, x: Tensor, lead: tuple[int, ...]) -> Tensor:
    """Features [K, N, H] through the rows of a head that belong to each option, K A in all: [*lead, K A]."""
    k, h = len(x), x.shape[-1]
    out = x @ head.weight.reshape(k, -1, h).transpose(1, 2) + head.bias.reshape(k, 1, -1)
    return out.transpose(0, 1).reshape(*lead, -1)

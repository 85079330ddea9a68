"""One decision as a pure function of tensors: what `predict` does, with memory and chance as inputs.

The modules and equations are those that learning reads; only what stands between an environment and its rows of
numbers is written again, for tensors.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from option_critic.export.ports import Port, acted, drawn, kept, numbers, observed, remembered, to_env
from option_critic.functional.arrays import single
from option_critic.model.act import arrive
from option_critic.model.distributions import FactoredCategorical, pick_row, sample_index
from option_critic.model.layers import Tanh
from option_critic.model.network import View
from option_critic.model.option_model import OptionModel
from option_critic.options.interest import interest_at, wishes
from option_critic.records import Carry, Interest
from option_critic.skills.skill import Skill
from option_critic.spaces import Spaces

if TYPE_CHECKING:
    from option_critic.agent import OptionCritic


Module = TypeVar("Module", bound=nn.Module)


class AgentGraph(nn.Module):
    """(observation, option that arrives, its age, whether the episode starts) -> (action, option, age).

    `stochastic`: with the chance of the decision as further inputs; else the likeliest action and option are taken, and
    an option ends where its termination exceeds 0.5.
    """

    def __init__(self, agent: OptionCritic, stochastic: bool) -> None:
        super().__init__()
        self.rules, self.spaces, self.stochastic = agent.settings.options, agent.spaces, stochastic
        own = agent.state.model
        kept = {id(o): o for o in (*self.rules.definitions, *own.obs_norm.watched)}  # as they are: none is a module
        self.model: OptionModel = plain_tanh(copy.deepcopy(own, kept).cpu()).requires_grad_(False)
        for name in ("critic_trunk", "q_head", "soft", "reward_norm"):  # which only learning reads
            setattr(self.model, name, nn.Identity())
        self.seen = len(observed(self.spaces))
        self.encoded = () if self.model.encoder is None else self.model.encoder.images  # parts that it alone reads

    @property
    def inputs(self) -> list[Port]:
        """In the order in which `forward` takes them."""
        return [*observed(self.spaces), *remembered(), *self.chance]

    @property
    def chance(self) -> list[Port]:
        """Those of chance."""
        spaces = self.spaces
        return drawn(self.model.num_options, spaces.action_size, spaces.discrete) if self.stochastic else []

    @property
    def outputs(self) -> list[Port]:
        """In the order in which it gives them."""
        return [acted(self.spaces), *kept()]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, ...] each, as `inputs` says -> as `outputs` says."""
        parts, (prev, age, first, *chance) = inputs[: self.seen], inputs[self.seen :]
        network, rules = replace(self.model.network, see=view(self.model, self.spaces)), self.rules
        raw, options = single(network.see.numbers(parts)), rules.definitions  # type: ignore[arg-type]
        shared = wishes(raw, options) if options and options == network.see.watched else None
        policies, mu_logits, beta_logits = network(parts, shared)  # type: ignore[arg-type]
        interest: Interest[Tensor] | None = interest_at(raw, rules, None, shared) if options else None
        arrival = arrive(mu_logits, beta_logits, interest, Carry(prev, age, first), rules)
        end, gumbel, noise = chance if self.stochastic else (0.5, torch.zeros_like(arrival.log_mu), None)
        ended = arrival.beta > end
        option = torch.where(ended, sample_index(arrival.log_mu, gumbel), prev)
        base = None if network.given is None else pick_row(network.given.bases(raw), option)
        action = self._action(policies.at(option, None, base), noise)
        if network.given is not None and base is not None:
            action, _ = network.given.write(action, base, option)
        if network.fixed is not None:
            action, _ = network.fixed.write(action, raw, option)
        return to_env(action, self.spaces), option, torch.where(ended, 0, age) + 1

    def _action(self, pi: Any, noise: Tensor | None) -> Tensor:
        if noise is None:
            return pi.mode()  # type: ignore[no-any-return]
        if isinstance(pi, FactoredCategorical) and self.model.factors is not None:
            noise = self.model.factors.apart(noise, 0.0)  # choices that there are none of are impossible already
        return pi.sample(noise)  # type: ignore[no-any-return]


def view(model: OptionModel, spaces: Spaces) -> View[Any]:
    """What the networks see of the parts of observations, each [B, *shape], instead of rows."""
    encoder, row = model.encoder, spaces.row
    images = () if encoder is None else encoder.images
    dtype = getattr(torch, row.dtype.name if spaces.obs_parts else "float64")

    def read(parts: Any) -> Tensor:
        return numbers(row.parts, parts, images, dtype)

    def encode(parts: Any) -> Tensor:
        assert encoder is not None
        return encoder.read([parts[i] for i in images])

    return replace(model.view, read=read, encode=None if encoder is None else encode)


class SkillGraph(nn.Module):
    """Observation -> (action, probability that the skill ends there, how much it wants to start there)."""

    def __init__(self, skill: Skill) -> None:
        super().__init__()
        network = plain_tanh(copy.deepcopy(skill.network))
        self.skill, self.spaces, self.network = Skill(skill.record, network), skill.spaces, network
        self.encoded: tuple[int, ...] = ()

    @property
    def inputs(self) -> list[Port]:
        """In the order in which `forward` takes them."""
        return observed(self.spaces)

    @property
    def outputs(self) -> list[Port]:
        """In the order in which it gives them."""
        return [acted(self.spaces), Port("end", torch.float32, ()), Port("interest", torch.float32, ())]

    def forward(self, *parts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, ...] each, as `inputs` says -> as `outputs` says."""
        row, spaces = self.spaces.row, self.spaces
        raw = numbers(row.parts, parts, (), getattr(torch, row.dtype.name if spaces.obs_parts else "float64"))
        return to_env(self.skill.decide(raw), spaces), self.skill.end(raw), self.skill.interest(raw)


def plain_tanh(model: Module) -> Module:
    """With PyTorch's own hyperbolic tangent, which is one operation of a graph; ours is four."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, Tanh):
                setattr(module, name, nn.Tanh())
    return model

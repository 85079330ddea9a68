"""Twin critics of actions, Q_U(s, w, a), side by side as a dimension."""

from __future__ import annotations

import math
from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from option_critic.action_space import place
from option_critic.errors import InputError
from option_critic.model.distributions import (
    ActionDistribution,
    CategoricalActions,
    DiagonalGaussian,
    FactoredCategorical,
)
from option_critic.model.encoder import Encoder
from option_critic.model.joint import JointChoices
from option_critic.model.layers import ACTIVATIONS, stream_seed
from option_critic.model.settings import Activation, ModelSettings
from option_critic.spaces import Spaces

TWINS = 2


class TwinCritics(nn.Module):
    """Two networks of the same form [N, inputs] -> [2, N, outputs], in one operation a layer.

    The less of two values that were learned apart overestimates less [Fujimoto+18, 1802.09477].
    """

    def __init__(
        self, inputs: int, width: int, layers: int, outputs: int, activation: Activation, norm: bool, device: str
    ) -> None:
        super().__init__()
        sizes = [inputs, *(width for _ in range(layers)), outputs]
        shapes = list(pairwise(sizes))
        self.weights = nn.ParameterList(torch.empty(TWINS, *s, dtype=torch.float32, device=device) for s in shapes)
        self.biases = nn.ParameterList(
            torch.zeros(TWINS, 1, out, dtype=torch.float32, device=device) for _, out in shapes
        )
        self.activation, self.norm = ACTIVATIONS[activation](), norm

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """Orthogonal weights, each twin from a stream of its own."""
        if self.weights[0].is_meta:
            return
        for twin in range(TWINS):
            generator = torch.Generator("cpu").manual_seed(stream_seed(seed, f"critic-{twin}"))
            for layer, weight in enumerate(self.weights):
                gain = 1.0 if layer == len(self.weights) - 1 else math.sqrt(2)
                drawn = torch.empty(weight.shape[:0:-1], dtype=torch.float32, device="cpu")  # [out, in], as a layer's
                nn.init.orthogonal_(drawn, gain, generator=generator)
                weight[twin].copy_(drawn.T)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs] -> [2, N, outputs]."""
        x = x.expand(TWINS, *x.shape)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            if layer < len(self.weights) - 1:
                x = self.activation(layer_norm(x, x.shape[-1:]) if self.norm else x)
        return x

    def each(self, seen: Tensor, action: Tensor) -> Tensor:
        """What each option's own action is worth to it: seen [N, S], actions [N, K, A] -> [2, N, K]."""
        n, k, _ = action.shape
        both = torch.cat([seen.unsqueeze(1).expand(n, k, seen.shape[-1]), action], -1)
        return self(both.flatten(0, 1)).unflatten(1, (n, k)).diagonal(dim1=-2, dim2=-1)


class SoftHeads(nn.Module):
    """What soft option-critic has in the place of option values: critics, those that they bootstrap from, and the
    logarithms of both temperatures, where these are learned."""

    def __init__(
        self,
        critics: TwinCritics,
        targets: TwinCritics,
        encoder: Encoder | None,
        joint: JointChoices | None,
        unit: float,
        device: str,
    ) -> None:
        """`encoder`: what critics see images through, if there are any; `joint`: all that several choices can be;
        `unit`: where temperatures that are learned begin, as a share of what they do with rewards as they are."""
        super().__init__()
        self.critics, self.targets, self.joint = critics, targets, joint
        self.target_encoder = deepcopy(encoder)
        for slow in (targets, self.target_encoder):
            if slow is not None:
                slow.requires_grad_(False)
        self.log_alpha = nn.Parameter(torch.full((), math.log(unit), dtype=torch.float32, device=device))
        self.log_kappa = nn.Parameter(torch.full((), math.log(unit / 10), dtype=torch.float32, device=device))

    def as_one(self, pi: ActionDistribution[Tensor]) -> ActionDistribution[Tensor]:
        """Several choices at once as one; any other policy as it is."""
        if not isinstance(pi, FactoredCategorical):
            return pi
        assert self.joint is not None
        return self.joint.policy(pi)

    def number(self, action: Tensor) -> Tensor:
        """Actions as critics are asked of them: several choices at once as the number of one."""
        return action if self.joint is None else self.joint.number(action)

    def option_values(self, seen: Tensor, pi: ActionDistribution[Tensor]) -> Tensor:
        """What each of K options is worth at its most likely action (choices: on average) by the lesser of both
        critics, entropies apart: seen [N, S] -> [N, K]."""
        pi = self.as_one(pi)
        if isinstance(pi, DiagonalGaussian):
            return self.critics.each(seen, pi.mode()).amin(0)
        assert isinstance(pi, CategoricalActions)
        q_u = self.critics(seen).unflatten(-1, pi.log_probs.shape[1:]).amin(0)
        return (pi.log_probs.exp() * q_u).sum(-1)

    @torch.no_grad()
    def follow(self, tau: float, encoder: Encoder | None) -> None:
        """Let the targets follow by `tau`   [Haarnoja+18, algorithm 1]."""
        pairs: list[tuple[nn.Module, nn.Module]] = [(self.targets, self.critics)]
        if self.target_encoder is not None and encoder is not None:
            pairs.append((self.target_encoder, encoder))
        for slow, fast in pairs:
            torch._foreach_lerp_(list(slow.parameters()), list(fast.parameters()), tau)


def soft_heads(
    spaces: Spaces, num_options: int, s: ModelSettings, seed: int, seen: int, encoder: Encoder | None, device: str
) -> SoftHeads:
    """Critics of `seen` numbers and an action. Raises InputError for what they cannot read, and for actions without
    bounds, most of which squashed policies would never do."""
    if s.shared_trunk:
        raise InputError("sac_oc has critics that read actions, which share no trunk; leave out shared_trunk")
    for i, bounds in enumerate(spaces.bounds):
        if not all(map(math.isfinite, bounds)):
            raise InputError(
                f"sac_oc needs actions with two finite bounds, and action {place(i, spaces.env_shape)} has "
                f"[{bounds[0]:g}, {bounds[1]:g}]; give its action space bounds (gymnasium's wrapper ClipAction takes "
                "them away), or choose algorithm dac"
            )
    joint = JointChoices(spaces.action_factors, device) if spaces.action_factors else None
    a = spaces.action_size if joint is None else joint.size
    inputs, outputs = (seen, num_options * a) if spaces.discrete else (seen + a, num_options)
    form = inputs, s.hidden_dim, s.critic_layers, outputs, s.activation, s.critic_norm, device
    critics, targets = TwinCritics(*form), TwinCritics(*form)
    critics.initialise(seed)
    targets.load_state_dict(critics.state_dict())
    return SoftHeads(critics, targets, encoder, joint, 0.1 if s.normalize_reward else 1.0, device)

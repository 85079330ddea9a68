"""The networks of one option alone: what it does, and when it ends, cut out of those of its agent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from option_critic.model.layers import linear, mlp
from option_critic.model.normalize import ObservationNormalizer, turned_by
from option_critic.model.option_model import OptionModel
from option_critic.options.option import Option
from option_critic.skills.record import Interests, SkillRecord

FindInterests = Callable[[Interests], Sequence[Option]]
"""The options whose interests are seen."""


class SkillNetwork(nn.Module):
    """Raw observations [..., D] -> what the option does [..., A] in the policies' units, and the logit of its end.

    What belongs to what is seen (its columns of the first layers, its part of the normaliser) and to the option (its
    rows of the heads), and nothing else. Networks that it does not have are none; `base` is that of the skill below it.
    """

    see: ObservationNormalizer
    policy: nn.Sequential | None
    termination: nn.Sequential | None
    base: SkillNetwork | None
    log_std: Tensor

    def __init__(self, record: SkillRecord, obs_size: int, action_size: int, find: FindInterests, device: str) -> None:
        super().__init__()
        sees, n = record.sees, record.networks
        watched = find(sees.interests) if sees.interests else ()
        self.see = ObservationNormalizer(
            obs_size, sees.clip, sees.normalize, turned_by(sees.quaternions, sees.quaternion_sign), sees.differences,
            watched, device, sees.features,
        )  # fmt: skip
        if not sees.observation:
            self.see.look_away()
        self.policy, self.termination = None, None

        def layers(count: int, outputs: int) -> nn.Sequential:
            return mlp(self.see.size, n.hidden_dim, count, n.activation, device).append(
                linear(n.hidden_dim, outputs, device)
            )

        if record.policy != "given":
            self.policy = layers(n.policy_layers, action_size)
            self.register_buffer("log_std", torch.zeros(action_size, dtype=torch.float32, device=device))
        if record.ends == "learned":
            self.termination = layers(n.termination_layers, 1)
        self.base = None if record.base is None else SkillNetwork(record.base, obs_size, action_size, find, device)
        self.requires_grad_(False)


def by_name(interests: Interests) -> list[Option]:
    """As many options as there are interests, for the sizes of networks alone."""
    return [Option(name=name) for name in interests.options]


@torch.no_grad()
def cut_out(network: SkillNetwork, model: OptionModel, k: int, columns: Sequence[int]) -> None:
    """Fill `network` with what option `k` of a model has, of which it sees `columns`. Its base stays as it is."""
    moments, own = model.obs_norm.moments, network.see.moments
    own.count.copy_(moments.count)
    for mine, theirs in ((own.mean, moments.mean), (own.var, moments.var)):
        mine.copy_(theirs[list(columns)])
    if model.hidden is not None:  # its trunks have these columns alone
        columns = range(len(columns))
    a, each = model.action_size, model.action_size * (1 + model.squashed)  # a squashed one's spread is left behind
    trunk = model.termination_trunk if model.ends_apart else model.option_trunk
    if network.policy is not None:
        fill(network.policy, model.policy_trunk, columns, model.pi_head, slice(k * each, k * each + a))
        network.log_std.copy_(model.log_std[k])
    if network.termination is not None:
        fill(network.termination, trunk, columns, model.beta_head, slice(k, k + 1))


def fill(own: nn.Sequential, trunk: nn.Sequential, columns: Sequence[int], head: nn.Linear, rows: slice) -> None:
    """Weights of a trunk, with some columns of its first layer, and some rows of a head."""
    mine = [layer for layer in own if isinstance(layer, nn.Linear)]
    theirs = [layer for layer in trunk if isinstance(layer, nn.Linear)]
    for layer, source in zip(mine[:-1], theirs, strict=True):
        layer.weight.copy_(source.weight[:, list(columns)] if source is theirs[0] else source.weight)
        layer.bias.copy_(source.bias)
    mine[-1].weight.copy_(head.weight[rows])
    mine[-1].bias.copy_(head.bias[rows])

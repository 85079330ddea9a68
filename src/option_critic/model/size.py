"""How large a network becomes, told before it is made."""

from __future__ import annotations

from option_critic.errors import InputError
from option_critic.model.encoder import count_weights, encoded
from option_critic.model.settings import ModelSettings
from option_critic.observation_space import Row
from option_critic.spaces import Spaces

MAX_WEIGHTS = 250_000_000
"""Of a network: with their gradients and Adam's moments they take 4 GB."""


class NetworkSizeError(InputError):
    """A network is too large to be meant."""


def numbers_size(spaces: Spaces, settings: ModelSettings) -> int:
    """D: the numbers of an observation, without the images that are encoded."""
    return spaces.obs_size - sum(spaces.row.parts[i].size for i in encoded(spaces.row, settings))


def check_size(inputs: int, num_options: int, action_size: int, s: ModelSettings, row: Row) -> None:
    """Raise NetworkSizeError for more than MAX_WEIGHTS weights, before there are any."""
    if encoded(row, s):
        inputs += s.encoder_dim * len(encoded(row, s))
    trunks = (s.policy_layers,) if s.shared_trunk else (s.policy_layers, s.critic_layers, s.option_layers)
    width = s.hidden_dim
    hidden = sum((inputs + 1) * width + (layers - 1) * (width + 1) * width for layers in trunks)
    weights = hidden + (width + 1) * num_options * (action_size + 3) + count_weights(row, s)
    if weights > MAX_WEIGHTS:
        raise NetworkSizeError(
            f"a network of {weights:,} weights is too large, {MAX_WEIGHTS:,} are the most: lower hidden_dim ({width}), "
            f"the layers, or num_options ({num_options}); {inputs:,} inputs and {action_size:,} actions are given"
        )

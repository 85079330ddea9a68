"""The settings of the networks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from option_critic.errors import InputError
from option_critic.search_space import Among, Between
from option_critic.value_types import check_range, check_ranges, conform, shown

Sign = Literal["last", "first", "either"]
Activation = Literal["tanh", "relu", "elu"]
RANGES = {
    "hidden_dim": (1, 8192),
    **dict.fromkeys(("policy_layers", "critic_layers", "option_layers"), (1, 64)),
    "initial_log_std": (-20, 20),
    "correction_log_std": (-20, 20),
    "clip_observation": (0.001, 1_000_000_000),
    "encoder_dim": (1, 8192),
}
"""Setting -> (lowest, highest). How large the whole network may be: `option_model.py: MAX_WEIGHTS`."""
MAX_COMPONENT = 1_000_000
"""The highest number of a component of an observation that a setting may name."""
SEARCH: dict[str, Between | Among] = {
    "hidden_dim": Among((32, 64, 128, 256)),
    **dict.fromkeys(("policy_layers", "critic_layers"), Among((1, 2, 3))),
    "activation": Among(("tanh", "relu")),
    "initial_log_std": Between(-2.0, 0.5),
    "initial_beta": Between(0.02, 0.5, log=True),
}
"""Setting -> where `option-critic tune` looks for its value."""


ENCODERS = ("auto", "conv", "flat")


def own_encoder(encoder: str) -> bool:
    """Whether it names a network of the user's own."""
    module, _, name = encoder.partition(":")
    return bool(module) and name.isidentifier() and len(encoder) <= 300


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """The networks and their normalisation."""

    hidden_dim: int = 128
    """Units in every hidden layer."""
    policy_layers: int = 2
    """Hidden layers under the intra-option policies."""
    critic_layers: int = 2
    """Hidden layers under the option values."""
    critic_norm: bool = False
    """Normalise each hidden layer of the critics over its units, before the activation [Ba+16, 1607.06450], without
    weights for that. Meant for rewards of which some are a hundred times the others."""
    option_layers: int = 1
    """Hidden layers under the policy over options and the terminations."""
    activation: Activation = "tanh"
    """Nonlinearity of the hidden layers."""
    shared_trunk: bool = False
    """One trunk (of `policy_layers`) under all heads instead of three."""
    initial_log_std: float = 0.0
    """Log standard deviation of continuous actions at the start, per option and dimension."""
    correction_log_std: float = -1.0
    """The same of what is learned on top of a given policy: it begins close to what is given."""
    initial_beta: float = 0.12
    """Termination probability of an untrained option, in (0, 1), before `beta_floor` and `beta_ceil` map it."""
    normalize_observation: bool = True
    """Subtract the running mean of observations and divide by their standard deviation."""
    clip_observation: float = 10.0
    """Normalised observations are clipped to plus or minus this."""
    quaternions: tuple[int, ...] = ()
    """Where unit quaternions start in an observation. Two of opposite sign are one rotation; the network sees one of
    them. Simulators choose differently, and may jump from one to the other."""
    quaternion_sign: Sign = "last"
    """Which of the two: whose last component (x, y, z, w) or first one (w, x, y, z) is positive; either: the sum of
    both, where observations have quaternions of either order. What counts is that it is not near 0."""
    differences: tuple[int, ...] = ()
    """Pairs of components whose differences the networks see beside the observation: `0 4 1 5` for x0 - x4 and
    x1 - x5. A network is slow to learn to subtract two positions to the centimetre. Left out where it sees interests
    (`observe_interest`), which know the distances that matter: with both, options overshoot (measured)."""
    observe_interest: str = ""
    """A set of definitions (as for options_from; own: the agent's `options`) whose interests the networks see beside
    the observation. With one option: what the definitions know, without the options; the fair flat baseline of named
    ones."""
    options_see_task: bool = False
    """Of several tasks at once: whether options, what they do and when they end, see which one it is. If not, they are
    shared: the policy over options, which sees it as the critic does, says which option serves which task. A single
    option always sees it."""
    encoder: str = "auto"
    """What reads images (arrays of bytes). auto: those of at least 36 x 36 pixels go through convolutions, smaller ones
    are read as numbers, as other observations are. conv: all go through them. flat: none. module:NAME: a network of
    your own: NAME(shape) gives an nn.Module that turns images [N, *shape] in [0, 1], shape being (channels, height,
    width), into vectors [N, F]."""
    conv_layers: tuple[int, ...] = (32, 8, 4, 64, 4, 2, 64, 3, 1)
    """Channels, kernel and stride of each convolution in turn; the default is that of Mnih and others 2015."""
    encoder_dim: int = 512
    """Features that the layer after the convolutions makes of an image."""
    normalize_reward: bool = True
    """Divide rewards by the running standard deviation of the discounted return."""

    def __post_init__(self) -> None:
        conform(self)
        check_ranges(self, RANGES)
        for name in ("quaternions", "differences"):
            check_range(name, max(getattr(self, name), default=0), 0, MAX_COMPONENT)
        if self.encoder not in ENCODERS and not own_encoder(self.encoder):
            raise InputError(f"encoder must be {', '.join(ENCODERS)} or module:NAME, got {shown(self.encoder)}")
        bad = len(self.conv_layers) % 3 or not all(1 <= n <= 4096 for n in self.conv_layers) or not self.conv_layers
        if bad or len(self.conv_layers) > 3 * 64:
            raise InputError(
                "conv_layers must be channels, kernel and stride of each layer in turn (32 8 4 64 4 2), in [1, 4096], "
                f"got {shown(self.conv_layers)}"
            )
        if self.critic_norm and self.shared_trunk:
            raise InputError("critic_norm is for critics with layers of their own; leave out shared_trunk")
        if not 0 < self.initial_beta < 1:
            raise InputError(f"initial_beta must lie in (0, 1), got {self.initial_beta}")
        if any(b - a < 4 for a, b in pairwise(sorted((-4, *self.quaternions)))):
            raise InputError(f"quaternions must be starts at least 4 apart, from 0 on, got {shown(self.quaternions)}")
        if len(self.differences) % 2 or min(self.differences, default=0) < 0:
            raise InputError(f"differences must be pairs of components, counted from 0, got {shown(self.differences)}")

    @property
    def convolutions(self) -> list[tuple[int, int, int]]:
        """(channels, kernel, stride) of each."""
        c = self.conv_layers
        return list(zip(c[::3], c[1::3], c[2::3], strict=True))

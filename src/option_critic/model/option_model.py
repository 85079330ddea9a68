"""One network for all options: policies pi, master mu, terminations beta, option values q."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from option_critic.errors import InputError
from option_critic.model.critics import soft_heads
from option_critic.model.distributions import ActionDistribution, DiagonalGaussian, Factors
from option_critic.model.encoder import Encoder, encoded
from option_critic.model.fixed import fixed_actions
from option_critic.model.given import given_policies
from option_critic.model.layers import initialise, linear, mlp
from option_critic.model.looks import Looks, all_features, apart, check_looks, own_head
from option_critic.model.network import Network, View
from option_critic.model.normalize import ObservationNormalizer, RewardScaler, turned_by
from option_critic.model.settings import ModelSettings
from option_critic.model.size import check_size, numbers_size
from option_critic.options.definitions import find
from option_critic.options.option import Option
from option_critic.spaces import Spaces

OWN = "own"
"""What `observe_interest` says where it means the agent's own options."""


@dataclass(frozen=True)
class Heads:
    """Everything that the model says at a state."""

    pi: ActionDistribution[Tensor]
    """intra-option policies, batch [..., K]"""
    mu_logits: Tensor
    """[..., K] policy over options, before interest"""
    beta_logits: Tensor
    """[..., K] terminations"""
    q: Tensor
    """[..., K] option values"""


class OptionModel(nn.Module):
    """Raw observations [..., D] -> Heads over K options, with its normalisers inside.

    Three trunks (policies; critic; master and terminations), or one trunk for all with
    `shared_trunk`. The options are a tensor dimension of each head. Where `options` are defined, and fix
    components of the action, `fixed` has them. It is in float32, and draws from no generator but its own.
    """

    factor_index: Tensor
    factor_exists: Tensor
    look: Tensor
    looks: Looks | None
    hidden: slice | None
    encoder: Encoder | None

    def __init__(
        self,
        spaces: Spaces,
        num_options: int,
        settings: ModelSettings,
        seed: int,
        options: Sequence[Option] = (),
        device: str = "cpu",
        soft: bool = False,
    ) -> None:
        """`soft`: policies are squashed and say their own spread, twin critics of actions stand in the place of option
        values (`critics.py`)."""
        super().__init__()
        self.squashed = soft and not spaces.discrete
        self.num_options, self.discrete, self.action_size = num_options, spaces.discrete, spaces.action_size
        width, s = settings.hidden_dim, settings
        self.tasks = len(spaces.tasks)
        self.blind = self.tasks > 0 and num_options > 1 and not s.options_see_task
        obs_size = self._look(spaces, num_options, s, seed, device, options)
        self.reward_norm = RewardScaler(s.normalize_reward, device, max(1, self.tasks))

        common = obs_size if self.looks is None else self.looks.common
        self._trunks(obs_size, common, s, seed, device, soft)
        self.pi_head = linear(width, num_options * spaces.action_size * (1 + self.squashed), device)
        self.define(spaces, options, s, device)
        log_std = torch.full((num_options, spaces.action_size), s.initial_log_std, dtype=torch.float32, device=device)
        for k in (k for k, option in enumerate(options) if option.correction):
            log_std[k] = min(s.initial_log_std, s.correction_log_std)
        self.log_std = nn.Parameter(log_std)
        self.soft = soft_heads(spaces, num_options, s, seed, common, self.encoder, device) if soft else None
        if not soft:
            self.q_head = linear(width, num_options, device)
            initialise(self.q_head, 1.0, seed, "q_head")
        self.mu_head = linear(width, num_options, device)
        self.beta_head = linear(width, num_options, device)
        if spaces.discrete or soft:
            self.log_std.requires_grad_(False)
        self.factored = bool(spaces.action_factors)
        if self.factored:
            factors = Factors.of(spaces.action_factors)
            for name, x in (("factor_index", factors.index), ("factor_exists", factors.exists)):
                self.register_buffer(name, torch.from_numpy(x).to(device), persistent=False)

        initialise(self.pi_head, 0.01, seed, "pi_head")
        initialise(self.mu_head, 0.01, seed, "mu_head")
        logit = math.log(s.initial_beta / (1 - s.initial_beta))
        initialise(self.beta_head, 0.01, seed, "beta_head", bias=logit)

    def _trunks(self, obs_size: int, common: int, s: ModelSettings, seed: int, device: str, soft: bool) -> None:
        """What is under the heads: `obs_size` numbers under policies, `common` of them under what all options share."""
        width = s.hidden_dim
        own = obs_size if self.hidden is None else obs_size - self.tasks
        self.policy_trunk = mlp(own, width, s.policy_layers, s.activation, device)
        if s.shared_trunk:
            self.critic_trunk = self.option_trunk = self.policy_trunk
        else:
            if not soft:
                self.critic_trunk = mlp(common, width, s.critic_layers, s.activation, device, s.critic_norm)
                initialise(self.critic_trunk, math.sqrt(2), seed, "critic_trunk")
            self.option_trunk = mlp(common, width, s.option_layers, s.activation, device)
            initialise(self.option_trunk, math.sqrt(2), seed, "option_trunk")
        if self.looks is not None:
            self.register_buffer("look", self.looks.mask(device), persistent=False)
        if self.ends_apart:
            self.termination_trunk = mlp(own, width, s.option_layers, s.activation, device)
            initialise(self.termination_trunk, math.sqrt(2), seed, "termination_trunk")
        initialise(self.policy_trunk, math.sqrt(2), seed, "policy_trunk")

    def define(self, spaces: Spaces, options: Sequence[Option], settings: ModelSettings, device: str = "cpu") -> None:
        """Take what definitions say: nothing of it is learned, so they may be those for another task."""
        self.fixed, self.given = fixed_actions(spaces, options, device), given_policies(spaces, options, device)
        self.obs_norm.watched = watched_by(settings, options)
        if self.looks is not None:
            self.looks = replace(self.looks, options=tuple(options))

    def _look(
        self, spaces: Spaces, num_options: int, s: ModelSettings, seed: int, device: str, options: Sequence[Option]
    ) -> int:
        """What is seen of observations: normaliser and encoder; how much that comes to. Raises InputError."""
        row, images, obs_size = spaces.row, encoded(spaces.row, s), numbers_size(spaces, s)
        if s.quaternions and max(s.quaternions) + 4 > obs_size:
            raise InputError(f"quaternions {s.quaternions} do not lie within observations of {obs_size} numbers")
        if s.differences and max(s.differences) >= obs_size:
            raise InputError(f"differences {s.differences} do not lie within observations of {obs_size} numbers")
        watched = watched_by(s, options)
        differences, features = () if watched else s.differences, all_features(options)
        check_looks(options, obs_size, s, bool(images))
        if self.blind and s.shared_trunk:
            raise InputError(
                "options that do not see the task have a trunk of their own; leave out shared_trunk, or say "
                "options_see_task"
            )
        self.obs_norm = ObservationNormalizer(
            obs_size, s.clip_observation, s.normalize_observation, turned_by(s.quaternions, s.quaternion_sign),
            differences, watched, device, features,
        )  # fmt: skip
        check_size(self.obs_norm.size, num_options, spaces.action_size, s, row)
        self.read: Callable[[Any], Any] | None = partial(row.numbers, without=images) if row.packed or images else None
        self.encoder = Encoder(row, images, s, seed, device) if images else None
        seen = self.obs_norm.size + (0 if self.encoder is None else self.encoder.size)
        own = len(watched) if s.observe_interest == OWN else 0
        hidden = slice(obs_size - self.tasks, obs_size) if self.blind else None
        # the interests follow the observation: where options are watched there are no differences
        unseen = (*range(obs_size, obs_size + own), *(range(obs_size)[hidden] if hidden else ()))
        looks = Looks(features, tuple(options), seen - sum(map(len, features)), frozenset(unseen))
        self.looks = looks if features or own else None
        self.hidden = None if features or own else hidden
        return seen

    @property
    def ends_apart(self) -> bool:
        """Whether terminations have a trunk of their own, as they see less than the policy over options."""
        return self.looks is not None or self.hidden is not None

    def task(self, obs: Tensor) -> Tensor | None:
        """Raw observations [..., D] -> the numbers of their tasks [...]; none where there is one alone."""
        return obs[..., -self.tasks :].argmax(-1) if self.tasks else None

    @property
    def view(self) -> View[Tensor]:
        """What the networks see, with the statistics as they are now."""
        return replace(self.obs_norm.view, read=self.read, encode=self.encoder)

    def see_slowly(self, obs: Tensor) -> Tensor:
        """Raw observations [..., W] -> what target critics see [..., S]: images through an encoder of their own."""
        assert self.soft is not None
        return self.common(replace(self.view, encode=self.soft.target_encoder)(obs))

    def numbers(self, obs: Tensor) -> Tensor:
        """Raw observations [..., W] -> all but encoded images [..., D], as users' functions get them."""
        return self.view.numbers(obs)

    def update_view(self, obs: Tensor) -> None:
        """Let the statistics see raw observations [N, W]."""
        self.obs_norm.update(self.numbers(obs))

    @property
    def network(self) -> Network[Tensor]:
        """What deciding needs, of the modules as they are."""
        return Network(
            see=self.view,
            trunks=lambda x: (self._policy_features(x), self._choice_features(x)),
            policy_head=self._policy_head,
            choice_heads=self._choice_heads,
            log_std=self.log_std,
            discrete=self.discrete,
            fixed=self.fixed,
            given=self.given,
            factors=self.factors,
            squashed=self.squashed,
        )

    @property
    def factors(self) -> Factors[Tensor] | None:
        """The choices that make one action together, if there are such."""
        return Factors(self.factor_index, self.factor_exists) if self.factored else None

    def _policy_features(self, x: Tensor) -> Any:
        return self.policy_trunk(self._without_task(x) if self.looks is None else apart(x, self.look)), x.shape[:-1]

    def _policy_head(self, features: Any) -> Tensor:
        known, lead = features
        return self.pi_head(known) if self.looks is None else own_head(self.pi_head, known, lead)

    def _choice_features(self, x: Tensor) -> Any:
        if self.hidden is not None:
            return self.option_trunk(x), self.termination_trunk(self._without_task(x)), x.shape[:-1]
        if self.looks is None:
            return (known := self.option_trunk(x)), known, x.shape[:-1]
        return self.option_trunk(self.common(x)), self.termination_trunk(apart(x, self.look)), x.shape[:-1]

    def _choice_heads(self, features: Any) -> tuple[Tensor, Tensor]:
        known, own, lead = features
        beta = self.beta_head(own) if self.looks is None else own_head(self.beta_head, own, lead)
        return self.mu_head(known), beta

    def _without_task(self, x: Tensor) -> Tensor:
        """What options see of all that is seen, where the task is hidden from them and nothing else."""
        return x if self.hidden is None else torch.cat([x[..., : self.hidden.start], x[..., self.hidden.stop :]], -1)

    def common(self, x: Tensor) -> Tensor:
        """What policy over options and critic see of all that is seen [..., S]."""
        return x if self.looks is None else x[..., : self.looks.common]

    def forward(self, obs: Tensor) -> Heads:
        """Raw observations [..., D] -> all heads."""
        network = self.network
        x = network.see(obs)
        return Heads(*network.decide(x), self.q_head(self.critic_trunk(self.common(x))))

    def policies_of(self, seen: Tensor) -> ActionDistribution[Tensor]:
        """Of what is seen [..., S] -> pi over K options as the network has them."""
        return self.network.policies(self._policy_features(seen))

    def behaviour(self, obs: Tensor) -> ActionDistribution[Tensor]:
        """Raw observations [..., D] -> pi over K options as they act: with what they are given, and certain of what
        they do not decide."""
        network = self.network
        pi, numbers = network.policies(self._policy_features(network.see(obs))), network.see.numbers(obs)
        if self.given is not None:
            pi = self.given.behaviour(pi, numbers)
        return self.fixed.written(pi, numbers) if self.fixed is not None and isinstance(pi, DiagonalGaussian) else pi

    def values(self, obs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(q, mu_logits, beta_logits), each [..., K]: the heads without the policies. With critics of actions q is what
        they say of each option's most likely one."""
        seen = self.view(obs)
        if self.soft is None:
            return self.values_of(seen)
        q = self.soft.option_values(self.common(seen), self.behaviour(obs))
        return (q, *self._choice_heads(self._choice_features(seen)))

    def values_of(self, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same of what is seen, [..., S]."""
        return (self.q_head(self.critic_trunk(self.common(seen))), *self._choice_heads(self._choice_features(seen)))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameters by the part that they learn for, for an optimiser: option, critic, master, termination.

        A shared trunk learns with the intra-option policies, and so does an encoder; with critics of actions, which
        are learned first, it learns with them   [Yarats+21, 1910.01741].
        """
        encoder: list[nn.Module] = [] if self.encoder is None else [self.encoder]
        parts: dict[str, list[nn.Module]] = {
            "option": [*(encoder if self.soft is None else []), self.policy_trunk, self.pi_head],
            "critic": [self.critic_trunk, self.q_head] if self.soft is None else [*encoder, self.soft.critics],
            "master": [self.option_trunk, self.mu_head],
            "termination": [*([self.termination_trunk] if self.ends_apart else []), self.beta_head],
        }
        seen: set[int] = set()
        groups: list[dict[str, Any]] = []
        for name, modules in parts.items():
            params = [p for m in modules for p in m.parameters() if id(p) not in seen]
            if name == "option" and self.log_std.requires_grad:
                params.append(self.log_std)
            seen.update(id(p) for p in params)
            groups.append({"params": params, "name": name})
        if self.soft is not None:
            groups.append({"params": [self.soft.log_alpha, self.soft.log_kappa], "name": "temperature"})
        return groups


def watched_by(settings: ModelSettings, options: Sequence[Option]) -> tuple[Option, ...]:
    """The options whose interests the networks see."""
    if settings.observe_interest == OWN:
        return tuple(options)
    return find(settings.observe_interest) if settings.observe_interest else ()


def outline(
    spaces: Spaces, num_options: int, settings: ModelSettings, options: Sequence[Option] = (), soft: bool = False
) -> OptionModel:
    """The model without its weights: names, shapes and dtypes of all its tensors, for no memory."""
    return OptionModel(spaces, num_options, settings, seed=0, options=options, device="meta", soft=soft)

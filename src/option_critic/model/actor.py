"""The network as acting reads it: numpy, fewer and larger operations, no gradients, no option values.

A simulator leaves the processor's caches cold, and then it is the operations that cost, not their size. It lives on
the CPU, wherever the model is: a few rows at a time are no work for a GPU.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from option_critic.functional.arrays import NDArray, single
from option_critic.model.distributions import ActionDistribution, intra_option_policies
from option_critic.model.fixed import FixedActions
from option_critic.model.normalize import ObservationNormalizer
from option_critic.model.option_model import OptionModel
from option_critic.model.settings import Activation
from option_critic.options.interest import wishes
from option_critic.options.option import Option

Affine = tuple[NDArray, NDArray]
"""Weights [in, out] and biases [out]."""


@dataclass(frozen=True)
class Actor:
    """A snapshot: of `OptionModel`, the heads that acting needs. Made anew after each update."""

    quaternions: Affine | None
    """(w, below) of `OneSign`, where it does something"""
    differences: tuple[NDArray, NDArray] | None
    """(minuend, subtrahend): entries whose differences the network sees"""
    watched: tuple[Option, ...]
    """options whose interests the network sees"""
    scaling: dict[np.dtype[Any], Affine]
    """[S] mean and standard deviation of the observations, for either dtype that they may have"""
    clip: float
    first: Affine
    """first hidden layers of both trunks side by side"""
    activation: Callable[[NDArray], NDArray]
    policy: list[Affine]
    """the other hidden layers under the intra-option policies ..."""
    option: list[Affine]
    """... and under the policy over options and the terminations"""
    pi_head: Affine
    option_head: Affine
    """mu and beta side by side"""
    fixed: FixedActions | None
    """what the options do not decide"""
    log_std: NDArray
    """[K, A]"""
    discrete: bool

    @classmethod
    @torch.no_grad()
    def of(cls, model: OptionModel) -> Self:
        """The snapshot of `model` as it is now."""
        norm = model.obs_norm
        policy, option = _layers(model.policy_trunk), _layers(model.option_trunk)
        sign = norm.one_sign
        return cls(
            quaternions=(_array(sign.w), _array(sign.below)) if sign.enabled else None,
            differences=(_array(norm.minuend), _array(norm.subtrahend)) if len(norm.minuend) else None,
            watched=norm.watched,
            scaling={np.dtype(name): _scaling(norm, getattr(torch, name)) for name in ("float32", "float64")},
            clip=norm.scaling()[2],
            first=_side_by_side(policy[0], option[0]),
            activation=ACTIVATIONS[model.activation],
            policy=policy[1:],
            option=option[1:],
            pi_head=_affine(model.pi_head),
            option_head=_side_by_side(_affine(model.mu_head), _affine(model.beta_head)),
            fixed=None if model.fixed is None else copy.deepcopy(model.fixed).cpu(),
            log_std=_array(model.log_std),
            discrete=model.discrete,
        )

    def __call__(
        self, obs: NDArray, wished: NDArray | None = None
    ) -> tuple[ActionDistribution[NDArray], NDArray, NDArray]:
        """Raw observations [B, D] -> (pi, mu_logits, beta_logits), each over K options.

        `wished`: the interests of the options that the network watches, if they are known.
        """
        hidden = self.activation(_apply(self.first, self.normalised(obs, wished)))
        half = hidden.shape[-1] // 2
        policy, option = hidden[:, :half], hidden[:, half:]
        for layer in self.policy:
            policy = self.activation(_apply(layer, policy))
        for layer in self.option:
            option = self.activation(_apply(layer, option))
        pi = intra_option_policies(_apply(self.pi_head, policy), self.log_std, self.discrete)
        heads = _apply(self.option_head, option)
        return pi, heads[:, : len(self.log_std)], heads[:, len(self.log_std) :]

    def normalised(self, obs: NDArray, wished: NDArray | None) -> NDArray:
        """What `ObservationNormalizer` makes of them."""
        raw = obs
        obs = obs if obs.dtype in self.scaling else single(obs)
        if self.quaternions is not None:
            w, below = self.quaternions
            obs = np.where(obs[:, w] < below, -obs, obs)
        parts = [obs]
        if self.differences is not None:
            minuend, subtrahend = self.differences
            parts.append(obs[:, minuend] - obs[:, subtrahend])
        if self.watched:
            parts.append(wishes(raw, self.watched) if wished is None else wished)
        x = np.concatenate(parts, -1) if len(parts) > 1 else obs
        center, width = self.scaling[x.dtype]
        x = x - center
        x /= width
        x = single(x)
        return np.maximum(np.minimum(x, self.clip, out=x), -self.clip, out=x)


def _tanh(x: NDArray) -> NDArray:
    return np.tanh(x, out=x)


def _relu(x: NDArray) -> NDArray:
    return np.maximum(x, 0, out=x)


def _elu(x: NDArray) -> NDArray:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


ACTIVATIONS: dict[Activation, Callable[[NDArray], NDArray]] = {"tanh": _tanh, "relu": _relu, "elu": _elu}
"""The same functions as a model's; they may overwrite their argument."""


def _apply(layer: Affine, x: NDArray) -> NDArray:
    out: NDArray = x @ layer[0]
    out += layer[1]
    return out


def _array(x: Tensor) -> NDArray:
    return x.detach().cpu().numpy().copy()


def _scaling(norm: ObservationNormalizer, dtype: torch.dtype) -> Affine:
    mean, std, _ = norm.scaling(dtype)
    return _array(mean), _array(std)


def _affine(layer: nn.Linear) -> Affine:
    return np.ascontiguousarray(_array(layer.weight).T), _array(layer.bias)


def _layers(trunk: nn.Sequential) -> list[Affine]:
    return [_affine(layer) for layer in trunk if isinstance(layer, nn.Linear)]


def _side_by_side(a: Affine, b: Affine) -> Affine:
    return np.concatenate([a[0], b[0]], 1), np.concatenate([a[1], b[1]])

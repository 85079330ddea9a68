"""The network as acting reads it: a snapshot in numpy, in fewer and larger operations, without gradients.

A simulator leaves the processor's caches cold, and then it is the operations that cost, not their size. It lives on
the CPU, wherever the model is: a few rows at a time are no work for a GPU. A layer that has no counterpart here is
asked through PyTorch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from option_critic.functional.arrays import NDArray
from option_critic.model.distributions import Factors
from option_critic.model.encoder import in_numpy as encoder_in_numpy
from option_critic.model.layers import Tanh
from option_critic.model.looks import apart, each_its_own
from option_critic.model.network import Network, View
from option_critic.model.option_model import OptionModel

Function = Callable[[NDArray], NDArray]
"""[B, in] -> [B, out]; it may overwrite what the function before it made."""


@torch.no_grad()
def snapshot(model: OptionModel) -> Network[NDArray]:
    """What `model` says now, for acting. Made anew after each update."""
    trunks, policy_head, choice_heads = networks(model) if model.looks is None else looking(model)
    return Network(
        see=view(model),
        trunks=trunks,
        policy_head=policy_head,
        choice_heads=choice_heads,
        log_std=array(model.log_std),
        discrete=model.discrete,
        fixed=None if model.fixed is None else copy.deepcopy(model.fixed).cpu(),
        given=None if model.given is None else copy.deepcopy(model.given).cpu(),
        factors=None if model.factors is None else Factors(array(model.factors.index), array(model.factors.exists)),
    )


Networks = tuple[Callable[[NDArray], tuple[Any, Any]], Function, Callable[[Any], tuple[NDArray, NDArray]]]
"""Trunks and heads of `Network`."""


def networks(model: OptionModel) -> Networks:
    """Where all options see everything."""
    mu_and_beta, k = side_by_side(model.mu_head, model.beta_head), model.num_options
    heads = lambda features: ((both := mu_and_beta(features))[:, :k], both[:, k:])  # noqa: E731
    return trunks(model.policy_trunk, model.option_trunk), in_numpy(model.pi_head), heads


def looking(model: OptionModel) -> Networks:
    """Where they see different things (`looks.py`): policies and terminations of K options, K B rows at a time."""
    assert model.looks is not None
    own, mu_head = trunks(model.policy_trunk, model.termination_trunk), in_numpy(model.mu_head)
    choice, mask, common = in_numpy(model.option_trunk), array(model.look), model.looks.common
    pi, beta = ((array(head.weight), array(head.bias)) for head in (model.pi_head, model.beta_head))
    k = model.num_options

    def both(x: NDArray) -> tuple[Any, Any]:
        rows = apart(x, mask)
        policy, end = own(rows.reshape(-1, rows.shape[-1]))
        return policy.reshape(k, len(x), -1), (choice(x[:, :common]), end.reshape(k, len(x), -1))

    def choice_heads(features: Any) -> tuple[NDArray, NDArray]:
        known, end = features
        return mu_head(known), each_its_own(end, *beta, (len(known),))

    return both, lambda features: each_its_own(features, *pi, (features.shape[1],)), choice_heads


def view(model: OptionModel) -> View[NDArray]:
    """What the networks see, in numpy."""
    encoder = model.encoder
    if encoder is not None and model.log_std.device.type != "cpu":
        encoder = copy.deepcopy(encoder).cpu()
    encode = None if encoder is None else encoder_in_numpy(encoder)
    return replace(view_in_numpy(model.obs_norm.view), read=model.read, encode=encode)


def view_in_numpy(theirs: View[Tensor]) -> View[NDArray]:
    """The same of what they see of numbers."""
    dtypes = {np.dtype(np.float32): torch.float32, np.dtype(np.float64): torch.float64}
    scaling = theirs.scaling
    known = {} if scaling is None else {mine: pair(scaling(its)) for mine, its in dtypes.items()}
    return View(
        quaternions=None if theirs.quaternions is None else pair(theirs.quaternions),
        differences=None if theirs.differences is None else pair(theirs.differences),
        watched=theirs.watched,
        features=None if theirs.features is None else tuple(map(array, theirs.features)),  # type: ignore[arg-type]
        scaling=None if scaling is None else known.__getitem__,
        clip=theirs.clip,
        whole=theirs.whole,
    )


def trunks(policy: nn.Sequential, choice: nn.Sequential) -> Callable[[NDArray], tuple[NDArray, NDArray]]:
    """Both trunks of what is seen. Their first layers, where they are alike, as one operation."""
    first, other = policy[0], choice[0]
    if not isinstance(first, nn.Linear) or not isinstance(other, nn.Linear) or not alike(policy, choice):
        one, two = in_numpy(policy), in_numpy(choice)
        return lambda x: (one(x), two(x.copy()))
    begin, activation, width = side_by_side(first, other), in_numpy(policy[1]), first.out_features
    rest, other_rest = in_numpy(policy[2:]), in_numpy(choice[2:])

    def both(x: NDArray) -> tuple[NDArray, NDArray]:
        hidden = activation(begin(x))
        return rest(hidden[:, :width]), other_rest(hidden[:, width:])

    return both


def alike(policy: nn.Sequential, choice: nn.Sequential) -> bool:
    """Whether the first layers are of one width and one activation."""
    return policy[0].out_features == choice[0].out_features and type(policy[1]) is type(choice[1])


def in_numpy(module: nn.Module) -> Function:
    """What a module does, on arrays."""
    if isinstance(module, nn.Sequential):
        return chain([in_numpy(layer) for layer in module])
    if isinstance(module, nn.Linear):
        return affine(*weights(module))
    return ACTIVATIONS[type(module)] if type(module) in ACTIVATIONS else through_torch(module)


def through_torch(module: nn.Module) -> Function:
    """A module as it is now, asked through PyTorch."""
    asked = copy.deepcopy(module).cpu()

    @torch.no_grad()
    def ask(x: NDArray) -> NDArray:
        said: NDArray = asked(torch.from_numpy(x)).numpy()
        return said

    return ask


def chain(functions: list[Function]) -> Function:
    """One after the other."""

    def run(x: NDArray) -> NDArray:
        for function in functions:
            x = function(x)
        return x

    return run


def affine(weight: NDArray, bias: NDArray) -> Function:
    """x W + b."""

    def apply(x: NDArray) -> NDArray:
        out: NDArray = x @ weight
        out += bias
        return out

    return apply


def side_by_side(a: nn.Linear, b: nn.Linear) -> Function:
    """Two linear layers of the same input as one: [B, in] -> [B, both outs]."""
    (weight, bias), (other, its) = weights(a), weights(b)
    return affine(np.concatenate([weight, other], 1), np.concatenate([bias, its]))


def tanh(x: NDArray) -> NDArray:
    """In place."""
    return np.tanh(x, out=x)


def relu(x: NDArray) -> NDArray:
    """In place."""
    return np.maximum(x, 0, out=x)


def elu(x: NDArray) -> NDArray:
    """x, or exp(x) - 1 below 0."""
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


ACTIVATIONS: dict[type[nn.Module], Function] = {Tanh: tanh, nn.ReLU: relu, nn.ELU: elu}


def weights(layer: nn.Linear) -> tuple[NDArray, NDArray]:
    """Weights [in, out] and biases [out]."""
    return np.ascontiguousarray(array(layer.weight).T), array(layer.bias)


def pair(tensors: tuple[Tensor, Tensor]) -> tuple[NDArray, NDArray]:
    """Both as arrays."""
    return array(tensors[0]), array(tensors[1])


def array(x: Tensor) -> NDArray:
    """A copy."""
    return x.detach().cpu().numpy().copy()

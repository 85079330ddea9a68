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
from option_critic.model.network import Looking, Network, View
from option_critic.model.option_model import OptionModel

Function = Callable[[NDArray], NDArray]
"""[B, in] -> [B, out]; it may overwrite what the function before it made."""


@torch.no_grad()
def snapshot(model: OptionModel) -> Network[NDArray]:
    """What `model` says now, for acting. Made anew after each update."""
    alike = model.looks is None
    return Network(
        see=view(model),
        trunks=(trunks(model) if model.hidden is None else trunks_without_task(model)) if alike else None,
        policy_head=in_numpy(model.pi_head) if alike else None,
        choice_heads=(choice_heads(model) if model.hidden is None else choice_heads_apart(model))
        if alike
        else choice_heads_of_one(model),
        looking=None if alike else looking(model),
        log_std=array(model.log_std),
        discrete=model.discrete,
        fixed=None if model.fixed is None else copy.deepcopy(model.fixed).cpu(),
        given=None if model.given is None else copy.deepcopy(model.given).cpu(),
        factors=None if model.factors is None else Factors(array(model.factors.index), array(model.factors.exists)),
        squashed=model.squashed,
    )


def choice_heads(model: OptionModel) -> Callable[[Any], tuple[NDArray, NDArray]]:
    """mu and beta of the same features, at once."""
    mu_and_beta, k = side_by_side(model.mu_head, model.beta_head), model.num_options
    return lambda features: ((both := mu_and_beta(features))[:, :k], both[:, k:])


def choice_heads_apart(model: OptionModel) -> Callable[[Any], tuple[NDArray, NDArray]]:
    """mu and beta, each of features of its own."""
    mu, beta = in_numpy(model.mu_head), in_numpy(model.beta_head)
    return lambda features: (mu(features[0]), beta(features[1]))


def choice_heads_of_one(model: OptionModel) -> Callable[[Any], tuple[NDArray, NDArray]]:
    """mu, and beta of the option that arrives, of what `Looking.choice` says."""
    mu_head, weight, bias = in_numpy(model.mu_head), array(model.beta_head.weight), array(model.beta_head.bias)

    def heads(features: Any) -> tuple[NDArray, NDArray]:
        known, own, option = features
        mu, logit = mu_head(known), (own * weight[option]).sum(-1) + bias[option]
        return mu, np.broadcast_to(logit[:, None], mu.shape)

    return heads


def looking(model: OptionModel) -> Looking[NDArray]:
    """Where options see different things (`looks.py`): policies and terminations of the one option that matters."""
    assert model.looks is not None
    policy, end, choice = map(in_numpy, (model.policy_trunk, model.termination_trunk, model.option_trunk))
    mask, common, k = array(model.look)[:, 0], model.looks.common, model.num_options
    a = len(model.pi_head.weight) // k
    pi, pi_bias = array(model.pi_head.weight).reshape(k, a, -1), array(model.pi_head.bias).reshape(k, a)
    learns = np.ones(k, dtype=np.bool_) if model.given is None else ~model.given.frozen.cpu().numpy()

    def outputs(x: NDArray, option: NDArray) -> NDArray:
        out, rows = np.zeros((len(x), a), dtype=np.float32), learns[option]
        if rows.any():
            own = option[rows]
            features = policy(x[rows] * mask[own])
            out[rows] = (pi[own] @ features[..., None])[..., 0] + pi_bias[own]
        return out

    return Looking(lambda x, option: (choice(x[:, :common]), end(x * mask[option]), option), outputs)


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
    scaling, q = theirs.scaling, theirs.quaternions
    known = {} if scaling is None else {mine: pair(scaling(its)) for mine, its in dtypes.items()}
    return View(
        quaternions=None if q is None else (array(q[0]), None if q[1] is None else array(q[1]), array(q[2])),
        differences=None if theirs.differences is None else pair(theirs.differences),
        watched=theirs.watched,
        features=None if theirs.features is None else tuple(map(array, theirs.features)),  # type: ignore[arg-type]
        scaling=None if scaling is None else known.__getitem__,
        clip=theirs.clip,
        whole=theirs.whole,
    )


def trunks_without_task(model: OptionModel) -> Callable[[NDArray], tuple[NDArray, Any]]:
    """The trunks of what is seen, where options do not see the task: of policies, and of choice and terminations."""
    assert model.hidden is not None
    hidden, choice = model.hidden, in_numpy(model.option_trunk)
    own = trunks_of(model.policy_trunk, model.termination_trunk)

    def all_three(x: NDArray) -> tuple[NDArray, Any]:
        policy, end = own(np.concatenate([x[:, : hidden.start], x[:, hidden.stop :]], 1))
        return policy, (choice(x), end)

    return all_three


def trunks(model: OptionModel) -> Callable[[NDArray], tuple[NDArray, NDArray]]:
    """Both trunks of what is seen."""
    return trunks_of(model.policy_trunk, model.option_trunk)


def trunks_of(policy: nn.Sequential, choice: nn.Sequential) -> Callable[[NDArray], tuple[NDArray, NDArray]]:
    """Two trunks of the same. Their first layers, where they are alike, as one operation."""
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

"""One update of soft option-critic: the critics, then, by them, everything else, then the critics' targets."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

import torch
from torch import Generator, Tensor

from option_critic.algorithms.sac_oc import critic_loss, policy_loss, state_at, targets, weights
from option_critic.algorithms.settings import SACOCSettings
from option_critic.model.act import arrive
from option_critic.model.option_model import OptionModel
from option_critic.options.settings import OptionSettings
from option_critic.transitions import Transitions


def improve(
    model: OptionModel,
    optimizer: torch.optim.Optimizer,
    batch: Transitions,
    config: SACOCSettings,
    rules: OptionSettings,
    generator: Generator,
) -> dict[str, Tensor] | None:
    """One update from a batch: what to log of it; none where gradients were NaN or infinite, and it was skipped."""
    assert model.soft is not None
    groups = {g["name"]: g["params"] for g in optimizer.param_groups}
    others = [p for name, params in groups.items() if name != "critic" for p in params]
    batch = replace(batch, action=model.soft.number(batch.action))
    shape = (len(batch), rules.num_options, model.action_size)
    noises = [noise_like(shape, model, generator) for _ in range(2)]
    target = targets(model, batch, config, rules, noises[0])
    here = state_at(model, batch.obs, rules)
    arrival = arrive(here.mu_logits, here.beta_logits, here.interest, batch.carry, rules)
    for_critics, for_policies = weights(here, arrival, batch, config, rules.num_options)
    errors = critic_loss(model, here, batch, target, for_critics)
    if not step(optimizer, errors, groups["critic"]):
        return None
    loss, metrics = policy_loss(model, here, arrival, batch, config, rules, noises[1], for_policies)
    if not step(optimizer, loss, others):
        return None
    model.soft.follow(config.tau, model.encoder)
    return {"train/critic_loss": errors.detach()} | metrics


def noise_like(shape: tuple[int, ...], model: OptionModel, generator: Generator) -> Tensor:
    """Standard normal, for actions that are numbers; choices need none."""
    drawn = torch.randn((0,) if model.discrete else shape, generator=generator, device="cpu", dtype=torch.float32)
    return drawn.to(model.log_std.device)


def step(optimizer: torch.optim.Optimizer, loss: Tensor, params: list[Tensor]) -> bool:
    """A step of these weights alone, down the gradient of a loss; whether the gradient is finite, else nothing."""
    gradients = torch.autograd.grad(loss, params, allow_unused=True)
    found = [g for g in gradients if g is not None]
    if not isfinite(torch.stack(torch._foreach_norm(found)).sum().item()):
        return False
    for weight, gradient in zip(params, gradients, strict=True):
        weight.grad = gradient
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return True

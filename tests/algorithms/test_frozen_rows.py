"""Steps of frozen options teach policies nothing: whatever they hold, no bit of their gradient changes."""

from dataclasses import replace

import pytest
import torch
from given_options import ENVIRONMENTS

import option_critic as oc
from option_critic.algorithms.table import ALGORITHMS
from option_critic.records import Batch
from option_critic.training.collect import collect, evaluate_rollout
from option_critic.training.train import start


@pytest.fixture(params=[(env_id, algorithm) for env_id in ENVIRONMENTS for algorithm in ALGORITHMS], ids=" ".join)
def agent(request, small):
    env_id, algorithm = request.param
    return oc.OptionCritic.from_settings(
        small(env_id, algorithm=algorithm, options_from=ENVIRONMENTS[env_id], burn_in=0)
    )


@pytest.fixture
def batch(agent):
    settings, state = agent.settings, agent.state
    groups, live = start(state, settings)
    rollout, _ = collect(groups, state.model, live, 64, settings.options, state.generators)
    for envs in groups:
        envs.close()
    values = evaluate_rollout(state.model, rollout, settings.options)
    return Batch.of(rollout, ALGORITHMS[settings.algorithm].targets(rollout, values, settings.learning))


def gradients(agent, batch):
    """Of the whole loss, by the policies' weights."""
    model, settings = agent.state.model, agent.settings
    weights = dict(model.policy_trunk.named_parameters()) | {"weight": model.pi_head.weight, "bias": model.pi_head.bias}
    if not model.discrete:
        weights["log_std"] = model.log_std
    loss, _ = ALGORITHMS[settings.algorithm].objective(model, settings.learning, settings.options).of_whole(batch)
    return dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))


def spoilt(batch, rows):
    """Other actions, advantages and givens in some rows [N]."""
    draw, d = torch.Generator().manual_seed(0), batch.decision
    other = torch.randn(d.base.shape, generator=draw)
    action = other if d.action.is_floating_point() else 1 - d.action
    decision = replace(
        d,
        action=torch.where(rows[:, None] if action.ndim == 2 else rows, action, d.action),
        base=torch.where(rows[:, None], 10 * other, d.base),
    )
    advantage = torch.where(rows, 1e3 * other[:, 0], batch.targets.adv_action)
    return replace(batch, decision=decision, targets=replace(batch.targets, adv_action=advantage))


def test_frozen_rows_leave_no_trace_in_the_gradient_of_policies(agent, batch):
    frozen = batch.decision.option == 0
    assert 10 < frozen.sum() < len(batch) - 10
    plain = gradients(agent, batch)
    assert all(torch.equal(g, plain[name]) for name, g in gradients(agent, spoilt(batch, frozen)).items())
    for name in plain.keys() & {"weight", "bias", "log_std"}:  # a row for each option
        frozen_row, *others = plain[name].reshape(3, -1)
        assert not frozen_row.any() and all(row.any() for row in others), name
    other = gradients(agent, spoilt(batch, batch.decision.option == 1))
    assert not torch.equal(other["weight"], plain["weight"])


def test_the_others_learn_as_if_there_were_no_frozen_rows(agent, batch):
    """But for how much a minibatch weighs: the mean is over all of its rows."""
    kept = batch.decision.option != 0
    share = kept.float().mean()
    for name, alone in gradients(agent, batch.rows(kept)).items():
        torch.testing.assert_close(gradients(agent, batch)[name], alone * share, rtol=1e-3, atol=1e-6)

"""What learns from replayed transitions, for K options at once, against exact soft values and their gradients: which
option a number is taken of, not only which equation it goes through."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from soft_world import ALPHA, GAMMA, KAPPA, A, K, S

from option_critic.algorithms import sac_oc
from option_critic.algorithms.settings import SACOCSettings
from option_critic.functional.options import permitted_interest
from option_critic.model.distributions import CategoricalActions
from option_critic.options.settings import OptionSettings
from option_critic.records import Interest
from option_critic.transitions import Transitions

RULES = OptionSettings(num_options=K)
pytestmark = pytest.mark.usefixtures("double_precision")


@pytest.fixture
def tables(world, monkeypatch):
    """(parameters, a model whose heads and critics are tables of them and of the exact values, settings): an
    observation is the number of the state."""
    params = {name: torch.tensor(p, requires_grad=True) for name, p in world.params.items()}
    q_u = torch.tensor(world.solve(world.params)[0])
    interest = permitted_interest(torch.tensor(world.interest))

    def state_at(model, obs, rules):
        s = obs[:, 0].long()
        pi = CategoricalActions(torch.log_softmax(params["theta"], -1)[s])
        there = Interest(interest[s], interest[s])
        return sac_oc.State(obs, obs, there, pi, None, params["psi"][s], params["vartheta"][s])

    monkeypatch.setattr(sac_oc, "state_at", state_at)

    def critics(seen):
        return q_u[seen[:, 0].long()].flatten(1).expand(2, -1, -1)

    soft = SimpleNamespace(critics=critics, targets=critics, log_alpha=torch.zeros(()), log_kappa=torch.zeros(()))
    model = SimpleNamespace(soft=soft, encoder=None, given=None, discrete=True, numbers=lambda x: x,
                            task=lambda x: None, reward_norm=lambda r, task: r)  # fmt: skip
    config = SACOCSettings(gamma=GAMMA, temperature_option=ALPHA, temperature_master=KAPPA,
                           deliberation_cost=world.cost)  # fmt: skip
    return params, model, config


def batch(obs, action, next_obs, prev, option, first=False, reward=None, terminated=None):
    """Transitions of equal length; what is one number is it in all."""
    n = len(obs)

    def column(x, dtype=torch.long):
        return torch.as_tensor(x).to(dtype).expand(n)

    no = torch.zeros(n, dtype=torch.bool)
    return Transitions(
        obs=column(obs, torch.double)[:, None], next_obs=column(next_obs, torch.double)[:, None],
        action=column(action), option=column(option), prev_option=column(prev), option_age=column(2), ended=~no,
        is_first=column(first, torch.bool), reward=torch.zeros(n) if reward is None else reward,
        terminated=no if terminated is None else terminated, truncated=no,
    )  # fmt: skip


def test_targets_are_the_exact_values_of_every_option(world, tables):
    """In expectation over s', whichever option is stored."""
    _, model, config = tables
    s, a, after = (x.flatten() for x in torch.meshgrid(*map(torch.arange, (S, A, S)), indexing="ij"))
    stored = torch.arange(len(s)) % K
    rows = batch(s, a, after, (stored + 1) % K, stored, reward=torch.tensor(world.r)[s, a],
                 terminated=torch.tensor(world.goes_on == 0)[s, a])  # fmt: skip
    y = sac_oc.targets(model, rows, config, RULES, torch.zeros(0)).reshape(S, A, S, K)
    found = torch.einsum("sax,saxw->swa", torch.tensor(world.P), y)
    torch.testing.assert_close(found, torch.tensor(world.solve(world.params)[0]), rtol=0, atol=1e-6)


def of_each(world, tables, part):
    """Minus the sum of a loss over all arrivals (s, w-) of the agent, and over its first states: `part`(what met it,
    what it says there, the transition, how likely it is, whether it is a first state)."""
    params, model, _ = tables
    _, arriving = world.arrivals(world.params)
    total = torch.zeros(())
    for s in range(S):
        for w in (*range(K), None):  # none: an episode begins
            first = w is None
            rows = batch([s], 0, 0, 0 if first else w, (s + 1) % K, first)
            here = sac_oc.state_at(model, rows.obs, RULES)
            arrival = sac_oc.arrive(here.mu_logits, here.beta_logits, here.interest, rows.carry, RULES)
            total = total + part(here, arrival, rows, world.d0[s] if first else arriving[s, w], first)
    return {name: g for name, g in zip(params, torch.autograd.grad(-total, list(params.values()), allow_unused=True),
                                       strict=True)}  # fmt: skip


def test_policies_get_the_gradient_of_the_exact_objective(world, tables):
    _, model, config = tables

    def part(here, arrival, rows, occupancy, _):
        _, running = sac_oc.weights(here, arrival, rows, config, K)
        assert torch.allclose(running.sum(-1), torch.ones(1))
        loss, _ = sac_oc.policy_loss(model, here, arrival, rows, config, RULES, torch.zeros(0), running)
        return occupancy * loss

    grad = of_each(world, tables, part)["theta"]
    assert np.abs(grad.numpy() - world.finite_difference("theta")).max() < 1e-7 and grad.abs().max() > 1e-4


@pytest.mark.parametrize("name", ["psi", "vartheta"])
def test_choices_and_ends_get_that_of_the_arrivals(name, world, tables):
    """Choices by how likely they are made there: a row of the replay has each with weight 1, which leads to the same
    choices where an end costs nothing."""
    _, model, config = tables
    q = torch.tensor(world.solve(world.params)[1])

    def part(here, arrival, rows, occupancy, first):
        s = rows.obs[:, 0].long()
        _, found = sac_oc.option_loss(model, here, arrival, rows, config, RULES, q[s], torch.tensor(KAPPA))
        if name == "vartheta":
            return 0.0 if first else occupancy * found["option/termination_loss"]
        made = 1.0 if first else arrival.beta[0].detach()
        return occupancy * made * found["option/master_loss"]

    grad = of_each(world, tables, part)[name]
    assert np.abs(grad.numpy() - world.finite_difference(name)).max() < 1e-7 and grad.abs().max() > 1e-4


def test_the_posterior_is_that_of_the_stored_action_at_the_option_that_arrived(world, tables):
    """Bayes' rule, in numpy."""
    _, model, config = tables
    s, w, a = (x.flatten() for x in torch.meshgrid(*map(torch.arange, (S, K, A)), indexing="ij"))
    option = torch.tensor(world.interest).argmax(-1)[s]  # one that can have run there
    rows = batch(s, a, 0, w, option)
    here = sac_oc.state_at(model, rows.obs, RULES)
    arrival = sac_oc.arrive(here.mu_logits, here.beta_logits, here.interest, rows.carry, RULES)
    weight, _ = sac_oc.weights(here, arrival, rows, config, K)
    pi, beta, mu, _ = world.agent(world.params)
    hat = (1 - beta[s, w])[:, None] * np.eye(K)[w] + beta[s, w][:, None] * mu[s]
    expected = hat * pi[s, :, a]
    expected /= expected.sum(-1, keepdims=True)
    np.testing.assert_allclose(weight.detach().numpy(), expected, atol=1e-9)


def test_ages_at_the_next_state():
    """Of three options, of which the first had arrived after 2 decisions."""
    rows = batch([0, 0, 0], 0, 0, 0, torch.tensor([0, 0, 1]), torch.tensor([False, True, False]))
    assert rows.next_ages(3).tolist() == [[1, 1, 1]] * 3  # each began there
    rows = sac_oc.replace(rows, ended=torch.zeros(3, dtype=torch.bool))
    assert rows.next_ages(3).tolist() == [[3, 1, 1], [1, 1, 1], [3, 1, 1]]

"""Soft option values on random MDPs, against exact ones: linear equations, fixed points, finite differences."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from soft_world import ALPHA, GAMMA, INTERESTS, KAPPA, STEP, A, K, S

from option_critic.functional import options as f
from option_critic.functional import soft

rng = np.random.default_rng(0)
pytestmark = pytest.mark.usefixtures("double_precision")


def heads(world, params):
    """What the package says of every state: log mu, what it is relative to p, beta_eff and charge of each option."""
    interest = f.permitted_interest(torch.tensor(world.interest))
    log_mu = f.master_log_probs(params["psi"], interest)
    zeros, never = torch.zeros(S, K), torch.zeros(S, K, dtype=torch.bool)
    forced = f.forced_end(never, zeros, interest)
    beta = f.effective_termination(torch.sigmoid(params["vartheta"]), interest, zeros, forced)
    charge = f.expected_charge(log_mu.exp(), forced, world.cost)
    return SimpleNamespace(log_mu=log_mu, relative=soft.log_relative(log_mu, interest), beta=beta, charge=charge,
                           forced=forced, interest=interest)  # fmt: skip


def backup(world, q_u, pi, at):
    """(Q, V, the target of every (s, w, a) in expectation over s') by the package's equations."""
    q = soft.soft_choice_value(q_u, pi.log(), torch.tensor(ALPHA))
    v = soft.soft_state_value(q, at.log_mu, at.relative, torch.tensor(KAPPA))
    u = soft.arrival_values(q, v, at.beta, at.charge)
    terminated = torch.tensor(world.goes_on == 0)
    reward = torch.tensor(world.r)[..., None, None].expand(S, A, S, 1)
    each = soft.soft_target(reward, u.expand(S, A, S, K), terminated[..., None].expand(S, A, S), GAMMA)
    return q, v, torch.einsum("sax,saxw->swa", torch.tensor(world.P), each)


def test_values_solve_the_exact_equations(world):
    params = {n: torch.tensor(p) for n, p in world.params.items()}
    q_u, q, v = map(torch.tensor, world.solve(world.params))
    found_q, found_v, target = backup(world, q_u, params["theta"].softmax(-1), heads(world, params))
    for found, exact in ((found_q, q), (found_v, v), (target, q_u)):
        torch.testing.assert_close(found, exact, rtol=0, atol=1e-10)


@pytest.mark.parametrize("weights", ["stored", "posterior", "anything"])
def test_whatever_the_weights_of_options_the_critic_has_one_fixed_point(world, weights):
    """A stored transition is evidence for every option, without an importance weight; the stored option, the present
    posterior or anything positive decides only how fast each is learned."""
    params = {n: torch.tensor(p) for n, p in world.params.items()}
    pi, at = params["theta"].softmax(-1), heads(world, params)
    if weights == "stored":  # by a behaviour that has nothing to do with the agent
        p = torch.tensor(np.random.default_rng(3).dirichlet(np.ones(K), (S, A))).transpose(1, 2)
    elif weights == "posterior":
        arriving = f.arrival_probs(torch.zeros(S, dtype=torch.long), at.beta[:, 0], at.log_mu.exp())
        p = soft.option_posterior(arriving[:, None].expand(S, A, K), pi.log().transpose(1, 2)).transpose(1, 2)
    else:
        p = torch.rand(S, K, A) + 0.1
    q_u = torch.zeros(S, K, A, requires_grad=True)
    exact = torch.tensor(world.solve(world.params)[0])
    learned = p.detach() > 1e-3  # the others are not asked for: their rows are given exactly
    with torch.no_grad():
        q_u.copy_(torch.where(learned, q_u, exact))
    for _ in range(4000):
        target = backup(world, q_u.detach(), pi, at)[2]
        rows = q_u.transpose(1, 2).reshape(1, S * A, K), target.transpose(1, 2).reshape(S * A, K)
        loss = soft.twin_critic_loss(*rows, p.transpose(1, 2).reshape(S * A, K))
        (grad,) = torch.autograd.grad(loss, q_u)
        with torch.no_grad():  # each entry at its own rate, as a table is learned
            q_u -= torch.where(learned, grad * S * A / p.clamp(min=1e-3), 0.0)
        if grad.abs().max() < 1e-12:
            break
    torch.testing.assert_close(q_u.detach(), exact, rtol=0, atol=1e-6)


def test_gradients_are_those_of_the_exact_objective(world):
    """Policies, policy over options and terminations, over the agent's own discounted occupancies."""
    params = {n: torch.tensor(p, requires_grad=True) for n, p in world.params.items()}
    q_u, q, v = map(torch.tensor, world.solve(world.params))
    executing, arriving = map(torch.tensor, world.arrivals(world.params))
    at, alpha, kappa = heads(world, params), torch.tensor(ALPHA), torch.tensor(KAPPA)
    log_pi = torch.log_softmax(params["theta"], -1)
    rows = S * K  # a loss is a mean: of one row per (state, arriving option)
    policies = soft.soft_policy_loss(soft.soft_choice_value(q_u, log_pi, alpha), executing * S)
    value = soft.soft_state_value(q, at.log_mu, at.relative, kappa)
    ends = arriving * at.beta.detach()
    choices = sum(
        soft.soft_master_loss(value * ends[:, w] * S, at.log_mu[:, w].exp() * ends[:, w] * S, at.forced[:, w],
                              world.cost) for w in range(K)
    )  # fmt: skip
    choices = choices + soft.soft_master_loss(value * torch.tensor(world.d0) * S, value, at.forced[:, 0] | True, 0.0)
    weight = (arriving * ~at.forced * rows).detach()
    terminations = soft.soft_termination_loss(at.beta * weight, q, v[:, None], at.charge.detach())
    for name, loss in (("theta", policies), ("psi", choices), ("vartheta", terminations)):
        (grad,) = torch.autograd.grad(-loss, params[name], retain_graph=True)
        assert np.abs(grad.numpy() - world.finite_difference(name)).max() < 1e-8, name
        assert grad.abs().max() > 1e-4, name


def test_reparameterised_gradient_is_that_of_the_expectation():
    """Of a quadratic Q_U and a squashed Gaussian, by quadrature: mean and spread get the gradient of
    E [ Q_U - alpha log pi ]."""
    points, weights = np.polynomial.hermite_e.hermegauss(80)
    noise, weights = torch.tensor(points), torch.tensor(weights / weights.sum())

    def expected(mean, log_std):
        u = mean + log_std.exp() * noise
        log_pi = -0.5 * noise**2 - log_std - 0.5 * np.log(2 * np.pi) - torch.log1p(-(torch.tanh(u) ** 2))
        q = soft.soft_option_value(-((torch.tanh(u) - 0.3) ** 2), log_pi, torch.tensor(ALPHA))
        return soft.soft_policy_loss(q[:, None], weights[:, None] * len(noise))

    at = torch.tensor([0.2, -0.7], requires_grad=True)
    (grad,) = torch.autograd.grad(expected(at[0], at[1]), at)
    for i in range(2):
        step = torch.zeros(2).index_fill(0, torch.tensor(i), STEP)
        difference = expected(*(at + step)) - expected(*(at - step))
        assert abs(grad[i] - difference / (2 * STEP)) < 1e-8


@pytest.mark.parametrize("name", INTERESTS)
def test_the_best_choice_weighs_interests_by_the_values(name):
    """mu_I = I exp(Q / kappa) / ..., where V = kappa log sum_w p exp(Q / kappa), and no choice is better."""
    interest = torch.tensor(INTERESTS[name])
    q, kappa = torch.tensor(rng.normal(size=(S, K))), torch.tensor(KAPPA)
    log_mu = f.master_log_probs(q / kappa, interest)
    best = soft.soft_state_value(q, log_mu, soft.log_relative(log_mu, interest), kappa)
    prior = interest / interest.sum(-1, keepdim=True)
    torch.testing.assert_close(best, kappa * torch.log((prior * (q / kappa).exp()).sum(-1)), rtol=0, atol=1e-12)
    for _ in range(20):
        log_mu = f.master_log_probs(q / kappa + torch.randn(S, K), interest)
        assert (soft.soft_state_value(q, log_mu, soft.log_relative(log_mu, interest), kappa) <= best + 1e-12).all()


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_an_end_is_paid_nothing(seed):
    """Where all options are worth the same, whatever the interests, V is that at most: entropy ends no option."""
    draw = np.random.default_rng(seed)
    interest = f.permitted_interest(torch.tensor(draw.random((4, K)) * (draw.random((4, K)) < 0.7)))
    q = torch.tensor(draw.normal(size=(4, 1))).expand(4, K)
    log_mu = f.master_log_probs(torch.tensor(draw.normal(size=(4, K))), interest)
    value = soft.soft_state_value(q, log_mu, soft.log_relative(log_mu, interest), torch.tensor(2.0))
    assert torch.isfinite(value).all() and (value <= q[:, 0] + 1e-12).all()


def test_posteriors_are_bayes_rule_over_what_is_possible():
    arrival, log_pi = torch.tensor([[0.5, 0.5, 0.0]]), torch.log(torch.tensor([[0.2, 0.6, 0.9]]))
    torch.testing.assert_close(soft.option_posterior(arrival, log_pi), torch.tensor([[0.25, 0.75, 0.0]]))
    only = soft.option_posterior(arrival, log_pi, torch.tensor([[True, False, True]]))
    torch.testing.assert_close(only, torch.tensor([[1.0, 0.0, 0.0]]))
    unlikely = soft.option_posterior(arrival, log_pi, torch.tensor([[False, False, True]]))
    torch.testing.assert_close(unlikely, torch.tensor([[0.0, 0.0, 1.0]]))


def test_one_option_is_soft_actor_critic_exactly():
    """V = U = Q to the bit, and each loss is that of a single policy and value."""
    q, log_mu, generator = torch.randn(50, 1), torch.zeros(50, 1), torch.Generator().manual_seed(0)
    beta = torch.rand((50, 1), generator=generator)
    for interest in (None, torch.rand((50, 1), generator=generator) + 0.1):
        v = soft.soft_state_value(q, log_mu, soft.log_relative(log_mu, interest), torch.tensor(0.7))
        charge = f.expected_charge(log_mu.exp(), beta > 2, 0.3)
        assert torch.equal(v, q[:, 0]) and torch.equal(soft.arrival_values(q, v, beta, charge), q)

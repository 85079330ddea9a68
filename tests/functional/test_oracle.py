"""The gradients of the papers against central differences of the exact objective, on random tabular MDPs.

The objective is solved here from the transition matrix of (state, option) pairs, in numpy and without the
package; the gradients are built from the package's own equations and losses.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from option_critic.functional import losses
from option_critic.functional import options as f

S, A, K, GAMMA, STEP = 4, 3, 3, 0.9, 1e-5


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@dataclass
class World:
    """A random MDP with an option agent; parameters theta (policies), vartheta (terminations), psi (master)."""

    cost: float
    interest: np.ndarray  # [S, K]
    seed: int
    every_end: bool = False  # whether each termination costs, or only a change of option
    done: np.ndarray | None = None  # [S, K] bool: the options' own end conditions
    own: float = 0.0  # size of the options' own rewards
    bounds: tuple[float, float] = (0.0, 1.0)  # between which terminations are mapped
    stuck: float = 0.0  # added to every termination's logit

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        self.P = rng.dirichlet(np.ones(S), (S, A))  # [S, A, S]
        self.r = rng.normal(size=(S, A))
        self.d0 = rng.dirichlet(np.ones(S))
        self.done = np.zeros((S, K), dtype=bool) if self.done is None else self.done
        self.params = {"theta": rng.normal(size=(S, K, A)), "vartheta": rng.normal(size=(S, K)) + self.stuck,
                       "psi": rng.normal(size=(S, K))}  # fmt: skip
        self.bonus = self.own * rng.normal(size=(S, K))  # what an option adds to the reward at s

    def chain(self, params):
        """(transition matrix of executing pairs, their rewards, mu): everything of the exact objective."""
        pi, beta, mu = softmax(params["theta"]), 1 / (1 + np.exp(-params["vartheta"])), softmax(params["psi"])
        interest = self.interest
        mu = interest * mu / (interest * mu).sum(-1, keepdims=True)
        beta = self.bounds[0] + (self.bounds[1] - self.bounds[0]) * beta
        beta = np.where(self.done, 1, 1 - interest * (1 - beta))
        free = (interest > 0) & ~self.done  # without interest, or done, it is ended by force, which costs nothing
        if self.every_end:  # where it is alone it does not end; only here would that cost anything
            beta = np.where(free & ((interest > 0).sum(-1, keepdims=True) == 1), 0, beta)
        step = np.einsum("swa,sax->swx", pi, self.P)  # [S, K, S']
        hat = np.zeros((S, K, K))  # pi_hat(w'|w, s)
        for w in range(K):
            hat[:, w] = beta[:, w, None] * mu
            hat[:, w, w] += 1 - beta[:, w]
        price = self.cost * np.einsum("swv,wv,sw->sw", hat, 1 - np.eye(K), free)  # expected charge on arrival
        if self.every_end:
            price = self.cost * beta * free
        reward = np.einsum("swa,sa->sw", pi, self.r) + self.bonus - GAMMA * np.einsum("swx,xw->sw", step, price)
        pairs = np.einsum("swx,xwv->swxv", step, hat).reshape(S * K, S * K)
        return pairs, reward.reshape(-1), mu

    def objective(self, params):
        pairs, reward, mu = self.chain(params)
        q = np.linalg.solve(np.eye(S * K) - GAMMA * pairs, reward).reshape(S, K)
        return float(self.d0 @ (mu * q).sum(-1))

    def finite_difference(self, name):
        grad = np.zeros_like(self.params[name])
        for i in np.ndindex(*grad.shape):
            values = []
            for sign in (1, -1):
                moved = {n: p.copy() for n, p in self.params.items()}
                moved[name][i] += sign * STEP
                values.append(self.objective(moved))
            grad[i] = (values[0] - values[1]) / (2 * STEP)
        return grad


class Exact:
    """Exact values and discounted occupancies of a world, with the package's equations on top."""

    def __init__(self, world):
        pairs, reward, mu = world.chain(world.params)
        q = np.linalg.solve(np.eye(S * K) - GAMMA * pairs, reward)
        start = (world.d0[:, None] * mu).reshape(-1)
        occupancy = np.linalg.solve(np.eye(S * K) - GAMMA * pairs.T, start).reshape(S, K)
        step = np.einsum("swa,sax->swx", softmax(world.params["theta"]), world.P)
        self.world = world
        self.q = torch.tensor(q.reshape(S, K))
        self.d0 = torch.tensor(world.d0)
        self.occupancy = torch.tensor(occupancy)  # d(s, w), executing
        self.arrivals = GAMMA * torch.tensor(np.einsum("sw,swx->xw", occupancy, step))  # d(s', w), arriving
        self.P, self.r = torch.tensor(world.P), torch.tensor(world.r)
        self.bonus = torch.tensor(world.bonus)
        self.params = {n: torch.tensor(p, requires_grad=True) for n, p in world.params.items()}
        # one row per (state, arriving option)
        self.state = torch.arange(S).repeat_interleave(K)
        self.option = torch.arange(K).repeat(S)
        interest = f.permitted_interest(torch.tensor(world.interest))
        interest_w = f.pick((interest * ~torch.tensor(world.done))[self.state], self.option)
        alone = ((interest > 0).sum(-1) == 1)[self.state]
        first = torch.zeros(S * K, dtype=torch.bool)
        self.forced = f.forced_end(first, torch.ones(S * K), interest_w)
        self.log_mu = f.master_log_probs(self.params["psi"], interest)
        beta_w = f.pick(torch.sigmoid(self.params["vartheta"])[self.state], self.option)
        age = torch.ones(S * K)
        self.beta = f.effective_termination(beta_w, interest_w, age, self.forced, bounds=world.bounds, alone=alone)
        self.mu = self.log_mu.detach().exp()
        self.v = f.state_value(self.q, self.mu)
        mu_w = f.pick(self.mu[self.state], self.option)
        self.charge = f.expected_charge(mu_w, self.forced, world.cost, world.every_end)
        self.q_w = f.pick(self.q[self.state], self.option)
        self.u = f.arrival_value(self.q_w, self.v[self.state], self.beta.detach(), self.charge)
        self.cost = torch.where(self.forced, 0.0, world.cost)

    def weighted(self, log_prob, advantage, weight):
        """The clipped surrogate on its own policy, where its gradient is the policy gradient."""
        return losses.clipped_surrogate(log_prob, log_prob.detach(), advantage * weight * log_prob.numel(), 0.2)

    def gradients(self, loss):
        grads = torch.autograd.grad(-loss, list(self.params.values()), allow_unused=True, retain_graph=True)
        return {n: None if g is None else g.numpy() for n, g in zip(self.params, grads, strict=True)}

    def intra_option(self):
        log_pi = torch.log_softmax(self.params["theta"], -1)
        q_u = self.r[:, None] + self.bonus[..., None]
        q_u = q_u + GAMMA * torch.einsum("sax,xw->swa", self.P, self.u.reshape(S, K))
        advantage = q_u - self.q[..., None]
        weight = self.occupancy[..., None] * log_pi.detach().exp()
        return self.weighted(log_pi.flatten(), advantage.flatten(), weight.flatten())

    def termination(self):
        advantage = f.termination_advantage(self.q_w, self.v[self.state], self.charge)
        weight = self.arrivals.flatten() * len(self.state) * ~self.forced
        return losses.termination_loss(self.beta, advantage * weight, self.beta.detach(), 0.2)

    def start(self):
        """Choices at first states: no option has arrived, nothing is charged."""
        advantage = self.q - self.v[:, None]
        return self.weighted(self.log_mu.flatten(), advantage.flatten(), (self.d0[:, None] * self.mu).flatten())

    def master(self):
        # as `advantages` builds it: option advantage + U - V + expected charge
        changes = self.cost[:, None] * ((torch.arange(K) != self.option[:, None]) | self.world.every_end)
        adv_option = self.q[self.state] - changes - self.u[:, None]
        advantage = adv_option + (self.u - self.v[self.state] + self.charge)[:, None]
        weight = (self.arrivals.flatten() * self.beta.detach())[:, None] * self.mu[self.state]
        chosen = self.weighted(self.log_mu[self.state].flatten(), advantage.flatten(), weight.flatten())
        return chosen + self.start()

    def arrival_policy(self):
        """DAC: the policy gradient of pi_hat, which must be termination and master gradient together."""
        loss = self.start()
        probs = f.arrival_probs(self.option, self.beta, self.log_mu[self.state].exp()).detach()
        for w in range(K):
            rows = probs[:, w].nonzero().flatten()  # pi_hat says nothing of what cannot happen
            chosen, arrived = torch.full_like(rows, w), self.option[rows]
            log_hat = f.arrival_log_prob(chosen, arrived, self.beta[rows], self.log_mu[self.state[rows]])
            paid = f.realised_charge(chosen != arrived, self.forced[rows], self.world.cost)
            advantage = self.q[self.state[rows], w] - paid - self.u[rows]
            loss = loss + self.weighted(log_hat, advantage, (self.arrivals.flatten() * probs[:, w])[rows])
        return loss


rng = np.random.default_rng(0)
INTERESTS = {
    "everywhere": np.ones((S, K)),
    "soft": rng.uniform(0.1, 1, (S, K)),
    "alone": np.array([[0.5, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.3], [0.7, 0.0, 1.0]]),
    "sets": np.array([[1.0, 0.5, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.3], [0.7, 0.0, 1.0]]),
}


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


DONE = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1]], dtype=bool)  # own end conditions, one without interest


@pytest.fixture(params=[(c, name, seed) for c in (0.0, 0.3) for name in INTERESTS for seed in (1, 2)], ids=str)
def exact(request):
    cost, name, seed = request.param
    return Exact(World(cost, INTERESTS[name], seed))


@pytest.mark.parametrize("cost", [0.0, 0.3])
@pytest.mark.parametrize("name", INTERESTS)
def test_all_that_a_user_may_say_of_options(name, cost):
    """Own end conditions and own rewards; and an end where no other option is interested counts as none."""
    exact = Exact(World(cost, INTERESTS[name], 3, done=DONE, own=1.0))
    test_values_satisfy_the_bellman_equation(exact)
    check(exact, exact.intra_option(), ["theta"])
    check(exact, exact.termination(), ["vartheta"])
    check(exact, exact.master(), ["psi"])
    check(exact, exact.arrival_policy(), ["psi", "vartheta"])


def check(exact, loss, names):
    grads = exact.gradients(loss)
    for name in names:
        difference = np.abs(grads[name] - exact.world.finite_difference(name)).max()
        assert difference < 1e-8, (name, difference)


def test_values_satisfy_the_bellman_equation(exact):
    pi = torch.softmax(exact.params["theta"], -1).detach()
    q_u = exact.r[:, None] + exact.bonus[..., None]
    q_u = q_u + GAMMA * torch.einsum("sax,xw->swa", exact.P, exact.u.reshape(S, K))
    torch.testing.assert_close((pi * q_u).sum(-1), exact.q, rtol=0, atol=1e-12)


def test_intra_option_gradient(exact):
    check(exact, exact.intra_option(), ["theta"])


def test_termination_gradient(exact):
    check(exact, exact.termination(), ["vartheta"])


@pytest.mark.parametrize("name", INTERESTS)
def test_gradients_where_every_termination_costs(name):
    exact = Exact(World(0.3, INTERESTS[name], 1, every_end=True))
    test_values_satisfy_the_bellman_equation(exact)
    check(exact, exact.intra_option(), ["theta"])
    check(exact, exact.termination(), ["vartheta"])
    check(exact, exact.master(), ["psi"])


@pytest.mark.parametrize("stuck", [-5.0, 0.0, 5.0])
def test_terminations_that_are_stuck_learn_between_their_bounds(stuck):
    exact = Exact(World(0.3, INTERESTS["everywhere"], 1, bounds=(0.1, 0.9), stuck=stuck))
    test_values_satisfy_the_bellman_equation(exact)
    check(exact, exact.termination(), ["vartheta"])
    check(exact, exact.arrival_policy(), ["psi", "vartheta"])
    grads = exact.gradients(exact.termination())["vartheta"]
    assert (grads[exact.world.finite_difference("vartheta") != 0] != 0).all() and grads.any()


def test_master_gradient(exact):
    check(exact, exact.master(), ["psi"])


def test_arrival_policy_gradient_trains_master_and_terminations(exact):
    check(exact, exact.arrival_policy(), ["psi", "vartheta"])


def test_dac_identity(exact):
    joint, parts = exact.gradients(exact.arrival_policy()), exact.gradients(exact.termination() + exact.master())
    for name in ("psi", "vartheta"):
        np.testing.assert_allclose(joint[name], parts[name], rtol=0, atol=1e-12)

"""Random tabular MDPs with an option agent: the exact objective, and the package's equations beside it.

The objective is solved from the transition matrix of (state, option) pairs, in numpy and without the package; the
gradients are built from the package's own equations and losses.
"""

import sys
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from option_critic.functional import losses
from option_critic.functional import options as f
from option_critic.model.act import arrive
from option_critic.model.distributions import CategoricalActions
from option_critic.model.given import MARGIN, given_policies
from option_critic.options.option import Option
from option_critic.options.settings import OptionSettings
from option_critic.records import Carry, Interest, each
from option_critic.spaces import Spaces

S, A, K, GAMMA, STEP = 4, 3, 3, 0.9, 1e-5


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def finite_difference(world, name):
    """The gradient of a world's objective by its parameters of that name."""
    grad = np.zeros_like(world.params[name])
    for i in np.ndindex(*grad.shape):
        values = []
        for sign in (1, -1):
            moved = {n: p.copy() for n, p in world.params.items()}
            moved[name][i] += sign * STEP
            values.append(world.objective(moved))
        grad[i] = (values[0] - values[1]) / (2 * STEP)
    return grad


@dataclass
class World:
    """A random MDP with an option agent; parameters theta (policies), vartheta (terminations), psi (master)."""

    cost: float
    interest: np.ndarray  # [S, K]
    seed: int
    every_end: bool = False  # whether each termination costs, or only a change of option
    done: np.ndarray | None = None  # [S, K] bool, or a probability: the options' own end conditions
    own: float = 0.0  # size of the options' own rewards
    bounds: tuple[float, float] = (0.0, 1.0)  # between which terminations are mapped
    stuck: float = 0.0  # added to every termination's logit
    given: np.ndarray | None = None  # [S, K] the action that an option is given to do; none: nothing is given
    policies: tuple[str, ...] = ("learned",) * K  # or frozen, or corrected: what they are given is (part of) them
    ends: tuple[str, ...] = ("learned",) * K  # or given: `done` alone says when

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        self.P = rng.dirichlet(np.ones(S), (S, A))  # [S, A, S]
        self.r = rng.normal(size=(S, A))
        self.d0 = rng.dirichlet(np.ones(S))
        self.done = np.zeros((S, K)) if self.done is None else self.done.astype(float)
        self.given = np.zeros((S, K), dtype=int) if self.given is None else self.given
        self.params = {"theta": rng.normal(size=(S, K, A)), "vartheta": rng.normal(size=(S, K)) + self.stuck,
                       "psi": rng.normal(size=(S, K))}  # fmt: skip
        self.bonus = self.own * rng.normal(size=(S, K))  # what an option adds to the reward at s

    def pi(self, params):
        """[S, K, A] what options do: theta, on top of what a corrected one is given; a frozen one does what it is."""
        given, (frozen, corrected) = np.eye(A)[self.given], (self.which(p) for p in ("frozen", "corrected"))
        pi = softmax(params["theta"] + MARGIN * given * corrected[:, None])
        return np.where(frozen[:, None], given, pi)

    def which(self, policy):
        """[K] bool: options of such a policy."""
        return np.array([p == policy for p in self.policies])

    def chain(self, params):
        """(transition matrix of executing pairs, their rewards, mu): everything of the exact objective."""
        pi, beta, mu = self.pi(params), 1 / (1 + np.exp(-params["vartheta"])), softmax(params["psi"])
        interest = self.interest
        mu = interest * mu / (interest * mu).sum(-1, keepdims=True)
        beta = self.bounds[0] + (self.bounds[1] - self.bounds[0]) * beta
        beta = np.where([e == "given" for e in self.ends], 0, beta)
        beta = 1 - interest * (1 - self.done) * (1 - beta)
        free = interest * (1 - self.done) > 0  # without interest, or done, it is ended by force, which costs nothing
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
        return finite_difference(self, name)


def defined(world):
    """(the options of a world in the package's words, its rules): an observation is the number of the state."""

    def at(table, k):
        column = torch.tensor(table[:, k])
        return lambda obs: column[obs[..., 0].long()]

    options = tuple(
        Option(
            name=f"option-{k}",
            policy=None if world.policies[k] == "learned" else at(world.given, k),
            correction=world.policies[k] == "corrected",
            end=at(world.done, k),
            ends=world.ends[k],
        )
        for k in range(K)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "world", SimpleNamespace(OPTIONS=options))
        low, high = world.bounds
        rules = OptionSettings(num_options=K, options_from="world:OPTIONS", option_names=tuple(o.name for o in options),
                               beta_floor=low, beta_ceil=high)  # fmt: skip
        assert rules.definitions == options  # looked up once, here
    return options, rules


class Exact:
    """Exact values and discounted occupancies of a world, with the package's equations on top."""

    def __init__(self, world):
        pairs, reward, mu = world.chain(world.params)
        q = np.linalg.solve(np.eye(S * K) - GAMMA * pairs, reward)
        start = (world.d0[:, None] * mu).reshape(-1)
        occupancy = np.linalg.solve(np.eye(S * K) - GAMMA * pairs.T, start).reshape(S, K)
        step = np.einsum("swa,sax->swx", world.pi(world.params), world.P)
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
        interest = Interest(interest, interest * (1 - torch.tensor(world.done)))
        self.options, rules = defined(world)
        carry = Carry(self.option, torch.ones(S * K), torch.zeros(S * K, dtype=torch.bool))
        logits = (self.params[name][self.state] for name in ("psi", "vartheta"))
        arrival = arrive(*logits, each(interest, lambda x: x[self.state]), carry, rules)
        self.beta, self.forced = arrival.beta, arrival.forced
        self.log_mu = arrival.log_mu[::K]  # the same whichever option arrives
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

    def policies(self):
        """(states, options, actions, log pi) of every action: what frozen options are given is in their place."""
        state, option, action = (x.flatten() for x in torch.meshgrid(*map(torch.arange, (S, K, A)), indexing="ij"))
        given = given_policies(Spaces(obs_size=1, discrete=True, action_size=A), self.options)
        base = free = None
        if given is not None:
            base = given.base(state[:, None].float(), option).double()
            action, free = given.write(action, base, option)
        pi = CategoricalActions(torch.log_softmax(self.params["theta"], -1)[state]).at(option, free, base)
        return state, option, action, pi.log_prob(action)

    def q_u(self):
        """[S, K, A] what an action is worth, the arrival after it included."""
        reward = self.r[:, None] + self.bonus[..., None]
        return reward + GAMMA * torch.einsum("sax,xw->swa", self.P, self.u.reshape(S, K))

    def intra_option(self):
        state, option, action, log_pi = self.policies()
        advantage = self.q_u()[state, option, action] - self.q[state, option]
        return self.weighted(log_pi, advantage, self.occupancy[state, option] * log_pi.detach().exp())

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

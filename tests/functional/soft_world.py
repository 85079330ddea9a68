"""Random MDPs with an option agent whose soft values are known exactly, in numpy and without the package."""

import numpy as np
from tabular import finite_difference, softmax

S, A, K, GAMMA, ALPHA, KAPPA, STEP = 5, 3, 3, 0.9, 0.3, 0.2, 1e-5
INTERESTS = {
    "everywhere": np.ones((S, K)),
    "graded": np.random.default_rng(0).uniform(0.1, 1, (S, K)),
    "sets": np.array([[1.0, 0.5, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.3], [0.7, 0.0, 1.0], [0.0, 1.0, 0.0]]),
}


class World:
    """A random MDP in which some steps end the episode, and an option agent: its exact soft values, in numpy."""

    def __init__(self, name, cost, seed=1):
        draw = np.random.default_rng(seed)
        self.P, self.r = draw.dirichlet(np.ones(S), (S, A)), draw.normal(size=(S, A))
        self.goes_on = 1.0 - (draw.random((S, A)) < 0.2)
        self.d0, self.cost, self.interest = draw.dirichlet(np.ones(S)), cost, INTERESTS[name]
        self.params = {"theta": draw.normal(size=(S, K, A)), "vartheta": draw.normal(size=(S, K)),
                       "psi": draw.normal(size=(S, K))}  # fmt: skip

    def agent(self, params):
        """(pi, beta_eff, mu_I, forced) of the definitions, apart from the package's functions."""
        pi, beta, mu = softmax(params["theta"]), 1 / (1 + np.exp(-params["vartheta"])), softmax(params["psi"])
        mu = self.interest * mu / (self.interest * mu).sum(-1, keepdims=True)
        return pi, 1 - self.interest * (1 - beta), mu, self.interest == 0

    def solve(self, params):
        """Q_U [S, K, A] by one linear system; then Q [S, K] and V [S]."""
        pi, beta, mu, forced = self.agent(params)
        prior = self.interest / self.interest.sum(-1, keepdims=True)
        bonus = ALPHA * -(pi * np.log(pi)).sum(-1)  # [S, K] of the policies ...
        with np.errstate(all="ignore"):
            relative = np.where(self.interest > 0, np.log(mu / prior), 0)
        kl = (mu * relative).sum(-1)  # [S] ... and of the policy over options
        charge = np.where(forced, 0, self.cost * (1 - mu))
        # U(s', w) = sum_v H[s', w, v] Q(s', v) - beta (kappa kl + charge)
        hat = np.stack([(1 - beta[:, w, None]) * np.eye(K)[w] + beta[:, w, None] * mu for w in range(K)], 1)
        constant = np.einsum("swv,sv->sw", hat, bonus) - beta * (KAPPA * kl[:, None] + charge)
        flow = GAMMA * self.goes_on[..., None] * self.P  # [S, A, S']
        step = np.einsum("sax,xwv,xvb->swaxvb", flow, hat, pi)
        matrix = np.zeros((S, K, A, S, K, A))
        for w in range(K):
            matrix[:, w] = step[:, w]
        reward = self.r[:, None] + np.einsum("sax,xw->swa", flow, constant)
        n = S * K * A
        q_u = np.linalg.solve(np.eye(n) - matrix.reshape(n, n), reward.reshape(n)).reshape(S, K, A)
        q = (pi * q_u).sum(-1) + bonus
        return q_u, q, (mu * q).sum(-1) - KAPPA * kl

    def objective(self, params):
        return float(self.d0 @ self.solve(params)[2])

    def finite_difference(self, name):
        return finite_difference(self, name)

    def arrivals(self, params):
        """Discounted occupancies: (s, w) executing [S, K], and arriving at s' before anything is chosen [S, K]."""
        pi, beta, mu, _ = self.agent(params)
        hat = np.stack([(1 - beta[:, w, None]) * np.eye(K)[w] + beta[:, w, None] * mu for w in range(K)], 1)
        step = np.einsum("swa,sax->swx", pi, GAMMA * self.goes_on[..., None] * self.P)
        pairs = np.einsum("swx,xwv->swxv", step, hat).reshape(S * K, S * K)
        start = (self.d0[:, None] * mu).reshape(-1)
        executing = np.linalg.solve(np.eye(S * K) - pairs.T, start).reshape(S, K)
        return executing, np.einsum("sw,swx->xw", executing, step)


WORLDS = [(name, cost) for name in INTERESTS for cost in (0.0, 0.3)]

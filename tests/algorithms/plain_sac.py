"""A plain soft actor-critic that imports nothing from the package: the other side of the K = 1 identity."""

import math
from itertools import pairwise

import numpy as np
import torch
from torch import nn

GAMMA, TAU, LR, BATCH, START = 0.95, 0.01, 1e-3, 16, 20


def twin(sizes):
    """Two networks side by side, [2, in, out] a layer."""
    shapes = pairwise(sizes)
    return nn.ParameterList(p for i, o in shapes for p in (torch.zeros(2, i, o), torch.zeros(2, 1, o)))


def q(layers, obs, action):
    x = torch.cat([obs, action], -1).expand(2, len(obs), -1)
    for i in range(0, len(layers), 2):
        x = torch.baddbmm(layers[i + 1], x, layers[i])
        x = torch.relu(x) if i < len(layers) - 2 else x
    return x.squeeze(-1)


class PlainSAC:
    def __init__(self, obs_size, action_size, width):
        self.actor = nn.Sequential(nn.Linear(obs_size, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
                                   nn.Linear(width, 2 * action_size))  # fmt: skip
        self.critic, self.target = (twin([obs_size + action_size, width, width, 1]) for _ in range(2))
        self.log_alpha = nn.Parameter(torch.zeros(()))
        self.size, self.rows = action_size, []
        parts = (self.actor.parameters(), self.critic.parameters(), [self.log_alpha])
        self.optimizers = [torch.optim.Adam(p, lr=LR, fused=True) for p in parts]

    def act(self, obs, eps):
        """In numpy, as an agent acts."""
        x = obs
        for layer in self.actor:
            linear = isinstance(layer, nn.Linear)
            x = x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy() if linear else np.maximum(x, 0)
        mean, log_std = x[:, : self.size], np.clip(x[:, self.size :], -20, 2)
        return np.tanh(mean + np.exp(log_std) * eps)

    def draw(self, obs, eps):
        """(action, log pi), with a gradient through both."""
        mean, log_std = self.actor(obs).chunk(2, -1)
        log_std = log_std.clamp(-20, 2)
        u = mean + log_std.exp() * eps
        action = torch.tanh(u)
        slope = 2 * (math.log(2) - u - nn.functional.softplus(-2 * u))
        return action, -(0.5 * eps * eps + log_std + 0.5 * math.log(2 * math.pi) + slope).sum(-1)

    def step(self, number, loss):
        params = [p for group in self.optimizers[number].param_groups for p in group["params"]]
        for p, g in zip(params, torch.autograd.grad(loss, params), strict=True):
            p.grad = g
        self.optimizers[number].step()

    def update(self, generator):
        at = torch.randint(len(self.rows), (BATCH,), generator=generator)
        obs, action, reward, after, terminated = (torch.from_numpy(np.stack(x)) for x in
                                                  zip(*(self.rows[i] for i in at), strict=True))  # fmt: skip
        first, second = (torch.randn((BATCH, self.size), generator=generator) for _ in range(2))
        alpha = self.log_alpha.detach().exp()
        with torch.no_grad():
            then, log_pi = self.draw(after, first)
            value = q(self.target, after, then).amin(0) - alpha * log_pi
            y = reward + GAMMA * torch.where(terminated, 0.0, value)
        self.step(1, 0.5 * (q(self.critic, obs, action) - y).square().mean(-1).sum())
        now, log_pi = self.draw(obs, second)
        lacks = log_pi.detach() - self.size
        self.step(0, -(q(self.critic, obs, now).amin(0) - alpha * log_pi).mean())
        self.step(2, -(self.log_alpha * lacks.mean()))
        with torch.no_grad():
            for slow, fast in zip(self.target, self.critic, strict=True):
                slow.lerp_(fast, TAU)


def iteration(agent, envs, obs, length, noise, generator):
    """Rows of a same-step vector environment, and updates after each -> the next observation."""
    for _ in range(length):
        eps = torch.randn((1, len(obs), agent.size), generator=noise)[0].numpy()
        action = agent.act(obs.astype(np.float32), eps)
        after, reward, terminated, truncated, info = envs.step(action)
        true = after.copy()
        for i in np.flatnonzero(terminated | truncated):
            true[i] = info["final_obs"][i]
        before = len(agent.rows)
        agent.rows += list(zip(obs.astype(np.float32), action, reward.astype(np.float32), true.astype(np.float32),
                               terminated, strict=True))  # fmt: skip
        for _ in range(max(0, len(agent.rows) - START) - max(0, before - START)):
            agent.update(generator)
        obs = after
    return obs

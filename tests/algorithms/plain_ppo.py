"""A plain PPO that imports nothing from the package: the other side of the K = 1 identity."""

import numpy as np
import torch
from torch import nn

GAMMA, LAM, CLIP, LR, EPOCHS = 0.95, 0.9, 0.2, 1e-3, 3


class Sigmoid2(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.y = 2 * torch.sigmoid(2 * x) - 1
        return ctx.y

    @staticmethod
    def backward(ctx, grad):
        return torch.ops.aten.tanh_backward(grad, ctx.y)


class Tanh(nn.Module):
    def forward(self, x):
        return Sigmoid2.apply(x)


def two_layers(inputs, width):
    return nn.Sequential(nn.Linear(inputs, width), Tanh(), nn.Linear(width, width), Tanh())


class PlainPPO(nn.Module):
    def __init__(self, obs_size, action_size, width):
        super().__init__()
        self.log_std = nn.Parameter(torch.zeros(action_size))
        self.policy, self.critic = two_layers(obs_size, width), two_layers(obs_size, width)
        self.mean, self.value = nn.Linear(width, action_size), nn.Linear(width, 1)

    def log_prob(self, mean, action):
        log_std = self.log_std.expand_as(mean)
        z = (action - mean) * torch.exp(-log_std)
        return -(0.5 * z * z + log_std + 0.5 * np.log(2 * np.pi)).sum(-1)

    def act(self, obs, eps):
        """In numpy, as an agent acts."""
        x = obs.astype(np.float32)
        for layer in (self.policy[0], self.policy[2]):
            x = np.tanh(x @ layer.weight.numpy().T + layer.bias.numpy())
        mean = x @ self.mean.weight.numpy().T + self.mean.bias.numpy()
        return mean, mean + np.exp(self.log_std.numpy()) * eps

    def v(self, obs):
        return self.value(self.critic(obs)).squeeze(-1)


def iteration(agent, optimizer, envs, obs, length, noise, shuffle, minibatch, lr):
    """One rollout and one update of a same-step vector environment -> the next observation."""
    rows = []
    with torch.no_grad():
        for eps in torch.randn((length, len(obs), len(agent.log_std)), generator=noise):
            mean, action = (torch.from_numpy(y) for y in agent.act(obs, eps.numpy()))
            after, reward, terminated, truncated, info = envs.step(np.clip(action.numpy(), -1, 1))
            true = after.copy()
            for i in np.flatnonzero(terminated | truncated):
                true[i] = info["final_obs"][i]
            x = torch.as_tensor(obs, dtype=torch.float32)
            rows.append((x, action, agent.log_prob(mean, action), torch.as_tensor(reward, dtype=torch.float32),
                         torch.as_tensor(true, dtype=torch.float32), torch.as_tensor(terminated),
                         torch.as_tensor(terminated | truncated)))  # fmt: skip
            obs = after
        x, action, old, reward, true, terminated, done = (torch.stack(column) for column in zip(*rows, strict=True))
        value = agent.v(x)
        delta = reward + GAMMA * torch.where(terminated, 0.0, agent.v(true)) - value
        advantage, trace = torch.empty_like(delta), torch.zeros(delta.shape[1])
        for t in reversed(range(length)):
            trace = delta[t] + GAMMA * LAM * (~done[t]).float() * trace
            advantage[t] = trace
    target = advantage + value
    x, action, old, advantage, target = (y.flatten(0, 1) for y in (x, action, old, advantage, target))
    optimizer.param_groups[0]["lr"] = lr
    for _ in range(EPOCHS):
        order = torch.randperm(len(x), generator=shuffle)
        for i in torch.tensor_split(order, max(1, round(len(x) / minibatch))):
            a = (advantage[i] - advantage[i].mean()) / (advantage[i].std() + 1e-8)
            ratio = torch.exp(agent.log_prob(agent.mean(agent.policy(x[i])), action[i]) - old[i])
            surrogate = -torch.min(ratio * a, torch.clamp(ratio, 1 - CLIP, 1 + CLIP) * a).mean()
            loss = surrogate + 0.5 * (0.5 * (agent.v(x[i]) - target[i]).square().mean())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5, foreach=True)
            optimizer.step()
    return obs

"""Stable-Baselines3 learns in which order options run."""

import re
from collections import deque
from pathlib import Path

import errands
import numpy as np
import pytest
import torch
from errands import SHOPS, WALKS

import option_critic as oc

sb3 = pytest.importorskip("stable_baselines3", reason='pip install "option-critic[rivals]"')
PAGE = Path(__file__).parents[2] / "docs" / "planners.md"
GAMMA = 0.9


def make(gamma=GAMMA):
    return oc.OptionEnv(errands.make, WALKS, gamma=gamma, max_steps=20)


def at(cell, done):
    """An environment in a state of its own, and what is seen there."""
    env = make()
    env.reset()
    core = env.env.unwrapped
    core.cell, core.done = cell, done
    env._row = env._read(core.observe())
    return env, core.observe()


def exact():
    """State -> Q [K] of the best plan, by value iteration on every state that options lead to from the start."""
    model, left = {}, deque([(4, 0)])
    while left:
        state = left.popleft()
        if state in model:
            continue
        model[state] = []
        for k in range(len(SHOPS)):
            env, _ = at(*state)
            _, paid, terminated, _, info = env.step(k)
            to = (env.env.unwrapped.cell, env.env.unwrapped.done)
            model[state].append((paid, 0.0 if terminated else info["discount"], to))
            left.extend([] if terminated else [to])
    q = {state: np.zeros(len(SHOPS)) for state in model}
    for _ in range(50):
        q = {s: np.array([r + d * (q[to].max() if d else 0.0) for r, d, to in steps]) for s, steps in model.items()}
    return q


def episode(env, choose, seed=None):
    """Discounted return of an episode."""
    obs, _ = env.reset(seed=seed)
    total, discount, done = 0.0, 1.0, False
    while not done:
        obs, reward, terminated, truncated, info = env.step(choose(obs))
        total, discount, done = total + discount * reward, discount * info["discount"], terminated or truncated
    return total


def test_dqn_learns_the_exact_values():
    source = next(b for b in re.findall(r"^```python\n(.+?)^```$", PAGE.read_text(), re.M | re.S) if "class Opt" in b)
    defined = {"np": np}
    exec(source.partition("planner = ")[0], defined)
    agent = sb3.DQN(
        "MlpPolicy", make(), replay_buffer_class=defined["OptionReplayBuffer"], gamma=GAMMA, learning_rate=0.02,
        buffer_size=2000, learning_starts=200, batch_size=64, train_freq=2, target_update_interval=25,
        exploration_fraction=1.0, exploration_final_eps=0.2, policy_kwargs={"net_arch": [32]}, seed=0, device="cpu",
    ).learn(1000)  # fmt: skip
    values = exact()
    states = torch.from_numpy(np.stack([at(*state)[1] for state in values]))
    with torch.no_grad():
        learned = agent.q_net(states).numpy()
    assert np.abs(learned - np.stack(list(values.values()))).max() < 0.15
    env, rng = make(), np.random.default_rng(0)
    best = episode(env, lambda obs: int(agent.predict(obs, deterministic=True)[0]))
    assert best == pytest.approx(values[4, 0].max(), abs=1e-9)
    assert np.mean([episode(env, lambda _: rng.integers(len(SHOPS))) for _ in range(50)]) < 0.7 * best


def test_maskable_ppo_finds_the_masks():
    contrib = pytest.importorskip("sb3_contrib", reason="pip install sb3-contrib")
    agent = contrib.MaskablePPO("MlpPolicy", make(1.0), n_steps=32, batch_size=32, n_epochs=1, gamma=1.0, device="cpu")
    assert agent.learn(64).num_timesteps == 64
    env, told = make(), []
    for _ in range(3):
        obs, _ = env.reset()
        done = False
        while not done and len(told) < 40:
            masks = env.action_masks()
            k = int(agent.predict(obs, action_masks=masks)[0])
            told.append(masks[k])
            obs, _, *ends, _ = env.step(k)
            done = any(ends)
    assert all(told)

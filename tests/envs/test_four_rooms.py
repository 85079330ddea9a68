"""Four Rooms against its exact solution: transitions, option values, the targets of learning."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch

import option_critic as oc
from option_critic.algorithms.ppo import advantages
from option_critic.algorithms.settings import PPOSettings
from option_critic.envs import four_rooms as rooms
from option_critic.envs.contract import env_seeds
from option_critic.envs.make import make_envs
from option_critic.envs.settings import EnvSettings
from option_critic.evaluation.evaluate import evaluate
from option_critic.functional import options as f
from option_critic.model.act import Generators
from option_critic.model.option_model import OptionModel
from option_critic.model.settings import ModelSettings
from option_critic.options.settings import OptionSettings
from option_critic.records import Carry
from option_critic.training.collect import Live, collect, evaluate_rollout

S, A, K, GAMMA, GOAL = 104, 4, 3, 0.95, rooms.EAST_HALLWAY
UP, DOWN, LEFT, RIGHT = range(A)
P = rooms.transitions()


def test_the_map_is_the_published_one():
    assert len(rooms.CELLS) == S and GOAL == 62 and rooms.CELLS[rooms.MOVED_GOAL] == (9, 9)
    assert [rooms.CELLS.index(hallway) for hallway in ((3, 6), (6, 2), (10, 6))] == [25, 51, 88]


@pytest.mark.parametrize(
    ("cell", "action", "expected"),
    [
        ((2, 2), UP, {(1, 2): 2 / 3 + 1 / 12, (3, 2): 1 / 12, (2, 1): 1 / 12, (2, 3): 1 / 12}),
        ((1, 1), UP, {(1, 1): 2 / 3, (2, 1): 1 / 6, (1, 2): 1 / 6}),  # a corner: a wall stops, a failure does not
        ((1, 1), RIGHT, {(1, 2): 2 / 3 + 1 / 6, (2, 1): 1 / 6}),
        ((7, 9), LEFT, {(7, 9): 2 / 3, (6, 9): 1 / 6, (8, 9): 1 / 6}),
        ((3, 6), DOWN, {(3, 6): 2 / 3, (3, 5): 1 / 6, (3, 7): 1 / 6}),
    ],
)
def test_transitions_by_hand(cell, action, expected):
    row = P[action, rooms.CELLS.index(cell)]
    assert {rooms.CELLS[s]: pytest.approx(row[s]) for s in np.flatnonzero(row)} == expected


def test_transitions_are_distributions():
    assert P.shape == (A, S, S) and (P >= 0).all()
    np.testing.assert_allclose(P.sum(-1), 1, atol=1e-12)


@pytest.mark.parametrize(("env_id", "goal"), rooms.GOALS.items())
def test_the_environment_follows_its_transitions(env_id, goal, rng):
    """Random actions behind the contract: frequencies of successors, starts, rewards and ends."""
    B, T = 64, 2000
    envs = make_envs(env_id, EnvSettings(), env_seeds(0, 0, B))
    cell, first, counts, starts = envs.reset().argmax(-1), np.ones(B, bool), np.zeros((A, S, S)), np.zeros(S)
    for _ in range(T):
        starts += np.bincount(cell[first], minlength=S)
        action = rng.integers(A, size=B)
        step = envs.step(action)
        assert (step.next_obs.sum(-1) == 1).all() and step.valid.all()
        after = step.next_obs.argmax(-1)
        assert np.array_equal(step.terminated, after == goal) and np.array_equal(step.reward, after == goal)
        np.add.at(counts, (action, cell, after), 1)
        cell, first = step.act_obs.argmax(-1), step.is_first
    n = counts.sum(-1, keepdims=True)
    assert (n[:, np.arange(S) != goal] > 10).all() and (n[:, goal] == 0).all()
    assert not counts[P == 0].any()
    z = (counts - n * P) / np.sqrt(np.maximum(n * P * (1 - P), 1))
    assert np.abs(z).max() < 5 and np.abs(z[(P > 0) & (n > 0)]).mean() < 0.9  # of a normal variable: 0.8
    share = starts.sum() / (S - 1)
    assert starts[goal] == 0 and np.abs(np.delete(starts, goal) - share).max() < 5 * np.sqrt(share)


@pytest.mark.parametrize("goal", rooms.GOALS.values())
def test_optimal_steps(goal):
    steps = rooms.optimal_steps(goal)
    go_on = np.arange(S) != goal
    policy = (P @ steps).argmin(0)
    chain = P[policy, np.arange(S)] * go_on[:, None] * go_on
    solved = np.linalg.solve(np.eye(S) - chain, go_on.astype(float))  # what that policy takes
    np.testing.assert_allclose(steps, solved, atol=1e-9)
    np.testing.assert_allclose(steps[go_on], 1 + (P @ solved).min(0)[go_on], atol=1e-9)  # no better one


def test_a_goal_outside_the_rooms_is_refused():
    with pytest.raises(ValueError, match="goal must be a cell from 0 to 103, got 104"):
        gym.make("FourRooms-v0", goal=104)


@pytest.fixture(scope="module")
def agent():
    """A random option agent in the rooms: every cell with policies, terminations and (wrong) values of its own."""
    spaces = oc.OptionCritic("FourRooms-v0").spaces
    model = OptionModel(spaces, K, ModelSettings(normalize_observation=False, normalize_reward=False), seed=0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for head, scale in ((model.pi_head, 0.7), (model.mu_head, 1.0), (model.beta_head, 1.0), (model.q_head, 0.2)):
            head.weight.normal_(0, scale, generator=generator)
        # options that differ everywhere, so that taking one for another shows: in what they do, how long they run,
        # and in what the wrong critic says of them
        model.pi_head.bias.copy_(2 * torch.eye(K, A).flatten())
        model.beta_head.bias.copy_(torch.tensor([-2.0, 0.0, 1.0]))
        model.q_head.bias.copy_(torch.tensor([-1.0, 0.0, 1.0]))
    return model


@pytest.fixture(scope="module")
def exact(agent):
    """Q [S, K] of that agent, by a linear solve over pairs (cell, executing option); goal cells are worth 0."""
    with torch.no_grad():
        heads = agent(torch.eye(S))
        pi = heads.pi.log_probs.double().exp()  # [S, K, A]
        mu, beta = heads.mu_logits.double().softmax(-1), heads.beta_logits.double().sigmoid()
    assert beta.std() > 0.1 and mu.std() > 0.1 and pi.std() > 0.1
    step = torch.einsum("swa,asx->swx", pi, torch.tensor(P))
    reward = step[..., GOAL].clone()
    step[..., GOAL] = 0
    arriving = [f.arrival_probs(torch.full((S,), w), beta[:, w], mu) for w in range(K)]  # K of [S, K]
    pairs = torch.einsum("swx,xwv->swxv", step, torch.stack(arriving, 1)).reshape(S * K, S * K)
    q = torch.linalg.solve(torch.eye(S * K, dtype=torch.float64) - GAMMA * pairs, reward.flatten()).reshape(S, K)
    v = f.state_value(q, mu)
    u = f.arrival_value(q, v[:, None], beta, torch.zeros(S, K))
    np.testing.assert_allclose(q, reward + GAMMA * torch.einsum("swx,xw->sw", step, u), atol=1e-12)  # [Bacon+17, eq. 2]
    assert q.max() < 1 and q.min() > 0
    return q.float()


@pytest.fixture(scope="module")
def experience(agent):
    """600 steps of that agent in 64 environments, with episodes of at most 60 steps."""
    envs = make_envs("FourRooms-v0", EnvSettings(max_episode_steps=60), env_seeds(1, 0, 64))
    live, rules = Live(envs.reset(), Carry.start(64)), OptionSettings(num_options=K)
    rollout, _ = collect([envs], agent, [live], 600, rules, Generators.seeded(1))
    assert rollout.terminated.sum() > 50 and rollout.truncated.sum() > 50
    return rollout, evaluate_rollout(agent, rollout, rules)


def with_values(values, rollout, q):
    return replace(values, q=q[rollout.obs.argmax(-1)], next_q=q[rollout.next_obs.argmax(-1)])


def test_with_exact_values_no_step_surprises(exact, experience):
    """With lam = 0 an advantage is one step's error, of mean 0 in every cell with every option."""
    rollout, values = experience
    d, cell = rollout.decision, rollout.obs.argmax(-1)
    targets = advantages(rollout, with_values(values, rollout, exact), PPOSettings(gamma=GAMMA, lam=0.0))
    for error, option in ((targets.adv_action, d.option), (targets.adv_option, d.prev_option)):
        pair, x = (cell * K + option).flatten(), error.double().flatten()
        n = torch.bincount(pair, minlength=S * K)
        mean, square = (torch.bincount(pair, weights=y, minlength=S * K) / n for y in (x, x * x))
        z2 = (n * mean**2 / (square - mean**2))[n > 30]
        assert len(z2) > 200 and 0.7 < z2.mean() < 1.3, z2.mean()  # 1, give or take 0.1


def test_monte_carlo_targets_are_the_exact_values_whatever_the_critic_says(exact, experience):
    """With lam = 1 a wrong critic matters only where a trace is cut: there it is given the exact values."""
    rollout, values = experience
    cut = (rollout.truncated | (torch.arange(len(rollout.reward)) == len(rollout.reward) - 1)[:, None]).unsqueeze(-1)
    right = with_values(values, rollout, exact)
    mixed = replace(values, next_q=torch.where(cut, right.next_q, values.next_q))
    targets = advantages(rollout, mixed, PPOSettings(gamma=GAMMA, lam=1.0))
    option = rollout.decision.option
    truth = f.pick(right.q, option)
    for k in range(K):  # environments are independent, rows are not
        means = ((targets.q_target - truth) * (option == k)).sum(0) / (option == k).sum()
        assert means.sum().abs() < 4 * means.std() * len(means) ** 0.5, k
    assert (f.pick(values.q, option) - truth).square().mean() > 0.5


def mean_steps(agent):
    return evaluate(agent, modes=["stochastic"], num_episodes=50)[0].summary["length"].value


def test_a_short_training_shortens_the_way():
    agent = oc.OptionCritic("four-rooms", seed=0)
    before = mean_steps(agent)
    assert before > 150 and mean_steps(agent.learn(50_000)) < before / 2

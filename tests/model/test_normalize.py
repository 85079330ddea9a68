"""Running statistics against numpy."""

import gymnasium as gym
import numpy as np
import pytest
import torch

import option_critic as oc
from option_critic.model.acting import snapshot
from option_critic.model.normalize import ObservationNormalizer, RewardScaler, RunningMoments, turned_by
from option_critic.options.interest import wishes
from option_critic.options.option import Option


def test_moments_of_many_batches_are_those_of_all_rows(rng):
    x = rng.normal(3, 5, (10_000, 3))
    moments = RunningMoments(3)
    for part in np.array_split(x, [1, 10, 500, 7000]):
        moments.update(torch.from_numpy(part))
    np.testing.assert_allclose(moments.mean.numpy(), x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.var.numpy(), x.var(0), rtol=1e-12)


def test_what_is_hurled_away_does_not_change_what_all_else_looks_like(rng):
    usual = torch.from_numpy(rng.normal([0.5, 0.1, 0.0], [0.3, 0.1, 0.0], (100_000, 3)))
    hurled = usual[:2_000].clone()
    hurled[:60, 1] += 460.0
    norm, plain = (ObservationNormalizer(3, clip=10.0, enabled=True) for _ in range(2))
    for batch in usual.split(2_000):
        norm.update(batch)
        plain.moments.update(batch)
    assert torch.equal(norm.moments.var, plain.moments.var)  # what is usual counts as it is
    before = norm(usual)
    norm.update(hurled)
    assert (norm(usual) - before).abs().max() < 1.5  # it was up to 4.5
    largest = 3 * (0.5 + 3 * 0.3)
    assert norm.moments.var[1] == pytest.approx(0.01 + 60 / 102_000 * largest**2, rel=0.05)


def test_what_never_varied_may_begin_to():
    norm = ObservationNormalizer(1, clip=10.0, enabled=True)
    norm.update(torch.zeros(20_000, 1))
    norm.update(torch.arange(20_000.0)[:, None] % 5)
    assert norm.moments.var > 1.0


def test_no_rows_change_nothing():
    """An iteration of one row may be one in which a backend only reset."""
    moments = RunningMoments(2)
    moments.update(torch.ones(3, 2))
    before = {name: x.clone() for name, x in moments.named_buffers()}
    moments.update(torch.ones(0, 2))
    assert all(torch.equal(x, before[name]) for name, x in moments.named_buffers())


def test_a_constant_observation_stays_finite_and_clipped():
    norm = ObservationNormalizer(1, clip=10.0, enabled=True)
    norm.update(torch.full((100, 1), 7.0))
    assert norm(torch.full((2, 1), 7.0)).tolist() == [[0.0], [0.0]]
    assert norm(torch.full((1, 1), 8.0)).item() == 10.0


def test_nothing_changes_before_the_first_update_or_when_switched_off():
    x = torch.randn(4, 2)
    assert torch.allclose(ObservationNormalizer(2, 10.0, enabled=True)(x), x)
    off = ObservationNormalizer(2, 10.0, enabled=False)
    off.update(x)
    assert torch.equal(off(x), x)
    assert torch.equal(RewardScaler(enabled=False)(x), x)


def test_without_any_reward_yet_the_first_one_is_left_as_it_is_and_bounded():
    scaler = RewardScaler(enabled=True)
    scaler.update(torch.zeros(4, 1), torch.zeros(4, 1) > 0, torch.ones(4, 1) > 0, gamma=0.9)
    assert scaler(torch.tensor([1.0, 100.0])).tolist() == [1.0, 10.0]


def test_rewards_are_divided_by_the_std_of_the_discounted_return():
    reward = torch.tensor([[1.0], [2.0], [9.0], [4.0]])
    cut = torch.tensor([[False], [True], [True], [False]])
    valid = torch.tensor([[True], [True], [False], [True]])  # row 2 only reset
    scaler = RewardScaler(enabled=True)
    scaler.update(reward, cut, valid, gamma=0.5)
    returns = np.array([1.0, 2.5, 4.0])
    np.testing.assert_allclose(scaler(torch.tensor([3.0])).item(), 3 / returns.std(), rtol=1e-6)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 6])
def test_the_scale_of_rewards_does_not_depend_on_where_rollouts_are_cut(length):
    draw = torch.Generator().manual_seed(0)
    reward, cut = torch.rand(12, 2, generator=draw), torch.rand(12, 2, generator=draw) < 0.1
    whole, parts, total = RewardScaler(enabled=True), RewardScaler(enabled=True), None
    whole.update(reward, cut, ~cut | cut, gamma=0.99)
    for rows in range(0, 12, length):
        part = slice(rows, rows + length)
        total = parts.update(reward[part], cut[part], cut[part] | ~cut[part], 0.99, total)
    torch.testing.assert_close(parts.moments.var, whole.moments.var, rtol=1e-6, atol=0)


def test_the_scale_of_rewards_does_not_depend_on_the_length_of_rollouts():
    """A reward of 1 for ever: the returns so far are 1, 1.99, ..., whatever rollouts they are collected in."""
    scales = []
    for length in (5, 50, 250):
        agent = oc.OptionCritic("Probe/Endless-v0", max_episode_steps=10**6, num_envs=2, hidden_dim=8, epochs=1,
                                rollout_length=length, gamma=0.99, lr_critic=0.0)  # fmt: skip
        agent.learn(500)
        scales.append(float(agent.state.model.reward_norm.moments.var.sqrt()))
    expected = np.std(np.cumsum(0.99 ** np.arange(250)))
    np.testing.assert_allclose(scales, expected, rtol=1e-4)


@pytest.mark.parametrize("sign", ["last", "first", "either"])
def test_both_signs_of_a_quaternion_are_one_rotation(sign):
    """Whatever the simulator chose, the network and its statistics see the same; other entries stay."""
    obs = torch.randn(50, 12)
    flipped = obs.clone()
    flipped[:, 2:6] *= -1  # the same rotations
    flipped[::2, 7:11] *= -1
    normalisers = [ObservationNormalizer(12, 10.0, True, turned_by((2, 7), sign)) for _ in range(2)]
    for normaliser, x in zip(normalisers, (obs, flipped), strict=True):
        normaliser.update(x)
    assert torch.equal(normalisers[0](obs), normalisers[1](flipped))
    seen = normalisers[0].view.prepare(obs)
    first, last = seen[:, [2, 7]], seen[:, [5, 10]]
    assert ({"last": last, "first": first, "either": first + last}[sign] >= 0).all()
    assert torch.equal(seen.abs(), obs.abs())
    others = [0, 1, 6, 11]
    assert torch.equal(seen[:, others], obs[:, others])


def test_differences_are_further_entries():
    norm = ObservationNormalizer(3, 10.0, True, differences=(0, 2, 1, 0))
    obs = torch.tensor([[5.0, 4.0, 1.0], [7.0, 4.0, 9.0]])
    assert norm.view.prepare(obs).tolist() == [[5.0, 4.0, 1.0, 4.0, -1.0], [7.0, 4.0, 9.0, -2.0, -3.0]]
    norm.update(obs)
    assert norm.size == 5 and norm(obs)[:, 3:].tolist() == [[1.0, 1.0], [-1.0, -1.0]]


def test_watched_interests_are_further_entries():
    watched = (Option(name="a", interest=lambda obs: obs[..., 0] > 1), Option(name="b"))
    norm = ObservationNormalizer(2, 10.0, True, watched=watched)
    obs = torch.tensor([[0.0, 4.0], [2.0, 8.0]])
    assert norm.view.prepare(obs).tolist() == [[0.0, 4.0, 0.0, 1.0], [2.0, 8.0, 1.0, 1.0]]
    assert torch.equal(norm.view.prepare(obs, wishes(obs, watched)), norm.view.prepare(obs))
    norm.update(obs)
    assert norm(obs)[:, :3].tolist() == [[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]


def test_an_agent_may_watch_definitions_without_having_options():
    agent = oc.OptionCritic("Meta-World/pick-place-v3", num_options=1, observe_interest="reach-grasp-move")
    assert agent.option_names == ("option-0",) and not agent.settings.options.options_from
    assert agent.state.model.policy_trunk[0].in_features == 39 + 3  # and no differences
    obs = torch.zeros(2, 39)
    obs[:, 3], obs[1, 6] = 1.0, 0.2  # the gripper is open; lifted
    seen = agent.state.model.obs_norm.view.prepare(obs)
    assert seen[:, -1].tolist() == [0.0, 1.0] and torch.equal(seen[:, :39], obs)


def test_differences_are_seen_where_no_interests_are():
    agents = [oc.OptionCritic("pick-place"), oc.OptionCritic("pick-place", num_options=1)]
    # three interests, and 10 components of features that single options see; the six differences
    assert [a.state.model.obs_norm.size for a in agents] == [39 + 3 + 10, 39 + 6]


@pytest.mark.parametrize("options_from", ["", "reach-grasp-move"])
def test_acting_sees_what_learning_sees(options_from):
    agent = oc.OptionCritic("pick-place", options_from=options_from)
    obs = torch.randn(64, 39) * 0.1
    network, heads = snapshot(agent.state.model), agent.state.model(obs)
    if options_from:  # they see different things: asked for one option at a time
        seen, option = network.see(obs.numpy()), np.arange(64) % 3
        mu, beta = network.choice_heads(network.looking.choice(seen, option))
        mean, at = network.policy(seen, option, None).mean, (torch.arange(64), torch.from_numpy(option))
        pairs = ((mean, heads.pi.mean[at]), (mu, heads.mu_logits), (beta[at], heads.beta_logits[at]))
    else:
        pi, mu, beta = network(obs.numpy())
        pairs = ((pi.mean, heads.pi.mean), (mu, heads.mu_logits), (beta, heads.beta_logits))
    for a, b in pairs:
        torch.testing.assert_close(torch.from_numpy(np.array(a)), b, rtol=0, atol=1e-6)


class Clock(gym.Env):
    """Tells the time, in seconds since 1970; an action of 1 pays in every other second."""

    action_space = gym.spaces.Discrete(2)

    def __init__(self, dtype="float64"):
        self.observation_space = gym.spaces.Box(0, 2**40, (1,), np.dtype(dtype).type)

    def reset(self, *, seed=None, options=None):
        self.time = 1_700_000_000
        return np.array([self.time], self.observation_space.dtype), {}

    def step(self, action):
        self.time += 1
        obs = np.array([self.time], self.observation_space.dtype)
        return obs, float(action == self.time % 2), self.time % 20 == 0, False, {}


@pytest.mark.parametrize("dtype", ["float64", "int64"])
def test_what_varies_far_from_zero_is_seen(dtype, monkeypatch):
    monkeypatch.setitem(gym.registry, "Clock-v0", gym.spec("CartPole-v1"))
    gym.register("Clock-v0", Clock, kwargs={"dtype": dtype})
    agent = oc.OptionCritic("Clock-v0", num_envs=2, rollout_length=40, hidden_dim=8, minibatch_size=40)
    agent.learn(80)
    seconds = np.arange(1_700_000_000, 1_700_000_020, dtype=dtype)[:, None]
    seen = agent.state.model.obs_norm(torch.from_numpy(seconds.astype(float)))
    spread = np.arange(20).std()
    np.testing.assert_allclose(np.diff(seen[:, 0].numpy()), 1 / spread, rtol=1e-2)
    pi, _, _ = snapshot(agent.state.model)(agent.spaces.flatten(seconds, batched=True))
    assert len(np.unique(pi.log_probs[:, 0, 0])) == 20


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_acting_sees_what_learning_sees_in_every_dtype(dtype):
    agent = oc.OptionCritic("CartPole-v1")
    obs = (np.random.default_rng(0).random((50, 4)) * 200).astype(dtype)
    agent.state.model.obs_norm.update(torch.from_numpy(obs))
    mine = snapshot(agent.state.model).see(obs)
    theirs = agent.state.model.obs_norm(torch.from_numpy(obs))
    assert mine.dtype == np.float32 and theirs.dtype == torch.float32
    np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-6)

"""Groups of environments that take turns: every row beside its own environment and its own successor."""

from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import option_critic as oc
from option_critic.algorithms.ppo import advantages
from option_critic.algorithms.settings import DACSettings
from option_critic.envs.gymnasium import GymnasiumEnvs
from option_critic.envs.make import make_envs
from option_critic.errors import InputError
from option_critic.model.act import Generators
from option_critic.model.option_model import OptionModel
from option_critic.model.settings import ModelSettings
from option_critic.options.settings import OptionSettings
from option_critic.records import Batch, Carry
from option_critic.training import off_policy, train
from option_critic.training.collect import Live, collect, evaluate_rollout
from option_critic.training.state import TrainState


class Counter(gym.Env):
    """Shows its own number, its step and the last action; episodes of 3 + number steps."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (3,), np.float64)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, number):
        self.number = number

    def reset(self, *, seed=None, options=None):
        self.t = 0
        return np.array([self.number, 0.0, -1.0]), {}

    def step(self, action):
        self.t += 1
        return np.array([self.number, self.t, action]), float(action), self.t == 3 + self.number, False, {}


def group(numbers):
    envs = SyncVectorEnv([lambda n=n: Counter(n) for n in numbers], autoreset_mode=AutoresetMode.SAME_STEP)
    return GymnasiumEnvs(envs, list(numbers), "Counter")


@pytest.mark.parametrize("sizes", [[5], [3, 2], [1, 2, 2]])
def test_rows_belong_together(sizes):
    ends = np.cumsum([0, *sizes])
    groups = [group(range(a, b)) for a, b in pairwise(ends)]
    model, rules = OptionModel(groups[0].spaces, 2, ModelSettings(hidden_dim=8), 0), OptionSettings(num_options=2)
    live = [Live(envs.reset(), Carry.start(envs.num_envs)) for envs in groups]
    generators = Generators.seeded(0)
    for rollout in range(2):  # the second goes on where the first left off
        r, live = collect(groups, model, live, 11, rules, generators)
        assert r.env_seconds > 0
        assert torch.equal(r.obs[..., 0], torch.arange(5.0).expand(11, 5))
        assert torch.equal(r.next_obs[..., 2], r.decision.action.float())
        assert torch.equal(r.reward, r.decision.action.float())
        assert torch.equal(r.next_obs[..., 1], r.obs[..., 1] + 1)
        assert torch.equal(r.terminated, r.next_obs[..., 1] == 3 + r.obs[..., 0])
        assert torch.equal(r.decision.is_first, r.obs[..., 1] == 0)
        on = ~r.terminated[:-1]
        assert torch.equal(r.obs[1:][on], r.next_obs[:-1][on])
        assert torch.equal(r.decision.prev_option[1:], r.decision.option[:-1])
        assert bool(r.decision.is_first[0].all()) == (rollout == 0)


@pytest.mark.parametrize("env_id", ["Hopper-v5", "CartPole-v1"])  # float64 and float32
def test_only_observations_have_a_dtype_of_their_own(env_id, small):
    settings = small(env_id)
    envs = make_envs(env_id, settings.env, [0, 1, 2, 3])
    model = TrainState.fresh(settings, envs.spaces).model
    start = Live(envs.reset(), Carry.start(4))
    rollout, _ = collect([envs], model, [start], 8, settings.options, Generators.seeded(0))
    values = evaluate_rollout(model, rollout, settings.options)
    batch = Batch.of(rollout, advantages(rollout, values, settings.learning))
    dtypes = {name: x.dtype for name, x in (batch.tensors() | vars(values)).items() if x.is_floating_point()}
    assert dtypes.pop("obs") == (torch.float64 if env_id == "Hopper-v5" else torch.float32)
    assert set(dtypes.values()) == {torch.float32}
    envs.close()


@pytest.mark.parametrize(("color", "low", "high"), [(0.0, -0.15, 0.15), (1.0, 0.4, 1.0)])
def test_the_noise_of_a_training_lasts_where_it_is_told_to(small, monkeypatch, color, low, high):
    rollouts = []

    def watched(*args):
        rollouts.append(collect(*args))
        return rollouts[-1]

    monkeypatch.setattr(train, "collect", watched)
    oc.OptionCritic.from_settings(small("Pendulum-v1", rollout_length=200, noise_color=color)).learn(400)
    # an untrained policy hardly depends on where it is: what follows upon what is the noise's
    (action, *_) = (rollout.decision.action.flatten(1).numpy() for rollout, _ in rollouts)
    assert low < np.corrcoef(action[:-1].flatten(), action[1:].flatten())[0, 1] < high


def test_each_option_has_noise_of_its_own_colour(small, monkeypatch):
    rollouts = []

    def watched(*args):
        rollouts.append(collect(*args))
        return rollouts[-1]

    monkeypatch.setattr(train, "collect", watched)
    settings = small(
        "Pendulum-v1", rollout_length=200, num_options=3, noise_color_first=0.0, noise_color=2.0, initial_beta=0.02
    )
    assert settings.learning.noise_colors(3) == (0.0, 1.0, 2.0)
    oc.OptionCritic.from_settings(settings).learn(1600)
    found = [[], [], []]
    for rollout, _ in rollouts:
        action, option = (x.flatten(1).numpy() for x in (rollout.decision.action, rollout.decision.option))
        for k, pairs in enumerate(found):
            both = (option[:-1] == k) & (option[1:] == k)
            pairs += zip(action[:-1][both], action[1:][both], strict=True)
    white, pink, red = (np.corrcoef(np.array(pairs).T)[0, 1] for pairs in found)
    assert abs(white) < 0.15 and 0.35 < pink < 0.85 and red > 0.9


def test_colours_lie_evenly_and_are_those_of_one_option_where_there_is_one():
    learning = DACSettings(noise_color_first=1.0, noise_color=0.0)
    assert learning.noise_colors(5) == (1.0, 0.75, 0.5, 0.25, 0.0) and learning.noise_colors(1) == (0.0,)
    assert DACSettings(noise_color=1.0).noise_colors(3) == (1.0,)
    with pytest.raises(InputError, match="noise_color_first must lie in"):
        DACSettings(noise_color_first=-1.0)


def test_options_of_one_colour_draw_what_all_draw(small, monkeypatch):
    """So that trainings of before repeat, to the bit."""
    weights = []
    for first in (None, 1.0):
        agent = oc.OptionCritic.from_settings(small("Pendulum-v1", noise_color=1.0, noise_color_first=first))
        weights.append(agent.learn(200).state.model.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(("color", "low", "high"), [(0.0, -0.15, 0.15), (1.0, 0.4, 1.0)])
def test_noise_lasts_from_update_to_update(monkeypatch, color, low, high):
    """Of what learns from replay, rows are collected a few at a time."""
    rows = []

    def watched(*args, **more):
        found = collect(*args, **more)
        rows.append(found[0].decision.action[..., 0].numpy())
        return found

    monkeypatch.setattr(off_policy, "collect", watched)
    agent = oc.OptionCritic(
        "Pendulum-v1", algorithm="sac_oc", num_envs=4, hidden_dim=8, rollout_length=100, update_every=3,
        learning_starts=1000, minibatch_size=8, noise_color=color,
    )  # fmt: skip
    agent.learn(400)
    assert [len(x) for x in rows] == [3] * 33 + [1]
    action = np.concatenate(rows)
    assert action[:99:3].std(0).min() > 0.5 * action.std(0).max()  # no portion begins with the noise of another
    assert low < np.corrcoef(action[:-1].flatten(), action[1:].flatten())[0, 1] < high

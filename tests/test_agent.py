"""The public face."""

import gymnasium as gym
import numpy as np
import pytest
import torch

import option_critic as oc
from option_critic.settings import UnknownSettingError
from option_critic.spaces import UnsupportedSpaceError


def test_presets_and_overrides():
    agent = oc.OptionCritic("Meta-World/pick-place-v3", num_options=4, seed=3, gamma=0.9)
    s = agent.settings
    assert (s.options.num_options, s.seed, s.learning.gamma, s.env.num_envs) == (4, 3, 0.9, 32)
    assert oc.OptionCritic("pick-place").settings.env_id == "Meta-World/pick-place-v3"
    named = oc.OptionCritic("CartPole-v1", option_names=("left", "right", "rest"))
    assert named.settings.options.num_options == 3 and named.option_names == ("left", "right", "rest")


def test_predict_one_observation():
    agent = oc.OptionCritic("Meta-World/pick-place-v3", option_names=("reach", "grasp", "move"), seed=0)
    obs = np.random.default_rng(0).normal(size=39)
    action, state = agent.predict(obs, deterministic=True)
    assert action.shape == (4,) and action.dtype == np.float32
    assert state.option_name == ("reach", "grasp", "move")[state.option]
    again, held = agent.predict(obs, state=state, deterministic=True)  # the preset holds an action for two steps
    assert held.option == state.option and held.carry.option_age.item() == 1 and not held.held.made.any()
    third, later = agent.predict(obs, state=held, deterministic=True)
    assert later.option == state.option and later.carry.option_age.item() == 2 and later.held.made.all()
    assert np.array_equal(action, again) and np.array_equal(action, third)


def test_predict_a_batch_equals_each_alone():
    agent = oc.OptionCritic("Pendulum-v1", seed=0)
    obs = np.random.default_rng(0).normal(size=(5, 3))
    actions, state = agent.predict(obs, deterministic=True)
    assert actions.shape == (5, 1) and state.option.shape == (5,) and len(state.option_name) == 5
    for i in range(5):
        one, single = agent.predict(obs[i], deterministic=True)
        np.testing.assert_allclose(one, actions[i], atol=1e-6)
        assert single.option == state.option[i]


def test_actions_are_in_the_units_of_the_environment():
    agent = oc.OptionCritic("Pendulum-v1", seed=0, initial_log_std=3.0)
    actions, _ = agent.predict(np.zeros((500, 3)))
    assert actions.max() == 2 and actions.min() == -2  # Pendulum's bounds
    action, _ = oc.OptionCritic("CartPole-v1").predict(np.zeros(4))
    assert gym.make("CartPole-v1").action_space.contains(action)


def test_episode_start_forgets_the_option():
    agent = oc.OptionCritic("Pendulum-v1", seed=0)
    with torch.no_grad():
        agent.state.model.mu_head.bias.copy_(torch.tensor([-5.0, 5.0]))
        agent.state.model.beta_head.bias.fill_(-9.0)
    obs = np.zeros((2, 3))
    _, state = agent.predict(obs, deterministic=True)
    assert state.option.tolist() == [1, 1]
    with torch.no_grad():
        agent.state.model.mu_head.bias.copy_(torch.tensor([5.0, -5.0]))
    _, later = agent.predict(obs, state, episode_start=[False, True], deterministic=True)
    assert later.option.tolist() == [1, 0]
    with pytest.raises(ValueError, match="state is for 2 observations, got 3"):
        agent.predict(np.zeros((3, 3)), state)
    with pytest.raises(ValueError, match=r"must have the shape \(3,\), or \(B, 3\) for a batch, got \(4,\)"):
        agent.predict(np.zeros(4))


class Reacher(gym.Env):
    """A Dict observation, as goal environments have."""

    observation_space = gym.spaces.Dict(
        {"observation": gym.spaces.Box(-1, 1, (3,)), "desired_goal": gym.spaces.Box(-1, 1, (2, 1))}
    )
    action_space = gym.spaces.Discrete(2, start=5)

    def observe(self):
        return {"observation": np.full(3, self.t, np.float32), "desired_goal": np.full((2, 1), -1, np.float32)}

    def reset(self, *, seed=None, options=None):
        self.t = 0
        return self.observe(), {}

    def step(self, action):
        assert action in (5, 6)
        self.t += 1
        return self.observe(), 1.0, self.t == 3, False, {}


def test_dict_observations_are_flattened_in_the_order_of_their_keys(small):
    gym.register("DictReacher-v0", Reacher)
    try:
        agent = oc.OptionCritic.from_settings(small("DictReacher-v0")).learn()
    finally:
        del gym.registry["DictReacher-v0"]
    assert agent.spaces.obs_keys == ("desired_goal", "observation")
    env = Reacher()
    obs, _ = env.reset()
    assert agent.spaces.flatten(obs, batched=False).tolist() == [-1, -1, 0, 0, 0]
    action, _ = agent.predict(obs)
    assert action in (5, 6)
    batch = {k: np.stack([v, v]) for k, v in obs.items()}
    assert agent.predict(batch)[0].shape == (2,)
    assert agent.predict({k: v[:1] for k, v in batch.items()})[0].shape == (1,)


@pytest.mark.parametrize(
    ("env_id", "settings", "message"),
    [
        ("pick-plac", {}, "Did you mean pick-place"),
        ("CartPol-v1", {}, "Did you mean CartPole-v1"),
        ("Meta-World/pick-plase-v3", {}, "Did you mean Meta-World/pick-place-v3"),
        ("CartPole-v1", {"num_option": 3}, "Did you mean num_options"),
        ("CartPole-v1", {"num_options": 0}, r"num_options must lie in \[1, 1,000\], got 0"),
        ("CartPole-v1", {"gamma": 1.5}, r"gamma must lie in \[0, 1\], got 1.5"),
        ("CartPole-v1", {"option_names": ("a", "b"), "num_options": 3}, "2 names for num_options = 3"),
        ("CartPole-v1", {"max_option_length": 2, "min_option_length": 3}, "max_option_length must be"),
        ("CartPole-v1", {"algorithm": "ppo_co"}, "algorithm must be one of dac, ppo_oc.*Did you mean ppo_oc"),
        ("CartPole-v1", {"activation": "gelu"}, "activation must be one of"),
        ("CartPole-v1", {"lr_option": float("nan")}, "lr_option must be a finite number"),
        ("CartPole-v1", {"epochs": 2.5}, "epochs must be a whole number"),
        ("CartPole-v1", {"option_names": "reach"}, "option_names must be a list of texts, got .reach."),
        ("CartPole-v1", {"beta_floor": 0.9, "beta_ceil": 0.5}, "beta_floor and beta_ceil"),
        ("no_such_module:Env-v0", {}, "cannot be imported"),
        ("CartPole-v1", {"device": "cuda"}, "no CUDA device"),
    ],
)
def test_bad_input_is_named(env_id, settings, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=message):
        oc.OptionCritic(env_id, **settings)
    assert issubclass(UnknownSettingError, ValueError) and issubclass(UnsupportedSpaceError, ValueError)


def test_unsupported_spaces_are_named():
    gym.register("Words-v0", entry_point=Words)
    with pytest.raises(UnsupportedSpaceError, match="Words-v0: observation space"):
        oc.OptionCritic("Words-v0")


class Words(gym.Env):
    observation_space, action_space = gym.spaces.Text(5), gym.spaces.Discrete(2)


def test_set_env_goes_on_in_another_environment(small, tmp_path):
    agent = oc.OptionCritic.from_settings(small("FourRooms-v0")).learn()
    before = [p.clone() for p in agent.state.model.parameters()]
    agent.set_env("FourRooms-Moved-v0")
    assert agent.settings.env_id == "FourRooms-Moved-v0" and not agent.state.episodes.lengths
    assert all(torch.equal(a, b) for a, b in zip(before, agent.state.model.parameters(), strict=True))
    agent.save(tmp_path / "agent")  # what goes on from the file equals what goes on here
    again = oc.load(tmp_path / "agent").learn(256)
    agent.learn(256)
    assert again.settings.env_id == "FourRooms-Moved-v0" and again.num_timesteps == agent.num_timesteps == 512
    assert all(torch.equal(a, b) for a, b in zip(again.state.model.parameters(), agent.state.model.parameters(),
                                                 strict=True))  # fmt: skip
    with pytest.raises(ValueError, match="CartPole-v1 does not fit this agent: observations have the shape"):
        agent.set_env("CartPole-v1")
    assert agent.settings.env_id == "FourRooms-Moved-v0"


def test_load_needs_no_simulator(small, tmp_path):
    """A saved Meta-World agent loads and predicts where neither Meta-World nor EnvPool can be imported."""
    import subprocess
    import sys

    oc.OptionCritic("Meta-World/pick-place-v3").save(tmp_path / "agent")
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['envpool', 'metaworld', 'mujoco']));"
        "import option_critic as oc, numpy as np;"
        f"print(oc.load({str(tmp_path / 'agent')!r}).predict(np.zeros(39))[0].shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "(4,)", done.stderr

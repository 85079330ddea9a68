"""Where an agent meets an environment their spaces are compared, in full, before anything is done."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete

import option_critic as oc
from option_critic.errors import InputError
from option_critic.evaluation.diagnosis import study
from option_critic.evaluation.evaluate import evaluate
from option_critic.spaces import Spaces

MATRIX, VECTOR = Box(-1, 1, (2, 3)), Box(-2, 2, (2,))


class Changing(gym.Env):
    """Three steps; its spaces are what the test says."""

    made = 0

    def __init__(self, seen, does):
        Changing.made += 1
        self.observation_space, self.action_space = seen, does

    def observe(self):
        space = self.observation_space
        if isinstance(space, Dict):
            return {key: np.zeros(part.shape, np.float32) for key, part in space.spaces.items()}
        return np.zeros(space.shape, np.float32)

    def reset(self, *, seed=None, options=None):
        self.t = 0
        return self.observe(), {}

    def step(self, action):
        assert self.action_space.contains(action) and getattr(action, "dtype", None) == self.action_space.dtype
        self.t += 1
        return self.observe(), 1.0, self.t == 3, False, {}


@pytest.fixture
def becomes():
    """Register the environment with these spaces, in the place of what it was."""

    def register(seen=MATRIX, does=VECTOR):
        gym.registry.pop("Changing-v0", None)
        gym.register("Changing-v0", lambda: Changing(seen, does))

    yield register
    gym.registry.pop("Changing-v0", None)


@pytest.fixture
def trained(becomes, small, tmp_path):
    """Half a run, and what was saved of it."""
    becomes()
    agent = oc.OptionCritic.from_settings(small("Changing-v0", num_envs=2))
    agent.learn(64, callback=lambda *_: False, run_folder=tmp_path / "run")
    agent.save(tmp_path / "agent")
    return agent


GOALS = Dict({"a": Box(-1, 1, (3,)), "b": Box(-1, 1, (3,))})
CHANGES = {
    "bounds": ({"does": Box(np.float32([-2, -1]), np.float32([2, 1]))},
               r"action 1 has bounds \[-1, 1\], the agent was trained with \[-2, 2\]"),
    "one bound": ({"does": Box(-2, np.float32([2, np.inf]), (2,))}, r"action 1 has bounds \[-2, inf\]"),
    "number of actions": ({"does": Box(-2, 2, (3,))}, "actions are vectors of 3 numbers, the agent .* vectors of 2"),
    "kind of actions": ({"does": Discrete(2)}, "actions are 2 choices from 0 on, the agent was trained with vectors"),
    "turned": ({"seen": Box(-1, 1, (3, 2))}, r"observations have the shape \(3, 2\), the agent .* with \(2, 3\)"),
    "flat": ({"seen": Box(-1, 1, (6,))}, r"observations have the shape \(6,\), the agent was trained with \(2, 3\)"),
    "size": ({"seen": Box(-1, 1, (2, 4))}, r"observations have the shape \(2, 4\)"),
    "keys": ({"seen": GOALS}, "observations are a dict of a, b, the agent was trained with an array"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_named(change, trained, becomes):
    spaces, words = CHANGES[change]
    before = {name: x.clone() for name, x in trained.state.model.state_dict().items()}
    becomes(**spaces)
    with pytest.raises(InputError, match=f"Changing-v0 does not fit this agent: {words}"):
        trained.learn(64)
    assert all(x.equal(before[name]) for name, x in trained.state.model.state_dict().items())


@pytest.mark.parametrize(
    ("then", "now", "words"),
    [
        (Discrete(2), Discrete(3), "actions are 3 choices from 0 on, the agent was trained with 2 choices from 0 on"),
        (Discrete(2), Discrete(2, start=5), "actions are 2 choices from 5 on"),
    ],
)
def test_choices_are_counted_from_where_they_were(then, now, words, becomes, small):
    becomes(does=then)
    agent = oc.OptionCritic.from_settings(small("Changing-v0"))
    becomes(does=now)
    with pytest.raises(InputError, match=words):
        agent.learn(64)


@pytest.mark.parametrize(
    ("then", "now", "words"),
    [
        ({"a": 3, "b": 3}, {"a": 3, "c": 3}, "observations are a dict of a, c, the agent was trained with a dict of a"),
        ({"a": 3, "b": 4}, {"a": 4, "b": 3}, r"observations 'a' have the shape \(4,\), the agent .* with \(3,\)"),
    ],
)
def test_entries_are_compared_one_by_one(then, now, words, becomes, small):
    def goals(sizes):
        return Dict({key: Box(-1, 1, (n,)) for key, n in sizes.items()})

    becomes(seen=goals(then))
    agent = oc.OptionCritic.from_settings(small("Changing-v0"))
    becomes(seen=goals(now))
    with pytest.raises(InputError, match=words):
        agent.learn(64)


WAYS = {
    "learn": lambda agent, folder: agent.learn(64),
    "learn into a run": lambda agent, folder: agent.learn(64, run_folder=folder / "run", overwrite=True),
    "set_env": lambda agent, folder: agent.set_env("Changing-v0"),
    "load": lambda agent, folder: oc.load(folder / "agent").learn(64),
    "load, into a run": lambda agent, folder: oc.load(folder / "agent").learn(64, run_folder=folder / "other"),
    "resume": lambda agent, folder: oc.resume(folder / "run"),
    "evaluate": lambda agent, folder: evaluate(agent, num_episodes=2),
    "diagnose": lambda agent, folder: study(agent, "D", 2, 1, with_ablations=False),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_an_environment_compares(way, trained, becomes, tmp_path):
    becomes(does=Box(-1, 2, (2,)))
    there = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=r"action 0 has bounds \[-1, 2\], the agent was trained with \[-2, 2\]"):
        WAYS[way](trained, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == there


def test_comparing_makes_no_further_environment(trained):
    made = Changing.made
    trained.learn(64)
    assert Changing.made == made + trained.settings.env.num_envs


def test_actions_arrive_in_the_dtype_of_their_space(becomes, small, tmp_path):
    """The environment itself asserts it, and that they lie within bounds that float32 does not hold."""
    low, high = np.array([0.1, -0.7]), np.array([0.7, 1.1])
    becomes(does=Box(low, high, dtype=np.float64))
    agent = oc.OptionCritic.from_settings(small("Changing-v0", initial_log_std=2.0)).learn(64)
    evaluate(agent, num_episodes=2, modes=("stochastic",))
    agent.save(tmp_path / "agent")
    action, _ = oc.load(tmp_path / "agent").predict(np.zeros((500, 2, 3)))
    assert action.dtype == np.float64 and (action >= low).all() and (action <= high).all()
    assert set(action.min(0)) == set(low) and set(action.max(0)) == set(high)


def test_another_dtype_of_actions_is_no_other_space(trained, becomes):
    becomes(does=Box(-2.0, 2.0, (2,), np.float64))
    trained.learn(64)
    assert trained.spaces.action_dtype == "float64"
    assert trained.predict(np.zeros((2, 3)))[0].dtype == np.float64


def test_an_older_checkpoint_is_compared_by_what_it_says(trained, becomes):
    said = trained.spaces.to_dict()
    older = Spaces.from_dict({name: x for name, x in said.items() if name not in ("obs_shapes", "action_dtype")})
    assert older.parts == () and older.action_dtype == "float32"
    trained.state.spaces = older
    assert trained.predict(np.zeros((2, 3)))[0].shape == (2,) and trained.predict(np.zeros((4, 2, 3)))[0].shape == (
        4,
        2,
    )
    with pytest.raises(InputError, match=r"must be 6 numbers, or B times so many, got the shape \(2, 4\)"):
        trained.predict(np.zeros((2, 4)))
    becomes(seen=Box(-1, 1, (2, 4)))
    with pytest.raises(InputError, match="observations are 8 numbers, the agent was trained with 6"):
        trained.learn(64)
    becomes()
    assert trained.learn(64).spaces.to_dict() == said  # what it has met it knows

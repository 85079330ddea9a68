"""Every kind of action: read, learned, taken, saved and compared."""

import dataclasses
import json
from pathlib import Path

import gymnasium as gym
import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Graph, MultiBinary, MultiDiscrete, Sequence, Text, Tuple
from hypothesis import given, settings
from hypothesis import strategies as st

import option_critic as oc
from option_critic.envs.contract import env_seeds
from option_critic.envs.source import Source
from option_critic.errors import InputError, UnsupportedSpaceError
from option_critic.evaluation import bench
from option_critic.evaluation.evaluate import EVALUATION_SEED, evaluate
from option_critic.report.replay import replay
from option_critic.settings import Settings
from option_critic.spaces import Spaces, check_fit

KINDS = ["MultiDiscrete", "MultiDiscreteTable", "MultiBinary", "MultiBinaryTable", "Matrix", "Scalar", "Whole"]
SEEN = Box(-1, 1, (3,))
few = settings(max_examples=40, deadline=None, derandomize=True, database=None)


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def kind(name):
    return f"kinds:Kinds/{name}-v0"


def weights(agent):
    return {name: x.clone() for name, x in agent.state.model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(x.equal(other[name]) for name, x in one.items())


def untrained(space, **changes):
    """An agent that has met no environment, with actions that often leave their bounds."""
    agent = oc.OptionCritic.__new__(oc.OptionCritic)
    chosen = Settings(env_id="Pendulum-v1").override(hidden_dim=4, initial_log_std=1.0, **changes)
    agent._restore(chosen, Source("Pendulum-v1"), Spaces.of(SEEN, space, "x"))
    return agent


SHAPES = arrays.array_shapes(min_dims=0, max_dims=2, max_side=3)
HIGHEST = {"float16": 1e3, "float32": 1e6, "float64": 1e6}


@st.composite
def boxes(draw):
    dtype = np.dtype(draw(st.sampled_from([*HIGHEST, "int8", "int64", "uint8", "uint64", "bool"])))
    shape = draw(SHAPES)
    if dtype.kind == "f":
        high = float(np.array(HIGHEST[dtype.name], dtype))
        numbers = st.floats(-high, high, width=8 * dtype.itemsize) | st.sampled_from([-np.inf, np.inf, 0.0])
    elif dtype.kind == "b":
        numbers = st.booleans()
    else:
        numbers = st.integers(np.iinfo(dtype).min, np.iinfo(dtype).max) | st.integers(0, 9)
        if dtype.kind == "i" and draw(st.booleans()):
            return Box(-np.inf, draw(st.sampled_from([np.inf, 3])), shape, dtype)
    one, other = (draw(arrays.arrays(dtype, shape, elements=numbers)) for _ in range(2))
    low, high = np.minimum(one, other), np.maximum(one, other)
    nothing = (low == high) & ~np.isfinite(low) if dtype.kind == "f" else np.zeros(shape, bool)
    return Box(np.where(nothing, 0, low).astype(dtype), np.where(nothing, 1, high).astype(dtype), dtype=dtype)


@st.composite
def choices(draw):
    if draw(st.booleans()):
        return MultiBinary(draw(SHAPES))
    shape = draw(SHAPES)
    counts = draw(arrays.arrays(np.int64, shape, elements=st.integers(1, 5)))
    starts = draw(arrays.arrays(np.int64, shape, elements=st.integers(-3, 3)))
    return MultiDiscrete(counts, start=starts, dtype=draw(st.sampled_from([np.int8, np.int32, np.int64])))


SPACES = boxes() | choices() | st.builds(Discrete, st.integers(1, 5), start=st.integers(-3, 3))


@few
@given(SPACES)
def test_whatever_an_agent_does_lies_in_the_space(space):
    agent = untrained(space)
    obs = np.random.default_rng(0).normal(size=(40, 3))
    for deterministic in (False, True):
        batch, _ = agent.predict(obs, deterministic=deterministic)
        assert batch.shape == (40, *space.shape) and (batch.dtype == space.dtype or isinstance(space, Discrete))
        rows = [agent.predict(row, deterministic=deterministic)[0] for row in obs[:3]]
        assert all(space.contains(action) for action in rows)
        assert all(space.contains(np.asarray(action)) for action in batch)
    np.testing.assert_allclose(np.stack(rows), batch[:3], rtol=1e-3, atol=1e-5)  # the deterministic ones
    one = agent.predict(obs[:1], deterministic=True)[0]
    assert one.shape == (1, *space.shape) and np.array_equal(one[0], rows[0])


@few
@given(SPACES)
def test_spaces_round_trip(space):
    made = Spaces.of(SEEN, space, "x")
    again = Spaces.from_dict(json.loads(json.dumps(made.to_dict(), allow_nan=False)))
    assert again == made and again.env_shape == space.shape
    check_fit(again, made, "x")


def test_numbers_are_stretched_to_their_bounds_and_rounded_where_they_must_be():
    matrix = Spaces.of(
        SEEN, Box(np.float64([[-1, 0], [2, -np.inf]]), np.float64([[1, 8], [np.inf, 7]]), dtype=float), "x"
    )
    done = np.array([[[0.5, 0.5, 1.0, 9.0], [-3.0, -3.0, 3.0, 3.0]]])
    assert matrix.to_env(done).tolist() == [[[[0.5, 6], [2, 7]], [[-1, 0], [3, 3]]]]
    whole = Spaces.of(SEEN, Box(-3, 10, (3,), np.int16), "x")
    assert whole.to_env(np.array([[-0.99, 0.0, 5.0]])).tolist() == [[-3, 4, 10]]
    assert whole.to_env(np.full((1, 3), np.nan)).tolist() == [[-3] * 3]
    half = Spaces.of(SEEN, Box(-np.inf, 3, (3,), np.int32), "x")
    assert half.to_env(np.array([[9.0, -2.2, -1e20]])).tolist() == [[3, -2, -(2**31)]]


def test_bounds_that_no_float_equals_are_not_passed():
    space = Box(-(2**60) - 200, 2**60 + 200, (1,), np.int64)
    done = Spaces.of(SEEN, space, "x").to_env(np.array([[-9.0], [9.0]]))
    assert [space.contains(x) for x in done] == [True, True] and done[1] > 2**60 - 1000


@pytest.mark.parametrize("bounds", [(1e-30, 1e30), (-1e30, 1e-30), (0.1, 0.7), (3, 3), (0, np.inf), (-np.inf, 2)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_ends_of_the_bounds_are_within_them(bounds, dtype):
    with np.errstate(over="ignore"):
        low, high = np.array(bounds).astype(dtype)
    spaces = Spaces.of(SEEN, Box(low, high, (1,), np.dtype(dtype)), "x")
    done = spaces.to_env(np.array([[-9.0], [-1.0], [1.0], [9.0]], np.float32))
    assert (done >= low).all() and (done <= high).all()


def test_choices_are_counted_from_their_starts():
    spaces = Spaces.of(SEEN, MultiDiscrete([[2, 3], [1, 2]], start=[[0, -1], [7, 0]]), "x")
    assert spaces.policy_shape == (4,) and spaces.action_size == 8
    assert spaces.to_env(np.array([[1, 0, 0, 1]])).tolist() == [[[1, -1], [7, 1]]]


@pytest.mark.parametrize("algorithm", ["dac", "ppo_oc"])
@pytest.mark.parametrize("name", KINDS)
def test_it_trains_and_is_judged(name, algorithm, small):
    """The environment asserts that actions lie within its space, and are arrays of its dtype."""
    agent = oc.OptionCritic.from_settings(small(kind(name), algorithm=algorithm, num_options=2, action_repeat=2))
    before, seen = weights(agent), []
    agent.learn(128, callback=lambda _, metrics: seen.append(metrics))
    assert not same(before, weights(agent)) and 0 <= seen[-1]["option/divergence"] <= 1
    assert ("train/std" in seen[-1]) == ("rollout/clipped_actions" in seen[-1]) == (not agent.spaces.discrete)
    for result in evaluate(agent, num_episodes=2, modes=("deterministic", "stochastic")):
        assert result.trace.action.shape[2] == np.prod(agent.spaces.policy_shape)


@pytest.mark.parametrize("name", KINDS)
def test_a_recorded_episode_is_replayed(name, small):
    agent = oc.OptionCritic.from_settings(small(kind(name), initial_log_std=1.0))
    (result,) = evaluate(agent, num_episodes=1, modes=("stochastic",))
    env = gym.make(kind(name))
    short = dataclasses.replace(result.trace, action=result.trace.action.astype(np.float32))  # as files keep it
    assert list(replay(env, short, 0, 8, env_seeds(EVALUATION_SEED, 0, 1)[0])) == list(range(8))


@pytest.mark.parametrize("name", ["MultiDiscreteTable", "Matrix"])
def test_what_is_saved_goes_on_as_it_was(name, small, tmp_path):
    settings = small(kind(name))
    whole = oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path / "whole")
    oc.OptionCritic.from_settings(settings).learn(
        callback=lambda agent, _: agent.num_timesteps < 128, run_folder=tmp_path / "half"
    )
    assert same(weights(oc.resume(tmp_path / "half")), weights(whole))
    whole.save(tmp_path / "agent")
    loaded = oc.load(tmp_path / "agent")
    obs = np.eye(3)
    assert loaded.spaces == whole.spaces
    assert np.array_equal(loaded.predict(obs)[0], oc.load(tmp_path / "whole").predict(obs)[0])
    assert same(weights(loaded.learn(64)), weights(oc.load(tmp_path / "whole").learn(64)))


def test_a_state_fits_its_own_agent_only():
    three, other = untrained(MultiDiscrete([2, 2, 2])), untrained(MultiDiscrete([2, 2]))
    obs, (_, state) = np.zeros(3), three.predict(np.zeros(3))
    assert three.predict(obs, state)[0].shape == (3,)
    for agent in (other, untrained(Box(-1, 1, (3,))), untrained(MultiDiscrete([1, 1, 1]))):
        state = dataclasses.replace(
            state,
            held=dataclasses.replace(
                state.held, choice=dataclasses.replace(state.held.choice, action=np.ones((1, 3), int))
            ),
        )
        with pytest.raises(InputError, match="state comes from another agent"):
            agent.predict(obs, state)


def test_actions_of_pendulum_reach_beyond_one(small):
    agent = oc.OptionCritic.from_settings(small("Pendulum-v1", initial_log_std=1.0)).learn(64)
    (result,) = evaluate(agent, num_episodes=1, modes=("stochastic",))
    assert result.trace.action.min() == -2 and result.trace.action.max() == 2
    assert (np.abs(result.trace.action) > 1).mean() > 0.3


@pytest.mark.parametrize("algorithm", ["dac", "ppo_oc"])
def test_the_right_combination_is_learned(algorithm, small):
    rates = {"lr_option": 0.03, "lr_critic": 0.03, "gamma": 0.0, "normalize_observation": False}
    size = {"num_envs": 8, "rollout_length": 64, "minibatch_size": 128, "epochs": 4}
    agent = oc.OptionCritic.from_settings(small(kind("Combination"), algorithm=algorithm, **rates, **size))
    (before,) = evaluate(agent, num_episodes=50, modes=("stochastic",))
    agent.learn(3072)
    (after,) = evaluate(agent, num_episodes=50, modes=("stochastic",))
    assert before.summary["return"].value < 2  # chance is paid 8 / 9
    assert after.summary["return"].value > 6.5  # of 8


@pytest.mark.parametrize("name", ["MultiDiscreteTable", "Matrix"])
def test_speed_is_measured_with_random_actions(name, small):
    settings = small(kind(name))
    with bench.bare(settings) as block:
        assert block() == 64
    assert bench.replay(settings, bench.TrainState.fresh(settings, bench.spaces_of(kind(name))), rollouts=1) > 0


NESTED = {
    "Dict": Dict({"a": Discrete(2)}),
    "Tuple": Tuple((Discrete(2), Box(0, 1, (2,)))),
    "Text": Text(5),
    "Sequence": Sequence(Discrete(2)),
    "Graph": Graph(Discrete(2), None),
}


@pytest.mark.parametrize("name", NESTED)
def test_what_is_not_supported_is_named(name):
    with pytest.raises(UnsupportedSpaceError, match=f"x: action space {name}.* as it is a {name}; wrap the environ"):
        Spaces.of(SEEN, NESTED[name], "x")


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (MultiDiscrete([10**6, 2]), "2 times up to 1,000,000 choices are too many, 1,000,000 are the most"),
        (MultiDiscrete(np.zeros((0, 2), int) + 1), "has no action: size 0"),
        (MultiDiscrete([2], start=[2**63], dtype=np.uint64), "some choices have numbers that uint64 does not hold"),
    ],
    ids=range(3),
)
def test_choices_that_cannot_be_made_are_named(space, words):
    with pytest.raises(UnsupportedSpaceError, match=words):
        Spaces.of(SEEN, space, "x")


TABLE = np.array([[3, 2], [1, 4]])
OTHERS = [
    (MultiDiscrete(TABLE), MultiDiscrete(TABLE.T), r"choice \[0, 1\] is one of 1 from 0 on, .* one of 2 from 0 on"),
    (MultiDiscrete(TABLE), MultiDiscrete(TABLE.ravel()), r"actions are 4 choices at once, .* arrays of choices"),
    (MultiDiscrete([2, 2]), MultiDiscrete([2, 2], start=[0, 1]), "choice 1 is one of 2 from 1 on, .* of 2 from 0 on"),
    (MultiDiscrete([2, 2]), Discrete(4), "actions are 4 choices from 0 on, .* trained with 2 choices at once"),
    (MultiDiscrete([2, 3]), MultiBinary(2), "choice 1 is one of 2 from 0 on, .* one of 3 from 0 on"),
    (Box(-1, 1, (2, 3)), Box(-1, 1, (3, 2)), r"arrays of numbers of shape \(3, 2\), .* of shape \(2, 3\)"),
    (Box(-1, 1, (6,)), Box(-1, 1, (2, 3)), r"arrays of numbers of shape \(2, 3\), .* vectors of 6 numbers"),
    (Box(-1, 1, (1,)), Box(-1, 1, ()), r"arrays of numbers of shape \(\), .* vectors of 1 numbers"),
    (Box(-1, 1, (2, 2)), Box(np.float32([[-1, -1], [-2, -1]]), np.ones((2, 2), "f")), r"action \[1, 0\] has bounds"),
    (Box(-1, 1, (2,)), Box(-1, 1, (2,), np.int8), "vectors of 2 whole numbers, .* vectors of 2 numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("then", "now", "words"), OTHERS, ids=range(len(OTHERS)))
def test_other_actions_are_named(then, now, words):
    then, now = (Spaces.of(SEEN, space, "x") for space in (then, now))
    with pytest.raises(InputError, match=f"x does not fit this agent: .*{words}"):
        check_fit(then, now, "x")


def test_bits_are_choices_of_two_and_dtypes_may_differ():
    check_fit(Spaces.of(SEEN, MultiBinary(2), "x"), Spaces.of(SEEN, MultiDiscrete([2, 2]), "x"), "x")


FACTORS = Spaces.of(SEEN, MultiDiscrete([3, 2], start=[0, -1]), "x").to_dict()
NUMBERS = Spaces.of(SEEN, Box(-1, 1, (2, 3), np.int8), "x").to_dict()
CHANGED = {
    "another sum": (FACTORS, {"action_size": 6}, "counts of choices must be positive and 6 in all"),
    "no choice": (FACTORS, {"action_factors": [5, 0]}, "counts of choices must be positive"),
    "a start too few": (FACTORS, {"action_starts": [0]}, "each choice needs a count and a start"),
    "starts only": (FACTORS, {"action_factors": []}, "each choice needs a count and a start"),
    "real choices": (FACTORS, {"action_dtype": "float32"}, "each choice needs a count and a start, and whole numbers"),
    "numbers with factors": (FACTORS, {"discrete": False}, "each choice needs a count and a start"),
    "two starts": (FACTORS, {"action_start": 1}, "each choice needs a count and a start"),
    "a start of 10^30": (FACTORS, {"action_starts": [0, 10**30]}, "numbers that int64 does not hold"),
    "too many": (FACTORS, {"action_size": 10**7, "action_factors": [10**7 - 1, 1]}, "are too many"),
    "bounds of choices": (FACTORS, {"action_low": [0.0]}, "must be 0 bounds each"),
    "another shape": (FACTORS, {"action_shape": [3]}, r"action_shape must agree with the size of actions, got \(3,\)"),
    "a negative shape": (NUMBERS, {"action_shape": [-2, -3]}, "action_shape must agree"),
    "a shape of text": (NUMBERS, {"action_shape": "6"}, "action_shape must be a list of whole numbers or none"),
    "a shape for one choice": (NUMBERS, {"action_shape": []}, "action_shape must agree"),
    "half a bound": (NUMBERS, {"action_low": [-0.5] * 6}, "whole numbers that fit int8"),
    "a high bound": (NUMBERS, {"action_high": [128.0] * 6}, "whole numbers that fit int8"),
    "complex numbers": (NUMBERS, {"action_dtype": "complex64"}, "action_dtype must be one of float16"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGED)
def test_numbers_that_do_not_belong_together_are_refused(name):
    said, changes, words = CHANGED[name]
    assert Spaces.from_dict(said).to_dict() == Spaces.from_dict(json.loads(json.dumps(said))).to_dict()
    with pytest.raises(InputError, match=words):
        Spaces.from_dict(said | changes)

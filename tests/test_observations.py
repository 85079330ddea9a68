"""What `predict` takes as an observation, and what it names instead of acting on it."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict

import option_critic as oc
from option_critic.errors import InputError


class Seen(gym.Env):
    """Never stepped."""

    action_space = Box(-1, 1, (2,))

    def __init__(self, space):
        self.observation_space = space


SPACES = {
    "vector": Box(-1, 1, (3,)),
    "matrix": Box(-1, 1, (2, 3)),
    "number": Box(-1, 1, ()),
    "dict": Dict({"a": Box(-1, 1, (3,)), "b": Box(-1, 1, (2, 1))}),
    "alike": Dict({"a": Box(-1, 1, (2,)), "b": Box(-1, 1, (4,))}),
}


@pytest.fixture(scope="module")
def agents():
    made = {}
    for name, space in SPACES.items():
        gym.register("Seen-v0", lambda space=space: Seen(space))
        try:
            made[name] = oc.OptionCritic("Seen-v0", hidden_dim=8)
        finally:
            del gym.registry["Seen-v0"]
    return made


A, B = np.full(3, 0.5), np.full((2, 1), -0.5)
TENSOR = torch.full((3,), 0.5)
TAKEN = {
    "array": ("vector", A),
    "float32": ("vector", A.astype(np.float32)),
    "list": ("vector", [0.5, 0.5, 0.5]),
    "tuple": ("vector", (0.5, 0.5, 0.5)),
    "tensor": ("vector", TENSOR),
    "tensor with a gradient": ("vector", TENSOR.clone().requires_grad_()),
    "what a network says": ("vector", torch.nn.Identity()(TENSOR.clone().requires_grad_()) * 1),
    "tensor of bfloat16": ("vector", TENSOR.bfloat16()),
    "batch of one": ("vector", A[None]),
    "a number": ("number", 0.5),
    "numbers": ("number", [0.5, 0.5]),
    "dict": ("dict", {"b": B, "a": A}),
    "dict of tensors": ("dict", {"a": TENSOR.clone().requires_grad_(), "b": torch.from_numpy(B)}),
    "dict with more in it": ("dict", {"a": A, "b": B, "more": None}),
    "batch of dicts": ("dict", {"a": A[None], "b": B[None]}),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_has_one_meaning_is_taken(name, agents):
    kind, obs = TAKEN[name]
    plain = {"vector": A, "number": np.array(0.5), "dict": {"a": A, "b": B}}[kind]
    action, _ = agents[kind].predict(obs, deterministic=True)
    expected, _ = agents[kind].predict(plain, deterministic=True)
    rows = np.atleast_2d(action)  # of several rows the last bit may differ: processors add in different orders
    np.testing.assert_allclose(rows, np.atleast_2d(expected).repeat(len(rows), 0), rtol=1e-5)


NAN = np.array([0.0, np.nan, 0.0])
REFUSED = {
    "NaN": ("vector", NAN, r"observations must be finite \(in float32\), got nan at \[1\]"),
    "infinity": ("vector", [0, 0, -np.inf], r"got -inf at \[2\]"),
    "more than float32 holds": ("vector", [1e300, 0, 0], r"got 1e\+300 at \[0\]"),
    "NaN in a batch": ("vector", np.stack([A, NAN]), r"got nan at \[1, 1\]"),
    "NaN in a dict": ("dict", {"a": NAN, "b": B}, r"observations 'a' must be finite .*, got nan at \[1\]"),
    "what reset returns": ("vector", (A, {}), "a tuple of 2 that ends in an info dict, as reset and step return it"),
    "what step returns": ("vector", (A, 1.0, False, False, {}), "a tuple of 5 that ends in an info dict"),
    "a dict, as reset returns it": ("dict", ({"a": A, "b": B}, {}), "pass its first part"),
    "nothing": ("vector", None, r"observations must be arrays of numbers, got None \(NoneType\)"),
    "text": ("vector", "left", "must be arrays of numbers, got 'left'"),
    "texts": ("vector", ["a", "b", "c"], "must be arrays of numbers, got a list of 3"),
    "ragged": ("vector", [[1, 2, 3], [1, 2]], "must be arrays of numbers, got"),
    "complex": ("vector", A * 1j, "got an array of complex128"),
    "objects": ("vector", np.array([None, 1, 2]), "got an array of object"),
    "too long": ("vector", np.zeros(4), r"must have the shape \(3,\), or \(B, 3\) for a batch, got \(4,\)"),
    "a number for a vector": ("vector", 0.5, r"shape \(3,\).*, got \(\)"),
    "two batches": ("vector", np.zeros((2, 2, 3)), r"got \(2, 2, 3\)"),
    "a column": ("vector", np.zeros((3, 1)), r"got \(3, 1\)"),
    "an empty batch": ("vector", np.zeros((0, 3)), r"got \(0, 3\)"),
    "turned": ("matrix", np.zeros((3, 2)), r"must have the shape \(2, 3\), or \(B, 2, 3\) for a batch, got \(3, 2\)"),
    "flat": ("matrix", np.zeros(6), r"got \(6,\)"),
    "batch, turned": ("matrix", np.zeros((5, 3, 2)), r"got \(5, 3, 2\)"),
    "parts swapped": ("alike", {"a": np.zeros(4), "b": np.zeros(2)}, r"observations 'a' must have the shape \(2,\)"),
    "part turned": ("dict", {"a": A, "b": B.T}, r"observations 'b' must have the shape \(2, 1\).*, got \(1, 2\)"),
    "part missing": ("dict", {"a": A, "c": B}, "must be a dict of a, b, but 'b' is missing in a dict of a, c"),
    "array for a dict": ("dict", np.zeros(5), "must be a dict of a, b, got an array of float64"),
    "dict for an array": ("vector", {"a": A}, "must be arrays of numbers, got a dict of a"),
    "one and a batch": ("dict", {"a": A, "b": B[None]}, "equally many observations, got 'a': one, 'b': 1"),
    "two batches in a dict": ("dict", {"a": np.zeros((2, 3)), "b": np.zeros((3, 2, 1))}, "got 'a': 2, 'b': 3"),
    "a part that is nothing": ("dict", {"a": None, "b": B}, "observations 'a' must be arrays of numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_observation_is_named(name, agents):
    kind, obs, words = REFUSED[name]
    with pytest.raises(InputError, match=words):
        agents[kind].predict(obs)


@pytest.mark.parametrize("start", [True, np.True_, 1, [True, False], np.array([1.0, 0.0]), torch.tensor([True, False])])
def test_starts_of_episodes(start, agents):
    _, state = agents["vector"].predict(np.zeros((2, 3)))
    _, later = agents["vector"].predict(np.zeros((2, 3)), state, episode_start=start)
    assert later.held.choice.is_first.tolist() == np.broadcast_to(np.asarray(start, bool), 2).tolist()


@pytest.mark.parametrize("start", [[True] * 3, "no", np.nan, 2, [[True, False]]])
def test_what_is_no_start_is_named(start, agents):
    with pytest.raises(InputError, match="episode_start must be true or false, or 2 of them, got"):
        agents["vector"].predict(np.zeros((2, 3)), episode_start=start)


@pytest.mark.parametrize("state", [0, (1, 2), np.zeros(2), "state"])
def test_what_is_no_state_is_named(state, agents):
    with pytest.raises(InputError, match="state must be what predict returned, or None"):
        agents["vector"].predict(A, state)


def test_a_state_of_another_agent_is_named(agents):
    _, other = oc.OptionCritic("Pendulum-v1", hidden_dim=8).predict(A)
    with pytest.raises(InputError, match="state comes from another agent"):
        agents["vector"].predict(A, other)

"""Whatever an environment shows: rows of numbers and bytes, images through an encoder."""

import json
import math
import shutil
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, Graph, MultiBinary, MultiDiscrete, Sequence, Text, Tuple
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from observation_kinds import HELD, SPACES, env_id

import option_critic as oc
from option_critic.errors import InputError, UnsupportedSpaceError
from option_critic.observations import read_observations
from option_critic.spaces import Spaces, check_fit
from option_critic.training.collect import collect, evaluate_rollout

SMALL = {"num_envs": 3, "rollout_length": 8, "minibatch_size": 12, "epochs": 1, "hidden_dim": 8, "torch_threads": 1}
IMAGES = ("image", "both", "colour frames", "frames of channels")

sizes = st.lists(st.integers(0, 3), max_size=3)
boxes = st.builds(
    lambda shape, dtype: Box(0, 200, tuple(shape), dtype), sizes, st.sampled_from([np.uint8, np.float32, np.float64])
)
choices = st.builds(
    lambda counts, start: MultiDiscrete(counts, start=[start] * len(counts)),
    st.lists(st.integers(1, 5), min_size=1, max_size=3),
    st.integers(-3, 3),
)
leaves = boxes | choices | st.builds(Discrete, st.integers(1, 6)) | st.builds(MultiBinary, st.integers(1, 4))
nested = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda spaces: Tuple(tuple(spaces)))
        | st.dictionaries(st.sampled_from(["b", "b c", "a", "b-c"]), inner, min_size=1, max_size=3).flatmap(
            lambda spaces: st.sampled_from([Dict(spaces), Dict(**spaces)])  # sorted by Gymnasium, and not
        )
    ),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(nested, st.integers(0, 100))
def test_any_space_is_flattened_as_gymnasium_does(space, seed):
    assume(gym.spaces.flatdim(space) > 0)
    spaces = Spaces.of(space, Discrete(2), "Any")
    space.seed(seed)
    samples = [space.sample() for _ in range(3)]
    rows = np.stack([spaces.flatten(sample, batched=False) for sample in samples])
    theirs = np.stack([gym.spaces.flatten(space, sample) for sample in samples]).astype(np.float64)
    assert np.array_equal(spaces.row.numbers(rows).astype(np.float64), theirs)
    assert np.array_equal(spaces.row.numbers(torch.from_numpy(rows)).double().numpy(), theirs)
    batch = gym.vector.utils.create_empty_array(space, 3)
    batch = gym.vector.utils.concatenate(space, samples, batch)
    assert np.array_equal(spaces.flatten(batch, batched=True), rows)
    assert Spaces.from_dict(json.loads(json.dumps(spaces.to_dict()))) == spaces
    read = [read_observations(sample, spaces) for sample in samples]
    assert not any(batched for _, batched in read)
    assert np.array_equal(np.concatenate([spaces.row.numbers(row).astype(np.float64) for row, _ in read]), theirs)
    all_rows, batched = read_observations(batch, spaces)
    assert batched and np.array_equal(spaces.row.numbers(all_rows).astype(np.float64), theirs)


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("algorithm", ["dac", "ppo_oc"])
def test_every_kind_trains_and_comes_back(kind, algorithm, tmp_path):
    agent = oc.OptionCritic(env_id(kind), algorithm=algorithm, num_options=2, checkpoint_every=24, **SMALL)
    agent.learn(48, run_folder=tmp_path / "run")
    whole = oc.load(tmp_path / "run", checkpoint=48).state.model.state_dict()
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "000000000048")
    for other in (agent, oc.resume(tmp_path / "run")):
        for name, value in other.state.model.state_dict().items():
            assert torch.equal(value, whole[name]), name
    space = SPACES[kind]
    space.seed(0)
    samples = [space.sample() for _ in range(4)]
    batch = gym.vector.utils.concatenate(space, samples, gym.vector.utils.create_empty_array(space, 4))
    actions, state = agent.predict(batch, deterministic=True)
    alone = [agent.predict(sample, deterministic=True) for sample in samples]
    assert actions.tolist() == [action for action, _ in alone]
    assert state.option.tolist() == [told.option for _, told in alone]


def test_bytes_stay_bytes():
    for kind, dtype in {**dict.fromkeys(("image", "both", "grid"), torch.uint8), "nested": torch.float64}.items():
        agent = oc.OptionCritic(env_id(kind), **SMALL)
        seen = []
        agent.learn(24, callback=lambda agent, _, seen=seen: seen.append(agent) or True)
        row = agent.spaces.row
        assert getattr(torch, str(row.dtype if not row.packed else np.dtype(np.uint8))) == dtype
        assert agent._running.live[0].obs.dtype == np.dtype(str(dtype).removeprefix("torch."))
    assert agent.spaces.row.width == agent.spaces.obs_size


def test_one_row_is_read_as_many_are():
    space = SPACES["grid and numbers"]  # 25 bytes lie before numbers of four bytes each
    spaces = Spaces.of(space, Discrete(2), "Any")
    rows = torch.from_numpy(np.stack([spaces.flatten(space.sample(), batched=False) for _ in range(3)]))
    assert torch.equal(torch.cat([spaces.row.numbers(row[None]) for row in rows]), spaces.row.numbers(rows))


@pytest.mark.parametrize("kind", IMAGES)
def test_images_are_read_by_one_encoder(kind):
    agent = oc.OptionCritic(env_id(kind), encoder_dim=7, **SMALL)
    model = agent.state.model
    assert model.encoder.size == 7 and agent.learn(24)
    numbers = 5 if kind == "both" else 0
    assert model.policy_trunk[0].in_features == model.critic_trunk[0].in_features == numbers + 7
    names = [name for name, _ in model.named_parameters() if name.startswith("encoder.")]
    assert len(names) == 8  # three convolutions and a layer, each with biases
    rows = agent._running.live[0].obs
    model.update_view(torch.from_numpy(rows))
    seen = model.view(torch.from_numpy(rows))
    other = rows.copy()
    place = agent.spaces.row.places[agent.spaces.row.images[0]]
    other[:, place] = 255 - other[:, place]
    assert (model.view(torch.from_numpy(other))[:, numbers:] != seen[:, numbers:]).any()
    assert torch.equal(model.view(torch.from_numpy(other))[:, :numbers], seen[:, :numbers])
    flat = oc.OptionCritic(env_id(kind), encoder="flat", **SMALL)
    assert flat.state.model.encoder is None
    assert flat.state.model.policy_trunk[0].in_features == flat.spaces.obs_size


def test_the_layers_of_mnih_and_others():
    model = oc.OptionCritic(env_id("image"), **SMALL).state.model
    shapes = [tuple(p.shape) for p in model.encoder.parameters() if p.ndim > 1]
    assert shapes == [(32, 3, 8, 8), (64, 32, 4, 4), (64, 64, 3, 3), (512, 64)]


def test_frames_of_colour_are_one_picture_wherever_their_channels_are():
    frames = SPACES["colour frames"].sample()
    last, first = (oc.OptionCritic(env_id(kind), **SMALL).state.model for kind in IMAGES[2:])
    seen = last.encoder(torch.from_numpy(frames.reshape(1, -1)))
    assert torch.equal(seen, first.encoder(torch.from_numpy(frames.transpose(0, 3, 1, 2).reshape(1, -1))))


def test_values_of_successors_are_those_of_the_next_rows(monkeypatch):
    agent = oc.OptionCritic(env_id("both"), num_options=2, encoder_dim=7, **SMALL)
    rollouts = []
    monkeypatch.setattr(agent.watch, "see", rollouts.append)
    agent.learn(48)
    model, rules = agent.state.model, agent.settings.options
    values = evaluate_rollout(model, replace(rollouts[-1], seen=None), rules)
    q, _, _ = model.values(rollouts[-1].next_obs)
    torch.testing.assert_close(values.next_q, q)
    assert (rollouts[-1].terminated | rollouts[-1].truncated).any()


def test_what_was_seen_in_acting_is_what_the_values_see():
    agent = oc.OptionCritic(env_id("both"), num_options=2, encoder_dim=7, **SMALL)
    agent.learn(24)
    model, running, rules = agent.state.model, agent._running, agent.settings.options
    rollout, _ = collect(running.groups, model, running.live, 5, rules, agent.state.generators)
    torch.testing.assert_close(rollout.seen, model.view(rollout.obs))
    again = evaluate_rollout(model, replace(rollout, seen=None), rules)
    torch.testing.assert_close(evaluate_rollout(model, rollout, rules).q, again.q)


def test_an_encoder_of_ones_own(tmp_path):
    agent = oc.OptionCritic(env_id("both"), encoder="observation_kinds:average", **SMALL)
    assert agent.state.model.encoder.size == 8
    state = torch.get_rng_state()
    again = oc.OptionCritic(env_id("both"), encoder="observation_kinds:average", **SMALL)
    assert torch.equal(state, torch.get_rng_state())
    for a, b in zip(agent.state.model.parameters(), again.state.model.parameters(), strict=True):
        assert torch.equal(a, b)
    agent.learn(24)
    agent.save(tmp_path / "agent")
    loaded = oc.load(tmp_path / "agent")
    sample = SPACES["both"].sample()
    assert loaded.predict(sample, deterministic=True)[0] == agent.predict(sample, deterministic=True)[0]


def test_an_encoder_may_hold_numbers_of_all_kinds(tmp_path):
    agent = oc.OptionCritic(env_id("both"), encoder="observation_kinds:holding", checkpoint_every=24, **SMALL)
    agent.learn(48, run_folder=tmp_path / "run")
    agent.save(tmp_path / "agent")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "000000000048")
    mine = agent.state.model.state_dict()
    assert {x.dtype for x in mine.values()} >= {torch.float32, *HELD}
    for other in (oc.load(tmp_path / "agent"), oc.resume(tmp_path / "run")):
        for name, value in other.state.model.state_dict().items():
            assert value.dtype == mine[name].dtype and torch.equal(value, mine[name]), name


@pytest.mark.parametrize("algorithm", ["dac", "sac_oc"])
def test_an_encoder_of_ones_own_says_one_thing_of_a_row(algorithm, tmp_path):
    sizes = SMALL if algorithm == "dac" else {n: x for n, x in SMALL.items() if n != "epochs"} | {"learning_starts": 9}
    agent = oc.OptionCritic(env_id("both"), encoder="observation_kinds:two_faced", algorithm=algorithm, **sizes)
    with torch.no_grad():
        for p in agent.state.model.parameters():
            p.normal_(generator=torch.Generator().manual_seed(p.numel()))
    agent.learn(48).save(tmp_path / "agent")
    model, new = agent.state.model, torch.nn.BatchNorm1d(8)
    for encoder in filter(None, (model.encoder, model.soft and model.soft.target_encoder)):
        assert all(map(torch.equal, encoder.networks[0][2].buffers(), new.buffers()))
    samples = [SPACES["both"].sample() for _ in range(4)]
    batch = {key: np.stack([sample[key] for sample in samples]) for key in samples[0]}
    state = torch.get_rng_state()
    for one in (agent, oc.load(tmp_path / "agent")):
        seen = one.state.model.view(torch.from_numpy(one.spaces.flatten(batch, batched=True)))
        for i, sample in enumerate(samples):
            alone = one.state.model.view(torch.from_numpy(one.spaces.flatten(sample, batched=False))[None])
            torch.testing.assert_close(alone[0], seen[i])
        first, again = (one.predict(batch, deterministic=True)[0].tolist() for _ in range(2))
        assert first == again == [one.predict(sample, deterministic=True)[0] for sample in samples]
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    "kind, encoder, says",
    [
        ("both", "observation_kinds:no_vectors", "must turn images \\[N, 4, 36, 38\\] into vectors"),
        ("both", "observation_kinds:no_function", "must be a class or function"),
        ("both", "observation_kinds:nothing", "must be a class or function"),
        ("both", "no_such_module_at_all:net", "cannot be imported"),
        ("both", "convolutional", "encoder must be auto, conv, flat or module:NAME"),
        ("bits", "conv", "observations hold no image"),
        ("grid", "conv", "too small for conv_layers"),
    ],
)
def test_encoders_that_do_not_fit(kind, encoder, says):
    with pytest.raises(InputError, match=says):
        oc.OptionCritic(env_id(kind), encoder=encoder, **SMALL)


def test_a_folder_imports_no_encoder(tmp_path, monkeypatch):
    agent = oc.OptionCritic(env_id("image"), encoder="observation_kinds:average", **SMALL)
    agent.save(tmp_path / "agent")
    config = json.loads((tmp_path / "agent" / "config.json").read_text())
    assert config["settings"]["model"]["encoder"] == "observation_kinds:average"
    monkeypatch.delitem(__import__("sys").modules, "observation_kinds")
    with pytest.raises(InputError, match=r"loading imports no code on its own.*--encoder observation_kinds:average"):
        oc.load(tmp_path / "agent")


@pytest.mark.parametrize(
    "space, says",
    [
        (Dict(a=Box(0, 1, (2,)), b=Text(5)), r"\['b'\] is not supported.*FilterObservation"),
        (Tuple((Discrete(2), Sequence(Discrete(2)))), r"\[1\] is not supported.*Pad it"),
        (Graph(Box(0, 1, (2,)), None), "Turn the graph into an array"),
        (Discrete(20_000_000), "comes to 20,000,000 numbers"),
        (Dict(), "holds no number"),
        (Dict({0: Box(0, 1, (2,)), 1: Box(0, 1, (2,))}), r"has the key 0 \(int\); keys must be texts"),
        (Dict(a=Dict({"b" * 301: Discrete(2)})), "keys must be texts of at most 300 characters"),
    ],
)
def test_spaces_without_a_fixed_number_of_numbers_are_refused(space, says):
    with pytest.raises(UnsupportedSpaceError, match=says):
        Spaces.of(space, Discrete(2), "Odd-v0")


def test_what_differs_is_named():
    def spaces(space):
        return Spaces.of(space, Discrete(2), "Any")

    agent = spaces(Dict(a=Discrete(3), b=Box(0, 255, (9, 9), np.uint8)))
    for other, says in (
        (Dict(a=Discrete(4), b=Box(0, 255, (9, 9), np.uint8)), "'a' are choices among 4, the agent was trained with"),
        (Dict(a=Discrete(3), b=Box(0, 255, (9, 8), np.uint8)), r"'b' have the shape \(9, 8\)"),
        (Dict(a=Discrete(3), b=Box(0, 255, (9, 9), np.float32)), "'b' are float32, the agent was trained with uint8"),
        (Dict(a=Discrete(3)), "are a dict of a, the agent was trained with a dict of a, b"),
        (Dict(b=Box(0, 255, (9, 9), np.uint8), a=Discrete(3)), "are a dict of b, a, .* with a dict of a, b, in this"),
    ):
        with pytest.raises(InputError, match=says):
            check_fit(agent, spaces(other), "Other-v0")


@pytest.mark.parametrize(
    "kind, obs, says",
    [
        ("choice", 99, "must be choices among 7 from 3 on"),
        ("tuple", (1, 2), "must be a tuple of 3"),
        ("nested", {"a": {"b": (np.zeros((2, 2)), 1)}, "z": 1.0}, "must be a dict of b, c, but 'c' is missing"),
        ("image", np.full((40, 40, 3), 0.5), "must be bytes"),
        ("both", {"image": np.zeros((4, 36, 38)), "vector": np.full(5, np.nan)}, "'vector' must be finite"),
    ],
)
def test_an_agent_does_not_act_on_garbage(kind, obs, says):
    agent = oc.OptionCritic(env_id(kind), **SMALL)
    with pytest.raises(InputError, match=says):
        agent.predict(obs)


def test_hostile_parts_of_a_folder():
    good = Spaces.of(SPACES["both"], Discrete(2), "Any").to_dict()
    part = good["obs_parts"][0]
    for change in (
        {"shape": [4, 36, -38]}, {"kind": "pickle"}, {"dtype": "object"}, {"path": [None]}, {"path": ["a"] * 99},
        {"counts": [3]}, {"shape": "x"}, {"shape": [10**9, 10**9]},
    ):  # fmt: skip
        with pytest.raises(InputError):
            Spaces.from_dict(good | {"obs_parts": [part | change, good["obs_parts"][1]]})
    with pytest.raises(InputError):
        Spaces.from_dict(good | {"obs_parts": {"a": 1}})
    assert math.prod(part["shape"]) + 5 == good["obs_size"]

"""What loading refuses: files that were changed on purpose, with checksums that are right."""

import json
import os
import pickle
import struct
import sys

import numpy as np
import pytest
import safetensors.torch
import torch

import option_critic as oc
from option_critic.runs import manifest
from option_critic.runs.files import fingerprint
from option_critic.runs.paths import RunPath
from option_critic.training.state import TrainState


def sign(folder):
    """Write a manifest in which all checksums are right."""
    found = {name: fingerprint(RunPath.of(folder) / name) for name in manifest.FILES}
    (folder / "manifest.json").write_text(json.dumps({"format_version": 1, "files": found}))


def put(file, *path_and_value):
    """A change of one value in a JSON file."""
    *path, last, value = path_and_value

    def change(folder):
        data = part = json.loads((folder / file).read_text())
        for key in path:
            part = part[key]
        part[last] = value
        (folder / file).write_text(json.dumps(data))

    return change


def drop(file, *path):
    """One value of a JSON file taken away."""

    def change(folder):
        data = part = json.loads((folder / file).read_text())
        for key in path[:-1]:
            part = part[key]
        del part[path[-1]]
        (folder / file).write_text(json.dumps(data))

    return change


def text(file, content):
    return lambda folder: (folder / file).write_text(content)


def tensors(file, **changes):
    """Tensors of a file replaced, or with None taken away."""

    def change(folder):
        there = safetensors.torch.load_file(folder / file)
        there = {name: t for name, t in (there | changes).items() if t is not None}
        safetensors.torch.save_file(there, folder / file)

    return change


def claim(file, header, data=b""):
    """A safetensors file with this header."""
    packed = json.dumps(header).encode()
    return lambda folder: (folder / file).write_bytes(struct.pack("<Q", len(packed)) + packed + data)


def setting(*path_and_value):
    return put("config.json", "settings", *path_and_value)


def space(*path_and_value):
    return put("config.json", "spaces", *path_and_value)


def counter(*path_and_value):
    return put("state.json", *path_and_value)


MODEL, LEARNING = "model.safetensors", "optimizer.safetensors"
HUGE = {"q_head.weight": {"dtype": "F32", "shape": [50_000, 50_000], "data_offsets": [0, 10_000_000_000]}}
STEP = "adam/q_head.bias/step"

REFUSED = {
    # tensors
    "lost tensor": (tensors(MODEL, **{"q_head.bias": None}), MODEL, "it lacks the tensor q_head.bias"),
    "added tensor": (tensors(MODEL, extra=torch.zeros(3)), MODEL, "it holds a tensor 'extra' besides"),
    "a name of many lines": (tensors(MODEL, **{"\n" * 900: torch.zeros(1)}), MODEL, r"a tensor '\n\n"),
    "shape": (
        tensors(MODEL, **{"q_head.bias": torch.zeros(3)}), MODEL, "q_head.bias is F32 [3], not F32 [2]",
    ),
    "dtype": (
        tensors(MODEL, **{"q_head.bias": torch.zeros(2).half()}), MODEL, "q_head.bias is F16 [2], not F32 [2]",
    ),
    "10 GB claimed": (claim(MODEL, HUGE), MODEL, "is no whole safetensors file"),
    "10 GB claimed by a slot": (claim(LEARNING, HUGE), LEARNING, "is no whole safetensors file"),
    "a header of 2^60 bytes": (
        lambda f: (f / MODEL).write_bytes(struct.pack("<Q", 2**60)), "its header claims 1,152,921,504,606,846,976",
    ),
    "no header": (lambda f: (f / MODEL).write_bytes(b""), MODEL, "is no whole safetensors file"),
    "half a slot": (tensors(LEARNING, **{STEP: None}), LEARNING, f"it lacks the tensor {STEP}"),
    "slot of nothing": (
        tensors(LEARNING, **{"adam/none/step": torch.zeros(())}), LEARNING, "a tensor 'adam/none/step' besides",
    ),
    "slot without a parameter's name": (tensors(LEARNING, adam=torch.zeros(())), LEARNING, "a tensor 'adam' besides"),
    "slot shape": (
        tensors(LEARNING, **{"adam/q_head.bias/exp_avg": torch.zeros(9)}), LEARNING, "is F32 [9], not F32 [2]",
    ),
    "steps of a slot": (tensors(LEARNING, **{STEP: torch.zeros(1)}), LEARNING, f"{STEP} is F32 [1], not F32 []"),
    "lost generator": (tensors(LEARNING, **{"generator/batch": None}), "it lacks the tensor generator/batch"),
    "generator of floats": (tensors(LEARNING, **{"generator/batch": torch.zeros(5056)}), "not U8 [5056]"),
    "generator of a megabyte": (
        tensors(LEARNING, **{"generator/batch": torch.zeros(2**20, dtype=torch.uint8)}), "not U8 [5056]",
    ),
    # a configuration that the tensors do not fit
    "a wider network": (setting("model", "hidden_dim", 8), MODEL, "beta_head.weight is F32 [2, 4], not F32 [2, 8]"),
    "10^9 units": (setting("model", "hidden_dim", 10**9), "hidden_dim must lie in [1, 8,192], got 1,000,000,000"),
    "more units than tensors have": (setting("model", "hidden_dim", 8192), MODEL, "not F32 [2, 8192]"),
    "10^30 units": (setting("model", "hidden_dim", 10**30), "got a number of more than 30 digits"),
    "10^11 options": (setting("options", "num_options", 10**11), "num_options must lie in [1, 1,000], got 100,000"),
    "10^9 layers": (setting("model", "policy_layers", 10**9), "policy_layers must lie in [1, 64], got 1,000,000"),
    "more layers than tensors": (setting("model", "critic_layers", 9), MODEL, "describes a far larger network"),
    "10^9 inputs": (space("obs_size", 10**9), MODEL, "describes a far larger network"),
    "shared trunk": (setting("model", "shared_trunk", True), LEARNING, "'adam/critic_trunk.0.bias/exp_avg' besides"),
    # config.json
    "newer config.json": (put("config.json", "format_version", 2), "config.json has format version 2"),
    "unknown setting": (setting("learning", "gama", 1), "config.json is not usable", "'gama'", "Did you mean gamma?"),
    "no settings": (drop("config.json", "settings"), "settings must be an object that holds an env_id"),
    "no environment": (drop("config.json", "settings", "env_id"), "settings must be an object that holds an env_id"),
    "a list of settings": (setting("model", [1]), "a part of the settings must be an object"),
    "a number as text": (setting("model", "hidden_dim", "4"), "hidden_dim must be a whole number, got '4'"),
    "a whole number with a point": (setting("env", "num_envs", 2.5), "num_envs must be a whole number, got 2.5"),
    "true as a number": (setting("options", "num_options", True), "num_options must be a whole number, got True"),
    "one as true": (setting("model", "shared_trunk", 1), "shared_trunk must be true or false, got 1"),
    "too large for a float": (setting("learning", "gamma", 10**400), "gamma must be a finite number, got 1000"),
    "a limit as text": (setting("options", "max_option_length", "9"), "must be a whole number or none, got '9'"),
    "an id as a number": (setting("env_id", 7), "env_id must be a text, got 7"),
    "names that are lists": (setting("options", "option_names", [["a"], ["b"]]), "must be a list of texts"),
    "out of range": (setting("learning", "gamma", 2), "gamma must lie in [0, 1], got 2"),
    "no such choice": (setting("model", "activation", "tang"), "activation must be one of", "Did you mean tanh?"),
    "a text of a megabyte": (setting("model", "activation", "x" * 2**20), "activation must be one of"),
    "no spaces": (drop("config.json", "spaces"), "spaces must be an object of discrete, action_size"),
    "a space of text": (put("config.json", "spaces", "big"), "spaces must be an object of discrete, action_size"),
    "an unknown part of spaces": (space("color", 1), "spaces must be an object of discrete, action_size"),
    "a size as text": (space("obs_size", "3"), "obs_size must be a whole number, got '3'"),
    "a negative size": (space("action_size", -1), "obs_size and action_size must be at least 1"),
    "bounds of text": (space("action_low", ["a"]), "action_low must be a list of finite numbers"),
    "bounds that are none": (space("action_low", 3), "action_low must be a list of finite numbers"),
    "too many bounds": (space("action_low", [0.0] * 3), "must be 1 bounds each"),
    "crossed bounds": (space("action_low", [3.0]), "none of them crossed"),
    # state.json
    "newer state.json": (counter("format_version", 9), "state.json has format version 9"),
    "a version of text": (counter("format_version", "1"), "state.json is damaged", "it names no format_version"),
    "steps as text": (counter("env_steps", "160"), "env_steps must be a whole number, not negative, got '160'"),
    "negative steps": (counter("env_steps", -1), "env_steps must be a whole number, not negative, got -1"),
    "steps that are true": (counter("iteration", True), "iteration must be a whole number, not negative, got True"),
    "10^300 steps": (counter("schedule_end", 10**300), "schedule_end must be a whole number"),
    "no steps": (drop("state.json", "schedule_start"), "schedule_start must be a whole number", "got nothing"),
    "time as text": (counter("elapsed", "long"), "elapsed must be a finite number, not negative, got 'long'"),
    "endless time": (text("state.json", '{"env_steps": 1e999}'), "cannot be read: Number out of range"),
    "a later field": (counter("skipped_in_row", -1), "skipped_in_row must be a whole number, not negative, got -1"),
    "no episodes": (drop("state.json", "episodes"), "episodes must be an object", "got nothing"),
    "a list of episodes": (counter("episodes", []), "episodes must be an object"),
    "129 episodes": (counter("episodes", "returns", [0.0] * 129), "lists of at most 128 numbers"),
    "returns of text": (counter("episodes", "returns", ["a"]), "lists of at most 128 numbers"),
    "half a step": (counter("episodes", "lengths", [1.5]), "lists of at most 128 numbers"),
    # JSON that is none
    "NaN": (text("state.json", '{"format_version": 1, "env_steps": NaN}'), "cannot be read: JSON is malformed"),
    "infinity": (text("config.json", '{"a": -Infinity}'), "cannot be read: JSON is malformed"),
    "a list": (text("config.json", "[]"), "config.json does not hold a JSON object"),
    "a hundred thousand brackets": (text("config.json", "[" * 10**5), "config.json cannot be read"),
    "a number of 5,000 digits": (text("state.json", '{"env_steps": ' + "9" * 5000 + "}"), "state.json cannot be read"),
    "17 MB": (text("state.json", " " * (17 << 20)), "state.json is larger than 16 MB"),
    "no UTF-8": (lambda f: (f / "state.json").write_bytes(b'{"a": "\xff"}'), "state.json cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_anything_is_allocated(name, agent, refused, monkeypatch):
    def no(*_, **__):
        raise AssertionError("allocated")

    change, *words = REFUSED[name]
    change(agent)
    sign(agent)
    monkeypatch.setattr(TrainState, "fresh", no)
    monkeypatch.setattr(safetensors.torch, "load", no)
    refused(agent, *words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (tensors(MODEL, **{"q_head.bias": torch.tensor([0.0, torch.nan])}), "q_head.bias that are NaN or infinite"),
        (tensors(MODEL, **{"obs_norm.moments.var": torch.full((3,), torch.inf).double()}), "obs_norm.moments.var"),
        (tensors(LEARNING, **{STEP: torch.tensor(-torch.inf)}), f"{STEP} that are NaN or infinite"),
        (
            tensors(MODEL, **{"obs_norm.moments.var": torch.tensor([1.0, -1.0, 1.0]).double()}),
            "model.safetensors holds numbers in obs_norm.moments.var that are negative",
        ),
        (
            tensors(MODEL, **{"reward_norm.moments.count": torch.tensor(-1.0).double()}),
            "reward_norm.moments.count that",
        ),
        (
            tensors(MODEL, **{"obs_norm.moments.mean": torch.full((3,), -1e300, dtype=torch.float64)}),
            "beyond what float32 holds",
        ),
        (
            tensors(MODEL, **{"reward_norm.moments.var": torch.full((1,), 1e300, dtype=torch.float64)}),
            "beyond what float32 holds",
        ),
        (
            tensors(LEARNING, **{STEP: torch.tensor(-1.0)}),
            f"optimizer.safetensors holds numbers in {STEP} that are neg",
        ),
        (
            tensors(LEARNING, **{STEP.replace("step", "exp_avg_sq"): torch.tensor([-1.0, 0.0])}),
            "exp_avg_sq that are neg",
        ),
        (tensors(LEARNING, **{"generator/batch": torch.zeros(5056, dtype=torch.uint8)}), "does not fit"),
    ],
)
def test_refused_for_its_numbers(change, words, agent, refused):
    change(agent)
    sign(agent)
    refused(agent, words)


def test_what_is_changed_and_signed_does_load(agent):
    """Else the refusals above say nothing."""
    sign(agent)
    assert oc.load(agent).num_timesteps == 160


def test_fields_of_later_versions_are_left_alone(agent):
    counter("best", {"return": 3})(agent)
    sign(agent)
    assert oc.load(agent).num_timesteps == 160


def test_a_setting_that_is_absent_has_its_default(agent):
    drop("config.json", "settings", "learning", "target_kl")(agent)
    sign(agent)
    assert oc.load(agent).settings.learning.target_kl == 0.03


def test_a_generator_of_another_device_starts_anew(agent):
    tensors(LEARNING, **{"generator/option": torch.zeros(16, dtype=torch.uint8)})(agent)
    sign(agent)
    assert oc.load(agent).state.generators.option.get_state().shape == (5056,)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_every_kind_of_agent_fits_itself(env_id, shared, small, tmp_path):
    """Also one that never learned: Adam has no slots yet."""
    agent = oc.OptionCritic.from_settings(small(env_id, shared_trunk=shared, num_options=1, option_layers=2))
    agent.save(tmp_path / "agent")
    assert oc.load(tmp_path / "agent").learn(64).num_timesteps == 64
    agent.learn(64).save(tmp_path / "agent")
    assert oc.load(tmp_path / "agent").num_timesteps == 64


class Payload:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (self.mark,)


@pytest.mark.parametrize("file", [MODEL, LEARNING])
@pytest.mark.parametrize("save", [pickle.dump, torch.save])
def test_a_pickle_is_refused_and_runs_nothing(save, file, agent, refused, tmp_path):
    with (agent / file).open("wb") as f:
        save(Payload(str(tmp_path / "ran")), f)
    sign(agent)
    refused(agent, file, "is no")
    assert not (tmp_path / "ran").exists()


def test_no_environment_is_made_and_no_module_imported(agent, tmp_path, monkeypatch):
    (tmp_path / "robber.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    setting("env_id", "robber:Any-v0")(agent)
    sign(agent)
    action, _ = oc.load(agent).predict(np.zeros(3))
    assert action.shape == (1,) and "robber" not in sys.modules

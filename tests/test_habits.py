"""Habits of other libraries: what has one meaning is taken, the rest is refused in one sentence."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import option_critic as oc
from option_critic.cli import main as cli
from option_critic.envs.settings import EnvSettings
from option_critic.errors import InputError
from option_critic.options.option import Option
from option_critic.settings import Settings
from option_critic.training.state import nearest_device, pick_device

MEANT = {
    "numpy's whole number": ("num_envs", np.int64(3), 3),
    "numpy's small number": ("num_envs", np.uint8(3), 3),
    "an array of no dimension": ("num_envs", np.array(3), 3),
    "a tensor of one number": ("num_envs", torch.tensor(3), 3),
    "1e6": ("total_timesteps", 1e6, 1_000_000),
    "numpy's 1e6": ("checkpoint_every", np.float32(1e6), 1_000_000),
    "a seed": ("seed", np.int32(7), 7),
    "a limit": ("max_option_length", np.float64(9.0), 9),
    "numpy's float": ("gamma", np.float64(0.5), 0.5),
    "numpy's float32": ("gamma", np.float32(0.5), 0.5),
    "a tensor": ("gamma", torch.tensor(0.5), 0.5),
    "a float that may be none": ("final_log_std", np.float32(-1), -1.0),
    "a whole number for a float": ("deliberation_cost", np.int64(1), 1),
    "numpy's truth": ("anneal_lr", np.False_, False),
    "numpy's text": ("activation", np.str_("relu"), "relu"),
    "a list": ("quaternions", [0, 4], (0, 4)),
    "an array": ("quaternions", np.array([0, 4]), (0, 4)),
    "a range": ("differences", range(4), (0, 1, 2, 3)),
    "a list of names": ("option_names", ["a", "b"], ("a", "b")),
    "an array of names": ("option_names", np.array(["a", "b"]), ("a", "b")),
    "a torch.device": ("device", torch.device("cpu"), "cpu"),
    "a torch.device with a number": ("device", torch.device("cuda", 1), "cuda:1"),
    "a device by its number": ("device", "cuda:0", "cuda:0"),
}


def get(settings, name):
    return next(getattr(p, name) for p in (settings, settings.env, settings.options, settings.model, settings.learning)
                if hasattr(p, name))  # fmt: skip


@pytest.mark.parametrize("habit", MEANT)
def test_what_has_one_meaning_is_taken(habit):
    name, value, meant = MEANT[habit]
    made = Settings(env_id="CartPole-v1").override(**{name: value})
    found = get(made, name)
    assert found == meant and type(found) is type(meant)
    said = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert Settings.from_dict(said) == made


def test_parts_take_them_too():
    part = EnvSettings(num_envs=np.int64(3), max_episode_steps=1e2)
    made = Settings(env_id="CartPole-v1", seed=np.int64(1), env=part)
    assert json.loads(json.dumps(made.to_dict()))["env"]["max_episode_steps"] == 100
    option = Option(name="a", max_length=np.int64(4), fixed={np.int64(0): np.float32(0.5)})
    assert type(option.max_length) is int and option.fixed == {0: 0.5} and type(next(iter(option.fixed))) is int


REFUSED = {
    "half a step": ("total_timesteps", 1e6 + 0.5, "total_timesteps must be a whole number, got 1000000.5"),
    "infinity": ("total_timesteps", np.inf, "total_timesteps must be a whole number, got inf"),
    "numpy's half": ("num_envs", np.float32(2.5), "num_envs must be a whole number, got 2.5"),
    "truth as a number": ("num_envs", np.True_, "num_envs must be a whole number, got True"),
    "a text for a number": ("num_envs", "4", "num_envs must be a whole number, got '4'"),
    "nothing for a number": ("gamma", None, "gamma must be a finite number, got None"),
    "several numbers": ("gamma", np.array([0.5, 0.9]), r"gamma must be a finite number, got array\(\[0.5, 0.9\]\)"),
    "an array for a word": ("algorithm", np.array([1, 2]), "algorithm must be one of dac, ppo_oc, sac_oc, got array"),
    "a number for truth": ("anneal_lr", 1, "anneal_lr must be true or false, got 1"),
    "a table for a list": ("quaternions", np.zeros((2, 2), int), "quaternions must be a list of whole numbers"),
    "a set, which has no order": ("option_names", {"a", "b"}, "option_names must be a list of texts"),
    "a number for names": ("option_names", 3, "option_names must be a list of texts, got 3"),
    "a number for a set": ("options_from", 3, "options_from must be a text, got 3"),
    "another device": ("device", "tpu", r"device must be auto, cpu, cuda or cuda:0, cuda:1, \.\.\., got 'tpu'"),
    "a number for a device": ("device", 0, "device must be a text, got 0"),
    "a list for a number": ("seed", [1], r"seed must be a whole number, got \[1\]"),
    "a dtype for a device": ("device", torch.float32, "device must be auto, cpu, cuda"),
}


@pytest.mark.parametrize("habit", REFUSED)
def test_the_rest_is_refused(habit):
    name, value, words = REFUSED[habit]
    with pytest.raises(InputError, match=words):
        Settings(env_id="CartPole-v1").override(**{name: value})


def test_what_is_no_part_is_refused():
    with pytest.raises(InputError, match="env must be EnvSettings, got 3"):
        Settings(env_id="CartPole-v1", env=3)
    with pytest.raises(InputError, match="max_length of option a must be a whole number or none, got '5'"):
        Option(name="a", max_length="5")


@pytest.mark.parametrize("steps", [np.int64(64), 64.0, np.float32(64), torch.tensor(64)])
def test_learn_takes_such_numbers(steps, small, tmp_path):
    agent = oc.OptionCritic.from_settings(small()).learn(total_timesteps=steps, run_folder=tmp_path / "run")
    assert agent.num_timesteps == 64 and type(agent.settings.total_timesteps) is int
    assert oc.load(tmp_path / "run", checkpoint=np.int64(64)).num_timesteps == 64


@pytest.mark.parametrize(
    ("steps", "words"), [("64", "a whole number"), (0, r"\[1, 1,000"), (64.5, "whole"), (True, "whole")]
)
def test_learn_refuses_others(steps, words, small):
    agent = oc.OptionCritic.from_settings(small())
    with pytest.raises(InputError, match=f"total_timesteps must .*{words}"):
        agent.learn(total_timesteps=steps)


def test_several_callbacks(small):
    called = []

    def counting(name, answer):
        return lambda agent, metrics: called.append(name) or answer

    agent = oc.OptionCritic.from_settings(small())
    agent.learn(callback=[counting("a", None), counting("b", True)])
    assert called == ["a", "b"] * 4
    called.clear()
    agent.learn(callback=(counting("a", np.False_), counting("b", None)))  # one that stops, and all are called
    assert called == ["a", "b"]
    agent.learn(64, callback=[])
    for wrong in ([len, "log"], object(), "log"):
        with pytest.raises(
            InputError,
            match=r"callback must be a function of \(agent, metrics\), or an object with one of on_past, ",
        ):
            agent.learn(64, callback=wrong)


def test_save_takes_an_empty_folder_and_nothing_else_that_is_there(small, tmp_path, monkeypatch):
    agent = oc.OptionCritic.from_settings(small())
    (tmp_path / "empty").mkdir()
    agent.save(tmp_path / "empty")
    agent.save(str(tmp_path / "empty"))
    assert oc.load(tmp_path / "empty").settings == agent.settings
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    (tmp_path / "file").write_text("keep")
    (tmp_path / "here").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path / "here")
    for taken in (tmp_path / "mine", tmp_path / "file", tmp_path / "link", "."):
        with pytest.raises(InputError, match="is no saved agent; choose another name"):
            agent.save(taken)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep" and Path.cwd() == tmp_path / "here"


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_devices_by_their_number(two_gpus):
    assert [str(pick_device(wish)) for wish in ("cpu", "cuda", "cuda:1", "auto")] == ["cpu", "cuda", "cuda:1", "cuda"]
    with pytest.raises(InputError, match="device cuda:2 was asked for, but this PyTorch sees only cuda:0 to cuda:1"):
        pick_device("cuda:2")
    assert nearest_device("cuda:2") == "cuda"


def test_an_agent_from_another_machine_loads_here(small, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    agent = oc.OptionCritic.from_settings(small())
    agent.settings = agent.settings.override(device="cuda:3")
    agent.save(tmp_path / "agent")
    assert oc.load(tmp_path / "agent").settings.device == "cpu"
    with pytest.raises(InputError, match="device cuda:1 was asked for, but this PyTorch sees no CUDA device"):
        oc.load(tmp_path / "agent", device=torch.device("cuda", 1))


@pytest.mark.parametrize(
    ("flags", "name", "meant"),
    [
        (["--total-timesteps", "1e6"], "total_timesteps", 1_000_000),
        (["--total-timesteps", "1_000_000"], "total_timesteps", 1_000_000),
        (["--max-option-length", "2e1"], "max_option_length", 20),
        (["--max-option-length", "None"], "max_option_length", None),
        (["--quaternions", "0", "4e0"], "quaternions", (0, 4)),
        (["--num-options", "3e0"], "num_options", 3),
        (["--device", "cuda:1"], "device", "cuda:1"),
    ],
)
def test_whole_numbers_on_the_command_line(flags, name, meant, monkeypatch):
    asked = []
    monkeypatch.setattr("option_critic.cli.train.train_seeds", lambda settings, *_: asked.append(settings))
    assert cli.train(["cartpole", *flags]) == 0
    assert get(asked[0], name) == meant


@pytest.mark.parametrize("text", ["1e6.5", "2.5", "inf", "nan", "many"])
def test_what_is_no_whole_number_on_the_command_line(text, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["option-critic", "train", "cartpole", "--total-timesteps", text])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2 and "--total-timesteps" in capsys.readouterr().err

"""Numbers have limits: what crashes, or takes all memory for the number alone, is refused at once."""

import dataclasses
import errno
import json
import re
import sys
from pathlib import Path
from typing import get_type_hints

import gymnasium as gym
import pytest

import option_critic as oc
from option_critic.algorithms.settings import SETTINGS
from option_critic.cli import main as cli
from option_critic.cli.counting import counting
from option_critic.errors import InputError, RunError
from option_critic.evaluation import metaworld_protocol
from option_critic.evaluation.diagnosis import study
from option_critic.evaluation.evaluate import evaluate
from option_critic.options.option import Option
from option_critic.presets import PRESETS
from option_critic.runs.inventory import find
from option_critic.settings import Settings, setting_names

HUGE = 10**5000
"""More digits than Python writes."""
PARTS = {"": Settings, **{n: h for n, h in get_type_hints(Settings).items() if dataclasses.is_dataclass(h)}}
HINTS = {
    (name, algorithm): get_type_hints((PARTS | {"learning": cls})[part])[name]
    for algorithm, cls in SETTINGS.items()
    for name, part in setting_names(algorithm).items()
    if part == "learning" or algorithm == "dac"
}
NUMBERS = [key for key, hint in HINTS.items() if hint in (int, float, int | None, float | None)]


@pytest.mark.parametrize(("name", "algorithm"), NUMBERS)
@pytest.mark.parametrize(
    "value", [HUGE, -HUGE, 2**70, 1e300, -1e300], ids=["5,000 digits", "and less than 0", "2^70", "1e300", "-1e300"]
)
def test_every_number_has_a_range_that_is_told(name, algorithm, value):
    with pytest.raises(
        InputError, match=rf"{name}.* must (lie in|satisfy|be at least|be a finite)|must be at"
    ) as error:
        Settings(env_id="CartPole-v1").override(algorithm=algorithm, **{name: value})
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 2**64}, "seed must lie in [0, 9,223,372,036,854,775,807], got 18,446,744,073,709,551,616"),
        ({"torch_threads": 100_000}, "torch_threads must lie in [0, 1,024], got 100,000"),
        ({"num_envs": 10_000, "rollout_length": 10_000}, "num_envs x rollout_length must be at most 10,000,000, got"),
        ({"num_envs": 4096, "hidden_dim": 8192}, "num_envs x rollout_length x hidden_dim must be at most"),
        ({"num_envs": 4096, "num_options": 1000}, "num_envs x rollout_length x num_options must be at most"),
        ({"option_names": ["a"] * 10**6}, "option_names takes at most 10,000 entries"),
        ({"quaternions": range(10**12)}, "quaternions takes at most 10,000 entries"),
        ({"differences": (0, HUGE)}, "differences must lie in [0, 1,000,000], got a number of more than 30 digits"),
        ({"quaternions": (HUGE,)}, "quaternions must lie in [0, 1,000,000]"),
        ({"device": "cuda:" + "9" * 5000}, "device must be auto, cpu, cuda or cuda:0"),
    ],
    ids=range(10),
)
def test_what_is_too_much_is_refused(changes, message):
    with pytest.raises(InputError, match=re.escape(message)) as error:
        Settings(env_id="CartPole-v1").override(**changes)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_honest_stays_possible(name):
    PRESETS[name].override(num_envs=4100, rollout_length=256, num_options=64, hidden_dim=1024, seed=2**63 - 1)


def test_a_network_that_no_memory_has_is_refused_before_it_is_made():
    with pytest.raises(InputError, match=r"a network of 4,\d+,\d+,\d+ weights is too large, 250,000,000 are the most"):
        oc.OptionCritic("CartPole-v1", hidden_dim=8192, policy_layers=64)


@pytest.mark.parametrize(
    "name", ["", " ", "x" * 10**6, "a\nb", "\x1b[2J", "\ud800", "a\u202eb", "\u200b", "tab\t", 5], ids=range(10)
)
def test_names_of_options_can_be_shown(name):
    if name != 5:
        with pytest.raises(InputError, match="each of option_names must be a text of 1 to 80 printable") as error:
            Settings(env_id="CartPole-v1").override(option_names=("a", name))
        assert len(str(error.value)) < 200
        str(error.value).encode()
    with pytest.raises(InputError, match="the name of an option must be a text of 1 to 80 printable characters"):
        Option(name=name)


def test_names_may_be_in_any_language():
    names = ("déplacer l'objet", "\u63a5\u8fd1", "\U0001f9be")
    assert Settings(env_id="CartPole-v1").override(option_names=names).options.names == names


def test_limits_of_an_option_of_ones_own_have_a_range():
    with pytest.raises(InputError, match=r"max_length of option x must lie in \[1, 1,000,000,000\], got"):
        Option(name="x", max_length=2**70)


FLAGS = {
    "seeds": (["train", "cartpole", "--seeds", "0..1000000000"], "--seeds takes at most 1,000 numbers at a time"),
    "a far range": (["train", "cartpole", "--seeds", f"5..{10**19}"], "--seeds takes at most 1,000 numbers"),
    "a seed of 400 digits": (["train", "cartpole", "--seeds", str(10**400)], "--seeds takes whole numbers like 0,1,2"),
    "a seed of 20 digits": (["train", "cartpole", "--seeds", str(2**63)], "seed must lie in [0, 9,223,372,036,854"),
    "half a range": (["train", "cartpole", "--seeds", "0..3..9"], "--seeds takes whole numbers like 0,1,2 or 0..4"),
    "a range that falls": (["train", "cartpole", "--seeds", "4..0"], "--seeds takes whole numbers"),
    "lengths": (["train", "cartpole", "--max-option-length", str(2**70)], "max_option_length must lie in [1, 1,000"),
    "threads": (
        ["train", "cartpole", "--torch-threads", "100000"],
        "torch_threads must lie in [0, 1,024], got 100,000",
    ),
    "env threads": (["train", "cartpole", "--env-threads", "1e9"], "env_threads must lie in [0, 1,024]"),
    "a number of 5,000 digits": (["train", "cartpole", "--num-envs", "9" * 5000], "--num-envs"),
    "options of bench": (["bench", "cartpole", "--num-options", "1,10000000000"], "num_options must lie in [1, 1,000]"),
    "no options": (["bench", "cartpole", "--num-options", "0"], "num_options must lie in [1, 1,000], got 0"),
    "seconds": (["bench", "cartpole", "--seconds", "1e300"], "--seconds must lie in [0.001, 86,400], got 1e+300"),
    "rounds": (["bench", "cartpole", "--rounds", "1e12"], "--rounds must lie in [1, 1,000]"),
    "NaN seconds": (["bench", "cartpole", "--seconds", "nan"], "--seconds must lie in [0.001, 86,400], got nan"),
    "episodes": (["evaluate", "nowhere", "--episodes", "1e12"], "episodes must lie in [1, 100,000]"),
    "workers": (["evaluate", "nowhere", "--workers", "-1"], "workers must lie in [0, 1,024], got -1"),
    "workers to diagnose": (["diagnose", "nowhere", "--workers", "1e9"], "workers must lie in [0, 1,024]"),
    "goals": (["evaluate", "nowhere", "--goals-seed", str(10**30)], "the seed of goals must lie in [0, 4,294,967,295]"),
}


@pytest.mark.parametrize("name", FLAGS)
def test_flags_have_limits(name, tmp_path, monkeypatch, capsys):
    args, message = FLAGS[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["option-critic", *args])
    with pytest.raises(SystemExit) as end:
        cli.main()
    err = capsys.readouterr().err
    assert end.value.code == 2 and message in err and "Traceback" not in err, err[-2000:]
    assert not list(tmp_path.iterdir())


def test_a_seed_is_trained_once():
    assert cli.numbers("3,0..2,1", "seeds") == [3, 0, 1, 2]


@pytest.mark.parametrize("name", [f"seed-{10**30}", "seed-\u00b2", "seed-" + "9" * 5000, f"seed-{2**32}"], ids=range(4))
def test_goal_sets_have_limits(name):
    with pytest.raises(InputError, match=r"the seed of goals must lie in \[0, 4,294,967,295\]|there is no goal set"):
        metaworld_protocol.goal_set("pick-place-v3", name)


@pytest.mark.parametrize("name", [HUGE, "9" * 5000, "\u00b2"], ids=range(3))
def test_no_checkpoint_has_such_a_name(name, tmp_path):
    with pytest.raises(InputError, match="has no checkpoint") as error:
        find(tmp_path, name)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("normalised", [True, False])
def test_the_highest_rewards_that_are_accepted_lead_to_a_checkpoint_that_loads(
    normalised, small, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    rates = dict.fromkeys(("lr_option", "lr_critic", "lr_master", "lr_termination"), 1e-3)
    settings = small(
        "bad_envs:HighReward-v0", gamma=1.0, lam=1.0, differences=(0, 1, 1, 0), normalize_reward=normalised, **rates
    )
    run = tmp_path / "run"
    agent = oc.OptionCritic.from_settings(settings).learn(run_folder=run)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["rollout/ep_rew_mean"] == pytest.approx(4e12) and lines[-1]["train/skipped_updates"] == 0
    assert oc.load(run).num_timesteps == agent.num_timesteps


def test_an_environment_may_offer_too_many_actions():
    class Lottery(gym.Env):
        observation_space, action_space = gym.spaces.Box(0, 1, (1,)), gym.spaces.Discrete(10**12)

    gym.register("Lottery-v0", Lottery)
    with pytest.raises(
        InputError, match=r"a network of [\d,]+ weights is too large.*1,000,000,000,000 actions are given"
    ):
        oc.OptionCritic("Lottery-v0")


@pytest.mark.parametrize("component", [-1, 10**7, HUGE], ids=range(3))
def test_components_that_no_action_has(component):
    with pytest.raises(InputError, match="fixed of option x must map numbers of action components, from 0 on"):
        Option(name="x", fixed={component: 0.0})


def test_the_bar_of_an_evaluation_moves_within_an_episode(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with counting(2) as on_step:
        on_step(0, 1234)
        on_step(1, 4)
    shown = capsys.readouterr().err
    assert "1,238 steps" in shown and "50%" in shown


@pytest.mark.parametrize("goes_on", [True, False])
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EMFILE, "no"), r"cannot be written \(Too many open files\).* Raise the limit of open files"),
        (RuntimeError("can't start new thread"), r"can't start new thread; raise the limit of processes and threads"),
    ],
)
def test_logs_that_cannot_be_opened_are_told(goes_on, error, words, small, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise error

    if goes_on:
        stops = lambda agent, _: agent.num_timesteps < 128  # noqa: E731
        oc.OptionCritic.from_settings(small()).learn(run_folder=tmp_path / "run", callback=stops)
    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter", fails)
    with pytest.raises(RunError, match=words):
        if goes_on:
            oc.resume(tmp_path / "run")
        oc.OptionCritic.from_settings(small()).learn(run_folder=tmp_path / "run")


def test_python_is_told_the_same():
    agent = oc.OptionCritic("CartPole-v1")
    with pytest.raises(InputError, match=r"episodes must lie in \[1, 100,000\], got 0"):
        evaluate(agent, num_episodes=0)
    with pytest.raises(InputError, match=r"workers must lie in \[0, 1,024\], got -1"):
        study(agent, "D", 5, -1, False)
    with pytest.raises(InputError, match=r"total_timesteps must lie in \[1, 1,000,000,000,000\]"):
        agent.learn(HUGE)


@pytest.mark.parametrize("text", ["x" * 301, "a\x1b[1m", "\ud800"])
@pytest.mark.parametrize("name", ["env_id", "options_from", "observe_interest"])
def test_what_names_an_environment_or_definitions_is_short_and_printable(name, text):
    data = Settings(env_id="CartPole-v1").to_dict()
    part = next(p for p in (data, data["options"], data["model"]) if name in p)
    part[name] = text
    with pytest.raises(InputError, match=f"{name} must have at most 300 printable characters, got"):
        Settings.from_dict(data)

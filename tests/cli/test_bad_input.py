"""Bad input through the command line: one sentence, the right exit code, and what was there stays as it was.

In this process for speed; `tests/cli/test_cli.py` has a few of them in a process of their own.
"""

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from types import ModuleType

import gymnasium as gym
import pytest

from option_critic.agent import OptionCritic
from option_critic.cli import main as cli
from option_critic.cli.signals import Interrupt, ended
from option_critic.errors import RunError
from option_critic.loading import load
from option_critic.presets import settings_for
from option_critic.runs.inventory import boundaries, steps_of
from option_critic.runs.manifest import verify
from option_critic.runs.paths import RunPath

SMALL = ["--num-envs", "2", "--rollout-length", "16", "--minibatch-size", "16", "--epochs", "1", "--hidden-dim", "8",
         "--total-timesteps", "64"]  # fmt: skip


def train(env_id, *flags):
    return ["train", env_id, *SMALL, *flags, "--out", "out"]


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder -> (exit code, standard error on one line)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # the command line sets its own
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)

    def run(args):
        monkeypatch.setattr(sys, "argv", ["option-critic", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code, capsys.readouterr().err

    return run


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


REFUSED = {
    "verb": (["trian"], "no verb 'trian'. Did you mean train?"),
    "preset": (["train", "pick-plac"], "there is no preset or environment 'pick-plac'. Did you mean pick-place?"),
    "preset of bench": (["bench", "cartpol"], "there is no preset or environment 'cartpol'. Did you mean cartpole?"),
    "options of bench": (["bench", "cartpole", "--options-from", "reach-grasp-mov"], "Did you mean reach-grasp-move?"),
    "half a pair": (["train", "cartpole", "--differences", "0", "1", "2"], "differences must be pairs of components"),
    "no such component": (
        ["train", "cartpole", "--differences", "0", "4"],
        "(0, 4) do not lie within observations of 4",
    ),
    "environment": (["train", "Hoper-v5"], "there is no preset or environment 'Hoper-v5'. Did you mean Hopper-v5?"),
    "version": (["train", "CartPole-v2"], "Did you mean CartPole-v1?"),
    "nothing near": (["train", "qqqqqq-v0"], "`option-critic list` names presets"),
    "task": (["train", "Meta-World/push-v2"], "no task 'push-v2'. Did you mean Meta-World/push-v3?"),
    "module": (["train", "bad_env:Good-v0"], "module 'bad_env' cannot be imported", "PYTHONPATH"),
    "id in module": (["train", "bad_envs:NoPear-v0"], "no preset or environment 'NoPear-v0'. Did you mean NoPair-v0?"),
    "flag": (["train", "cartpole", "--num-option", "3"], "--num-option,", "--num-options"),
    "choice": (["train", "cartpole", "--algorithm", "dax"], "one of dac, ppo_oc, sac_oc, got 'dax'", "mean dac?"),
    "type": (["train", "cartpole", "--num-envs", "x"], "--num-envs", "'x'"),
    "range": (["train", "cartpole", "--gamma", "2"], "gamma must lie in [0, 1], got 2.0"),
    "zero": (["train", "cartpole", "--num-envs", "0"], "num_envs must lie in [1, 10,000], got 0"),
    "groups": (["train", "cartpole", "--env-groups", "9"], "env_groups must lie in [1, num_envs = 8], got 9"),
    "timeout": (
        ["train", "cartpole", "--worker-timeout", "0"],
        "worker_timeout must lie in [0.001, 1,000,000], got 0.0",
    ),
    "not finite": (["train", "cartpole", "--lr-option", "nan"], "lr_option must be a finite number"),
    "two settings": (
        ["train", "cartpole", "--option-names", "a", "b", "c", "--num-options", "2"],
        "3 names",
        "a name for each option",
    ),
    "seeds": (["train", "cartpole", "--seeds", "a"], "--seeds takes whole numbers like 0,1,2 or 0..4, got 'a'"),
    "backend": (
        train("CartPole-v1", "--backend", "official"),
        "backend must be auto, gymnasium or envpool for CartPole",
    ),
    "no target": (["train"], "preset"),
    "no run": (["evaluate"], "run"),
    "unknown run": (["evaluate", "nowhere"], "nowhere is neither a saved agent nor a run folder", "option-critic list"),
    "episodes": (["evaluate", "nowhere", "--episodes", "0"], "episodes must lie in [1, 100,000], got 0"),
    "json to a folder": (["list", "--json", "."], "--json takes a file"),
    "json to nowhere": (["bench", "cartpole", "--json", "/dev/null/x.json"], "/dev/null cannot be written"),
    "below a file": (["train", "cartpole", "--out", "/dev/null/runs"], "/dev/null/runs/seed-0 cannot be written"),
    "text": (train("bad_envs:TextSpace-v0"), "observation space Text(", "FilterObservation"),
    "a dict of actions": (train("bad_envs:DictAction-v0"), "action space Dict('a': Discrete(2)) is not supported, as"),
    "a pair of actions": (train("bad_envs:TupleAction-v0"), "as it is a Tuple; wrap the environment", "ActionWrapper"),
    "nothing to see": (
        train("bad_envs:NothingSeen-v0"),
        "observation space Box([], [], (0,), float32) holds no number",
    ),
    "nothing to see by name": (train("bad_envs:NothingSeenByName-v0"), "observation space Dict(", "holds no number"),
    "nothing to do": (train("bad_envs:NothingDone-v0"), "action space Box([], [], (0,), float32) has no action"),
    "NaN as a bound": (train("bad_envs:NanBound-v0"), "no number lies within the bounds nan and inf of action 1"),
    "an infinite lower bound": (train("bad_envs:InfiniteBound-v0"), "within the bounds inf and inf of action 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_start_is_refused_and_writes_nothing(name, command, tmp_path):
    args, *words = REFUSED[name]
    code, err = command(args)
    assert code == 2 and all(w in err for w in words), err
    assert not list(tmp_path.iterdir())


FAULTS = {
    "NanObservation": "returned observations that are NaN or infinite",
    "NanReset": "returned observations that are NaN or infinite",
    "HugeObservation": "returned observations that are NaN or infinite in float32",
    "InfReward": "returned a reward of inf (environment 0 of 2), but rewards must lie in [-1e+12, 1e+12]",
    "HugeReward": "returned a reward of 3e+38 (environment 0 of 2), but rewards must lie in [-1e+12, 1e+12]",
    "VectorReward": "step must return one number as reward, got an array of float64 of shape (3,)",
    "TextReward": "step must return one number as reward, got 'much' (str)",
    "WrongShape": "reset must return observations of numbers of shape (2,), as its observation space says",
    "LaterShape": "step must return observations of numbers of shape (2,), as its observation space says",
    "TextObservation": "of numbers of shape (2,), as its observation space says, got an array of <U5",
    "ObjectObservation": "of numbers of shape (2,), as its observation space says, got an array of object",
    "MissingKey": "must return a dict of seen as observation, as its observation space says, got a dict of other",
    "NoPair": "reset must return a pair (observation, info dict), got an array of float32",
    "ResetNothing": "reset must return a pair (observation, info dict), got None",
    "ResetTriple": "reset must return a pair (observation, info dict), got a tuple of 3",
    "FourValues": "step must return (observation, reward, terminated, truncated, info), got a tuple of 4",
    "RaisesInInit": "failed in construction: RuntimeError: no robot on port 7",
    "RaisesInReset": "failed in reset: OSError: [Errno 19] No such device",
    "RaisesInStep": "failed in step: ZeroDivisionError: division by zero",
    **{
        f"{error}In{place}": f"failed in {'construction' if place == 'Init' else place.lower()}: {error}"
        for place in ("Init", "Reset", "Step", "Close")
        for error in ("SystemExit", "GeneratorExit", "StopIteration")
    },
    "HangsInClose": "failed in close: TimeoutError: it took more than 0.3 s",
    "InfoNone": "step must return a dict as info, got None",
    "InfoList": "step must return a dict as info, got a list of 0",
    "InfoArray": "step must return a dict as info, got an array of float64 of shape (3,)",
    "TextSuccess": "info['is_success'] must be True, False or a number, got 'yes' (str)",
    "VectorSuccess": "info['success'] must be True, False or a number, got an array of float64 of shape (3,)",
    "TextEnd": "step must return True or False as terminated, got 'no' (str)",
    "NanEnd": "step must return True or False as terminated, got nan (float)",
    "NoEnd": "step must return True or False as terminated, got None (NoneType)",
    "ArrayEnd": "step must return True or False as terminated, got an array of bool of shape (2,)",
    "TextCut": "step must return True or False as truncated, got 'no' (str)",
    "NumberCut": "step must return True or False as truncated, got 2 (int)",
    "Ragged": "of numbers of shape (2,), as its observation space says, got a list of 2",
    "Halves": "reset must return observations that fit uint8, as its observation space says, got a list of 2",
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_environment_is_named_and_writes_nothing(name, command, tmp_path, monkeypatch):
    monkeypatch.setattr("option_critic.envs.guard.CLOSE_SECONDS", 0.3)
    code, err = command(train(f"bad_envs:{name}-v0"))
    assert code == 1 and FAULTS[name] in err, err
    assert err.startswith(f"option-critic: bad_envs:{name}-v0") and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", ["RuntimeError('no licence')", "SystemExit('no licence')"])
def test_a_module_that_raises_is_named(error, command, tmp_path):
    (tmp_path / "raising_module.py").write_text(f"raise {error}\n")
    sys.path.insert(0, str(tmp_path))  # undone with `syspath_prepend` of the fixture
    code, err = command(["train", "raising_module:Any-v0"])
    assert code == 1 and f"'raising_module' failed while imported: {error.partition('(')[0]}: no licence" in err


def test_what_fails_to_close_is_named_when_all_is_saved(command, tmp_path):
    code, err = command(train("bad_envs:FailsToClose-v0"))
    assert code == 1 and err.endswith("failed in close: OSError: [Errno 5] the gripper is stuck\n"), err
    assert err.count("\n") == 1
    assert (tmp_path / "out/seed-0/checkpoints/000000000064/manifest.json").exists()


def test_what_fails_to_close_at_a_boundary_costs_no_checkpoint(command, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.import_module("bad_envs").FailsToClose, "made", 0)
    code, err = command(train("bad_envs:FailsToClose-v0", "--checkpoint-every", "32"))
    assert code == 1 and err.endswith("failed in close: OSError: [Errno 5] the gripper is stuck\n"), err
    assert err.count("\n") == 1
    (boundary,) = boundaries(RunPath.of(tmp_path / "out/seed-0"))
    verify(boundary)
    assert steps_of(boundary) == 32 and load(boundary).num_timesteps == 32


@pytest.mark.filterwarnings("default::UserWarning")
def test_what_fails_to_close_hides_no_earlier_fault(command):
    code, err = command(train("bad_envs:FailsTwice-v0"))
    warning, fault = err.splitlines()
    assert code == 1 and "failed in step: ZeroDivisionError" in fault
    assert warning.startswith("warning: bad_envs:FailsTwice-v0 failed in close")


def test_an_interrupt_that_nobody_sent_is_a_failure(command):
    code, err = command(train("bad_envs:Closed-v0"))
    assert code == 1 and "KeyboardInterrupt" in err and err.count("\n") == 1, err


@pytest.mark.parametrize("handled", [True, False])
def test_a_signal_hides_no_fault_that_it_met(command, monkeypatch, handled):
    """torchrun sends one to a rank that ends already, as another one is gone."""

    def work():
        try:
            raise RunError("another rank is gone")
        finally:
            if handled:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(5)  # the signal ends it
            else:
                raise KeyboardInterrupt

    def verb(_):
        if not handled:
            work()
        with Interrupt() as interrupt:
            return ended(interrupt, work)

    monkeypatch.setitem(cli.VERBS, "list", verb)
    code, err = command(["list"])
    assert code == 1 and err.endswith("option-critic: another rank is gone\n"), err


def test_the_traceback_is_there_for_those_who_ask(command, monkeypatch):
    monkeypatch.setenv("OPTION_CRITIC_DEBUG", "1")
    with pytest.raises(Exception, match="division by zero") as error:
        command(train("bad_envs:RaisesInStep-v0"))
    assert isinstance(error.value.__cause__, ZeroDivisionError)


HANDLED = {
    "one-step episodes": (train("bad_envs:OneStep-v0"), {"rollout/ep_len_mean": 1.0}),
    "both ends at once": (train("bad_envs:BothEnds-v0"), {"rollout/ep_len_mean": 12.0}),
    "outside the declared bounds": (train("bad_envs:Outside-v0"), {"rollout/ep_len_mean": 12.0}),
    "what is none of our business": (train("bad_envs:Foreign-v0"), {"rollout/ep_len_mean": 12.0}),
    "whole numbers in a list": (train("bad_envs:Wholes-v0"), {"rollout/ep_len_mean": 12.0}),
    "64 options": (train("bad_envs:Good-v0", "--num-options", "64"), {"rollout/ep_len_mean": 12.0}),
    "32 rows in minibatches of 7": (train("CartPole-v1", "--minibatch-size", "7"), {"time/total_timesteps": 64.0}),
    "minibatches larger than the rollout": (train("CartPole-v1", "--minibatch-size", "99"), {"time/iterations": 2.0}),
}


@pytest.mark.parametrize("name", HANDLED)
def test_odd_but_legal(name, command, tmp_path):
    args, expected = HANDLED[name]
    assert command(args) == (0, "")
    metrics = last_metrics(tmp_path / "out" / "seed-0")
    assert {n: metrics[n] for n in expected} == expected
    assert metrics["train/loss"] is not None


def last_metrics(run):
    return json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])


def test_terminated_and_truncated_at_once_is_terminated(command, tmp_path):
    weights = []
    for name in ("Good", "BothEnds"):
        assert command(train(f"bad_envs:{name}-v0", "--overwrite")) == (0, "")
        weights.append((tmp_path / "out/seed-0/checkpoints/000000000064/model.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_actions_outside_the_space_are_clipped_and_counted(command, tmp_path):
    """The environment itself asserts that its actions lie in its space: two, one or no bounds."""
    assert command(train("bad_envs:Continuous-v0", "--initial-log-std", "1")) == (0, "")
    assert 0.3 < last_metrics(tmp_path / "out" / "seed-0")["rollout/clipped_actions"] < 0.6
    assert command(["evaluate", "out/seed-0", "--episodes", 2, "--mode", "both"]) == (0, "")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run with checkpoints at 32 and 64 steps."""
    root = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as m, pytest.raises(SystemExit):
        m.chdir(root)
        m.setattr(warnings, "showwarning", warnings.showwarning)
        m.setattr(sys, "argv", ["option-critic", *train("CartPole-v1", "--checkpoint-every", "32")])
        cli.main()
    return root / "out"


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def cut(path):
    path.write_bytes(path.read_bytes()[:-10])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


LAST = "checkpoints/000000000064"
AT_64 = ("--checkpoint", "64")
DAMAGE = {
    "cut weights": (lambda r: cut(r / LAST / "model.safetensors"), AT_64, "model.safetensors is damaged"),
    "flipped bit": (lambda r: flip(r / LAST / "optimizer.safetensors"), AT_64, "optimizer.safetensors is damaged"),
    "lost file": (lambda r: (r / LAST / "state.json").unlink(), AT_64, "state.json is missing"),
    "no JSON": (lambda r: (r / LAST / "manifest.json").write_text("{"), AT_64, "manifest.json cannot be read"),
    "a list": (lambda r: (r / LAST / "manifest.json").write_text("[]"), AT_64, "manifest.json does not hold"),
    "no manifest": (lambda r: (r / LAST / "manifest.json").unlink(), AT_64, "manifest.json is missing"),
    "emptied": (lambda r: (r / LAST / "manifest.json").write_text("{}"), AT_64, "it names no format_version"),
    "odd files": (lambda r: edit(r / LAST / "manifest.json", files=[1]), AT_64, "manifest.json is damaged"),
    "newer checkpoint": (
        lambda r: [edit(r / LAST / name, format_version=2) for name in ("manifest.json", "config.json")],
        (),
        "000000000064/manifest.json has format version 2; this option-critic reads 1",
    ),
    "newer run": (
        lambda r: edit(r / "config.json", format_version=9),
        (),
        "config.json has format version 9; this option-critic reads 1. Use the version that wrote it",
    ),
    "unknown checkpoint": (lambda r: None, ("--checkpoint", "50"), "has no checkpoint 50; it has: 32, 64"),
    "no checkpoint": (lambda r: shutil.rmtree(r / "checkpoints"), (), "neither a saved agent nor a run folder"),
    "none whole": (
        lambda r: [cut(r / "checkpoints" / name / "model.safetensors") for name in ("000000000032", "000000000064")],
        (),
        "has no checkpoint that is whole",
    ),
    "evaluation.json": (
        lambda r: (r / "evaluation.json").write_text('{"format_version": 1}'),
        (),
        "evaluation.json is damaged: it holds no results",
    ),
    "newer evaluation.json": (
        lambda r: (r / "evaluation.json").write_text('{"format_version": 3, "results": {}}'),
        (),
        "evaluation.json has format version 3",
    ),
    "json": (lambda r: None, ("--json", "/dev/null/x"), "/dev/null cannot be written"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_and_newer_runs_are_refused_and_stay_as_they_are(name, trained, command, tmp_path):
    damage, flags, words = DAMAGE[name]
    run = Path(shutil.copytree(trained / "seed-0", tmp_path / "run"))
    damage(run)
    before = contents(run)
    code, err = command(["evaluate", run, "--episodes", "1", *flags])
    assert code == 2 and words in err and err.count("\n") == 1, err
    assert contents(run) == before


@pytest.mark.parametrize(
    ("config", "flags", "words"),
    [
        (None, [], "already holds a run; choose another --out, or pass --overwrite"),
        ("{", ["--overwrite"], "config.json cannot be read"),
        ('{"mine": 1}', ["--overwrite"], "holds a config.json of something else; choose another --out"),
    ],
)
def test_a_folder_that_is_taken_stays_as_it_is(config, flags, words, trained, command, tmp_path):
    shutil.copytree(trained, tmp_path / "out")
    if config:
        (tmp_path / "out/seed-0/config.json").write_text(config)
    before = contents(tmp_path / "out")
    code, err = command(train("CartPole-v1", *flags, "--seeds", "7,0"))
    assert code == 2 and words in err, err
    assert contents(tmp_path / "out") == before


def test_a_run_is_not_replaced_by_one_that_fails_at_once(trained, command, tmp_path):
    shutil.copytree(trained, tmp_path / "out")
    before = contents(tmp_path / "out")
    assert command(train("bad_envs:NanObservation-v0", "--overwrite"))[0] == 1
    assert contents(tmp_path / "out") == before


MODULE = """
import gymnasium as gym
from bad_envs import Good
gym.register("Own-v0", Good)
"""


@pytest.fixture(params=["Own-v0", "own_module:Own-v0"])
def own(request, command, tmp_path, monkeypatch):
    """The id of a run that is half done, `out/seed-0`; by now nothing registers its environment any more.

    In the one case a script did, in the other `train` was told a module."""
    (tmp_path / "own_module.py").write_text(MODULE)

    def forget():
        gym.registry.pop("Own-v0", None)
        sys.modules.pop("own_module", None)

    settings = settings_for("CartPole-v1").override(
        num_envs=2, rollout_length=16, minibatch_size=16, hidden_dim=8, total_timesteps=64, checkpoint_every=32
    )
    importlib.import_module("bad_envs")
    exec(MODULE)
    sys.modules["own_module"] = ModuleType("own_module")
    agent = OptionCritic.from_settings(settings.override(env_id=request.param))
    agent.learn(run_folder=tmp_path / "out/seed-0", callback=lambda agent, _: agent.num_timesteps < 32)
    forget()
    yield request.param
    forget()


NEEDING = {"evaluate": ["--episodes", "1"], "diagnose": ["--episodes", "1", "--no-ablations"], "resume": []}


@pytest.mark.parametrize("verb", NEEDING)
def test_an_environment_that_only_a_script_registers_is_named_by_the_user(verb, own, command):
    code, err = command([verb, "out/seed-0", *NEEDING[verb]])
    module = "own_module" if ":" in own else "MODULE"
    assert code == 2 and f"--env {module}:Own-v0" in err and err.count("\n") == 1, err
    assert "own_module" not in sys.modules  # the folder alone imports nothing
    code, err = command([verb, "out/seed-0", *NEEDING[verb], "--env", "CartPole-v1"])
    assert code == 2 and f"the run's own environment comes from, {own}, not CartPole-v1" in err, err
    assert command([verb, "out/seed-0", *NEEDING[verb], "--env", "own_module:Own-v0"]) == (0, "")


def alone(args, folder):
    """In a process of its own, because the environment sets a limit on the sizes of files."""
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    done = subprocess.run([sys.executable, "-m", "option_critic", *args], capture_output=True, text=True, cwd=folder,
                          env={**os.environ, "PYTHONPATH": paths})  # fmt: skip
    return done.returncode, done.stderr


def test_a_disk_that_fills_up_leaves_earlier_checkpoints_whole(command, tmp_path):
    flags = ["--hidden-dim", "64", "--total-timesteps", "640", "--checkpoint-every", "128"]
    code, err = alone(train("bad_envs:DiskFills-v0", *flags), tmp_path)
    assert code == 1 and "cannot be written (" in err and "); what was saved before is intact. Free" in err, err
    assert re.search(r"cannot be written \((File too|No space).*\): the training goes on", err), err  # at 256, ...
    assert "000000000640" in err and "Traceback" not in err and err.count("\n") == 2
    assert [p.name for p in (tmp_path / "out/seed-0/checkpoints").iterdir()] == ["000000000128"]
    assert command(["evaluate", "out/seed-0", "--episodes", "2"]) == (0, "")


def test_metrics_that_cannot_be_written_are_told_once_and_end_the_training_badly(tmp_path):
    flags = ["--total-timesteps", "960", "--checkpoint-every", "960", "--rollout-length", "4",
             "--num-options", "1"]  # fmt: skip
    code, err = alone(train("bad_envs:DiskFills-v0", *flags), tmp_path)
    # the system says either, as a line still fits in part or not at all
    assert code == 1 and re.search(r"out/seed-0 cannot be written \((File too|No space).*\): the training goes on", err)
    assert "Traceback" not in err and err.count("\n") == 2


def test_a_log_that_stands_elsewhere_is_not_written(command, tmp_path):
    (tmp_path / "out/seed-0").mkdir(parents=True)
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "out/seed-0/metrics.jsonl").symlink_to(tmp_path / "mine")
    code, err = command(train("CartPole-v1"))
    assert code == 1 and "metrics.jsonl is a link" in err and err.count("\n") == 1, err
    assert (tmp_path / "mine").read_text() == "mine"


def test_an_evaluation_that_cannot_be_kept_says_so(trained, command, tmp_path):
    run = Path(shutil.copytree(trained / "seed-0", tmp_path / "run"))
    (run / "traces").write_text("a file where a folder must be")
    code, err = command(["evaluate", run, "--episodes", "1"])
    assert code == 1 and f"{run} cannot be written" in err and err.count("\n") == 1, err
    assert not (run / "evaluation.json").exists()

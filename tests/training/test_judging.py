"""Judged while it trains: nothing that is learned changes, and the best checkpoint is the best by it."""

import hashlib
import json
import random
import time

import gymnasium as gym
import numpy as np
import pytest
import torch

import option_critic as oc
from option_critic.cli import main as cli
from option_critic.envs import metaworld
from option_critic.errors import InputError, RunError
from option_critic.evaluation import evaluate as evaluation
from option_critic.evaluation.judge import Judge
from option_critic.runs import inventory
from option_critic.runs.paths import RunPath
from option_critic.runs.run_folder import Run
from option_critic.training.progress import TrainingDisplay

pytestmark = pytest.mark.filterwarnings("ignore:the checkpoint after")  # boundaries are close on purpose

OFFICIAL = pytest.mark.skipif(not metaworld.available(), reason="Meta-World is not installed")
TINY = {"num_options": 2, "max_episode_steps": 10, "action_repeat": 1, "backend": "official", "env_threads": 1,
        "total_timesteps": 128, "evaluate_episodes": 1}  # fmt: skip


def rows(run, name="metrics.jsonl"):
    return [json.loads(line) for line in (run / name).read_text().splitlines()]


def told(row):
    return {name: value for name, value in row.items() if name.startswith("eval/")}


def sums(run):
    """Of what must not depend on whether, or how often, a run was stopped."""
    files = [run / "metrics.jsonl", *run.glob("checkpoints/*/model.safetensors")]
    return {str(f.relative_to(run)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def generators():
    _, words, *rest = np.random.get_state()
    return torch.get_rng_state().tolist(), words.tolist(), rest, random.getstate(), torch.get_num_threads()


@pytest.mark.parametrize(
    ("env_id", "changes"),
    [
        ("CartPole-v1", {"evaluate_episodes": 3}),
        ("Pendulum-v1", {"evaluate_episodes": 2, "algorithm": "ppo_oc", "action_repeat": 2, "max_option_length": 3}),
        pytest.param("Meta-World/reach-v3", TINY, marks=OFFICIAL),
    ],
)
def test_it_changes_nothing_of_what_is_learned(env_id, changes, small, tmp_path):
    before, seen = generators(), []
    for name, every in (("without", 0), ("with", 100)):
        agent = oc.OptionCritic.from_settings(small(env_id, evaluate_every=every, **changes))
        agent.learn(run_folder=tmp_path / name, callback=lambda _, metrics: seen.append(told(metrics)))
    assert generators() == before
    without, judged = rows(tmp_path / "without"), rows(tmp_path / "with")
    assert [{name: x for name, x in row.items() if name not in told(row)} for row in judged] == without
    figures = [told(row) for row in judged]
    assert seen == [{}] * len(without) + figures
    each = {"eval/mean_reward", "eval/mean_ep_length"}
    if "Meta-World" in env_id:
        each |= {f"eval/success_{which}rate" for which in ("", "any_", "held_", "lifted_")}
    steps = [row["time/total_timesteps"] for row in judged]
    due = [now // 100 > before // 100 or now == steps[-1] for before, now in zip([0, *steps], steps, strict=False)]
    assert [set(f) >= each for f in figures] == due and [bool(f) for f in figures] == due
    weights = [sums(tmp_path / name) for name in ("without", "with")]
    assert weights[0].items() - weights[1].items() <= {("metrics.jsonl", weights[0]["metrics.jsonl"])}
    assert weights[1].keys() - weights[0].keys() == {"checkpoints/best/model.safetensors"}


def test_it_says_what_evaluate_says_and_without_a_run_folder_too(small):
    agent, seen = oc.OptionCritic.from_settings(small(evaluate_every=200, evaluate_episodes=5)), []
    agent.learn(callback=lambda _, metrics: seen.append(told(metrics)))
    assert [bool(f) for f in seen] == [False, False, False, True]
    (result,) = evaluation.evaluate(agent, num_episodes=5)
    found = {"eval/mean_reward": "return", "eval/mean_ep_length": "length"}
    assert seen[-1] == {metric: result.summary[name].value for metric, name in found.items()}
    seen.clear()
    agent.learn(64, callback=lambda _, metrics: seen.append(told(metrics)))  # 320 steps, no boundary
    assert seen == [{}] and agent.state.evaluation == {}


@pytest.fixture
def verdicts(monkeypatch):
    """Steps -> what the evaluation there finds, or raises."""
    found = {}

    def judged(judge, showing):
        verdict = found[judge.agent.num_timesteps]
        if callable(verdict):
            return verdict()
        success, reward = verdict
        return {"eval/success_any_rate": success, "eval/mean_reward": reward}

    monkeypatch.setattr(Judge, "__call__", judged)
    return found


ORDER = {
    "success comes first": ([(0.5, 9.0), (0.6, 1.0), (0.5, 10.0), (0.0, 99.0)], 128),
    "then return": ([(0.5, 9.0), (0.5, 10.0), (0.5, 9.5), (0.0, 99.0)], 128),
    "of equals the last": ([(0.5, 9.0), (0.5, 9.0), (0.5, 9.0), (0.4, 9.0)], 192),
    "the first": ([(1.0, 1.0), (0.9, 1.0), (0.5, 9.0), (0.4, 9.0)], 64),
    "the last": ([(0.0, -5.0), (0.0, -4.0), (0.0, -3.0), (0.0, -2.0)], 256),
}


@pytest.mark.parametrize("case", ORDER)
def test_the_best_is_the_best_by_evaluation_and_is_kept(case, small, tmp_path, verdicts):
    found, best = ORDER[case]
    verdicts.update(zip((64, 128, 192, 256), found, strict=True))
    settings, weights = small(evaluate_every=64, keep_checkpoints=1), {}
    agent = oc.OptionCritic.from_settings(settings)
    agent.learn(
        run_folder=tmp_path,
        callback=lambda a, _: weights.update({a.num_timesteps: a.state.model.q_head.weight.clone()}),
    )
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["000000000256", "best"]
    loaded = oc.load(tmp_path, checkpoint="best")
    assert loaded.num_timesteps == best and torch.equal(loaded.state.model.q_head.weight, weights[best])
    assert oc.load(tmp_path).num_timesteps == 256


def test_the_best_is_listed_and_evaluated(small, tmp_path, verdicts, capsys):
    verdicts.update({128: (0.5, 9.0), 256: (0.25, 9.0)})
    run = tmp_path / "run"
    oc.OptionCritic.from_settings(small(evaluate_every=100)).learn(run_folder=run)
    oc.OptionCritic.from_settings(small()).learn(run_folder=tmp_path / "other")
    assert cli.list_(["--runs", str(tmp_path), "--json", str(tmp_path / "list.json")]) == 0
    out = capsys.readouterr().out
    assert f"{run}  256 steps, best after 128 (any-step success 50%, return 9.0)\n" in out
    assert f"{tmp_path / 'other'}  256 steps\n" in out
    listed = json.loads((tmp_path / "list.json").read_text())
    assert listed["runs"][str(run)] == 256 and listed["best"] == {str(run): 128}
    assert cli.evaluate([str(run), "--checkpoint", "best", "--episodes", "2"]) == 0
    assert list(json.loads((run / "evaluation.json").read_text())["results"]) == ["000000000128-episodes-deterministic"]
    capsys.readouterr()


class StopError(Exception):
    """What a crash looks like from inside."""


def crash_at(iteration):
    def callback(_, metrics):
        if metrics["time/iterations"] == iteration:
            raise StopError

    return callback


@pytest.mark.parametrize("iterations", [(1,), (3, 4), (5, 7, 8)])
def test_resumed_equals_uninterrupted(iterations, small, tmp_path):
    """With evaluations between boundaries, so that the best may be of a future that the resumed run has yet to see."""
    settings = small(total_timesteps=64 * 8, evaluate_every=64, evaluate_episodes=2, keep_checkpoints=1)
    oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path / "whole")
    first, *others = iterations
    with pytest.raises(StopError):
        oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path / "cut", callback=crash_at(first))
    for iteration in others:
        with pytest.raises(StopError):
            oc.resume(tmp_path / "cut", crash_at(iteration))
    oc.resume(tmp_path / "cut")
    assert all(told(row) for row in rows(tmp_path / "cut"))
    assert "checkpoints/best/model.safetensors" in sums(tmp_path / "cut")
    assert sums(tmp_path / "cut") == sums(tmp_path / "whole")


def test_a_kill_before_the_first_boundary_leaves_the_best(small, tmp_path, verdicts):
    verdicts.update(dict.fromkeys((64, 128), (0.0, 1.0)))
    settings = small(evaluate_every=64, checkpoint_every=256)
    with pytest.raises(StopError):
        oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path, callback=crash_at(2))
    assert oc.load(tmp_path).num_timesteps == 128
    assert inventory.position(RunPath.of(tmp_path)) == (0, 256)


def test_a_damaged_best_is_named_and_gives_way(small, tmp_path, verdicts):
    verdicts.update({64: (0.9, 1.0), 128: (0.1, 1.0), 192: (0.2, 1.0), 256: (0.1, 9.0)})

    def damage(agent, _):
        if agent.num_timesteps == 64:
            (tmp_path / "checkpoints" / "best" / "model.safetensors").write_bytes(b"")
            with pytest.raises(InputError, match=r"best/model.safetensors is damaged"):
                oc.load(tmp_path, checkpoint="best")

    oc.OptionCritic.from_settings(small(evaluate_every=64)).learn(run_folder=tmp_path, callback=damage)
    assert oc.load(tmp_path, checkpoint="best").num_timesteps == 192


@pytest.mark.parametrize("said", [None, [], {}, {"eval/mean_reward": "9"}, {"eval/mean_reward": True},
                                  {"eval/mean_reward": 1.0, "eval/success_any_rate": None}])  # fmt: skip
def test_nonsense_in_a_checkpoint_is_no_evaluation(said, tmp_path):
    (tmp_path / "state.json").write_text(json.dumps({"evaluation": said}))
    assert inventory.evaluation(RunPath.of(tmp_path)) == {}


def test_a_disk_that_is_full_costs_the_best_and_no_training(small, tmp_path, verdicts, monkeypatch):
    verdicts.update(dict.fromkeys((128, 256), (0.0, 1.0)))
    real = Run.checkpoint

    def full(run, state, name=None):
        if name == "best":
            with run.going_on():
                raise OSError(28, "No space left on device")
        return real(run, state, name)

    monkeypatch.setattr(Run, "checkpoint", full)
    with pytest.warns(UserWarning, match=r"No space left on device.*the training goes on"):
        oc.OptionCritic.from_settings(small(evaluate_every=128)).learn(run_folder=tmp_path)
    assert oc.load(tmp_path).num_timesteps == 256


def test_its_time_is_not_the_trainings(small, tmp_path, verdicts):
    verdicts.update(dict.fromkeys((128, 256), lambda: time.sleep(0.3) or {"eval/mean_reward": 0.0}))
    agent = oc.OptionCritic.from_settings(small(evaluate_every=128))
    started = time.perf_counter()
    agent.learn(run_folder=tmp_path)
    timing = rows(tmp_path, "timing.jsonl")
    assert agent.state.elapsed <= time.perf_counter() - started - 0.6
    assert [row.get("time/evaluate_seconds", 0) >= 0.3 for row in timing] == [False, True] * 2
    assert timing[-1]["time/time_elapsed"] == agent.state.elapsed
    assert not any("time/evaluate_seconds" in row for row in rows(tmp_path))


def test_tensorboard_has_it(small, tmp_path, verdicts):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    verdicts.update({128: (0.5, 3.0), 256: (0.75, 4.0)})
    oc.OptionCritic.from_settings(small(evaluate_every=128)).learn(run_folder=tmp_path)
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(s.step, s.value) for s in board.Scalars("eval/mean_reward")] == [(128, 3.0), (256, 4.0)]


def test_ctrl_c_within_it_saves(small, tmp_path, verdicts):
    def stop():
        raise KeyboardInterrupt

    verdicts.update({64: (0.0, 1.0), 128: stop})
    with pytest.raises(KeyboardInterrupt):
        oc.OptionCritic.from_settings(small(evaluate_every=64)).learn(run_folder=tmp_path)
    assert oc.load(tmp_path, checkpoint="interrupted").num_timesteps == 128
    verdicts.update(dict.fromkeys((128, 192, 256), (0.0, 1.0)))
    assert oc.resume(tmp_path).num_timesteps == 256


class Fifth(gym.Env):
    """Well for four environments; the fifth, which only an evaluation makes, fails."""

    observation_space = gym.spaces.Box(-1, 1, (2,))
    action_space = gym.spaces.Discrete(2)
    made = closed = 0

    def __init__(self):
        Fifth.made += 1
        self.number = Fifth.made

    def reset(self, *, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        if self.number > 5:  # the first was made to see its spaces
            raise RuntimeError("the fifth")
        return np.zeros(2, np.float32), 1.0, True, False, {}

    def close(self):
        Fifth.closed += 1


def test_an_environment_that_fails_in_it_is_named(small, tmp_path, monkeypatch):
    monkeypatch.setitem(gym.registry, "Fifth-v0", gym.spec("CartPole-v1"))
    with pytest.warns(UserWarning, match="Overriding"):
        gym.register("Fifth-v0", Fifth)
    settings = small("Fifth-v0", evaluate_every=128, evaluate_episodes=3, env_workers="never")
    agent = oc.OptionCritic.from_settings(settings)
    with pytest.raises(RunError, match=r"in the evaluation after 128 steps of training: Fifth-v0 .*the fifth"):
        agent.learn(run_folder=tmp_path)
    assert Fifth.closed == Fifth.made == 8
    assert [row["time/total_timesteps"] for row in rows(tmp_path)] == [64]


def test_what_cannot_be_judged_is_told_before_anything_is_written(small, tmp_path, monkeypatch):
    agent = oc.OptionCritic.from_settings(small(evaluate_every=64, evaluate_episodes=100_000))
    with pytest.raises(InputError, match=r"evaluate_every.*100,000 episodes of up to 500 steps are too much"):
        agent.learn(run_folder=tmp_path / "run")
    monkeypatch.setattr(evaluation, "available", lambda: False)
    monkeypatch.setattr("option_critic.agent.resolve_backend", lambda *_: "envpool")
    agent = oc.OptionCritic.from_settings(small("Meta-World/reach-v3", evaluate_every=64))
    with pytest.raises(InputError, match=r"evaluate_every.*Meta-World is not installed; pip install"):
        agent.learn(run_folder=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_it_is_a_flag(monkeypatch):
    asked = []
    monkeypatch.setattr("option_critic.cli.train.train_seeds", lambda settings, *_: asked.append(settings))
    assert cli.train(["cartpole", "--evaluate-every", "1e4", "--evaluate-episodes", "7"]) == 0
    assert (asked[0].evaluate_every, asked[0].evaluate_episodes) == (10_000, 7)


LINE = {"time/fps": 1000.0, "rollout/ep_rew_mean": 1.0}
EVALUATION = {"eval/mean_reward": -12_345.6, "eval/success_any_rate": 0.25}


def test_what_is_shown(capsys):
    with TrainingDisplay("seed 1234", 1000, ("flat",)) as display:
        with display.judging(20) as on_step:
            on_step(0, 20)
            on_step(3, 20)
            assert display.bar.tasks[0].description == "seed 1234, judging: 3 of 20 episodes"
        assert display.bar.tasks[0].description == "seed 1234"
        display.show(LINE | EVALUATION | {"time/total_timesteps": 500.0})
        display.show(LINE | {"time/total_timesteps": 700.0})
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "seed 1234  judged after 500 steps: any-step success 25%, return -12,345.6"
    assert [line.split()[2] for line in lines] == ["500", "judged", "700"]

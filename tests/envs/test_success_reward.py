"""The success-only reward: what it pays, on both backends, and what is said where its returns are shown."""

import json
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import option_critic as oc
from option_critic.cli import main as cli
from option_critic.cli.evaluate import read_evaluation
from option_critic.cli.list import list_everything
from option_critic.cli.train import header
from option_critic.envs.contract import env_seeds
from option_critic.envs.make import make_envs
from option_critic.envs.metaworld import HORIZON
from option_critic.envs.settings import EnvSettings
from option_critic.errors import InputError
from option_critic.evaluation import evaluate as evaluation
from option_critic.evaluation import metaworld_protocol
from option_critic.runs import inventory
from option_critic.runs.paths import RunPath
from option_critic.settings import Settings
from option_critic.training.progress import TrainingDisplay

REACH, EASY = "Meta-World/reach-v3", "Meta-World/drawer-close-v3"
"""EASY: actions drawn at random succeed now and then."""
BACKENDS = ["envpool", "official"]
B, LIMIT = 4, 33
HAND, GOAL = slice(0, 3), slice(36, 39)


def towards_goal(obs):
    """Actions [B, 4] that bring the hand to the goal of reach: it is in success after some thirty steps."""
    return np.pad(np.clip(10 * (obs[:, GOAL] - obs[:, HAND]), -1, 1), ((0, 0), (0, 1))).astype(np.float32)


def steps(settings, actions=None):
    """Steps of reach into its second episode, and the actions: towards the goal, or given ones."""
    envs = make_envs(REACH, replace(settings, num_envs=B, max_episode_steps=LIMIT, env_threads=1), env_seeds(0, 0, B))
    obs, found, taken = envs.reset(), [], []
    while len(taken) < len(actions) if actions else sum(int(s.steps[0]) for s in found) < LIMIT + 3:
        taken.append(towards_goal(obs) if actions is None else actions[len(taken)])
        found.append(envs.step(taken[-1]))
        obs = found[-1].act_obs
    envs.close()
    return found, taken


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_step_in_success_pays_one_and_nothing_else_changes(backend):
    dense, actions = steps(EnvSettings(backend=backend))
    success, _ = steps(EnvSettings(backend=backend, reward="success"), actions)
    for a, b in zip(dense, success, strict=True):
        assert np.array_equal(b.reward, (a.info["success"] > 0) & a.valid) and b.reward.dtype == np.float64
        for name in ("next_obs", "act_obs", "is_first", "terminated", "truncated", "valid"):
            assert np.array_equal(getattr(a, name), getattr(b, name)), name
        assert all(np.array_equal(a.info[name], b.info[name]) for name in a.info)
    paid = np.stack([s.reward for s in success])
    assert paid.sum(0).max() > 1 and (paid == 0).any()  # an episode goes on after its first success
    assert max(s.reward.max() for s in dense) > 5  # the official reward


@pytest.mark.parametrize("backend", BACKENDS)
def test_held_steps_pay_for_each_of_theirs(backend):
    held, actions = steps(EnvSettings(backend=backend, reward="success", action_repeat=4))
    each = [a for a, s in zip(actions, held, strict=True) for _ in range(int(s.steps[0]))]
    single, _ = steps(EnvSettings(backend=backend, reward="success"), each)
    ends = np.cumsum([int(s.steps[0]) for s in held])
    paid = np.cumsum([s.reward for s in single], axis=0)[ends - 1]
    assert np.array_equal(np.cumsum([s.reward for s in held], axis=0), paid) and held[0].steps[0] == 4
    assert max(s.reward.max() for s in held) == 4


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: oc.OptionCritic("CartPole-v1", reward="success"), "CartPole-v1"),
        (lambda: oc.OptionCritic(gym.make("CartPole-v1"), reward="success", num_envs=1), "object:"),
        (lambda: Settings(env_id="mine:make").override(reward="success"), "mine:make"),
        (lambda: oc.OptionCritic(REACH, reward="success").set_env("Pendulum-v1"), "Pendulum-v1"),
    ],
)
def test_other_environments_are_refused_by_name(make, name):
    with pytest.raises(InputError, match=f"reward must be dense for {name}.* got success.*wrapper of your own"):
        make()


def test_the_command_line_refuses_it_before_anything_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["option-critic", "train", "cartpole", "--reward", "success"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2 and "reward must be dense for CartPole-v1" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_agents_of_before_have_the_official_reward():
    folder = Path(__file__).parents[1] / "fixtures" / "format-1"
    assert "reward" not in json.loads((folder / "config.json").read_text())["settings"]["env"]
    assert oc.load(folder).settings.env.reward == "dense"


class StopError(Exception):
    """A crash."""


def crash(agent, metrics):
    if metrics["time/iterations"] == 3:
        raise StopError


SHORT = {"num_envs": 8, "rollout_length": 60, "max_episode_steps": 59, "minibatch_size": 240, "env_threads": 1,
         "initial_log_std": 0.5}  # fmt: skip


@pytest.mark.filterwarnings("ignore:the checkpoint after")  # boundaries are close on purpose
def test_training_counts_steps_in_success_and_resumes_to_the_bit(small, tmp_path):
    settings = small(EASY, reward="success", backend="envpool", total_timesteps=4 * 8 * 59,
                     checkpoint_every=2 * 8 * 59, **SHORT)  # fmt: skip
    seen = []
    oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path / "whole", callback=lambda _, m: seen.append(m))
    assert seen[-1]["rollout/success_any_rate"] > 0  # by chance: this is what makes the rest mean something
    for m in seen:
        assert 0 <= m["rollout/ep_rew_mean"] <= 59 * m["rollout/success_any_rate"]
        assert (m["rollout/ep_rew_mean"] > 0) == (m["rollout/success_any_rate"] > 0)
    with pytest.raises(StopError):
        oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path / "cut", callback=crash)
    assert oc.resume(tmp_path / "cut").settings.env.reward == "success"
    assert (tmp_path / "cut" / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    ends = [
        inventory.boundaries(RunPath.of(tmp_path / name))[-1].path / "model.safetensors" for name in ("cut", "whole")
    ]
    assert ends[0].read_bytes() == ends[1].read_bytes()


def test_training_on_the_official_package_is_paid_the_same(small):
    settings = small(REACH, reward="success", backend="official", total_timesteps=40, **SHORT | {"num_envs": 2,
                     "rollout_length": 10, "max_episode_steps": 10, "minibatch_size": 10})  # fmt: skip
    seen = []
    oc.OptionCritic.from_settings(settings).learn(callback=lambda _, m: seen.append(m))
    assert [m["rollout/ep_rew_mean"] for m in seen] == [0.0, 0.0]  # the official reward is above 0 at each step


def test_going_on_with_another_reward_forgets_the_scale_and_the_returns_of_the_old_one(tmp_path):
    agent = oc.OptionCritic(REACH, num_envs=2, rollout_length=8, minibatch_size=16, max_episode_steps=4, hidden_dim=8)
    agent.learn(16).save(tmp_path / "agent")
    same, other = oc.load(tmp_path / "agent"), oc.load(tmp_path / "agent", reward="success")
    assert same.state.model.reward_norm.moments.count > 0 and len(same.state.episodes.returns) > 0
    moments = other.state.model.reward_norm.moments
    assert (float(moments.count), float(moments.mean), float(moments.var)) == (0, 0, 1)
    assert not other.state.episodes.returns and other.settings.env.reward == "success"


def test_a_run_is_listed_and_judged_as_what_it_is(small, tmp_path, capsys, monkeypatch):
    """Its returns in training are steps in success, those of evaluations the official ones; each is said."""
    agents = {reward: oc.OptionCritic.from_settings(small(REACH, reward=reward)) for reward in ("dense", "success")}
    for reward, agent in agents.items():
        agent.save(tmp_path / reward / "seed-0" / "checkpoints" / "000000000000")
        config = tmp_path / reward / "seed-0" / "checkpoints" / "000000000000" / "config.json"
        (tmp_path / reward / "seed-0" / "config.json").write_text(config.read_text())
    assert any("success-only reward" in line for line in header(agents["success"], RunPath.of(tmp_path / "x")))
    assert not any("success-only" in line for line in header(agents["dense"], RunPath.of(tmp_path / "x")))

    list_everything(tmp_path, Path("-"))
    assert json.loads(capsys.readouterr().out)["success_only"] == [str(tmp_path / "success" / "seed-0")]
    monkeypatch.setattr("option_critic.cli.list.evaluation", lambda _: {"eval/mean_reward": 12.0})
    list_everything(tmp_path, None)
    told = {p.parts[-2]: line for line in capsys.readouterr().out.splitlines()[-2:] for p in [Path(line.split()[0])]}
    assert "0 steps, success-only reward, best" in told["success"] and "(official return 12.0)" in told["success"]
    assert "success-only" not in told["dense"] and "(return 12.0)" in told["dense"]

    goals = metaworld_protocol.GoalSet("D", metaworld_protocol.goal_set("reach-v3", "D").vectors[:1])
    monkeypatch.setattr(evaluation.metaworld_protocol, "goal_set", lambda *_: goals)
    found = evaluation.evaluate(agents["success"], workers=1)
    (row,) = found[0].episodes
    assert row["length"] == HORIZON and row["return"] > HORIZON * row["any"]  # the official reward, above 0 everywhere
    monkeypatch.setattr(evaluation, "evaluate", lambda *_: found)
    for reward in agents:
        assert cli.evaluate([str(tmp_path / reward / "seed-0")]) == 0
        out = capsys.readouterr().out
        assert ("0 training steps, success-only reward" in out) == (reward == "success")
        assert ("official return" in out) == (reward == "success")
        record = read_evaluation(RunPath.of(tmp_path / reward / "seed-0"))
        assert record["training_reward"] == reward


def test_returns_of_training_are_called_what_they_are(capsys):
    metrics = {"time/fps": 12_345.0, "rollout/ep_rew_mean": 499.9, "rollout/success_any_rate": 1.0,
               "eval/mean_reward": 4_000.0, "eval/success_any_rate": 1.0}  # fmt: skip
    for success_only in (False, True):
        with TrainingDisplay("seed 1234", 1_490_000, ("flat",), success_only=success_only) as display:
            display.show(metrics | {"time/total_timesteps": 1_490_000.0})
        line, judged = capsys.readouterr().out.splitlines()
        assert len(line) <= 80
        assert ("success-only return 499.9  any-step 100%" in line) == success_only
        assert ("official return 4,000.0" in judged) == success_only

"""Episodes that would never end are cut, and it is said how many were."""

import inspect
import json

import gymnasium as gym
import numpy as np
import pytest

import option_critic as oc
from option_critic.cli.diagnose import diagnose_run
from option_critic.cli.evaluate import evaluate_run
from option_critic.errors import InputError
from option_critic.evaluation import evaluate as evaluation
from option_critic.evaluation.diagnosis import study
from option_critic.evaluation.limits import Effort
from option_critic.report.replay import episode_frames
from option_critic.runs.paths import RunPath

SMALL = {"num_envs": 2, "rollout_length": 16, "minibatch_size": 16, "epochs": 1, "hidden_dim": 8, "torch_threads": 1}


class Endless(gym.Env):
    """Rewards are drawn, also from episode to episode; no limit of steps."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    observation_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float64)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, render_mode=None, length=None):
        self.render_mode, self.length = render_mode, length

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1), {}

    def step(self, action):
        self.t += 1
        return np.full(1, float(self.t % 3)), float(self.np_random.normal() + action), self.t == self.length, False, {}

    def render(self):
        return np.zeros((4, 4, 3), np.uint8)


LIMITS = {"Endless-v0": {}, "EndsAt30-v0": {"kwargs": {"length": 30}}, "Limited-v0": {"max_episode_steps": 20}}
for name, more in LIMITS.items():
    gym.register(name, Endless, **more) if name not in gym.registry else None


def test_what_never_ends_is_cut_and_its_steps_are_told():
    told = []
    agent = oc.OptionCritic("Endless-v0", **SMALL)
    (result,) = evaluation.evaluate(
        agent, num_episodes=3, on_step=lambda *step: told.append(step), max_episode_steps=30
    )
    assert result.trace.length.tolist() == [30] * 3 and evaluation.cuts(result.trace) == (3, 30)
    assert result.trace.info["cut"].sum(1).tolist() == [1.0] * 3 and result.trace.info["cut"][:, -1].all()
    assert told == [(0, 3)] * 29 + [(3, 3)]


def test_there_is_a_limit_where_nobody_sets_one():
    nothing_said = inspect.signature(evaluation.evaluate).parameters["max_episode_steps"].default
    limit, cut = evaluation.plain_limits(oc.OptionCritic("Endless-v0", **SMALL), 1, nothing_said)
    assert limit == cut == 10_000


@pytest.mark.parametrize(
    ("env_id", "limit", "length", "cut"),
    [("EndsAt30-v0", 30, 30, 0), ("EndsAt30-v0", 29, 29, 3), ("Limited-v0", 20, 20, 0), ("Limited-v0", 30, 20, 0),
     ("Limited-v0", 19, 19, 3)],
)  # fmt: skip
def test_only_what_the_evaluation_itself_cuts_counts(env_id, limit, length, cut):
    agent = oc.OptionCritic(env_id, **SMALL)
    (result,) = evaluation.evaluate(agent, num_episodes=3, max_episode_steps=limit)
    assert result.trace.length.tolist() == [length] * 3 and evaluation.cuts(result.trace)[0] == cut
    assert set(result.trace.info) == ({"cut"} if cut else set())


def test_the_limit_of_training_comes_first():
    agent = oc.OptionCritic("Endless-v0", max_episode_steps=25, **SMALL)
    (result,) = evaluation.evaluate(agent, num_episodes=2, max_episode_steps=30)
    assert result.trace.length.tolist() == [25] * 2 and evaluation.cuts(result.trace) == (0, 0)


def test_it_is_printed_and_kept(tmp_path, capsys):
    run = tmp_path / "seed-0"
    oc.OptionCritic("Endless-v0", **SMALL).learn(32, run_folder=run)
    (checkpoint,) = (run / "checkpoints").iterdir()
    modes = ("deterministic", "stochastic")
    evaluate_run(RunPath.of(run), RunPath.of(checkpoint), (), modes, Effort(3, max_episode_steps=30), None)
    out = capsys.readouterr().out
    assert "cut at 30 steps" in out
    assert out.count("3 episodes") == 4  # the heads of two columns, and what was cut in each
    kept = json.loads((run / "evaluation.json").read_text())["results"]
    assert {r["horizon"] for r in kept.values()} == {"full episodes, but 3 of 3 cut at 30 steps"}
    diagnose_run(RunPath.of(run), RunPath.of(checkpoint), "D", Effort(2, max_episode_steps=30), True, None, None)
    assert "cut at 30 steps, of 2: 2 as learned, 2 option-0 alone" in capsys.readouterr().out
    assert json.loads((run / "diagnosis.json").read_text())["cut_episodes"]["as learned"] == 2


def test_what_was_cut_is_replayed(monkeypatch):
    """Also the episodes after it, in the same environment: their chance runs on."""
    monkeypatch.setattr(evaluation, "NUM_ENVS", 2)
    agent = oc.OptionCritic("Endless-v0", **SMALL)
    (result,) = evaluation.evaluate(agent, modes=["stochastic"], num_episodes=5, max_episode_steps=12)
    assert len(np.unique(result.trace.reward)) == 5 * 12
    for episode in range(5):
        frames = list(episode_frames("Endless-v0", result.trace, episode, 12))
        assert len(frames) == 12


def test_more_than_memory_holds_is_refused():
    agent = oc.OptionCritic("Endless-v0", **SMALL)
    with pytest.raises(
        InputError, match=r"100,000 episodes of up to 10,000 steps are too much .* come to 23,809,523 with"
    ):
        evaluation.evaluate(agent, num_episodes=100_000)
    with pytest.raises(InputError, match=r"1 episodes of up to 1,000,000,000 steps are too much"):
        study(agent, "D", 1, 1, False, max_episode_steps=10**9)
    with pytest.raises(InputError, match=r"max_episode_steps must lie in \[1, 1,000,000,000\], got 0"):
        evaluation.evaluate(agent, num_episodes=1, max_episode_steps=0)

"""Success of environments that are not Meta-World: at any step and at the last, each by its name."""

import json

import gymnasium as gym
import numpy as np
import pytest

import option_critic as oc
from option_critic.cli.evaluate import evaluate_run
from option_critic.evaluation.diagnosis import study
from option_critic.evaluation.evaluate import evaluate
from option_critic.evaluation.intervals import proportion
from option_critic.report.gather import gather
from option_critic.report.page import data
from option_critic.report.summary import figure_tables, headline
from option_critic.runs.paths import RunPath


class Tells(gym.Env):
    """Six steps. Of each five episodes one solves the task at step 3 and one at its last step, if it is ever solved."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, name, only_when_it_happens, solves=True):
        self.name, self.only, self.solves, self.episode = name, only_when_it_happens, solves, -1

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode = self.episode + 1 if seed is None else int(self.np_random.integers(5))
        self.t = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.t += 1
        solved = self.solves and (self.t, self.episode % 5) in ((3, 1), (6, 2))
        info = {self.name: solved} if solved or not self.only else {}
        return np.zeros(2, np.float32), float(self.t == 3 and self.episode % 5 == 1), self.t == 6, False, info


KINDS = {f"{name}-{only}": {"name": name, "only_when_it_happens": only}
         for name in ("success", "is_success") for only in (True, False)}  # fmt: skip
for kind, kwargs in KINDS.items():
    gym.register(f"Tells-{kind}-v0", Tells, kwargs=kwargs)
gym.register("Fails-v0", Tells, kwargs={"name": "is_success", "only_when_it_happens": True, "solves": False})
SMALL = {"num_envs": 2, "rollout_length": 16, "epochs": 1, "hidden_dim": 8, "num_options": 2}


def told(result):
    """What the environment did, from its rewards and lengths alone."""
    early = result.trace.reward[:, 2] > 0
    assert (result.trace.length == 6).all()
    return early


@pytest.mark.parametrize("kind", KINDS)
def test_both_successes_are_told_with_their_intervals(kind):
    (result,) = evaluate(oc.OptionCritic(f"Tells-{kind}-v0", **SMALL), num_episodes=60)
    early = told(result)
    any_step, final = (np.array([row[name] for row in result.episodes]) for name in ("any", "final"))
    assert 0 < early.sum() < any_step.sum() < 60
    assert not (final & early).any() and np.array_equal(any_step, final | early)
    assert result.summary["any"] == proportion(any_step) and result.summary["final"] == proportion(final)
    assert list(result.summary) == ["any", "final", "return", "length"]


def test_no_success_in_any_episode_is_none_and_not_unknown():
    agent = oc.OptionCritic("Fails-v0", **SMALL)
    assert "any" not in evaluate(agent, num_episodes=5)[0].summary  # nobody ever told of one
    agent.state.episodes.tells_success = True
    for result in evaluate(agent, modes=("deterministic", "stochastic"), num_episodes=5):
        assert result.summary["any"].value == result.summary["final"].value == 0.0
        assert [row["any"] for row in result.episodes] == [False] * 5
    found = study(agent, "D", 5, 1, with_ablations=True)
    assert all(list(x) == ["any", "final", "return"] and x["any"].value == 0 for x in found.ablations.values())


def test_what_one_mode_tells_the_other_tells_too(monkeypatch):
    """Success in one of the modes only: in the other there was none."""
    agent = oc.OptionCritic("Tells-success-True-v0", **SMALL)
    original = oc.evaluation.evaluate.run_plain

    def run(agent, episodes, deterministic, *args):
        trace = original(agent, episodes, deterministic, *args)
        if deterministic:
            del trace.info["success"]
        return trace

    monkeypatch.setattr(oc.evaluation.evaluate, "run_plain", run)
    first, second = evaluate(agent, modes=("deterministic", "stochastic"), num_episodes=40)
    assert first.summary["any"].value == 0.0 < second.summary["any"].value


def test_it_is_printed_kept_and_shown(tmp_path, capsys):
    agent = oc.OptionCritic("Tells-is_success-True-v0", **SMALL)
    agent.learn(64, run_folder=tmp_path / "a" / "seed-0")
    (checkpoint,) = (tmp_path / "a" / "seed-0" / "checkpoints").iterdir()
    evaluate_run(RunPath.of(tmp_path / "a" / "seed-0"), checkpoint, (), ("deterministic",), 20, 0, None, None)
    out = capsys.readouterr().out
    (result,) = json.loads((tmp_path / "a" / "seed-0" / "evaluation.json").read_text())["results"].values()
    figures = result["summary"]
    assert figures["any"]["value"] > figures["final"]["value"] > 0
    for name, label in (("any", "any-step success"), ("final", "final-step success")):
        figure = "{value:.3f} [{low:.3f}, {high:.3f}]".format(**figures[name])
        assert label in out and figure in out
        (table,) = figure_tables(gather([tmp_path / "a"]))
        assert table["rows"][label] == [figure]
    assert {"any", "final"} <= result["episodes"][0].keys()
    said = headline(gather([tmp_path / "a"]))
    assert "any-step success" in said and "full episodes" in said
    (run,) = data(gather([tmp_path / "a"]), {}, [])["runs"]
    missed = [episode["missed"] for episode in run["evaluations"][0]["episodes"]]
    assert missed == [not row["any"] for row in result["episodes"]] and len(set(missed)) == 2

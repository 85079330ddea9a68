"""Several tasks judged at once: the official goals of each, figures of each, their means."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import option_critic as oc
from option_critic.cli import evaluate as verb
from option_critic.evaluation import evaluate as evaluation
from option_critic.evaluation import metaworld_protocol, tasks
from option_critic.evaluation.ablations import NOTHING
from option_critic.evaluation.diagnosis import study
from option_critic.evaluation.goals import GOALS_PER_SEED, mt1_goals
from option_critic.evaluation.judge import Judge
from option_critic.evaluation.option_figures import averaged, diagnose
from option_critic.evaluation.trace import Trace
from option_critic.runs.figures import read_evaluation
from option_critic.runs.paths import RunPath

NAMES = ("door-close-v3", "push-v3")
SMALL = dict(num_envs=2, max_episode_steps=4, rollout_length=3, hidden_dim=8, minibatch_size=4, torch_threads=1,
             num_options=2)  # fmt: skip


def made():
    return oc.OptionCritic("Meta-World/" + "+".join(NAMES), seed=1, **SMALL)


def trace(success, option, **info):
    """Episodes by success [E, T] and option [E, T]."""
    success, option = np.array(success, float), np.array(option)
    shape, k = success.shape, 2
    nothing, flags = np.zeros((*shape, k)), np.zeros(shape, bool)
    height = {"object_height": np.zeros(shape), "initial_height": np.zeros(shape)}
    return Trace(
        length=np.full(shape[0], shape[1]), option=option, decided=~flags, ended=flags, forced=flags,
        beta=np.zeros(shape), q=nothing, mu=nothing, interest=nothing + 1, distance=nothing,
        action=np.zeros((*shape, 4)),
        goal=np.ones((shape[0], info.pop("goal", 3))), reward=np.ones(shape), info={"success": success} | height | info,
    )  # fmt: skip


def test_traces_of_tasks_are_joined_and_taken_apart():
    short = trace([[0, 1]], [[0, 0]], goal=3)
    long = trace([[0, 0, 0], [1, 1, 1]], [[1, 0, 1], [1, 1, 1]], goal=6, near_object=np.ones((2, 3)))
    both = tasks.joined([short, long])
    assert both.goal.shape == (3, 6) and both.option.shape == (3, 3) and both.length.tolist() == [2, 3, 3]
    assert both.info["task"][:, 0].tolist() == [0, 1, 1] and both.info["near_object"][0].tolist() == [0, 0, 0]
    found = tasks.by_task(both, NAMES, ("a", "b"))
    assert [found[n].summary["any"].value for n in NAMES] == [1, 0.5]
    assert found[NAMES[0]].shares == {"a": 1, "b": 0} and found[NAMES[1]].shares["b"] == pytest.approx(5 / 6)
    mean = tasks.means(found)
    assert mean["any"].value == 0.75 and mean["any"].n == 2 and (mean["any"].low, mean["any"].high) == (0, 1)


def test_the_goals_are_those_of_the_protocol():
    assert metaworld_protocol.usual_goals(NAMES) == "seed-10001" and metaworld_protocol.usual_goals(NAMES[:1]) == "D"
    goals = evaluation.goals_of(NAMES, "seed-10001")
    assert [len(goals[name]) for name in NAMES] == [GOALS_PER_SEED] * 2
    assert np.array_equal(goals["push-v3"], mt1_goals("push-v3", 10001))
    assert evaluation.num_episodes_of(made(), [], ["deterministic"], 7) == 100
    assert [len(x) for x in evaluation.goals_of(NAMES, "seed-10001", 7).values()] == [3, 3]
    assert [len(x) for x in evaluation.goals_of(NAMES, "seed-10001", 1).values()] == [1, 1]


@pytest.fixture
def few(monkeypatch):
    """One goal of each task, and short official episodes."""
    monkeypatch.setattr(metaworld_protocol, "mt1_goals", lambda task, _: mt1_goals(task, 10001)[:1])
    official = evaluation.make_official

    def short(task, seeds, **more):
        return official(task, seeds, 12, **more)

    monkeypatch.setattr(evaluation, "make_official", short)


def test_figures_of_each_are_printed_and_kept(few, tmp_path, capsys):
    agent = made()
    (result,) = evaluation.evaluate(agent)
    assert list(result.tasks) == list(NAMES) and result.name == "seed-10001"
    assert [row["task"] for row in result.episodes] == list(NAMES)
    assert len(result.episodes[0]["goal"]) != result.trace.goal.shape[1]  # theirs are of different lengths
    assert result.summary["any"].n == 2
    run = RunPath.of(tmp_path / "run")
    run.make()
    kept = verb.keep(run, agent, 0, [result])
    told = json.loads((tmp_path / "run" / "evaluation.json").read_text())["results"]
    assert told == kept["results"] and list(next(iter(told.values()))["tasks"]) == list(NAMES)
    verb.print_tasks(result, agent.option_names)
    said = capsys.readouterr().out
    assert all(name in said for name in (*NAMES, *agent.option_names))
    (read,) = read_evaluation(run / "evaluation.json").sound().values()
    assert list(read.tasks) == list(NAMES) and read.tasks["push-v3"].shares.keys() == set(agent.option_names)
    assert read.episodes[1].task == "push-v3"


def test_a_narrow_table_has_letters_for_options_and_whole_names_of_tasks(monkeypatch, capsys):
    names, tasks_ = ("reach", "grasp", "move"), ("button-press-topdown-v3", "button-press-topdown-wall-v3")
    rates = dict.fromkeys(("any", "held", "final"), SimpleNamespace(value=0.5))
    row = SimpleNamespace(summary=rates, shares=dict.fromkeys(names, 1 / 3))
    result = SimpleNamespace(name="D", mode="deterministic", tasks=dict.fromkeys(tasks_, row))
    for width, heads in ((120, ["reach", "grasp", "move"]), (80, ["r", "g", "m"]), (60, [])):
        monkeypatch.setenv("COLUMNS", str(width))
        verb.print_tasks(result, names)
        said = capsys.readouterr().out
        assert max(map(len, said.splitlines())) <= width and all(f" {task} " in said for task in tasks_)
        assert said.splitlines()[2].replace("┃", "").split() == ["task", "any-step", "held", "final", *heads]
        assert ("r reach, g grasp, m move" in said) == (width == 80)
    assert verb.heads_of(("alone",), 99) == {}


def test_tasks_beside_each_other_are_judged_as_alone(few, monkeypatch):
    """Each episode is of its goal, whatever runs beside it."""
    agent, seen = made(), []
    goals = {name: mt1_goals(name, 10001)[:count] for name, count in zip(NAMES, (3, 2), strict=True)}
    for num_envs in (1, 4, 50):
        monkeypatch.setattr(evaluation, "NUM_ENVS", num_envs)
        whole = evaluation.run_tasks(agent, goals, True, 1, lambda *_: None)
        seen.append(whole)
        assert whole.info["task"][:, 0].tolist() == [0, 0, 0, 1, 1]
        for name, own in goals.items():
            assert np.array_equal(tasks.apart(whole, NAMES)[name].goal[:, : own.shape[1]], own)
    for other in seen[1:]:
        assert np.array_equal(seen[0].option, other.option) and np.array_equal(seen[0].length, other.length)
        np.testing.assert_allclose(seen[0].reward, other.reward, atol=1e-4)
    first = seen[0].reward[:, 0]
    assert len(set(first.round(9).tolist())) == 5  # each from a goal of its own


def test_a_diagnosis_is_of_each_task_and_then_of_all(few, monkeypatch):
    agent = made()
    whole = study(agent, "seed-10001", 2, 1, with_ablations=False)
    parts = tasks.apart(whole.trace, NAMES)
    each = [diagnose(part, agent.option_names, ("", "")) for part in parts.values()]
    assert whole.diagnosis == averaged(each) and len(each) == 2
    any_step = whole.ablations[NOTHING.name]["any"]
    assert any_step.n == 2 and any_step == tasks.means(tasks.by_task(whole.trace, NAMES, agent.option_names))["any"]


def test_it_is_judged_while_it_trains(few, monkeypatch):
    from contextlib import nullcontext

    agent = oc.OptionCritic("Meta-World/" + "+".join(NAMES), evaluate_every=12, evaluate_episodes=3, **SMALL)
    judge = Judge(agent)
    found = judge(lambda episodes: nullcontext(lambda *_: None))
    assert judge.episodes == 2 and 0 <= found["eval/success_any_rate"] <= 1 and found["eval/mean_ep_length"] == 12

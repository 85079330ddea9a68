"""What callbacks are told, and what the shipped ones do."""

from pathlib import Path

import numpy as np
import pytest

import option_critic as oc
from option_critic.callbacks import Callback, KeepBest, OptionEnd, StopOnPlateau, StopWhenSolved, ends_of
from option_critic.errors import InputError
from option_critic.training.callbacks import as_one

pytestmark = pytest.mark.filterwarnings("ignore:the checkpoint after")


class Agent:
    """Saves by noting where; evaluated or not."""

    def __init__(self, evaluate_every=1):
        self.settings, self.saved = type("Settings", (), {"evaluate_every": evaluate_every}), []

    def save(self, folder):
        self.saved.append(folder)


def told(callback, *values, name="eval/mean_reward", agent=None):
    """Its answers to the values of a metric; None: an iteration without."""
    return [callback.on_iteration(agent or Agent(), {} if x is None else {name: x}) for x in values]


def test_objects_are_told_of_all_three(small, tmp_path):
    heard = []

    class Listener(Callback):
        def on_iteration(self, agent, metrics):
            heard.append(("iteration", agent.num_timesteps, "eval/mean_reward" in metrics))

        def on_boundary(self, agent, checkpoint):
            heard.append(("boundary", agent.num_timesteps, sorted(p.name for p in checkpoint.iterdir())[-1]))

        def on_option_end(self, agent, end):
            heard.append(("end", agent.num_timesteps, end))

    class OnlyEnds:
        def on_option_end(self, agent, end):
            ends.append(end)

    ends, rewards = [], []
    agent = oc.OptionCritic.from_settings(small(evaluate_every=128, evaluate_episodes=3, num_options=2))
    each = [Listener(), OnlyEnds(), lambda _, metrics: rewards.append(metrics.get("eval/mean_reward"))]
    agent.learn(callback=each, run_folder=tmp_path / "run")
    assert [x[:2] for x in heard if x[0] == "boundary"] == [("boundary", 128), ("boundary", 256)]
    assert all(x[2] == "state.json" for x in heard if x[0] == "boundary")
    assert [x for x in heard if x[0] == "iteration"] == [("iteration", n, n % 128 == 0) for n in (64, 128, 192, 256)]
    told = [x[2] for x in heard if x[0] == "end"]
    assert told == ends and {end.episode for end in ends} == {0, 1, 2} and isinstance(ends[0], OptionEnd)
    first = [end for end in ends[: len(ends) // 2 + 1]]
    assert first[0].start == 0 and first[0].name == agent.option_names[first[0].option]
    at_128 = [x[2] for x in heard if x[0] == "end" and x[1] == 128]
    assert sum(end.reward for end in at_128) / 3 == pytest.approx(rewards[1])
    assert sum(end.why == "episode" for end in at_128) == 3


def test_ends_are_those_of_the_trace():
    import runs

    trace = runs.trace(episodes=2)
    first = [end for end in ends_of(trace, ("reach", "grasp", "move")) if end.episode == 0]
    assert [(e.name, e.start, e.steps, e.why) for e in first] == [
        ("reach", 0, 12, "learned"), ("grasp", 12, 12, "forced"), ("move", 24, 36, "episode"),
    ]  # fmt: skip
    assert sum(e.reward for e in first) == pytest.approx(trace.reward[0].sum())


def test_it_stops_when_solved():
    assert told(StopWhenSolved(0.9, "eval/mean_reward"), 0.5, None, 0.9) == [True, True, False]
    assert told(StopWhenSolved(0.9, "eval/mean_reward", 2), 1, 0, 1, None, 1) == [True, True, True, True, False]


def test_it_stops_on_a_plateau():
    assert told(StopOnPlateau(2), 1, 2, 2, None, 1.5) == [True, True, True, True, False]
    assert told(StopOnPlateau(1, least=0.5), 1, 1.6, 2.0) == [True, True, False]


def test_what_stopped_one_training_does_not_stop_the_next_one_at_once():
    solved = StopWhenSolved(1, "eval/mean_reward", times=2)
    assert told(solved, 1, 1) == [True, False] == told(solved, 1, 1)
    plateau = StopOnPlateau(1)
    assert told(plateau, 2, 2) == [True, False] == told(plateau, 1, 1)
    assert told(solved, None) == told(plateau, None) == [True]


def test_what_was_told_before_counts_where_a_training_goes_on():
    past = [{"eval/mean_reward": x} for x in (1.0, 2.0, float("nan"))] + [{"other": 9.0}]
    agent = Agent()
    keep, plateau, solved = KeepBest("here"), StopOnPlateau(3), StopWhenSolved(2, "eval/mean_reward", 2)
    for one in (keep, plateau, solved):
        one.on_past(agent, past)
    told(keep, 1.5, 2.5, agent=agent)
    assert agent.saved == ["here"]
    assert told(plateau, 2, 2) == [True, False]
    assert told(solved, 2, 2) == [True, False]


def test_a_resumed_training_tells_of_its_past(small, tmp_path):
    past = []

    class Listener(Callback):
        def on_past(self, agent, metrics):
            past.append([m["time/total_timesteps"] for m in metrics])

        def on_iteration(self, agent, metrics):
            return agent.num_timesteps < 192

    settings = small(total_timesteps=256)
    oc.OptionCritic.from_settings(settings).learn(callback=Listener(), run_folder=tmp_path / "run")
    assert past == []
    oc.resume(tmp_path / "run", callback=Listener())
    assert past == [[64, 128]]


def test_it_keeps_the_best():
    agent = Agent()
    told(KeepBest("here"), 1.0, None, 0.5, 2.0, np.nan, agent=agent)
    assert agent.saved == ["here", "here"]


def test_it_keeps_the_best_in_a_training(small, tmp_path):
    agent = oc.OptionCritic.from_settings(small(total_timesteps=64))
    agent.learn(callback=KeepBest(tmp_path / "best", "time/total_timesteps"))
    assert oc.load(tmp_path / "best").num_timesteps == 64


@pytest.mark.parametrize("callback", [StopWhenSolved(1), StopOnPlateau(1), KeepBest("x")])
def test_evaluations_that_there_are_none_of_are_named(callback):
    with pytest.raises(InputError, match=r"eval/.+ is found by evaluations while it trains: set evaluate_every"):
        told(callback, 1.0, agent=Agent(evaluate_every=0))


@pytest.mark.parametrize("callback", [3, "text", object(), Callback, [lambda *_: None, 3], Path("x")])
def test_what_is_no_callback_is_named(callback):
    with pytest.raises(InputError, match="an object with one of on_past, on_iteration, on_boundary, on_option_end"):
        as_one(callback)
    with pytest.raises(InputError, match="callback must be"):
        oc.OptionCritic("CartPole-v1", num_envs=1).learn(64, callback=callback)

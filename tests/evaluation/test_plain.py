"""Other environments: a fixed number of episodes each, whatever their lengths."""

import numpy as np
import pytest

import option_critic as oc
from option_critic.evaluation import evaluate as evaluation
from option_critic.evaluation.episodes import to_trace
from option_critic.evaluation.intervals import mean, proportion


def test_episodes_are_counted_and_padded():
    agent = oc.OptionCritic("CartPole-v1", seed=0)
    (result,) = evaluation.evaluate(agent, num_episodes=23, modes=["stochastic"])
    lengths = np.array([row["length"] for row in result.episodes])
    assert len(lengths) == 23 and len(set(lengths.tolist())) > 3
    assert np.array_equal(lengths, [row["return"] for row in result.episodes])  # CartPole pays 1 a step
    assert result.trace.reward.shape == (23, lengths.max())
    assert result.trace.reward.sum() == lengths.sum()
    assert result.summary["return"].value == pytest.approx(lengths.mean())


def test_evaluation_leaves_the_agent_as_it_is():
    agent = oc.OptionCritic("CartPole-v1", seed=0)
    before = agent.state.generators.action.get_state()
    a, b = (evaluation.evaluate(agent, num_episodes=5, modes=["stochastic"])[0].trace.option for _ in range(2))
    assert np.array_equal(a, b)
    assert (before == agent.state.generators.action.get_state()).all()


def test_estimates_of_nothing_and_of_constants():
    assert proportion([]) is None and mean([]) is None
    assert (mean([2.0, 2.0]).low, mean([2.0, 2.0]).high) == (2.0, 2.0)
    e = mean([1.0, 2.0, 3.0])
    assert e.low == pytest.approx(2 - 4.3027 / 3**0.5, abs=1e-3)
    assert proportion([True] * 50).low == pytest.approx(0.9289, abs=1e-4)


def test_infos_told_only_now_and_then_are_zero_in_between():
    two = [np.zeros(2)] * 2
    first = {
        "option": [0, 0],
        "decided": [True, True],
        "ended": [True, False],
        "forced": [True, False],
        "beta": [1.0, 0.5],
        "reward": [1.0, 1.0],
    }
    episodes = [
        first | {"info/success": [0.0, 1.0]} | dict.fromkeys(("q", "mu", "interest", "distance", "action"), two),
        {name: x[:1] for name, x in first.items()}
        | dict.fromkeys(("q", "mu", "interest", "distance", "action"), two[:1]),
    ]  # fmt: skip
    trace = to_trace(episodes)
    assert trace.info["success"].tolist() == [[0.0, 1.0], [0.0, 0.0]] and trace.length.tolist() == [2, 1]

"""Option metrics and episode statistics by hand."""

import pytest
import torch

from option_critic.structs import Decision, Rollout
from option_critic.training.metrics import option_metrics
from option_critic.training.state import Episodes


def rollout(option, prev, first, ended, forced, valid, reward, done, success=None):
    def column(values):
        return torch.tensor(values).unsqueeze(-1)

    n = len(option)
    zeros = torch.zeros(n, 1)
    fields = [column(x) for x in (option, prev, [1] * n, first, ended, forced)]
    decision = Decision(zeros, *fields, zeros + 0.25, zeros, zeros, zeros)
    false = torch.zeros(n, 1, dtype=torch.bool)
    return Rollout(zeros, zeros, zeros, zeros, decision, column(reward), false, column(done), column(valid),
                   None if success is None else column(success))  # fmt: skip


F, T = False, True
EXAMPLE = rollout(
    option=[0, 0, 1, 1, 0, 0],
    prev=[1, 0, 0, 1, 1, 1],
    first=[T, F, F, F, F, T],
    ended=[T, F, T, T, T, T],
    forced=[T, F, F, T, F, T],
    valid=[T, T, T, T, F, T],
    reward=[1.0, 2.0, 3.0, 4.0, 100.0, 5.0],
    done=[F, F, F, T, F, F],
    success=[F, T, F, F, T, F],
)


def test_option_metrics_by_hand():
    m = option_metrics(EXAMPLE, ("a", "b"))
    assert m == pytest.approx({
        "option/share/a": 3 / 5,
        "option/share/b": 2 / 5,
        "option/switch_rate": 1 / 5,  # the change on the reset row does not count
        "option/end_rate": 1 / 5,  # learned: step 2
        "option/forced_rate": 1 / 5,  # step 3; first steps apart
        "option/duration": 5 / 3,
        "option/beta_mean": 0.25,
    })  # fmt: skip


def test_episodes_by_hand():
    e = Episodes()
    e.update(EXAMPLE)
    assert list(e.returns) == [10.0] and list(e.lengths) == [4] and list(e.successes) == [1.0]
    assert e.running["return"].tolist() == [5.0] and e.running["success"].tolist() == [0.0]
    e.update(rollout([0], [0], [F], [F], [F], [T], [7.0], [T], [F]))
    assert list(e.returns) == [10.0, 12.0] and list(e.lengths) == [4, 2] and list(e.successes) == [1.0, 0.0]
    assert e.metrics()["rollout/ep_rew_mean"] == 11.0

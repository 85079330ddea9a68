"""Option metrics and episode statistics by hand."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from option_critic.options.option import Option
from option_critic.options.settings import OptionSettings
from option_critic.records import Decision, Interest, Rollout, Values
from option_critic.spaces import Spaces
from option_critic.training.metrics import clipped_actions, divergence, option_metrics
from option_critic.training.state import Episodes


def rollout(option, prev, first, ended, forced, valid, reward, done, success=None, interest=None):
    def column(values):
        return torch.tensor(values).unsqueeze(-1)

    n = len(option)
    zeros = torch.zeros(n, 1)
    fields = [column(x) for x in (option, prev, [1] * n, first, ended, forced)]
    decision = Decision(zeros, *fields, zeros + 0.25, zeros, zeros, zeros)
    false = torch.zeros(n, 1, dtype=torch.bool)
    interest = torch.ones(n, 1, 2) if interest is None else torch.tensor(interest).unsqueeze(1)
    both = Interest(interest, interest)
    told = None if success is None else column(success)
    return Rollout(zeros, zeros, both, both, decision, column(reward), zeros, false, column(done), column(valid),
                   told, torch.ones(n, 1, dtype=torch.long), told)  # fmt: skip


def values_of(rollout, mu=0.5):
    """Values of which only mu is looked at: the probability of the first option."""
    n = len(rollout.reward)
    log_mu = torch.tensor([mu, 1 - mu]).log().clamp(min=-99).expand(n, 1, 2)
    nothing = [None] * 5
    return Values(rollout.reward, None, log_mu, *nothing)


F, T = False, True
AB = OptionSettings(num_options=2, option_names=("a", "b"))
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
    m = option_metrics(EXAMPLE, values_of(EXAMPLE).log_mu, AB)
    assert m == pytest.approx({
        "option/share/a": 3 / 5,
        "option/share/b": 2 / 5,
        "option/switch_rate": 1 / 5,  # the change on the reset row does not count
        "option/end_rate": 1 / 5,  # learned: step 2
        "option/forced_rate": 1 / 5,  # step 3; first steps apart
        "option/duration": 5 / 3,
        "option/beta_mean": 0.25,
        "option/saturation": 0.0,
        "option/choice": 1.0,
        "option/choice_entropy": math.log(2),
    })  # fmt: skip


def test_given_ends_and_minimum_lengths_are_not_what_is_learned():
    """Their termination is 0 or given, whatever is learned."""
    before = option_metrics(EXAMPLE, values_of(EXAMPLE).log_mu, AB)
    old = replace(EXAMPLE, decision=replace(EXAMPLE.decision, option_age=torch.tensor([[9], [0], [9], [9], [9], [9]])))
    kept = option_metrics(old, values_of(old).log_mu, replace(AB, min_option_length=2))
    assert kept == pytest.approx(before)
    beta = torch.tensor([1.0, 0.0, 0.25, 1.0, 0.0, 1.0]).unsqueeze(-1)  # one row is free to end, and old enough
    decided = replace(old, decision=replace(old.decision, beta=beta))
    assert option_metrics(decided, values_of(old).log_mu, AB)["option/saturation"] == 0.5
    told = option_metrics(decided, values_of(old).log_mu, replace(AB, min_option_length=2))
    assert (told["option/saturation"], told["option/beta_mean"]) == (0.0, 0.25)
    ends = replace(AB)
    ends.__dict__["definitions"] = (Option(name="a", end=lambda obs: obs[..., 0], ends="given"), Option(name="b"))
    told = option_metrics(decided, values_of(old).log_mu, ends)
    assert told["option/end_rate"] == 0.0 and told["option/forced_rate"] == pytest.approx(2 / 5)  # a's end at step 2
    assert told["option/saturation"] == 0.0 and told["option/beta_mean"] == 0.0


def test_held_actions_lengthen_durations_and_leave_rates_alone():
    held = replace(EXAMPLE, steps=EXAMPLE.steps * 2)
    before, after = (option_metrics(r, values_of(r).log_mu, AB) for r in (EXAMPLE, held))
    assert after == before | {"option/duration": pytest.approx(2 * before["option/duration"])}


def test_a_choice_needs_two_interested_options():
    lonely = rollout(
        option=[0, 0, 1, 1],
        prev=[0, 0, 0, 1],
        first=[T, F, F, F],
        ended=[T, F, T, T],
        forced=[T, F, T, F],
        valid=[T, T, T, T],
        reward=[0.0] * 4,
        done=[F, F, F, T],
        interest=[[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.2, 1.0]],
    )
    m = option_metrics(lonely, values_of(lonely, mu=0.0).log_mu, AB)
    assert m["option/choice"] == pytest.approx(1 / 3)  # of three decisions the last
    assert m["option/choice_entropy"] == pytest.approx(0.0, abs=1e-6)
    assert m["option/beta_mean"] == pytest.approx(0.25)
    beta = torch.tensor([1.0, 0.001, 1.0, 0.5]).unsqueeze(-1)
    sure = replace(lonely, decision=replace(lonely.decision, beta=beta))
    m = option_metrics(sure, values_of(sure).log_mu, AB)
    assert m["option/saturation"] == 0.5  # rows 1 and 3 were free to end: first and forced rows are not
    assert m["option/beta_mean"] == pytest.approx(0.2505)


def test_clipped_actions_by_hand():
    inf = float("inf")
    spaces = Spaces(obs_size=1, discrete=False, action_size=3, action_low=(-9, 2, -inf), action_high=(9, inf, inf))
    rows = torch.zeros(6, 1, 3)
    rows[0, 0] = torch.tensor([1.5, 1.5, 99.0])  # two: beyond the policy's 1, below the one bound of 2
    rows[1:, 0, 1] = 3.0
    rows[2, 0, 0] = -1.0  # on the bound
    rows[4, 0] = 100.0  # not a valid row
    r = replace(EXAMPLE, decision=replace(EXAMPLE.decision, action=rows))
    assert clipped_actions(r, spaces) == pytest.approx(2 / 15)
    assert spaces.to_env(rows[0].numpy()).tolist() == [[9, 2, 99]]
    assert Spaces.from_dict(spaces.to_dict()) == spaces and None in spaces.to_dict()["action_high"]


def test_episodes_by_hand():
    e = Episodes()
    e.update(EXAMPLE)
    assert list(e.returns) == [10.0] and list(e.lengths) == [4] and list(e.successes) == [1.0]
    assert e.running["return"].tolist() == [5.0] and e.running["success"].tolist() == [0.0]
    e.update(rollout([0], [0], [F], [F], [F], [T], [7.0], [T], [F]))
    assert list(e.returns) == [10.0, 12.0] and list(e.lengths) == [4, 2] and list(e.successes) == [1.0, 0.0]
    assert e.metrics()["rollout/ep_rew_mean"] == 11.0
    assert list(e.last_successes) == [0.0, 0.0]  # the success was told before the episode's last step
    assert e.metrics()["rollout/success_any_rate"] == 0.5 and e.metrics()["rollout/success_rate"] == 0.0


def test_an_episode_that_tells_of_no_success_had_none():
    """Some environments tell of success only when it happens: most rollouts then hold no word of it."""
    e = Episodes()
    silent = rollout([0, 0], [0, 0], [F, F], [F, F], [F, F], [T, T], [1.0, 1.0], [F, T])
    for _ in range(3):
        e.update(silent)
    assert not any("success" in name for name in e.metrics())
    e.update(replace(silent, success=silent.valid, success_last=silent.valid))
    e.update(silent)
    assert e.metrics()["rollout/success_any_rate"] == e.metrics()["rollout/success_rate"] == 1 / 5


def test_the_distance_of_options_is_that_of_all_environments():
    """Of rows that are so many apart; not of those of the same few environments, whatever their number."""

    class Model:
        num_options = 2

        def behaviour(self, obs):
            seen.update(obs[:, 0].int().tolist())
            return self

        def distance(self, option):
            return torch.zeros(len(option), 2)

    for num_envs, steps in ((32, 128), (40, 64), (100, 64), (3, 4)):
        seen = set()
        each = torch.arange(num_envs).expand(steps, num_envs)
        some = SimpleNamespace(
            valid=each >= 0, obs=each.unsqueeze(-1).float(),
            decision=SimpleNamespace(option=each % 2),
            interest=SimpleNamespace(start=torch.ones(steps, num_envs, 2)),
        )  # fmt: skip
        assert divergence(Model(), some) == 0.0
        assert len(seen) == num_envs

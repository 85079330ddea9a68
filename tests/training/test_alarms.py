"""Each alarm is provoked; a healthy training raises none; a resumed one raises the same."""

import json
import warnings

import pytest

import option_critic as oc
from option_critic.training.alarms import ALARMS, PATIENCE, SLOW, Alarms, OptionWarning

HEALTHY = {
    "option/share/a": 0.3, "option/share/b": 0.5, "option/share/c": 0.2, "option/duration": 12.0,
    "option/end_rate": 0.05, "option/switch_rate": 0.06,
    "option/forced_rate": 0.02, "option/divergence": 0.5, "option/saturation": 0.6, "option/beta_mean": 0.3,
    "time/total_timesteps": 0.0,
}  # fmt: skip
ILL = {
    "one option dominates": (
        {"option/share/a": 0.03, "option/share/b": 0.97, "option/share/c": 0.0}, "option b runs in 97%", "master",
    ),
    "an option never runs": ({"option/share/b": 0.697, "option/share/c": 0.003}, "option c runs in 0.3%", "interest"),
    "options end at once": ({"option/switch_rate": 0.7}, "after 1.4 decisions", "deliberation_cost"),
    "options never end": ({"option/end_rate": 0.0004, "option/forced_rate": 0.0}, "hardly ever end", "beta_floor"),
    "options alike": ({"option/divergence": 0.01}, "0.01 apart", "options_from"),
    "terminations saturated": (
        {"option/saturation": 0.996, "option/beta_mean": 0.002}, "probability is 0.00 whatever", "lr_termination",
    ),
}  # fmt: skip


def watch(metrics, names=("a", "b", "c"), times=PATIENCE):
    alarms = Alarms(names)
    return [alarms.see(metrics) for _ in range(times)]


def test_every_alarm_is_listed_here():
    assert [alarm.name for alarm in ALARMS] == list(ILL)


@pytest.mark.parametrize("name", ILL)
def test_raised_once_in_one_line_with_the_setting_to_change(name):
    change, words, setting = ILL[name]
    last = (SLOW if name in {"an option never runs", "options alike"} else PATIENCE) - 1
    seen = watch(HEALTHY | change, times=3 * SLOW)
    assert [bool(raised) for raised in seen] == [i == last for i in range(3 * SLOW)]
    (line,) = seen[last].values()
    assert seen[last].keys() == {name}
    assert words in line and setting in line and "\n" not in line and len(line) < 320


def test_a_healthy_training_raises_none_and_recovery_counts():
    assert not any(watch(HEALTHY, times=500))
    alarms, ill = Alarms(("a", "b", "c")), HEALTHY | {"option/saturation": 1.0, "option/beta_mean": 1.0}
    for _ in range(5):
        assert not any(alarms.see(ill) for _ in range(PATIENCE - 1))
        assert not alarms.see(HEALTHY)


def test_terminations_that_are_decided_are_not_saturated():
    """As in the third look's seed 3 after 1.24 million steps: sharp, at 1 in some states and at 0 in others."""
    assert not any(watch(HEALTHY | {"option/saturation": 1.0, "option/beta_mean": 0.85}, times=500))


def test_one_option_has_nothing_to_fail():
    assert not any(watch({"time/total_timesteps": 0.0}, names=("flat",), times=100))


RESTLESS = {
    "num_options": 2, "num_envs": 8, "rollout_length": 32, "minibatch_size": 128, "epochs": 1, "checkpoint_every": 3840,
    "beta_floor": 0.98, "beta_ceil": 0.99, "initial_beta": 0.985, "entropy_master": 1.0, "seed": 1,
    "torch_threads": 1,
}  # fmt: skip


def test_a_real_training_tells_keeps_and_repeats_them(tmp_path):
    agent = oc.OptionCritic("CartPole-v1", **RESTLESS)
    with pytest.warns(OptionWarning, match="nothing lasts"):
        agent.learn(256 * (PATIENCE + 20), run_folder=tmp_path / "run")
    whole = (tmp_path / "run" / "alarms.jsonl").read_text()
    told = [json.loads(line) for line in whole.splitlines()]
    assert {"options end at once"} <= {line["alarm"] for line in told}
    assert told[0]["time/total_timesteps"] == 256 * PATIENCE

    def stop(agent, _):
        return agent.num_timesteps < 256 * (PATIENCE + 8)

    again = oc.OptionCritic("CartPole-v1", **RESTLESS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptionWarning)
        again.learn(256 * (PATIENCE + 20), callback=stop, run_folder=tmp_path / "cut")
        oc.resume(tmp_path / "cut")
    assert (tmp_path / "cut" / "alarms.jsonl").read_text() == whole


def test_what_is_given_of_each_option_has_not_failed_to_learn():
    given = oc.Option(name="a", policy=lambda obs: obs, end=lambda obs: obs[..., 0], ends="given")
    ill = HEALTHY | ILL["options alike"][0] | ILL["terminations saturated"][0]
    for last, expected in ((given, set()), (oc.Option(name="c"), {"options alike", "terminations saturated"})):
        alarms = Alarms(("a", "b", "c"), (given, given, last))
        raised = [alarms.see(ill) for _ in range(SLOW)]
        assert {name for some in raised for name in some} == expected


@pytest.mark.parametrize(
    ("shares", "frozen", "expected"),
    [
        ((0.698, 0.3, 0.002), "ab", {"an option never runs"}),
        ((0.698, 0.3, 0.002), "c", set()),
        ((0.97, 0.02, 0.01), "ab", {"one option dominates"}),
        ((0.97, 0.02, 0.01), "bc", set()),  # the one that learns has nearly all the steps
        ((0.97, 0.03, 0.0), "abc", set()),
    ],
)
def test_frozen_options_are_not_meant_to_learn(shares, frozen, expected):
    options = tuple(oc.Option(name=n, policy=(lambda obs: obs) if n in frozen else None) for n in "abc")
    alarms = Alarms(tuple("abc"), options)
    metrics = HEALTHY | {f"option/share/{n}": x for n, x in zip("abc", shares, strict=True)}
    assert {name for _ in range(SLOW) for name in alarms.see(metrics)} == expected

"""Actions that are held for several steps: what is said of decisions is the same as where each step is one."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import safetensors.numpy
import torch

import option_critic as oc
from option_critic.evaluation.ablations import NOTHING, Ablation
from option_critic.evaluation.evaluate import run_plain
from option_critic.evaluation.option_figures import diagnose
from option_critic.evaluation.trace import Trace, TraceError
from option_critic.runs.paths import RunPath

DECISIONS = 30


class Slow(gym.Env):
    """Observations that are drawn anew once in `slowness` steps: an agent that holds its actions as long decides at
    each of them, whatever the slowness."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (3,), np.float32)
    action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self, slowness):
        self.slowness = slowness

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t, self.drawn = 0, self.np_random.normal(size=(DECISIONS + 1, 3)).astype(np.float32)
        return self.drawn[0], {}

    def step(self, action):
        self.t += 1
        return self.drawn[self.t // self.slowness], 0.0, self.t == DECISIONS * self.slowness, False, {}


class Ticks(Slow):
    """Its first number counts the steps."""

    def step(self, action):
        _, *rest = super().step(action)
        return np.full(3, self.t, np.float32), *rest


for slowness in (1, 2, 4):
    gym.register(f"Slow{slowness}-v0", Slow, kwargs={"slowness": slowness})
gym.register("Ticks-v0", Ticks, kwargs={"slowness": 2})


def traced(env_id, action_repeat, ablation=NOTHING):
    agent = oc.OptionCritic(env_id, action_repeat=action_repeat, num_options=3, max_option_length=3, seed=0)
    torch.manual_seed(0)
    agent.state.model.beta_head.weight.data.normal_(std=2.0)
    agent.state.model.mu_head.weight.data.normal_(std=2.0)
    return run_plain(agent, 5, True, lambda *_: None, ablation)


@pytest.mark.parametrize("count", [2, 4])
def test_figures_are_per_decision(count):
    names = ("a", "b", "c")
    each, held = (diagnose(traced(f"Slow{n}-v0", n), names, ("", "", "")) for n in (1, count))
    assert 0 < each.saturation < 1 and each.learned_ends < 1 and each.steps == 5 * DECISIONS
    for name in ("saturation", "ends", "learned_ends", "decisions", "choices", "choice_entropy", "effective_number"):
        assert getattr(held, name) == pytest.approx(getattr(each, name), rel=1e-12), name
    assert held.steps == count * each.steps
    for one, other in zip(each.options, held.options, strict=True):
        assert other.share == pytest.approx(one.share)
        assert other.distance == pytest.approx(one.distance)
        assert other.duration == pytest.approx(count * one.duration)


def test_policies_are_compared_where_they_decide():
    """Between two decisions nobody asks them: what they would say there counts for nothing."""
    trace = traced("Slow2-v0", 2)
    elsewhere = replace(trace, distance=np.where(trace.decided[..., None], trace.distance, 9.0))
    assert (trace.decided[:, ::2]).all() and not trace.decided[:, 1::2].any()
    both = [diagnose(t, ("a", "b", "c"), ("", "", "")) for t in (trace, elsewhere)]
    assert both[0] == both[1]


def test_what_rests_rests_for_as_long_as_an_action_is_held():
    class AtOddSteps(Ablation):
        def action(self, action, obs, rules):
            return action * (obs[:, :1] % 4 == 0)

    action = traced("Ticks-v0", 2, AtOddSteps("rest"))
    action = action.action[:, 2:]  # the first observation is drawn
    assert np.array_equal(action[:, ::2], action[:, 1::2])
    assert action[:, 2:4].any() and not action[:, :2].any()


def test_an_older_trace_is_read_with_the_settings_of_its_run(tmp_path):
    trace, path = traced("Slow2-v0", 2), tmp_path / "old.safetensors"
    trace.save(RunPath.of_file(path), {})
    tensors = safetensors.numpy.load_file(path)
    del tensors["decided"]
    safetensors.numpy.save_file(tensors, path, {"meta": "{}"})
    with pytest.raises(TraceError, match=r"another version .*decided"):
        Trace.load(RunPath.of_file(path))
    assert np.array_equal(Trace.load(RunPath.of_file(path), action_repeat=2)[0].decided, trace.decided)

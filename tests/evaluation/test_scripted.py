"""The package's scripts as options: an untrained agent of them is the expert."""

import numpy as np
import pytest
import scripted
import torch

import option_critic as oc
from option_critic.envs.metaworld import make_slice
from option_critic.errors import InputError
from option_critic.evaluation.episodes import run_episodes
from option_critic.evaluation.evaluate import EVALUATION_SEED
from option_critic.evaluation.expert import expert_trace, scripted_actions
from option_critic.evaluation.metaworld_protocol import goal_set
from option_critic.model.act import Generators

pytest.importorskip("metaworld")


@pytest.fixture(scope="module")
def agent():
    few = {"num_envs": 2, "env_workers": "never", "action_repeat": 1}
    return oc.OptionCritic("Meta-World/pick-place-v3", options_from="scripted:PICK_PLACE", **few)


def test_untrained_scripted_options_do_what_the_expert_does(agent):
    goals, rules = goal_set("pick-place-v3", "D").vectors[:2], agent.settings.options
    envs = make_slice("pick-place-v3", [0, 0], 70, [goals[:1], goals[1:]])
    trace = run_episodes(envs, agent.state.model, agent.settings, Generators.seeded(EVALUATION_SEED), [1, 1])
    envs.close()
    expert = expert_trace("pick-place-v3", goals, rules)
    for e in range(2):
        solved = int(expert.info["success"][e].argmax())
        assert trace.info["success"][e].argmax() == solved > 0
        np.testing.assert_array_equal(trace.option[e, :solved], expert.option[e, :solved])
        order = trace.option[e, :solved]
        assert (np.diff(order) >= 0).all() and set(order) == {0, 1, 2}  # approach, close, carry: each once


def test_exactly_one_is_interested_everywhere(agent):
    obs = torch.rand(10_000, 39, generator=torch.Generator().manual_seed(0)) * 0.2
    obs[:, 3] = torch.linspace(0, 1, 10_000)
    wishes = torch.stack([o.interest(obs) for o in scripted.PICK_PLACE], -1)
    assert (wishes.sum(-1) == 1).all() and wishes.any(0).all()


def test_scripts_take_any_leading_shape_and_stay_within_the_space():
    obs = torch.rand(3, 2, 39, generator=torch.Generator().manual_seed(0))
    policy = scripted.PUSH[0].policy
    actions = policy(obs)
    assert actions.shape == (3, 2, 4) and actions.dtype == torch.float32 and actions.abs().max() == 1
    np.testing.assert_array_equal(policy(obs.numpy()), actions)
    assert policy(obs[:0]).shape == (0, 2, 4)


def test_a_task_that_does_not_exist_is_told():
    with pytest.raises(InputError, match="Did you mean Meta-World/pick-place-v3"):
        scripted.scripted("pick-plaec-v3")


@pytest.mark.parametrize("task", ["door-open-v3", "door-close-v3", "button-press-v3"])
def test_scripts_write_into_no_observation(task):
    obs = np.linspace(0, 1, 39)
    before = obs.copy()
    scripted_actions(task)(obs)
    assert (obs == before).all()

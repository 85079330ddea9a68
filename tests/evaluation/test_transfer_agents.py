"""What the agents of the transfer experiment take from their parents, and what begins anew."""

from dataclasses import replace

import pytest
import torch
from transfer_agents import AGENTS, TEN, TEN_FLAT, Cell, Plan

import option_critic as oc

pytest.importorskip("metaworld")  # for the package's scripts


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """Parents that look as if they had learned."""
    folder = tmp_path_factory.mktemp("parents")
    plan = Plan(folder, 9600, folder, 0, 1)
    for which, more in (("pick-place", {}), ("flat", {"num_options": 1})):
        saved(oc.OptionCritic("pick-place", **more), plan.folder(which, 0))
    return plan


def saved(parent, folder):
    """One that looks as if it had learned."""
    with torch.no_grad():
        for p in parent.state.model.parameters():
            p.add_(0.125)
    size = parent.spaces.obs_size
    parent.state.model.reward_norm.moments.var.fill_(9.0)
    parent.state.model.update_view(torch.rand(50, size, generator=torch.Generator().manual_seed(0)))
    parent.save(folder)


def made(plan, agent, reward="dense", task="bin-picking-v3"):
    return AGENTS[agent](Cell(agent, task, reward, 0), plan)


def same(a, b, name):
    a, b = (getattr(agent.state.model, name).state_dict() for agent in (a, b))
    return all(torch.equal(a[n], b[n]) for n in a)


@pytest.mark.parametrize("reward", ["dense", "success"])
def test_a_fine_tuned_agent_keeps_its_policy_and_begins_to_learn_anew(plan, reward):
    parent, agent = plan.parent("flat", 0), made(plan, "finetuned", reward)
    assert agent.settings.env_id == "Meta-World/bin-picking-v3" and agent.settings.env.reward == reward
    assert all(same(agent, parent, name) for name in ("policy_trunk", "pi_head", "obs_norm"))
    assert same(agent, parent, "critic_trunk") == same(agent, parent, "q_head") == (reward == "dense")
    assert (agent.state.model.log_std == -1).all()
    begun = agent.num_timesteps  # the critic first, as where a skill is corrected
    assert agent.settings.burnt_in(begun) - begun == made(plan, "corrected").settings.burnt_in(0) == 20_000
    learned = [p for group in agent.state.optimizer.param_groups for p in group["params"]]
    assert {id(p) for p in learned} == {id(p) for p in agent.state.model.parameters()}
    assert not agent.state.optimizer.state_dict()["state"]


def test_skills_are_frozen_corrected_or_drawn(plan):
    words = {
        name: made(plan, name).settings.options.options for name in ("zero-shot", "new-move", "corrected", "random")
    }
    assert words == {
        "zero-shot": ("reach", "grasp", "move"),
        "new-move": ("reach", "grasp", "reach-grasp-move@bin-picking-v3:move"),
        "corrected": ("reach", "grasp", "move+"),
        "random": ("reach", "grasp", "move", "new:over"),
    }


def test_untrained_agents_hand_over_in_the_order_of_their_skills(plan):
    agent = made(plan, "zero-shot")
    _, mu, _ = agent.state.model.values(torch.rand(20, 39, generator=torch.Generator().manual_seed(1)))
    assert (mu.argsort(-1) == torch.arange(3)).all()
    assert agent.settings.options.given_ends == (True, True, True)


def test_random_skills_share_the_frame_and_no_weights(plan):
    own, drawn = (made(plan, name).settings.options.skills[0] for name in ("zero-shot", "random"))
    own, drawn = (skill.network.state_dict() for skill in (own, drawn))
    alike = {name for name in own if torch.equal(own[name], drawn[name])}
    assert alike and all("moments" in name or "mean" in name or "std" in name for name in alike)


def test_an_agent_that_holds_twice_as_long_sees_as_far_and_updates_as_often(plan):
    preset, agent = made(plan, "flat").settings, made(plan, "held").settings
    assert (preset.env.action_repeat, agent.env.action_repeat) == (2, 4)
    assert agent.learning.gamma == pytest.approx(0.98**4) and agent.learning.lam == pytest.approx(0.95**4)
    assert (preset.learning.rollout_length, agent.learning.rollout_length) == (76, 39)  # 75 and 38 decisions, one reset
    rows = [s.env.num_envs * (s.learning.rollout_length - 1) for s in (preset, agent)]
    assert [round(n / s.learning.minibatch_size) for n, s in zip(rows, (preset, agent), strict=True)] == [6, 6]


@pytest.mark.parametrize("agent", ["named", "told", "scripted"])
def test_the_others_are_their_presets(plan, agent):
    settings = made(plan, agent).settings
    assert settings.options.num_options == (1 if agent == "told" else 3)
    assert settings.model.observe_interest == ("scripted:BIN_PICKING" if agent == "scripted" else
                                               "reach-grasp-move@bin-picking-v3")  # fmt: skip
    assert settings.total_timesteps == 9600


def test_agents_of_ten_tasks_give_frozen_options_or_a_flat_policy_that_sees_the_task_no_more(plan):
    plan = replace(plan, noise_color=1.0)
    for which, count in ((TEN, 3), (TEN_FLAT, 1)):
        saved(oc.OptionCritic("Meta-World/MT10", num_envs=10, hidden_dim=16, num_options=count), plan.folder(which, 0))
    assert made(plan, "ten").settings.options.options == ("option-0", "option-1", "option-2", "new:other")
    parent, agent = plan.parent(TEN_FLAT, 0), made(plan, "ten-finetuned")
    assert agent.settings.model.hidden_dim == 16 and agent.settings.learning.noise_color == 1
    obs = torch.rand(5, 39, generator=torch.Generator().manual_seed(1))
    average = parent.state.model.obs_norm.moments.mean[39:49].float().expand(5, 10)
    values = parent.state.model.values(torch.cat((obs, average), -1)), agent.state.model.values(obs)
    for old, new in zip(*values, strict=True):
        torch.testing.assert_close(new, old)
    scale = agent.state.model.reward_norm.moments
    assert scale.var.item() == pytest.approx(9.0) and scale.count == 4800  # that of its parent, soon its own
    other = made(plan, "ten-finetuned", "success")
    assert not same(other, agent, "q_head") and other.state.model.reward_norm.moments.count == 0

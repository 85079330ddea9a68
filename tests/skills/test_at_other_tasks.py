"""Skills at other tasks: their interests are about heights above where the object of that task rests."""

import numpy as np
import pytest
import torch

import option_critic as oc
from option_critic.options.reach_grasp_move import BY_TASK, NEARER, ON_PEG, REST, RESTS, RINGS, UP, distance
from option_critic.skills.export import skill_of
from option_critic.skills.gather import at_task

pytest.importorskip("metaworld")

HERE, THERE = "Meta-World/pick-place-v3", "Meta-World/sweep-into-v3"
LIES = np.zeros((1, 39), np.float32)
LIES[0, [2, 3, 6]] = 0.3, 1.0, 0.075
"""The block of sweep-into on the table, the hand far above it."""


@pytest.fixture(scope="module")
def skills():
    """Of an agent that did not learn."""
    agent = oc.OptionCritic("pick-place", seed=1)
    agent.state.model.update_view(torch.rand(50, 39, generator=torch.Generator().manual_seed(0)))
    return [skill_of(agent, name) for name in agent.option_names]


def starts(options):
    """Where each may, with the block on the table."""
    return [bool(option.interest(LIES)[0]) for option in options]


def test_what_lies_higher_is_not_lifted(skills):
    assert starts(skills) == [False, False, True]
    there = [skill.at_task("sweep-into-v3") for skill in skills]
    assert starts(there) == [True, False, False]
    assert all(
        a.network.state_dict().keys() == b.network.state_dict().keys() for a, b in zip(skills, there, strict=True)
    )
    assert starts([s.at_task("pick-place-v3") for s in there]) == [False, False, True]


def test_options_of_skills_go_with_them_unless_more_is_said(skills):
    corrected = skills[2].option(correction=True, ends="learned", name="over")
    moved = at_task(corrected, "sweep-into-v3")
    assert not moved.interest(LIES)[0] and (moved.correction, moved.ends, moved.name) == (True, "learned", "over")
    own = oc.Option(name="own", policy=skills[2], interest=lambda obs: obs[..., 0] == 0)
    assert at_task(own, "sweep-into-v3") is own


def test_settings_take_them_to_the_task(skills):
    agent = oc.OptionCritic(HERE, options=skills)
    there = agent.settings.override(env_id=THERE)
    assert starts(agent.settings.options.definitions) == [False, False, True]
    assert starts(there.options.definitions) == [True, False, False]


@pytest.mark.parametrize("how", ["set_env", "load"])
def test_an_agent_that_moves_sees_what_a_saved_one_sees(how, skills, tmp_path):
    agent = oc.OptionCritic(HERE, options=skills)
    assert agent.settings.model.observe_interest == "own"  # also where the preset has a set of options
    if how == "set_env":
        agent.set_env(THERE)
    else:
        agent.save(tmp_path / "before")
        agent = oc.load(tmp_path / "before", env=THERE)
    agent.save(tmp_path / "after")
    again = oc.load(tmp_path / "after")
    assert starts(agent.settings.options.definitions) == [True, False, False]
    seen = [one.state.model.view(torch.from_numpy(LIES)) for one in (agent, again)]
    assert torch.equal(*seen)
    for a, b in zip(*(one.state.model.values(torch.from_numpy(LIES)) for one in (agent, again)), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("what", ["skills", "options", "agent"])
def test_a_planner_may_start_what_fits_the_task(what, skills):
    options = {
        "skills": skills,
        "options": [s.option() for s in skills],
        "agent": oc.OptionCritic(HERE, options=skills),
    }
    env = oc.OptionEnv(THERE, options[what])
    env.reset(seed=0)
    assert env.action_masks().tolist() == [True, False, False]
    assert not starts(skills)[0]  # they themselves stay what they are
    env.close()


@pytest.mark.parametrize("task", [*RESTS, "push-v3", "pick-place-wall-v3", "shelf-place-v3", "pick-out-of-hole-v3"])
def test_objects_rest_where_the_table_says(task):
    from option_critic.envs.metaworld import OfficialTask

    env = OfficialTask(task)
    env.reset(seed=0)
    for _ in range(40):
        obs, *_ = env.step(np.zeros(4))
    env.close()
    assert obs[6] == pytest.approx(RESTS.get(task, REST), abs=0.004)


@pytest.mark.parametrize("task", RINGS)
def test_rings_lie_where_the_table_says_and_go_down_above_the_peg(task):
    from option_critic.envs.metaworld import OfficialTask

    env = OfficialTask(task)
    obs, _ = env.reset(seed=0)
    ring = env.env._get_site_pos("RoundNut")[:2]
    env.close()
    assert ring - obs[4:6] == pytest.approx(RINGS[task], abs=0.005)
    down = BY_TASK[task][2].fixed[UP]
    held = np.repeat(obs[None], 4, axis=0)
    held[:, 3] = [0.5, 0.5, 0.5, 1.0]  # the last gripper is open
    held[:, 4:6] += held[:, 36:38] - ring + np.array([[0, 0], [0.01, -0.01], [0.02, 0], [0, 0]])
    assert down(held) == pytest.approx([-1, -1, np.nan, np.nan], nan_ok=True)
    assert UP not in BY_TASK[""][2].fixed


@pytest.mark.parametrize("task", ON_PEG)
def test_what_sits_on_a_peg_is_gone_to_and_taken_straight_up(task):
    from option_critic.envs.metaworld import OfficialTask

    env = OfficialTask(task)
    rows = [env.reset(seed=0)[0]]
    rows += [env.step(np.array([1, 1, -1, -1]))[0] for _ in range(20)]  # toward the nut
    env.close()
    rows = np.array(rows)
    reach, grasp, move = BY_TASK[task]
    paid = [option.reward(rows[:-1], rows[1:]).sum() for option in (reach, grasp, move)]
    assert paid == pytest.approx([NEARER * (distance(rows[0]) - distance(rows[-1]))] * 3) and paid[0] > 1

    held = np.repeat(rows[:1], 4, axis=0)
    held[:, 3] = [0.5, 0.5, 0.5, 1.0]  # the last gripper is open
    held[1, 6] = held[0, 38] + 0.01  # off the peg
    held[:, 0:3] = held[:, 4:7] + [0, 0, 0.045]
    held[2, 0] += 0.1  # shut beside it
    for option in (grasp, move):
        assert option.fixed[UP](held) == pytest.approx([1, np.nan, np.nan, np.nan], nan_ok=True)
    assert all(option.reward is None for option in BY_TASK[""]) and UP not in BY_TASK[""][1].fixed

"""What `serve` is told, as an environment of options."""

import numpy as np
import pytest

import option_critic as oc
from option_critic.errors import InputError

pytest.importorskip("mcp", reason='pip install "option-critic[serve]"')

from option_critic.evaluation.metaworld_protocol import goal_set
from option_critic.serve.episodes import Episodes
from option_critic.serve.picture import png
from option_critic.serve.targets import Where, env_of, served
from option_critic.skills.export import skill_of


def test_folders_of_skills_and_agents(tmp_path):
    agent = oc.OptionCritic(
        "CartPole-v1", num_envs=1, option_names=("left", "right"), hidden_dim=8, max_option_length=3
    )
    for name in agent.option_names:
        skill_of(agent, name).save(tmp_path / "skills" / name)
    agent.save(tmp_path / "agent")
    where = Where("CartPole-v1")
    for targets in (["skills"], ["skills/left", "skills/right"], ["agent"]):
        env, name = served([str(tmp_path / target) for target in targets], where, None, None)
        episodes = Episodes(env)
        assert (name, env.option_names) == ("CartPole-v1", ("left", "right"))
        ran = episodes.run("right", 1000)
        assert (ran.option_steps, ran.ended) == (3, "max_length")
        origins = {option.origin for option in episodes.options().options}
        assert origins == {
            "learned on CartPole-v1 in 0 steps"
            if targets == ["agent"]
            else "a skill that was learned on CartPole-v1 in 0 steps"
        }
        episodes.close()
    env, name = served([str(tmp_path / "agent")], Where(None), None, None)  # its own environment
    assert name == "CartPole-v1" and env.render_mode == "rgb_array"


def up(obs):
    return obs[..., :4] * 0 + obs.new_tensor([0.0, 0.0, 1.0, 0.0])


def test_goals_names_and_a_picture_of_meta_world():
    pytest.importorskip("metaworld", reason='pip install "option-critic[metaworld]"')
    env, _ = env_of([oc.Option(name="up", policy=up)], Where("Meta-World/pick-place-v3"))
    goals, episodes = goal_set("pick-place-v3", "D").vectors, Episodes(env)
    for goal, found in ((0, None), (1, None), (7, 7), (8, None), (99, 99), (0, None)):
        state = episodes.reset(found, None)
        assert state.goal == goal and state.quantities["goal"] == pytest.approx(goals[goal][3:], abs=1e-4)
    with pytest.raises(InputError, match="goal must be 0 to 99, got 100"):
        episodes.reset(100, None)
    assert episodes.observe() == state
    names = ["hand", "gripper", "object", "goal", "hand - object", "object - goal"]
    assert [*state.quantities] == [*names, "height of the object above its start"]
    ran = episodes.run("up", 5)
    change = ran.changed["hand"]
    assert np.subtract(change.after, change.before)[2] > 0.01 and "goal" not in ran.changed
    assert (ran.ended, ran.steps, ran.success_so_far) == ("max_steps", 5, False)
    pytest.importorskip("PIL")
    try:
        assert png(env).startswith(b"\x89PNG")
    except RuntimeError as error:
        assert "cannot" in str(error)  # where nothing renders it says so
    episodes.close()

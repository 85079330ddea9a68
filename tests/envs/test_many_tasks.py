"""Several tasks of Meta-World at once: composition, one-hot, held actions, refusals."""

from pathlib import Path

import numpy as np
import pytest

from option_critic.envs.envpool_metaworld import MetaWorldEnvs
from option_critic.envs.make import make_envs, resolve_backend, spaces_of
from option_critic.envs.metaworld import BENCHMARKS, PREFIX, TASKS, task_of, tasks_of
from option_critic.envs.settings import EnvSettings
from option_critic.errors import InputError
from option_critic.model.option_model import outline
from option_critic.presets import name_for, settings_for
from option_critic.settings import Settings
from option_critic.spaces import Spaces, check_fit

TWO = PREFIX + "reach-v3+push-v3"
SHORT = EnvSettings(num_envs=4, max_episode_steps=6, action_repeat=2)
STILL = np.zeros((4, 4), np.float32)


def stepped(name, settings, rows):
    envs = make_envs(name, settings, range(1, settings.num_envs + 1))
    try:
        return [envs.reset(), *(envs.step(STILL) for _ in range(rows))]
    finally:
        envs.close()


def test_names_and_orders_are_those_of_the_package():
    from metaworld.env_dict import MT10_V3, MT50_V3

    assert {"MT10": tuple(MT10_V3), "MT50": tuple(MT50_V3)} == BENCHMARKS
    assert set(BENCHMARKS["MT50"]) == set(TASKS)
    assert task_of(PREFIX + "MT10") is None and tasks_of("Hopper-v5") == ()


def test_each_task_has_its_environments_and_its_one_hot():
    first, *steps = stepped(TWO, SHORT, 4)
    assert first.shape == (4, 41) and first[:, 39:].tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]
    for step in steps:
        assert np.array_equal(step.next_obs[:, 39:], first[:, 39:]) and step.next_obs.dtype == np.float64
    # two steps a row, three rows an episode, and the row in which EnvPool resets
    assert [s.valid.all() for s in steps] == [True, True, True, False] and steps[2].truncated.all()
    assert [s.steps.tolist() for s in steps[:3]] == [[2.0] * 4] * 3


def test_each_is_what_it_would_be_alone():
    alone = MetaWorldEnvs("push-v3", [3, 4], 6, 0)
    try:
        start, step = alone.reset(), alone.step(STILL[:2])
    finally:
        alone.close()
    first, beside = stepped(TWO, EnvSettings(num_envs=4, max_episode_steps=6), 1)
    assert np.array_equal(first[2:, :39], start) and np.array_equal(beside.next_obs[2:, :39], step.next_obs)
    assert np.array_equal(beside.reward[2:], step.reward)


def test_one_whose_goal_would_move_away_is_made_anew_with_the_others():
    first, *steps = stepped(PREFIX + "shelf-place-v3+reach-v3", SHORT, 12)
    assert first[:, 39:].tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]
    resets = [i for i, step in enumerate(steps) if not step.valid.any()]
    assert resets == [3, 7, 11] and all(steps[i].is_first.all() for i in resets)
    forth = np.array([first[:, 37], *(steps[i].act_obs[:, 37] for i in resets)])
    assert forth.max() < 0.95 and len(np.unique(forth[:, :2])) == 8


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("MT10", {"num_envs": 32}, "multiple of 10.*got 32, the nearest is 30"),
        ("MT10", {"num_envs": 4}, "the nearest is 10"),
        ("MT10", {"num_envs": 50, "env_groups": 2}, "multiple of 20.*in each of 2 groups; got 50, the nearest is 40"),
        ("MT11", {}, "no task 'MT11'. Did you mean Meta-World/MT10"),
        ("reach-v3+posh-v3", {}, "no task 'posh-v3'. Did you mean Meta-World/push-v3"),
        ("reach-v3+reach-v3", {}, "names reach-v3 twice"),
    ],
)
def test_what_is_refused(name, settings, said):
    with pytest.raises(InputError, match=said):
        settings_for(PREFIX + name).override(**settings)


def test_who_simulates():
    assert resolve_backend(PREFIX + "MT50", EnvSettings()) == "envpool"
    with pytest.raises(InputError, match="auto, envpool or official"):
        resolve_backend(TWO, EnvSettings(backend="gymnasium"))


def test_spaces_know_the_tasks():
    spaces = spaces_of(TWO)
    assert (spaces.obs_size, spaces.tasks) == (41, ("reach-v3", "push-v3"))
    assert Spaces.from_dict(spaces.to_dict()) == spaces
    with pytest.raises(InputError, match="its tasks are 'push-v3, reach-v3', the agent was trained with 'reach-v3"):
        check_fit(spaces, spaces_of(PREFIX + "push-v3+reach-v3"), "it")
    with pytest.raises(InputError, match="tasks must be several different names"):
        Spaces.from_dict(spaces.to_dict() | {"tasks": ["push-v3", "push-v3"]})


def test_presets():
    for name, count in (("mt10", 10), ("mt50", 50)):
        settings = settings_for(name)
        assert settings == settings_for(settings.env_id) and name_for(settings.env_id) == name
        assert settings.env.num_envs % count == 0 and settings.options.num_options == 3
        assert settings.env.max_episode_steps == 250 and settings.learning.rollout_length == 126  # whole episodes
    assert settings_for(TWO).env.num_envs == 8 and settings_for(TWO).env.max_episode_steps == 150
    assert isinstance(settings_for(TWO), Settings)


@pytest.mark.parametrize(("name", "flat"), [("mt10", 279), ("mt50", 539)])
def test_the_flat_agent_of_the_docs_has_as_many_weights_that_learn(name, flat):
    def learning(settings):
        model = outline(spaces_of(settings.env_id), settings.options.num_options, settings.model)
        alone = (model.option_trunk, model.mu_head, model.beta_head) if settings.options.num_options == 1 else ()
        idle = sum(p.numel() for module in alone for p in module.parameters())
        return sum(p.numel() for p in model.parameters()) - idle

    settings = settings_for(name)
    mine, theirs = learning(settings), learning(settings.override(num_options=1, hidden_dim=flat))
    assert abs(mine - theirs) < 0.005 * mine
    page = (Path(__file__).parents[2] / "docs" / "multi-task.md").read_text(encoding="utf-8")
    assert f"{mine:,}" in page and f"{theirs:,}" in page

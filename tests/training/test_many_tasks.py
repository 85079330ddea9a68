"""An agent of several tasks: what options see, what is scaled, what is told of each, and that it goes on as it was."""

import json

import numpy as np
import pytest
import torch

import option_critic as oc
from option_critic.algorithms.sac_oc import targets
from option_critic.errors import InputError
from option_critic.model.acting import snapshot
from option_critic.model.normalize import RewardScaler, TaskMoments
from option_critic.skills.export import skill_of
from option_critic.training.state import Episodes

TWO = "Meta-World/reach-v3+push-v3"
SMALL = dict(num_envs=4, max_episode_steps=6, rollout_length=4, hidden_dim=8, minibatch_size=8, torch_threads=1,
             checkpoint_every=24, total_timesteps=72, num_options=2)  # fmt: skip


def made(**settings):
    return oc.OptionCritic(TWO, seed=3, **SMALL | settings)


def observations(task, rows=6):
    obs = torch.randn(rows, 41, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    obs[:, 39:] = torch.eye(2, dtype=torch.float64)[task]
    return obs


def test_returns_are_scaled_for_each_task():
    scaler, alone = RewardScaler(True, tasks=2), RewardScaler(True)
    task = torch.tensor([0, 0, 1, 1]).expand(20, 4)
    reward = torch.randn(20, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 1.0, 100.0, 100.0])
    cut, valid = torch.zeros(20, 4, dtype=torch.bool), torch.ones(20, 4, dtype=torch.bool)
    cut[9::10] = True
    for half in (slice(0, 10), slice(10, 20)):
        scaler.update(reward[half], cut[half], valid[half], 0.9, None, task[half])
        alone.update(reward[half, 2:], cut[half, 2:], valid[half, 2:], 0.9)
    assert torch.equal(scaler.moments.var[1], alone.moments.var[0])
    assert torch.equal(scaler(reward, task)[:, 2:], alone(reward[:, 2:]))
    spread = scaler(reward, task).reshape(20, 2, 2).std((0, 2))
    assert 0.5 < spread[0] / spread[1] < 2  # of one size, though one task pays a hundred times as much


def test_a_task_of_which_nothing_is_seen_keeps_its_scale():
    moments = TaskMoments(3)
    moments.update_tasks(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([0, 0, 2]))
    assert moments.count.tolist() == [2, 0, 1] and moments.mean.tolist() == [2, 0, 5]
    assert moments.var.tolist() == [1, 1, 0]


@pytest.mark.parametrize("sees", [False, True])
def test_options_see_the_task_or_not(sees):
    model = made(options_see_task=sees).state.model
    first, second = (model(observations(task)) for task in (0, 1))
    assert torch.equal(first.pi.mean, second.pi.mean) is not sees
    assert torch.equal(first.beta_logits, second.beta_logits) is not sees
    assert not torch.equal(first.mu_logits, second.mu_logits) and not torch.equal(first.q, second.q)


@pytest.mark.parametrize("settings", [{}, {"options_see_task": True}, {"num_options": 1}])
def test_acting_says_what_learning_says(settings):
    model = made(**settings).state.model
    obs = observations(1)
    mine, mu, beta = snapshot(model)(obs.numpy())
    theirs = model(obs)
    np.testing.assert_allclose(mine.mean, theirs.pi.mean.detach(), atol=1e-6)
    np.testing.assert_allclose(mu, theirs.mu_logits.detach(), atol=1e-6)
    np.testing.assert_allclose(beta, theirs.beta_logits.detach(), atol=1e-6)


def test_a_single_option_sees_the_task():
    model = made(num_options=1).state.model
    assert not torch.equal(model(observations(0)).pi.mean, model(observations(1)).pi.mean)


def test_hidden_tasks_need_trunks_of_their_own():
    with pytest.raises(InputError, match="options_see_task"):
        made(shared_trunk=True)


def test_it_goes_on_bit_for_bit_and_tells_of_each_task(tmp_path):
    whole = made().learn(run_folder=tmp_path / "whole")
    made().learn(run_folder=tmp_path / "cut", callback=lambda agent, _: agent.num_timesteps < 48)
    again = oc.resume(tmp_path / "cut")
    mine, theirs = (agent.state.model.state_dict() for agent in (whole, again))
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    logs = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "cut")]
    assert logs[0] == logs[1]
    row = json.loads(logs[0].splitlines()[-1])
    assert {"task/reach-v3/success_any_rate", "task/push-v3/success_rate", "task/push-v3/ep_rew_mean"} <= row.keys()
    for task in ("reach-v3", "push-v3"):
        assert sum(row[f"task/{task}/share/option-{k}"] for k in range(2)) == pytest.approx(1)
    assert row["rollout/ep_rew_mean"] == pytest.approx(
        (row["task/reach-v3/ep_rew_mean"] + row["task/push-v3/ep_rew_mean"]) / 2, rel=1e-6
    )
    loaded = oc.load(tmp_path / "whole")
    assert loaded.spaces.tasks == ("reach-v3", "push-v3")
    action, _ = loaded.predict(observations(1)[0].numpy(), deterministic=True)
    assert action.shape == (4,)
    with pytest.raises(InputError, match=r"\(41,\)"):
        loaded.predict(np.zeros(39))


def test_each_task_has_a_window_of_its_own():
    e = Episodes.of(2)
    e.tells_success = True
    for _ in range(100):
        for task in (0, 1):
            e.tasks.append(task)
            e.returns.append(float(task))
            e.successes.append(float(task))
            e.last_successes.append(0.0)
    assert len(e.tasks) == 64
    assert e.by_task(("a", "b"))["task/b/success_any_rate"] == 1 and e.metrics()["rollout/success_any_rate"] == 0.5


def test_an_option_that_does_not_see_the_task_is_a_skill_for_one_task_alone():
    agent = made()
    skill = skill_of(agent, 1)
    assert skill.spaces.obs_size == 39 and not skill.spaces.tasks
    obs = observations(0).numpy()
    mean = agent.state.model(torch.from_numpy(obs)).pi.mean[:, 1].detach().clamp(-1, 1)
    np.testing.assert_allclose(skill(obs[:, :39]), mean, atol=1e-6)
    other = oc.OptionCritic("Meta-World/door-close-v3", options=[skill, "new:other"], action_repeat=2, num_envs=2,
                            hidden_dim=8)  # fmt: skip
    assert other.option_names == ("option-1", "other")
    assert skill_of(made(options_see_task=True), 1).spaces.obs_size == 41


def test_kept_transitions_are_scaled_by_their_task():
    """By the algorithm that learns from replay: as much for each, and told for each."""
    few = SMALL | {"algorithm": "sac_oc", "learning_starts": 16, "updates_per_step": 0.5}
    agent, seen = oc.OptionCritic(TWO, seed=3, **few), []
    agent.learn(callback=lambda _, metrics: seen.append(metrics))
    assert {"task/reach-v3/ep_rew_mean", "task/push-v3/ep_rew_mean"} <= seen[-1].keys()
    state, c = agent.state, agent.settings.learning
    moments = state.model.reward_norm.moments
    assert isinstance(moments, TaskMoments) and (moments.count > 0).all()
    batch = state.replay.take(*state.replay.draw(16, state.generators.batch))
    noise, rules = torch.zeros(16, 2, agent.spaces.action_size), agent.settings.options
    before, task = targets(state.model, batch, c, rules, noise), state.model.task(batch.obs)
    moments.var[1] *= 4  # from now on what push pays is worth half
    after = targets(state.model, batch, c, rules, noise)
    paid = state.model.reward_norm(batch.reward, task)
    assert torch.equal(before[task == 0], after[task == 0]) and 0 < (task == 1).sum() < 16
    torch.testing.assert_close((before - after)[task == 1], paid[task == 1, None].expand(-1, 2))

"""The ring of kept transitions, and goals in hindsight."""

import numpy as np
import pytest
import torch
from goal_envs import Point
from hypothesis import given, settings
from hypothesis import strategies as st

from option_critic.envs.goals import goals_of
from option_critic.envs.lookup import given as given_env
from option_critic.envs.make import spaces_of
from option_critic.envs.settings import EnvSettings
from option_critic.training.hindsight import in_hindsight
from option_critic.training.replay import KEPT, Replay

B = 3


def columns(start, length, rng, episode=5, valid=1.0):
    """Rows `start` on; each says where it stands (obs), and which episode of its environment it belongs to."""
    t = np.arange(start, start + length)[:, None] + np.arange(B) * 2
    found = {name: rng.random((length, B)).astype(dtype) for name, dtype in KEPT.items()}
    obs = np.stack([np.broadcast_to(np.arange(start, start + length)[:, None], (length, B)), t // episode], -1)
    found |= {"obs": obs.astype(np.float32), "next_obs": obs + 0.5, "action": rng.random((length, B, 1))}
    found["is_first"] = (t % episode == 0) | ((start == 0) & (np.arange(length)[:, None] == 0))
    return found | {"valid": rng.random((length, B)) <= valid}


@given(st.integers(2, 40), st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_it_keeps_the_last_rows(capacity, lengths, seed):
    rng, replay, start = np.random.default_rng(seed), Replay(capacity), 0
    everything = []
    for length in lengths:
        everything.append(columns(start, length, rng, valid=0.8))
        everything[-1]["valid"][0] = True
        replay.extend(everything[-1])
        start += length
    whole = {name: np.concatenate([c[name] for c in everything]) for name in everything[0]}
    kept = min(start, max(2, capacity // B))
    assert (replay.added, replay.oldest, replay.decisions) == (start, start - kept, whole["valid"].sum())
    for name, x in replay.between(replay.oldest, start).items():
        assert np.array_equal(x, whole[name][-kept:]), name
    row, env = replay.draw(200, torch.Generator().manual_seed(seed)) if whole["valid"][-kept:].any() else ([], [])
    assert len(row) in (0, 200) and all(whole["valid"][row, env])
    if len(row):
        taken = replay.take(row, env)
        assert torch.equal(taken.obs, torch.from_numpy(whole["obs"][row, env]))
        assert torch.equal(taken.option, torch.from_numpy(whole["option"][row, env]).long())


def test_draws_are_uniform_over_what_is_kept():
    replay = Replay(20 * B)
    for t in range(35):
        replay.extend(columns(t, 1, np.random.default_rng(t)))
    row, env = replay.draw(60_000, torch.Generator().manual_seed(0))
    counts = np.bincount((row - 15) * B + env, minlength=20 * B)
    assert len(counts) == 20 * B and np.abs(counts - 1000).max() < 160  # five standard deviations


def test_later_rows_are_of_the_same_episode_up_to_its_end():
    replay, episode = Replay(12 * B), 7
    for t in range(0, 40, 2):
        replay.extend(columns(t, 2, np.random.default_rng(t), episode))
    row, env = replay.draw(4000, torch.Generator().manual_seed(0))
    later, known = replay.later(row, env, torch.Generator().manual_seed(1))
    number = (row + 2 * env) // episode
    first = number * episode - 2 * env
    assert np.array_equal(known, first >= replay.oldest) and known.any() and not known.all()
    assert (later[known] >= row[known]).all() and ((later[known] + 2 * env[known]) // episode == number[known]).all()
    last = np.minimum(first + episode - 1, replay.added - 1)
    for r, e in {*zip(row[known].tolist(), env[known].tolist(), strict=True)}:
        mine = (row == r) & (env == e)
        assert set(later[mine]) == set(range(r, last[mine][0] + 1))  # each of them occurs


def test_a_row_in_which_a_backend_only_reset_belongs_to_no_episode():
    """Its next observation is of the episode after it."""
    replay = Replay(60 * B)
    for t in range(20):
        row = columns(t, 1, np.random.default_rng(t), episode=5)
        row["valid"] = (t + 2 * np.arange(B) + 1)[None] % 5 > 0  # the last of each
        replay.extend(row)
    row, env = replay.draw(3000, torch.Generator().manual_seed(0))
    later, known = replay.later(row, env, torch.Generator().manual_seed(1))
    assert known.all() and ((later + 2 * env) % 5 < 4).all() and (later > row).any()


def test_memory_is_what_the_page_says():
    """Two observations and the action, and 33 bytes beside them."""
    replay = Replay(1000)
    row = columns(0, 1, np.random.default_rng(0))
    replay.extend(row)
    each_row = sum(row[name][0, 0].nbytes for name in ("obs", "next_obs", "action"))
    held = sum(x.nbytes for x in (*replay.columns.values(), replay.first, replay.last))
    assert held / (replay.rows * B) == each_row + 33


def test_what_is_put_back_goes_on_in_the_same_way():
    """From a file that begins in the middle of an episode: the same rows, and the same answers about episodes."""
    whole, again = Replay(12 * B), Replay(12 * B)
    for t in range(0, 40, 2):
        whole.extend(columns(t, 2, np.random.default_rng(t)))
    again.added = whole.oldest
    again.extend(whole.between(whole.oldest, whole.added))
    for replay in (whole, again):
        for t in range(40, 46, 2):
            replay.extend(columns(t, 2, np.random.default_rng(t)))
    drawn = [replay.draw(500, torch.Generator().manual_seed(0)) for replay in (whole, again)]
    for a, b in zip(*drawn, strict=True):
        assert np.array_equal(a, b)
    later = [r.later(*drawn[0], torch.Generator().manual_seed(1)) for r in (whole, again)]
    assert all(np.array_equal(a, b) for a, b in zip(*later, strict=True))


@pytest.fixture
def goals():
    found = goals_of(given_env(Point), EnvSettings(), spaces_of(Point))
    yield found
    found.close()


def test_goals_in_hindsight_are_paid_by_the_environment(goals):
    """Observations are achieved, desired, observation. What was reached later is desired, at s and at s'."""
    rng, replay = np.random.default_rng(0), Replay(30 * B)
    for t in range(30):
        row = columns(t, 1, rng, episode=6)
        obs, after = rng.normal(size=(2, 1, B, 6))
        row |= {"obs": obs, "next_obs": after, "reward": rng.normal(size=(1, B)).astype(np.float32)}
        replay.extend(row)
    generator = torch.Generator().manual_seed(0)
    row, env = replay.draw(400, generator)
    plain = replay.take(row, env)
    batch = in_hindsight(plain, replay, row, env, goals, 0.75, generator)
    kept = slice(300, None)
    for name in ("obs", "next_obs", "reward"):
        assert torch.equal(getattr(batch, name)[kept], getattr(plain, name)[kept])
    assert torch.equal(batch.obs[:, 2:4][:300], batch.next_obs[:, 2:4][:300])
    for name in ("obs", "next_obs"):  # nothing else was touched
        assert torch.equal(getattr(batch, name)[:, [0, 1, 4, 5]], getattr(plain, name)[:, [0, 1, 4, 5]])
    for i in range(300):
        first, last = (
            ((row[i] + 2 * env[i]) // 6) * 6 - 2 * env[i],
            min(29, ((row[i] + 2 * env[i]) // 6) * 6 + 5 - 2 * env[i]),
        )
        reached = replay.columns["next_obs"][max(row[i], first) : last + 1, env[i], 0:2]
        assert (reached == batch.obs[i, 2:4].numpy()).all(-1).any()
        distance = (batch.next_obs[i, 0:2] - batch.next_obs[i, 2:4]).norm()
        assert batch.reward[i] == -float(distance > 0.2)
    assert (batch.reward[:300] == 0).float().mean() > 0.15  # those whose own step reached it

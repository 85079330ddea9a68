"""Do EnvPool's environments behave as Gymnasium's of the same id? Measured for each, for `envs/agreement.py`.

    python experiments/envpool_agreement.py [ID ...] [--out agreement.json]

Where an observation shows the state, Gymnasium's environment is put into the state that EnvPool's is in, both take
the same random action, and what comes back is compared. Where it does not (Box2D), many episodes under the same policy
are compared by their distributions (Kolmogorov-Smirnov, corrected for the number of comparisons). First observations
and time limits are compared for all.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import envpool
import gymnasium as gym
import numpy as np
import numpy.typing as npt
from scipy.stats import ks_2samp

Array = npt.NDArray[Any]
SIDE_BY_SIDE = 8
STEPS = 1500
"""Steps of SIDE_BY_SIDE environments that are compared one by one ..."""
EPISODES = 300
"""... and episodes whose distributions are."""
FIRSTS = 1000
"""First observations that are compared."""
LIMIT = 5
"""A time limit that no random policy ends before."""
ALPHA = 0.001
"""How often environments that are alike would be called different, over all comparisons of one id."""
MOST_OBS, MOST_REWARD = 1e-3, 1e-3
"""Largest difference after a step, relative to max(1, size), at which the two agree."""


@dataclass(frozen=True)
class Difference:
    """What was measured for one id."""

    env_id: str
    rows: int
    """Steps, or episodes, that were compared."""
    obs: float | None
    """Largest difference of an entry of an observation after one step, relative to max(1, |entry|)."""
    reward: float | None
    """The same of rewards."""
    ends: int | None
    """Steps at which one terminated and the other did not."""
    p: float
    """Smallest p of distributions, times the number of those compared: first observations, and all of Box2D."""
    limit: bool
    """Whether both truncate, and do not terminate, at the limit."""

    @property
    def agrees(self) -> bool:
        """Whether an agent may be trained with the one for the other."""
        near = (self.obs or 0) <= MOST_OBS and (self.reward or 0) <= MOST_REWARD and not self.ends
        return near and self.p > ALPHA and self.limit and self.rows > 0


def put(positions: int, hidden: int, env: Any, obs: Array) -> None:
    """MuJoCo: `positions` coordinates, of which observations hide the first `hidden`, then velocities."""
    shown = positions - hidden
    qpos, qvel = np.concatenate([np.zeros(hidden), obs[:shown]]), obs[shown : shown + env.model.nv]
    env.set_state(qpos, qvel)


def put_reacher(env: Any, obs: Array) -> None:
    """Angles by cosine and sine, the target, velocities of the angles."""
    env.set_state(np.array([*np.arctan2(obs[2:4], obs[:2]), *obs[4:6]]), np.array([*obs[6:8], 0, 0]))


def put_double_pendulum(env: Any, obs: Array) -> None:
    """The cart, angles by sine and cosine, velocities."""
    env.set_state(np.array([obs[0], *np.arctan2(obs[1:3], obs[3:5])]), obs[5:8])


def put_pusher(env: Any, obs: Array) -> None:
    """Joints, velocities, object and goal by where they are, at rest (see `shows_state`)."""
    env.set_state(np.concatenate([obs[:7], np.zeros(4)]), np.zeros(11))
    origin = np.concatenate([env.get_body_com("object")[:2], env.get_body_com("goal")[:2]])
    y, x, goal_y, goal_x = (np.concatenate([obs[17:19], obs[20:22]]) - origin)[[1, 0, 3, 2]]
    env.set_state(np.array([*obs[:7], y, x, goal_y, goal_x]), np.array([*obs[7:14], 0, 0, 0, 0]))


def put_classic(env: Any, obs: Array) -> None:
    """What is observed is the state."""
    env.state, env.steps_beyond_terminated = np.array(obs, np.float64), None


def put_acrobot(env: Any, obs: Array) -> None:
    """Two angles by cosine and sine, velocities."""
    o = obs.astype(np.float64)
    env.state = np.array([np.arctan2(o[1], o[0]), np.arctan2(o[3], o[2]), o[4], o[5]])


def put_pendulum(env: Any, obs: Array) -> None:
    """An angle by cosine and sine, its velocity."""
    o = obs.astype(np.float64)
    env.state = np.array([np.arctan2(o[1], o[0]), o[2]])


STATES: dict[str, Callable[[Any, Array], None]] = {
    "CartPole-v0": put_classic,
    "CartPole-v1": put_classic,
    "MountainCar-v0": put_classic,
    "MountainCarContinuous-v0": put_classic,
    "Acrobot-v1": put_acrobot,
    "Pendulum-v1": put_pendulum,
    "InvertedPendulum-v5": partial(put, 2, 0),
    "InvertedDoublePendulum-v5": put_double_pendulum,
    "Reacher-v5": put_reacher,
    "Pusher-v5": put_pusher,
    "Swimmer-v5": partial(put, 5, 2),
    "Hopper-v5": partial(put, 6, 1),
    "HalfCheetah-v5": partial(put, 9, 1),
    "Walker2d-v5": partial(put, 9, 1),
    "Ant-v5": partial(put, 15, 2),
    "Humanoid-v5": partial(put, 24, 2),
    "HumanoidStandup-v5": partial(put, 24, 2),
}
"""How to put Gymnasium's environment into the state that an observation shows."""
CLIPPED = {"Hopper-v5": slice(5, 11), "Walker2d-v5": slice(8, 17), "InvertedDoublePendulum-v5": slice(5, 8)}
"""Velocities that are observed only up to 10."""
BOX2D = ("LunarLander-v3", "LunarLanderContinuous-v3", "BipedalWalker-v3", "BipedalWalkerHardcore-v3")


def shows_state(env_id: str, before: Array, obs: Array) -> npt.NDArray[np.bool_]:
    """[B] whether `obs` [B, D], one step after `before`, shows all of the state."""
    shown = np.ones(len(obs), np.bool_)
    if env_id in CLIPPED:
        shown &= (np.abs(obs[:, CLIPPED[env_id]]) < 10).all(1)
    if env_id == "Reacher-v5":  # the elbow, stopped at 3 rad, may be pushed past pi
        shown &= obs[:, 1] > -0.95
    if env_id == "Pusher-v5":  # the object's velocity is not observed
        shown &= np.abs(obs[:, 17:20] - before[:, 17:20]).max(1) < 1e-12
    return shown


def relative(a: Array, b: Array) -> float:
    """The largest difference, relative to max(1, size)."""
    return float(np.max(np.abs(a - b) / np.maximum(1.0, np.abs(b))))


def open_pool(env_id: str, count: int, seed: int, **options: Any) -> Any:
    """`count` environments of EnvPool's."""
    seeds = np.random.SeedSequence(seed).generate_state(count) >> 1
    return envpool.make(env_id, env_type="gymnasium", num_envs=count, num_threads=2, env_seed=seeds.tolist(), **options)


def random_actions(space: gym.Space[Any], count: int, draw: np.random.Generator) -> Array:
    """[count, ...] anything that the space allows, held at the bounds now and then."""
    if isinstance(space, gym.spaces.Discrete):
        return draw.integers(space.n, size=count)
    assert isinstance(space, gym.spaces.Box)
    wide = draw.uniform(-1.3, 1.3, (count, *space.shape)).clip(-1, 1)
    middle, half = (space.high + space.low) / 2, (space.high - space.low) / 2
    drawn: Array = (middle + half * wide).astype(np.float32)
    return drawn


def step_by_step(env_id: str, steps: int, seed: int = 0) -> tuple[int, float, float, int]:
    """(rows compared, largest differences of observations and of rewards, different ends).

    Gymnasium's environment is put into the state of two steps ago, and the second step is compared: rewards of
    MuJoCo's depend on positions as the last step has left them, which are a substep old.
    """
    env = gym.make(env_id).unwrapped
    env.reset(seed=0)
    pool, draw = open_pool(env_id, SIDE_BY_SIDE, seed), np.random.default_rng(seed)
    obs, _ = pool.reset()
    known = np.zeros(SIDE_BY_SIDE, np.bool_)  # whether `before` and `last` are of the same episode, and tell the state
    resets, before = known, obs
    action = last = random_actions(env.action_space, SIDE_BY_SIDE, draw)
    rows, worst_obs, worst_reward, ends = 0, 0.0, 0.0, 0
    for t in range(steps):
        if t % 3 == 0:  # held a little: a random walk of torques goes nowhere
            action = random_actions(env.action_space, SIDE_BY_SIDE, draw)
        after, reward, terminated, truncated, _ = pool.step(action)
        for b in np.flatnonzero(known & ~resets & ~truncated):
            STATES[env_id](env, before[b])
            env.step(last[b])
            hers, her_reward, her_end, *_ = env.step(action[b])
            rows += 1
            worst_obs = max(worst_obs, relative(after[b], hers))
            worst_reward = max(worst_reward, relative(reward[b], np.asarray(her_reward)))
            ends += bool(her_end) != bool(terminated[b])
        known = ~resets & shows_state(env_id, before, obs)
        before, last, obs, resets = obs, action, after, terminated | truncated
    return rows, worst_obs, worst_reward, ends


def least_p(samples: Sequence[tuple[Array, Array]]) -> float:
    """The smallest p of pairs of samples [n], [m], times their number. Differences in rounding do not count."""
    return min(1.0, len(samples) * min(float(ks_2samp(a.round(5), b.round(5)).pvalue) for a, b in samples))


def first_observations(env_id: str, count: int) -> list[tuple[Array, Array]]:
    """Per entry of an observation, its first values in both."""
    env = gym.make(env_id)
    hers = np.stack([env.reset(seed=seed)[0] for seed in range(count)])
    ours = open_pool(env_id, count, 1).reset()[0]
    return list(zip(ours.T, hers.T, strict=True))


def same_limit(env_id: str) -> bool:
    """Whether both truncate after LIMIT steps, and their own limits are the same."""
    env, pool = gym.make(env_id, max_episode_steps=LIMIT), open_pool(env_id, 1, 0, max_episode_steps=LIMIT)
    env.reset(seed=0)
    pool.reset()
    action = np.zeros((1, *(env.action_space.shape or ())), np.float32)
    flags = [(env.step(action[0] if action.ndim > 1 else 0)[2:4], pool.step(action)[2:4]) for _ in range(LIMIT)]
    told = all([bool(x[0]) for x in ours] == [bool(x) for x in hers] for hers, ours in flags)
    return (
        told
        and bool(flags[-1][1][1][0])
        and gym.spec(env_id).max_episode_steps == open_pool(env_id, 1, 0).config["max_episode_steps"]
    )


def heuristic(env_id: str) -> Callable[[int], Callable[[Array], Any]]:
    """A maker of policies for one episode each: Gymnasium's own heuristics, which land and which walk."""
    if env_id.startswith("Lunar"):
        from gymnasium.envs.box2d.lunar_lander import heuristic as land

        env = gym.make(env_id)
        return lambda _: lambda obs: land(env, obs)  # type: ignore[no-untyped-call]
    from gymnasium.envs.box2d.bipedal_walker import BipedalWalkerHeuristics

    return lambda _: (lambda walker: lambda obs: walker.step_heuristic(obs))(BipedalWalkerHeuristics())  # type: ignore[no-untyped-call]


def at_random(env_id: str) -> Callable[[int], Callable[[Array], Any]]:
    """The same of policies that act at random."""
    space = gym.make(env_id).action_space

    def policy(seed: int) -> Callable[[Array], Any]:
        draw = np.random.default_rng([seed, 7])
        return lambda _: random_actions(space, 1, draw)[0]

    return policy


def episodes_of_pool(env_id: str, count: int, make: Callable[[int], Callable[[Array], Any]]) -> list[Array]:
    """[count] rewards of each episode."""
    pool = open_pool(env_id, count, 2)
    obs, _ = pool.reset()
    policies, running = [make(count + i) for i in range(count)], np.ones(count, np.bool_)
    rewards: list[list[float]] = [[] for _ in range(count)]
    while running.any():
        obs, reward, terminated, truncated, _ = pool.step(np.stack([policies[i](obs[i]) for i in range(count)]))
        for b in np.flatnonzero(running):
            rewards[b].append(float(reward[b]))
        running &= ~(terminated | truncated)
    return [np.array(r) for r in rewards]


def episodes_of_gymnasium(env_id: str, count: int, make: Callable[[int], Callable[[Array], Any]]) -> list[Array]:
    """[count] rewards of each episode."""
    env, episodes = gym.make(env_id), []
    for i in range(count):
        policy, over, rewards = make(i), False, []
        obs, _ = env.reset(seed=i)
        while not over:
            obs, reward, terminated, truncated, _ = env.step(policy(obs))
            over = terminated or truncated
            rewards.append(float(reward))
        episodes.append(np.array(rewards))
    return episodes


def figures(episodes: Sequence[Array]) -> list[Array]:
    """Of each episode: return, length, rewards at its beginning and at its end."""
    return [
        np.array([e.sum() for e in episodes]),
        np.array([float(len(e)) for e in episodes]),
        *(np.array([e[min(t, len(e) - 1)] for e in episodes]) for t in (0, 10, 40)),
        np.array([e[-1] for e in episodes]),
    ]


def by_distribution(env_id: str, count: int) -> list[tuple[Array, Array]]:
    """Figures of episodes under random actions and under a heuristic, in both."""
    pairs = []
    for policy in (at_random(env_id), heuristic(env_id)):
        ours, hers = episodes_of_pool(env_id, count, policy), episodes_of_gymnasium(env_id, count, policy)
        pairs += list(zip(figures(ours), figures(hers), strict=True))
    return pairs


def measure(env_id: str, steps: int = STEPS, episodes: int = EPISODES, firsts: int = FIRSTS) -> Difference:
    """All that is compared for one id."""
    samples = first_observations(env_id, firsts)
    if env_id in STATES:
        rows, obs, reward, ends = step_by_step(env_id, steps)
        return Difference(env_id, rows, obs, reward, ends, least_p(samples), same_limit(env_id))
    samples += by_distribution(env_id, episodes)
    return Difference(env_id, episodes, None, None, None, least_p(samples), same_limit(env_id))


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("ids", nargs="*", default=[*STATES, *BOX2D])
    parser.add_argument("--out", type=Path, default=Path("envpool_agreement.json"))
    wanted = parser.parse_args()
    versions = {p: importlib.metadata.version(p) for p in ("envpool", "gymnasium", "mujoco", "box2d", "numpy")}
    print(versions)
    print(f"{'id':28}{'rows':>7}{'observation':>13}{'reward':>10}{'ends':>6}{'p':>9}  limit  agree")
    found = []
    for env_id in wanted.ids:
        found.append(d := measure(env_id))
        shown = "".join(
            f"{'-' if x is None else format(x, f):>{w}}" for x, f, w in ((d.obs, ".1e", 13), (d.reward, ".1e", 10))
        )
        ends = "-" if d.ends is None else d.ends
        print(f"{env_id:28}{d.rows:7}{shown}{ends:>6}{d.p:9.2g}  {d.limit!s:5}  {d.agrees}", flush=True)
    rows = [asdict(d) | {"agrees": d.agrees} for d in found]
    wanted.out.write_text(json.dumps({"versions": versions, "ids": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()

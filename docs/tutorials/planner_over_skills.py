# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # A planner over skills
#
# Skills know how; a planner decides which, and when. `oc.OptionEnv` is an environment whose actions are options, so anything that chooses among a few actions can be the planner: a search of a few lines, then one that learns. This takes a quarter of a minute to run: `python planner_over_skills.py`.
#
# ## Four shops
#
# Four shops at random places; a visit to each pays 1, once. An observation is where we are, where the shops are, and which were visited.

# %%
from itertools import permutations

import gymnasium as gym
import numpy as np

import option_critic as oc
from option_critic.skills.export import skill_of

BUDGET = 16_384  # steps of training the skills
K = 4


class Shops(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (2 + 3 * K,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.here, *self.shops = self.np_random.uniform(-1, 1, (K + 1, 2))
        self.been, self.steps = np.zeros(K, bool), 0
        return self.seen(), {}

    def seen(self):
        return np.concatenate([self.here, *self.shops, self.been], dtype=np.float32)

    def step(self, action):
        self.here = np.clip(self.here + 0.15 * action, -1, 1)
        there = np.linalg.norm(np.array(self.shops) - self.here, axis=1) < 0.15
        reward = (there & ~self.been).sum()
        self.been |= there
        self.steps += 1
        return self.seen(), float(reward), bool(self.been.all()), self.steps >= 150, {}


# %% [markdown]
# ## A skill for each
#
# An option that sees the way to its shop and nothing else, is paid for coming closer (`reward`, beside the environment's), ends there (`end`), and may begin while the shop was not visited (`interest`). One training teaches all four.


# %%
def to_shop(k):
    x, been = 2 + 2 * k, 2 + 2 * K + k

    def away(obs):
        return ((obs[..., x : x + 2] - obs[..., 0:2]) ** 2).sum(-1) ** 0.5

    return oc.Option(
        name=f"to-{'abcd'[k]}",
        sees=(oc.Feature("shop - here", (x, x + 1), (0, 1)),),
        interest=lambda obs: obs[..., been] < 0.5,
        end=lambda obs: obs[..., been] > 0.5,
        ends="given",
        reward=lambda obs, after: away(obs) - away(after),
    )


OPTIONS = tuple(to_shop(k) for k in range(K))
agent = oc.OptionCritic(
    Shops,
    options_from=f"{__name__}:OPTIONS",
    num_envs=8,
    rollout_length=128,
    env_workers="never",  # so small a task needs one process
    torch_threads=1,
    seed=0,
)
agent.learn(BUDGET)
skills = [skill_of(agent, name) for name in agent.option_names]
print(skills)

# %% [markdown]
# ## An environment whose actions are skills
#
# A step runs a skill until it ends. `action_masks()` says which may begin; `info` says how long it took, why it ended, and by what the value of what follows is to be multiplied.

# %%
env = oc.OptionEnv(Shops, skills, gamma=0.97)
obs, _ = env.reset(seed=0)
print(env.option_names, env.action_masks())
obs, reward, terminated, truncated, info = env.step(0)
print(info["option"], info["option_steps"], info["end"], round(reward, 2), round(info["discount"], 2))
assert env.action_masks().sum() < K, "the first shop was not reached"


def steps_of(choose, first_seed, episodes=100):
    """The mean number of steps until all shops were visited, with a planner (observation, mask) -> option."""
    total = 0
    for seed in range(first_seed, first_seed + episodes):
        (obs, _), over = env.reset(seed=seed), False
        while not over:
            obs, _, terminated, truncated, info = env.step(choose(obs, env.action_masks()))
            total, over = total + info["option_steps"], terminated or truncated
    return total / episodes


# %% [markdown]
# ## A planner of a few lines
#
# The shortest way through the shops that are left, in straight lines, tried one by one; the first of them is the choice. It is asked again after every skill. Beside it: any of those that may begin.

# %%
rng = np.random.default_rng(0)


def places(obs):
    return obs[:2], obs[2 : 2 + 2 * K].reshape(K, 2)


def plan(obs, mask):
    here, shops = places(obs)
    ways = permutations(np.flatnonzero(mask))
    return min(ways, key=lambda way: np.linalg.norm(np.diff([here, *shops[list(way)]], axis=0), axis=1).sum())[0]


at_random = steps_of(lambda obs, mask: rng.choice(np.flatnonzero(mask)), first_seed=0)
planned = steps_of(plan, first_seed=0)
print(f"at random {at_random:.1f} steps, planned {planned:.1f}")
assert planned < 0.9 * at_random, "planning does not help"

# %% [markdown]
# ## One that learns
#
# It is told nothing of ways, only the distances: what a skill is worth is a weighted sum of four numbers, and the weights are learned by Q-learning over skills. **The value of what follows is multiplied with `info["discount"]`**, as a skill that took longer discounts it more ([why](../planners.md#discount-by-what-passed)).


# %%
def features(obs):
    """[K, 4] of each skill: 1, metres to its shop, metres from there to the nearest other, shops that are left."""
    here, shops = places(obs)
    left = obs[2 + 2 * K :] < 0.5
    between = np.linalg.norm(shops[:, None] - shops, axis=-1)
    between[:, ~left] = np.inf
    np.fill_diagonal(between, np.inf)
    nearest = between.min(1)
    nearest[np.isinf(nearest)] = 0
    return np.stack([np.ones(K), np.linalg.norm(shops - here, axis=1), nearest, np.full(K, left.sum())], -1)


def values(obs, mask):
    return np.where(mask, features(obs) @ weights, -np.inf)


weights = np.zeros(4)
for episode in range(150):
    (obs, _), mask, over = env.reset(seed=10_000 + episode), env.action_masks(), False
    while not over:
        k = rng.choice(np.flatnonzero(mask)) if rng.random() < 0.3 else values(obs, mask).argmax()
        x = features(obs)[k]
        obs, reward, terminated, truncated, info = env.step(k)
        mask, over = env.action_masks(), terminated or truncated
        target = reward + (0 if terminated else info["discount"] * values(obs, mask).max())
        weights += 0.03 * (target - x @ weights) * x

learned = steps_of(lambda obs, mask: values(obs, mask).argmax(), first_seed=0)
print(f"learned {learned:.1f} steps; the weight of a metre {weights[1]:.2f}")
assert learned < 0.95 * at_random, "nothing was learned"
assert weights[1] < 0, "a longer way should be worth less"

# %% [markdown]
# The episodes in which it is judged are none of those that it learned in. To plan with Stable-Baselines3 or a language model in its place: [planners](../planners.md).

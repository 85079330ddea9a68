"""An environment of options: what a step runs, when it ends, what it pays and tells."""

import pickle
import warnings

import cloudpickle
import errands
import gymnasium as gym
import numpy as np
import pytest
from errands import LIMIT, SHOPS, WALKS, Errands, walk
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import SyncVectorEnv

import option_critic as oc
from option_critic.errors import InputError, RunError


def env_of(options=WALKS, env=errands.make, **more):
    return oc.OptionEnv(env, options, **more)


def ran(env, k, seed=None, **options):
    """One option from the start of an episode."""
    env.reset(seed=seed, options=options or None)
    return env.step(k)


def test_a_step_runs_an_option_until_it_ends():
    env = env_of(gamma=0.9)
    obs, info = env.reset(seed=0)
    assert info == {"came": "from reset"} and errands.cell(obs) == 4
    obs, paid, terminated, truncated, info = env.step(2)  # one step to the right, the first errand
    assert (paid, terminated, truncated) == (0.99, False, False) and errands.cell(obs) == 5
    assert (info["option"], info["option_steps"], info["discount"], info["end"]) == ("to-5", 1, 0.9, "own end")
    obs, paid, *_, info = env.step(3)
    assert paid == pytest.approx(-0.01 * (1 + 0.9 + 0.81)) and info["discount"] == pytest.approx(0.9**3)
    assert env.option_names == ("to-0", "to-3", "to-5", "to-8") and env.action_space == gym.spaces.Discrete(4)


def test_an_episode_ends_an_option():
    env = env_of()
    env.reset()
    told = [env.step(k) for k in (2, 0, 3)]
    assert all(not step[2] for step in told)
    *_, terminated, truncated, info = env.step(1)
    assert terminated and not truncated and info["end"] == "terminated" and info["option_steps"] == 5
    with pytest.raises(InputError, match="the episode has ended; call reset first"):
        env.step(0)
    assert env.action_masks().sum() == 3  # of the last observation
    away = walk(99)  # it never arrives
    *_, terminated, truncated, info = ran(env_of([away]), 0)
    assert truncated and not terminated and info["end"] == "truncated" and info["option_steps"] == LIMIT


def test_limits_end_an_option():
    away = walk(99, max_length=5)
    *_, info = ran(env_of([away]), 0)
    assert (info["end"], info["option_steps"]) == ("max_length", 5)
    *_, info = ran(env_of([away], max_steps=3), 0)
    assert (info["end"], info["option_steps"]) == ("max_steps", 3)
    *_, info = ran(env_of([away], max_steps=5), 0)  # both: its own limit is told
    assert (info["end"], info["option_steps"]) == ("max_length", 5)


def near(obs):
    return errands.cell(obs) < 7


def test_no_interest_ends_an_option():
    env = env_of([walk(99, interest=near), walk(0)])
    obs, *_, info = ran(env, 0)
    assert (info["end"], info["option_steps"]) == ("no interest", 3) and errands.cell(obs) == 7
    assert env.action_masks().tolist() == [False, True]
    *_, info = env.step(0)  # masked, and chosen all the same: one step
    assert (info["end"], info["option_steps"]) == ("no interest", 1)


def test_masks():
    env = env_of()
    for early in (env.action_masks, lambda: env.step(0)):
        with pytest.raises(InputError, match="no episode has begun; call reset first"):
            early()
    for at in SHOPS:
        env.reset(options={"cell": at})
        masks = env.action_masks()
        assert masks.dtype == bool and masks.tolist() == [to != at for to in SHOPS]
    env = env_of([walk(to, interest=near) for to in SHOPS])
    env.reset(options={"cell": 8})
    assert env.action_masks().all()  # where nobody is interested, everybody is


def half(obs):
    return 0.5 + 0.0 * obs[..., 0]


def lengths(env, seed, n=300):
    env.reset(seed=seed)
    found = []
    for _ in range(n):
        *_, truncated, info = env.step(0)
        if truncated:
            env.reset()
        else:
            found.append(info["option_steps"])
    return found


@pytest.mark.parametrize("more", [{"end": half}, {"end": None, "ends": "learned", "interest": half}])
def test_ends_are_drawn(more):
    env = env_of([walk(99, **{"interest": None, **more})])
    found = lengths(env, 1)
    assert found == lengths(env, 1) != lengths(env, 2)
    assert np.mean(found) == pytest.approx(2, abs=0.3) and min(found) == 1  # geometric
    least = lengths(env_of([walk(99, **{"interest": None, "min_length": 4, **more})]), 1)
    assert min(least) == 4 and np.mean(least) == pytest.approx(5, abs=0.3)
    certain = env_of([walk(99, **{"interest": None, "max_length": 9, **more})], deterministic=True)
    assert set(lengths(certain, 1, 20)) <= {9, LIMIT % 9}


def test_draws_of_ends_are_none_of_the_environments():
    def rewards(options):
        env = env_of(options, env_kwargs={"slip": 0.3})
        env.reset(seed=3)
        paid = []
        while len(paid) < LIMIT:
            paid.extend(env.step(0)[-1]["trace"].rewards)
        return paid

    assert rewards([walk(8, interest=None, end=None, ends="learned")]) == rewards([walk(8, interest=None, end=half)])


@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
def test_the_sum_is_that_of_the_environment(gamma):
    """A plan by options pays what its primitive actions pay by hand, one after the other, and discounts as they do."""
    rng = np.random.default_rng(0)
    env, plain = env_of(gamma=gamma, max_steps=6, env_kwargs={"slip": 0.3}), errands.make(slip=0.3)
    for seed in range(20):
        obs, _ = env.reset(seed=seed)
        by_hand, _ = plain.reset(seed=seed)
        total, discount, paid, factor, done = 0.0, 1.0, 0.0, 1.0, False
        while not done:
            before = obs
            obs, reward, terminated, truncated, info = env.step(rng.integers(4))
            total, discount, done = total + discount * reward, discount * info["discount"], terminated or truncated
            trace, won = info["trace"], 0.0
            assert np.array_equal(trace.obs[0], before) and np.array_equal(trace.obs[-1], obs)
            assert len(trace.actions) == len(trace.rewards) == len(trace.obs) - 1 == info["option_steps"]
            for t, action in enumerate(trace.actions):
                by_hand, reward, *ends, told = plain.step(action)
                assert reward == trace.rewards[t] and np.array_equal(by_hand, trace.obs[t + 1])
                paid, factor, won = paid + factor * reward, factor * gamma, max(won, told["success"])
            assert [terminated, truncated] == ends and info["success"] == won and info["cell"] == told["cell"]
        assert total == pytest.approx(paid, abs=1e-12) and discount == pytest.approx(factor)


def test_gymnasium_has_no_objection():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*Not able to test alternative render modes.*")
        check_env(env_of(), skip_render_check=True)
        check_env(env_of(env_kwargs={"render_mode": "rgb_array"}))


def test_it_is_an_environment_like_others():
    inner = Errands(render_mode="rgb_array")
    env = env_of(env=inner)
    env.reset(options={"cell": 7})
    assert env.render()[0, 0, 0] == 7 and env.render_mode == "rgb_array" and env.metadata is inner.metadata
    env.close()
    assert inner.closed


@pytest.mark.parametrize("pickler", [pickle, cloudpickle])
def test_it_goes_through_a_pickle(pickler):
    env = env_of([walk(99, interest=None, end=half)])
    env.reset(seed=5)
    again = pickler.loads(pickler.dumps(env))
    for _ in range(5):
        one, other = env.step(0), again.step(0)
        assert one[-1] == other[-1] and one[1:4] == other[1:4]


def test_several_side_by_side():
    envs = SyncVectorEnv([env_of] * 3)
    envs.reset(seed=0)
    _, paid, *_, info = envs.step(np.array([0, 2, 3]))
    assert info["option_steps"].tolist() == [4, 1, 4] and info["end"].tolist() == ["own end"] * 3
    assert [len(trace.rewards) for trace in info["trace"]] == [4, 1, 4] and paid.shape == (3,)
    assert [m.tolist() for m in envs.call("action_masks")] == [[to != at for to in SHOPS] for at in (0, 5, 8)]


class Held:
    """A policy whose actions are held, as those of a skill may be."""

    action_repeat = 3

    def __init__(self, policy):
        self.policy = policy

    def __call__(self, obs):
        return self.policy(obs)


def test_skills_hold_their_actions():
    held = walk(8, interest=None, policy=Held(walk(8).policy))
    env = env_of([held, walk(0)])
    obs, *_, info = ran(env, 0)  # from 4: it looks at 7, and at 8 after two steps more
    assert info["option_steps"] == 6 and errands.cell(obs) == 8
    *_, info = ran(env_of([held], max_steps=4), 0)
    assert (info["option_steps"], info["end"]) == (4, "max_steps")
    limited = walk(99, max_length=2, policy=Held(walk(99).policy))
    *_, info = ran(env_of([limited]), 0)
    assert (info["option_steps"], info["end"]) == (6, "max_length")  # decisions, not steps


class Drift(gym.Env):
    """A point that moves by its action, which has two numbers."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = gym.spaces.Box(-2.0, 2.0, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = np.zeros(2)
        return self.at, {}

    def step(self, action):
        self.at += action  # the same array again and again
        action[:] = 99
        return self.at, 0.0, False, False, {}


def test_actions_of_numbers():
    push = oc.Option(name="push", policy=lambda obs: 0 * obs + 5.0, fixed={1: -0.5}, max_length=3)
    *_, info = ran(env_of([push], Drift), 0)
    assert info["trace"].actions.tolist() == [[2.0, -0.5]] * 3  # clipped, and what is fixed in its place
    assert info["trace"].obs.tolist() == [[0, 0], [2, -0.5], [4, -1.0], [6, -1.5]]
    *_, info = ran(env_of([oc.Option(name="nan", policy=lambda obs: 0 * obs, max_length=1)], Drift), 0)
    assert "success" not in info
    wild = oc.Option(name="wild", policy=lambda obs: obs / obs.sum(-1, keepdim=True))
    with pytest.raises(RunError, match="option wild is given answers NaN"):
        ran(env_of([wild], Drift), 0)
    beyond = walk(0, policy=lambda obs: 7 + errands.cell(obs))
    with pytest.raises(RunError, match="option to-0 answers a choice that there is none of: they are 0 to 1"):
        ran(env_of([beyond]), 0)


class Sixth:
    """Reads the sixth number."""

    def __call__(self, obs):
        return obs[..., 36] > 0


NOTHING = oc.Option(name="nothing")
REFUSED = {
    "observations of another size": ([walk(0, interest=Sixth())], {}, "interest of option to-0 failed .*36 numbers$"),
    "a policy that answers with rows": (
        [walk(0, policy=lambda x: x)],
        {},
        "policy of option to-0 must give .*numbers$",
    ),
    "no policy": ([WALKS[0], NOTHING], {}, "option nothing has no policy: .*give it one .policy=.*trained agent"),
    "a correction": ([walk(0, correction=True)], {}, "correction of option to-0 is learned, .*pass that agent"),
    "no options": ([], {}, "options must be an agent, or a list of Option or skills"),
    "one option": (WALKS[0], {}, "options must be an agent, or a list of Option or skills"),
    "something else": ([len], {}, "each of options must be an Option or a skill, got <built-in"),
    "one twice": ([WALKS[0]] * 2, {}, "options must have different names, got to-0, to-0"),
    "no discount": (WALKS, {"gamma": 1.5}, r"gamma must lie in \[0, 1\], got 1.5"),
    "no time": (WALKS, {"max_steps": 0}, r"max_steps must lie in \[1, "),
    "another argument": (WALKS, {"env_kwargs": {"slips": 0.1}}, "slips.*slip"),
    "arguments of an object": (WALKS, {"env": Errands(), "env_kwargs": {"slip": 0}}, "cannot reach object:Errands"),
    "no environment": (WALKS, {"env": "CartPol-v1"}, "Did you mean CartPole"),
    "several environments": (WALKS, {"env": SyncVectorEnv([Errands])}, "pass a function that makes a single one"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_run_is_refused(what):
    options, more, words = REFUSED[what]
    with pytest.raises(InputError, match=words):
        env_of(options, **more)


@pytest.mark.parametrize("action", [-1, 4, 1.5, "to-0", None, np.array([1, 2]), True])
def test_what_is_no_option_is_refused(action):
    env = env_of()
    env.reset()
    with pytest.raises(InputError, match=r"must be the number of an option \(0 to-0, 1 to-3, 2 to-5, 3 to-8\), got"):
        env.step(action)


@pytest.mark.parametrize("action", [2, np.int64(2), np.array(2), np.array([2]), 2.0])
def test_what_means_an_option_is_taken(action):
    *_, info = ran(env_of(), action)
    assert info["option"] == "to-5"


def test_meta_world_is_the_official_one():
    pytest.importorskip("metaworld")
    far = oc.Option(name="wait", policy=lambda obs: 0 * obs[..., :4], max_length=2)
    env = env_of([far], "Meta-World/reach-v3")
    check_env(env, skip_render_check=True)
    *_, info = ran(env, 0, 3)
    assert info["trace"].obs.shape == (3, 39) and info["success"] == 0 and "grasp_success" in info
    with pytest.raises(InputError, match="takes no arguments"):
        env_of([far], "Meta-World/reach-v3", env_kwargs={"goal": 1})

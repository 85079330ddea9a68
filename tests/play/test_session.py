"""Orders in, steps out: what a person wants of options is what happens, and what is kept."""

import gymnasium as gym
import numpy as np
import pytest

from option_critic import Option, OptionCritic
from option_critic.errors import InputError
from option_critic.evaluation.trace import Trace
from option_critic.planning.option_env import OptionEnv
from option_critic.play.players import Orders, player
from option_critic.play.session import MAX_SHIFT, Session

A, B, C = range(3)


@pytest.fixture(scope="module")
def agent():
    return OptionCritic("CartPole-v1", num_options=3, option_names=("a", "b", "c"), hidden_dim=8, num_envs=1, seed=1)


class Still(gym.Env):
    """Nothing moves; it tells success from step 3 on, and ends after `length` steps."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (4,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, length=1000):
        self.length, self.closed = length, False

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return np.zeros(4, np.float32), {}

    def step(self, action):
        self.steps += 1
        told = {"is_success": self.steps >= 3, "other": "text"}
        return np.zeros(4, np.float32), 0.5, False, self.steps == self.length, told

    def close(self):
        self.closed = True


def session(agent, length=1000, **kwargs):
    return Session(OptionEnv(Still(length), agent), **kwargs)


def ran(s, steps):
    """The options of so many steps."""
    found = []
    for _ in range(steps):
        s.step()
        found.append(s.option)
    return found


def test_an_option_that_is_held_runs_alone_until_it_is_let_go(agent):
    s = session(agent)
    for k in (B, A, C):
        s.hold(k)
        s.shift_terminations(MAX_SHIFT)
        assert ran(s, 5) == [k] * 5
    s.hold(None)
    s.draw(False)
    assert set(ran(s, 40)) == {A, B, C}


def test_an_option_that_is_forbidden_does_not_run_and_one_that_runs_ends(agent):
    s = session(agent)
    s.draw(False)
    s.shift_terminations(MAX_SHIFT)
    first = ran(s, 1)[0]
    s.forbid(first)
    assert first not in ran(s, 30)
    s.forbid(first, False)
    assert first in ran(s, 30)


def test_what_was_ordered_before_it_was_forbidden_or_let_go_does_not_run():
    agent = OptionCritic("CartPole-v1", num_options=3, hidden_dim=8, num_envs=1, seed=1, initial_beta=0.001)
    s = session(agent, deterministic=True)
    (running,) = ran(s, 1)
    j, k = (i for i in range(3) if i != running)
    s.run(j)
    s.forbid(j)
    assert ran(s, 1) == [running]
    s.hold(k)
    s.hold(None)
    assert ran(s, 1) == [running]
    s.hold(k)
    s.forbid(k)
    assert ran(s, 1) == [running]
    s.forbid(j, False)
    s.end()
    s.forbid(running)
    assert ran(s, 1) == [j]


def test_the_last_option_is_not_forbidden_and_nothing_changes(agent):
    s = session(agent)
    s.forbid(A)
    s.forbid(B)
    with pytest.raises(InputError, match="c is the last"):
        s.forbid(C)
    assert s.forbidden == {A, B}
    assert ran(s, 3) == [C] * 3


def test_run_now_starts_an_option_at_once_and_it_goes_on(agent):
    s = session(agent)
    s.shift_terminations(-MAX_SHIFT)
    for k in (C, B, A):
        s.run(k)
        assert ran(s, 4) == [k] * 4
    s.close()
    t = s.trace()
    assert t.ended[0, :12].tolist() == [True, False, False, False] * 3
    assert t.forced[0].tolist() == t.ended[0].tolist()  # nobody learned these ends
    assert t.info["ordered"][0].tolist() == [1, 0, 0, 0] * 3


def test_end_gives_way_to_another_option_and_to_the_same_where_it_is_held(agent):
    s = session(agent)
    s.shift_terminations(-MAX_SHIFT)
    before = ran(s, 2)[-1]
    s.end()
    assert ran(s, 1)[0] != before
    other = A if s.option == B else B
    s.hold(other)
    ran(s, 2)
    s.end()
    assert ran(s, 2) == [other, other]
    s.close()
    assert s.trace().ended[0].tolist() == [True, False, True, True, False, True, False]


def test_terminations_are_shifted_both_ways(agent):
    s = session(agent)
    s.shift_terminations(MAX_SHIFT)
    ran(s, 10)
    s.shift_terminations(-MAX_SHIFT)
    ran(s, 10)
    s.close()
    beta = s.trace().beta[0]
    assert (beta[:10] > 0.99).all() and (beta[10:] < 0.01).all()
    with pytest.raises(InputError, match="terminations"):
        s.shift_terminations(float("nan"))


def test_orders_that_make_no_sense_are_refused(agent):
    s = session(agent)
    s.forbid(A)
    with pytest.raises(InputError, match="a is forbidden"):
        s.run(A)
    s.hold(B)
    with pytest.raises(InputError, match="b is held"):
        s.run(C)
    for wrong in (3, -1, "b", 1.0, True, None):
        with pytest.raises(InputError, match="there is no option"):
            s.run(wrong)
    with pytest.raises(InputError, match="no hand"):
        s.move_hand(0, 1.0)
    with pytest.raises(InputError, match="cannot be moved"):
        s.move_goal((0, 0, 0))
    s.let_choose()
    assert s.holding is None and not s.forbidden


def test_an_episode_ends_and_all_is_kept(agent, tmp_path):
    s = session(agent, length=5)
    assert s.trace() is None
    s.play()
    ran(s, 5)
    assert s.over and not s.playing and s.success is True and s.total == 2.5
    for order in (s.play, s.step):
        with pytest.raises(InputError, match="over"):
            order()
    s.reset()
    ran(s, 2)
    s.close()
    t = s.trace()
    assert t.length.tolist() == [5, 2] and s.env.env.closed
    assert t.info["success"][0].tolist() == [0, 0, 1, 1, 1] and "other" not in t.info
    assert t.info["cut"].sum(1).tolist() == [0, 1]
    t.save(tmp_path / "played.safetensors", {})
    again, _ = Trace.load(tmp_path / "played.safetensors")
    assert again.option.tolist() == t.option.tolist()


def test_a_limit_cuts_an_episode(agent):
    s = session(agent, max_steps=3)
    ran(s, 3)
    assert s.over and s.trace().info["cut"][0].tolist() == [0, 0, 1]


def test_untouched_it_is_the_agent(agent):
    """As `predict` decides, step by step."""
    s, state, obs = Session(OptionEnv("CartPole-v1", agent), seed=3), None, None
    env = gym.make("CartPole-v1")
    obs, _ = env.reset(seed=3)
    for _ in range(8):
        action, state = agent.predict(obs, state, deterministic=True)
        obs, *_ = env.step(action)
        s.step()
        assert s.option == state.option
        np.testing.assert_array_equal(s._row[0], obs)


def test_actions_are_held_as_in_training_and_an_order_does_not_wait():
    held = OptionCritic("CartPole-v1", num_options=2, action_repeat=4, hidden_dim=8, num_envs=1)
    s = session(held)
    s.shift_terminations(-MAX_SHIFT)
    ran(s, 6)
    s.run(1)
    ran(s, 5)
    s.close()
    assert s.trace().decided[0].astype(int).tolist() == [1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1]


def test_options_with_given_policies_take_turns_and_obey():
    options = [
        Option(name=n, policy=lambda o, k=k: o[..., 0] * 0 + k, end=lambda o: o[..., 0] * 0 + 1, ends="given")
        for k, n in enumerate("xy")
    ]
    s = session(options)
    assert ran(s, 4) == [0, 1, 0, 1]
    s.hold(1)
    assert ran(s, 3) == [1, 1, 1]
    s.close()
    assert s.trace().action[0, :, 0].tolist() == [0, 1, 0, 1, 1, 1, 1]


def test_a_player_says_what_a_trace_holds(agent):
    env = OptionEnv(Still(), agent)
    orders = Orders(np.array([True, False, True]))
    told = player(env.runner).decide(np.zeros((1, 4), np.float32), None, 0, orders, np.random.default_rng(0)).told
    assert told["interest"].tolist() == [1, 0, 1] and told["mu"][1] < 1e-6
    assert told["q"].shape == told["distance"].shape == (3,) and told["beta"] == 1

"""Options of a trained agent, called from outside."""

import cloudpickle
import pytest
import torch

import option_critic as oc
from option_critic.errors import InputError


def switch_agent(**more):
    """Options of two lengths, chosen by a network that was never trained."""
    settings = {"num_options": 3, "hidden_dim": 8, "option_names": ("a", "b", "c"), **more}
    return oc.OptionCritic("CartPole-v1", num_envs=1, **settings)


def test_options_of_an_agent():
    agent = switch_agent(max_option_length=4)
    env = oc.OptionEnv("CartPole-v1", agent, deterministic=True)
    env.reset(seed=0)
    assert env.option_names == ("a", "b", "c") and env.action_masks().all()
    for k in (2, 0, 1):
        *_, terminated, _, info = env.step(k)
        assert info["option"] == "abc"[k] and (info["end"], info["option_steps"]) == ("max_length", 4)
        policies = agent.state.model.behaviour(torch.from_numpy(info["trace"].obs[:-1]))
        assert policies.log_probs[:, k].argmax(-1).tolist() == info["trace"].actions.tolist()
        assert not terminated


def test_an_agent_holds_its_actions():
    env = oc.OptionEnv("CartPole-v1", switch_agent(action_repeat=3, max_option_length=2), deterministic=True)
    env.reset(seed=0)
    *_, info = env.step(0)
    actions = info["trace"].actions.reshape(2, 3)
    assert (info["option_steps"], info["end"]) == (6, "max_length") and (actions == actions[:, :1]).all()


def test_ends_of_an_agent_are_drawn_and_learned_later_they_stay_as_they_are():
    agent = switch_agent(initial_beta=0.5)
    env = oc.OptionEnv("CartPole-v1", agent)
    again = cloudpickle.loads(cloudpickle.dumps(env))

    def steps(env):
        env.reset(seed=4)
        return [env.step(k)[-1] for k in (0, 1, 2, 0)]

    before = steps(env)
    assert len({told["option_steps"] for told in before}) > 1 and {told["end"] for told in before} == {"own end"}
    with torch.no_grad():
        for weights in agent.state.model.parameters():
            weights.add_(1)
    assert steps(env) == before == steps(again)


def left(obs):
    return obs[..., 2] < 0


def right(obs):
    return obs[..., 2] >= 0


SIDES = (oc.Option(name="left", interest=left), oc.Option(name="right", interest=right))


def test_interests_of_an_agent():
    agent = oc.OptionCritic("CartPole-v1", num_envs=1, options_from="test_agent_options:SIDES", hidden_dim=8)
    env = oc.OptionEnv("CartPole-v1", agent)
    obs, _ = env.reset(seed=0)
    for _ in range(6):
        mine = int(obs[2] >= 0)
        assert env.action_masks().tolist() == [mine == 0, mine == 1]
        obs, *_, terminated, _, info = env.step(mine)
        if terminated:
            break
        assert info["end"] == "no interest" and int(obs[2] >= 0) != mine


def test_an_agent_of_another_environment_is_refused():
    with pytest.raises(InputError, match="Pendulum-v1 does not fit this agent: observations"):
        oc.OptionEnv("Pendulum-v1", switch_agent())

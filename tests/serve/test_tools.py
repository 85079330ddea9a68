"""The tools, called by the SDK's own client in this process."""

import asyncio
import base64
import threading

import errands
import gymnasium as gym
import numpy as np
import pytest
from errands import WALKS, walk

import option_critic as oc

pytest.importorskip("mcp", reason='pip install "option-critic[serve]"')
from mcp import Client

from option_critic.errors import RunError
from option_critic.serve.one_thread import OneThread
from option_critic.serve.server import OptionServer


def talk(env, dialogue, mode="auto"):
    """Let `dialogue` (a coroutine of a client) talk to a server of options in `env`."""
    server = OptionServer(env, "a corridor")

    async def main():
        async with Client(server, mode=mode) as client:
            return await dialogue(client)

    try:
        return asyncio.run(main())
    finally:
        server.close()


def corridor(options=WALKS, **more):
    return oc.OptionEnv(errands.make, options, gamma=0.9, **more)


async def call(client, tool, **arguments):
    """What a tool answers; its text where that is an error."""
    answer = await client.call_tool(tool, arguments)
    return answer.content[0].text if answer.is_error else answer.structured_content


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_planner_of_five_lines_does_the_errands(mode):
    async def planner(client):
        state, ran = await call(client, "reset", seed=0), []
        for name in ("to-5", "to-0", "to-3", "to-8") * 2:  # the right order is 5, 0, 3+, 8
            if not state["over"] and name in state["may_start"]:
                state = await call(client, "run_option", name=name)
                ran.append(state)
        return ran

    ran = talk(corridor(), planner, mode)
    first = ran[0]
    assert (first["option"], first["option_steps"], first["ended"], first["over"]) == ("to-5", 1, "own end", False)
    assert (first["reward"], first["discounted_reward"], first["discount"]) == (0.99, 0.99, 0.9)
    assert first["success_so_far"] is True and first["steps"] == 1 and first["episode"] == 1
    assert first["changed"] == {"obs[16]": {"before": 1, "after": 0}, "obs[21]": {"before": 0, "after": 1}}
    assert first["may_start"] == ["to-0", "to-3", "to-8"]
    second = ran[1]
    assert second["reward"] == pytest.approx(0.95) and second["option_steps"] == 5
    assert second["discounted_reward"] == pytest.approx(sum(0.9**i * -0.01 for i in range(5)) + 0.9**4, abs=1e-5)
    assert ran[-1]["over"] and ran[-1]["ended"] == "terminated" and ran[-1]["may_start"] == []


def test_tools_tell_a_model_what_they_take_and_give():
    async def look(client):
        return (await client.list_tools()).tools, client.instructions, await call(client, "options")

    tools, instructions, told = talk(corridor([walk(0, max_length=7, phase="home"), walk(8)]), look)
    assert [tool.name for tool in tools] == ["observe", "options", "run_option", "reset"]
    assert all(tool.description and tool.output_schema for tool in tools)
    run = tools[2].input_schema
    assert run["required"] == ["name"] and "1 to 10000" in run["properties"]["max_steps"]["description"]
    assert "gamma^i" in tools[2].output_schema["properties"]["discounted_reward"]["description"]
    assert "a corridor" in instructions and "one after the other" in instructions
    home = told["options"][0]
    assert home == {
        "name": "to-0",
        "phase": "home",
        "origin": "a given function",
        "measured": "",
        "interest": 1.0,
        "may_start": True,
        "ends": "when its own condition holds, where its interest is 0, after 7 steps, with the episode",
        "max_steps": 7,
    }


BAD = {
    "an unknown option": ("run_option", {"name": "to-4"}, "there is no option 'to-4': there are to-0, to-3, to-5"),
    "its nearest": ("run_option", {"name": "to5"}, "Did you mean to-5?"),
    "no steps": ("run_option", {"name": "to-5", "max_steps": 0}, "max_steps must be 1 to 10,000, got 0"),
    "too many": ("run_option", {"name": "to-5", "max_steps": 10**9}, "max_steps must be 1 to 10,000, got 1000000000"),
    "text": ("run_option", {"name": "to-5", "max_steps": "many"}, "max_steps of run_option is not valid"),
    "no name": ("run_option", {}, "name of run_option is not valid: Field required"),
    "another argument": ("run_option", {"name": "to-5", "steps": 3}, "no argument 'steps': it takes name, max_steps"),
    "another tool": ("run", {}, "there is no tool 'run': there are observe, options, run_option, reset. Did you mean"),
    "a goal": ("reset", {"goal": 3}, "this environment has no goals with numbers"),
    "a seed": ("reset", {"seed": -1}, "seed must be 0 to 2147483647, got -1"),
}


def test_bad_calls_get_one_sentence_and_change_nothing():
    async def stumble(client):
        before = await call(client, "observe")
        for tool, arguments, sentence in BAD.values():
            answer = await client.call_tool(tool, arguments)
            text = answer.content[0].text
            assert answer.is_error and sentence in text and "\n" not in text and "Traceback" not in text
        assert await call(client, "observe") == before

    talk(corridor(), stumble)


def test_after_the_end_reset_is_what_is_left():
    async def on(client):
        assert (await call(client, "run_option", name="to-99", max_steps=59))["ended"] == "max_steps"
        assert (await call(client, "run_option", name="to-99"))["ended"] == "truncated"
        assert (await call(client, "observe"))["over"]
        assert not any(o["may_start"] for o in (await call(client, "options"))["options"])
        assert await call(client, "run_option", name="to-99") == ("the episode has ended; call reset to begin another")
        again = await call(client, "reset")
        assert not again["over"] and again["episode"] == 2 and again["steps"] == 0 and again["success_so_far"] is None

    talk(corridor([walk(99)]), on)


def test_a_picture_on_request():
    pytest.importorskip("PIL")

    async def look(client):
        return await client.call_tool("observe", {"image": True})

    content = talk(corridor(env_kwargs={"render_mode": "rgb_array"}), look).content
    assert [c.type for c in content] == ["text", "image"] and content[1].mime_type == "image/png"
    assert base64.b64decode(content[1].data).startswith(b"\x89PNG")
    refused = talk(corridor(), look)
    assert refused.is_error and "draws no pictures" in refused.content[0].text


class Rooms(gym.Env):
    """Observations of all kinds, and a step that can fail."""

    observation_space = gym.spaces.Dict(
        {
            "door": gym.spaces.Discrete(3, start=1),
            "map": gym.spaces.Box(0, 255, (8, 8, 3), np.uint8),
            "pose": gym.spaces.Box(-9, 9, (2,)),
        }
    )
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return {"door": 2, "map": np.zeros((8, 8, 3), np.uint8), "pose": np.array([0.123456789, np.nan], "f")}, {}

    def step(self, action):
        raise RuntimeError("the lamp\nbroke")


def test_names_of_parts_and_failures_of_the_environment():
    async def look(client):
        seen = (await call(client, "observe"))["quantities"]
        return seen, await call(client, "run_option", name="stay"), await call(client, "run_option", name="stay")

    stay = oc.Option(name="stay", policy=lambda obs: 0 * obs[..., 0].long())
    seen, failed, after = talk(oc.OptionEnv(Rooms, [stay]), look)
    assert seen == {"obs['door']": 2.0, "obs['pose'][0]": 0.12346, "obs['pose'][1]": None}
    assert failed == "the environment failed (RuntimeError: the lamp broke); call reset"
    assert after == "the episode has ended; call reset to begin another"


def test_features_that_options_see_have_their_names():
    ahead = oc.Feature("obs 3 - obs 1", (3,), (1,))
    stay = oc.Option(name="stay", policy=lambda obs: 0 * obs[..., 0].long(), sees=(ahead,))

    async def look(client):
        return (await call(client, "reset", seed=1))["quantities"]

    seen = talk(oc.OptionEnv("CartPole-v1", [stay]), look)
    assert [*seen] == ["obs[0]", "obs[1]", "obs[2]", "obs[3]", "obs 3 - obs 1"]
    assert seen["obs 3 - obs 1"] == pytest.approx(seen["obs[3]"] - seen["obs[1]"], abs=1e-5)


def test_options_of_an_agent():
    agent = oc.OptionCritic(
        "CartPole-v1", num_envs=1, num_options=2, hidden_dim=8, max_option_length=4, action_repeat=2
    )

    async def look(client):
        return await call(client, "options"), await call(client, "run_option", name="option-1")

    told, ran = talk(oc.OptionEnv("CartPole-v1", agent, deterministic=True), look)
    first = told["options"][0]
    assert (first["origin"], first["max_steps"]) == ("learned on CartPole-v1 in 0 steps", 8)
    assert first["ends"] == "when its learned termination says so, after 8 steps, with the episode"
    assert (ran["option_steps"], ran["ended"], ran["success_so_far"]) == (8, "max_length", None)


def test_a_call_that_was_given_up_does_not_block_the_next():
    thread, gate = OneThread(), threading.Event()

    async def give_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(thread.run(lambda: gate.wait(10)), 0.01)
        gate.set()
        return await thread.run(lambda: 4)

    assert asyncio.run(give_up()) == 4


def test_what_ends_a_process_ends_a_call_only():
    thread = OneThread()
    with pytest.raises(RunError, match="the environment raised SystemExit"):
        thread.submit(lambda: exit(3)).result(10)
    assert thread.submit(lambda: 4).result(10) == 4

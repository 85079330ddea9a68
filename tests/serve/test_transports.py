"""The server as a process: standard input and output, HTTP, and how it ends."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

import option_critic
from option_critic.cli import main as cli

pytest.importorskip("mcp", reason='pip install "option-critic[serve]"')
from mcp import Client, StdioServerParameters

HERE = Path(__file__).parent
PATHS = [str(Path(option_critic.__file__).parents[1]), str(HERE), str(HERE.parent / "planning")]
ENV = {"PYTHONPATH": os.pathsep.join(PATHS)}
COMMAND = ["-m", "option_critic", "serve", "noisy:WALKS"]


async def errands(client):
    """Who may start runs."""
    state = (await client.call_tool("reset", {"seed": 0})).structured_content
    for name in ("to-5", "to-0", "to-3", "to-8"):
        state = (await client.call_tool("run_option", {"name": name})).structured_content
    return state["over"], state["ended"], state["steps"]


DONE = (False, "own end", 14)
"""The last errand, at 3, comes after that at 5, 0 and 3."""


def test_nothing_but_the_protocol_is_on_standard_output():
    server = StdioServerParameters(command=sys.executable, args=[*COMMAND, "--env", "noisy:Noisy"], env=ENV)

    async def main():
        async with Client(server) as client:
            return await errands(client)

    assert asyncio.run(main()) == DONE


@pytest.fixture
def started():
    """A process that serves, when it says so, and what it has said."""
    running = []

    def start(*arguments):
        command = [sys.executable, *COMMAND, "--env", *arguments]
        process = subprocess.Popen(command, env=os.environ | ENV, text=True, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        running.append(process)
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith("serving"):
                break
        return process, "".join(said)

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_http_serves_one_session_at_a_time(started):
    process, said = started("noisy:Noisy", "--http", "0")
    url = re.search(r"on (http://127\.0\.0\.1:\d+/mcp), one client at a time", said)[1]

    async def main():
        async with Client(url) as client:
            done = await errands(client)
        async with Client(url, mode="legacy") as first:
            await first.call_tool("observe")
            with pytest.raises(BaseException) as refused:
                async with Client(url, mode="legacy") as second:
                    await second.call_tool("observe")
            assert "Too many open sessions" in "".join(traceback.format_exception(refused.value))
            assert (await first.call_tool("observe")).structured_content["episode"] == 1
        async with Client(url, mode="legacy") as later:
            await later.call_tool("observe")
        return done

    assert asyncio.run(main()) == DONE
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 143 and "Traceback" not in err and "noise of Python" in out


def test_a_signal_ends_it_while_it_waits_for_a_line_and_the_environment_for_ever(started):
    process, _ = started("noisy:Stuck")
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}}
    call = {"name": "run_option", "arguments": {"name": "to-5"}}
    for message in ({"id": 1, "method": "initialize", "params": hello}, {"method": "notifications/initialized"},
                    {"id": 2, "method": "tools/call", "params": call}):  # fmt: skip
        process.stdin.write(json.dumps({"jsonrpc": "2.0"} | message) + "\n")
    process.stdin.flush()
    assert next(line for line in process.stderr if "stuck" in line)
    process.send_signal(signal.SIGINT)  # its standard input stays open
    process.wait(20)
    assert process.returncode == 130 and "Traceback" not in process.stderr.read()
    answers = process.stdout.read().splitlines()
    assert json.loads(answers[0])["id"] == 1 and not any("result" in json.loads(line) for line in answers[1:])


BAD = {
    "a host without HTTP": (["x", "--host", "0.0.0.0"], "say --http PORT too"),
    "no such port": (["x", "--http", "70000"], "--http must lie in [0, 65,535], got 70,000"),
    "nothing": ([], "serve takes a run folder, a saved agent, or skills"),
    "no run": (["nowhere"], "nowhere is neither a saved agent nor a run folder"),
    "several": (["nowhere", "there"], "nowhere is no skill, and a run or a saved agent is served alone"),
    "no environment": (["errands:WALKS"], "skills need an environment to run in; say --env ID"),
    "no options": (["errands:nothing", "--env", "errands:make"], "must be a tuple of Option"),
    "no such goals": (["errands:WALKS", "--env", "Meta-World/reach-v3", "--goals", "E"], "there is no goal set 'E'"),
    "unfit options": (["errands:WALKS", "--env", "Meta-World/reach-v3"], "of option to-0"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_answered_at_once(what, monkeypatch, capsys):
    arguments, sentence = BAD[what]
    if "Meta-World" in " ".join(arguments):
        pytest.importorskip("metaworld")
    port = [] if "--host" in arguments or "--http" in arguments else ["--http", "0"]
    monkeypatch.setattr(sys, "argv", ["option-critic", "serve", *arguments, *port])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    said = capsys.readouterr().err
    assert stop.value.code == 2 and sentence in said and said.count("\n") == 1


def test_without_the_sdk_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["option-critic", "serve", "x"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2 and 'pip install "option-critic[serve]"' in capsys.readouterr().err

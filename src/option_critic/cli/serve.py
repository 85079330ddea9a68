"""The verb `serve`: options as tools of language models and other programs."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Literal

import tyro

from option_critic.cli.flags import parse
from option_critic.cli.signals import Interrupt
from option_critic.errors import InputError
from option_critic.references import import_module_of
from option_critic.terminal import endable_input, output_aside, say
from option_critic.value_types import check_range

LOCAL = "127.0.0.1"


@dataclass
class ServeArgs:
    """Serve options as tools of the Model Context Protocol (MCP): observe, options, run_option, reset. A language
    model, or any other client, then runs options one after the other in one environment."""

    targets: tyro.conf.Positional[tuple[str, ...]]
    """A run folder or a saved agent, for its options as they are; or skills, folders of skills, and module:NAME of
    options with given policies."""
    env: str | None = None
    """The environment: a preset, Meta-World/<task>-v3, a Gymnasium id, module:EnvId-v0 or module:function. Default:
    that in which the agent was trained; skills need it."""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """Arguments that the environment is made with."""
    goals: str = "D"
    """Meta-World: the goals that `reset` numbers, as `evaluate` takes them (A, B, C, D, or seed-N)."""
    mode: Literal["deterministic", "stochastic"] = "deterministic"
    """deterministic: most likely actions, an option ends where its termination exceeds 0.5."""
    http: int | None = None
    """Serve streamable HTTP on this port, at /mcp (0: a free one, which is told); default: standard input and
    output."""
    host: str = LOCAL
    """Where HTTP listens. Any other than this machine's own address lets everybody who reaches it run the options:
    there is no password and no encryption."""
    checkpoint: str | None = None
    """A checkpoint's step, or `best`, `interrupted`, `saved`. Default: the last."""
    options_from: str | None = None
    """module:NAME of your own definitions, where the run or the skills have such: loading imports no code that you do
    not name."""
    encoder: str | None = None
    """module:NAME of your own encoder of images, where the run has one: likewise."""


class Ending(Interrupt):
    """A signal ends the server as if its client had gone; a second one does not wait for that."""

    def __init__(self, end: Callable[[], None]) -> None:
        super().__init__()
        self.end = end

    def stop(self, number: int, frame: FrameType | None) -> None:
        """End it, or stop at once."""
        if self.received is not None:
            super().stop(number, frame)
        self.received = number
        self.end()


def serve(argv: Sequence[str]) -> int:
    """`option-critic serve RUN|SKILLS ...`: until the client is gone or a signal comes; the exit code."""
    args = parse(ServeArgs, "serve", argv)
    check_range("--http", args.http, 0, 65535)
    if args.http is None and args.host != LOCAL:
        raise InputError("--host is where HTTP listens; say --http PORT too")
    if importlib.util.find_spec("mcp") is None:
        raise InputError('serving needs the MCP SDK; pip install "option-critic[serve]"')
    end = endable_input() if args.http is None else lambda: None
    with Ending(end) as ending:
        with output_aside() if args.http is None else nullcontext():
            server, name = made(args)
        try:
            run(server, name, args)
        except KeyboardInterrupt:  # a second signal
            pass
        finally:
            server.close()
    return 0 if ending.received is None else 128 + ending.received


def made(args: ServeArgs) -> tuple[Any, str]:
    """The server, and what it serves."""
    import_module_of(args.encoder or "", "the encoder is defined")
    from option_critic.serve.server import OptionServer
    from option_critic.serve.targets import Where, served

    where = Where(args.env, args.env_kwargs, args.goals, args.mode == "deterministic")
    env, name = served(args.targets, where, args.checkpoint, args.options_from)
    return OptionServer(env, name), f"{', '.join(env.option_names)} in {name}"


def run(server: Any, what: str, args: ServeArgs) -> None:
    """Until it ends."""
    from option_critic.serve.listening import listening
    from option_critic.serve.transports import over_http, over_stdio

    if args.http is None:
        say(f"serving {what} on standard input and output", error=True)
        return over_stdio(server)
    at = listening(args.host, args.http)
    if args.host not in (LOCAL, "localhost", "::1"):
        say(f"warning: everybody who reaches {args.host} can run these options and see the environment: "
            "there is no password and no encryption", error=True)  # fmt: skip
    host = f"[{args.host}]" if ":" in args.host else args.host
    say(f"serving {what} on http://{host}:{at.getsockname()[1]}/mcp, one client at a time; Ctrl-C ends", error=True)
    return over_http(server, at, args.host)

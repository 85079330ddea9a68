"""The verb `play`: a trained agent in the browser, to be played with."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from option_critic.cli.flags import parse
from option_critic.cli.serve import LOCAL
from option_critic.cli.signals import Interrupt
from option_critic.errors import InputError
from option_critic.references import import_module_of
from option_critic.runs.files import check_writable
from option_critic.runs.paths import RunPath
from option_critic.terminal import say
from option_critic.value_types import check_range

if TYPE_CHECKING:
    from option_critic.evaluation.trace import Trace
    from option_critic.planning.option_env import OptionEnv
    from option_critic.play.session import Session

PORT = 8080
MAX_STEPS = 100_000


@dataclass
class PlayArgs:
    """Play with an agent in the browser: watch its options, run, hold, forbid and end them, push the hand, drag the
    goal. What was played is kept in the run's folder played/, and `report` shows it."""

    targets: tyro.conf.Positional[tuple[str, ...]]
    """A run folder or a saved agent; or skills, folders of skills, and module:NAME of options with given policies."""
    env: str | None = None
    """The environment: a preset, Meta-World/<task>-v3, a Gymnasium id, module:EnvId-v0 or module:function. Default:
    that in which the agent was trained; skills need it."""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """Arguments that the environment is made with."""
    goals: str = "D"
    """Meta-World: the goals that episodes begin with, as `evaluate` takes them (A, B, C, D, or seed-N)."""
    mode: Literal["deterministic", "stochastic"] = "deterministic"
    """How it begins; the page has a switch."""
    episode_steps: int = 2000
    """Steps after which an episode ends at the latest."""
    seed: int = 0
    """Of the first episode, and of what is drawn."""
    port: int = PORT
    """Where the page is (0: a free one, which is told)."""
    host: str = LOCAL
    """Where the server listens. Any other than this machine's own address lets everybody who reaches it play: there is
    no password and no encryption."""
    out: Path | None = None
    """A folder in which played/ is kept. Default: the run folder; of skills and saved agents nothing is kept."""
    checkpoint: str | None = None
    """A checkpoint's step, or `best`, `interrupted`, `saved`. Default: the last."""
    options_from: str | None = None
    """module:NAME of your own definitions, where the run or the skills have such: loading imports no code that you do
    not name."""
    encoder: str | None = None
    """module:NAME of your own encoder of images, where the run has one: likewise."""


def play(argv: Sequence[str]) -> int:
    """`option-critic play RUN`: until a signal comes; the exit code."""
    args = parse(PlayArgs, "play", argv)
    check_range("--port", args.port, 0, 65535)
    check_range("--episode-steps", args.episode_steps, 1, MAX_STEPS)
    check_range("--seed", args.seed, 0, 2**31 - 1)
    if not args.targets:
        raise InputError("play takes a run folder, a saved agent, or skills; `option-critic list` names the runs")
    if importlib.util.find_spec("viser") is None:
        raise InputError('playing needs viser; pip install "option-critic[play]"')
    if args.out is not None:
        check_writable(args.out)
    import_module_of(args.encoder or "", "the encoder is defined")
    with Interrupt() as interrupt, suppress(KeyboardInterrupt):  # how it ends
        until_ended(args)
    return 0 if interrupt.received is None else 128 + interrupt.received


def until_ended(args: PlayArgs) -> None:
    """Serve the page; a signal raises KeyboardInterrupt."""
    from option_critic.play.session import Session
    from option_critic.serve.listening import listening
    from option_critic.serve.targets import Where, served

    at = listening(args.host, args.port, "--port")
    where = Where(args.env, args.env_kwargs, args.goals, horizon=args.episode_steps)
    env, name = served(args.targets, where, args.checkpoint, args.options_from)
    session = Session(env, args.seed, args.mode == "deterministic", args.episode_steps)
    keep = keeper(args, env, name)
    try:
        with_page(args, session, name, at, keep)
    finally:
        session.close()
        if (trace := session.trace()) is not None:
            keep(trace)


def with_page(args: PlayArgs, session: Session, name: str, at: Any, keep: Any) -> None:
    """The page, until it is interrupted."""
    from option_critic.play import loop
    from option_critic.play.page import Page
    from option_critic.play.server import PageServer

    server = PageServer(at, args.host)
    try:
        page = Page(server, session, name)
        port, shown = at.getsockname()[1], f"[{args.host}]" if ":" in args.host else args.host
        if args.host not in (LOCAL, "localhost", "::1"):
            say(f"warning: everybody who reaches {args.host} can play: there is no password and no encryption",
                error=True)  # fmt: skip
        url = f"http://{shown}:{port}"
        say(f"play with {', '.join(session.names)} in {name} at {url}, one page at a time; Ctrl-C ends", error=True)
        loop.play(page, session, keep)
    finally:
        server.stop()


def keeper(args: PlayArgs, env: OptionEnv, name: str) -> Any:
    """What keeps what was played: in the folder that was named, or in that of the run; else nothing does."""
    from option_critic.play.kept import Keeper
    from option_critic.runs.inventory import is_run

    folder = RunPath.of(args.out or args.targets[0])
    if args.out is None and not is_run(folder):
        return forget
    meta = {"env_id": name, "option_names": list(env.option_names), "trained": env.runner.trained}
    return Keeper(folder, meta | {"goals": args.goals, "mode": args.mode}).keep


def forget(_: Trace) -> None:
    """Where nothing is kept."""

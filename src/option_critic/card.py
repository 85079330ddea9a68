"""Cards: what a folder holds, as a README.md that people and model hubs read (huggingface.co/docs/hub/model-cards).

What they tell may be a stranger's: in the metadata it stands as strings of JSON, which YAML reads alike, and in the
text as code, in which Markdown means nothing.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from option_critic.envs.arguments import as_written
from option_critic.errors import InputError
from option_critic.legible import legible
from option_critic.options.entries import Entry
from option_critic.presets import usual
from option_critic.settings import Settings, setting_names

FILE = "README.md"
MARK = "<!-- written by option-critic; without this line it is kept as it is -->"
MAX_CARD = 1 << 20
"""Bytes; ours has a few thousand."""
LONGEST = 1_000
"""Characters of a command."""
MOST = 200
"""Rows of a table."""
FOLLOWS = ("num_options", "option_names", "observe_interest")
"""What naming the options settles."""
MACHINE = ("env_id", "seed", "backend", "device", "torch_threads", "skills")
"""Settings that are told elsewhere, or were chosen for one machine."""


@dataclass(frozen=True)
class Figure:
    """What was measured once, with its 95 % interval."""

    metric: Literal["success_rate", "mean_reward"]
    value: float
    low: float
    high: float
    episodes: int
    where: str
    """on what: goals D, deterministic"""

    @property
    def written(self) -> str:
        """For people."""
        form = ".2f" if self.metric == "success_rate" else ",.1f"
        return f"{self.value:{form}} ({self.low:{form}} to {self.high:{form}})"


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a card tells."""

    kind: Literal["agent", "skill"]
    name: str
    task: str
    facts: Sequence[tuple[str, str]]
    """(what, said of it)"""
    figures: Sequence[Figure] = ()
    command: str = ""
    """that trains such a one; empty: there is none"""
    versions: dict[str, str] = field(default_factory=dict)
    picture: str = ""
    """a file below the card; empty: there is none"""
    licence: str = "unknown"
    """by the names that the hub knows; the weights are their owner's, so nothing is supposed"""
    options_from: str = ""
    """what must be named to load it; empty: nothing"""

    @property
    def text(self) -> str:
        """The file."""
        metadata = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in self.metadata.items()]
        return "\n".join(["---", *metadata, "---", MARK, "", *self.lines]) + "\n"

    @property
    def metadata(self) -> dict[str, Any]:
        """What a hub reads."""
        task, kind = legible(self.task), "reinforcement-learning"
        found: dict[str, Any] = {
            "library_name": "option-critic",
            "pipeline_tag": kind,
            "license": self.licence,
            "tags": [kind, "hierarchical-reinforcement-learning", "options", "option-critic", self.kind, task],
        }
        if self.figures:
            results = [
                {
                    "task": {"type": kind, "name": kind},
                    "dataset": {"type": task, "name": f"{task}, {legible(x.where)}"},
                    "metrics": [{"type": x.metric, "value": round(x.value, 4), "name": said(x)}],
                }
                for x in self.figures
            ]
            found["model-index"] = [{"name": legible(self.name), "results": results}]
        return found

    @property
    def lines(self) -> list[str]:
        """What people read."""
        what = "An agent with options" if self.kind == "agent" else "A skill: one option of an agent"
        found = [f"# {code(self.name)}", "", f"{what}, trained with option-critic.", ""]
        found += table([(what, code(text)) for what, text in self.facts])
        if self.figures:
            rows = [(code(x.where), NAMES[x.metric], x.written, f"{x.episodes:,}") for x in self.figures]
            head = ("on", "measured", "value (95 % interval)", "episodes")
            found += ["", "## Measured", "", *table(rows, head)]
        if self.picture:
            found += ["", f"![The options of one episode, step by step]({self.picture})"]
        found += ["", "## Use", "", "```python", *self.loading, "```"]
        if self.command:
            found += ["", "## Made by", "", "```", legible(self.command, LONGEST), "```"]
        if self.versions:
            found += ["", "## Versions", "", *table([(code(n), code(text)) for n, text in self.versions.items()])]
        return found

    @property
    def loading(self) -> list[str]:
        """Lines of Python."""
        more = f", options_from={json.dumps(legible(self.options_from))}" if self.options_from else ""
        if self.kind == "skill":
            loads = [f'skill = oc.Skill.load("FOLDER"{more})  # this folder', "action = skill.act(obs)"]
        else:
            loads = [
                f'agent = oc.load("FOLDER"{more})  # this folder',
                "action, state = agent.predict(obs, state=None, deterministic=True)",
            ]
        return ["import option_critic as oc", "", *loads]


NAMES = {"success_rate": "success", "mean_reward": "return"}


def said(figure: Figure) -> str:
    """A figure with its interval, for the metadata."""
    return f"{NAMES[figure.metric]} {figure.written}, 95 % interval, {figure.episodes} episodes"


def code(text: str) -> str:
    """Any text as code of Markdown, on one line, also within a table."""
    shown = legible(text, LONGEST).replace("|", r"\|")
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    return f"{fence} {shown} {fence}" if "`" in shown else f"{fence}{shown or ' '}{fence}"


def table(rows: Sequence[Sequence[str]], head: Sequence[str] = ("", "")) -> list[str]:
    """Cells of Markdown as a table."""
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows[:MOST])]


def facts_of(settings: Settings, steps: int) -> list[tuple[str, str]]:
    """What the settings of an agent tell, and how long it learned."""
    options = settings.options
    each = [f"{name} ({origin})" for name, origin in zip(options.names, options.origins, strict=True)]
    return [
        ("task", settings.env_id),
        ("options", ", ".join(each)),
        ("learned", f"{steps:,} steps, {settings.algorithm}, seed {settings.seed}"),
    ]


def of_agent(name: str, settings: Settings, steps: int, versions: dict[str, str], **more: Any) -> Card:
    """Of an agent with these settings, which learned for so many steps. `more`: what else the card has."""
    return Card(
        kind="agent",
        name=name,
        task=settings.env_id,
        facts=facts_of(settings, steps),
        command=command_of(settings),
        versions=versions,
        options_from=named_by(settings),
        **more,
    )


def named_by(settings: Settings) -> str:
    """What must be named to load an agent: the modules of its own that define its options."""
    references = [settings.options.options_from, *(Entry.read(text).reference for text in settings.options.options)]
    return ",".join(dict.fromkeys(text for text in references if ":" in text))


def command_of(settings: Settings) -> str:
    """The command that trains with these settings: what differs from the usual ones of that environment. Empty where
    no command leads to the environment. No module is imported."""
    if not re.fullmatch(r"[\w./-]+(:[\w./-]+)?", settings.env_id):
        return ""
    try:
        algorithm, base = settings.algorithm, usual(settings.env_id)
    except InputError:
        return ""
    words = ["option-critic", "train", settings.env_id, "--seeds", str(settings.seed)]
    if base.algorithm != algorithm:
        base, words = dataclasses.replace(base, algorithm=algorithm), [*words, "--algorithm", algorithm]
    own = {name: at(settings, name, part) for name, part in setting_names(algorithm).items()}
    before = {name: at(base, name, part) for name, part in setting_names(algorithm).items()}
    named = any(own[name] != before[name] and own[name] for name in ("options_from", "options"))
    for name in own:
        if own[name] != before[name] and name not in MACHINE and not (named and name in FOLLOWS):
            words += flag(name, own[name])
    return shlex.join(words)


def at(settings: Settings, name: str, part: str) -> Any:
    """A setting by its name and the part that holds it."""
    return getattr(getattr(settings, part) if part else settings, name)


def flag(name: str, value: Any) -> list[str]:
    """A setting as on the command line."""
    word = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{word}" if value else f"--no-{word}"]
    if isinstance(value, tuple) and name != "options":
        return [f"--{word}", *map(str, value)]
    if isinstance(value, tuple):
        return [f"--{word}", ",".join(map(str, value))]
    return [f"--{word}", as_written(value) if isinstance(value, dict) else str(value)]

"""The verb `card`: a README.md for what a folder holds, with what was measured of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from option_critic import card as cards
from option_critic.card import Card, Figure
from option_critic.cli.flags import CardArgs, parse
from option_critic.errors import InputError
from option_critic.legible import legible
from option_critic.report.run_data import RunData, by_interest
from option_critic.runs.files import WriteError, writing
from option_critic.runs.locks import figures as locked
from option_critic.runs.paths import CheckpointError, RunPath
from option_critic.settings import Settings
from option_critic.skills.card import card_of
from option_critic.skills.folder import is_skill, read_whole
from option_critic.terminal import say
from option_critic.value_types import shown

METRICS: tuple[tuple[str, Literal["success_rate", "mean_reward"]], ...] = (
    ("any", "success_rate"),
    ("return", "mean_reward"),
)
"""Figure of an evaluation -> what a card calls it; the first that there is."""


def card(argv: Sequence[str]) -> int:
    """`option-critic card RUN|SKILL`."""
    a = parse(CardArgs, "card", argv)
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,40}", a.license):
        raise InputError(f"--license takes a name as hubs know it (mit, apache-2.0, cc-by-4.0), got {shown(a.license)}")
    folder = RunPath.of(a.what)
    check_own(folder, a.overwrite)
    if is_skill(folder):
        made, problems = card_of(read_whole(folder), a.license), list[str]()
    else:
        made, problems = card_of_run(folder, a.license)
    with locked(folder), writing(folder / cards.FILE):
        (folder / cards.FILE).write(made.text.encode())
    for problem in problems:
        say(f"{folder}: {problem}", error=True)
    measured = f"{len(made.figures)} evaluations" if made.figures else "nothing that was measured"
    say(f"{folder / cards.FILE}: {made.kind} {made.name}, {measured}, license {made.licence}")
    return 0


def check_own(folder: RunPath, overwrite: bool) -> None:
    """Raise InputError where a README.md is there that somebody else wrote, or changed."""
    file = folder / cards.FILE
    if overwrite or file.kind() == "none":
        return
    if file.kind() != "file" or cards.MARK not in file.read(cards.MAX_CARD).decode(errors="replace"):
        raise InputError(f"{file} was not written by option-critic, or is to be kept; --overwrite replaces it")


def card_of_run(folder: RunPath, licence: str) -> tuple[Card, list[str]]:
    """The card of a run or a saved agent, and what could not be read or drawn. Raises CheckpointError where it is
    neither. The folder may be a stranger's."""
    from option_critic.report.gather import gather  # late: it draws on all that judges

    found = gather([folder.path])
    if len(found) != 1 or found[0].folder.path != folder.path:
        raise CheckpointError(f"{folder} is no run and no saved agent; name one of those in it")
    run, problems = found[0], list(found[0].problems)
    settings = settings_of(run.settings)
    steps = max((e.result.training_steps for e in run.evaluated), default=0) or last_step(folder)
    picture, wrong = timeline(folder, run)
    if steps and (loaded := last_step(folder)) not in (0, steps):
        wrong.append(
            f"its figures are of {steps:,} steps, what is loaded learned for {loaded:,}: evaluate it once more"
        )
    more: dict[str, Any] = {"figures": measured(run), "picture": picture, "licence": licence}
    if settings is not None:
        return cards.of_agent(run.place.name, settings, steps, run.versions, **more), [*problems, *wrong]
    facts = [("task", run.env_id), ("options", ", ".join(run.options))]
    made = Card(kind="agent", name=run.place.name, task=run.env_id, facts=facts, versions=run.versions, **more)
    return made, [*problems, *wrong]


def settings_of(written: dict[str, object]) -> Settings | None:
    """The settings of a run, where this version knows them all; no module is imported."""
    try:
        return Settings.from_dict(written)
    except InputError:
        return None


def last_step(folder: RunPath) -> int:
    """How long the last checkpoint of a run had learned; 0 where there is none."""
    from option_critic.runs.inventory import find
    from option_critic.runs.state_file import read_counters

    try:
        return int(read_counters(find(folder) / "state.json")["env_steps"])
    except CheckpointError:
        return 0


def measured(run: RunData) -> list[Figure]:
    """Success, or return where the task tells of no success, in each evaluation of the last step that was judged."""
    found = list[Figure]()
    for evaluated in by_interest(run.evaluated):
        result = evaluated.result
        name, metric = next((pair for pair in METRICS if result.summary.get(pair[0]) is not None), METRICS[-1])
        x = result.summary.get(name)
        if x is not None:
            where = [*([] if result.goals == "episodes" else [f"goals {result.goals}"]), result.mode]
            where += [f"mean and interval over {len(result.tasks)} tasks"] if result.tasks else []
            found.append(Figure(metric, x.value, x.low, x.high, len(result.episodes), ", ".join(where)))
    return found


def timeline(folder: RunPath, run: RunData) -> tuple[str, list[str]]:
    """(the picture of a median episode, kept below the folder; why there is none)."""
    from option_critic.report.pictures import picture, rendered
    from option_critic.report.video import choose

    judged = next((e for e in by_interest(run.evaluated) if e.trace is not None), None)
    if judged is None or judged.trace is None:
        return "", ["it has no picture: there is no evaluation with a trace (option-critic evaluate RUN)"]
    why, episode = next(iter(choose(judged.trace).items()))
    title = f"{legible(run.env_id)}, {legible(judged.result.goals)} episode {episode} ({why})"
    name = f"{judged.key}-{episode}.png"
    try:
        content = rendered(picture(judged.trace, episode, run.option_names, title))["png"]
        with locked(folder), writing(folder / "pictures"):
            (folder / "pictures" / name).write(content)
    except (WriteError, InputError) as error:
        return "", [str(error)]
    return f"pictures/{name}", []

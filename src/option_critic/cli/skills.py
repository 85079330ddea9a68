"""The verb `skills`: options that leave their run. Without PyTorch but for `export`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.table import Table

from option_critic.action_space import kind_of
from option_critic.cli.flags import ExportSkillsArgs, ListSkillsArgs, ShowSkillArgs, parse
from option_critic.errors import InputError
from option_critic.runs.figures import Interval
from option_critic.runs.files import check_json, check_writable, emit
from option_critic.runs.paths import RunPath
from option_critic.skills.folder import read_whole, skills_in
from option_critic.skills.record import Measured, Sees, SkillRecord, as_json
from option_critic.spaces import Spaces
from option_critic.terminal import Terminal, say
from option_critic.value_types import nearest

USAGE = """usage: option-critic skills VERB ...

  export RUN        write options of a run as skills, a folder each
  list [FOLDER]     what skills there are: what for, what they see, how good
  show SKILL        all that one says of itself

`option-critic skills VERB --help` explains every setting.
"""


def skills(argv: Sequence[str]) -> int:
    """`option-critic skills VERB`."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        say(*USAGE.splitlines())
        return 0 if argv else 2
    if argv[0] not in VERBS:
        raise InputError(
            f"there is no verb skills {argv[0]!r:.80}: choose {', '.join(VERBS)}.{nearest(argv[0], VERBS)}"
        )
    VERBS[argv[0]](argv[1:])
    return 0


def export(argv: Sequence[str]) -> None:
    """`option-critic skills export RUN`."""
    a = parse(ExportSkillsArgs, "skills export", argv)
    check_json(a.json)
    from option_critic.runs.inventory import find

    checkpoint = find(RunPath.of(a.run), a.checkpoint)
    check_writable(a.out)
    from option_critic.cli.export_skills import export_skills  # late, with PyTorch: bad input is answered at once

    written = export_skills(RunPath.of(a.run), checkpoint, names_in(a.options), a.out, a.overwrite, a.options_from)
    if a.json != Path("-"):
        print_table({folder.name: record for folder, record in written.items()})
        if any(record.measured == Measured() for record in written.values()):
            say("not measured; `option-critic diagnose RUN` does that, then export again")
        say(f"kept in {a.out}")
    emit(a.json, {str(folder): as_json(record) for folder, record in written.items()})


def names_in(text: str) -> list[str]:
    """reach,grasp -> names."""
    return [name.strip() for name in text.split(",") if name.strip()]


def list_(argv: Sequence[str]) -> None:
    """`option-critic skills list FOLDER`."""
    a = parse(ListSkillsArgs, "skills list", argv)
    check_json(a.json)
    if not RunPath.of(a.folder).is_folder():
        raise InputError(f"there is no folder {a.folder}; `option-critic skills export RUN --out {a.folder}` makes one")
    found = skills_in(a.folder)
    if a.json != Path("-"):
        if not found:
            say(f"no skills in {a.folder}; `option-critic skills export RUN --out {a.folder}` writes some")
        if sound := {name: record for name, record in found.items() if isinstance(record, SkillRecord)}:
            print_table(sound)
        for said in found.values():
            if isinstance(said, str):
                say(f"not usable: {said}")
    emit(a.json, {n: r if isinstance(r, str) else as_json(r) for n, r in found.items()})


def print_table(found: dict[str, SkillRecord]) -> None:
    """A row for each skill."""
    table = Table()
    for name in ("skill", "for", "does", "sees", "from", "steps", "success"):
        table.add_column(name, justify="right" if name in ("steps", "success") else "left", overflow="fold")
    for name, record in found.items():
        source, success = record.provenance, record.measured.success
        table.add_row(
            name,
            record.phase or "-",
            record.policy,
            "all" if record.sees.observation else ", ".join(f.name for f in record.sees.features),
            source.task,
            f"{source.training_steps:,}",
            "-" if success is None else f"{success.value:.2f}",
        )
    Terminal().print(table)


def show(argv: Sequence[str]) -> None:
    """`option-critic skills show SKILL`."""
    a = parse(ShowSkillArgs, "skills show", argv)
    record: SkillRecord | None = read_whole(RunPath.of(a.skill))
    depth = 0
    while record is not None:
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column()
        table.add_column(overflow="fold")
        for label, text in lines(record):
            table.add_row("  " * depth + label, text)
        Terminal().print(table)
        record, depth = record.base, depth + 1
        if record is not None:
            say("", "  " * (depth - 1) + "its base:")


def lines(record: SkillRecord) -> list[tuple[str, str]]:
    """All that a skill says: (what, in words)."""
    source, n, spaces = record.provenance, record.networks, Spaces.from_dict(record.spaces)
    defined = record.definition
    where = f"option {defined.option} of {defined.reference}" if defined else "nothing is said of it"
    base = f"the skill {record.base.name} below" if record.base else f"what {where} says"
    does = {"learned": "learned from nothing", "corrected": f"a learned correction of {base}", "given": base}
    ends = {"learned": "learned", "given": f"as {where} says", "base": f"as {base}"}
    held = "" if record.action_repeat == 1 else f", each held for {record.action_repeat} steps"
    most = f"{record.max_length or 0:,}"
    found = [
        ("skill", record.name),
        ("for", record.phase or "-"),
        ("from", f"{source.task}, {source.training_steps:,} steps, seed {source.seed}"),
        ("made with", ", ".join(f"{name} {version}" for name, version in source.versions.items()) or "-"),
        ("definition", where),
        ("does", does[record.policy]),
        ("ends", ends[record.ends]),
        ("length", f"{record.min_length:,} to {most} decisions" if record.max_length else
                   f"at least {record.min_length:,} decisions" if record.min_length else "no limit"),
        ("sees", seen(record.sees)),
        ("observations", f"{spaces.obs_size:,} numbers" + (f" ({', '.join(spaces.obs_keys)})" if spaces.obs_keys
                                                           else "")),
        ("actions", kind_of(spaces) + held),
    ]  # fmt: skip
    if record.learns:
        found.append(("networks", networks_of(record)))
    if record.ends == "learned" and (n.beta_floor, n.beta_ceil) != (0, 1):
        found.append(("termination", f"between {n.beta_floor:g} and {n.beta_ceil:g}"))
    return found + measured_lines(record.measured)


def networks_of(record: SkillRecord) -> str:
    """Their sizes."""
    n = record.networks
    parts = [f"policy {n.policy_layers}"] if record.policy != "given" else []
    parts += [f"termination {n.termination_layers}"] if record.ends == "learned" else []
    return f"layers of {n.hidden_dim:,} ({n.activation}): {', '.join(parts)}"


def seen(sees: Sees) -> str:
    """What it looks at."""
    if sees.observation:
        parts = ["the whole observation"]
        if sees.differences:
            pairs = zip(sees.differences[::2], sees.differences[1::2], strict=True)
            parts.append("differences " + ", ".join(f"{a} - {b}" for a, b in pairs))
        if sees.interests:
            parts.append(f"the interests of {sees.interests.reference} ({', '.join(sees.interests.options)})")
    else:
        parts = [f"{f.name} ({listed(f.plus)}{' less ' + listed(f.minus) if f.minus else ''})" for f in sees.features]
    if sees.quaternions:
        positive = "first + last" if sees.quaternion_sign == "either" else sees.quaternion_sign
        parts.append(f"quaternions from {listed(sees.quaternions)} on with {positive} >= 0")
    if sees.normalize:
        parts.append(f"normalised, within {sees.clip:g}")
    return "; ".join(parts)


def listed(numbers: Sequence[int]) -> str:
    """Components."""
    return " ".join(map(str, numbers))


def measured_lines(m: Measured) -> list[tuple[str, str]]:
    """What was found of it."""
    found = [("success", f"{interval(m.success)} ({m.success_from})")] if m.success else []
    if m.share is not None:
        runs = [f"{m.mean_duration:.0f} steps a run"] if m.mean_duration is not None else []
        runs += [f"{m.cut_duration:.0f} where an episode cut it"] if m.cut_duration is not None else []
        found.append(("runs", f"{', '.join([f'{m.share:.0%} of the steps', *runs])} ({m.options_from})"))
    return found or [("measured", "nothing")]


def interval(x: Interval) -> str:
    """A share with its interval."""
    return f"{x.value:.2f} [{x.low:.2f}, {x.high:.2f}]"


VERBS: dict[str, Callable[[Sequence[str]], None]] = {"export": export, "list": list_, "show": show}

"""The verb `export`: an agent or a skill as a file that runs without this package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from option_critic.cli.flags import ExportArgs, parse
from option_critic.envs.lookup import named
from option_critic.errors import InputError
from option_critic.references import import_module_of
from option_critic.runs.files import check_writable, writing
from option_critic.runs.paths import RunPath
from option_critic.skills.folder import file_name, is_skill
from option_critic.terminal import say
from option_critic.value_types import check_range

if TYPE_CHECKING:
    from option_critic.agent import OptionCritic
    from option_critic.export.export import Exported
    from option_critic.skills.skill import Skill

SUFFIX = {"onnx": ".onnx", "torch": ".pt2"}
MAX_STEPS = 1_000_000


def export(argv: Sequence[str]) -> int:
    """`option-critic export RUN|SKILL`."""
    a = parse(ExportArgs, "export", argv)
    check_range("--steps", a.steps, 0, MAX_STEPS)
    folder = RunPath.of(a.what)
    skill = is_skill(folder)
    if skill and (a.mode != "deterministic" or a.checkpoint is not None):
        raise InputError("a skill has no checkpoints and draws nothing: leave out --mode and --checkpoint")
    out = place(a.out, folder.name if skill else "agent", SUFFIX[a.format], a.overwrite)
    if not skill:
        from option_critic.runs.inventory import find

        folder = find(folder, a.checkpoint)
    if a.env is not None:
        named(a.env)
    import_module_of(a.encoder or "", "the encoder is defined")
    from option_critic.export.program import check_libraries  # late, with PyTorch: bad input is answered at once

    check_libraries(a.format)
    from option_critic.export.export import export as make

    made = make(loaded(folder, skill, a), a.format, a.mode, a.steps)
    file = RunPath.of_file(out)
    with writing(file):
        file.write(made.content)
    tell(file, made)
    return 0


def loaded(folder: RunPath, skill: bool, a: ExportArgs) -> OptionCritic | Skill:
    """What is exported. Raises InputError."""
    if skill:
        from option_critic.skills.skill import Skill

        return Skill.load(folder, a.options_from)
    from option_critic.loading import load

    return load(folder, options_from=a.options_from, env=a.env)


def place(out: Path | None, name: str, suffix: str, overwrite: bool) -> Path:
    """Where the file goes. Raises InputError where it cannot, or where there is one."""
    found = Path(f"{file_name(name)}{suffix}") if out is None else out
    if found.suffix != suffix:
        raise InputError(f"--out must end in {suffix}, which those who read it look for, got {found}")
    if found.is_dir():
        raise InputError(f"--out takes a file, but {found} is a folder")
    if found.exists() and not overwrite:
        raise InputError(f"{found} is there already; --overwrite replaces it, --out names another file")
    check_writable(found.parent)
    return found


def tell(file: RunPath, made: Exported) -> None:
    """What was written, how far it agrees, how fast it is."""
    parity, (theirs, ours) = made.parity, made.seconds
    kind = f"ONNX, opset {made.about['opset']}" if "opset" in made.about else "a program of torch.export"
    say(f"{file} ({len(made.content) / 1e3:,.0f} kB, {kind})")
    say(f"  inputs   {', '.join(made.about['inputs'])}")
    say(f"  outputs  {', '.join(made.about['outputs'])}")
    if not made.batched:
        say("  takes one row at a time, no batch: something in it counts or goes through the rows")
    if (held := made.about["action_repeat"]) > 1:
        say(f"  ask it once in {held} steps of the environment, which hold its action")
    others = f"another option or choice in {parity.others:,}" if parity.others else "the same options and choices"
    say(f"  compared at {parity.steps:,} {made.where}: largest difference {parity.largest:.1e}, {others}")
    say(f"  one decision on one core: {theirs * 1e6:,.0f} microseconds, here {ours * 1e6:,.0f}")

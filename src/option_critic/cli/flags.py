"""The flags of each verb, as tyro shows them under --help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from option_critic.envs.arguments import as_written, read_arguments
from option_critic.evaluation.limits import MAX_EPISODE_STEPS
from option_critic.recipes import generic
from option_critic.settings import Settings
from option_critic.value_types import is_whole, whole

VALUES = tyro.constructors.ConstructorRegistry()
"""How flags are read that take whole numbers (1e6 is one), or arguments of an environment."""


@VALUES.primitive_rule
def whole_number(flag: tyro.constructors.PrimitiveTypeInfo) -> tyro.constructors.PrimitiveConstructorSpec[int] | None:
    """In place of tyro's own rule for int; None: not for other types."""
    if flag.type is not int:
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="INT",
        instance_from_str=lambda words: whole(words[0]),
        is_instance=is_whole,
        str_from_instance=lambda value: [str(value)],
    )


@VALUES.primitive_rule
def arguments(
    flag: tyro.constructors.PrimitiveTypeInfo,
) -> tyro.constructors.PrimitiveConstructorSpec[dict[str, Any]] | None:
    """The same for `env_kwargs`, the only dict among the settings."""
    if flag.type != dict[str, Any]:
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="NAME=VALUE,...",
        instance_from_str=lambda words: read_arguments(words[0]),
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda value: [as_written(value)],
    )


def parse(arguments: Any, verb: str, argv: Sequence[str], default: Any = None) -> Any:
    """Parse one verb's flags with tyro; it prints help, or errors with the nearest flag (exit 2)."""
    return tyro.cli(
        arguments,
        prog=f"option-critic {verb}",
        args=list(argv),
        default=default,
        config=(tyro.conf.OmitArgPrefixes,),
        registry=VALUES,
    )


@dataclass
class TrainArgs:
    """Train an option-critic agent."""

    target: tyro.conf.Positional[str]
    """A preset (see `option-critic list`), Meta-World/<task>-v3, several tasks at once (Meta-World/MT10,
    Meta-World/reach-v3+push-v3), any Gymnasium id (module:EnvId-v0 where a module of
    your own registers it), or module:function, which makes one environment."""
    seeds: str = "0"
    """Training seeds, one run after the other: 0,1,2 or 0..4."""
    out: Path | None = None
    """Folder of the runs; each writes OUT/seed-<n>. Default: runs/<preset>."""
    overwrite: bool = False
    """Replace runs that are there already."""
    resume: Literal["never", "auto"] = "never"
    """auto: go on with runs that are there and unfinished, skip finished ones, start the others. For
    schedulers, which start the same command again."""
    track: Literal["trackio", "wandb", "mlflow"] | None = None
    """Tell a tracker of experiments, too: metrics by their names, and the page at the end. Each writes on this machine
    unless you have told it otherwise (docs/trackers.md)."""
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=lambda: generic("CartPole-v1"))


@dataclass
class ResumeArgs:
    """Go on with trainings that were stopped, killed or crashed, from their last boundary: the result is
    bit for bit that of a training that never stopped."""

    runs: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(help_behavior_hint="")]
    """Run folders, or folders of such (runs/pick-place with its seed-0, seed-1, ...)."""
    options_from: str | None = None
    """module:NAME of your own definitions, where the run has such (of several modules: with commas between them):
    loading imports no code that you do not name."""
    encoder: str | None = None
    """module:NAME of your own encoder of images, where the run has one: likewise."""
    env: str | None = None
    """module:EnvId-v0 or module:function, where a module of your own registers or makes the run's environment: no code
    is imported that you do not name."""
    track: Literal["trackio", "wandb", "mlflow"] | None = None
    """Tell a tracker of experiments of what is to come, as `train` does."""


@dataclass
class EvaluateArgs:
    """Evaluate a run or a saved agent: Meta-World tasks on the official package (500 steps, the
    goals of a set), other environments by their return."""

    run: tyro.conf.Positional[Path]
    """A run folder, or a folder written by `save`."""
    goals: str = ""
    """Meta-World goal sets, e.g. A,B,C. A: the official 50; B: 200 held out; C: those of B above 9 cm;
    D: 100 for development. Tune on D only, or figures on A to C mean nothing. Default: D; of several tasks at once
    seed-10001, the 50 of MT1 seed 10001 for each."""
    goals_seed: int | None = None
    """The 50 goals that Meta-World's MT1 draws from this seed, instead of a set."""
    episodes: int = 100
    """Episodes, for environments other than Meta-World."""
    max_episode_steps: int = MAX_EPISODE_STEPS
    """Steps at which an episode is cut that would not end, of environments other than Meta-World. The table says how
    many were."""
    mode: Literal["deterministic", "stochastic", "both"] = "deterministic"
    """deterministic: most likely action and option, an option ends where its termination exceeds 0.5."""
    checkpoint: str | None = None
    """A checkpoint's step, or `best`, `interrupted`, `saved`. Default: the last."""
    workers: int = 0
    """Simulator processes that run at a time; 0: one per core that it may use. Results do not depend on it."""
    options_from: str | None = None
    """module:NAME of your own definitions, where the run has such (of several modules: with commas between them):
    loading imports no code that you do not name."""
    encoder: str | None = None
    """module:NAME of your own encoder of images, where the run has one: likewise."""
    env: str | None = None
    """module:EnvId-v0 or module:function, where a module of your own registers or makes the run's environment: no code
    is imported that you do not name."""
    json: Path | None = None
    """Write the figures here as JSON; - for standard output."""


@dataclass
class DiagnoseArgs:
    """What the options of a run do: who runs when and for how long, whether ends are learned, whether names agree
    with the phases of the task, and what becomes of success when something is taken away."""

    run: tyro.conf.Positional[Path]
    """A run folder, or a folder written by `save`."""
    goals: str = "D"
    """A Meta-World goal set (see `evaluate`)."""
    episodes: int = 50
    """Episodes, once for the agent as it is and once for each thing that is taken away."""
    max_episode_steps: int = MAX_EPISODE_STEPS
    """Steps at which an episode is cut that would not end, of environments other than Meta-World. The table says how
    many were."""
    ablations: bool = True
    """Take away each option in turn, all but one, the learned choice, the learned ends."""
    checkpoint: str | None = None
    """A checkpoint's step, or `best`, `interrupted`, `saved`. Default: the last."""
    workers: int = 0
    """Simulator processes that run at a time; 0: one per core that it may use. Results do not depend on it."""
    options_from: str | None = None
    """module:NAME of your own definitions, where the run has such (of several modules: with commas between them):
    loading imports no code that you do not name."""
    encoder: str | None = None
    """module:NAME of your own encoder of images, where the run has one: likewise."""
    env: str | None = None
    """module:EnvId-v0 or module:function, where a module of your own registers or makes the run's environment: no code
    is imported that you do not name."""
    json: Path | None = None
    """Write the figures here as JSON; - for standard output."""


@dataclass
class ReportArgs:
    """Write one page (HTML, opens from disk, needs no network) about one or more runs: figures with intervals,
    curves, and a timeline of every evaluated episode: which option ran, when did it end, why. Timelines of the
    median, the slowest and a failed episode are also kept as PNG and SVG in the run's folder `pictures`."""

    runs: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(help_behavior_hint="")]
    """Run folders, or folders of such (runs/pick-place with its seed-0, seed-1, ...): the seeds of one recipe.
    Several are compared side by side; of a sweep all."""
    out: Path | None = None
    """The page. Default: report.html in the first folder that is named."""
    videos: bool = False
    """Film those three episodes of each run, too, on the official simulator, and keep them in the run's folder
    `videos` (about half a minute each). Videos that are there already are shown either way."""
    encoder: str | None = None
    """module:NAME of your own encoder of images, where the run has one: likewise."""
    env: str | None = None
    """module:EnvId-v0 or module:function, where a module of your own registers or makes the run's environment: no code
    is imported that you do not name."""


@dataclass
class ExportSkillsArgs:
    """Write options of a run as skills, a folder each, called by the option's name: what it does, when it ends, where
    it may start. A skill needs its run no more."""

    run: tyro.conf.Positional[Path]
    """A run folder, or a folder written by `save`."""
    out: Path = Path("skills")
    """Where the folders are written."""
    options: str = ""
    """Which options, by name: reach,grasp. Default: all."""
    checkpoint: str | None = None
    """A checkpoint's step, or `best`, `interrupted`, `saved`. Default: the last."""
    overwrite: bool = False
    """Replace skills that are there already."""
    options_from: str | None = None
    """module:NAME of your own definitions, where the run has such (of several modules: with commas between them):
    loading imports no code that you do not name."""
    json: Path | None = None
    """Write what was exported here as JSON; - for standard output."""


@dataclass
class ExportArgs:
    """Write a trained agent, or a skill, as one file that runs without this package and without Python: what is
    observed, the option that runs and its age go in, the action, the option and its age come out; the normaliser is
    inside."""

    what: tyro.conf.Positional[Path]
    """A run folder, a folder written by `save`, or a skill."""
    format: Literal["onnx", "torch"] = "onnx"
    """onnx: for onnxruntime and others. torch: a program of torch.export (.pt2), for PyTorch alone."""
    out: Path | None = None
    """The file. Default: agent.onnx (or agent.pt2) here; of a skill by its name."""
    mode: Literal["deterministic", "stochastic"] = "deterministic"
    """deterministic: most likely action and option, an option ends where its termination exceeds 0.5. stochastic: the
    chance of each decision is a further input."""
    steps: int = 0
    """Compare the file with the agent over so many decisions in its environment. 0: at observations that are drawn, for
    which no environment is needed."""
    checkpoint: str | None = None
    """A checkpoint's step, or `best`, `interrupted`, `saved`. Default: the last."""
    overwrite: bool = False
    """Replace a file that is there already."""
    options_from: str | None = None
    """module:NAME of your own definitions, where the run has such (of several modules: with commas between them):
    loading imports no code that you do not name."""
    encoder: str | None = None
    """module:NAME of your own encoder of images, where the run has one: likewise."""
    env: str | None = None
    """module:EnvId-v0 or module:function, where a module of your own registers or makes the run's environment: no code
    is imported that you do not name."""


@dataclass
class CardArgs:
    """Write README.md into the folder of a run, a saved agent or a skill: what it is, what was measured of it, a
    timeline of its options, the command that trains it, how to load it, and the metadata that model hubs read.
    Nothing goes to the network."""

    what: tyro.conf.Positional[Path]
    """A run folder, a folder written by `save`, or a skill. Evaluate it first: figures are those of evaluation.json."""
    license: str = "unknown"
    """Of the weights, by the name that hubs know: mit, apache-2.0, cc-by-4.0."""
    overwrite: bool = False
    """Replace a README.md that is not ours."""


@dataclass
class ListSkillsArgs:
    """List the skills in a folder: what each is for, what it sees, where it comes from, how good it was there."""

    folder: tyro.conf.Positional[Path] = Path("skills")
    """Where skills are kept."""
    json: Path | None = None
    """Write all that they say here as JSON; - for standard output."""


@dataclass
class ShowSkillArgs:
    """Show all that a skill says of itself. It needs nothing but its folder."""

    skill: tyro.conf.Positional[Path]
    """The folder of a skill."""


@dataclass
class ListArgs:
    """List presets, algorithms, Meta-World tasks, and the runs under a folder."""

    runs: Path = Path("runs")
    """Where runs are kept."""
    json: Path | None = None
    """Write the lists here as JSON; - for standard output."""


@dataclass
class BenchArgs:
    """Measure steps per second: environments alone, with inference, with training."""

    target: tyro.conf.Positional[str] = "pick-place"
    """A preset, an environment id or module:function."""
    num_options: str = "1,3,8"
    """Numbers of options to measure."""
    options_from: str | None = None
    """Options that are defined, as train takes them; "" measures the preset without its own."""
    seconds: float = 20.0
    """Length of each measured block."""
    rounds: int = 2
    """Blocks of each kind; environments alone, inference and training take turns."""
    json: Path | None = None
    """Write the figures here as JSON; - for standard output."""

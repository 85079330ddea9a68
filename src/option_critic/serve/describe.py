"""Options in words."""

from __future__ import annotations

from option_critic.options.option import Option
from option_critic.planning.running import Runner
from option_critic.skills.skill import Skill


def origin(runner: Runner, k: int) -> str:
    """Where option k comes from."""
    option = runner.options[k]
    if isinstance(option.policy, Skill):
        came = option.policy.provenance
        skill = f"a skill that was learned on {came.task} in {came.training_steps:,} steps"
        return f"{skill}, corrected by the agent" if option.correction else skill
    if option.policy is not None:
        return "a given function" + (", corrected by the agent" if option.correction else "")
    return f"learned on {runner.trained}"


def measured(option: Option) -> str:
    """What was found of a skill where it was learned."""
    if not isinstance(option.policy, Skill):
        return ""
    found = option.policy.measured
    said = []
    if found.success is not None:
        x = found.success
        said.append(f"its agent solved the task in {x.value:.2f} [{x.low:.2f}, {x.high:.2f}] of {x.n} episodes")
    if found.mean_duration is not None:
        said.append(f"it took {found.mean_duration:.0f} steps a run")
    if found.share is not None:
        said.append(f"it had {found.share:.2f} of all steps")
    return "; ".join(said)


def ends(runner: Runner, k: int) -> str:
    """When option k ends, whichever comes first."""
    option, ways = runner.options[k], list[str]()
    if isinstance(option.policy, Skill) and option.ends == "given":
        ways.append("when it would have ended where it was learned")
    elif option.end is not None:
        ways.append("when its own condition holds")
    if runner.trained and option.ends == "learned":
        ways.append("when its learned termination says so")
    if option.interest is not None:
        ways.append("where its interest is 0")
    if (most := runner.most[k]) is not None:
        ways.append(f"after {most * runner.holds[k]:,} steps")
    return ", ".join([*ways, "with the episode"])

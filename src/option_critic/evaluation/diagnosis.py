"""A diagnosis in full: the agent as it is, with parts taken away, and the scripted expert beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from option_critic.envs.contract import Array
from option_critic.envs.metaworld import tasks_of
from option_critic.evaluation import metaworld_protocol
from option_critic.evaluation.ablations import NOTHING, Ablation, ablations
from option_critic.evaluation.episodes import OnStep
from option_critic.evaluation.evaluate import Judged, cuts, goals_of, plain_summary, run_plain, run_tasks
from option_critic.evaluation.expert import expert_trace
from option_critic.evaluation.intervals import Estimate, proportion
from option_critic.evaluation.limits import MAX_EPISODE_STEPS, Effort
from option_critic.evaluation.option_figures import Diagnosis, averaged, diagnose
from option_critic.evaluation.tasks import apart, by_task, means
from option_critic.evaluation.trace import Trace

Figures = dict[str, Estimate | None]


@dataclass(frozen=True)
class Study:
    """What `option-critic diagnose` finds out."""

    diagnosis: Diagnosis
    ablations: dict[str, Figures]
    """what was taken away -> success (where it is told) and return, with intervals; first: nothing"""
    expert: Diagnosis | None
    """the scripted expert, labelled by the options' definitions; none where there are none"""
    trace: Trace
    """of the agent as it is"""
    cut: dict[str, tuple[int, int]]
    """what was taken away -> episodes that the limit of the evaluation cut, and after how many steps"""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "diagnosis": self.diagnosis.to_dict(),
            "ablations": {
                name: {label: None if x is None else x.to_dict() for label, x in figures.items()}
                for name, figures in self.ablations.items()
            },
            "cut_episodes": {name: count for name, (count, _) in self.cut.items()},
            "expert": None if self.expert is None else {"nmi": self.expert.nmi,
                                                        "effective_number": self.expert.effective_number},
        }  # fmt: skip


def study(
    agent: Judged,
    goals: str,
    episodes: int,
    workers: int,
    with_ablations: bool,
    on_step: OnStep = lambda *_: None,
    max_episode_steps: int = MAX_EPISODE_STEPS,
) -> Study:
    """Deterministic, on `episodes` goals of a goal set (Meta-World) or plain episodes, the same for all parts. Plain
    ones are cut at `max_episode_steps`."""
    effort = Effort(episodes, workers, max_episode_steps)
    tasks, rules = tasks_of(agent.settings.env_id), agent.settings.options
    vectors = goals_of(tasks, goals, episodes) if tasks else None
    learned = run(agent, vectors, effort, NOTHING, on_step)
    figures, cut = {NOTHING.name: kept(tasks, learned, rules.names)}, {NOTHING.name: cuts(learned)}
    for ablation in ablations(rules, agent.state.spaces.discrete) if with_ablations else []:
        trace = run(agent, vectors, effort, ablation, on_step)
        figures[ablation.name], cut[ablation.name] = kept(tasks, trace, rules.names), cuts(trace)
    if not tasks and (agent.state.episodes.tells_success or any("any" in found for found in figures.values())):
        never = proportion(np.zeros(episodes))  # some environments tell success only when it happens
        figures = {name: {"any": never, "final": never} | found for name, found in figures.items()}
    meant_for = tuple(o.phase for o in rules.definitions) or ("",) * rules.num_options
    expert = None
    if len(tasks) == 1 and vectors is not None and rules.definitions:
        expert = diagnose(expert_trace(tasks[0], vectors[tasks[0]], rules), rules.names, meant_for, rules)
    parts = apart(learned, tasks).values() if len(tasks) > 1 else [learned]
    found = averaged([diagnose(part, rules.names, meant_for, rules) for part in parts])
    return Study(found, figures, expert, learned, cut)


def kept(tasks: Sequence[str], trace: Trace, names: Sequence[str]) -> Figures:
    """The figures that stand beside each other: success at any step, success at the end, return. Of several tasks
    means over these. `names`: of the options."""
    if len(tasks) > 1:
        summary = means(by_task(trace, tasks, names))
    else:
        summary = metaworld_protocol.summary(trace) if tasks else plain_summary(trace)
    at_the_end = "held" if tasks else "final"
    return {name: summary[name] for name in ("any", at_the_end, "return") if name in summary}


def run(
    agent: Judged,
    goals: Mapping[str, Array] | None,
    effort: Effort,
    ablation: Ablation,
    on_step: OnStep,
) -> Trace:
    """One evaluation under an ablation."""
    if goals is None:
        return run_plain(agent, effort.episodes, True, on_step, ablation, effort.max_episode_steps)
    return run_tasks(agent, goals, True, effort.workers, on_step, ablation)

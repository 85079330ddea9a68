"""A diagnosis in full: the agent as it is, with parts taken away, and the scripted expert beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from option_critic.envs.contract import Array
from option_critic.envs.metaworld import task_of
from option_critic.evaluation import metaworld_protocol
from option_critic.evaluation.ablations import NOTHING, Ablation, ablations
from option_critic.evaluation.episodes import OnStep
from option_critic.evaluation.evaluate import Judged, cuts, plain_summary, run_goals, run_plain, spread
from option_critic.evaluation.expert import expert_trace
from option_critic.evaluation.intervals import Estimate, proportion
from option_critic.evaluation.limits import MAX_EPISODE_STEPS, Effort
from option_critic.evaluation.option_figures import Diagnosis, diagnose
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
    task, rules = task_of(agent.settings.env_id), agent.settings.options
    vectors = None if task is None else spread(metaworld_protocol.goal_set(task, goals).vectors, episodes)
    learned = run(agent, task, vectors, effort, NOTHING, on_step)
    figures, cut = {NOTHING.name: kept(task, learned)}, {NOTHING.name: cuts(learned)}
    for ablation in ablations(rules, agent.state.spaces.discrete) if with_ablations else []:
        trace = run(agent, task, vectors, effort, ablation, on_step)
        figures[ablation.name], cut[ablation.name] = kept(task, trace), cuts(trace)
    if task is None and (agent.state.episodes.tells_success or any("any" in found for found in figures.values())):
        never = proportion(np.zeros(episodes))  # some environments tell success only when it happens
        figures = {name: {"any": never, "final": never} | found for name, found in figures.items()}
    meant_for = tuple(o.phase for o in rules.definitions) or ("",) * rules.num_options
    expert = None
    if task is not None and vectors is not None and rules.definitions:
        expert = diagnose(expert_trace(task, vectors, rules), rules.names, meant_for)
    return Study(diagnose(learned, rules.names, meant_for), figures, expert, learned, cut)


def kept(task: str | None, trace: Trace) -> Figures:
    """The figures that stand beside each other: success at any step, success at the end, return."""
    summary = plain_summary(trace) if task is None else metaworld_protocol.summary(trace)
    at_the_end = "final" if task is None else "held"
    return {name: summary[name] for name in ("any", at_the_end, "return") if name in summary}


def run(
    agent: Judged,
    task: str | None,
    goals: Array | None,
    effort: Effort,
    ablation: Ablation,
    on_step: OnStep,
) -> Trace:
    """One evaluation under an ablation."""
    if task is None or goals is None:
        return run_plain(agent, effort.episodes, True, on_step, ablation, effort.max_episode_steps)
    return run_goals(agent, task, goals, True, effort.workers, on_step, ablation)

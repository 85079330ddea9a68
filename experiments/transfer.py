"""Do options that were learned on pick-place help on other tasks of Meta-World? Nine agents, eight tasks, two rewards.

    python experiments/transfer.py --out runs/transfer                # the parents, then everything
    python experiments/transfer.py --out runs/transfer --tasks push bin-picking --agents flat corrected --jobs 4
    python experiments/transfer.py --out runs/hard --tasks assembly disassemble --rewards dense    # others of the fifty
    python experiments/transfer.py table --out runs/transfer          # markdown, and transfer.json there
    python experiments/transfer.py figure --out runs/transfer
    python experiments/transfer.py untrained --out runs/transfer      # a picture of `zero-shot` alone
    python experiments/transfer.py --out runs/held-out --parents runs/many --noise-color 1 --rewards dense
        --agents flat ten ten-finetuned --tasks door-lock handle-press coffee-push sweep-into shelf-place    # one line

What was stopped goes on with the same command, what is done is left alone, and several of them may share one folder.
Each agent has a run folder, OUT/<agent>/<task>/<reward>/seed-<n>, and a record in OUT/results; nothing is written
elsewhere.

What makes the comparison fair, and what does not:

- All take the preset of the task (`recipes.metaworld`), the same steps in whole iterations, rates and noise that fall
  to the same end. Nothing is tuned for one agent. `held` decides half as often: its gamma, lam, rollout and minibatches
  are those of the preset for twice the hold, so it makes as many updates of as long a sight.
- Skills and the fine-tuned agent have parents of the same seed and as many steps, trained on pick-place with the dense
  reward (also for success-only). Those steps are counted where it is asked from how many tasks on they pay.
- `finetuned` is the strongest that we know how to make of the flat parent. Policy and normaliser go on. Optimiser,
  rates and the line that holds the noise down begin anew. Its noise begins as that of a correction does (e^-1): with a
  first standard deviation of 1 it would forget before it learns, with that of the parent's end it would try nothing.
  Where steps are paid otherwise (success-only) the scale of rewards and the critic begin anew, too: they knew what is
  paid no more. It sees the differences of positions that flat agents see.
- `finetuned` and `corrected` go on from what can do something already, so both begin with the critic alone for 20,000
  steps.
- Named options bring knowledge that flat ones lack: interests, fixed components, views. `named` (from scratch) has it
  all, so what is gained beyond it is gained by reuse. `told` (not among the default agents) is flat and sees the
  interests; `scripted` knows the task. `random` has the frozen skills' parts, interests, views and normaliser, with
  drawn weights: what is left of the gain with it comes from the frame, not from what was learned.
- Skills bring no `bonus` (the hint at which option to run where several would do), and the policy over options of an
  agent with skills begins without a preference: hand-overs are learned anew, from success and reward alone. `named`
  has the hint.
- `ten` has the frozen options of an agent of ten tasks that `many_tasks.py` trained (in `--parents`), and a new one;
  `ten-finetuned` is the flat one beside it, fine-tuned as `finetuned` is.
- `zero-shot` and `scripted` learn nothing: they are judged once for both rewards. Skills hand over in the order of the
  chain: where more than one may start, the last. Their curve is flat, at the success within as many steps as training
  episodes have, and they reach 90 % at once or never.
- Success in training is that of the last 128 episodes of 150 steps, with noise, and is told after each 4,800 steps;
  success at the end is judged on 50 goals that nothing was tuned on (MT1 seed 10001), 500 steps, without noise, last
  checkpoint, whatever `best` may be.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from transfer_agents import AGENTS, EPISODE, ITERATION, PARENT_OF, Cell, Plan, trained
from transfer_figures import EITHER, UNTRAINED, draw, draw_untrained, tables

import option_critic as oc
from option_critic.cli.signals import Interrupt, ended
from option_critic.envs.metaworld import PREFIX, task_of
from option_critic.errors import InputError, RunError
from option_critic.evaluation.evaluate import run_tasks, spread
from option_critic.evaluation.metaworld_protocol import goal_set, steps_to_success, success_by_episode
from option_critic.report.run_data import SUCCESS
from option_critic.runs.files import write_json
from option_critic.runs.inventory import last_whole
from option_critic.runs.logs import STEPS, read_log
from option_critic.runs.paths import RunPath
from option_critic.runs.run_folder import versions
from option_critic.sweeps.jobs import Job, work_through
from option_critic.sweeps.processes import Processes

TASKS = ("push", "pick-place-wall", "pick-out-of-hole", "shelf-place", "bin-picking", "basketball", "hand-insert",
         "sweep-into")  # fmt: skip
GOALS = "seed-10001"
OTHERS = ("told", "ten", "ten-finetuned")
"""Agents that are trained only where they are asked for."""


def judge(agent: oc.OptionCritic, task: str, goals: int) -> dict[str, Any]:
    """Success on the official package: shares of episodes, and the median number of steps to the first."""
    vectors = spread(goal_set(task, GOALS).vectors, goals)
    trace = run_tasks(agent, {task: vectors}, True, 0, lambda *_: None)
    flags, first = success_by_episode(trace), steps_to_success(trace)
    shares = {name: float(flags[name].mean()) for name in ("any", "held", "lifted")}
    shares["any_150"] = float((first <= EPISODE).mean())
    done = first[np.isfinite(first)]
    return {"goals": len(vectors), **shares, "steps_to_success": float(np.median(done)) if len(done) else None}


def curve_of(run: RunPath, start: int) -> list[list[float]]:
    """Points (steps of this training, any-step success of recent training episodes)."""
    rows, _ = read_log(run / "metrics.jsonl")
    return [[int(row[STEPS] - start), round(row[SUCCESS[0]], 4)] for row in rows if row.get(SUCCESS[0]) is not None]


def finish(cell: Cell, plan: Plan) -> None:
    """Train an agent as far as it is not, judge it, write its record."""
    folder = plan.out / cell.place
    if cell.agent in UNTRAINED:
        agent = AGENTS[cell.agent](cell, plan)
        agent.save(folder)
        judged = judge(agent, cell.task, plan.goals)
        curve = [[0, judged["any_150"]], [plan.steps, judged["any_150"]]]
    else:
        agent = trained(folder, lambda: AGENTS[cell.agent](cell, plan), plan.steps)
        judged = judge(agent, cell.task, plan.goals)
        curve = curve_of(RunPath.of(folder), agent.state.schedule_start)
    parent = PARENT_OF.get(cell.agent)
    record = {
        "agent": cell.agent, "task": cell.task, "reward": cell.reward, "seed": cell.seed, "steps": plan.steps,
        "parent_steps": plan.parent(parent, cell.seed).num_timesteps if parent else 0,
        "curve": curve, "judged": judged, "versions": versions(),
    }  # fmt: skip
    write_json(record_of(cell, plan), record)
    print(f"{cell.name}: {curve[-1][1]:.2f} in training, {judged['any']:.2f} judged", flush=True)


def stoppable(cell: Cell, plan: Plan) -> int:
    """`finish`, which stops and saves when it is told to; the exit code. Another command may have been faster."""
    if record_of(cell, plan).is_file():
        return 0
    with Interrupt() as interrupt:
        return ended(interrupt, lambda: finish(cell, plan))


def record_of(cell: Cell, plan: Plan) -> RunPath:
    """Where what was found is kept."""
    return RunPath.of(plan.out / "results") / f"{cell.name}.json"


def check(plan: Plan, cells: Sequence[Cell]) -> None:
    """Raise InputError for parents that are not there, and for records of another plan: they would be mixed."""
    parents = {(PARENT_OF[c.agent], c.seed) for c in cells if c.agent in PARENT_OF}
    for folder in (plan.folder(which, seed) for which, seed in parents if plan.given(which)):
        if last_whole(RunPath.of(folder)) is None:
            raise InputError(f"--parents lacks {folder}; train it, or leave --parents out")
    for path in (plan.out / "results" / f"{cell.name}.json" for cell in cells):
        if path.exists():
            there = json.loads(path.read_text())
            for what, own, now in (
                ("steps", there["steps"], plan.steps),
                ("goals", there["judged"]["goals"], plan.goals),
            ):
                if own != now:
                    raise InputError(f"{path} has {what} {own:,}, not {now:,}: say so, or choose another --out")


def run(plan: Plan, cells: Sequence[Cell], jobs: int) -> int:
    """Finish all cells, so many side by side; the exit code. What fails is told, and the rest goes on. Raises
    InputError."""
    check(plan, cells)
    left = {record_of(cell, plan).parent / cell.name: cell for cell in cells if not record_of(cell, plan).is_file()}
    failed = []

    def follow() -> None:
        with Processes(jobs) as engine:
            for some in work_through(
                [Job(place, partial(stoppable, cell, plan)) for place, cell in left.items()], engine
            ):
                for job, outcome in some:
                    print(f"{job.place.name}: {outcome.became} {outcome.reason}".rstrip(), flush=True)
                    failed.extend([job] * (outcome.became == "failed"))

    with Interrupt() as interrupt:
        return ended(interrupt, follow) or int(bool(failed))


def read_plan(a: argparse.Namespace) -> tuple[Plan, list[Cell]]:
    """What was asked for, seed by seed. Raises InputError."""
    tasks = [f"{task.removesuffix('-v3')}-v3" for task in a.tasks]
    for task in tasks:
        task_of(PREFIX + task)
    if min(a.steps, a.parent_steps) < ITERATION or min(a.goals, a.jobs) < 1 or a.goals > 50:
        raise InputError(
            f"--steps and --parent-steps must be at least {ITERATION:,}, --goals 1 to 50, --jobs at least 1"
        )
    plan = Plan(
        out=a.out,
        steps=a.steps // ITERATION * ITERATION,
        parents=a.parents or a.out / "parents",
        parent_steps=0 if a.parents else a.parent_steps // ITERATION * ITERATION,
        goals=a.goals,
        noise_color=a.noise_color,
    )
    cells = [Cell(agent, task, EITHER if agent in UNTRAINED else reward, seed)
             for seed in a.seeds for reward in a.rewards for task in tasks for agent in a.agents]  # fmt: skip
    return plan, list(dict.fromkeys(cells))


def main() -> int:
    """Run, or show what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("run", "table", "figure", "untrained"), default="run")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", default=TASKS, help="of Meta-World, with or without -v3")
    parser.add_argument("--agents", nargs="+", choices=AGENTS, default=[a for a in AGENTS if a not in OTHERS])
    parser.add_argument("--rewards", nargs="+", choices=("dense", "success"), default=("dense", "success"))
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    parser.add_argument("--steps", type=int, default=500_000, help="of each training, rounded down to iterations")
    parser.add_argument(
        "--parents", type=Path, help="a folder with pick-place/seed-<n> and flat/seed-<n>, runs of the preset without "
        "and with --num-options 1; default: they are trained, in OUT/parents",
    )  # fmt: skip
    parser.add_argument("--parent-steps", type=int, default=1_490_000, help="of each of them, where they are trained")
    parser.add_argument(
        "--noise-color", type=float, default=0.0, help="of all agents; the preset: from 0, white, to 0.5"
    )
    parser.add_argument("--goals", type=int, default=50, help="on which agents are judged")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side, which share the cores")
    args = parser.parse_args()
    try:
        if args.what == "table":
            print(tables(args.out, tuple(AGENTS)))
        elif args.what == "figure":
            print(draw(args.out, tuple(AGENTS)))
        elif args.what == "untrained":
            print(draw_untrained(args.out))
        else:
            return run(*read_plan(args), args.jobs)
    except (InputError, RunError) as error:
        print(f"transfer.py: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

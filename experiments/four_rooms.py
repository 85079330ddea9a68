"""The figures of docs/four-rooms.md: the preset against the exact optimum, and the goal that moves.

python experiments/four_rooms.py            # trains 27 times (about 10 minutes), evaluates, writes, prints
python experiments/four_rooms.py --print    # prints again from docs/results/four_rooms.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import option_critic as oc
from option_critic.envs.four_rooms import GOALS, optimal_steps
from option_critic.evaluation.evaluate import evaluate
from option_critic.runs.run_folder import versions

RESULTS = Path("docs/results/four_rooms.json")
SEEDS = (100, 101, 102)
AGENTS: dict[str, dict[str, Any]] = {
    "dac, 4 options": {"algorithm": "dac"},
    "ppo_oc, 4 options": {"algorithm": "ppo_oc"},
    "flat (1 option)": {"num_options": 1},
}
MOVED = "FourRooms-Moved-v0"
EVERY = 4
"""Iterations between two evaluations of a curve."""
NEAR = 1.25
"""An agent has recovered at the first evaluation with at most so many times the optimal steps."""


def optimum(env_id: str) -> float:
    """Least expected steps of an episode, over its uniform starts."""
    steps = optimal_steps(GOALS[env_id])
    return float(steps.sum() / (len(steps) - 1))


def judge(agent: oc.OptionCritic, num_episodes: int = 1000) -> dict[str, Any]:
    """Return (the share of episodes that reach the goal) and steps, in both modes."""
    results = evaluate(agent, modes=["deterministic", "stochastic"], num_episodes=num_episodes)
    return {r.mode: {name: e.to_dict() if e else None for name, e in r.summary.items()} for r in results}


def learn(agent: oc.OptionCritic) -> dict[str, Any]:
    """Train as the preset does, with a curve of mean steps (100 stochastic episodes a point), and judge."""
    curve, last, start = [], {}, agent.num_timesteps

    def watch(_: oc.OptionCritic, metrics: dict[str, float]) -> bool:
        last.update({n: v for n, v in metrics.items() if n.startswith("option/")})
        if int(metrics["time/iterations"]) % EVERY == 0:
            (result,) = evaluate(agent, modes=["stochastic"], num_episodes=100)
            length = result.summary["length"]
            assert length is not None
            curve.append([agent.num_timesteps - start, length.value])
        return True

    seconds = agent.state.elapsed
    agent.learn(callback=watch)
    near = [steps for steps, length in curve if length <= NEAR * optimum(agent.settings.env_id)]
    return {
        "seconds": agent.state.elapsed - seconds,
        "near": near[0] if near else None,
        "curve": curve,
        "options": last,
        "end": judge(agent),
    }


def measure() -> None:
    """Per agent and seed: learn, move the goal, learn on; and the moved goal from scratch."""
    rows, made_with = [], versions()
    for name, settings in AGENTS.items():
        for seed in SEEDS:
            agent = oc.OptionCritic("four-rooms", seed=seed, **settings)
            row: dict[str, Any] = {"agent": name, "seed": seed, "first": learn(agent)}
            agent.set_env(MOVED)
            row |= {"after_move": judge(agent), "moved": learn(agent)}
            fresh = oc.OptionCritic("four-rooms", seed=seed, **settings)
            fresh.set_env(MOVED)
            row["scratch"] = learn(fresh)
            rows.append(row)
            print(name, seed, row["first"]["near"], row["moved"]["near"], row["scratch"]["near"], flush=True)
    record = {"optimum": {e: optimum(e) for e in GOALS}, "rows": rows, "versions": made_with}
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")


def show() -> None:
    """Both tables in Markdown."""
    record = json.loads(RESULTS.read_text())
    print({env_id: round(steps, 2) for env_id, steps in record["optimum"].items()}, record["versions"])

    def cell(judged: dict[str, Any], mode: str) -> str:
        reached, steps = judged[mode]["return"]["value"], judged[mode]["length"]
        return f"{reached:.3f} | {steps['value']:.2f} [{steps['low']:.2f}, {steps['high']:.2f}]"

    def steps(learned: dict[str, Any]) -> str:
        return "not" if learned["near"] is None else f"{learned['near']:,}"

    print("| agent | seed | seconds | reached, det. | steps, det. | reached, stoch. | steps, stoch. |")
    for r in record["rows"]:
        end = r["first"]["end"]
        print(f"| {r['agent']} | {r['seed']} | {r['first']['seconds']:.0f} |",
              cell(end, "deterministic"), "|", cell(end, "stochastic"), "|")  # fmt: skip
    print("| agent | seed | before | right after | end | recovered after | from scratch after |")
    for r in record["rows"]:
        judged = (r["first"]["end"], r["after_move"], r["moved"]["end"])
        lengths = " | ".join(f"{j['stochastic']['length']['value']:.1f}" for j in judged)
        print(f"| {r['agent']} | {r['seed']} | {lengths} | {steps(r['moved'])} | {steps(r['scratch'])} |")
    for r in record["rows"]:
        print(r["agent"], r["seed"], {n: round(v, 2) for n, v in r["first"]["options"].items()})


if __name__ == "__main__":
    if "--print" not in sys.argv:
        measure()
    show()

"""Run folders made by hand: what a training of pick-place leaves, without the training."""

import json

import numpy as np

from option_critic.evaluation import metaworld_protocol
from option_critic.evaluation.trace import Trace
from option_critic.presets import PRESETS
from option_critic.runs.checkpoint import configuration
from option_critic.spaces import Spaces

STEPS = 60
SPACES = Spaces(obs_size=39, obs_keys=(), obs_ndim=1, discrete=False, action_size=4,
                action_low=(-1.0,) * 4, action_high=(1.0,) * 4)  # fmt: skip


def trace(episodes=3, num_options=3, seed=0):
    """Episodes of 60 steps: reach until 12 + e, grasp until 24 + e, then move; success from 30 + e on, the last never.

    The first change is learned, the second forced.
    """
    rng = np.random.default_rng(seed)
    t, e = np.arange(STEPS)[None], np.arange(episodes)[:, None]
    option = np.minimum((t >= 12 + e).astype(int) + (t >= 24 + e), num_options - 1)
    ended = np.diff(option, axis=1, prepend=-1) != 0
    lifted, solved = t >= 26 + e, (t >= 30 + e) & (e < episodes - 1)
    shape = (episodes, STEPS)
    return Trace(
        length=np.full(episodes, STEPS), option=option, decided=np.ones(shape, bool),
        ended=ended, forced=ended & ((t == 0) | (t == 24 + e)),
        beta=np.where(ended, 0.9, 0.04), q=rng.normal(size=(*shape, num_options)),
        mu=np.full((*shape, num_options), 1 / num_options), interest=np.ones((*shape, num_options)),
        distance=np.full((*shape, num_options), 0.5), action=rng.uniform(-1, 1, (*shape, 4)),
        goal=rng.uniform(-0.1, 0.3, (episodes, 6)), reward=np.where(solved, 10.0, 0.1) + 0 * option,
        info={"success": solved + 0.0, "near_object": (t >= 12 + e) + 0.0, "grasp_success": lifted + 0.0,
              "obj_to_target": np.where(solved, 0.02, 0.2) + 0 * option, "object_height": 0.02 + 0.05 * lifted,
              "initial_height": np.full(shape, 0.02)},
    )  # fmt: skip


def make_run(folder, seed=0, episodes=3, goals="D", **settings):
    """A run folder with metrics, an alarm, one evaluation and its trace."""
    s = PRESETS["pick-place"].override(seed=seed, **settings)
    names = s.options.names
    folder.mkdir(parents=True)
    write = lambda name, data: (folder / name).write_text(json.dumps(data))  # noqa: E731
    write("config.json", configuration(s, SPACES))
    write("versions.json", {"python": "3.11", "torch": "2.13.0"})
    rng = np.random.default_rng(seed)
    rows, timing = [], []
    for i in range(1, 41):
        steps = 4800.0 * i
        rows.append({"time/total_timesteps": steps, "rollout/success_rate": min(1.0, max(0, i - 5) / 20),
                     "rollout/ep_rew_mean": 20.0 * i + rng.normal(), "option/duration": 12.0, "option/end_rate": 0.05,
                     "option/forced_rate": 0.01, "option/choice_entropy": 0.3, "option/beta_mean": 0.1,
                     **{f"option/share/{name}": 1 / len(names) for name in names}})  # fmt: skip
        if s.evaluate_every and steps % s.evaluate_every == 0:
            rows[-1] |= {"eval/mean_reward": 25.0 * i + seed, "eval/mean_ep_length": 500.0,
                         "eval/success_any_rate": i / 40}  # fmt: skip
        timing.append({"time/total_timesteps": steps, "time/time_elapsed": 1.5 * i})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "timing.jsonl").write_text("".join(json.dumps(row) + "\n" for row in timing))
    (folder / "alarms.jsonl").write_text(
        json.dumps(
            {"time/total_timesteps": 9600.0, "alarm": "options alike", "says": "the options do </script> the same"}
        )
        + "\n"
    )
    made, key = trace(episodes, len(names), seed), f"000000192000-{goals}-deterministic"
    made.save(folder / "traces" / f"{key}.safetensors", {"goals": goals})
    figures = {n: x.to_dict() if x else None for n, x in metaworld_protocol.summary(made).items()}
    rows = metaworld_protocol.rows(made, metaworld_protocol.GoalSet(goals, made.goal))
    result = {"training_steps": 192000, "goals": goals, "mode": "deterministic", "horizon": "60 steps",
              "summary": figures, "episodes": rows,
              "trace": f"traces/{key}.safetensors"}  # fmt: skip
    write("evaluation.json", {"format_version": 1, "results": {key: result}})
    return folder

"""Run episodes and record them: one vector environment, batched decisions -> Trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from option_critic.envs.contract import VectorEnvs
from option_critic.evaluation.ablations import NOTHING, Ablation
from option_critic.evaluation.trace import Trace
from option_critic.model.act import Generators, Held, Noise, act
from option_critic.model.acting import snapshot
from option_critic.model.option_model import OptionModel
from option_critic.options.interest import interest_at
from option_critic.records import Carry
from option_critic.settings import Settings

Rows = dict[str, list[Any]]


@torch.no_grad()
def run_episodes(
    envs: VectorEnvs,
    model: OptionModel,
    settings: Settings,
    generators: Generators,
    quota: Sequence[int],
    deterministic: bool = True,
    ablation: Ablation = NOTHING,
    on_episode: Callable[[], None] = lambda: None,
) -> Trace:
    """Let environment b run `quota[b]` episodes from its first reset on -> Trace, ordered (b, episode).

    A fixed number per environment, so that short episodes do not crowd out long ones. A row of the trace is a step of
    the environment; where each action is held for several, options end, and ablations act, only where one is chosen.
    """
    device, num_options = model.log_std.device, model.num_options
    obs, carry, rules = envs.reset(), Carry.start(envs.num_envs), ablation.rules(settings.options)
    network, available = ablation.network(snapshot(model)), ablation.available(num_options)
    mask = None if available is None else np.broadcast_to(available, (envs.num_envs, num_options))
    episodes: list[list[Rows]] = [[{}] for _ in quota]
    left, held = np.array(quota), None
    while (left > 0).any():
        seen = obs
        quiet = ablation.noise(envs.num_envs, network, generators)
        noise = quiet if deterministic else Noise.draw((envs.num_envs,), network, generators)
        offered, _, arrival = act(network, seen, carry, rules, noise, mask)
        offered = replace(offered, action=ablation.action(offered.action, seen, rules))
        held = Held.after(offered, held, settings.env.action_repeat)
        choice = held.choice
        tensor, option = torch.from_numpy(seen).to(device), torch.from_numpy(choice.option).to(device)
        (q, _, _), policies = model.values(tensor), model.behaviour(tensor)
        action = envs.spaces.to_env(choice.action)
        step = envs.step(action)
        row: dict[str, Any] = {
            "option": choice.option,
            "decided": held.made,
            "ended": choice.ended & held.made,
            "forced": choice.forced & held.made,
            "beta": choice.beta,
            "q": q,
            "mu": np.exp(arrival.log_mu),
            "interest": interest_at(seen, rules, mask).start,
            "distance": policies.distance(option),
            "action": action.reshape(envs.num_envs, -1),
            "reward": step.reward,
        }
        row = {name: np.asarray(value.cpu() if isinstance(value, Tensor) else value) for name, value in row.items()}
        for b in np.flatnonzero((left > 0) & step.valid):
            rows = episodes[b][-1]
            for name, value in row.items():
                rows.setdefault(name, []).append(value[b])
            rows.setdefault("info", []).append({name: value[b] for name, value in step.info.items()})
            if step.done[b]:
                left[b] -= 1
                episodes[b].append({})
                on_episode()
        obs, carry = step.act_obs, choice.next_carry(step.is_first)
    return to_trace([rows for b, runs in enumerate(episodes) for rows in runs[: quota[b]]])


def to_trace(episodes: list[Rows]) -> Trace:
    """Episodes of different lengths -> one zero-padded Trace."""
    length = np.array([len(rows["reward"]) for rows in episodes])

    def padded(name: str, dtype: type) -> Any:
        first = np.asarray(episodes[0][name])
        out = np.zeros((len(episodes), length.max(), *first.shape[1:]), dtype)
        for e, rows in enumerate(episodes):
            out[e, : length[e]] = rows[name]
        return out

    names = {name for rows in episodes for info in rows["info"] for name in info}
    for name in names:  # an environment may tell a thing only now and then
        for rows in episodes:
            rows[f"info/{name}"] = [info.get(name, 0.0) for info in rows["info"]]
    return Trace(
        length=length,
        option=padded("option", np.int64),
        **{name: padded(name, np.bool_) for name in ("decided", "ended", "forced")},
        **{name: padded(name, np.float64) for name in ("beta", "q", "mu", "interest", "distance", "action", "reward")},
        goal=np.zeros((len(length), 0)),
        info={name: padded(f"info/{name}", np.float64) for name in sorted(names)},
    )

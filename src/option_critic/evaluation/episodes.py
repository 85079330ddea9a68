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
from option_critic.functional.arrays import NDArray
from option_critic.model.act import Generators, Held, Noise, act
from option_critic.model.acting import snapshot
from option_critic.model.option_model import OptionModel
from option_critic.options.interest import interest_at
from option_critic.records import Carry
from option_critic.settings import Settings

Rows = dict[str, Any]
"""Of one episode: name -> a list or array, an entry for each step. What was told of a step is `info/<name>`."""
OnStep = Callable[[int, int], None]
"""Called after each step of all environments: episodes that ended there, steps that were recorded."""


class Recorder:
    """Episodes under way in B environments: columns of numbers [B, steps, ...] by name, which grow as the longest
    episode does; 0 where nothing was told. As lists of Python's numbers they would take ten times the memory."""

    def __init__(self, num_envs: int) -> None:
        self.steps, self.columns = np.zeros(num_envs, np.int64), dict[str, NDArray]()

    def add(self, row: dict[str, NDArray], at: NDArray) -> None:
        """One step [B, ...] of the environments in `at`."""
        steps = self.steps[at]
        longest = int(steps.max(initial=0))
        for name, value in row.items():
            column = self.columns.get(name, value[:, None][:, :0])
            if column.shape[1] <= longest:
                column = self.columns[name] = lengthened(column, 2 * max(longest, 32))
            column[at, steps] = value[at]
        self.steps[at] += 1

    def take(self, b: int) -> Rows:
        """The episode of environment b, which has ended; its next one begins."""
        length = int(self.steps[b])
        rows = {name: lengthened(column[b : b + 1, :length], length)[0] for name, column in self.columns.items()}
        for column in self.columns.values():
            column[b, :length] = 0
        self.steps[b] = 0
        return rows


def lengthened(column: NDArray, length: int) -> NDArray:
    """A copy of a column [B, steps, ...] with room for `length` steps; new ones are 0."""
    longer = np.zeros((len(column), length, *column.shape[2:]), column.dtype)
    longer[:, : column.shape[1]] = column
    return longer


@torch.no_grad()
def run_episodes(
    envs: VectorEnvs,
    model: OptionModel,
    settings: Settings,
    generators: Generators,
    quota: Sequence[int],
    deterministic: bool = True,
    ablation: Ablation = NOTHING,
    on_step: OnStep = lambda *_: None,
) -> Trace:
    """Let environment b run `quota[b]` episodes from its first reset on -> Trace, ordered (b, episode).

    A fixed number per environment, so that short episodes do not crowd out long ones. A row of the trace is a step of
    the environment; where each action is held for several, options end, and ablations act, only where one is chosen.
    `truncated` in its info marks the last steps of episodes that a limit ended.
    """
    device, num_options = model.log_std.device, model.num_options
    obs, carry, rules = envs.reset(), Carry.start(envs.num_envs), ablation.rules(settings.options)
    network, available = ablation.network(snapshot(model)), ablation.available(num_options)
    mask = None if available is None else np.broadcast_to(available, (envs.num_envs, num_options))
    recorder, ended = Recorder(envs.num_envs), [list[Rows]() for _ in quota]
    left, held = np.array(quota), None
    while (left > 0).any():
        seen = obs
        quiet = ablation.noise(envs.num_envs, network, generators)
        noise = quiet if deterministic else Noise.draw((envs.num_envs,), network, generators)
        acted = act(network, seen, carry, rules, noise, mask)
        numbers = network.see.numbers(seen)
        offered = replace(acted.choice, action=ablation.action(acted.choice.action, numbers, rules))
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
            "mu": np.exp(acted.arrival.log_mu),
            "interest": interest_at(numbers, rules, mask).start,
            "distance": policies.distance(option),
            "action": action.reshape(envs.num_envs, -1),
            "reward": step.reward,
        }
        row = {name: np.asarray(value.cpu() if isinstance(value, Tensor) else value) for name, value in row.items()}
        row |= {f"info/{name}": value for name, value in step.info.items()}
        recorded = np.flatnonzero((left > 0) & step.valid)
        recorder.add(row, recorded)
        for b in recorded[step.done[recorded]]:
            rows = recorder.take(b)
            rows["info/truncated"] = np.zeros(len(rows["reward"]))
            rows["info/truncated"][-1] = step.truncated[b] and not step.terminated[b]
            ended[b].append(rows)
            left[b] -= 1
        on_step(int(step.done[recorded].sum()), len(recorded))
        obs, carry = step.act_obs, choice.next_carry(step.is_first)
    return to_trace([rows for episodes in ended for rows in episodes])


def to_trace(episodes: list[Rows]) -> Trace:
    """Episodes of different lengths -> one zero-padded Trace."""
    length = np.array([len(rows["reward"]) for rows in episodes])

    def padded(name: str, dtype: type) -> Any:
        shape = next(np.shape(rows[name])[1:] for rows in episodes if name in rows)
        out = np.zeros((len(episodes), length.max(), *shape), dtype)
        for e, rows in enumerate(episodes):
            if name in rows:  # an environment may tell a thing only now and then
                out[e, : length[e]] = rows[name]
        return out

    names = sorted({name.removeprefix("info/") for rows in episodes for name in rows if name.startswith("info/")})
    return Trace(
        length=length,
        option=padded("option", np.int64),
        **{name: padded(name, np.bool_) for name in ("decided", "ended", "forced")},
        **{name: padded(name, np.float64) for name in ("beta", "q", "mu", "interest", "distance", "action", "reward")},
        goal=np.zeros((len(length), 0)),
        info={name: padded(f"info/{name}", np.float64) for name in names},
    )

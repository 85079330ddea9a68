"""All settings of a run: frozen, typed, complete; a file of them says everything."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self, get_type_hints

import tyro

from option_critic.algorithms.settings import BURN_IN, SETTINGS, DACSettings, LearningSettings, as_told_to
from option_critic.envs.metaworld import check_number, check_reward, task_of, tasks_of
from option_critic.envs.settings import EnvSettings
from option_critic.errors import InputError
from option_critic.model.settings import ModelSettings
from option_critic.options.definitions import at_task
from option_critic.options.entries import Entry, Kept, composed
from option_critic.options.settings import OptionSettings, named
from option_critic.references import import_module_of
from option_critic.value_types import check_ranges, check_type, conform, conformed, shown

Algorithm = Literal["dac", "ppo_oc", "sac_oc"]
DEVICES = re.compile(r"auto|cpu|cuda(:(0|[1-9][0-9]{0,2}))?")
MAX_REFERENCE = 300
"""Characters of what names an environment, or definitions."""
RANGES = {
    "seed": (0, 2**63 - 1),
    "total_timesteps": (1, 10**12),
    "checkpoint_every": (1, 10**12),
    "keep_checkpoints": (0, 1_000_000),
    "evaluate_every": (0, 10**12),
    "evaluate_episodes": (1, 100_000),
    "torch_threads": (0, 1024),
}
"""Setting -> (lowest, highest). Those of its parts lie beside these."""
PRODUCTS = {
    ("num_envs", "rollout_length"): 10_000_000,
    ("num_envs", "rollout_length", "hidden_dim"): 2_000_000_000,
    ("num_envs", "rollout_length", "num_options"): 200_000_000,
}
"""Settings -> what they may come to, multiplied: a rollout, what its networks compute and what is said of its options
are held at once, some gigabytes each."""


DECIDED = {
    "env_id": "`set_env` moves an agent to another environment",
    **dict.fromkeys(
        ("options_from", "options", "skills"), "its options are what their definitions say, with their names"
    ),
    **dict.fromkeys(
        ("num_options", "hidden_dim", "policy_layers", "critic_layers", "critic_norm", "option_layers", "activation",
         "shared_trunk", "quaternions", "quaternion_sign", "differences", "observe_interest", "options_see_task",
         "normalize_observation", "encoder", "conv_layers", "encoder_dim"),
        "that would be another network; make a new agent",
    ),
    **dict.fromkeys(
        ("initial_log_std", "correction_log_std", "initial_beta"),
        "it says where a training begins, and this one has begun",
    ),
}  # fmt: skip
"""Settings that can no longer act once an agent has been made, and why."""


GONE = ("log_std_step",)
"""Settings of the model that configurations of before may hold: they said where a training begins, no more."""


class UnknownSettingError(InputError):
    """A setting of that name does not exist."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One training run. Names are unique over all parts, so each can be set by its bare name."""

    env_id: Annotated[str, tyro.conf.Suppress]
    """A Gymnasium id, Meta-World/<task>-v3, or several tasks at once: Meta-World/MT10, Meta-World/reach-v3+push-v3."""
    algorithm: Algorithm = "dac"
    """How the options learn. dac: the double actor-critic, by PPO at both levels. ppo_oc: option-critic
    with PPO, separate losses for the policy over options and the terminations. sac_oc: soft option-critic, off-policy
    from transitions that it keeps, with hindsight where there are goals."""
    seed: Annotated[int, tyro.conf.Suppress] = 0
    """Seeds everything: weights, actions, minibatches, environments."""
    total_timesteps: int = 1_000_000
    """Environment steps to train for."""
    checkpoint_every: int = 250_000
    """Environment steps between checkpoints (rounded up to an iteration). Environments are made anew there."""
    keep_checkpoints: int = 3
    """Checkpoints that are kept: the last so many and the best (by evaluations while it trains, else
    by training episodes); 0: all."""
    evaluate_every: int = 0
    """Environment steps between evaluations while it trains (rounded up to an iteration); 0: none. They take time of
    their own and change nothing of what is learned; the checkpoint `best` is then the best by them."""
    evaluate_episodes: int = 20
    """Episodes of each: the same ones every time, deterministic. On Meta-World goals of set D, on the official
    package; of several tasks an equal part each, one at least."""
    device: str = "cpu"
    """Where the networks live: cpu, cuda, or one of several by its number (cuda:1). auto: cuda where there is one."""
    torch_threads: int = 0
    """Threads of the gradient updates; 0: one per processor core that this process may use. Acting uses one;
    where observations hold images dac and ppo_oc act with as many."""
    env: EnvSettings = field(default_factory=EnvSettings)
    options: OptionSettings = field(default_factory=OptionSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    learning: LearningSettings = field(default_factory=DACSettings)

    def __post_init__(self) -> None:
        conform(self)
        object.__setattr__(self, "learning", as_told_to(self.algorithm, self.learning))
        if not DEVICES.fullmatch(self.device):
            raise InputError(f"device must be auto, cpu, cuda or cuda:0, cuda:1, ..., got {self.device!r:.40}")
        check_ranges(self, RANGES)
        check_reward(self.env_id, self.env.reward)
        check_number(self.env_id, self.env.num_envs, self.env.env_groups)
        references = (self.env_id, self.options.options_from, self.model.observe_interest, self.model.encoder)
        for name, text in zip(("env_id", "options_from", "observe_interest", "encoder"), references, strict=True):
            if len(text) > MAX_REFERENCE or not text.isprintable():
                raise InputError(f"{name} must have at most {MAX_REFERENCE} printable characters, got {shown(text)}")
        numbers = vars(self.env) | vars(self.options) | vars(self.model) | vars(self.learning)
        for names, most in PRODUCTS.items():
            if math.prod(numbers[name] for name in names) > most:
                given = " x ".join(str(numbers[name]) for name in names)
                raise InputError(f"{' x '.join(names)} must be at most {most:,}, got {given}; lower one of them")

    def burnt_in(self, start: int) -> int:
        """The step until which the critic learns alone, in a training that begins at step `start`. What is left to us
        is done once in an agent's life, however many trainings it is made of."""
        if self.learning.burn_in is not None:
            return start + self.learning.burn_in
        return BURN_IN if any(option.correction for option in self.options.definitions) else 0

    def override(self, **changes: Any) -> Self:
        """These settings with some replaced, each by its bare name.

        Changing `num_options` or `option_names` alone drops what the old options were called or meant;
        `option_names` and `options_from` set their number. `options_from` and `encoder` may import the modules that
        they name.
        Another `algorithm` keeps what both algorithms can be told. Raises UnknownSettingError with the nearest match,
        or InputError for a bad value.
        """
        algorithm = conformed("algorithm", Algorithm, changes.get("algorithm", self.algorithm))
        changes = {name: conformed(name, _hint_of(algorithm, name), value) for name, value in changes.items()}
        changes = _consistent(changes, self.options)
        if changes.get("options"):
            own = listed(changes["options"], changes.get("skills", self.options.skills))
            for name in ("num_options", "option_names"):
                if changes.get(name, own[name]) != own[name] and not changes.get("options_from"):
                    raise InputError(f"options say that {name} is {own[name]!r}, not {changes[name]!r}; leave it out")
            changes = own | changes
        import_module_of(changes.get("encoder", ""), "the encoder is defined")
        if algorithm != self.algorithm:
            return dataclasses.replace(self, algorithm=algorithm).override(**changes)
        parts: dict[str, dict[str, Any]] = {}
        for name, value in changes.items():
            parts.setdefault(_part_of(self.algorithm, name), {})[name] = value
        top = parts.pop("", {})
        top |= {part: dataclasses.replace(getattr(self, part), **values) for part, values in parts.items()}
        return dataclasses.replace(self, **top)._at_task()

    def _at_task(self) -> Self:
        """With the shipped definitions as they are for the task that is trained."""
        o, m, task = self.options, self.model, task_of(self.env_id)
        if task is None and tasks_of(self.env_id):
            task = ""  # several: none of theirs
        named, watched = at_task(o.options_from, task), at_task(m.observe_interest, task)
        entries = [Entry.read(text) for text in o.options]
        there = tuple(e.at_task(task).text(e.what) for e in entries)
        skills = tuple(skill.at_task(task) for skill in o.skills)
        if (named, watched, there, skills) == (o.options_from, m.observe_interest, o.options, o.skills):
            return self
        return dataclasses.replace(
            self,
            options=dataclasses.replace(o, options_from=named, options=there, skills=skills),
            model=dataclasses.replace(m, observe_interest=watched),
        )

    def going_on(self, **changes: Any) -> Self:
        """These settings, of an agent that has learned, with some replaced that still can act. As `override`, and
        raises InputError, with the reason, for the others.
        """
        new = self.override(**changes)
        for name, reason in DECIDED.items():
            old, wanted = (getattr(getattr(s, part) if (part := _part_of(self.algorithm, name)) else s, name)
                           for s in (self, new))  # fmt: skip
            if old != wanted:
                raise InputError(f"{name} of this agent is {old!r} and cannot become {wanted!r}: {reason}")
        if self.learning.replays != new.learning.replays:
            raise InputError(
                f"algorithm of this agent is {self.algorithm!r} and cannot become {new.algorithm!r}: what learns from "
                "transitions that it keeps has other critics; make a new agent"
            )
        return new

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionary, for JSON. Skills are no part of it."""
        data = dataclasses.asdict(self)
        del data["options"]["skills"]
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises UnknownSettingError, or InputError for a bad value."""
        if not isinstance(data, dict) or "env_id" not in data:
            raise InputError("settings must be an object that holds an env_id")
        algorithm = data.get("algorithm", "dac")
        check_type("algorithm", Algorithm, algorithm)
        learning = data.get("learning", {})
        if isinstance(learning, dict):  # the first versions wrote what any algorithm can be told
            others = set(names_of_others(algorithm))
            data = data | {"learning": {name: x for name, x in learning.items() if name not in others}}
        model = data.get("model", {})
        if isinstance(model, dict):
            data = data | {"model": {name: x for name, x in model.items() if name not in GONE}}
        settings: Self = _build(cls, data, _parts(cls) | {"learning": SETTINGS[algorithm]})
        return settings


def _consistent(changes: dict[str, Any], options: OptionSettings) -> dict[str, Any]:
    """`changes` with what follows for number, names and definitions of the options."""
    none: dict[str, Any] = {"options": (), "skills": (), "skill_ends": "learned"} if options.options else {}
    if changes.get("options_from", ""):
        return none | named(changes["options_from"]) | changes
    unnamed = {"options_from": "", "observe_interest": ""} | none if options.options_from or options.options else {}
    if changes.get("options"):  # what the networks see of these follows from them (`listed`), unless it is said
        return {name: x for name, x in unnamed.items() if name != "observe_interest"} | changes
    if "option_names" in changes:
        names = changes["option_names"]
        number = changes.get("num_options", len(names) or options.num_options)
        return unnamed | changes | {"num_options": number}
    if "options_from" in changes or changes.get("num_options", options.num_options) != options.num_options:
        return unnamed | {"option_names": ()} | changes
    return changes


def listed(entries: Sequence[str], skills: Sequence[Kept]) -> dict[str, Any]:
    """What follows from `options`, and the skills among them. Raises InputError for what is not there."""
    options = composed(entries, skills, "learned")
    return {
        "num_options": len(options),
        "option_names": tuple(o.name for o in options),
        "observe_interest": "own" if any(o.interest for o in options) else "",
    }


def _parts(cls: type) -> dict[str, Any]:
    """Fields of `cls` that are settings themselves."""
    return {name: hint for name, hint in get_type_hints(cls).items() if dataclasses.is_dataclass(hint)}


def setting_names(algorithm: str = "dac") -> dict[str, str]:
    """Every setting's bare name -> the part that holds it ('' for the run itself), as `algorithm` has them."""
    parts = _parts(Settings) | {"learning": SETTINGS[algorithm]}
    names = {f.name: "" for f in dataclasses.fields(Settings) if f.name not in parts}
    return names | {f.name: part for part, sub in parts.items() for f in dataclasses.fields(sub)}


def names_of_others(algorithm: str) -> dict[str, str]:
    """Settings that `algorithm` does not have -> an algorithm that has them."""
    own = {f.name for f in dataclasses.fields(SETTINGS[algorithm])}
    return {f.name: other for other, cls in SETTINGS.items() for f in dataclasses.fields(cls) if f.name not in own}


def _part_of(algorithm: str, name: str) -> str:
    names = setting_names(algorithm)
    if name not in names:
        if other := names_of_others(algorithm).get(name):
            raise UnknownSettingError(f"{name} is a setting of algorithm {other}; {algorithm} has none of that name")
        raise UnknownSettingError(f"there is no setting {name!r}.{_hint(name, names)}")
    return names[name]


def _hint_of(algorithm: str, name: str) -> Any:
    """The declared type of a setting."""
    part = _part_of(algorithm, name)
    owner = SETTINGS[algorithm] if part == "learning" else _parts(Settings).get(part, Settings)
    return get_type_hints(owner)[name]


def _hint(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name[:80], names, n=1, cutoff=0.4)
    return f" Did you mean {near[0]}?" if near else ""


def _build(cls: Any, data: Any, parts: dict[str, Any]) -> Any:
    """`cls` from nested plain data; `parts`: its fields that are settings themselves, with their classes."""
    if not isinstance(data, dict):
        raise InputError(f"a part of the settings must be an object of names and values, got {shown(data)}")
    values = dict(data)
    fields = [f.name for f in dataclasses.fields(cls)]
    for name in sorted(set(data) - set(fields)):
        raise UnknownSettingError(f"there is no setting {shown(name)} (in a configuration).{_hint(name, fields)}")
    values |= {name: _build(part, data[name], {}) for name, part in parts.items() if name in data}
    return cls(**values)

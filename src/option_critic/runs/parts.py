"""The named parts of a checkpoint that hold tensors, a file each: the model, what learning keeps, and what an algorithm
brings besides."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import safetensors.torch
import torch
from torch import Tensor

from option_critic.algorithms.settings import SETTINGS
from option_critic.algorithms.table import brought_by
from option_critic.model.option_model import OptionModel, outline
from option_critic.model.size import NetworkSizeError
from option_critic.runs.paths import CheckpointError, RunPath
from option_critic.runs.replay_files import list_forms, list_of, take_list
from option_critic.runs.tensor_files import Form, header, load
from option_critic.settings import Settings
from option_critic.spaces import Spaces
from option_critic.training.state import TrainState

DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
"""What safetensors calls them; networks of users hold all kinds."""
GENERATORS = ("option", "action", "batch")
MAX_GENERATOR = 1 << 16
"""Bytes of a random generator's state; PyTorch's take 5056 on the CPU, and fewer on other devices."""


@dataclass(frozen=True)
class Part:
    """One file of a checkpoint."""

    name: str
    tensors: Callable[[TrainState], dict[str, Tensor]]
    """what of a training is in it"""
    restore: Callable[[TrainState, dict[str, Tensor]], None]
    """put back"""
    forms: Callable[[OptionModel, dict[str, Form]], dict[str, Form]]
    """what must be in it, by the model without its weights; and by what is found, where that leaves a choice"""

    @property
    def file(self) -> str:
        """Its name in the folder."""
        return f"{self.name}.safetensors"


def parts_of(algorithm: str) -> tuple[Part, ...]:
    """The parts of a checkpoint of an agent that learns by `algorithm`."""
    brought = (
        Part(name, partial(_brought, name), partial(_restore_brought, name), partial(_brought_forms, start))
        for name, start in brought_by(algorithm).items()
    )
    return (MODEL, OPTIMIZER, *((REPLAY,) if SETTINGS[algorithm].replays else ()), *brought)


def check_parts(folder: RunPath, settings: Settings, spaces: Spaces) -> None:
    """Raise CheckpointError, naming the first that differs, unless all tensors are those of an agent with
    these settings and spaces. Reads headers only, and allocates nothing of the size that they claim."""
    parts = parts_of(settings.algorithm)
    found = {part.name: header(folder / part.file)[0] for part in parts}
    model = _outline(folder / MODEL.file, len(found[MODEL.name]), settings, spaces)
    for part in parts:
        compare(folder / part.file, found[part.name], part.forms(model, found[part.name]))


def load_finite(path: RunPath) -> dict[str, Tensor]:
    """The tensors of a file that was checked. Raises CheckpointError if a number in it is NaN or infinite."""
    tensors = load(path, safetensors.torch.load)
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path} holds numbers in {name} that are NaN or infinite; use another checkpoint")
    return tensors


def compare(path: RunPath, found: dict[str, Form], expected: dict[str, Form], by: str = "config.json") -> None:
    """Raise CheckpointError, naming the first tensor of `path` that is not as expected `by` another file."""
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise CheckpointError(f"{path} does not fit its {by}: it lacks the tensor {name}")
        if name not in expected:
            raise CheckpointError(f"{path} does not fit its {by}: it holds a tensor {name!r:.80} besides")
        if found[name] != expected[name]:
            raise CheckpointError(
                f"{path} does not fit its {by}: {name} is {_text(found[name])}, not {_text(expected[name])}"
            )


def form(tensor: Tensor) -> Form:
    """Of a tensor, with or without its numbers."""
    return DTYPES.get(tensor.dtype, str(tensor.dtype)), tuple(tensor.shape)


def _text(form: Form) -> str:
    return f"{form[0]} {list(form[1])!r:.80}"


def _outline(path: RunPath, tensors: int, settings: Settings, spaces: Spaces) -> OptionModel:
    """The model that the settings describe, without weights. `tensors` bounds its layers: each has two."""
    m = settings.model
    layers = 3 * m.policy_layers if m.shared_trunk else m.policy_layers + m.critic_layers + m.option_layers
    try:
        if 2 * layers <= tensors:
            return outline(
                spaces, settings.options.num_options, m, settings.options.definitions, settings.learning.replays
            )
    except (RuntimeError, TypeError, OverflowError, NetworkSizeError):
        pass  # sizes that no memory has
    raise CheckpointError(f"{path} does not fit its config.json, which describes a far larger network")


NEVER_NEGATIVE = re.compile(r".*\.moments\.(var|count)|adam/.*/(exp_avg_sq|step)")
"""Variances and counts of normalisers, and what Adam holds of squares and steps."""
IN_FLOAT32 = re.compile(r".*\.moments\.(mean|var)")
"""What is kept in float64 and used, or its root, in float32."""


def check_values(path: RunPath, tensors: dict[str, Tensor]) -> None:
    """Raise CheckpointError, naming the first tensor with numbers that it cannot hold: else the environment, or the
    learning rates, are blamed for what follows."""
    for name, tensor in tensors.items():
        if NEVER_NEGATIVE.fullmatch(name) and (tensor < 0).any():
            wrong = "negative, which none in it can be"
        elif IN_FLOAT32.fullmatch(name) and (root(name, tensor).abs() > torch.finfo(torch.float32).max).any():
            wrong = "beyond what float32 holds"
        else:
            continue
        raise CheckpointError(f"{path} holds numbers in {name} that are {wrong}; use another checkpoint")


def root(name: str, moments: Tensor) -> Tensor:
    """A variance as a standard deviation, which is what is used."""
    return moments.sqrt() if name.endswith(".var") else moments


def _model_tensors(state: TrainState) -> dict[str, Tensor]:
    return dict(state.model.state_dict())


def _restore_model(state: TrainState, tensors: dict[str, Tensor]) -> None:
    state.model.load_state_dict(tensors)


def _model_forms(model: OptionModel, _: dict[str, Form]) -> dict[str, Form]:
    return {name: form(t) for name, t in model.state_dict().items()}


def _learning_tensors(state: TrainState) -> dict[str, Tensor]:
    """Adam's state by parameter name, and the generators' states."""
    names = {id(p): name for name, p in state.model.named_parameters()}
    tensors = {
        f"adam/{names[id(p)]}/{key}": value
        for p, slots in state.optimizer.state.items()
        for key, value in slots.items()
    }
    return tensors | {f"generator/{name}": getattr(state.generators, name).get_state() for name in GENERATORS}


def _restore_learning(state: TrainState, tensors: dict[str, Tensor]) -> None:
    params = dict(state.model.named_parameters())
    for name, value in tensors.items():
        if name.startswith("adam/"):
            param = params[name.split("/")[1]]
            key = name.split("/")[2]  # the fused Adam keeps its step count on the device as well
            state.optimizer.state[param][key] = value.to(param.device)
    for name in GENERATORS:
        generator: torch.Generator = getattr(state.generators, name)
        saved = tensors[f"generator/{name}"]
        if saved.shape == generator.get_state().shape:  # a generator of another device starts anew
            generator.set_state(saved)


def _learning_forms(model: OptionModel, found: dict[str, Form]) -> dict[str, Form]:
    """Adam's slots (all or none of a parameter: it makes them with the first gradient) and the generators, whose
    length is that of the device they were on."""
    learned = {id(p) for group in model.parameter_groups() for p in group["params"]}
    forms: dict[str, Form] = {}
    for name, param in model.named_parameters():
        slots = {"exp_avg": form(param), "exp_avg_sq": form(param), "step": ("F32", ())}
        if id(param) in learned and any(f"adam/{name}/{key}" in found for key in slots):
            forms |= {f"adam/{name}/{key}": expected for key, expected in slots.items()}
    for name in (f"generator/{name}" for name in GENERATORS):
        dtype, shape = found.get(name, ("U8", (0,)))
        sound = dtype == "U8" and len(shape) == 1 and shape[0] <= MAX_GENERATOR
        forms[name] = (dtype, shape) if sound else ("U8", (5056,))
    return forms


def _brought(name: str, state: TrainState) -> dict[str, Tensor]:
    return state.parts[name]


def _restore_brought(name: str, state: TrainState, tensors: dict[str, Tensor]) -> None:
    for key, tensor in state.parts[name].items():
        tensor.copy_(tensors[key])


def _brought_forms(
    start: Callable[[OptionModel], dict[str, Tensor]], model: OptionModel, _: dict[str, Form]
) -> dict[str, Form]:
    return {name: form(t) for name, t in start(model).items()}


MODEL = Part("model", _model_tensors, _restore_model, _model_forms)
OPTIMIZER = Part("optimizer", _learning_tensors, _restore_learning, _learning_forms)
REPLAY = Part("replay", list_of, take_list, lambda _, found: list_forms(found))

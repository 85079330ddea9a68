"""Whether the tensors of a checkpoint are those that its configuration implies, found out before any is loaded."""

from __future__ import annotations

from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from option_critic.model.option_model import OptionModel, outline
from option_critic.settings import Settings
from option_critic.spaces import Spaces
from option_critic.training.folders import CheckpointError

GENERATORS = ("option", "action", "batch")
MAX_HEADER = 1 << 20
"""Bytes; a header names all tensors, and takes a hundred bytes for each."""
MAX_GENERATOR = 1 << 16
"""Bytes of a random generator's state; PyTorch's take 5056 on the CPU, and fewer on other devices."""
DTYPES = {torch.float32: "F32", torch.float64: "F64"}

Form = tuple[str, tuple[int, ...]]
"""(dtype as safetensors calls it, shape) of one tensor."""


def check_tensors(folder: Path, settings: Settings, spaces: Spaces) -> None:
    """Raise CheckpointError, naming the first that differs, unless all tensors are those of an agent with
    these settings and spaces. Reads headers only, and allocates nothing of the size that they claim."""
    model_file, learning_file = folder / "model.safetensors", folder / "optimizer.safetensors"
    found, learning = header(model_file), header(learning_file)
    model = _outline(model_file, len(found), settings, spaces)
    _compare(model_file, found, {name: _form(t) for name, t in model.state_dict().items()})
    _compare(learning_file, learning, _learning_forms(model, learning))


def header(path: Path) -> dict[str, Form]:
    """Name -> form of each tensor in a safetensors file. Raises CheckpointError if it is none."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER:
            raise CheckpointError(f"{path} is no safetensors file of ours: its header claims {length:,} bytes")
        with safetensors.safe_open(path, framework="pt") as file:
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  (it is no dict)
            return {name: (part.get_dtype(), tuple(part.get_shape())) for name, part in parts.items()}
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{path} is no whole safetensors file: {error}") from error


def load_finite(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that was checked. Raises CheckpointError if a number in it is NaN or infinite."""
    tensors: dict[str, Tensor] = safetensors.torch.load_file(path)
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path} holds numbers in {name} that are NaN or infinite; use another checkpoint")
    return tensors


def _outline(path: Path, tensors: int, settings: Settings, spaces: Spaces) -> OptionModel:
    """The model that the settings describe, without weights. `tensors` bounds its layers: each has two."""
    m = settings.model
    layers = 3 * m.policy_layers if m.shared_trunk else m.policy_layers + m.critic_layers + m.option_layers
    try:
        if 2 * layers <= tensors:
            return outline(spaces, settings.options.num_options, m)
    except (RuntimeError, TypeError, OverflowError):
        pass  # sizes that no memory has
    raise CheckpointError(f"{path} does not fit its config.json, which describes a far larger network")


def _learning_forms(model: OptionModel, found: dict[str, Form]) -> dict[str, Form]:
    """What optimizer.safetensors must hold: Adam's slots (all or none of a parameter: it makes them with the
    first gradient) and the generators, whose length is that of the device they were on."""
    learned = {id(p) for group in model.parameter_groups() for p in group["params"]}
    forms: dict[str, Form] = {}
    for name, param in model.named_parameters():
        slots = {"exp_avg": _form(param), "exp_avg_sq": _form(param), "step": ("F32", ())}
        if id(param) in learned and any(f"adam/{name}/{key}" in found for key in slots):
            forms |= {f"adam/{name}/{key}": form for key, form in slots.items()}
    for name in (f"generator/{name}" for name in GENERATORS):
        dtype, shape = found.get(name, ("U8", (0,)))
        sound = dtype == "U8" and len(shape) == 1 and shape[0] <= MAX_GENERATOR
        forms[name] = (dtype, shape) if sound else ("U8", (5056,))
    return forms


def _compare(path: Path, found: dict[str, Form], expected: dict[str, Form]) -> None:
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise CheckpointError(f"{path} does not fit its config.json: it lacks the tensor {name}")
        if name not in expected:
            raise CheckpointError(f"{path} does not fit its config.json: it holds a tensor {name!r:.80} besides")
        if found[name] != expected[name]:
            raise CheckpointError(
                f"{path} does not fit its config.json: {name} is {_text(found[name])}, not {_text(expected[name])}"
            )


def _form(tensor: Tensor) -> Form:
    return DTYPES.get(tensor.dtype, str(tensor.dtype)), tuple(tensor.shape)


def _text(form: Form) -> str:
    return f"{form[0]} {list(form[1])!r:.80}"

"""Files of tensors: what they claim to hold, compared with what they must, before any of it is loaded."""

from __future__ import annotations

from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from option_critic.runs.files import CheckpointError

MAX_HEADER = 1 << 20
"""Bytes; a header names all tensors, and takes a hundred bytes for each."""
DTYPES = {torch.float32: "F32", torch.float64: "F64"}

Form = tuple[str, tuple[int, ...]]
"""(dtype as safetensors calls it, shape) of one tensor."""


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


def compare(path: Path, found: dict[str, Form], expected: dict[str, Form]) -> None:
    """Raise CheckpointError, naming the first tensor of `path` that is not as expected."""
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise CheckpointError(f"{path} does not fit its config.json: it lacks the tensor {name}")
        if name not in expected:
            raise CheckpointError(f"{path} does not fit its config.json: it holds a tensor {name!r:.80} besides")
        if found[name] != expected[name]:
            raise CheckpointError(
                f"{path} does not fit its config.json: {name} is {_text(found[name])}, not {_text(expected[name])}"
            )


def form(tensor: Tensor) -> Form:
    """Of a tensor, with or without its numbers."""
    return DTYPES.get(tensor.dtype, str(tensor.dtype)), tuple(tensor.shape)


def _text(form: Form) -> str:
    return f"{form[0]} {list(form[1])!r:.80}"

"""Files of tensors: what they claim to hold, read before anything of that size is. Needs no PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
import safetensors

from option_critic.runs.files import MAX_TENSORS
from option_critic.runs.handles import read_all
from option_critic.runs.paths import CheckpointError, RunPath

MAX_HEADER = 1 << 20
"""Bytes; a header names all tensors, and takes a hundred bytes for each."""

T = TypeVar("T")
Form = tuple[str, tuple[int, ...]]
"""(dtype as safetensors calls it, shape) of one tensor."""


class Entry(msgspec.Struct):
    """What a header says of a tensor."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def header(path: RunPath) -> tuple[dict[str, Form], dict[str, str]]:
    """(name -> form of each tensor, metadata) of a safetensors file. Raises CheckpointError if it is none.

    What is loaded later the library checks again.
    """
    with path.opened(MAX_TENSORS) as (handle, size):
        length = int.from_bytes(read_all(handle, 8), "little")
        if length > MAX_HEADER:
            raise CheckpointError(f"{path} is no safetensors file of ours: its header claims {length:,} bytes")
        text = read_all(handle, length)
    try:
        found = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        meta = msgspec.json.decode(found.pop("__metadata__", b"{}"), type=dict[str, str])
        entries = {name: msgspec.json.decode(raw, type=Entry) for name, raw in found.items()}
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise CheckpointError(f"{path} is no whole safetensors file: {error}") from error
    whole = 8 + length + max((entry.data_offsets[1] for entry in entries.values()), default=0)
    if size != whole:
        raise CheckpointError(f"{path} is no whole safetensors file: it has {size:,} bytes, not {whole:,}")
    return {name: (entry.dtype, entry.shape) for name, entry in entries.items()}, meta


def load(path: RunPath, decode: Callable[[bytes], dict[str, T]]) -> dict[str, T]:
    """The tensors of a file, by the library for the arrays that are wanted. Raises CheckpointError."""
    try:
        return decode(path.read(MAX_TENSORS))
    except (safetensors.SafetensorError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is no whole safetensors file: {error}") from error

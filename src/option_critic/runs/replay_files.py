"""The transitions that a run learns from, in files beside its checkpoints: each row is written once.

    replay/<first row>-<row after the last>.safetensors

A boundary writes the rows since the one before, and lists which files hold what it had, with their checksums (its part
`replay`). So a save costs what is new, however much is kept. Only going on with a run reads them: an agent that is
loaded begins with none.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import shutil
import tempfile
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch
from torch import Tensor

from option_critic.errors import InputError
from option_critic.functional.arrays import NDArray
from option_critic.runs.files import MAX_TENSORS
from option_critic.runs.inventory import boundaries
from option_critic.runs.paths import CheckpointError, RunPath
from option_critic.runs.tensor_files import Form, header, load
from option_critic.spaces import Spaces
from option_critic.training.replay import KEPT, Columns, Replay, Segment
from option_critic.training.state import TrainState

FOLDER = "replay"
PART = f"{FOLDER}.safetensors"
"""The list, in a checkpoint."""
COUNTS = ("added", "decisions", "updates")
PORTION = 256 << 20
"""Bytes of a file at most, about: so much more memory does a save take."""
MAPPED = 2 << 30
"""Bytes of a column from which on it lies on the disk."""
MAX_SEGMENTS = 100_000
NAMES = {"i2": "I16", "i4": "I32", "b1": "BOOL", "f4": "F32"}
"""numpy's dtypes as safetensors calls them."""


def make_room(run: RunPath, state: TrainState) -> None:
    """Let columns of transitions lie in memory, or where one is larger than `MAPPED` on the disk that the run is on, in
    a file without a name, which goes with this process."""
    there = next(p for p in (run.base, *run.base.parents) if p.is_dir())

    def zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray:
        size = math.prod(shape) * dtype.itemsize
        if size < MAPPED:
            return np.zeros(shape, dtype)
        free = shutil.disk_usage(there).free  # where it filled later, the process would be killed
        if 2 * size > free:
            raise InputError(
                f"buffer_size {shape[0] * shape[1]:,} takes {2 * size / 1e9:,.1f} GB, states and successors, and "
                f"{free / 1e9:,.1f} GB are free on the disk of {there}: set a smaller one"
            )
        with tempfile.TemporaryFile(dir=there) as file:
            file.truncate(size)
            return np.memmap(file, dtype, "r+", shape=shape)

    if state.replay is not None:
        state.replay.room = zeros


def file_of(segment: Segment) -> str:
    """Its name."""
    return f"{segment.start:012d}-{segment.end:012d}.safetensors"


def keep(run: RunPath, replay: Replay) -> None:
    """Write the rows that lie in no file yet. Raises OSError."""
    start = max(replay.oldest, max((s.end for s in replay.segments), default=0))
    size = sum(x[:1].nbytes for x in replay.columns.values())
    while start < replay.added:
        end = min(replay.added, start + max(1, PORTION // size))
        data = safetensors.numpy.save(replay.between(start, end))
        segment = Segment(start, end, hashlib.sha256(data).digest())
        (run / FOLDER / file_of(segment)).write(data)
        replay.segments = (*replay.segments, segment)
        start = end
    replay.segments = tuple(s for s in replay.segments if s.end > replay.oldest)


def tidy(run: RunPath) -> None:
    """Delete the files that no boundary lists any more."""
    listed: set[str] = set()
    for folder in boundaries(run):
        with contextlib.suppress(CheckpointError, KeyError):
            listed |= {file_of(s) for s in read_list(load(folder / PART, safetensors.torch.load))}
    for name in (run / FOLDER).names():
        if name not in listed:
            with contextlib.suppress(OSError):
                (run / FOLDER / name).remove()


def restore(run: RunPath, state: TrainState, spaces: Spaces) -> None:
    """Put back what the boundary of `state` had. Raises CheckpointError, naming the file, where one is not whole."""
    replay = state.replay
    if replay is None or replay.listed is None:
        return
    counts, segments = replay.listed
    make_room(run, state)
    for segment in segments:
        replay.added = replay.added or segment.start
        replay.extend(read_segment(run / FOLDER / file_of(segment), segment, spaces))
    if replay.added != counts["added"]:
        raise CheckpointError(f"{run / FOLDER} ends at row {replay.added:,}, its checkpoint at {counts['added']:,}")
    replay.decisions, replay.updates, replay.segments = counts["decisions"], counts["updates"], segments


def read_segment(path: RunPath, segment: Segment, spaces: Spaces) -> Columns:
    """The rows of a file, compared with what its list and the spaces say. Raises CheckpointError."""
    found, _ = header(path)
    envs = found.get("reward", ("", (0, 0)))[1][1:2]
    shapes: dict[str, tuple[int, ...]] = {"obs": (spaces.row.width,), "action": spaces.policy_shape}
    shapes["next_obs"] = shapes["obs"]
    for name in (*KEPT, *shapes):
        dtype, shape = found.get(name, ("none", ()))
        kind = NAMES[np.dtype(KEPT[name]).str[1:]] if name in KEPT else dtype
        expected: Form = (kind, (segment.end - segment.start, *envs, *shapes.get(name, ())))
        if (dtype, shape) != expected or len(found) != len(KEPT) + len(shapes):
            raise CheckpointError(f"{path} does not fit its checkpoint: {name} is {dtype} {list(shape)!r:.80}")
    data = path.read(MAX_TENSORS)
    if hashlib.sha256(data).digest() != segment.sum:
        raise CheckpointError(
            f"{path} is damaged: its checksum is not the one in the checkpoint; load the agent to train it on from "
            "new transitions"
        )
    return load(path, safetensors.numpy.load)


def list_of(state: TrainState) -> dict[str, Tensor]:
    """What a checkpoint says of the transitions: counts, files, checksums."""
    replay = state.replay
    assert replay is not None
    places = torch.tensor([[s.start, s.end] for s in replay.segments], dtype=torch.int64, device="cpu").reshape(-1, 2)
    sums = torch.tensor([list(s.sum) for s in replay.segments], dtype=torch.uint8, device="cpu").reshape(-1, 32)
    counts = {n: torch.tensor(getattr(replay, n), dtype=torch.int64, device="cpu") for n in COUNTS}
    return counts | {"segments": places, "sums": sums}


def take_list(state: TrainState, tensors: dict[str, Tensor]) -> None:
    """Keep in mind what a checkpoint says of them, for `restore`."""
    assert state.replay is not None
    state.replay.listed = {name: int(tensors[name]) for name in COUNTS}, read_list(tensors)


def read_list(tensors: dict[str, Tensor]) -> tuple[Segment, ...]:
    """The files, in their order. Raises CheckpointError unless they follow upon each other."""
    places, sums = tensors["segments"].tolist(), tensors["sums"].tolist()
    segments = tuple(Segment(start, end, bytes(x)) for (start, end), x in zip(places, sums, strict=True))
    ends = [segments[0].start if segments else 0, *(s.end for s in segments)]
    if any(not 0 <= s.start < s.end or s.start != end for s, end in zip(segments, ends, strict=False)):
        raise CheckpointError("the list of replayed transitions in the checkpoint is damaged")
    return segments


def list_forms(found: dict[str, Form]) -> dict[str, Form]:
    """What must be in the list, by what is found of its length."""
    shape = found.get("segments", ("", (0, 2)))[1]
    count = shape[0] if shape and shape[0] <= MAX_SEGMENTS else 0
    counts: dict[str, Form] = {name: ("I64", ()) for name in COUNTS}
    return counts | {"segments": ("I64", (count, 2)), "sums": ("U8", (count, 32))}

"""Processes that learn together: which rows are whose, and what all of them have, put together in the order of ranks.

Every rank holds the whole agent and steps its own share of the environments. What crosses is a rollout, once an
iteration, and a gradient for each minibatch. Both are gathered and then put together in the order of the ranks, by each
rank for itself: sums that a library reduces on the way have no order of their own, and weights would drift apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")


def alone(x: Tensor) -> list[Tensor]:
    """What all ranks have, where there is one."""
    return [x]


@dataclass(frozen=True)
class Ranks:
    """The processes of one training, and which of them this is."""

    rank: int = 0
    count: int = 1
    gather: Callable[[Tensor], list[Tensor]] = alone
    """A tensor -> those of all ranks, in their order. All have one shape and type. Raises RunError where a rank is
    gone."""

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether there is no other: then everything is as without ranks."""
        return self.count == 1

    def lengths(self, total: int) -> list[int]:
        """How many of so many rows are whose: (nearly) equal shares."""
        length, longer = divmod(total, self.count)
        return [length + (rank < longer) for rank in range(self.count)]

    def share(self, total: int) -> slice:
        """Which of so many rows are this rank's."""
        lengths = self.lengths(total)
        start = sum(lengths[: self.rank])
        return slice(start, start + lengths[self.rank])


ALONE = Ranks()


def all_of(answer: bool, ranks: Ranks) -> bool:
    """Whether every rank says yes."""
    if ranks.is_alone:
        return answer
    return all(bool(x) for x in ranks.gather(torch.tensor([answer], dtype=torch.bool, device="cpu")))


def whole(record: Record, ranks: Ranks) -> Record:
    """A record of tensors [T, B / ranks, ...], and of such records -> the same of all ranks: [T, B, ...]. What is no
    tensor stays as it is, and must be the same everywhere."""
    if ranks.is_alone:
        return record
    parts = list(tensors_of(record))
    raw = [x.contiguous().flatten().view(torch.uint8) for x in parts]
    sizes = [len(x) for x in raw]
    told = [torch.split(packed, sizes) for packed in ranks.gather(torch.cat(raw))]
    joined = (
        torch.cat([piece.clone().view(x.dtype).view(x.shape) for piece in pieces], dim=1)  # cloned: aligned
        for x, pieces in zip(parts, zip(*told, strict=True), strict=True)
    )
    return filled(record, joined)


def tensors_of(record: DataclassInstance) -> Iterator[Tensor]:
    """Those in a record, and in the records in it."""
    for f in fields(record):
        value = getattr(record, f.name)
        if isinstance(value, Tensor):
            yield value
        elif is_dataclass(value) and not isinstance(value, type):
            yield from tensors_of(value)


def filled(record: Record, others: Iterable[Tensor]) -> Record:
    """The record with other tensors, in the order of `tensors_of`."""
    left = iter(others)

    def fill(value: Any) -> Any:
        if isinstance(value, Tensor):
            return next(left)
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{f.name: fill(getattr(value, f.name)) for f in fields(value)})
        return value

    new: Record = fill(record)
    return new


def weighed(x: Tensor, total: int, ranks: Ranks) -> Tensor:
    """Means over this rank's share of so many rows -> those over all of them, each rank with the weight of its share.
    The same bits on every rank."""
    lengths = ranks.lengths(total)
    mean = torch.zeros_like(x)
    for length, of_rank in zip(lengths, ranks.gather(x), strict=True):
        if length:  # without rows there is no mean
            mean += of_rank * (length / total)
    return mean


def fingerprint(tensors: Mapping[str, Tensor], counts: Iterable[int]) -> Tensor:
    """SHA-256 [32] of named tensors and some counts."""
    found = hashlib.sha256(repr(tuple(counts)).encode())
    for name, x in sorted(tensors.items()):
        found.update(name.encode())
        found.update(x.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return torch.frombuffer(bytearray(found.digest()), dtype=torch.uint8)

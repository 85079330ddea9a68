"""Ranks that `torchrun` started: how they find each other, talk, and end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

from option_critic.cores import take_share
from option_critic.envs.orphans import when_parent_dies
from option_critic.errors import RunError
from option_critic.ranks.meeting import met

if TYPE_CHECKING:
    from torch import Tensor

    from option_critic.ranks.ranks import Ranks

HANGS = timedelta(hours=1)
"""So long a rank may let the others wait: the first one judges meanwhile. One that is dead is noticed at once."""
GONE = (
    "another rank of this training is gone, or could not be reached; what was saved is whole, and the same command "
    "with --resume auto goes on from the last checkpoint"
)


def told(name: str, default: int, environment: Mapping[str, str]) -> int:
    """A number that torchrun tells its processes; elsewhere variables of that name may mean anything."""
    return int(environment[name]) if "TORCHELASTIC_RUN_ID" in environment else default


def world_size(environment: Mapping[str, str] = os.environ) -> int:
    """How many processes torchrun started; 1 without it."""
    return told("WORLD_SIZE", 1, environment)


def rank_here(environment: Mapping[str, str] = os.environ) -> int:
    """Which of them this is."""
    return told("RANK", 0, environment)


def is_restarted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether torchrun starts them again, after one of them failed."""
    return told("TORCHELASTIC_RESTART_COUNT", 0, environment) > 0


@contextmanager
def joined(device: str = "cpu") -> Iterator[Ranks]:
    """The ranks that torchrun started; without it, the one that there is. `device`: where networks live; with cuda each
    rank of a machine gets a GPU of its own, or they share those there are.

    Ties the process to its share of the machine's cores, and to the life of torchrun. Raises RunError where the others
    are not to be reached.
    """
    from option_critic.ranks.ranks import ALONE, Ranks

    count = world_size()
    if count == 1:
        yield ALONE
        return
    when_parent_dies(signal.SIGKILL)
    local, of = told("LOCAL_RANK", 0, os.environ), told("LOCAL_WORLD_SIZE", 1, os.environ)
    take_share(local, of)
    import torch
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    gpus = torch.cuda.device_count() if device in ("auto", "cuda") and torch.cuda.is_available() else 0
    if gpus:
        torch.cuda.set_device(local % gpus)
    nccl = gpus >= of
    try:
        store, rank, _ = next(rendezvous("env://", timeout=HANGS))
        theirs = met(store, rank, count, HANGS)
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if nccl else "gloo", store=theirs, rank=rank, world_size=count, timeout=HANGS
        )
    except RuntimeError as error:
        raise RunError(GONE) from error
    try:
        yield Ranks(rank_here(), count, gathering(count, nccl))
    finally:
        distributed.destroy_process_group()


def leave(code: int) -> NoReturn:
    """End this rank, of whom all is written, said and closed, without Python's own end: threads of PyTorch's network
    that still run then may abort it (seen once), and torchrun takes that for a failure."""
    os._exit(code)


def gathering(count: int, nccl: bool) -> Callable[[Tensor], list[Tensor]]:
    """What gathers a tensor of all ranks. `nccl`: those of GPUs need not come by way of the CPU."""
    import torch
    from torch import distributed

    def gather(x: Tensor) -> list[Tensor]:
        near = x.contiguous() if nccl else x.cpu().contiguous()
        found = [torch.empty_like(near) for _ in range(count)]
        try:
            distributed.all_gather(found, near)
        except RuntimeError as error:
            raise RunError(GONE) from error
        return [y.to(x.device) for y in found]

    return gather

"""What a recording knows of PyTorch's operations: which make a name, which a constant, which can be called faster.

Nothing here changes a bit of a result. Operations that this file does not know are called as they were.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

VIEWS = frozenset({"alias", "detach", "expand", "permute", "select", "slice", "squeeze", "t", "transpose", "unsqueeze",
                   "view"})  # fmt: skip
"""Another name for the memory of their first argument."""
FROM_SHAPES = frozenset({"new_empty", "new_full", "new_ones", "new_zeros", "ones_like", "scalar_tensor", "zeros_like"})
"""What they make depends on the shape of their argument alone."""
TAKE_NUMBERS = frozenset({"add", "div", "eq", "ge", "gt", "le", "lt", "mul", "sub"})
"""With a number in second place they take three times as long as with a tensor of no dimension."""
KNOWN = (
    "_foreach_norm _log_softmax _log_softmax_backward_data abs add addmm bitwise_and bitwise_not bitwise_or cat clamp "
    "div eq exp expm1 gather ge gt heaviside le log logical_and lt masked_fill maximum mean minimum mm mul neg pow "
    "reciprocal rsub scatter scatter_add sigmoid sqrt squeeze stack std sub sum t unsqueeze where"
)
"""Of the same name in `torch`, whose callers parse arguments in half the time of `torch.ops`."""
SHORT: dict[str, Callable[..., Any]] = {
    **{name: getattr(torch, name) for name in KNOWN.split()},
    "expand": Tensor.expand,
    "view": Tensor.view,
    "linalg_vector_norm": torch.linalg.vector_norm,
}


def name_of(operation: OpOverload) -> str:
    """`mul` of `aten::mul.Tensor`."""
    return operation._schema.name.split("::")[1]


def shortest(name: str, operation: OpOverload, kwargs: dict[str, Any]) -> Callable[..., Any]:
    """The same operation, called with the least effort."""
    if name == "_to_copy" and list(kwargs) == ["dtype"]:
        return Tensor.to
    return SHORT.get(name, operation)


def out_of_place(operation: OpOverload) -> OpOverload | None:
    """`mul` for `mul_`, which leaves its first argument as it is; none where there is none."""
    name = name_of(operation)
    packet = getattr(torch.ops.aten, name.removesuffix("_"), None) if name.endswith("_") else None
    return getattr(packet, operation._overloadname, None)


def is_fixed_by_shapes(operation: OpOverload) -> bool:
    """Whether the result is a constant as long as shapes are."""
    return name_of(operation) in FROM_SHAPES


def is_random(operation: OpOverload) -> bool:
    """Whether it draws from a generator."""
    return torch.Tag.nondeterministic_seeded in operation.tags


def reads_numbers(operation: OpOverload, args: tuple[Any, ...]) -> bool:
    """Whether what it gives back, or its shape, depends on the numbers in a tensor: a mask as index, `item`."""
    tags = (torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output)
    if name_of(operation) == "index":  # by whole numbers the shape is known
        return any(isinstance(x, Tensor) and not is_whole(x) for x in args[1])
    return any(tag in operation.tags for tag in tags)


def is_whole(x: Tensor) -> bool:
    """Whole numbers, no truth values."""
    return x.dtype in (torch.int32, torch.int64)


def is_the_same(name: str, out: Tensor, args: tuple[Any, ...]) -> bool:
    """Whether the result is the first argument, bit for bit and in the same layout."""
    if name == "pow":
        return not isinstance(args[1], Tensor) and args[1] == 1
    if name not in VIEWS:
        return False
    x: Tensor = args[0]
    return (out.shape, out.stride(), out.dtype) == (x.shape, x.stride(), x.dtype)

"""A function of tensors, recorded once and then repeated: the same operations on the same memory, without the Python
and the bookkeeping of gradients between them.

An update of a small minibatch is some four hundred small operations, forwards and backwards. To find out which takes
three times as long as to do them, and is the same for every minibatch. So they are written down as they pass PyTorch's
dispatcher, those of the gradients too, and repeated from the list. Losses stay equations, and gradients autograd's.

No bit changes by what is left out of the list: what was computed twice, what nothing uses, what no argument reaches
(it is kept as it was), second names of the same memory. So a recording is good for one call of `improve`, in which
nothing changes but minibatches, and weights, in place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from option_critic.algorithms.operations import (
    TAKE_NUMBERS,
    VIEWS,
    is_fixed_by_shapes,
    is_random,
    is_the_same,
    name_of,
    out_of_place,
    reads_numbers,
    shortest,
)
from option_critic.functional.anew import LISTENER, Function

Program = Callable[..., list[Tensor]]


class NotRecordableError(Exception):
    """What is done depends on more than the shapes of the arguments."""


@dataclass(frozen=True)
class Slot:
    """A tensor of a recording by its number."""

    number: int


@dataclass(frozen=True)
class Step:
    """One operation, with a Slot for each tensor in its arguments."""

    name: str
    function: Callable[..., Any]
    args: list[Any]
    kwargs: dict[str, Any]
    out: list[Slot]
    is_list: bool
    """it gives a list"""

    @property
    def sources(self) -> list[Slot]:
        """What it reads."""
        return [x for arg in (*self.args, *self.kwargs.values()) for x in (arg if isinstance(arg, list) else [arg])
                if isinstance(x, Slot)]  # fmt: skip


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down what is done with `arguments` and `weights` while it is active. Weights keep their memory."""

    def __init__(self, arguments: Sequence[Tensor], weights: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.slots: dict[int, Slot] = {}
        """identity of a tensor -> its slot. Only what changes from call to call, and constants that a step reads"""
        self.tensors: list[Tensor | None] = []
        """in each slot"""
        self.kept: list[Any] = []
        """all results, so that no tensor gets the identity, or the memory, of one before it"""
        self.names: Counter[int] = Counter()
        """address of memory -> how many tensors with a slot lie there"""
        self.steps: list[Step] = []
        self.made: dict[Slot, Step] = {}
        """by which step"""
        self.done: dict[str, Slot] = {}
        """what a step does -> where its result is"""
        self.is_paused = False
        self.numbers: dict[tuple[float, torch.dtype], Tensor] = {}
        """Python's numbers as tensors ..."""
        self.number_in: dict[Slot, float] = {}
        """... and which is in a slot"""
        self.arguments = [self._place(x) for x in arguments]
        self.lasting = {self._place(x) for x in weights}
        """memory of weights, by all its names"""
        self.given = frozenset(self.arguments) | self.lasting
        self.changing = set(self.given)
        """what depends on arguments or weights; all else is a constant"""

    def __enter__(self) -> Self:
        self.token = LISTENER.set(self._ask)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *failed: Any) -> None:
        LISTENER.reset(self.token)
        super().__exit__(*failed)  # type: ignore[no-untyped-call]

    def _ask(self, function: Function, args: tuple[Tensor, ...]) -> Tensor:
        """Write the function down as one operation, whatever it does."""
        if self.is_paused:  # one asks another
            return function(*args)

        def ask(*now: Tensor) -> Tensor:
            with torch.inference_mode(False), torch.no_grad():
                return function(*now)

        self.is_paused = True
        out = ask(*args)
        self.is_paused = False
        self.kept.append((ask, out))
        self._append(Step(f"ask{len(self.steps)}", ask, [self._read(x) for x in args], {}, [self._place(out)], False))
        return out

    def __torch_dispatch__(self, func: OpOverload, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do it, and write it down."""
        kwargs = kwargs or {}
        if self.is_paused:
            return func(*args, **kwargs)
        if is_random(func) or reads_numbers(func, args):
            raise NotRecordableError(str(func))
        out = func(*args, **kwargs)
        self.kept.append(out)
        sources = {self.slots[id(x)] for x in tensors_in((*args, *kwargs.values())) if id(x) in self.slots}
        sources &= self.changing
        if func._schema.is_mutable:
            self._write_in_place(func, args, kwargs, bool(sources))
        elif sources and not is_fixed_by_shapes(func):
            name = name_of(func)
            if is_the_same(name, out, args):
                self._name(out, self.slots[id(args[0])])
            elif name in VIEWS and sources <= self.lasting:
                self.lasting.add(self._place(out))
                self.changing |= self.lasting
            else:
                self._write(name, func, args, kwargs, out)
        return out

    def _write_in_place(self, func: OpOverload, args: Any, kwargs: dict[str, Any], changes: bool) -> None:
        """As a step that leaves its argument alone; its result is the argument from now on."""
        instead = out_of_place(func)
        names = self.names[address(args[0])] if isinstance(args[0], Tensor) else 0
        if instead is not None and not changes and not names:
            return  # a constant in the making
        slot = self.slots.get(id(args[0]))
        if instead is None or slot not in self.changing or slot in self.given or names > 1:
            raise NotRecordableError(f"{func} changes what is known by another name")
        self._write(name_of(instead), instead, args, kwargs, args[0])

    def _write(self, name: str, func: OpOverload, args: Any, kwargs: dict[str, Any], out: Any) -> None:
        """A step, unless its result is there already."""
        if name == "rsub" and len(args) == 2:
            name, args = "sub", (self._number(args[1], args[0]), args[0])
        if name == "mean" and len(args) == 1 and not kwargs:  # as it is computed, less a check
            total = args[0].sum()
            self.kept.append(total)
            self._write("sum", torch.ops.aten.sum.default, args, {}, total)
            name, func, args = "div", torch.ops.aten.div.Tensor, (total, args[0].numel())
        if name in TAKE_NUMBERS and len(args) == 2 and not kwargs:
            args = (args[0], self._number(args[1], args[0]))
        read, named = [self._read(x) for x in args], {key: self._read(x) for key, x in kwargs.items()}
        name, read, named = self._joined(name, read, named, out)
        key = f"{name} {func._overloadname} {read} {named}"
        if name == "nothing":
            self._name(out, read[0])
        elif key in self.done:
            self._name(out, self.done[key])
        else:
            results = list(out) if isinstance(out, list | tuple) else [out]
            places = [self._place(x) for x in results]
            step = Step(name, shortest(name, func, named), read, named, places, results[0] is not out)
            self._append(step)
            if not step.is_list:
                self.done[key] = places[0]

    def _append(self, step: Step) -> None:
        self.steps.append(step)
        self.changing.update(step.out)
        self.made.update(dict.fromkeys(step.out, step))

    def _joined(
        self, name: str, read: list[Any], named: dict[str, Any], out: Any
    ) -> tuple[str, list[Any], dict[str, Any]]:
        """An operation and those before it as one that gives the same bits, where there is one."""
        made = [self.made.get(x) if isinstance(x, Slot) else None for x in read]
        before, last = made[0], made[-1]
        if before is not None and name == before.name and name in ("neg", "t"):
            return "nothing", before.args, {}
        if before is not None and (name, before.name, before.args[1:]) == ("view", "sum", [[0], True]):
            rows: Tensor = self.tensors[before.args[0].number]
            if out.shape == rows.shape[1:]:
                return "sum", [before.args[0], [0]], {}
        twice = name == "mul" and self.number_in.get(read[1]) == 2
        if twice and before is not None and before.name == "addmm" and not before.kwargs:
            return "addmm", before.args, {"beta": 2, "alpha": 2}  # 2 (a + b c) = 2 a + 2 b c, exactly
        if last is not None and (name, last.name) == ("add", "neg") and len(read) == 2:
            return "sub", [read[0], last.args[0]], named
        return name, read, named

    def _place(self, x: Tensor | None) -> Slot:
        """A slot of its own for a tensor, or for a gradient that nobody asked for (of a convolution's images)."""
        slot = Slot(len(self.tensors))
        self.tensors.append(x)
        if x is not None:
            self._name(x, slot)
        return slot

    def _name(self, x: Tensor, slot: Slot) -> None:
        """`x` is what is in `slot`."""
        self.names[address(x)] += id(x) not in self.slots
        self.slots[id(x)] = slot

    def _read(self, x: Any) -> Any:
        """The slot of a tensor, or those of a list; what is no tensor as it is."""
        if isinstance(x, Tensor):
            return self.slots[id(x)] if id(x) in self.slots else self._place(x)
        return [self._read(y) for y in x] if isinstance(x, list | tuple) else x

    def _number(self, value: Any, like: Tensor) -> Any:
        """A number beside `like` as a tensor of no dimension; all else as it is."""
        if not isinstance(value, int | float) or not like.is_floating_point():
            return value
        if (value, like.dtype) not in self.numbers:
            number = torch.tensor(value, dtype=like.dtype, device=like.device)
            self.numbers[value, like.dtype] = number
            self.number_in[self._place(number)] = value
        return self.numbers[value, like.dtype]


def program(recorder: Recorder, results: Sequence[Tensor]) -> Program:
    """What was recorded, as a function of new arguments: what the `results` are then. One line for each step that they
    need, in Python, since that is the fastest way to call one after the other."""
    wanted = [recorder.slots[id(x)] if id(x) in recorder.slots else recorder._place(x) for x in results]
    steps = needed(recorder.steps, wanted)
    made = {slot for step in steps for slot in step.out} | set(recorder.arguments)
    known: dict[str, Any] = {}
    calls: dict[Callable[..., Any], str] = {}

    def text(x: Any) -> str:
        if isinstance(x, list):
            return f"[{', '.join(map(text, x))}]"
        name = f"x{x.number}" if isinstance(x, Slot) else f"k{len(known)}"
        if not isinstance(x, Slot):
            known[name] = x
        elif x not in made:
            known[name] = recorder.tensors[x.number]
        return name

    lines = [f"def program({', '.join(map(text, recorder.arguments))}):"]
    for step in steps:
        call = calls.setdefault(step.function, f"{step.name}_{len(calls)}")
        inside = [*map(text, step.args), *(f"{key}={text(x)}" for key, x in step.kwargs.items())]
        into = text(step.out) if step.is_list else text(step.out[0])
        lines.append(f"    {into} = {call}({', '.join(inside)})")
    lines.append(f"    return {text(wanted)}")
    known |= {call: function for function, call in calls.items()}
    exec(compile("\n".join(lines), "<recording>", "exec"), known)
    found: Program = known["program"]
    return found


def needed(steps: Sequence[Step], results: Iterable[Slot]) -> list[Step]:
    """Those on which the results depend."""
    wanted, found = set(results), list[Step]()
    for step in reversed(steps):
        if wanted.intersection(step.out):
            found.append(step)
            wanted.update(step.sources)
    return found[::-1]


def tensors_in(values: Iterable[Any]) -> list[Tensor]:
    """Those among the arguments of an operation, and in lists of them."""
    return [x for value in values for x in (value if isinstance(value, (list, tuple)) else [value])
            if isinstance(x, Tensor)]  # fmt: skip


def address(x: Tensor) -> int:
    """Where its memory begins."""
    return x.untyped_storage().data_ptr()

"""A graph as the bytes of a file: ONNX, or a program of torch.export."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from option_critic.errors import InputError
from option_critic.export.graph import AgentGraph, SkillGraph
from option_critic.functional.arrays import NDArray
from option_critic.options.interest import parts
from option_critic.options.option import Option

Graph = AgentGraph | SkillGraph
Format = Literal["onnx", "torch"]
OPSET = 18
"""Of ONNX's own operators; no others are used."""
ABOUT = "about.json"
"""What a program of torch.export tells of itself, among its extra files."""
NEEDED = {"onnx": ("onnx", "onnxruntime", "onnxscript"), "torch": ()}


def check_libraries(kind: Format) -> None:
    """Raise InputError, before any work, where what a format needs is not installed."""
    for module in NEEDED[kind]:
        try:
            __import__(module)
        except ImportError as error:
            raise InputError(f'ONNX needs {error.name}: pip install "option-critic[export]"') from error


def traced(graph: Graph) -> tuple[torch.export.ExportedProgram, bool]:
    """A graph as PyTorch traces it, and whether that takes any batch; only one row where something in it counts them.

    Raises InputError, naming what cannot be traced.
    """
    first: Exception | None = None
    for rows, dynamic in ((2, True), (1, False)):
        inputs = tuple(torch.zeros((rows, *port.shape), dtype=port.dtype) for port in graph.inputs)
        batch = torch.export.Dim("batch")
        shapes = (tuple({0: batch} for _ in inputs),) if dynamic else None
        try:
            with torch.no_grad(), quietly():
                graph(*inputs)  # what is made when it is first asked is made of numbers, not of a trace
                return forgetful(torch.export.export(graph, inputs, dynamic_shapes=shapes, strict=False)), dynamic
        except Exception as error:  # whatever a user's function, or the tracer, says of it
            first = first or error
    assert first is not None
    raise InputError(refusal(graph, first)) from first


def forgetful(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """Without the places of the code that it was traced from, which name folders of this machine."""
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def refusal(graph: Graph, error: Exception) -> str:
    """What cannot be traced, and what to do."""
    for option in options_of(graph):
        wanted = [(name, function) for name, function, _, _ in parts(option) if name not in ("reward", "bonus")]
        wanted += [] if option.policy is None else [("policy", option.policy)]
        for name, function in wanted:
            if why := untraceable(function, sum(part.size for part in graph.spaces.row.parts)):
                return (
                    f"{name} of option {option.name} is Python that cannot be traced ({why}); write it with operations "
                    "on whole tensors (`option_critic.where` instead of `if`), or leave it out"
                )
    return f"this cannot be traced: {summary(error)}"


def options_of(graph: Graph) -> tuple[Option, ...]:
    """Those whose definitions are a part of it."""
    return graph.rules.definitions if isinstance(graph, AgentGraph) else (graph.skill.option(),)


class Asked(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, obs: Tensor) -> Tensor:
        """[B, D] -> [B, ...]."""
        return self.function(obs)


def untraceable(function: Callable[[Tensor], Tensor], size: int) -> str:
    """Why a function of observations [B, size] cannot be traced; empty where it can be."""
    try:
        with torch.no_grad(), quietly():
            torch.export.export(Asked(function), (torch.zeros((1, size), dtype=torch.float32),), strict=False)
    except Exception as error:
        return summary(error)
    return ""


def summary(error: Exception) -> str:
    """The first line of an error, and not all of that."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]:.160}" if lines else type(error).__name__


@contextmanager
def quietly() -> Iterator[None]:
    """Without what exporters tell of themselves."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def as_bytes(program: torch.export.ExportedProgram, graph: Graph, kind: Format, about: dict[str, Any]) -> bytes:
    """The whole file of a graph, as it was traced. `about`: what it tells of itself. Raises InputError."""
    if kind == "torch":
        buffer = io.BytesIO()
        torch.export.save(program, buffer, extra_files={ABOUT: json.dumps(about)})
        return buffer.getvalue()
    inputs, outputs = ([port.name for port in ports] for ports in (graph.inputs, graph.outputs))
    try:
        with torch.no_grad(), quietly():
            made = torch.onnx.export(
                program, dynamo=True, opset_version=OPSET, input_names=inputs, output_names=outputs, verbose=False
            )
        assert made is not None
        return written(made.model_proto, about)
    except Exception as error:
        raise InputError(f"{refusal(graph, error)}; --format torch may know it") from error


def written(model: Any, about: dict[str, Any]) -> bytes:
    """A model of ONNX, its one free dimension named, and told what it is."""
    from onnx.helper import set_model_props

    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param = "batch"
    for node in model.graph.node:
        del node.metadata_props[:]  # places of the code that it was traced from
        node.doc_string = ""
    set_model_props(model, {k: v if isinstance(v, str) else json.dumps(v) for k, v in about.items()})
    data: bytes = model.SerializeToString()
    return data


Answer = Callable[[list[NDArray]], list[NDArray]]
"""Inputs [B, ...] in their order -> outputs in theirs."""


def answering(data: bytes, kind: Format, graph: Graph) -> Answer:
    """A file as whoever uses it runs it, on one core."""
    return in_onnxruntime(data, graph) if kind == "onnx" else in_torch(data)


def in_onnxruntime(data: bytes, graph: Graph) -> Answer:
    """By onnxruntime. Raises InputError for what it does not take."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common kind
        raise InputError(f"onnxruntime does not take this graph: {summary(error)}; --format torch may do") from error
    names = [port.name for port in graph.inputs]
    known = {port.name for port in session.get_inputs()}
    return lambda values: session.run(None, {n: x for n, x in zip(names, values, strict=True) if n in known})


def in_torch(data: bytes) -> Answer:
    """By PyTorch."""
    module = torch.export.load(io.BytesIO(data)).module()

    @torch.no_grad()
    def run(values: list[NDArray]) -> list[NDArray]:
        return [np.asarray(x) for x in module(*map(torch.from_numpy, values))]

    return run

"""Feature networks, and weights drawn by name so that adding a head never moves another."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

from option_critic.model.settings import Activation


class _Tanh(torch.autograd.Function):
    """tanh(x) = 2 sigmoid(2x) - 1, equal to 1e-7; its gradient is 1 - tanh^2."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = torch.add(x.new_tensor(-1.0), torch.sigmoid(2 * x), alpha=2)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return torch.ops.aten.tanh_backward(grad, y)


class Tanh(nn.Module):
    """The hyperbolic tangent: on the CPU in a third of the time, there and back, of PyTorch's own."""

    def forward(self, x: Tensor) -> Tensor:
        """[...] -> [...]."""
        return _Tanh.apply(x)  # type: ignore[no-untyped-call]


ACTIVATIONS: dict[Activation, type[nn.Module]] = {"tanh": Tanh, "relu": nn.ReLU, "elu": nn.ELU}


def linear(inputs: int, outputs: int, device: str) -> nn.Linear:
    """A linear layer whose weights `initialise` has yet to draw: PyTorch's own would come from the global generator."""
    layer: nn.Linear = nn.utils.skip_init(  # type: ignore[no-untyped-call]
        nn.Linear, inputs, outputs, device=device, dtype=torch.float32
    )
    return layer


def conv(inputs: int, outputs: int, kernel: int, stride: int, device: str) -> nn.Conv2d:
    """A convolution, its weights likewise yet to be drawn."""
    layer: nn.Conv2d = nn.utils.skip_init(  # type: ignore[no-untyped-call]
        nn.Conv2d, inputs, outputs, kernel, stride, device=device, dtype=torch.float32
    )
    return layer


def mlp(inputs: int, width: int, layers: int, activation: Activation, device: str, norm: bool = False) -> nn.Sequential:
    """`layers` hidden layers of `width` units, each followed by the activation: [..., inputs] -> [..., width].

    `norm`: normalised over their units before it.
    """
    modules: list[nn.Module] = []
    for i in range(layers):
        modules.append(linear(inputs if i == 0 else width, width, device))
        modules += [nn.LayerNorm(width, elementwise_affine=False)] if norm else []
        modules.append(ACTIVATIONS[activation]())
    return nn.Sequential(*modules)


def stream_seed(seed: int, name: str) -> int:
    """A seed for one named purpose: equal names give equal streams, other names independent ones."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big") >> 1


@torch.no_grad()
def initialise(module: nn.Module, gain: float, seed: int, name: str, bias: float = 0.0) -> None:
    """Orthogonal weights and constant biases in every layer, from the stream called `name`."""
    if any(p.is_meta for p in module.parameters()):
        return  # an outline has no weights to draw
    generator = torch.Generator("cpu").manual_seed(stream_seed(seed, name))
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.orthogonal_(layer.weight, gain, generator=generator)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, bias)

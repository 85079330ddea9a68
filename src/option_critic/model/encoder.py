"""What the networks see of images: features by a convolutional encoder that all heads share.

The default is the network of [Mnih+15, Nature 518]: its layers are settings. A user's own is any `nn.Module` that turns
images into vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from option_critic.errors import InputError
from option_critic.functional.arrays import NDArray
from option_critic.model.layers import ACTIVATIONS, conv, initialise, linear, stream_seed
from option_critic.model.settings import ModelSettings
from option_critic.observation_space import Part, Row
from option_critic.references import named
from option_critic.value_types import shown

SMALLEST = 36
"""Sides of an image, in pixels, from which on it is taken for a picture: the layers of [Mnih+15] need so many."""
ROWS_AT_ONCE = 256
"""Of which features are computed where no gradient is asked for: a whole rollout's would take gigabytes."""
MAX_FEATURES = 100_000


class Encoder(nn.Module):
    """Images within rows of observations [..., W] -> features [..., F], those of several images side by side."""

    def __init__(self, row: Row, images: tuple[int, ...], settings: ModelSettings, seed: int, device: str) -> None:
        """Raises InputError where an image is too small for the layers, or a user's encoder gives no vectors."""
        super().__init__()
        self.row, self.images = row, images
        self.orders = [channels_first(row.parts[i].shape) for i in images]
        self.networks = nn.ModuleList()
        sizes = []
        for i, (_, shape) in zip(images, self.orders, strict=True):
            name = f"encoder.{i}"
            own = ":" in settings.encoder
            network, size = (
                users(settings.encoder, shape, stream_seed(seed, name), device)
                if own
                else convolutional(shape, row.parts[i], settings, device)
            )
            if not own:
                initialise(network, math.sqrt(2), seed, name)
            self.networks.append(network)
            sizes.append(size)
        self.size = sum(sizes)

    def forward(self, rows: Tensor) -> Tensor:
        """[..., W] -> [..., F]."""
        flat = rows.reshape(-1, rows.shape[-1])
        parts = [flat] if torch.is_grad_enabled() else torch.split(flat, ROWS_AT_ONCE)
        return torch.cat([self._features(x) for x in parts]).reshape(*rows.shape[:-1], self.size)

    def _features(self, rows: Tensor) -> Tensor:
        """[N, W] -> [N, F]."""
        return self.read([self.row.image(rows, i) for i in self.images])

    def read(self, images: Sequence[Tensor]) -> Tensor:
        """The bytes of each image as the environment has it, [N, *shape] -> [N, F]."""
        found = []
        for image, (order, shape), network in zip(images, self.orders, self.networks, strict=True):
            image = image.permute(0, *(1 + axis for axis in order)).reshape(-1, *shape)
            # Channels innermost: convolutions on a CPU take half the time. In two steps: one takes five times as long.
            # The weights stay as they are: Adam takes weights and moments of different layouts for alike.
            pixels = image.float().contiguous(memory_format=torch.channels_last)
            found.append(network(pixels.div_(255)))
        return torch.cat(found, -1)


def encoded(row: Row, settings: ModelSettings) -> tuple[int, ...]:
    """Which parts of observations go through the encoder. Raises InputError where a user's has none to read."""
    if settings.encoder == "flat":
        return ()
    if settings.encoder != "auto":
        if not row.images:
            raise InputError(
                f"encoder is {settings.encoder!r}, but observations hold no image: no array of bytes (uint8) of two "
                "dimensions or more; leave it at auto"
            )
        return row.images
    return tuple(i for i in row.images if min(channels_first(row.parts[i].shape)[1][1:]) >= SMALLEST)


def channels_first(shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, int, int]]:
    """How axes of an image are ordered, and what that gives: (C, H, W).

    [H, W], [H, W, C] or [C, H, W] (the shortest axis holds the channels, or frames that are stacked), and frames of
    colour, [F, H, W, C] or [F, C, H, W], whose channels are counted together.
    """
    if len(shape) == 2:
        return (0, 1), (1, *shape)
    if len(shape) == 4:
        axes, (channels, height, width) = channels_first(shape[1:])
        return (0, *(1 + a for a in axes)), (shape[0] * channels, height, width)
    axis = 0 if shape[0] < shape[2] else 2
    order = (axis, *(a for a in range(3) if a != axis))
    return order, (shape[order[0]], shape[order[1]], shape[order[2]])


def convolutional(
    shape: tuple[int, int, int], part: Part, settings: ModelSettings, device: str
) -> tuple[nn.Module, int]:
    """The layers of the settings: convolutions, then one that is fully connected. (network, F)."""
    channels, height, width = shape
    modules: list[nn.Module] = []
    for out, kernel, stride in settings.convolutions:
        if min(height, width) < kernel:
            raise InputError(
                f"images of shape {part.shape} are too small for conv_layers {settings.conv_layers}: a kernel of "
                f"{kernel} meets {height} x {width}; use smaller ones (16 2 1 32 2 1), or encoder=flat"
            )
        modules += [conv(channels, out, kernel, stride, device), nn.ReLU()]
        channels, height, width = out, (height - kernel) // stride + 1, (width - kernel) // stride + 1
    modules += [nn.Flatten(), linear(channels * height * width, settings.encoder_dim, device)]
    return nn.Sequential(*modules, ACTIVATIONS["relu"]()), settings.encoder_dim


def count_weights(row: Row, settings: ModelSettings) -> int:
    """Of the convolutional encoders, before there are any."""
    total = 0
    for i in encoded(row, settings):
        channels, height, width = channels_first(row.parts[i].shape)[1]
        for out, kernel, stride in settings.convolutions:
            total += (channels * kernel * kernel + 1) * out
            channels, height, width = out, max(0, height - kernel) // stride + 1, max(0, width - kernel) // stride + 1
        total += (channels * height * width + 1) * settings.encoder_dim
    return total


def users(reference: str, shape: tuple[int, int, int], seed: int, device: str) -> tuple[nn.Module, int]:
    """A user's own encoder of images of (C, H, W), whose weights are drawn from a stream of their own. (network, F).
    Its layers run as in evaluation.

    Raises InputError unless it turns images [N, C, H, W] in [0, 1] into vectors [N, F].
    """
    make: Callable[..., Any] | None = named(reference, "the encoder is defined", "--encoder")
    if not callable(make):
        raise InputError(
            f"encoder {reference!r} must be a class or function that gives an nn.Module, got {shown(make)}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            network = make(shape)
            if isinstance(network, nn.Module):
                # a row says the same in acting, learning and judging, whatever lies beside it, and draws nothing
                network.eval()
            with torch.no_grad():
                said = network(torch.zeros(2, *shape, dtype=torch.float32, device="cpu"))
        except Exception as error:
            raise InputError(
                f"encoder {reference!r} failed for images of shape {shape} (channels, height, width): "
                f"{type(error).__name__}: {error}"
            ) from error
    if not isinstance(network, nn.Module):
        raise InputError(f"encoder {reference!r} must give an nn.Module, got {shown(network)}")
    if not isinstance(said, Tensor) or said.ndim != 2 or len(said) != 2 or not 1 <= said.shape[1] <= MAX_FEATURES:
        given = f"a tensor of shape {tuple(said.shape)}" if isinstance(said, Tensor) else shown(said)
        raise InputError(
            f"encoder {reference!r} must turn images [N, {', '.join(map(str, shape))}] into vectors [N, F], "
            f"F at most {MAX_FEATURES:,}, but of 2 it made {given}"
        )
    return network.to(device), int(said.shape[1])


def in_numpy(encoder: Encoder) -> Callable[[NDArray], NDArray]:
    """The same for acting: asked through PyTorch, whose convolutions numpy does not have."""

    @torch.no_grad()
    def ask(rows: NDArray) -> NDArray:
        said: NDArray = encoder(torch.from_numpy(rows)).numpy()
        return said

    return ask

"""Whether a checkpoint is whole: the files that it must hold, and their checksums in manifest.json. Written so that it
is there in full or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from option_critic.algorithms.settings import SETTINGS
from option_critic.runs.files import (
    FORMAT_VERSION,
    MAX_TENSORS,
    FormatError,
    check_format,
    encoded,
    fingerprint,
    read_json,
    summed,
)
from option_critic.runs.paths import BESIDE, CheckpointError, RunPath, beside

FILES = ("config.json", "model.safetensors", "optimizer.safetensors", "state.json")
"""Of every checkpoint; an algorithm may bring more (`files_of`)."""


def is_checkpoint(folder: RunPath) -> bool:
    """Whether `folder` was written by `write` (and may be damaged)."""
    try:
        files = read_json(folder / "manifest.json").get("files")
    except CheckpointError:
        return False
    return isinstance(files, dict) and set(files) == set(files_of(folder))


def files_of(folder: RunPath) -> tuple[str, ...]:
    """The files that the checkpoint `folder` must hold, by the algorithm that its config.json names."""
    try:
        algorithm = read_json(folder / "config.json")["settings"]["algorithm"]
        brought = SETTINGS[algorithm].parts
    except (CheckpointError, KeyError, TypeError):
        return FILES  # what is wrong with it, its checksum or its content tells
    return (*FILES, *(f"{part}.safetensors" for part in brought))


def verify(folder: RunPath, names: tuple[str, ...] = ()) -> None:
    """Raise CheckpointError, naming the file, unless every file is there and unchanged: those of a checkpoint, or those
    that `names` says. The first tells its format."""
    if folder.kind() == "link" or (not folder.parts and folder.base.is_symlink()):
        raise CheckpointError(f"{folder} is a link; give the folder itself, or copy what it leads to")
    manifest = read_json(folder / "manifest.json")
    try:
        check_format(folder / "manifest.json", manifest)
    except FormatError:
        told = folder / (names or FILES)[0]
        if _version(told) == FORMAT_VERSION:
            raise CheckpointError(f"{folder / 'manifest.json'} is damaged: {told.name} has another format") from None
        raise
    files, names = manifest.get("files"), names or files_of(folder)
    if not isinstance(files, dict) or not all(isinstance(files.get(name), dict) for name in names):
        raise CheckpointError(f"{folder / 'manifest.json'} is damaged")
    for name in names:
        if not _matches(folder / name, files[name]):
            raise CheckpointError(f"{folder / name} is damaged: its checksum is not the one in manifest.json")


def _matches(path: RunPath, entry: dict[str, Any]) -> bool:
    """Whether a file is as the manifest says. Sizes come first, so that a file of another size is not read."""
    with path.opened(MAX_TENSORS) as (_, size):
        if size != entry.get("bytes"):
            return False
    return entry == fingerprint(path)


def _version(path: RunPath) -> Any:
    try:
        return read_json(path).get("format_version")
    except CheckpointError:
        return None


def standing(folder: RunPath) -> RunPath | None:
    """The checkpoint `folder`. Where a kill came while it was replaced: the one that was to come, if it is whole, or
    the one before. None where there is neither."""
    if (folder / "manifest.json").kind() != "none":
        return folder
    if folder.kind() != "none":
        return None
    for left in sorted(torn(folder), key=lambda p: ".old-" in p.name):  # the new one first
        with contextlib.suppress(CheckpointError):
            verify(left)
            return left
    return None


def write(folder: RunPath, files: dict[str, bytes], others: Callable[[RunPath], None] = lambda _: None) -> None:
    """Write the folder with these files and their manifest; one that is there already is replaced once the new one is
    complete. `others` writes what it holds besides, with manifests of their own. Raises OSError."""
    folder.parent.make()
    new = folder.parent / beside(folder.name, "new")
    sums = {name: summed(data) for name, data in sorted(files.items())}
    try:
        new.make(durable=False)  # it gets another name
        for name, data in (
            files | {"manifest.json": encoded({"format_version": FORMAT_VERSION, "files": sums})}
        ).items():
            (new / name).create(data)
        others(new)
        new.flush()
        _swap(new, folder)
    finally:
        with contextlib.suppress(OSError):
            new.remove()


def _swap(new: RunPath, folder: RunPath) -> None:
    if folder.kind() != "none":
        folder.rename(beside(folder.name, "old"))  # a kill from here on: `standing` finds the new one
    new.rename(folder.name)
    folder.parent.flush()
    for left in torn(folder):  # also of those that were killed before
        with contextlib.suppress(OSError):
            left.remove()


def torn(folder: RunPath) -> list[RunPath]:
    """What a kill left beside `folder` while it was replaced."""
    found = {n: m for n in folder.parent.names() if (m := BESIDE.fullmatch(n))}
    return [folder.parent / n for n, m in found.items() if m["name"] == folder.name and m["what"] != "gone"]

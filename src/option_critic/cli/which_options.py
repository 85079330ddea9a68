"""The flags of `train` that say which options there are."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from option_critic.options.definitions import load_each
from option_critic.settings import Settings
from option_critic.value_types import whole


def which_options(argv: Sequence[str]) -> dict[str, Any]:
    """The flags that say which options there are, and by which algorithm they learn: a preset's names and definitions
    give way to them together, and each algorithm has flags of its own."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--num-options", "--num_options", nargs="?")
    parser.add_argument("--option-names", "--option_names", nargs="*")
    parser.add_argument("--options-from", "--options_from", nargs="?")
    parser.add_argument("--options", nargs="*")
    parser.add_argument("--algorithm", nargs="?")
    found = {name: value for name, value in vars(parser.parse_known_args(argv)[0]).items() if value is not None}
    if "num_options" in found:
        try:
            found["num_options"] = whole(found["num_options"])
        except ValueError:
            return {}  # what is wrong with it is told when all flags are read
    if found.get("options"):
        from option_critic.skills.gather import gathered  # with PyTorch

        if "options_from" in found:  # as for the other verbs: where skills are defined
            load_each(found.pop("options_from"))
        found |= gathered(found["options"])
    return found


def with_these(settings: Settings, skills: tuple[Any, ...]) -> Settings:
    """`settings` with these skills among the options."""
    return replace(settings, options=replace(settings.options, skills=skills))


def remaining(argv: Sequence[str]) -> Sequence[str]:
    """The flags without those that name the options one by one: the preset has what they mean."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--options", nargs="*")
    parser.add_argument("--options-from", "--options_from", nargs="?")
    found, others = parser.parse_known_args(argv)
    return others if found.options else argv

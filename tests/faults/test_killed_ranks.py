"""kill -9 among ranks that train together: none is left behind, no boundary is lost, and what goes on equals what was
never killed, bit for bit."""

import hashlib
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from started import by_two_ranks

from conftest import is_alive
from option_critic.runs import inventory
from option_critic.runs.paths import RunPath

pytestmark = pytest.mark.faults

STEPS, REPEATS = 1536, int(os.environ.get("REPEATS", "2"))


def finished(torchrun):
    """What it said, having ended well."""
    said, _ = torchrun.communicate(timeout=900)
    assert torchrun.returncode == 0, said
    return said


def ranks_of(torchrun):
    """Its processes, by their ranks."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = place.joinpath("stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == torchrun.pid:
                told = dict(x.split("=", 1) for x in place.joinpath("environ").read_text().split("\0") if "=" in x)
                found[int(told["RANK"])] = int(place.name)
    return found


def boundaries(run):
    there = (run / "config.json").exists()
    return [folder.name for folder in inventory.boundaries(RunPath.of(run))] if there else []


def wait_for(what, seconds):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def prints(run):
    files = [run / "metrics.jsonl", *sorted(run.glob("checkpoints/0*/*.safetensors"))]
    return {str(f.relative_to(run)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    finished(by_two_ranks(folder, STEPS))
    return prints(folder / "seed-0")


@pytest.mark.parametrize("repeat", range(REPEATS))
@pytest.mark.parametrize("victim", ["rank 0", "rank 1", "torchrun", "rank 1, and torchrun starts it again"])
def test_killed_ranks_go_on_to_the_same_bits(tmp_path, victim, repeat, uninterrupted):
    run, again = tmp_path / "seed-0", victim.endswith("again")
    torchrun = by_two_ranks(tmp_path, STEPS, *(("--max-restarts", "1") if again else ()))
    wait_for(lambda: len(boundaries(run)) > repeat % 3, 300)
    ranks, last = ranks_of(torchrun), boundaries(run)[-1]
    assert sorted(ranks) == [0, 1]
    os.kill(torchrun.pid if victim == "torchrun" else ranks[int(victim[5])], signal.SIGKILL)
    began = time.monotonic()
    wait_for(lambda: not any(map(is_alive, ranks.values())), 30)
    print(f"\n{victim}: both ranks gone after {time.monotonic() - began:.1f} s")
    if again:
        finished(torchrun)
    else:
        said, _ = torchrun.communicate(timeout=60)
        assert torchrun.returncode != 0
        if victim == "rank 1":
            assert "another rank of this training is gone" in said or "stopped; saved" in said, said
        assert last in boundaries(run)
        finished(by_two_ranks(tmp_path, STEPS))
    assert prints(run) == uninterrupted

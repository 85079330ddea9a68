"""Cores are counted as this process may use them."""

import contextlib
import os

import pytest

from option_critic import cores
from option_critic.envs import envpool_metaworld, metaworld
from option_critic.training import threads

V1 = {"cpu.cfs_quota_us": "150000", "cpu.cfs_period_us": "100000"}


def system(root, groups, files):
    """A system with `groups` in /proc/self/cgroup and `files` {folder below /sys/fs/cgroup: {name: text}}."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for folder, names in files.items():
        (root / "sys/fs/cgroup" / folder).mkdir(parents=True, exist_ok=True)
        for name, text in names.items():
            (root / "sys/fs/cgroup" / folder / name).write_text(text + "\n")
    return root


SYSTEMS = {
    "version 2": ("0::/\n", {"": {"cpu.max": "200000 100000"}}, 2),
    "part of a core is one more": ("0::/\n", {"": {"cpu.max": "150000 100000"}}, 2),
    "far less than a core": ("0::/\n", {"": {"cpu.max": "1000 100000"}}, 1),
    "more than there are": ("0::/\n", {"": {"cpu.max": "9900000 100000"}}, 8),
    "no limit": ("0::/\n", {"": {"cpu.max": "max 100000"}}, 8),
    "around its own": ("0::/a/b\n", {"a/b": {"cpu.max": "max 100000"}, "a": {"cpu.max": "300000 100000"}}, 3),
    "the path of the machine outside": ("0::/docker/1f\n", {"": {"cpu.max": "200000 100000"}}, 2),
    "version 1": ("4:cpu,cpuacct:/x\n1:name=systemd:/y\n", {"cpu/x": V1}, 2),
    "version 1 without a limit": ("4:cpu:/\n", {"cpu": V1 | {"cpu.cfs_quota_us": "-1"}}, 8),
    "only a set of cores": ("4:cpuset:/\n", {"cpuset": V1}, 8),
    "nonsense": ("0::/\n", {"": {"cpu.max": "some"}}, 8),
    "nothing": ("", {}, 8),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_quota_counts(name, tmp_path, monkeypatch):
    groups, files, expected = SYSTEMS[name]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert cores.usable_cores(system(tmp_path, groups, files)) == expected


def test_an_affinity_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 7}, raising=False)
    assert cores.usable_cores(tmp_path) == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores.usable_cores(tmp_path) == 1


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity here")
def test_threads_and_processes_are_as_many_as_may_be_used(monkeypatch):
    """Wherever 0 means one per core: learning, EnvPool, worker processes."""
    before, asked = os.sched_getaffinity(0), []
    pools = type("Pools", (), {"limit": lambda _, limits, **__: asked.append(limits) or contextlib.nullcontext()})
    monkeypatch.setattr(threads, "pools", pools)
    monkeypatch.setattr(metaworld, "WorkerEnvs", lambda makers, **_: asked.append(len(makers)))
    os.sched_setaffinity(0, {min(before)})
    try:
        with threads.compute_threads(0):
            pass
        metaworld.make_official("reach-v3", [1, 2, 3])
        envs = envpool_metaworld.MetaWorldEnvs("reach-v3", [1, 2], 5, threads=0)
        asked.append(envs.envs.config["num_threads"])
        envs.close()
    finally:
        os.sched_setaffinity(0, before)
    assert asked == [1, 1, 1]

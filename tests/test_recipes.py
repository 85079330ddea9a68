"""The recipes of docs/recipes: their tools' fields, and our own words."""

import importlib.util
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from option_critic.cli import main
from option_critic.cli.flags import parse
from option_critic.cli.sweep import SweepArgs
from option_critic.sweeps.plan import read_plan

FOLDER = Path(__file__).parent.parent / "docs" / "recipes"
FILES = sorted(FOLDER.iterdir())


def read(name):
    yaml = pytest.importorskip("yaml", reason="pip install pyyaml")
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def commands(file):
    """Our commands in a file: the words after `option-critic` or `-m option_critic`."""
    text = file.read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.findall(r"(?:option-critic|-m option_critic) ((?:sweep|train) [^'\n]+)", text)
    return [shlex.split(words) for words in found]


def test_each_says_one_of_our_commands_and_all_parse(monkeypatch):
    trained = []
    monkeypatch.setattr("option_critic.cli.train.train_seeds", lambda *args: trained.append(args))
    found = {file.name: commands(file) for file in FILES if file.suffix != ".toml"}
    assert sorted(found) == ["kuberay.yaml", "ray_cluster.yaml", "skypilot.yaml", "slurm.sh", "torchrun.sh"]
    on = {}
    for name, said in found.items():
        ((verb, *words),) = said
        if verb == "train":
            assert main.train(words) == 0
        else:
            args = parse(SweepArgs, "sweep", words)
            assert args.experiment.name == "push.toml" and args.out is not None
            on[name] = args.on
    assert on == {"kuberay.yaml": "ray", "ray_cluster.yaml": "ray", "skypilot.yaml": "here", "slurm.sh": "slurm"}
    ((settings, seeds, out, overwrite, go_on, *_),) = trained
    assert (settings.env_id, seeds, out, overwrite, go_on) == (
        "Meta-World/MT10",
        [0],
        Path("/shared/mt10"),
        False,
        True,
    )


def test_the_experiment_is_one():
    assert len(read_plan(FOLDER / "push.toml")) == 20


@pytest.mark.parametrize("file", [file for file in FILES if file.suffix == ".sh"], ids=lambda file: file.name)
def test_scripts_are_bash(file):
    done = subprocess.run(["bash", "-n", file], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr


def test_a_ray_cluster():
    said = read("ray_cluster.yaml")
    assert {"cluster_name", "provider", "head_start_ray_commands", "worker_start_ray_commands"} <= set(said)
    assert {"type", "head_ip", "worker_ips"} == set(said["provider"])
    if ray := importlib.util.find_spec("ray"):  # which brings its schema, and what checks it
        schema = Path(ray.origin).parent / "autoscaler" / "ray-schema.json"
        importlib.import_module("jsonschema").validate(said, json.loads(schema.read_text()))


def test_a_job_of_kuberay():
    said = read("kuberay.yaml")
    assert (said["apiVersion"], said["kind"], set(said)) == ("ray.io/v1", "RayJob",
                                                             {"apiVersion", "kind", "metadata", "spec"})  # fmt: skip
    cluster = said["spec"]["rayClusterSpec"]
    head, (workers,) = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"] and workers["groupName"]
    for group in (head, workers):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert container["image"] and container["resources"]["limits"] == container["resources"]["requests"]
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
        assert said["spec"]["entrypoint"].count(container["volumeMounts"][0]["mountPath"]) == 2


def test_a_task_of_skypilot():
    said = read("skypilot.yaml")
    assert set(said) == {"name", "workdir", "resources", "file_mounts", "setup", "run"}
    assert said["file_mounts"]["/runs"]["mode"] == "MOUNT_CACHED" and "--out /runs/" in said["run"]
    assert set(said["resources"]) == {"cpus", "memory", "use_spot"}

"""Cards tell what a folder holds, in words that hubs read; whatever a stranger wrote stays text."""

import json
import re

import makers
import pytest
from strangers import NAMES

import option_critic as oc
import runs
from option_critic import card as cards
from option_critic.cli import main
from option_critic.runs.paths import RunPath
from option_critic.runs.run_folder import clear
from option_critic.settings import Settings
from option_critic.skills.export import skill_of


def metadata(text):
    """The front matter, by JSON, which YAML reads alike."""
    head = re.fullmatch(r"---\n(.*?)\n---\n.*", text, re.DOTALL)[1]
    return {line.partition(": ")[0]: json.loads(line.partition(": ")[2]) for line in head.split("\n")}


def run(*argv):
    return main.VERBS["card"]([str(a) for a in argv])


def test_a_run_tells_what_was_measured(tmp_path, capsys):
    folder = runs.make_run(tmp_path / "run")
    assert run(folder, "--license", "mit") == 0
    text = (folder / "README.md").read_text(encoding="utf-8")
    told = metadata(text)
    assert (told["library_name"], told["license"]) == ("option-critic", "mit")
    (result,) = told["model-index"][0]["results"]
    assert result["dataset"]["type"] == "Meta-World/pick-place-v3" and result["metrics"][0]["type"] == "success_rate"
    assert result["metrics"][0]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert "0.67 (0.09 to 0.99)" in text and "option-critic train Meta-World/pick-place-v3 --seeds 0\n" in text
    (picture,) = re.findall(r"!\[.+\]\((pictures/.+\.png)\)", text)
    assert (folder / picture).read_bytes().startswith(b"\x89PNG")
    assert "1 evaluations, license mit" in capsys.readouterr().out
    assert run(folder) == 0, "our own is replaced"
    assert metadata((folder / "README.md").read_text(encoding="utf-8"))["license"] == "unknown"


def test_several_tasks_are_counted_in_episodes_and_other_weights_are_told(tmp_path, capsys, monkeypatch):
    folder = runs.make_run(tmp_path / "run", episodes=3)
    record = json.loads((folder / "evaluation.json").read_text())
    (result,) = record["results"].values()
    each = {"summary": result["summary"], "shares": {}}
    result["tasks"], result["summary"]["any"]["n"] = {"reach-v3": each, "push-v3": each}, 2
    (folder / "evaluation.json").write_text(json.dumps(record))
    monkeypatch.setitem(main.card.__globals__, "last_step", lambda _: 999)
    assert run(folder) == 0
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "mean and interval over 2 tasks" in text and "| 3 |" in text
    assert "steps, what is loaded learned for 999: evaluate it once more" in capsys.readouterr().err


def test_the_card_of_what_was_replaced_goes_with_it(tmp_path):
    folder = RunPath.of(runs.make_run(tmp_path / "run"))
    assert run(folder.path) == 0 and (tmp_path / "run" / "README.md").is_file()
    clear(folder)
    assert not (tmp_path / "run" / "README.md").exists()
    (tmp_path / "run" / "README.md").write_text("mine")
    clear(folder)
    assert (tmp_path / "run" / "README.md").read_text() == "mine"


def test_hubs_read_it(tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    run(runs.make_run(tmp_path / "run"), "--license", "apache-2.0")
    read = hub.ModelCard.load(tmp_path / "run" / "README.md", ignore_metadata_errors=False)
    (result,) = read.data.eval_results
    assert (read.data.license, read.data.library_name) == ("apache-2.0", "option-critic")
    assert (result.task_type, result.metric_type) == ("reinforcement-learning", "success_rate")


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_stranger_wrote_stays_text(name, tmp_path):
    folder = runs.make_run(tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    config["settings"]["env_id"] = f"`|\n---\n{name} ``` www.a.example"
    config["settings"]["options"]["option_names"] = [name, f"``` {name}", "| a |\n# b"]
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "versions.json").write_text(json.dumps({name: f"`|` {name}"}))
    assert run(folder) == 0
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert metadata(text)["library_name"] == "option-critic" and "\u202e" not in text and "\x07" not in text
    body = text.partition(cards.MARK)[2]
    fenced = re.sub(r"^```\w*\n.*?^```$", "", body, flags=re.DOTALL | re.MULTILINE)
    outside = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", fenced)
    assert "script" not in outside and "href" not in outside and "www" not in outside and "onerror" not in outside
    assert [line for line in outside.splitlines() if line.startswith("#")] == [
        "# ",
        "## Measured",
        "## Use",
        "## Versions",
    ]
    assert all(line.count(" | ") in (1, 3) for line in outside.splitlines() if line.startswith("|"))


def test_saved_agents_and_skills_have_cards(tmp_path):
    agent = makers.agent("defined", total_timesteps=5_000, gamma=0.5)
    agent.save(tmp_path / "agent")
    text = (tmp_path / "agent" / "README.md").read_text(encoding="utf-8")
    assert metadata(text)["tags"][-2:] == ["agent", "Skills/Arm-v0"] and "model-index" not in metadata(text)
    assert "--options-from makers:SAID" in text and 'oc.load("FOLDER", options_from="makers:SAID")' in text
    assert "--total-timesteps 5000" in text and "--gamma 0.5" in text and "--option-names" not in text
    oc.load(tmp_path / "agent").save(tmp_path / "agent")
    skill_of(agent, "up").save(tmp_path / "up")
    text = (tmp_path / "up" / "README.md").read_text(encoding="utf-8")
    assert 'oc.Skill.load("FOLDER", options_from="makers:SAID")' in text and metadata(text)["tags"][-2] == "skill"
    assert run(tmp_path / "up", "--license", "cc-by-4.0") == 0 and run(tmp_path / "agent", "--license", "mit") == 0
    assert metadata((tmp_path / "up" / "README.md").read_text(encoding="utf-8"))["license"] == "cc-by-4.0"
    assert oc.Skill.load(tmp_path / "up").name == "up" and oc.load(tmp_path / "agent").num_timesteps == 0


def test_the_command_trains_with_the_same_settings(monkeypatch):
    told = []
    monkeypatch.setattr("option_critic.cli.train.train_seeds", lambda settings, *_: told.append(settings) or [])
    monkeypatch.setattr(main, "ended", lambda _, call: call() or 0)
    for env_id, changes in {
        "CartPole-v1": {"num_options": 3, "option_names": ("a b", "c", "d"), "gamma": 0.9, "anneal_lr": False},
        "Meta-World/pick-place-v3": {"options_from": "", "num_options": 1, "differences": (0, 1)},
        "Pendulum-v1": {"algorithm": "ppo_oc", "max_episode_steps": 50, "env_kwargs": {"g": 9.0}},
    }.items():
        wanted = oc.presets.usual(env_id).override(**changes)
        words = __import__("shlex").split(cards.command_of(wanted))
        assert words[:3] == ["option-critic", "train", env_id]
        main.train(words[2:])
        assert told.pop() == wanted, words
    assert cards.command_of(Settings(env_id="<lambda>")) == ""


def test_what_others_wrote_is_kept(tmp_path):
    folder = runs.make_run(tmp_path / "run")
    (folder / "README.md").write_text("mine")
    with pytest.raises(oc.errors.InputError, match="--overwrite replaces it"):
        run(folder)
    assert (folder / "README.md").read_text() == "mine" and run(folder, "--overwrite") == 0
    (folder / "README.md").unlink()
    (folder / "README.md").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(oc.errors.InputError, match="--overwrite"):
        run(folder)
    with pytest.raises(oc.errors.InputError, match="--license takes a name"):
        run(folder, "--license", "mit\nx: y")
    with pytest.raises(oc.errors.InputError, match="no run"):
        run(tmp_path / "nothing")

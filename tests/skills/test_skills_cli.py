"""`option-critic skills`: export, list, show."""

import json
import sys
import warnings

import pytest
from makers import SAID

import option_critic as oc
from option_critic.cli import main as cli
from option_critic.skills.folder import file_name

SMALL = {"num_envs": 1, "rollout_length": 8, "minibatch_size": 8, "epochs": 1, "hidden_dim": 8, "torch_threads": 1,
         "env_workers": "never"}  # fmt: skip
INTERVAL = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 50}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with definitions, and what an evaluation and a diagnosis of its last checkpoint would say."""
    folder = tmp_path_factory.mktemp("run") / "seed-0"
    made = oc.OptionCritic("Skills/Arm-v0", options_from="makers:SAID", **SMALL)
    made.learn(16, run_folder=folder)
    key = "000000000016-D-deterministic"
    result = {"training_steps": 16, "goals": "D", "mode": "deterministic", "summary": {"any": INTERVAL},
              "episodes": [{"length": 3, "return": 1.0}]}  # fmt: skip
    (folder / "evaluation.json").write_text(json.dumps({"format_version": 1, "results": {key: result}}))
    rows = [{"name": name, "share": 0.25, "phases": {}, "duration": 12.0, "cut_duration": None} for name in ("up", "x")]
    found = {"format_version": 1, "training_steps": 16, "goals": "D", "ablations": {},
             "diagnosis": {"options": rows, "episodes": 50}}  # fmt: skip
    (folder / "diagnosis.json").write_text(json.dumps(found))
    return folder


@pytest.fixture
def command(monkeypatch, capsys):
    """`option-critic skills ...` -> (exit code, all that it printed)."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["option-critic", "skills", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        sentences = ("not usable", "kept in", "Write", "List")
        assert "Traceback" not in err
        assert [
            x for x in out.splitlines() if len(x) > 80 and not x.startswith(sentences) and "--json" not in words
        ] == []
        return end.value.code, out + err

    return call


def test_options_of_a_run_become_skills_that_say_where_they_come_from(run, tmp_path, command):
    out = tmp_path / "skills"
    code, said = command("export", run, "--out", out)
    assert code == 0 and "up" in said and "carry" in said and "0.90" in said and "not measured" not in said
    assert sorted(p.name for p in out.iterdir()) == ["down", "up"]
    up, down = (oc.Skill.load(out / name) for name in ("up", "down"))
    assert up.provenance.task == "Skills/Arm-v0" and up.provenance.training_steps == 16
    assert {"torch", "numpy", "option-critic", "commit"} <= up.provenance.versions.keys()
    assert (up.measured.mean_duration, up.measured.share) == (12.0, 0.25)
    assert up.measured.success.value == 0.9 and up.measured.success_from == "goals D, deterministic, 1 episodes"
    assert up.measured.options_from == "goals D, deterministic, 50 episodes" and down.measured.share is None
    code, said = command("list", out)
    assert code == 0 and "down" in said and "carry" in said
    code, said = command("show", out / "up")
    assert code == 0 and "25% of the steps, 12 steps a run (goals D" in " ".join(said.split())
    assert "option up of makers:SAID" in said and "vectors of 2 numbers" in said and str(tmp_path) not in said
    code, said = command("list", out, "--json", "-")
    assert code == 0 and json.loads(said)["up"]["definition"]["option"] == "up"


def test_skills_are_replaced_only_if_that_is_said(run, tmp_path, command):
    out = tmp_path / "skills"
    assert command("export", run, "--options", "up", "--out", out)[0] == 0
    code, said = command("export", run, "--options", "down,up", "--out", out)
    assert code == 2 and "--overwrite replaces it" in said and not (out / "down").exists()
    assert command("export", run, "--options", "down,up", "--out", out, "--overwrite")[0] == 0
    (out / "up" / "notes.txt").write_text("mine")
    code, said = command("export", run, "--options", "up", "--out", out, "--overwrite")
    assert code == 2 and "holds more than a skill" in said and (out / "up" / "notes.txt").exists()
    (out / "up" / "notes.txt").unlink()
    manifest = (out / "up" / "manifest.json").read_text()
    (out / "up" / "manifest.json").write_text("{}")  # of something else
    code, said = command("export", run, "--options", "up", "--out", out, "--overwrite")
    assert code == 2 and "holds more than a skill" in said
    (out / "up" / "manifest.json").write_text(manifest)
    (out / "up" / "skill.json").unlink()
    code, said = command("export", run, "--options", "up", "--out", out, "--overwrite")
    assert code == 2 and "exists and is no skill" in said  # what is no skill any more is not ours to delete


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["shwo"], "Did you mean show?"),
        (["show", "nothing"], "is no skill"),
        (["list", "nothing"], "there is no folder nothing"),
        (["export", "nothing"], "neither a saved agent nor a run folder"),
        (["export", "RUN", "--options", "upp"], "Did you mean up?"),
        (["export", "RUN", "--checkpoint", "3"], "has no checkpoint 3"),
    ],
)
def test_bad_words_are_answered_in_a_sentence(words, told, run, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said = command(*(run if word == "RUN" else word for word in words))
    assert code == 2 and told in said and not (tmp_path / "skills").exists()


def test_the_verbs_say_what_they_do(command):
    assert command()[0] == 2 and command("--help")[0] == 0
    code, said = command("list", "--help")
    assert code == 0 and "Where skills are kept" in said


def test_what_is_damaged_is_listed_as_that(run, tmp_path, command):
    out = tmp_path / "skills"
    assert command("export", run, "--out", out)[0] == 0
    (out / "up" / "skill.safetensors").write_bytes(b"x")
    (out / "notes").mkdir()
    code, said = command("list", out)
    assert code == 0 and "not usable" in said and "skill.safetensors is damaged" in " ".join(said.split())
    assert "down" in said and "notes" not in said


def test_a_saved_agent_says_that_nothing_was_measured(tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = oc.OptionCritic("Skills/Arm-v0", option_names=("a/b", "a b", "../..", "\u00fc"), **SMALL)
    made.save("agent")
    code, said = command("export", "agent")
    assert code == 0 and "not measured" in said
    assert sorted(p.name for p in (tmp_path / "skills").iterdir()) == ["a-b", "a-b-2", "skill", "skill-2"]
    assert oc.Skill.load("skills/a-b-2").name == "a b"


@pytest.mark.parametrize(("name", "plain"), [("reach", "reach"), (".", "skill"), ("...", "skill"), ("a/../b", "a-..-b"),
                                             ("-rf", "rf"), (".hidden", "hidden"), ("move+", "move")])  # fmt: skip
def test_names_of_folders(name, plain):
    assert file_name(name) == plain


def test_definitions_are_imported_where_they_are_named(run, tmp_path, command, monkeypatch):
    monkeypatch.delitem(sys.modules, "makers")
    code, said = command("export", run, "--out", tmp_path / "skills")
    assert code == 2 and "--options-from makers:SAID" in said and "makers" not in sys.modules
    monkeypatch.setattr("gymnasium.envs.registration.logger.warn", lambda *_: None)
    assert command("export", run, "--out", tmp_path / "skills", "--options-from", "makers:SAID")[0] == 0
    assert sys.modules["makers"].SAID is not SAID

"""What the commands and the page say of agents whose options are skills, scripted ones, and new ones."""

import json

import pytest
from makers import agent as made_by

import option_critic as oc
from option_critic.cli import main
from option_critic.errors import InputError
from option_critic.options.entries import origins
from option_critic.report.gather import gather
from option_critic.report.page import build
from option_critic.report.tables import diagnosis_table
from option_critic.runs.run_config import read_config
from option_critic.skills.export import skill_of

FEW = {"num_envs": 2, "rollout_length": 16, "minibatch_size": 16, "epochs": 1, "hidden_dim": 8, "torch_threads": 1,
       "env_workers": "never"}  # fmt: skip
SIDES = """
import option_critic as oc
{0} = (oc.Option(name="{1}", policy=lambda obs: obs[..., :1].clamp(-1, 1), end=lambda obs: obs[..., 0] > 0.5,
       ends="given"), oc.Option(name="other"))
"""
pytestmark = pytest.mark.filterwarnings("ignore:the checkpoint after")
NAMES = ("option-0", "right", "over", "left")
WORDS = ("skill, frozen", "skill, corrected", "new", "of scripted_options:LEFT, frozen, end given")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run on skills and scripted options of two modules, neither of which is imported any more -> its folder."""
    monkeypatch.chdir(tmp_path)
    modules = {"scripted_options": ("LEFT", "left"), "skilled_options": ("RIGHT", "right")}
    for module, names in modules.items():
        (tmp_path / f"{module}.py").write_text(SIDES.format(*names))
    skill_of(made_by("plain"), 0).save(tmp_path / "near")
    skill_of(oc.OptionCritic("Pendulum-v1", options_from="skilled_options:RIGHT", **FEW), "right").save("right")
    words = ["near", "right+", "new:over", "scripted_options:LEFT:left"]
    mix = oc.OptionCritic("Pendulum-v1", options=words, total_timesteps=96, checkpoint_every=32, **FEW)
    mix.learn(run_folder=tmp_path / "run", callback=lambda agent, _: agent.num_timesteps < 64)
    for module in modules:
        monkeypatch.delitem(main.sys.modules, module)
    yield tmp_path / "run"
    for module in modules:
        main.sys.modules.pop(module, None)


@pytest.mark.parametrize(
    ("words", "reference", "ends", "kinds", "expected"),
    [
        (("near", "right+", "new:over", "scripted_options:LEFT:left"), "", "learned",
         ("frozen", "corrected", "learned", "frozen, end given"), WORDS),
        (("near", "new:near+"), "", "given", (), ("skill, frozen, end given", "new")),
        (("near", "m:SET:a"), "", "given", (), ("skill, frozen, end given", "of m:SET")),  # of an older version
        (("near", "right+"), "", "right,far", (), ("skill, frozen", "skill, corrected, end given")),
        ((), "m:SET", "learned", ("learned", "corrected"), ("of m:SET, learned", "of m:SET, corrected")),
        ((), "reach-grasp-move@push-v3", "learned", ("one too many",) * 3, ("of reach-grasp-move@push-v3",) * 2),
        ((), "", "given", (), ("learned", "learned")),
        (("", "new:", ":", "\x1b[2J+"), "", "", (), ("skill, frozen", "new", "of ", "skill, corrected")),  # odd
    ],
)  # fmt: skip
def test_what_each_option_is(words, reference, ends, kinds, expected):
    assert origins(words, reference, len(expected), ends, kinds) == expected


def test_every_command_goes_on_with_what_train_names(run, capsys):
    with pytest.raises(InputError, match="loading imports no code on its own"):
        main.evaluate([str(run)])
    with pytest.raises(InputError, match="would do nothing"):
        main.evaluate([str(run), "--options-from", "scripted_options:LEFT,skilled_options:RIGHT,reach-grasp-move"])
    for module in ("scripted_options", "skilled_options"):
        main.sys.modules.pop(module)
    assert main.list_(["--runs", str(run.parent)]) == 0
    named = ["--options-from", "scripted_options:LEFT,skilled_options:RIGHT"]
    assert main.resume([str(run), *named]) == 0
    assert f"next: option-critic evaluate {run} {' '.join(named)}" in capsys.readouterr().out.replace("\n", " ")
    few = [str(run), *named, "--episodes", "2", "--workers", "1", "--max-episode-steps", "5"]
    assert main.evaluate([*few, "--mode", "deterministic"]) == 0
    capsys.readouterr()
    assert main.diagnose(few) == 0
    said = " ".join(capsys.readouterr().out.split())
    for name, word in zip(NAMES, WORDS, strict=True):
        assert f"{name} ({word})" in said
    assert main.report([str(run), "--out", "page.html", "--no-videos"]) == 0
    page = (run.parent / "page.html").read_text()
    for name, word in zip(NAMES, WORDS, strict=True):
        assert f"{name} ({word})" in page  # in the figures, and where what options do is told:
        assert f"{name}: what it is</th><td>{word}</td>" in page


def test_train_takes_skills_by_their_folders_and_goes_on_with_them(run, capsys):
    few = [w for name, value in FEW.items() for w in (f"--{name.replace('_', '-')}", str(value))]
    words = ["--options", "near,", "right+,new:over", "scripted_options:LEFT:left", *few, "--total-timesteps", "32"]
    command = ["Pendulum-v1", *words, "--out", "more"]
    with pytest.raises(InputError, match="--options-from skilled_options:RIGHT"):
        main.train(command)
    command += ["--options-from", "skilled_options:RIGHT"]
    assert main.train(command) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert ", ".join(f"{n} ({w})" for n, w in zip(NAMES, WORDS, strict=True)) in said
    assert "the critic learns alone for the first 20,000 steps (burn_in)" in said
    assert main.train([*command, "--resume", "auto"]) == 0  # what is there is the same


def test_a_page_escapes_what_a_stranger_wrote(run):
    file = run / "config.json"
    config = json.loads(file.read_text())
    config["settings"]["options"]["options"][3] = "<script>\x1b\u202e:left"
    file.write_text(json.dumps(config))
    (found,) = gather([run])
    page = build([found], {}, [], "")
    assert "left (of &lt;script&gt;\\x1b\\u202e, frozen, end given)" in page and "\x1b" not in page
    assert diagnosis_table([found]) is None


@pytest.mark.parametrize("words", [["near"], [1, 2, 3, 4], "near", {"a": 1}])
def test_words_that_can_be_none_are_named(run, words):
    file = run / "config.json"
    config = json.loads(file.read_text())
    config["settings"]["options"]["options"] = words
    file.write_text(json.dumps(config))
    from option_critic.runs.paths import RunPath

    assert "config.json is damaged" in read_config(RunPath.of(run))[1]

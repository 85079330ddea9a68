"""What the pages quote is what the code says."""

import re
from pathlib import Path

import pytest
from observation_kinds import env_id

import option_critic as oc

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "option_critic"
PAGE = (ROOT / "docs" / "from-the-tutorial.md").read_text(encoding="utf-8")
QUOTES = re.findall(r"^```python\n(.+?) +# ([\w/]+\.py)\n```$", PAGE, re.MULTILINE)


def test_every_defect_has_its_line():
    assert len(re.findall(r"^### \d+\. ", PAGE, re.MULTILINE)) == len(QUOTES) == 16


@pytest.mark.parametrize(("line", "file"), QUOTES)
def test_quoted_lines_are_in_their_files(line, file):
    assert line in {found.strip() for found in (SOURCE / file).read_text(encoding="utf-8").splitlines()}


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_lines_about_environments_run(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "environments.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.+?)^```$", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("option_critic.training.threads.usable_cores", lambda: 1)
    for block in blocks:
        if name := re.match(r"# (\w+\.py)\n", block):
            (tmp_path / name[1]).write_text(block, encoding="utf-8")
        else:
            exec(re.sub(r"learn\([\d_]+", "learn(64", block), {"__name__": "page"})
    seen = env_id("image")
    assert oc.OptionCritic(seen, encoder="mynet:small", num_envs=1).state.model.encoder.size == 128
    assert len(blocks) == 6 and sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["mine", "pendulum"]


@pytest.mark.filterwarnings("ignore:the checkpoint after")
def test_lines_about_callbacks_run(tmp_path, monkeypatch, capsys):
    (block,) = re.findall(r"^```python\n(.+?)^```$", (ROOT / "docs" / "callbacks.md").read_text(), re.M | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    short = "evaluate_every=256, evaluate_episodes=2, num_envs=2, rollout_length=64"
    exec(block.replace("evaluate_every=20_000", short).replace("100_000", "256"), {"__name__": "page"})
    said = capsys.readouterr().out
    assert f"256 {tmp_path / 'runs'}" in said or "256 runs" in said
    assert " episode " in said and (tmp_path / "best" / "README.md").is_file()


def test_lines_about_planners_run(capsys):
    page = (ROOT / "docs" / "planners.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.+?)^```$", page, re.MULTILINE | re.DOTALL)
    space = {"__name__": "page"}
    for block in blocks:
        if "stable_baselines3" in block:
            pytest.importorskip("stable_baselines3", reason='pip install "option-critic[rivals]"')
        exec(block.replace("range(200)", "range(40)").replace("learn(5_000)", "learn(50)"), space)
    assert len(blocks) == 3 and space["planner"].num_timesteps >= 50
    assert space["learned"] < 0.8 * space["at_random"]
    assert "('north', 'east', 'south', 'west') [False  True False  True]" in capsys.readouterr().out

"""The site is whole: every public name, no dead link, and what a newcomer wants is near."""

import inspect
import re
import subprocess
import sys
import tomllib

import pytest
from build_site import demo
from dead_links import dead_links
from links import PAGES, ROOT, is_tutorial, moved, page_of
from publish import publish

import option_critic as oc

# what a newcomer wants, in the words of the first page -> a line without which a page does not answer it
WANTED = {
    "train my own environment": "option-critic train mymod:make_env",
    "find which one failed": "an option never runs",
    "reuse a skill": "--options skills/reach,skills/grasp,skills/move+",
    "resume": "option-critic resume",
    "export": "option-critic export",
}


def links_of(file):
    return moved((ROOT / file).read_text(encoding="utf-8"), file)[1] if file.endswith(".md") else set()


@pytest.mark.parametrize(("words", "answer"), WANTED.items())
def test_newcomers_find_it_within_two_clicks(words, answer):
    (row,) = [line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if f"{words}" in line
              and line.startswith("| **")]  # fmt: skip
    first = moved(row, "README.md")[1]
    within_two = first | {page for one in first for page in links_of(one)}
    assert any(answer in (ROOT / page).read_text(encoding="utf-8") for page in within_two if page.endswith(".md"))


def test_links_are_put_where_the_pages_are():
    text = (
        "[a](SECURITY.md) [b](docs/skills.md#skill-files) `[c](no)`\n```\n[d](docs/nowhere.md)\n```\n[e](https://x.y)"
    )
    put, targets = moved(text.replace("`[c](no)`", ""), "README.md")
    assert "[a](about/security.md) [b](skills.md#skill-files)" in put and "[d](docs/nowhere.md)" in put
    assert targets == {"SECURITY.md", "docs/skills.md"}
    put, _ = moved("[x](../../SECURITY.md) [y](../options.md)", "docs/tutorials/named_options.py")
    assert put == "[x](../about/security.md) [y](../options.md)"
    put, _ = moved("[x](../experiments/fifty.py) [t](tutorials/named_options.py)", "docs/scale.md")
    assert put == "[x](source/experiments/fifty.py.md) [t](tutorials/named_options.md)"
    for dead in ("[x](nowhere.md)", "[x](../../outside.md)"):
        with pytest.raises(SystemExit, match="no file of the repository"):
            moved(dead, "docs/skills.md")


def test_the_page_of_the_demo_is_shown_where_it_was_run(tmp_path):
    page, report = tmp_path / "report.md", tmp_path / "runs" / "report.html"
    page.write_text("# Pages\n")
    demo(tmp_path, report)
    assert page.read_text() == "# Pages\n"
    report.parent.mkdir()
    report.write_text("the arm")
    demo(tmp_path, report)
    (shown,) = re.findall(r'<iframe src="(\S+)"', page.read_text())
    assert (tmp_path / shown).read_text() == "the arm" and f"[By itself]({shown})" in page.read_text()


def test_dead_links_are_found(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "index.html").write_text('<h1 id="here">A</h1><a href="../#there">up</a><img src="no.png">')
    (tmp_path / "index.html").write_text(
        '<p id="there"></p><a href="a/#here">1</a><a href="a/#gone">2</a><a href="b/">3</a><a href="../x">4</a>'
        '<a href="https://elsewhere.org">5</a><a href="#there">6</a><a href="#not">7</a>'
    )
    assert list(dead_links(tmp_path)) == [
        "a/index.html: no.png leads nowhere",
        "index.html: a/#gone has no such anchor",
        "index.html: b/ leads nowhere",
        "index.html: ../x leads nowhere",
        "index.html: #not has no such anchor",
    ]


def test_versions_lie_beside_each_other(tmp_path):
    site, published = tmp_path / "site", tmp_path / "published"
    site.mkdir(), published.mkdir()
    seen = []
    for ref in ("main", "v0.9.0", "v0.10.0", "v0.9.1"):
        (site / "index.html").write_text(ref)
        publish(ref, site, published)
        seen.append((published / "latest" / "index.html").read_text())
    assert (
        seen == ["main", "v0.9.0", "v0.10.0", "v0.10.0"] and (published / "0.9" / "index.html").read_text() == "v0.9.1"
    )
    told = re.findall(r'"version": "(.+?)"', (published / "versions.json").read_text())
    assert told == ["0.10", "0.9", "dev"]
    with pytest.raises(SystemExit, match="neither main nor a tag"):
        publish("../elsewhere", site, published)


def test_the_site_is_built_strictly_and_whole(tmp_path):
    pytest.importorskip("zensical", reason='pip install "option-critic[docs]"')
    pytest.importorskip("mkdocstrings", reason='pip install "option-critic[docs]"')
    build = [sys.executable, str(ROOT / "website" / "build_site.py"), "--without-tutorials"]
    done = subprocess.run(
        [*build, "--out", tmp_path / "site", "--work", tmp_path / "work"], capture_output=True, text=True
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    site = tmp_path / "site"
    pages = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    reference = "".join(text for path, text in pages.items() if "reference" in path.parts)
    assert [name for name in oc.__all__ if f'id="option_critic.{name}"' not in reference] == []
    first = pages[site / "index.html"]
    assert "prefers-color-scheme: dark" in first and (site / "search.json").stat().st_size > 100_000


def test_public_names_say_shapes_errors_and_sources():
    said = {name: inspect.getsource(getattr(oc, name)) for name in oc.__all__}
    shapes = {name for name, text in said.items() if re.search(r"\[\.\.\.[],]|\[[A-Z](, [A-Z])*\]", text)}
    assert set(oc.__all__) - shapes == {"Settings", "load", "resume"}  # they take no arrays
    assert {name for name, text in said.items() if not re.search(r"Raises|Error", text)} == {"OptionState", "where"}
    assert {name for name, text in said.items() if re.search(r"(19|20)\d\d\]|\[[A-Z]\w+(\+| and |, )", text)} >= {
        "Feature", "Option", "OptionCritic", "OptionEnv", "Skill",
    }  # fmt: skip


def test_every_page_is_in_the_navigation_and_nothing_else():
    def pages(entries):
        for entry in entries:
            target = next(iter(entry.values())) if isinstance(entry, dict) else entry
            yield from pages(target) if isinstance(target, list) else [target]

    listed = list(pages(tomllib.loads((ROOT / "website" / "zensical.toml").read_text())["project"]["nav"]))
    documents = [*(ROOT / "docs").rglob("*.md"), *filter(is_tutorial, (ROOT / "docs" / "tutorials").glob("*.py"))]
    assert sorted(listed) == sorted(map(page_of, [*PAGES, *(str(path.relative_to(ROOT)) for path in documents)]))

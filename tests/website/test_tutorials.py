"""The tutorials run: what they say is asserted in their own cells."""

import sys

import pytest
from links import ROOT

pytest.importorskip("jupytext", reason='pip install "option-critic[docs]"')


@pytest.mark.parametrize(
    ("name", "printed", "written"),
    [
        ("named_options", "100% delivered", "named_options_page.html"),
        ("planner_over_skills", "learned", "planner_over_skills.ipynb"),
    ],
)
def test_tutorials_run_and_are_pages(name, printed, written, tmp_path, monkeypatch):
    from tutorial_page import main

    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    main(ROOT / "docs" / "tutorials" / f"{name}.py", tmp_path / "pages" / f"{name}.md", run=True)
    page = (tmp_path / "pages" / f"{name}.md").read_text(encoding="utf-8")
    assert printed in page and page.count("```python") > 4 and (tmp_path / "pages" / written).is_file()

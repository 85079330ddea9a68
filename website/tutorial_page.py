"""A tutorial as a page: `python website/tutorial_page.py TUTORIAL.py PAGE.md [--without-running]`.

Its cells (jupytext's percent format) are run one after the other, in the current folder, and each is followed by what
it printed. A page (HTML) that it wrote is embedded below.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from types import ModuleType

import jupytext
from links import ROOT, embedded, is_tutorial, moved

SHOWN = re.compile(r"^\[[\w.]+\]\((\w+\.py)\)$", re.MULTILINE)


def page_of_cells(tutorial: Path, run: bool) -> str:
    """Its Markdown. What a cell raises is raised."""
    file = str(tutorial.relative_to(ROOT))
    module = ModuleType("__main__")
    module.__file__ = str(tutorial)
    sys.modules["__main__"] = module  # what it defines can be found by name, as when it is run as a script
    parts = []
    for cell in jupytext.read(tutorial).cells:
        if cell.cell_type == "markdown":
            parts.append(SHOWN.sub(partial(shown, tutorial.parent), moved(cell.source, file)[0]))
            continue
        parts.append(f"```python\n{cell.source}\n```")
        if run and (said := printed(cell.source, module)):
            parts.append(f'```text title="prints"\n{said}\n```')
    return "\n\n".join(parts) + "\n"


def shown(folder: Path, link: re.Match[str]) -> str:
    """A link to a file that stands alone, with the file."""
    return f"{link[0]}\n\n```python\n{(folder / link[1]).read_text(encoding='utf-8').rstrip()}\n```"


def printed(source: str, module: ModuleType) -> str:
    """Run a cell -> what it printed."""
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile(source, str(module.__file__), "exec"), vars(module))
    return out.getvalue().rstrip()


def main(tutorial: Path, page: Path, run: bool) -> None:
    """Write the page, a notebook to take along, and the page that the tutorial wrote."""
    for beside in tutorial.parent.glob("*.py"):
        if not is_tutorial(beside):
            shutil.copy(beside, ".")
    sys.path.insert(0, str(Path.cwd()))  # as when it is run as a script
    text = page_of_cells(tutorial, run)
    page.parent.mkdir(parents=True, exist_ok=True)
    jupytext.write(jupytext.read(tutorial), page.with_suffix(".ipynb"))
    text += f"\n[As a notebook]({page.stem}.ipynb) · [as a script]({page.stem}.py)\n"
    for report in sorted(Path().rglob("report.html")):
        text += f"\n## The page that it wrote\n\n{embedded(report, page)}"
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), "--without-running" not in sys.argv)

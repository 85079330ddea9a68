"""Where a file of the repository is on the site, and links between Markdown files put so."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "about/changelog.md",
    "CONTRIBUTING.md": "about/contributing.md",
    "SECURITY.md": "about/security.md",
}
LINK = re.compile(r"\]\(([^)\s#:]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"^(```.*?^```)$", re.MULTILINE | re.DOTALL)


def embedded(report: Path, page: Path) -> str:
    """Copy a page that `report` wrote beside the Markdown file `page` -> what shows it there."""
    copy = page.with_name(f"{page.stem}_page.html")
    shutil.copy(report, copy)
    return (
        f"[By itself]({copy.name})\n\n"
        f'<iframe src="{copy.name}" loading="lazy" title="report" '
        'style="width: 100%; height: 45rem; border: 1px solid #8888"></iframe>\n'
    )


def is_tutorial(path: Path) -> bool:
    """Whether a script is one; others lie beside them, and are shown in them."""
    return path.suffix == ".py" and "# %%" in path.read_text(encoding="utf-8")


def page_of(file: str) -> str:
    """The page for a file of the repository: docs/ as it is, tutorials as pages, sources as pages of their own."""
    if file in PAGES:
        return PAGES[file]
    if file.startswith("docs/"):
        inside = file.removeprefix("docs/")
        return inside.removesuffix(".py") + ".md" if is_tutorial(ROOT / file) else inside
    return f"source/{file}.md"


def moved(text: str, file: str) -> tuple[str, set[str]]:
    """The Markdown of `file` with its links to other files as they are on the site, and those other files."""
    targets: set[str] = set()

    def put(match: re.Match[str]) -> str:
        target = os.path.normpath(PurePosixPath(file).parent / match[1])
        if target.startswith("..") or not (ROOT / target).is_file():
            raise SystemExit(f"{file} links to {match[1]}, which is no file of the repository")
        targets.add(target)
        there = os.path.relpath(page_of(target), PurePosixPath(page_of(file)).parent)
        return f"]({there}{match[2] or ''})"

    # what stands between fences is code, never a link
    parts = FENCE.split(text)
    return "".join(part if part.startswith("```") else LINK.sub(put, part) for part in parts), targets

"""Build the documentation site: `python website/build_site.py [--out site] [--work FOLDER] [--without-tutorials]`.

Pages are docs/, the files at the root, and the sources that any of them links to; tutorials are run, and shown with
what they print, and so is the page of `make demo` where it was run. Warnings and dead links end the build with exit
code 1.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from dead_links import dead_links
from links import PAGES, ROOT, embedded, is_tutorial, moved, page_of

TUTORIALS = [path for path in sorted((ROOT / "docs" / "tutorials").glob("*.py")) if is_tutorial(path)]


def main() -> None:
    """Gather the pages, build them, check what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "site")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "website", help="where the pages are gathered")
    parser.add_argument("--without-tutorials", action="store_true", help="show them as code, and run none")
    parser.add_argument("--demo", type=Path, default=ROOT / "runs" / "demo" / "seed-0" / "report.html",
                        help="the page that `make demo` writes; shown where there is one")  # fmt: skip
    asked = parser.parse_args()
    work = asked.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    gather(work / "pages")
    demo(work / "pages", asked.demo)
    tutorials(work, run=not asked.without_tutorials)
    build(work)
    if wrong := list(dead_links(work / "site")):
        raise SystemExit("\n".join(wrong))
    shutil.rmtree(asked.out, ignore_errors=True)
    shutil.copytree(work / "site", asked.out)


def gather(pages: Path) -> None:
    """Every page but the tutorials, with the files that they show and link to."""
    shutil.copytree(ROOT / "docs", pages, ignore=shutil.ignore_patterns("*.md", "__pycache__"))
    texts = [*PAGES, *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md")))]
    sources: set[str] = set()
    for file in texts:
        text, targets = moved((ROOT / file).read_text(encoding="utf-8"), file)
        write(pages / page_of(file), text)
        sources |= {target for target in targets if page_of(target).startswith("source/")}
    for file in sorted(sources):
        code, kind = (ROOT / file).read_text(encoding="utf-8"), Path(file).suffix.lstrip(".")
        write(pages / page_of(file), f"# {Path(file).name}\n\n`{file}`\n\n````{kind}\n{code}````\n")


def demo(pages: Path, report: Path) -> None:
    """The arm's page, below what is said of pages, if the demo was run."""
    if report.is_file():
        page = pages / page_of("docs/report.md")
        text = page.read_text(encoding="utf-8")
        write(page, f"{text}\n## The page of the demo\n\n`make demo`, seed 0.\n\n{embedded(report, page)}")


def tutorials(work: Path, run: bool) -> None:
    """Their pages, side by side: each in a process and an empty folder of its own."""
    started = []
    for path in TUTORIALS:
        page, folder = work / "pages" / page_of(str(path.relative_to(ROOT))), work / "tutorials" / path.stem
        folder.mkdir(parents=True)
        how = [] if run else ["--without-running"]
        command = [sys.executable, str(ROOT / "website" / "tutorial_page.py"), str(path), str(page), *how]
        started.append(subprocess.Popen(command, cwd=folder))
    if any([tutorial.wait() for tutorial in started]):
        raise SystemExit("a tutorial failed")


def build(work: Path) -> None:
    """Zensical, strictly. Raises SystemExit with what it says, where it warns."""
    settings = (ROOT / "website" / "zensical.toml").read_text(encoding="utf-8")
    write(work / "zensical.toml", settings.replace('paths = ["src"]', f"paths = {json.dumps([str(ROOT / 'src')])}"))
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
    said = done.stdout + done.stderr
    if done.returncode or "warning" in said.lower():
        raise SystemExit(said[-8000:])


def write(path: Path, text: str) -> None:
    """A file, with the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

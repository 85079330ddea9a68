"""Put a built site beside its other versions: `python website/publish.py REF SITE PUBLISHED`.

`main` becomes version `dev`, a tag `v1.2.3` version `1.2`. The newest release is also `latest`, where the root leads;
as long as there is none, `dev` is.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

DEV = "dev"
ROOT_PAGE = (
    '<!doctype html><meta charset="utf-8"><title>option-critic</title>'
    '<meta http-equiv="refresh" content="0; url=latest/">\n'
)


def publish(ref: str, site: Path, published: Path) -> None:
    """Replace one version in the folder `published`, and all that follows from which there are. Raises SystemExit for
    a `ref` that is neither main nor a tag of a version."""
    tag = re.fullmatch(r"v(\d+)\.(\d+)\.\d+", ref)
    if ref != "main" and not tag:
        raise SystemExit(f"{ref} is neither main nor a tag like v1.2.3")
    name = f"{tag[1]}.{tag[2]}" if tag else DEV
    replace(site, published / name)
    releases = [path.name for path in published.iterdir() if re.fullmatch(r"\d+\.\d+", path.name)]
    releases.sort(key=lambda release: [int(part) for part in release.split(".")], reverse=True)
    latest = releases[0] if releases else DEV
    if latest == name:
        replace(site, published / "latest")
    told = [
        {"version": version, "title": version, "aliases": ["latest"] if version == latest else []}
        for version in [*releases, *([DEV] if (published / DEV).is_dir() else [])]
    ]
    (published / "versions.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    (published / "index.html").write_text(ROOT_PAGE, encoding="utf-8")
    (published / ".nojekyll").touch()


def replace(site: Path, folder: Path) -> None:
    """The site in a folder, in the place of what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(site, folder)


if __name__ == "__main__":
    publish(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))

"""What agents do where they fail: a row of pictures for each run of a sweep that does.

    python experiments/failing.py --out runs/fifty --name k3 --below 0.5     # runs/fifty/failing-k3.jpg

An episode that did not succeed, the one whose return is in the middle of theirs, played again from the record of its
evaluation: in the first 200 steps, at equal distances. Frames have the colour of the option that runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from option_critic.envs.contract import Mask
from option_critic.evaluation.trace import Trace
from option_critic.report.overlay import Frame, overlay
from option_critic.report.replay import episode_frames
from option_critic.runs.inventory import read_config
from option_critic.runs.paths import RunPath

STEPS, PICTURES, SIZE = 200, 7, 240


def success(trace: Trace) -> Mask:
    """[E] whether each episode succeeded at any step."""
    found: Mask = np.any(trace.info["success"] > 0, axis=1)
    return found


def typical_failure(trace: Trace) -> int | None:
    """The failed episode whose return is in the middle; none: all succeeded."""
    failed = np.flatnonzero(~success(trace))
    returns = trace.reward.sum(1)[failed]
    return int(failed[np.argsort(returns)[len(failed) // 2]]) if len(failed) else None


def row(env_id: str, names: list[str], trace: Trace, episode: int) -> Frame:
    """Pictures of an episode side by side: [SIZE, PICTURES x SIZE, 3]."""
    last = min(STEPS, int(trace.length[episode]))
    wanted = set(np.linspace(0, last - 1, PICTURES).astype(int).tolist())
    frames = enumerate(episode_frames(env_id, trace, episode, last, SIZE))
    return np.concatenate([overlay(frame, names, trace, episode, t) for t, frame in frames if t in wanted], axis=1)


def drawn(out: Path, name: str, below: float) -> Path:
    """A row for each run of that name with less success, in the order of the tasks; where the picture is.

    Raises SystemExit where there is none."""
    from PIL import Image, ImageDraw, ImageFont

    rows = []
    for place in sorted(out.glob(f"{name}/*/seed-*/traces")):
        trace, _ = Trace.load(max(place.glob("*.safetensors"), key=lambda path: path.stat().st_mtime))
        share, episode = float(success(trace).mean()), typical_failure(trace)
        if share >= below or episode is None:
            continue
        config = read_config(RunPath.of(place.parent))["settings"]
        names = list(config["options"]["option_names"]) or [f"option-{k}" for k in range(trace.q.shape[-1])]
        picture = Image.fromarray(row(config["env_id"], names, trace, episode))
        whole = Image.new("RGB", (picture.width, picture.height + 24), "white")
        whole.paste(picture, (0, 24))
        title = f"{place.parent.parent.name}: {share:.2f} of {len(trace.length)} episodes, {place.parent.name}"
        ImageDraw.Draw(whole).text((4, 3), title, fill="black", font=ImageFont.load_default(size=15))
        rows.append(np.asarray(whole))
    if not rows:
        raise SystemExit(f"no run called {name} in {out} is below {below}")
    path = out / f"failing-{name}.jpg"
    Image.fromarray(np.concatenate(rows)).save(path, quality=80)
    return path


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", default="k3")
    parser.add_argument("--below", type=float, default=0.5)
    a = parser.parse_args()
    print(drawn(a.out, a.name, a.below))


if __name__ == "__main__":
    main()

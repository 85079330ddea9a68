"""Runs as a stranger could write them: every value of every file changed, one at a time."""

import copy
import itertools
import json
import re
from contextlib import contextmanager

import numpy as np
import safetensors.numpy

from option_critic.report import report as report_module
from option_critic.report.pictures import picture, rendered
from option_critic.report.report import report
from runs import make_run, trace

HUGE = 10**400
MISSING = object()
NESTED = json.loads("[" * 400 + "]" * 400)
CHANGES = {
    "missing": MISSING, "null": None, "true": True,
    "false": False, "a text": "x", "no text": "", "a number": 3, "half": 0.5,
    "zero": 0, "negative": -1, "large": 1e308, "small": -1e308, "huge": HUGE, "int64": 2**63, "no list": [],
    "a list": [1, "x", None], "no object": {}, "an object": {"any": {"value": 1.0}, "x": None}, "nested": NESTED,
    "a long list": [0.0] * 20_000, "a long text": "long " * 50_000, "a path": "../../out/x", "markup": "<!--<script>",
    "odd text": "a\x00\x07\n\u202e\u2028$x$ \\frac %{x}", "a prototype": "__proto__",
}  # fmt: skip
JSON_FILES = ("evaluation.json", "diagnosis.json", "config.json", "versions.json")
LOGS = ("metrics.jsonl", "timing.jsonl", "alarms.jsonl")
TRACE = "traces/000000192000-D-deterministic.safetensors"
NAMES = ("<!--<script>", "</script><img src=x onerror=hit=1>", '<a href="https://stranger.example/">go</a>',
         "$x$ \\frac{a} %{x} &amp; 'q' \"q\"", "a\x00\x07\u202eb\u2028c", "__proto__", "n" * 200)  # fmt: skip


def small_run(folder, **settings):
    """A run with two evaluated episodes and a diagnosis."""
    make_run(folder, episodes=2, **settings)
    names = json.loads((folder / "config.json").read_text())["settings"]["options"]["option_names"]
    option = {"share": 0.3, "phases": {"approach": 0.9, "grasp": 0.1}, "meant_for": "grasp", "duration": 11.6,
              "runs": 3, "cut_duration": 9.0, "cut_runs": 1, "distance": {}}  # fmt: skip
    any_step = {"value": 0.5, "low": 0.1, "high": 0.9, "n": 2}
    (folder / "diagnosis.json").write_text(json.dumps({
        "format_version": 1, "env_id": "Meta-World/pick-place-v3", "training_steps": 192000, "goals": "D",
        "diagnosis": {"nmi": 0.8, "effective_number": 2.9, "learned_ends": 0.5, "choices": 0.1, "choice_entropy": 0.2,
                      "saturation": None, "options": [{"name": name, **option} for name in names]},
        "ablations": {"as learned": {"any": any_step, "return": None}, "without reach": {"any": any_step}},
    }))  # fmt: skip
    path = folder / "evaluation.json"
    record = json.loads(path.read_text()) | {"env_id": "Meta-World/pick-place-v3", "option_names": names}
    path.write_text(json.dumps(record))
    return folder


def hostile(folder):
    """A run whose texts all mean to be more than text."""
    modest = [f"name-{i}-" for i in range(len(NAMES))]  # settings take no others
    small_run(folder, option_names=modest)
    for path in [*folder.glob("*.json"), *folder.glob("*.jsonl")]:
        text = path.read_text()
        for name, meant in zip(modest, NAMES, strict=True):
            text = text.replace(name, json.dumps(meant)[1:-1])
        path.write_text(text)
    made = trace(2, len(NAMES))
    made.option[:, 30:] = np.arange(30) // 4 % len(NAMES)
    made.save(folder / TRACE, {})
    for name in ("config.json", "versions.json", "alarms.jsonl", "evaluation.json"):
        text = (folder / name).read_text()
        for word in ("Meta-World/pick-place-v3", "the options do", "dac", "2.13.0", "tanh"):
            text = text.replace(word, word + json.dumps(NAMES[1] + NAMES[2] + NAMES[4])[1:-1])
        (folder / name).write_text(text)
    return folder


def places(data, at=()):
    """The way to each value in JSON data, the whole of it first; of lists to two of them."""
    yield at
    entries = data.items() if isinstance(data, dict) else enumerate(data[:2]) if isinstance(data, list) else ()
    for key, value in entries:
        yield from places(value, (*at, key))


def changed(data, at, value):
    """`data` with another value at a place."""
    if not at:
        return value
    data = copy.deepcopy(data)
    inner = data
    for key in at[:-1]:
        inner = inner[key]
    if value is MISSING:
        del inner[at[-1]]
    else:
        inner[at[-1]] = value
    return data


def cases(folder, every=1):
    """(name, file, content) of every change of every value of the run's JSON files and of the first rows of its logs,
    or of one in so many changes."""
    texts = {name: (folder / name).read_text() for name in (*JSON_FILES, *LOGS)}
    all_of = [
        (name, at, what)
        for name, text in texts.items()
        for at in places(json.loads(text.splitlines()[0] if name in LOGS else text))
        for what, value in CHANGES.items()
        if at or value is not MISSING
    ]
    for name, at, what in all_of[::every]:
        first, *rest = texts[name].splitlines(keepends=True) if name in LOGS else [texts[name]]
        content = json.dumps(changed(json.loads(first), at, CHANGES[what]))
        yield f"{name} {'/'.join(map(str, at))}: {what}", name, "\n".join([content, "".join(rest)])


def trace_cases(folder):
    """(name, arrays, metadata) of traces that no evaluation wrote."""
    arrays = safetensors.numpy.load_file(folder / TRACE)
    meta = {"meta": json.dumps({"goals": "D"})}
    for name, x in arrays.items():
        for what, y in {
            "shorter": x[:-1], "without episodes": x[:0], "flat": x.reshape(-1), "deeper": x[None],
            "double": np.concatenate([x, x]), "bytes": x.astype(np.uint8), "half": x.astype(np.float16),
            "real": x.astype(np.float32) + 0.5, "whole": x.astype(np.int64), "negative": -(x.astype(x.dtype)) - 1
            if x.dtype != bool else ~x, "large": x.astype(x.dtype) * 0 + (2**31 - 1 if x.dtype == np.int32 else 1),
        }.items():  # fmt: skip
            yield f"{name} {what}", arrays | {name: np.ascontiguousarray(y)}, meta
        if x.ndim > 1:
            yield f"{name} narrower", arrays | {name: np.ascontiguousarray(x[:, :-1])}, meta
            yield f"{name} without steps", arrays | {name: np.ascontiguousarray(x[:, :0])}, meta
        if x.ndim > 2:
            yield f"{name} thinner", arrays | {name: np.ascontiguousarray(x[..., :-1])}, meta
            yield f"{name} without last", arrays | {name: np.ascontiguousarray(x[..., :0])}, meta
        if x.dtype.kind == "f":
            for value in (np.nan, np.inf, -np.inf, 1e38, -1e38):
                y = x.copy()
                y.flat[-1:] = value
                yield f"{name} {value}", arrays | {name: y}, meta
        yield f"no {name}", {n: y for n, y in arrays.items() if n != name}, meta
    rename = {n: np.concatenate([x, x[..., :1]], -1) if n in ("q", "mu", "interest", "distance") else x
              for n, x in arrays.items()}  # fmt: skip
    yield "one option more", rename, meta
    yield "no metadata", arrays, None
    yield "metadata of something else", arrays, {"meta": "[1"}
    yield "a cell", arrays | {"info/cell": np.full(arrays["option"].shape, 1e9, np.float32)}, meta
    yield "many arrays", arrays | {f"info/{i}": arrays["reward"] for i in range(200)}, meta


def odd_headers(folder):
    """(name, content) of trace files whose header claims something else than there is."""
    content = (folder / TRACE).read_bytes()
    length = int.from_bytes(content[:8], "little")
    head, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    changes = {"shape": [[2, 10**12], [10**9, 10**9, 10**9], [0, 10**15], [-1, 5], [], "x", None, [2.5, 60]],
               "dtype": ["F8", "BF16", "x", None, 3], "data_offsets": [[0, 10**12], [-5, 3], [9, 1], None]}  # fmt: skip
    for name, (field, values) in itertools.product(("option", "q", "length", "goal"), changes.items()):
        for value in values:
            data = json.dumps(changed(head, (name, field), value)).encode()
            yield f"{name} {field} {value}", len(data).to_bytes(8, "little") + data + body
    yield "a long header", (1 << 60).to_bytes(8, "little") + content[8:]
    yield "nothing", b""


@contextmanager
def drawing_once(drawn):
    """What was drawn before is taken from `drawn`: most changes are of nothing that a picture shows."""

    def asked(trace, episode, names, title):
        return trace, episode, tuple(names), title

    def answered(figure):
        trace, episode, names, title = figure
        arrays = (
            trace.option,
            trace.q,
            trace.beta,
            trace.reward,
            trace.length,
            trace.ended,
            *(x for _, x in sorted(trace.info.items())),
        )
        key = (*(x.tobytes() for x in arrays), episode, names, title)
        if key not in drawn:
            drawn[key] = rendered(picture(trace, episode, names, title))
        return drawn[key]

    report_module.picture, report_module.rendered = asked, answered
    try:
        yield
    finally:
        report_module.picture, report_module.rendered = picture, rendered


def page_of(folder):
    """The page of a run, and what its script reads; the page is a page."""
    out = folder.parent / "page.html"
    report([folder], out, videos=False)
    html = out.read_text()
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    data = json.loads(found[1], parse_constant=lambda name: 1 / 0)
    assert html.count("<script") == html.count("</script>") == 3 and html.rstrip().endswith("</html>")
    return html, data

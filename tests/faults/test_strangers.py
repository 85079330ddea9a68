"""Every value of every file of a run changed in many ways: `report` makes a page of the rest, or says why not."""

import sys
from pathlib import Path

import pytest
import safetensors.numpy

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
from strangers import TRACE, cases, drawing_once, odd_headers, page_of, small_run, trace_cases

pytestmark = pytest.mark.faults
EVERY = 3
"""Of the changes one in so many: 25 of each value, so in turn all of them. All 5,753 took half an hour."""


def test_every_value_of_every_file(tmp_path):
    folder, count, drawn, failed = small_run(tmp_path / "runs" / "seed-0"), 0, {}, []
    with drawing_once(drawn):
        for name, file, content in cases(folder, EVERY):
            whole = (folder / file).read_text()
            (folder / file).write_text(content)
            count += 1
            try:
                page_of(folder)
            except Exception as error:
                failed.append(f"{name}: {type(error).__name__} {error!s:.200}")
            (folder / file).write_text(whole)
    assert failed == [] and count >= 1500


def test_every_array_of_a_trace(tmp_path):
    folder, drawn, failed = small_run(tmp_path / "runs" / "seed-0"), {}, []
    files = [(name, safetensors.numpy.save(arrays, meta)) for name, arrays, meta in trace_cases(folder)]
    with drawing_once(drawn):
        for name, content in [*files, *odd_headers(folder)]:
            (folder / TRACE).write_bytes(content)
            try:
                page_of(folder)
            except Exception as error:
                failed.append(f"{name}: {type(error).__name__} {error!s:.200}")
    assert failed == []

"""Names that mean to be more than text: in the page, its charts and pictures, and the names of files."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from strangers import NAMES, TRACE, hostile, page_of

from option_critic.legible import legible
from option_critic.report import page as page_module
from option_critic.report.charts import plain
from option_critic.report.pictures import picture, rendered
from runs import trace

SHOWN = ("a\\x00\\x07\\u202eb\\u2028c", "n" * 79 + "…")


def test_names_are_escaped_wherever_they_stand(tmp_path):
    folder = hostile(tmp_path / f"{'<b>x'}\udcff\u202e\n" / "seed-0")
    html, data = page_of(folder)
    assert data["runs"][0]["options"] == [*NAMES[:4], SHOWN[0], NAMES[5], SHOWN[1]]
    assert data["runs"][0]["labels"] == [plain(name) for name in data["runs"][0]["options"]]
    assert not {"<", ">", "&", "\u2028", "\x00"} & set(html.split('id="data">')[1].split("</script>")[0])
    for odd in ("<img", '<a href="https', "\x00", "\u202e", "\u2028", "<b>x"):
        assert odd not in html.split("<script>")[0]
    for path in (folder / "pictures").iterdir():
        assert path.name.startswith(Path(TRACE).stem)
        if path.suffix == ".svg":
            text = path.read_text()
            assert text.isprintable() or not {c for c in text if not c.isprintable()} - {"\n", "\t"}
    assert len({*(folder / "pictures").iterdir()}) == 4


@pytest.mark.parametrize("name", [*NAMES, "$", "$$", "\\", "_^{", "$\\frac$"])
def test_a_picture_takes_any_name(name):
    content = rendered(picture(trace(1), 0, (legible(name), "b", "c"), legible(name)))["svg"]
    ElementTree.fromstring(content)


def test_legible_text_is_printable_and_short():
    assert legible("reach") == "reach" and legible("größe 手") == "größe 手"
    assert legible("a\udcff\x1b[31m\u202e") == "a\\udcff\\x1b[31m\\u202e"
    assert legible("x" * 81) == "x" * 79 + "…" and legible("x" * 80) == "x" * 80
    for c in map(chr, range(0x11000)):
        assert legible(c).isprintable()


def test_texts_for_charts_are_plain():
    assert plain("<b>a</b> & %{x} $y$ 'q'") == "&lt;b&gt;a&lt;/b&gt; &amp; &#37;{x} &#36;y&#36; 'q'"


def test_the_script_writes_no_markup():
    """Names are put into the page as text; Plotly is handed `labels`, which are escaped."""
    assets = Path(page_module.__file__).parent / "assets"
    for path in assets.glob("*.js"):
        code = path.read_text()
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("):
            assert way not in code, path.name

"""The page in a real browser: it opens from disk, asks the network for nothing, and does what it says.

Skipped where there is no Chromium; CI's own script installs one.
"""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from strangers import NAMES, hostile

from option_critic.evaluation.trace import Trace
from option_critic.legible import legible
from option_critic.options.look import colour
from option_critic.report import video
from option_critic.report.gather import gather
from option_critic.report.page import LIMIT, build, data, write
from option_critic.report.report import report
from option_critic.runs.paths import RunPath
from runs import STEPS, make_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Two seeds and a flat run, one of them with a video of its median episode -> the page's path."""
    root = tmp_path_factory.mktemp("runs")
    for seed in range(2):
        make_run(root / "named" / f"seed-{seed}", seed, episodes=4, evaluate_every=48_000)
    make_run(root / "flat" / "seed-0", num_options=1)
    (run,) = gather([root / "named" / "seed-0"])
    trace = run.evaluated[0].trace
    episode = video.choose(trace)["median"]
    frames = video.last_frame(trace, episode)
    colours = np.linspace(0, 255, frames).astype(np.uint8)
    plain = (np.full((64, 64, 3), c, np.uint8) for c in colours)
    (root / "named" / "seed-0" / "videos").mkdir()
    content, _ = video.encoded(plain, video.FPS)
    (root / "named" / "seed-0" / "videos" / f"{run.evaluated[0].key}-{episode}.mp4").write_bytes(content)
    report([root / "named", root / "flat"], root / "page.html", videos=False)
    return root / "page.html", episode, frames


@pytest.fixture
def page(browser, site):
    """The page, open; it fails the test if anything was said on the console or asked of the network."""
    complaints, asked = [], []
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(site[0].as_uri())
    page.wait_for_function("document.body.dataset.ready === 'yes'")
    page.wait_for_timeout(300)
    yield page
    page.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def option_shown(page):
    return page.evaluate("document.getElementById('readout').textContent")


@needs_browser
def test_it_opens_with_the_median_episode_and_its_video(page, site):
    _, episode, _ = site
    assert page.text_content("h1") == "pick-place-v3"
    assert f"Episode {episode} of 4" in page.text_content("#chosen")
    assert page.evaluate("document.getElementById('video').readyState") >= 1
    assert page.get_attribute("#stage", "class") == ""
    legend = page.evaluate("[...document.querySelectorAll('#legend span')].map((x) => x.textContent)")
    assert legend == ["reach", "grasp", "move"]


@needs_browser
def test_a_click_on_the_timeline_moves_the_video(page, site):
    page.locator("#stage").scroll_into_view_if_needed()
    page.wait_for_timeout(200)
    box = page.locator("#timeline").bounding_box()
    before = page.evaluate("document.getElementById('video').currentTime")
    for step in (30, 5):
        x = page.evaluate(
            f"(() => {{ const f = document.getElementById('timeline')._fullLayout;"
            f" return f.xaxis.d2p({step}) + f.margin.l; }})()"
        )
        page.mouse.click(box["x"] + x, box["y"] + 200)
        page.wait_for_timeout(300)
        now = page.evaluate("document.getElementById('video').currentTime")
        assert now == pytest.approx((step - 0.5) / video.FPS, abs=0.02)
        assert option_shown(page).startswith(f"step {step} of {STEPS}: " + ("move" if step == 30 else "reach"))
        cursor = page.locator("#cursor").bounding_box()
        assert cursor["x"] + 1 == pytest.approx(box["x"] + x, abs=2)
    assert before != now


@needs_browser
def test_while_the_video_plays_the_cursor_moves(page):
    page.click("#play")
    page.wait_for_timeout(900)
    step = int(option_shown(page).split()[1])
    assert 4 < step < STEPS
    page.click("#play")
    page.wait_for_timeout(100)
    stopped = option_shown(page)
    page.wait_for_timeout(300)
    assert option_shown(page) == stopped
    assert page.text_content("#play") == "play"


@needs_browser
def test_the_keyboard_is_enough(page):
    page.focus("#line")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert option_shown(page).startswith("step 12 of 60: reach")
    told = []
    for _ in range(16):
        page.keyboard.press("ArrowRight")
        told += option_shown(page).split("; ")[1:]
    assert told == ["reach ended by learning", "grasp ended by force"]
    page.keyboard.press("End")
    assert option_shown(page).startswith("step 60 of 60: move")
    page.keyboard.press("Home")
    episode = page.text_content("#chosen")
    page.keyboard.press("ArrowDown")
    assert page.text_content("#chosen") != episode
    page.keyboard.press("ArrowUp")
    assert page.text_content("#chosen") == episode
    focused = []
    for _ in range(40):
        page.keyboard.press("Tab")
        focused.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"theme", "run", "evaluation", "whole", "play", "line", "BUTTON", "SUMMARY"} & set(focused) >= {
        "theme",
        "line",
    }


@needs_browser
def test_other_runs_and_episodes_can_be_chosen(page):
    page.select_option("#run", label="flat, seed-0")
    assert page.evaluate("[...document.querySelectorAll('#legend span')].map((x) => x.textContent)") == ["option-0"]
    assert "no video" in page.text_content("#no-video")
    assert page.get_attribute("#stage", "class") == "alone"
    page.select_option("#run", label="named, seed-1")
    page.locator("#list button").nth(3).click()
    assert "no success" in page.text_content("#chosen")
    assert "missed" in page.get_attribute("#list button:nth-child(4)", "class")
    drawn = "document.getElementById('timeline').data.filter((t) => t.type === 'bar')"
    bars = page.evaluate(drawn + ".map((t) => [t.name, t.x, t.marker.color])")
    assert [name for name, _, _ in bars] == ["reach", "grasp", "move"]
    assert [x for _, x, _ in bars] == [[15], [12], [33]]
    assert [shade for _, _, shade in bars] == [colour(k) for k in range(3)]


@needs_browser
@pytest.mark.parametrize(("width", "height", "scheme"), [(390, 844, "dark"), (1440, 900, "light")])
def test_it_fits_a_phone_and_a_screen_in_the_dark_and_in_the_light(browser, site, tmp_path, width, height, scheme):
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(site[0].as_uri())
    page.wait_for_function("document.body.dataset.ready === 'yes'")
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    ground = np.array(Image.open(tmp_path / "page.png").convert("L"))[:, 2].mean()
    assert (ground < 60) == (scheme == "dark")
    assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= 16
    page.click("#theme")
    assert page.get_attribute("html", "data-theme") == ("light" if scheme == "dark" else "dark")
    page.close()


@needs_browser
def test_an_episode_without_a_distance_shows_none(browser, tmp_path):
    run = make_run(tmp_path / "a" / "seed-0")
    (path,) = (RunPath.of_file(path) for path in (run / "traces").iterdir())
    trace, meta = Trace.load(path)
    trace.info["obj_to_target"][1] = 0
    trace.save(path, meta)
    report([run], tmp_path / "page.html", videos=False)
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_function("document.body.dataset.ready === 'yes'")
    for episode, told in enumerate((True, False, True)):
        page.click(f"#list button:nth-child({episode + 1})")
        assert ("cm from the goal" in option_shown(page)) == told
    page.close()


@needs_browser
def test_a_broken_run_still_gives_a_page_of_what_is_there(browser, tmp_path):
    folder = make_run(tmp_path / "seed-0")
    for path in ("metrics.jsonl", "evaluation.json", "config.json"):
        (folder / path).write_text('{"format_version":')
    report([folder], None, videos=False)
    errors = []
    page = browser.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((folder / "report.html").as_uri())
    page.wait_for_function("document.body.dataset.ready === 'yes'")
    text = page.text_content("main")
    page.close()
    assert errors == []
    assert "evaluation.json cannot be read" in text
    assert "Nothing was evaluated yet" in text


@needs_browser
def test_what_a_stranger_wrote_is_drawn_as_text(browser, tmp_path):
    """The page works; nothing of the folder runs, is a link, or asks the network."""
    folder = hostile(tmp_path / "<b>x" / "seed-0")
    make_run(tmp_path / "flat" / "seed-0", num_options=1)  # two groups: the curves have a legend
    report([folder, tmp_path / "flat" / "seed-0"], tmp_path / "page.html", videos=False)
    said, asked = [], []
    page = browser.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_function("document.body.dataset.ready === 'yes'")
    page.wait_for_timeout(500)
    assert [text for text in said if "auto-margin" not in text] == []  # a long name takes the legend's room
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert page.evaluate("window.hit") is None
    assert page.evaluate("document.querySelectorAll('img, b > b, a:not(nav a), [*|href^=http]').length") == 0
    shown = [legible(name) for name in NAMES]
    assert page.evaluate("[...document.querySelectorAll('#legend span')].map((x) => x.textContent)") == shown
    legend = page.evaluate("[...document.querySelectorAll('#shares .legendtext')].map((x) => x.textContent)")
    assert [text.replace("\u00a0", " ") for text in legend] == shown
    hovered = page.evaluate(
        """() => { const h = document.getElementById('timeline'), f = h._fullLayout;
        const at = h.data.findIndex((t) => t.type === 'bar' && t.x.length && t.name.includes('stranger'));
        Plotly.Fx.hover(h, [{curveNumber: at, pointNumber: 0}]);
        return h.querySelector('.hoverlayer').textContent; }"""
    )
    assert NAMES[2] in hovered
    assert page.evaluate("document.querySelectorAll('.hoverlayer a').length") == 0
    page.close()


@needs_browser
def test_evaluations_in_training_are_drawn_beside_its_curves(page):
    drawn = (
        "document.getElementById('curve-{}').data.filter((t) => t.name?.endsWith('judged')).map((t) => [t.name, t.y])"
    )
    assert page.evaluate(drawn.format("first")) == [["named, judged", [0.25, 0.5, 0.75, 1]]]
    assert page.evaluate(drawn.format("second")) == [["named, judged", [250.5, 500.5, 750.5, 1000]]]
    assert "Diamonds: evaluations while it trained" in page.text_content("#curves")


@needs_browser
def test_returns_of_the_success_only_reward_are_apart_from_official_ones(browser, tmp_path):
    """An axis of their own where others are beside them, and a name everywhere."""
    make_run(tmp_path / "paid" / "seed-0", reward="success")
    make_run(tmp_path / "judged" / "seed-0", reward="success", evaluate_every=48_000)
    make_run(tmp_path / "dense" / "seed-0")
    drawn = """() => { const h = document.getElementById('curve-second');
        return [h.layout.title.text, h.data.map((t) => [t.name, t.yaxis ?? 'y'])]; }"""
    official, alone = (
        "return of an episode in training",
        "steps in success (success-only reward) of an episode in training",
    )
    lines = [["judged, success-only reward", "y2"], ["dense", "y"], ["judged, judged (official reward)", "y"]]
    for names, title, traces in (
        (["paid"], alone, [["paid, success-only reward", "y"]]),
        (["judged", "dense"], official, lines),
    ):
        path = RunPath.of(tmp_path) / "page.html"
        write(path, build(gather([tmp_path / name for name in names]), {}, [], "option-critic report"))
        page = browser.new_page()
        page.goto(path.path.as_uri())
        page.wait_for_function("document.body.dataset.ready === 'yes'")
        assert page.evaluate(drawn) == [title, traces]
        page.close()


@needs_browser
def test_only_the_scripts_of_the_page_run(browser, site, tmp_path):
    """By its policy: what would be added to it, in whatever way, does nothing."""
    html = site[0].read_text().replace("<main>", "<main><script>hit = 1</script><b id=x onclick='hit = 2'>x</b>", 1)
    (tmp_path / "page.html").write_text(html)
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_function("document.body.dataset.ready === 'yes'")
    page.evaluate("document.getElementById('x').click()")
    assert page.evaluate("window.hit") is None
    page.close()


def test_what_a_run_says_cannot_become_part_of_the_page(tmp_path):
    """An alarm, a name or a setting that holds markup is text."""
    folder = make_run(tmp_path / "<b>x", option_names=("<i>a</i>", "b</script>", "c"))
    html = build(gather([folder]), {}, [], "cmd")
    assert "do </script> the same" not in html
    assert "do &lt;/script&gt; the same" in html
    assert "<i>a</i>" not in html
    assert "b</script>" not in html
    assert html.count("</script>") == 3


def test_five_seeds_of_fifty_episodes_stay_under_the_limit(tmp_path):
    for seed in range(5):
        make_run(tmp_path / "named" / f"seed-{seed}", seed, episodes=50)
    runs = gather([tmp_path / "named"])
    html = build(runs, {}, [], "cmd")
    assert len(html) < LIMIT
    shown = [len(e["episodes"]) for run in data(runs, {}, [])["runs"] for e in run["evaluations"]]
    assert shown == [50] * 5
    size = write(RunPath.of(tmp_path) / "x" / "page.html", html)
    assert size == (tmp_path / "x" / "page.html").stat().st_size
    assert [p.name for p in (tmp_path / "x").iterdir()] == ["page.html"]


def test_data_is_strict_json(tmp_path):
    folder = make_run(tmp_path / "seed-0")
    rows = (folder / "metrics.jsonl").read_text().splitlines()
    rows[3] = json.dumps({"time/total_timesteps": 19200.0, "rollout/ep_rew_mean": None, "option/duration": None})
    (folder / "metrics.jsonl").write_text("\n".join(rows) + "\n")
    json.dumps(data(gather([folder]), {}, []), allow_nan=False)

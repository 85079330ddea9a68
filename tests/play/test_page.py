"""The page, in a browser: what is clicked is what happens, and nobody else is asked or heard."""

import asyncio
import shutil
import threading
import time

import numpy as np
import pytest

from option_critic import OptionCritic
from option_critic.envs.metaworld import HORIZON, OfficialTask, available
from option_critic.envs.source import Source
from option_critic.evaluation.metaworld_protocol import goal_set
from option_critic.planning.option_env import OptionEnv
from option_critic.play.camera import COVERED, FROM, LOOK_AT, camera
from option_critic.play.session import Session
from option_critic.serve.listening import listening

viser = pytest.importorskip("viser")
websockets = pytest.importorskip("websockets")
messages = pytest.importorskip("viser._messages")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
GRASP, MOVE = 1, 2
SLOW = 40_000
"""Milliseconds: without a GPU the scene takes its time."""


@pytest.fixture
def playing():
    """A page of an untrained agent with named options -> (address, session, page, the thread's end)."""
    if not available():
        pytest.skip("Meta-World is not installed")
    from option_critic.play import loop
    from option_critic.play.page import Page
    from option_critic.play.server import PageServer

    agent = OptionCritic("pick-place", hidden_dim=8, num_envs=1, backend="official")
    task = OfficialTask("pick-place-v3", HORIZON, goal_set("pick-place-v3", "D").vectors)
    session = Session(OptionEnv(Source("Meta-World/pick-place-v3", env=task).env, agent))
    at, end = listening("127.0.0.1", 0), threading.Event()
    server = PageServer(at, "127.0.0.1")
    page = Page(server, session, "pick <place>")
    steps = threading.Thread(target=loop.play, args=(page, session, lambda _: None, end.is_set))
    steps.start()
    yield f"127.0.0.1:{at.getsockname()[1]}", session, page
    end.set()
    steps.join()
    server.stop()
    session.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_person_plays(playing):
    address, session, shown = playing
    sync = pytest.importorskip("playwright.sync_api")
    with sync.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
        )
        page, asked = chromium.new_page(viewport={"width": 390, "height": 615}), []
        page.on("request", lambda request: asked.append(request.url))
        page.set_default_timeout(SLOW)
        page.goto(f"http://{address}")

        def click(name, nth=0):
            page.get_by_role("button", name=name, exact=True).nth(nth).dispatch_event("click")
            page.wait_for_timeout(200)

        def wait(steps):
            page.locator(f'#live[data-steps="{steps}"]').wait_for(state="attached")

        wait(0)
        end = time.monotonic() + SLOW / 1000
        while not shown.server.get_clients() and time.monotonic() < end:
            page.wait_for_timeout(50)  # viser hears a page that has drawn once
        (client,) = shown.server.get_clients().values()
        there, end = camera(390 / 615, client.camera.fov)[1], time.monotonic() + SLOW / 1000
        while not np.allclose(client.camera.look_at, there, atol=1e-3) and time.monotonic() < end:
            page.wait_for_timeout(50)
        assert np.allclose(client.camera.look_at, there, atol=1e-3)
        click("step")
        wait(1)
        click("reset")
        wait(0)
        click("hold", GRASP)
        click("forbid", 0)
        for step in range(3):
            click("step")
            wait(step + 1)  # clicks that follow at once are one for viser
        click("hold", GRASP)  # lets it go
        click("end it")
        number = page.locator("input[type=text], input[inputmode=decimal]")
        number.nth(number.count() - 1).fill("0.25")
        number.nth(number.count() - 1).press("Enter")
        click("step")
        wait(4)
        click("reset")
        wait(0)
        chromium.close()
    trace = session.trace()
    assert trace.length.tolist() == [1, 4]
    assert trace.option[1, :4].tolist() == [GRASP] * 3 + [MOVE]
    assert trace.ended[1, :4].tolist() == [True, False, False, True] and trace.info["ordered"][1, 3] == 1
    assert trace.info["held_option"][1, :4].tolist() == [GRASP] * 3 + [-1]
    assert (trace.info["forbidden"][1, :4] == 1).all()
    assert trace.goal[1, 5] != pytest.approx(0.25) == trace.info["goal_z"][1, 3]
    assert all(url.startswith((f"http://{address}/", f"blob:http://{address}/", "data:")) for url in asked), asked


@pytest.mark.parametrize(("width", "height"), [(390, 844), (360, 640), (768, 1024)])
def test_the_arms_room_is_above_the_controls_of_a_narrow_page(width, height):
    fov = np.radians(75)
    eye, at = camera(width / height, fov)
    forward = (at - eye) / np.linalg.norm(at - eye)
    right = np.cross(forward, [0, 0, 1])
    axes = np.stack([right / np.linalg.norm(right), np.cross(right, forward) / np.linalg.norm(right), forward])
    room = np.array([[x, y, z] for x in (-0.1, 0.1) for y in (0.6, 0.9) for z in (0.02, 0.3)])  # objects, goals, hand
    x, y, depth = axes @ (room - eye).T
    above = y / depth / np.tan(fov / 2)  # -1: the lower edge of the page, 1: the upper one
    assert (above > 2 * COVERED - 1).all() and (above < 1).all()
    assert (np.abs(x / depth / np.tan(fov / 2)) < width / height).all()
    assert np.allclose(camera(1440 / 900, fov), (FROM, LOOK_AT))


def connected(address, headers=None):
    protocol = f"viser-v{viser.__version__}"
    return websockets.connect(f"ws://{address}", subprotocols=[protocol], additional_headers=headers or {})


def test_other_sites_and_foreign_names_are_refused(playing):
    address, *_ = playing

    async def tried(headers):
        try:
            async with connected(address, headers):
                return 101
        except websockets.exceptions.InvalidStatus as error:
            return error.response.status_code

    for origin, status in ((f"http://{address}", 101), ("http://evil.example", 403), ("null", 403)):
        assert asyncio.run(tried({"Origin": origin})) == status, origin
    from option_critic.play.server import welcome

    assert welcome({"Host": "[::1]:80", "Origin": "http://[::1]:80"}, "::1") and welcome({"Host": "localhost"}, "::1")
    assert not welcome({"Host": "evil.example:80", "Origin": "http://evil.example:80"}, "127.0.0.1")


def test_hostile_messages_do_nothing(playing):
    """Another page's clicks, what a control is made of, values of no kind, and what is no message at all."""
    from option_critic.play.server import permitted

    address, session, page = playing
    update = messages.GuiUpdateMessage
    assert permitted(update("x", {"value": 1}), True) and not permitted(update("x", {"value": 1}), False)
    assert not permitted(update("x", {"update_cb": []}), True)
    assert not permitted(messages.ShareUrlRequest(), True)
    handles = page.server.gui._gui_input_handle_from_uuid
    slider = next(u for u, h in handles.items() if type(h).__name__ == "GuiSliderHandle")
    buttons = next(u for u, h in handles.items() if type(h).__name__ == "GuiButtonGroupHandle")
    said = [
        update(slider, {"value": float("nan")}), update(slider, {"value": 1e9}), update(slider, {"value": "much"}),
        update(buttons, {"value": "no such button"}), update(buttons, {"value": ["reset"]}),
        messages.TransformControlsUpdateMessage("/goal", (1, 0, 0, 0), (float("nan"), 0, 0)),
        messages.TransformControlsUpdateMessage("/goal", (1, 0, 0, 0), (1e30, -1e30, 0)),
    ]  # fmt: skip

    async def say():
        import msgspec

        for raw in (b"", b"\xff" * 100, "text", b"x" * (1 << 17)):
            async with connected(address) as socket:
                await socket.send(raw)
                await socket.wait_closed()
        async with connected(address) as socket:
            for message in said:
                buffers = []
                await socket.send(msgspec.msgpack.encode(message.as_serializable_dict(buffers)))
            await asyncio.sleep(0.3)

    asyncio.run(say())
    assert session.shift == 0 and session.steps == 0 and not session.playing
    place = session.goal.place
    assert (place >= session.goal.low).all() and (place <= session.goal.high).all()


def test_a_narrow_page_looks_above_the_controls_again(playing):
    """When its first view comes after ours, or is asked for again; what a person turned is left alone."""
    address, _, shown = playing
    msgspec = pytest.importorskip("msgspec")
    width, height, fov = 390, 615, 1.3
    eye, there = camera(width / height, fov)

    def view():
        clients = list(shown.server.get_clients().values())
        return (clients[0].camera.position, clients[0].camera.look_at) if clients else None

    async def tell(seen, wanted):
        """The view once it is `wanted`, or after 20 seconds; and a little later."""
        async with connected(address) as socket:
            for position, look_at in seen:
                said = messages.ViewerCameraMessage(
                    (1, 0, 0, 0), tuple(position), fov, 0.1, 100, height, width, tuple(look_at), (0, 0, 1)
                )
                await socket.send(msgspec.msgpack.encode(said.as_serializable_dict([])))
            end = time.monotonic() + SLOW / 2000
            while (now := view()) is None or not np.allclose(now, wanted, atol=1e-6):
                if time.monotonic() > end:
                    break
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)
            return view()

    turned = eye + np.array([0.3, 0, 0])
    for seen, (position, look_at) in (
        ([((3, 3, 3), (0, 0, 0))], (eye, there)),
        ([((3, 3, 3), (0, 0, 0)), (FROM, LOOK_AT)], (eye, there)),
        ([((3, 3, 3), (0, 0, 0)), (turned, there)], (turned, there)),
    ):
        now = asyncio.run(tell(seen, (position, look_at)))
        np.testing.assert_allclose(now, (position, look_at), atol=1e-6)
        end = time.monotonic() + SLOW / 2000
        while shown.server.get_clients() and time.monotonic() < end:
            time.sleep(0.01)


def test_the_scene_is_where_the_simulation_is(playing):
    _, session, page = playing
    data, scene = session.env.env.env.data, page.scene
    for _ in range(3):
        page.orders.put(session.step)
    while session.steps < 3 or not page.orders.empty():
        time.sleep(0.01)  # leaves Python to the thread that steps
    body = int(session.env.env.env.model.body("obj").id)
    page.scene.update(data)
    np.testing.assert_allclose(scene.frames[body].position, data.xpos[body], atol=1e-5)
    assert scene.update(data) == 0  # nothing moved meanwhile

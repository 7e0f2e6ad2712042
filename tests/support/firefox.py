"""A headless Firefox, driven by WebDriver BiDi, with methods like those of Chromium in browser.py."""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

SECONDS = 60  # for an answer; a loaded machine takes a few
FIREFOX = shutil.which("firefox") or shutil.which("firefox-esr")
KEYS = {"ArrowRight": "\ue014", "End": "\ue010"}  # as WebDriver names them


class Page:
    """The only tab of the browser. `events` has the requests and messages since its page was opened."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, loop: asyncio.Runner) -> None:
        self._socket, self._loop, self._last = socket, loop, 0
        self.events: list[dict[str, Any]] = []
        self.call("session.new", capabilities={})
        self._tab = self.call("browsingContext.getTree")["contexts"][0]["context"]
        self.call("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        self._loop.run(self._socket.send_json(message))
        while True:
            answer = self._loop.run(self._socket.receive_json(timeout=SECONDS))
            if answer.get("id") == self._last:
                assert answer["type"] == "success", f"{method}: {answer}"
                return answer["result"]
            self.events.append(answer)

    def open(self, address: str) -> None:
        """Open an address and wait until it is loaded."""
        self.events.clear()
        self.call("browsingContext.navigate", context=self._tab, url=address, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression, of a promise the value that it is fulfilled with."""
        done = self.call(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self._tab},
            awaitPromise=True,
        )
        assert done["type"] == "success", done
        return json.loads(done["result"].get("value", "null"))

    def press(self, key: str) -> None:
        """Press a key, such as ArrowRight."""
        strokes = [{"type": kind, "value": KEYS[key]} for kind in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keyboard", "actions": strokes})

    def drag(self, *positions: tuple[float, float]) -> None:
        """Press the mouse at the first position, move it along the others and release it at the last."""
        moves = [{"type": "pointerMove", "x": round(x), "y": round(y)} for x, y in positions]
        down, up = ({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp"))
        self._act({"type": "pointer", "id": "mouse", "actions": [moves[0], down, *moves[1:], up]})

    def _act(self, *actions: dict[str, Any]) -> None:
        self.call("input.performActions", context=self._tab, actions=actions)

    def resize(self, width: int, height: int) -> None:
        self.call(
            "browsingContext.setViewport", context=self._tab, viewport={"width": width, "height": height}
        )

    def cut_off(self) -> None:
        """Cut off the network."""
        conditions = {"type": "offline"}
        self.call("emulation.setNetworkConditions", contexts=[self._tab], networkConditions=conditions)

    def addresses(self) -> list[str]:
        """Return the addresses that were requested since the page was opened, those of files not included."""
        sent = (event for event in self.events if event["method"] == "network.beforeRequestSent")
        addresses = [event["params"]["request"]["url"] for event in sent]
        return [address for address in addresses if not address.startswith("data:")]

    def complaints(self) -> list[Any]:
        """Return what the browser reported as an error: exceptions, refused requests, console.error."""
        self.evaluate("null")  # what was reported before its answer is among the events then
        logged = [event["params"] for event in self.events if event["method"] == "log.entryAdded"]
        return [entry for entry in logged if entry["level"] == "error"]


@contextmanager
def firefox(profile: Path) -> Iterator[Page]:
    """Start Firefox with a profile of its own; yield its page."""
    command = [
        FIREFOX,
        "--headless",
        "--no-remote",
        "--profile",
        str(profile),
        "--remote-debugging-port",
        "0",
    ]
    with (
        subprocess.Popen(
            [*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process,
        asyncio.Runner() as loop,
    ):
        session, socket = loop.run(_connect(_address(profile, process)))
        page = Page(socket, loop)
        try:
            yield page
        finally:
            page.call("browser.close")
            process.wait(SECONDS)
            loop.run(session.close())


def _address(profile: Path, process: subprocess.Popen[bytes]) -> str:
    """Return where the browser listens, which it writes into its profile."""
    written = profile / "WebDriverBiDiServer.json"
    deadline = time.monotonic() + SECONDS
    while not written.exists() or not written.read_text():
        assert process.poll() is None, f"firefox ended with {process.returncode}"
        assert time.monotonic() < deadline, f"firefox: not ready in {SECONDS} s"
        time.sleep(0.05)
    server = json.loads(written.read_text())
    return f"ws://{server['ws_host']}:{server['ws_port']}/session"


async def _connect(address: str) -> tuple[aiohttp.ClientSession, aiohttp.ClientWebSocketResponse]:
    session = aiohttp.ClientSession()
    return session, await session.ws_connect(address, max_msg_size=0)

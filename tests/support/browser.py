"""A headless Chromium, driven over the pipe of its DevTools protocol: no library is needed for it."""

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SECONDS = 60  # for an answer; a loaded machine takes a few
KEYS = {"ArrowRight": 39, "End": 35, "Home": 36, "Tab": 9}  # Windows virtual key codes


class Page:
    """One page of the browser. `events` has what happened since it was opened: requests, errors, messages."""

    def __init__(self, write_to: int, read_from: int) -> None:
        self._write_to, self._read_from = write_to, read_from
        self._received, self._last, self._session = b"", 0, None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write_to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next_message()
            if answer.get("id") == self._last:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def _next_message(self) -> dict[str, Any]:
        deadline = time.monotonic() + SECONDS
        while b"\0" not in self._received:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._read_from], [], [], max(left, 0))
            assert ready, f"chromium: no answer in {SECONDS} s"
            part = os.read(self._read_from, 1 << 20)
            assert part, "chromium ended"
            self._received += part
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)

    def open(self, address: str) -> None:
        """Open an address and wait until it is loaded."""
        self.events.clear()
        self.call("Page.navigate", url=address)
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next_message())

    def evaluate(self, expression: str, **where: Any) -> Any:
        """Return the value of an expression, of a promise the value that it is fulfilled with.

        where : {"contextId": ...} for a frame of the page.
        """
        done = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, **where
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait_until(self, expression: str) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + SECONDS
        while not self.evaluate(f"Boolean({expression})"):
            assert time.monotonic() < deadline, f"not true after {SECONDS} s: {expression}"
            time.sleep(0.05)

    def press(self, key: str) -> None:
        """Press a key, such as ArrowRight."""
        for kind in ("rawKeyDown", "keyUp"):
            code = KEYS[key]
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def drag(self, *positions: tuple[float, float], by: str = "mouse") -> None:
        """Press at the first position, move along the others, release at the last, with what `by` says."""
        for i, (x, y) in enumerate(positions):
            if by == "finger":
                points = [{"x": x, "y": y}]
                self.call(
                    "Input.dispatchTouchEvent", type="touchMove" if i else "touchStart", touchPoints=points
                )
            else:
                self._move(by, x, y, "mouseMoved" if i else "mousePressed", buttons=1)
        if by == "finger":
            self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        else:
            self._move(by, *positions[-1], "mouseReleased", buttons=0)

    def _move(self, pointer: str, x: float, y: float, kind: str, buttons: int) -> None:
        event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": buttons, "clickCount": 1}
        self.call("Input.dispatchMouseEvent", pointerType=pointer, **event)

    def resize(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def cut_off(self) -> None:
        """Cut off the network."""
        self._set_network(offline=True)

    def connect(self) -> None:
        """Connect the network again."""
        self._set_network(offline=False)

    def _set_network(self, **conditions: bool) -> None:
        rates = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.call("Network.emulateNetworkConditions", **conditions, **rates)

    def prefer(self, scheme: str) -> None:
        """Emulate a user's preference for `light` or `dark`."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path: Path) -> None:
        done = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(done["data"]))

    def addresses(self) -> list[str]:
        """Return the addresses that were requested since the page was opened, its own included."""
        sent = (event for event in self.events if event["method"] == "Network.requestWillBeSent")
        return [event["params"]["request"]["url"] for event in sent]

    def frames(self) -> list[int]:
        """Return the context of each script of the page and its frames, the page's own first."""
        created = (event for event in self.events if event["method"] == "Runtime.executionContextCreated")
        return [event["params"]["context"]["id"] for event in created]

    def complaints(self) -> list[Any]:
        """Return what the browser reported as an error: exceptions, refused requests, console.error."""
        found = []
        for event in self.events:
            params = event.get("params", {})
            if event["method"] == "Runtime.exceptionThrown":
                found.append(params["exceptionDetails"])
            if event["method"] == "Log.entryAdded" and params["entry"]["level"] == "error":
                found.append(params["entry"])
        return found


def _pipe() -> tuple[int, int]:
    """Return a pipe whose descriptors are none of those that the protocol is spoken on."""
    pair = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in pair]
    for end in pair:
        os.close(end)
    return moved[0], moved[1]


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """Start Chromium with a profile of its own; yield a page."""
    its_in, our_out = _pipe()
    our_in, its_out = _pipe()
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
    command += ["--disable-features=IsolateSandboxedIframes"]  # so that frames are of the page's session
    # the protocol is spoken on the descriptors 3 and 4
    shell = ["bash", "-c", f'exec "$@" 3<&{its_in} 4>&{its_out}', "bash"]
    with subprocess.Popen(
        [*shell, *command, f"--user-data-dir={profile}", "about:blank"],
        pass_fds=(its_in, its_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(its_in)
        os.close(its_out)
        page = Page(our_out, our_in)
        try:
            yield page
        finally:
            page._session = None
            page.call("Browser.close")
            process.wait(SECONDS)
            os.close(our_out)
            os.close(our_in)

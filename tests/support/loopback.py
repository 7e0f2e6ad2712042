"""A public mirror that can fail: an HTTP server on loopback that serves good bytes and broken ones."""

import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import urlsplit


class Mirror(ThreadingHTTPServer):
    """Serves `bodies` by name under /<how>/, where <how> is a key of HOW; `asked` has the requested paths."""

    daemon_threads = True

    def __init__(self, bodies: Mapping[str, bytes], host: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), Handler)
        self.netloc = f"[{host}]" if ":" in host else host
        self.bodies = bodies
        self.asked: list[str] = []
        self.closing = Event()
        self.wants_password = False  # as a proxy

    def url(self, how: str) -> str:
        return f"http://{self.netloc}:{self.server_port}/{how}/"

    def proxy(self) -> str:
        return f"http://{self.netloc}:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.server.wants_password:
            self.send_error(407)
            return
        how, _, name = urlsplit(self.path).path.strip("/").rpartition("/")
        with suppress(OSError):  # the client may close the connection early
            HOW.get(how, missing)(self, name)

    def do_CONNECT(self) -> None:
        self.server.asked.append(self.path)
        if self.server.wants_password:
            self.send_error(407)
            return
        silent(self, "")

    def head(self, length: int | None, content_type: str = "application/octet-stream") -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def first_time(self) -> bool:
        return self.server.asked.count(self.path) == 1

    def log_message(self, *args: object) -> None:
        """Print nothing: the requests are in `asked`."""


def good(to: Handler, name: str) -> None:
    body = to.server.bodies[name]
    to.head(len(body))
    to.wfile.write(body)


def missing(to: Handler, name: str) -> None:
    to.send_error(404)


def unannounced(to: Handler, name: str) -> None:
    to.head(None)
    to.wfile.write(to.server.bodies[name])


def cut(to: Handler, name: str) -> None:
    body = to.server.bodies[name]
    to.head(len(body))
    to.wfile.write(body[: len(body) // 2])


def cut_once(to: Handler, name: str) -> None:
    (cut if to.first_time() else good)(to, name)


def resets_once(to: Handler, name: str) -> None:
    if not to.first_time():
        good(to, name)
        return
    cut(to, name)
    to.wfile.flush()
    # closing without lingering sends a reset instead of an end
    to.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    to.connection.close()


def wrong(to: Handler, name: str) -> None:
    body = bytearray(to.server.bodies[name])
    body[-1] ^= 1
    to.head(len(body))
    to.wfile.write(body)


def offers_more(to: Handler, name: str) -> None:
    body = to.server.bodies[name] + b"0"
    to.head(len(body))
    to.wfile.write(body)


def busy(to: Handler, name: str) -> None:
    to.send_error(503)


def busy_once(to: Handler, name: str) -> None:
    (busy if to.first_time() else good)(to, name)


def hangs_up_once(to: Handler, name: str) -> None:
    if not to.first_time():
        good(to, name)


def endless(to: Handler, name: str) -> None:
    to.head(None)
    while not to.server.closing.is_set():
        to.wfile.write(bytes(1 << 16))


def redirect_loop(to: Handler, name: str) -> None:
    to.send_response(302)
    to.send_header("Location", to.path)
    to.end_headers()


def redirect_on_and_on(to: Handler, name: str) -> None:
    to.send_response(302)
    to.send_header("Location", f"/on-and-on/{len(to.server.asked)}{name}")
    to.end_headers()


def silent(to: Handler, name: str) -> None:
    to.server.closing.wait(30)


def stalls(to: Handler, name: str) -> None:
    cut(to, name)
    to.wfile.flush()
    silent(to, name)


def drips(to: Handler, name: str) -> None:
    body = to.server.bodies[name]
    to.head(len(body))
    for place in range(len(body)):
        to.wfile.write(body[place : place + 1])
        time.sleep(0.02)


def drips_its_head(to: Handler, name: str) -> None:
    to.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not to.server.closing.wait(0.1):
        to.wfile.write(b"X-More: to come\r\n")


def index(to: Handler, name: str) -> None:
    """Serve the page of a package index that offers all of `bodies`, under /index-<how>/<package>/."""
    how = to.path.split("/")[1].removeprefix("index-")
    links = "".join(f'<a href="/{how}/{wheel}">{wheel}</a>' for wheel in to.server.bodies)
    to.head(len(links), "text/html")
    to.wfile.write(links.encode())


HOW: dict[str, Callable[[Handler, str], None]] = {
    "good": good,
    "unannounced": unannounced,
    "cut": cut,
    "cut-once": cut_once,
    "resets-once": resets_once,
    "wrong": wrong,
    "offers-more": offers_more,
    "busy": busy,
    "busy-once": busy_once,
    "hangs-up-once": hangs_up_once,
    "endless": endless,
    "redirect-loop": redirect_loop,
    "on-and-on": redirect_on_and_on,
    "silent": silent,
    "stalls": stalls,
    "drips": drips,
    "drips-its-head": drips_its_head,
    "index-good": index,
    "index-wrong": index,
    "index-endless": index,
    "index-silent": silent,
}


@contextmanager
def serving(bodies: Mapping[str, bytes], host: str = "127.0.0.1") -> Iterator[Mirror]:
    with Mirror(bodies, host) as mirror:
        Thread(target=mirror.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield mirror
        finally:
            mirror.closing.set()
            mirror.shutdown()

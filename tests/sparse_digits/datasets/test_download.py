import hashlib
import os
import pty
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from loopback import serving
from sparse_digits.datasets.download import File, Patience, UnavailableError, download, within

BODY = bytes(range(256)) * 1000
FILE = File("digits.bin", len(BODY), hashlib.sha256(BODY).hexdigest())
PATIENCE = Patience(timeout=5, answer=10, slowest=1e5, total=20, pauses=(0.01, 0.02))
LITTLE_PATIENCE = Patience(timeout=0.5, answer=1, slowest=1e5, total=20, pauses=(0.01, 0.02))


@pytest.fixture
def mirror(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving({FILE.name: BODY}) as mirror:
        yield mirror


def fetch(url: str, patience: Patience = PATIENCE) -> bytes:
    return download(url, FILE, patience, time.monotonic() + patience.total)


@pytest.mark.parametrize("how", ["good", "unannounced"])
def test_a_good_file_arrives_by_one_question(mirror, how):
    assert fetch(mirror.url(how)) == BODY
    assert len(mirror.asked) == 1


@pytest.mark.parametrize("how", ["busy-once", "cut-once", "resets-once", "hangs-up-once"])
def test_what_may_pass_is_asked_for_again(mirror, how):
    assert fetch(mirror.url(how)) == BODY
    assert len(mirror.asked) == 2


@pytest.mark.parametrize(
    ("how", "reason"),
    [("busy", "HTTP 503, Service Unavailable"), ("cut", "cut after 128000 of 256000 bytes")],
)
def test_what_does_not_pass_ends_after_as_many_attempts_as_there_are_pauses_and_one(mirror, how, reason):
    with pytest.raises(UnavailableError, match=reason):
        fetch(mirror.url(how))
    assert len(mirror.asked) == 1 + len(PATIENCE.pauses)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("missing", "HTTP 404, Not Found"),
        ("wrong", f"expected SHA-256 {FILE.sha256}, found "),
        ("offers-more", "expected 256000 bytes, the server offers 256001"),
        ("endless", r"expected 256000 bytes, found \d+"),
        ("stalls", "silent for 0.5 s"),
        ("silent", "no answer"),
        ("drips", "slower than 100 kB/s"),
        ("drips-its-head", "no answer"),
    ],
)
def test_what_will_not_pass_is_asked_for_once_and_given_up_within_the_bounds(mirror, how, reason):
    started = time.monotonic()
    with pytest.raises(UnavailableError, match=reason):
        fetch(mirror.url(how), LITTLE_PATIENCE)
    assert time.monotonic() - started < LITTLE_PATIENCE.answer + LITTLE_PATIENCE.timeout + 1
    assert len(mirror.asked) == 1


@pytest.mark.parametrize("how", ["redirect-loop", "on-and-on"])
def test_redirects_are_followed_a_few_times_only(mirror, how):
    with pytest.raises(UnavailableError, match=r"HTTP 302, .*infinite loop"):
        fetch(mirror.url(how))
    assert len(mirror.asked) <= 11


def test_an_endless_file_is_read_one_piece_too_far_at_most(mirror):
    with pytest.raises(UnavailableError) as refused:
        fetch(mirror.url("endless"))
    assert int(str(refused.value).rpartition(" ")[2]) <= FILE.size + (1 << 16)


def test_a_source_is_given_up_at_its_deadline_however_many_bytes_still_come(mirror):
    with pytest.raises(UnavailableError, match="not done within 0 s"):
        fetch(mirror.url("good"), Patience(timeout=1, answer=1, slowest=1, total=0, pauses=()))


def test_a_refused_connection_is_given_up_at_once(mirror):
    mirror.closing.set()
    mirror.shutdown()
    mirror.server_close()
    started = time.monotonic()
    with pytest.raises(UnavailableError, match="Connection refused"):
        fetch(mirror.url("good"))
    assert time.monotonic() - started < 0.5


def test_a_proxy_in_the_environment_is_used(mirror, monkeypatch):
    monkeypatch.delenv("no_proxy")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", mirror.proxy())
    assert fetch("http://mirror.invalid/good/") == BODY
    assert mirror.asked == ["http://mirror.invalid/good/digits.bin"]


def test_a_proxy_that_is_no_address_is_a_reason_and_no_traceback(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://[nowhere")
    with pytest.raises(UnavailableError):
        fetch("http://mirror.invalid/good/")


def test_a_call_that_never_returns_is_left_behind():
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        within(0.1, lambda: time.sleep(2))
    assert time.monotonic() - started < 1


def test_progress_is_a_bar_on_a_terminal_and_nothing_elsewhere(mirror):
    source = Path(__file__).parents[3] / "src"
    code = (
        "import time; from sparse_digits.download import *;"
        f"download({mirror.url('good')!r}, {FILE!r}, {PATIENCE!r}, time.monotonic() + 5)"
    )
    command = [sys.executable, "-c", code]
    environ = os.environ | {"PYTHONPATH": str(source), "TERM": "xterm"}
    elsewhere = subprocess.run(command, env=environ, check=True, capture_output=True)
    assert elsewhere.stdout == elsewhere.stderr == b""
    outer, inner = pty.openpty()
    termios.tcsetwinsize(inner, (24, 80))  # no bar fits into a terminal of no columns
    subprocess.run(command, env=environ, check=True, stderr=inner)
    drawn = os.read(outer, 1 << 16)
    os.close(inner)
    os.close(outer)
    assert b"digits.bin" in drawn
    assert b"256k" in drawn

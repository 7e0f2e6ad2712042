import gc
import hashlib
import os
import pty
import socket
import ssl
import subprocess
import sys
import termios
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from loopback import serving
from patient import TIMEOUTS
from sparse_digits.datasets.catalogue import PinnedFile
from sparse_digits.datasets.download import SourceError, Timeouts, TransientError, call_with_timeout, download

CONTENT = bytes(range(256)) * 1000
FILE = PinnedFile("digits.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def mirror(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving({FILE.name: CONTENT}) as mirror:
        yield mirror


def fetch(url: str, timeouts: Timeouts = TIMEOUTS) -> bytes:
    return download(url, FILE, timeouts, time.monotonic() + timeouts.total)


@pytest.mark.parametrize("behavior", ["good", "unannounced"])
def test_a_good_file_is_downloaded_with_one_request(mirror, behavior):
    assert fetch(mirror.url(behavior)) == CONTENT
    assert len(mirror.asked) == 1


@pytest.mark.parametrize("behavior", ["busy-once", "cut-once", "resets-once", "hangs-up-once"])
def test_a_transient_failure_is_retried(mirror, behavior):
    assert fetch(mirror.url(behavior)) == CONTENT
    assert len(mirror.asked) == 2


@pytest.mark.parametrize(
    ("behavior", "reason"),
    [("busy", "HTTP 503, Service Unavailable"), ("cut", "connection closed after 128000 of 256000 bytes")],
)
def test_a_failure_that_lasts_ends_after_one_attempt_more_than_there_are_delays(mirror, behavior, reason):
    with pytest.raises(SourceError, match=reason):
        fetch(mirror.url(behavior))
    assert len(mirror.asked) == 1 + len(TIMEOUTS.retry_delays)


@pytest.mark.parametrize(
    ("behavior", "short", "reason"),
    [
        ("missing", {}, "HTTP 404, Not Found"),
        ("wrong", {}, f"expected SHA-256 {FILE.sha256}, got "),
        ("offers-more", {}, "expected 256000 bytes, the server offers 256001"),
        ("endless", {}, r"expected 256000 bytes, got \d+"),
        ("stalls", {"socket": 0.5}, "no data for 0.5 s"),
        ("silent", {"response": 0.5}, "no response within 0.5 s"),
        ("drips", {"socket": 1}, "slower than 100 kB/s"),
        ("drips-its-head", {"response": 0.5}, "no response within 0.5 s"),
    ],
)
def test_any_other_failure_is_not_retried(mirror, behavior, short, reason):
    with pytest.raises(SourceError, match=reason):
        fetch(mirror.url(behavior), replace(TIMEOUTS, **short))
    assert len(mirror.asked) == 1


@pytest.mark.parametrize("behavior", ["redirect-loop", "on-and-on"])
def test_redirects_are_followed_a_few_times_only(mirror, behavior):
    with pytest.raises(SourceError, match=r"HTTP 302, .*infinite loop"):
        fetch(mirror.url(behavior))
    assert len(mirror.asked) <= 11


def test_an_endless_file_is_read_at_most_one_chunk_too_far(mirror):
    with pytest.raises(SourceError) as refused:
        fetch(mirror.url("endless"))
    assert int(str(refused.value).rpartition(" ")[2]) <= FILE.size + (1 << 16)


def test_a_download_ends_at_its_deadline_although_bytes_still_arrive(mirror):
    with pytest.raises(SourceError, match="not done within 0 s"):
        fetch(mirror.url("good"), replace(TIMEOUTS, total=0))


def test_a_server_on_ipv6_alone_is_reached_by_address_and_by_name(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with serving({FILE.name: CONTENT}, host="::1") as mirror:
        assert fetch(mirror.url("good")) == CONTENT
        address = ("::1", mirror.server_port, 0, 0)
        record = (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [record])
        assert fetch(f"http://mirror.invalid:{mirror.server_port}/good/") == CONTENT


def test_a_name_look_up_that_hangs_is_abandoned(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    release = Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: release.wait(30))
    with pytest.raises(SourceError, match=r"^no response within 0.3 s$"):
        fetch("http://mirror.invalid/good/", replace(TIMEOUTS, response=0.3))
    release.set()


def test_a_refused_connection_is_not_retried(mirror, monkeypatch):
    mirror.closing.set()
    mirror.shutdown()
    mirror.server_close()
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("retried"))
    with pytest.raises(SourceError, match="Connection refused"):
        fetch(mirror.url("good"))


def test_a_proxy_in_the_environment_is_used(mirror, monkeypatch):
    monkeypatch.delenv("no_proxy")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", mirror.proxy())
    assert fetch("http://mirror.invalid/good/") == CONTENT
    assert mirror.asked == ["http://mirror.invalid/good/digits.bin"]


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # Python 3.11.2's, of the answer of a proxy
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_the_password_is_reported_without_it(mirror, monkeypatch, scheme):
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv(f"{scheme}_proxy", mirror.proxy().replace("://", "://ann:hunter2@"))
    mirror.wants_password = True
    with pytest.raises(SourceError, match=r"407,? Proxy Authentication Required$"):
        fetch(f"{scheme}://mirror.invalid/good/")
    assert len(mirror.asked) == 1
    gc.collect()


def test_no_reason_has_a_password():
    assert str(SourceError("cannot parse http://ann:hunter2@[nowhere")) == "cannot parse http://***@[nowhere"


def test_a_certificate_that_cannot_be_verified_is_reported_and_not_retried(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed_certificate(tmp_path))
    with serving({FILE.name: CONTENT}) as mirror:
        mirror.socket = context.wrap_socket(mirror.socket, server_side=True)
        with pytest.raises(SourceError, match="certificate verify failed: self-signed certificate") as fault:
            fetch(mirror.url("good").replace("http:", "https:"))
        assert mirror.asked == []
    assert not isinstance(fault.value, TransientError)


def self_signed_certificate(folder):
    """Write a key and a certificate of our own for 127.0.0.1 into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    now = datetime.now(UTC)
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(private + certificate.public_bytes(pem))
    return folder / "server.pem"


@pytest.mark.parametrize("address", ["ann:hunter2@[nowhere", "ann:hunter2@host:notaport", ""])
def test_a_malformed_proxy_is_reported_by_its_variable_without_the_password(monkeypatch, address):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", f"http://{address}")
    with pytest.raises(SourceError, match=r"^through the proxy in http_proxy: [^:]") as fault:
        fetch("http://mirror.invalid/good/")
    assert "hunter2" not in str(fault.value)


def test_a_call_that_does_not_return_is_abandoned():
    release, returned = Event(), Event()

    def block():
        release.wait(30)
        returned.set()

    with pytest.raises(TimeoutError):
        call_with_timeout(0.1, block)
    assert not returned.is_set()
    release.set()
    assert returned.wait(30)  # it was abandoned, not ended


def test_a_calls_result_and_its_error_reach_the_caller():
    assert call_with_timeout(30, lambda: 5) == 5
    with pytest.raises(KeyError):
        call_with_timeout(30, lambda: {}["absent"])


def test_progress_is_a_bar_on_a_terminal_and_nothing_elsewhere(mirror):
    source = Path(__file__).parents[3] / "src"
    code = (
        "import time; from sparse_digits.datasets.catalogue import *;"
        "from sparse_digits.datasets.download import *;"
        f"download({mirror.url('good')!r}, {FILE!r}, {TIMEOUTS!r}, time.monotonic() + 60)"
    )
    command = [sys.executable, "-c", code]
    environ = os.environ | {"PYTHONPATH": str(source), "TERM": "xterm"}
    without_terminal = subprocess.run(command, env=environ, check=True, capture_output=True)
    assert without_terminal.stdout == without_terminal.stderr == b""
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))  # no bar fits into a terminal without columns
    subprocess.run(command, env=environ, check=True, stderr=terminal)
    drawn = os.read(controller, 1 << 16)
    os.close(terminal)
    os.close(controller)
    assert b"digits.bin" in drawn
    assert b"256k" in drawn

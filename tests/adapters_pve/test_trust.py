"""A pinned certificate, a wrong one, the system's CAs; nothing is sent to a server that is not trusted."""

from __future__ import annotations

import hashlib
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator

import pytest
from fakepve.certs import make_cert
from hypothesis import given
from hypothesis import strategies as st

from pvekit.adapters.pve import Endpoint, Login, Pve, Token, Trust, normal_fingerprint, show_certificate
from pvekit.adapters.pve.trust import host_and_port
from pvekit.model.errors import FingerprintMismatch, HostUnreachable, PvekitError
from tests.adapters_pve.faulty import FaultyServer, Reply

OTHER = "AB" * 32


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, bytes]:
    return make_cert(str(tmp_path_factory.mktemp("pki")), hosts=("127.0.0.1",))  # type: ignore[no-any-return]


@pytest.fixture
def server(pki: tuple[str, str, bytes]) -> Iterator[FaultyServer]:
    made = FaultyServer(pki[0], pki[1])
    made.script(Reply(body={"data": "fine"}))
    yield made
    made.close()


def client(server: FaultyServer, trust: Trust) -> Pve:
    return Pve.open(Endpoint((server.url,), trust, Token("root@pam!t", "secret-of-token")))


def test_pinned(server: FaultyServer, pki: tuple[str, str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, "/nonexistent.pem")
    print_ = hashlib.sha256(pki[2]).hexdigest()
    with client(server, Trust((OTHER, print_.upper()))) as pve:
        assert pve.get("/version") == "fine"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_certificate_stops_before_anything_is_sent(
    server: FaultyServer, pki: tuple[str, str, bytes], method: str
) -> None:
    shown = normal_fingerprint(hashlib.sha256(pki[2]).hexdigest())
    with client(server, Trust((OTHER,))) as pve, pytest.raises(FingerprintMismatch) as mismatch:
        pve.request(method, "/version")
    assert (mismatch.value.expected, mismatch.value.actual) == ((normal_fingerprint(OTHER),), shown)
    assert shown in str(mismatch.value)
    assert normal_fingerprint(OTHER) in str(mismatch.value)
    assert mismatch.value.code == 6
    assert server.requests == []
    assert server.connections == 1


def test_login_and_console_are_pinned_too(server: FaultyServer) -> None:
    endpoint = Endpoint((server.url,), Trust((OTHER,)), None, Login("root@pam", "pw"))
    with Pve.open(endpoint) as pve, pytest.raises(FingerprintMismatch):
        pve.get("/version")
    with client(server, Trust((OTHER,))) as pve, pytest.raises(FingerprintMismatch):
        pve.dial()
    assert server.requests == []


def test_unpinned_self_signed_is_refused_with_a_hint(server: FaultyServer) -> None:
    with client(server, Trust()) as pve, pytest.raises(HostUnreachable, match="not trusted") as refused:
        pve.get("/version")
    assert "pvekit init" in refused.value.hint
    assert server.requests == []
    assert server.connections == 1


def test_a_ca_of_ones_own(server: FaultyServer, pki: tuple[str, str, bytes]) -> None:
    with client(server, Trust(ca_file=pki[0])) as pve:
        assert pve.get("/version") == "fine"
    with client(server, Trust(ca_file="/nonexistent.pem")) as pve, pytest.raises(PvekitError, match="CA file"):
        pve.get("/version")


def test_show_certificate(server: FaultyServer, pki: tuple[str, str, bytes]) -> None:
    seen = show_certificate(server.url)
    assert seen.fingerprint == normal_fingerprint(hashlib.sha256(pki[2]).hexdigest())
    assert seen.subject == "CN=fakepve"
    assert set(seen.names) >= {"localhost", "127.0.0.1"}
    assert seen.not_after.tzinfo is not None
    assert server.requests == []
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(HostUnreachable):
        show_certificate(f"https://127.0.0.1:{port}")


def test_context_without_a_pin_checks_everything() -> None:
    context = Trust().context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@given(st.binary(min_size=32, max_size=32), st.sampled_from(["", ":", " ", "-"]), st.booleans())
def test_fingerprints_have_one_form(raw: bytes, separator: str, upper: bool) -> None:
    text = raw.hex(separator) if separator else raw.hex()
    normal = normal_fingerprint(text.upper() if upper else text)
    assert normal == raw.hex(":").upper()
    assert normal_fingerprint(normal) == normal


@pytest.mark.parametrize("text", ["", "AB", "AB" * 20, "XY" * 32, "AB" * 33])
def test_no_fingerprint(text: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        Trust((text,))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://pve.lan", ("pve.lan", 8006)),
        ("https://pve.lan:443/", ("pve.lan", 443)),
        ("pve.lan", ("pve.lan", 8006)),
        ("192.0.2.1:8007", ("192.0.2.1", 8007)),
        ("https://[2001:db8::1]", ("2001:db8::1", 8006)),
        ("[2001:db8::1]:443", ("2001:db8::1", 443)),
    ],
)
def test_urls(url: str, expected: tuple[str, int]) -> None:
    assert host_and_port(url) == expected


@pytest.mark.parametrize("url", ["http://pve.lan", "https://", "ftp://x", "https://pve:notaport"])
def test_no_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        host_and_port(url)


def test_importing_the_door_changes_nothing_global() -> None:
    code = (
        "import sys, warnings; before = list(warnings.filters)\n"
        "import pvekit.adapters.pve as door\n"
        "assert 'proxmoxer' not in sys.modules and 'ssl' not in sys.modules\n"
        "for name in door.__all__: getattr(door, name)\n"
        "assert warnings.filters == before, 'filters changed'\n"
        "assert 'requests' not in sys.modules and 'urllib3' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

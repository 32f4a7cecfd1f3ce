"""A web server on this machine with one file, which misbehaves as a test wants it."""

from __future__ import annotations

import datetime as dt
import ipaddress
import mmap
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Data = bytes | mmap.mmap
Range = tuple[int, int] | None
"""First byte and the one after the last, as asked for."""


class Asked(BaseHTTPRequestHandler):
    """One request. ``sent`` counts the bytes of all bodies of its site."""

    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        """Answer as the site's behaviour wants it."""
        self.site.seen.append(self.headers.get("Range", ""))
        self.close_connection = True
        try:
            self.site.behaviour(self)
        except OSError:
            return  # whoever asked has hung up

    @property
    def range(self) -> Range:
        """Return what was asked for."""
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        return (int(found[1]), int(found[2]) + 1) if found else None

    def begin(self, status: int, *fields: tuple[str, str]) -> None:
        """Send status and headers."""
        self.send_response(status)
        for name, value in (*fields, ("Connection", "close")):
            self.send_header(name, value)
        self.end_headers()

    def body(self, data: bytes) -> None:
        """Send a piece of the body."""
        for at in range(0, len(data), 2**16):
            self.wfile.write(data[at : at + 2**16])
            self.site.sent += len(data[at : at + 2**16])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


Behaviour = Callable[[Asked], None]


class Site:
    """What a server has, does and saw."""

    def __init__(self, data: Data, behaviour: Behaviour) -> None:
        self.data = data
        self.behaviour = behaviour
        self.seen: list[str] = []
        self.sent = 0
        self.closed = threading.Event()
        self.url = ""


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def site(data: Data, behaviour: Behaviour, tls: Path | None = None) -> Iterator[Site]:
    """Serve ``data`` on the loopback interface; ``tls`` is a file with a certificate and its key."""
    made = Site(data, behaviour)
    server = _Quiet(("127.0.0.1", 0), type("Handler", (Asked,), {"site": made}))
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    made.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.closed.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def certificate(folder: Path) -> Path:
    """Write a certificate that nobody signed but itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    whom = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
        .not_valid_before(now).not_valid_after(now + dt.timedelta(days=1)).add_extension(whom, critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "certificate.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return path


def unused() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

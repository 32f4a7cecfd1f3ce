"""Whom to believe: a certificate pinned by its SHA-256 fingerprint, or the CAs of this machine. Never nobody.

Every TLS connection of this package (HTTP and websocket) is opened by ``Trust.connect``, so that no byte is sent
before the certificate is checked. The name check is off only where a fingerprint is pinned: a pin says more than
a name. Environment variables (proxies, ``REQUESTS_CA_BUNDLE``) are not looked at here.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from pvekit.model.errors import FingerprintMismatch, HostUnreachable, PvekitError

DEFAULT_PORT = 8006


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server shows: fingerprint (``AA:BB:...``, SHA-256), names and end of validity (UTC)."""

    fingerprint: str
    subject: str
    issuer: str
    not_after: datetime
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trust:
    """Pinned fingerprints (any of them may be shown: one for each node), or the system's CAs if there is none.

    ``ca_file`` adds a CA of one's own (PEM) to the system's; it is not used when fingerprints are pinned.
    """

    fingerprints: tuple[str, ...] = ()
    ca_file: str = ""
    _context: list[ssl.SSLContext] = field(default_factory=list, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Bring the fingerprints into one form. ValueError for text that is none."""
        object.__setattr__(self, "fingerprints", tuple(normal_fingerprint(one) for one in self.fingerprints))

    def context(self) -> ssl.SSLContext:
        """Return the TLS context, made once."""
        if not self._context:
            if self.fingerprints:
                made = _unchecked()  # the fingerprint is compared in ``connect``, always
            else:
                made = ssl.create_default_context()
                if self.ca_file:
                    _load(made, self.ca_file)
            self._context.append(made)
        return self._context[0]

    def connect(self, host: str, port: int, timeout: float) -> ssl.SSLSocket:
        """Open a TLS connection and check the certificate before anything is sent. ``timeout`` in seconds.

        OSError when there is no connection, FingerprintMismatch for another certificate than the pinned one,
        HostUnreachable for a certificate that the system's CAs do not vouch for.
        """
        try:
            secure = _dial(self.context(), host, port, timeout)
        except ssl.SSLCertVerificationError as error:
            raise HostUnreachable(
                f"the certificate is not trusted by this machine: {error.verify_message}",
                where=f"{host}:{port}",
                hint="A fresh Proxmox VE signs its own certificate. `pvekit init` shows it and pins its fingerprint.",
            ) from error
        if self.fingerprints:
            try:
                self._check(secure, f"{host}:{port}")
            except BaseException:
                secure.close()
                raise
        return secure

    def _check(self, secure: ssl.SSLSocket, endpoint: str) -> None:
        shown = fingerprint_of(secure.getpeercert(binary_form=True) or b"")
        if shown not in self.fingerprints:
            raise FingerprintMismatch(endpoint, self.fingerprints, shown)


def _load(context: ssl.SSLContext, ca_file: str) -> None:
    try:
        context.load_verify_locations(cafile=ca_file)
    except OSError as error:
        raise PvekitError(
            f"the CA file cannot be used: {error.strerror or error}",
            where=ca_file,
            hint="It must hold certificates in PEM form; on a node it is /etc/pve/pve-root-ca.pem.",
        ) from error


def _unchecked() -> ssl.SSLContext:
    """Return a context that believes any certificate, for those who look at it themselves before sending anything.

    Not ``create_default_context``: reading all CAs of the system takes 50 ms and would be for nothing.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def _dial(context: ssl.SSLContext, host: str, port: int, timeout: float) -> ssl.SSLSocket:
    """Connect to the first address that answers. The socket is wrapped before it connects.

    CPython leaks a connected socket whose peer is already gone when it is wrapped.
    """
    failed = OSError(f"no address for {host}")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        secure = context.wrap_socket(socket.socket(family, kind, protocol), server_hostname=host)
        try:
            secure.settimeout(timeout)
            # A request is one small write: waiting to fill a packet (Nagle) would only cost time.
            secure.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            secure.connect(address)
        except ssl.SSLCertVerificationError:
            secure.close()
            raise
        except OSError as error:
            secure.close()
            failed = error
        except BaseException:
            secure.close()
            raise
        else:
            return secure
    raise failed


def fingerprint_of(der: bytes) -> str:
    """Return the SHA-256 fingerprint of a DER certificate as PVE writes it: ``AA:BB:...``."""
    return normal_fingerprint(hashlib.sha256(der).hexdigest())


def normal_fingerprint(text: str) -> str:
    """Return a fingerprint as ``AA:BB:...``, whatever case and separators it came with.

    ValueError if it is not 32 bytes of hexadecimal digits.
    """
    digits = re.sub(r"[:\s-]", "", text.strip().removeprefix("sha256:").removeprefix("SHA256:")).upper()
    if not re.fullmatch(r"[0-9A-F]{64}", digits):
        raise ValueError(f"not a SHA-256 fingerprint (64 hexadecimal digits): {text!r}")
    return ":".join(digits[i : i + 2] for i in range(0, 64, 2))


def host_and_port(url: str) -> tuple[str, int]:
    """Split ``https://host[:port]``, ``host:port`` or ``host``; the port is 8006 if none is given.

    ValueError for http:// (PVE speaks TLS only) and for text without a host.
    """
    parts = urlsplit(url if "//" in url else f"//{url}", scheme="https")
    if parts.scheme != "https":
        raise ValueError(f"{url}: only https:// reaches the PVE API")
    if not parts.hostname:
        raise ValueError(f"{url}: no host name in it")
    return parts.hostname, parts.port or DEFAULT_PORT


def show_certificate(url: str, timeout: float = 5.0) -> Certificate:
    """Return the certificate that a server shows, for a person to compare; nothing is sent to the server.

    HostUnreachable when there is no TLS server.
    """
    from cryptography import x509

    host, port = host_and_port(url)
    try:
        with _dial(_unchecked(), host, port, timeout) as secure:
            der = secure.getpeercert(binary_form=True) or b""
    except OSError as error:
        raise HostUnreachable(
            f"no TLS connection: {error}", where=f"{host}:{port}", hint="Is the address right, and port 8006 open?"
        ) from error
    parsed = x509.load_der_x509_certificate(der)
    names: list[str] = []
    with contextlib.suppress(x509.ExtensionNotFound):
        alternative = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [str(name.value) for name in alternative]
    return Certificate(
        fingerprint=fingerprint_of(der),
        subject=parsed.subject.rfc4514_string(),
        issuer=parsed.issuer.rfc4514_string(),
        not_after=parsed.not_valid_after_utc,
        names=tuple(names),
    )

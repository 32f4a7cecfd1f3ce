"""SSH keys as text: pinned host keys, known_hosts files for other programs, and the key pair of a stack."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from pvekit.adapters.files import write_atomic
from pvekit.model.errors import FingerprintMismatch, PvekitError, SecretUnavailable


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public host key: ``kind`` (``ssh-ed25519``) and ``data`` (base64, as in a ``.pub`` file)."""

    kind: str
    data: str

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint in the form that ``ssh`` and ``ssh-keygen -l`` print."""
        digest = hashlib.sha256(base64.b64decode(self.data)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    def __str__(self) -> str:
        """Return kind and data, as in a ``.pub`` file."""
        return f"{self.kind} {self.data}"


class HostKeyMismatch(FingerprintMismatch):
    """A machine shows another SSH host key than the pinned ones. The exit code is FingerprintMismatch's."""

    def __init__(self, where: str, pinned: Iterable[HostKey], shown: HostKey) -> None:
        """Show the pinned keys and the shown one side by side."""
        expected = [f"{key.kind} {key.fingerprint}" for key in pinned]
        actual = f"{shown.kind} {shown.fingerprint}"
        PvekitError.__init__(
            self,
            f"another SSH host key than the pinned one\n  pinned: {', '.join(expected) or 'none'}\n  shown:  {actual}",
            where=where,
            hint="If the guest was installed again, run pvekit up once more: it reads the new key through the guest "
            "agent. If not, another machine may be answering on this address.",
        )
        self.expected = tuple(expected)
        self.actual = actual


def parse_host_key(text: str) -> HostKey:
    """Read one line of a ``.pub`` file. Raises ValueError when it is none."""
    parts = text.split()
    if len(parts) < 2:
        raise ValueError(f"not a public key line: {text[:40]!r}")
    kind, data = parts[0], parts[1]
    try:
        blob = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not a public key line: {text[:40]!r}") from error
    # RFC 4253, 6.6: the blob starts with the length and the name of its kind.
    length = int.from_bytes(blob[:4], "big")
    if blob[4 : 4 + length] != kind.encode():
        raise ValueError(f"the key does not hold what its name says: {kind}")
    return HostKey(kind, data)


def known_hosts_line(address: str, port: int, key: HostKey) -> str:
    """Return one line of a known_hosts file; the brackets are OpenSSH's form for a port other than 22."""
    name = address if port == 22 else f"[{address}]:{port}"
    return f"{name} {key}\n"


def write_known_hosts(path: Path, entries: Iterable[tuple[str, int, HostKey]]) -> None:
    """Write the whole known_hosts file at once (address, port, key). Raises PvekitError when it cannot be written."""
    lines = sorted({known_hosts_line(address, port, key) for address, port, key in entries})
    write_atomic(path, "".join(lines).encode(), mode=0o600)


def ensure_keypair(path: Path, comment: str = "pvekit") -> str:
    """Return the public key line of the key at ``path``; make an ed25519 key (0600) when there is none.

    Raises SecretUnavailable when the file is there but cannot be used, PvekitError when it cannot be written.
    """
    if path.exists():
        return _public_of(path, comment)
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    write_atomic(path, pem, mode=0o600, exclusive=True)
    write_atomic(path.with_name(path.name + ".pub"), f"{public} {comment}\n".encode(), mode=0o644)
    return f"{public} {comment}"


def _public_of(path: Path, comment: str) -> str:
    """Read the public half out of a private key file, after a look at who else can read it."""
    try:
        if path.stat().st_mode & 0o077:
            raise SecretUnavailable(
                "the private SSH key is readable by others", where=str(path), hint=f"chmod 600 {path}"
            )
        private = load_ssh_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise SecretUnavailable(
            f"the private SSH key cannot be used: {error}",
            where=str(path),
            hint="Keep a copy and remove it; pvekit then makes a new one. Running guests know only the old key.",
        ) from error
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return f"{public} {comment}"

"""The node's own certificate: self-signed, made once, kept in the state folder."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pvekit.lab.store import write_atomic

DAYS = 3650


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files, and the fingerprint as PVE prints it (SHA-256, colons)."""

    cert_file: Path
    key_file: Path
    fingerprint: str


def certificate(folder: Path, node: str) -> Certificate:
    """Return the node's certificate, made on the first call."""
    cert_file, key_file = folder / "pve-ssl.pem", folder / "pve-ssl.key"
    if not cert_file.exists() or not key_file.exists():
        _make(cert_file, key_file, node)
    found = x509.load_pem_x509_certificate(cert_file.read_bytes())
    return Certificate(cert_file, key_file, found.fingerprint(hashes.SHA256()).hex(":").upper())


def _make(cert_file: Path, key_file: Path, node: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "pvekit lab"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{node}.lab.invalid"),
        ]
    )
    now = dt.datetime.now(dt.UTC)
    names: list[x509.GeneralName] = [
        x509.DNSName("localhost"), x509.DNSName(node), x509.DNSName(f"{node}.lab.invalid"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]  # fmt: skip
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_atomic(
        key_file,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    write_atomic(cert_file, made.public_bytes(serialization.Encoding.PEM), mode=0o644)

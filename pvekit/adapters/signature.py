"""OpenPGP signatures of publishers, checked by ``gpgv`` with the keys of one file and no others.

gpgv has no key store of its own and writes none; nothing of the person's GnuPG set-up takes part.
"""

from __future__ import annotations

import base64
import binascii
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pvekit.model.errors import ImageInvalid, PvekitError

_SECONDS = 30
_MAX_KEYRING = 16 << 20
_ARMOR = re.compile(rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\r\n]+\r?\n)*\r?\n(.*?)-----END PGP PUBLIC", re.S)
_CLEAR = b"-----BEGIN PGP SIGNED MESSAGE-----"
_REFUSED = {
    "BADSIG": "the signature is wrong: the list was changed after it was signed",
    "EXPSIG": "the signature has expired",
    "EXPKEYSIG": "the key that signed it has expired",
    "REVKEYSIG": "the key that signed it was revoked",
}
"""gpgv's words, and what they mean. It counts an expired key as good enough; we do not."""
_NEW_KEYS = "Take the publisher's present key file; when that changes nothing, do not use the image."


@dataclass(frozen=True, slots=True)
class Signed:
    """Verified bytes, and the fingerprint of the primary key that signed them (40 or more hex digits)."""

    content: bytes
    fingerprint: str


def is_clear_signed(document: bytes) -> bool:
    """Return whether the document carries its signature around its text."""
    return document.startswith(_CLEAR)


def verify(document: bytes, signature: bytes | None, keyring: Path, *, where: str) -> Signed:
    """Return what was signed by a key of ``keyring`` (binary or ASCII-armoured).

    ``signature`` is detached; None for a document with its signature around it. ``where`` names the document in
    errors. Raises ImageInvalid for a signature that is wrong, expired, unreadable or by another key, and PvekitError
    when the key file or gpgv is absent.
    """
    keys = _keys(keyring)
    with tempfile.TemporaryDirectory(prefix="pvekit-gpgv-") as name:
        folder = Path(name)
        (folder / "keys.gpg").write_bytes(keys)
        (folder / "document").write_bytes(document)
        argv = ["gpgv", "--homedir", name, "--keyring", str(folder / "keys.gpg"), "--weak-digest", "SHA1"]
        argv += ["--status-fd", "2"]
        if signature is None:
            argv += ["--output", str(folder / "content"), str(folder / "document")]
        else:
            (folder / "signature").write_bytes(signature)
            argv += [str(folder / "signature"), str(folder / "document")]
        status = _run(argv)
        fingerprint = _judge(status, keyring, where)
        content = document if signature is not None else (folder / "content").read_bytes()
    return Signed(content, fingerprint)


def _keys(path: Path) -> bytes:
    """Return a key file in the binary form that gpgv wants. Raises PvekitError."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_KEYRING + 1)
    except OSError as error:
        raise PvekitError(
            f"the keyring cannot be read: {error.strerror}",
            where=str(path),
            hint="Ubuntu's keys are in the package ubuntu-keyring (on Ubuntu), below /usr/share/keyrings; pvekit's "
            "folder inventory has the key of its cloud images as well.",
        ) from error
    blocks = list(_armored(content, path))
    binary = b"".join(blocks) if blocks else content
    # The first octet of an OpenPGP packet: a public key in the old (0x98 to 0x9b) or the new form (0xc6).
    if len(content) > _MAX_KEYRING or not binary or not (0x98 <= binary[0] <= 0x9B or binary[0] == 0xC6):
        raise PvekitError("this is not a file of public keys", where=str(path), hint="Make one: gpg --export KEY")
    return binary


def _armored(content: bytes, path: Path) -> Iterator[bytes]:
    for block in _ARMOR.findall(content):
        # The last line, with an equals sign before it, is a sum over the others; gpgv judges the keys itself.
        lines = [line.strip() for line in block.splitlines() if line.strip() and not line.startswith(b"=")]
        try:
            yield base64.b64decode(b"".join(lines), validate=True)
        except binascii.Error as error:
            raise PvekitError("the key file is damaged", where=str(path), hint="Fetch it again.") from error


def _run(argv: list[str]) -> list[list[str]]:
    """Return gpgv's status lines, in words. Its exit status says less than they do."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_SECONDS,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            check=False,
        )
    except FileNotFoundError as error:
        raise PvekitError(
            "gpgv is not installed, and the image's checksum list has to be verified",
            where="keyring",
            hint="Install it (apt-get install gpgv), or write the image's checksum into the stack file.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise PvekitError("gpgv did not end", where="gpgv", hint="Try again.") from error
    lines = done.stderr.decode(errors="replace").splitlines()
    return [line.split()[1:] for line in lines if line.startswith("[GNUPG:] ")]


def _judge(status: list[list[str]], keyring: Path, where: str) -> str:
    """Return the fingerprint of a good signature's key. One bad signature spoils all good ones beside it."""
    words = [line[0] for line in status if line]
    for word, meaning in _REFUSED.items():
        if word in words:
            raise ImageInvalid(f"{meaning} (key {_key_of(status, word)})", where=where, hint=_NEW_KEYS)
    valid = [line for line in status if line[:1] == ["VALIDSIG"]]
    if "GOODSIG" in words and valid:
        # The last field is the primary key; the second may be a subkey's.
        return valid[0][-1].upper()
    others = sorted({_issuer(line) for line in status if line[:1] == ["ERRSIG"]})
    if others:
        why = "with an algorithm that is too weak or unknown" if "NO_PUBKEY" not in words else f"not in {keyring}"
        raise ImageInvalid(
            f"no key of the keyring signed it; it was signed by {', '.join(others)}, {why}",
            where=where,
            hint=_NEW_KEYS,
        )
    raise ImageInvalid("there is no readable signature", where=where, hint="Is this the publisher's signature file?")


def _key_of(status: list[list[str]], word: str) -> str:
    return next((line[1] for line in status if line[0] == word and len(line) > 1), "unknown")


def _issuer(line: list[str]) -> str:
    """Return the fingerprint at the end of an ERRSIG line of newer versions, else the short key id."""
    return line[-1] if len(line) > 7 and len(line[-1]) >= 40 else line[1]

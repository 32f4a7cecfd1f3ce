"""Publishers' checksum lists (SHA256SUMS, SHA512SUMS) and the lock file that records what they said.

Debian publishes SHA512SUMS only, without a signature; Ubuntu SHA256SUMS only, with SHA256SUMS.gpg beside it. PVE's
``download-url`` takes both sums.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import requests
import yaml

from pvekit.adapters.files import write_atomic
from pvekit.adapters.images import Checksum, parse_checksum
from pvekit.adapters.signature import is_clear_signed, verify
from pvekit.model.errors import HostUnreachable, ImageInvalid, PvekitError

_MAX_LIST = 4 << 20
_TIMEOUTS = (10.0, 30.0)
_LIST_NAMES = ("SHA256SUMS", "SHA512SUMS")
_SIGNATURES = (".gpg", ".sign", ".asc", ".sig")
"""What publishers append to the name of a list: Ubuntu, Debian's installers, many others."""

_GNU = re.compile(r"([0-9a-fA-F]{64}|[0-9a-fA-F]{128})[ \t]+\*?(?:\./)?(\S.*)")
_BSD = re.compile(r"SHA(?:256|512) \((?:\./)?(.+)\) = ([0-9a-fA-F]{64}|[0-9a-fA-F]{128})")

_LOCK_HEAD = "# What the publishers' checksum lists said. Written by pvekit; commit it next to the stack file.\n"


@dataclass(frozen=True, slots=True)
class Locked:
    """One image as the lock file knows it: its address, its checksum, and the list that gave it.

    ``signer`` is the fingerprint of the key that signed the list; empty when nobody asked for a signature.
    """

    url: str
    checksum: Checksum
    source: str
    signer: str = ""


def parse_list(text: str) -> dict[str, Checksum]:
    """Read a checksum list, in GNU form (``digest  name``) or BSD form (``SHA256 (name) = digest``).

    Other lines (a PGP frame, comments) are passed over. A name listed twice with the same algorithm keeps the first.
    """
    found: dict[str, Checksum] = {}
    for line in text.splitlines():
        gnu, bsd = _GNU.fullmatch(line.strip()), _BSD.fullmatch(line.strip())
        if gnu:
            found.setdefault(gnu[2].strip(), parse_checksum(gnu[1]))
        elif bsd:
            found.setdefault(bsd[1].strip(), parse_checksum(bsd[2]))
    return found


def fetch_published(url: str, list_url: str = "", keyring: Path | None = None) -> Locked:
    """Ask the publisher's list for the checksum of the image at ``url``.

    ``list_url`` may be left out: SHA256SUMS, then SHA512SUMS next to the image are tried. With ``keyring`` only a list
    counts that one of its keys has signed. Raises HostUnreachable, or ImageInvalid when no list names the image or
    its signature is absent or not right.
    """
    name = unquote(posixpath.basename(urlsplit(url).path))
    tried = [list_url] if list_url else [urljoin(url, each) for each in _LIST_NAMES]
    for source in tried:
        content = _get(source)
        if content is None:
            continue
        signer = ""
        if keyring is not None:
            content, signer = _verified(source, content, keyring)
        checksum = parse_list(content.decode("utf-8", errors="replace")).get(name)
        if checksum is not None:
            return Locked(url, checksum, source, signer)
    raise ImageInvalid(
        f"no checksum list names {name}; looked at {', '.join(tried)}",
        where=url,
        hint="Write the checksum into the stack file: checksum: sha256:<64 digits>.",
    )


def _verified(source: str, content: bytes, keyring: Path) -> tuple[bytes, str]:
    """Return what of a list is signed, and the fingerprint of the key."""
    if is_clear_signed(content):
        signed = verify(content, None, keyring, where=source)
        return signed.content, signed.fingerprint
    tried = [_beside(source, suffix) for suffix in _SIGNATURES]
    for address in tried:
        signature = _get(address)
        if signature is not None:
            signed = verify(content, signature, keyring, where=f"{source} ({posixpath.basename(address)})")
            return signed.content, signed.fingerprint
    raise ImageInvalid(
        "the checksum list has no signature; looked at " + ", ".join(posixpath.basename(each) for each in tried),
        where=source,
        hint="Debian's cloud images have none: leave keyring out, or write the checksum into the stack file.",
    )


def _beside(url: str, suffix: str) -> str:
    """Return the address of the file with a longer name; a query stays where it is."""
    parts = urlsplit(url)
    return parts._replace(path=parts.path + suffix).geturl()


def read_lock(path: Path) -> dict[str, Locked]:
    """Return the locked images by name; an absent file is an empty lock. Raises PvekitError for a broken one."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _broken(path, str(error)) from error
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, dict):
        raise _broken(path, "there is no mapping named images")
    return {str(name): _locked(path, str(name), entry) for name, entry in images.items()}


def write_lock(path: Path, images: Mapping[str, Locked]) -> None:
    """Write the lock file in one step, sorted by name. Raises PvekitError when it cannot be written."""
    document = {
        "images": {
            name: {"url": each.url, "checksum": str(each.checksum), "source": each.source}
            | ({"signer": each.signer} if each.signer else {})
            for name, each in sorted(images.items())
        }
    }
    text = _LOCK_HEAD + yaml.safe_dump(document, sort_keys=False, width=4096)
    write_atomic(path, text.encode())


def _locked(path: Path, name: str, entry: Any) -> Locked:
    """Read one entry of the lock file."""
    try:
        checksum = parse_checksum(str(entry["checksum"]))
        return Locked(str(entry["url"]), checksum, str(entry["source"]), str(entry.get("signer") or ""))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _broken(path, f"the entry {name} is not complete ({error})") from error


def _broken(path: Path, why: str) -> PvekitError:
    """Return the error for a lock file that cannot be used."""
    return PvekitError(
        f"the lock file cannot be used: {why}",
        where=str(path),
        hint="Take it from version control, or remove it: the checksums are then asked from the publishers again.",
    )


def _get(url: str) -> bytes | None:
    """Fetch a small file; None when the server says that it is not there."""
    try:
        with requests.get(url, timeout=_TIMEOUTS, stream=True) as answer:
            if answer.status_code in (403, 404, 410):
                return None
            answer.raise_for_status()
            body = answer.raw.read(_MAX_LIST + 1, decode_content=True)
    except requests.RequestException as error:
        raise HostUnreachable(
            f"the checksum list could not be fetched: {_why(error)}",
            where=url,
            hint="Check the network, or write the checksum into the stack file.",
        ) from error
    if len(body) > _MAX_LIST:
        raise ImageInvalid("too large for a checksum list", where=url, hint="Check the address of the list.")
    return bytes(body)


def _why(error: requests.RequestException) -> str:
    """Return the last word of an error that urllib3 has wrapped several times."""
    if error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    inner = error.args[0] if error.args else error
    return str(getattr(inner, "reason", inner)).rpartition(": ")[2]

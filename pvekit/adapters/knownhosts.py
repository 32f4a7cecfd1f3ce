"""Host keys that the user's own ssh knows already: known_hosts files of OpenSSH, read only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from pathlib import Path

from pvekit.adapters.sshkeys import HostKey, parse_host_key

_MARKS = ("@revoked", "@cert-authority")


def known_files() -> tuple[Path, ...]:
    """Return the files that ssh reads when nothing else is configured."""
    home = Path.home() / ".ssh"
    return (home / "known_hosts", home / "known_hosts2", Path("/etc/ssh/ssh_known_hosts"))


def known_keys(address: str, port: int, files: Iterable[Path]) -> tuple[HostKey, ...]:
    """Return the keys written down for an address, without revoked ones. Files that cannot be read count as empty."""
    name = address.lower() if port == 22 else f"[{address.lower()}]:{port}"
    found: dict[HostKey, None] = {}
    revoked: set[HostKey] = set()
    for file in files:
        try:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            mark, key = _matching(line, name)
            if key is not None and mark == "@revoked":
                revoked.add(key)
            elif key is not None and not mark:
                found[key] = None
    return tuple(key for key in found if key not in revoked)


def _matching(line: str, name: str) -> tuple[str, HostKey | None]:
    """Return a line's marker and its key; no key when the line is for other hosts, or no such line at all."""
    words = line.split()
    mark = words.pop(0) if words and words[0] in _MARKS else ""
    if len(words) < 3 or words[0].startswith("#") or not _names(words[0], name):
        return mark, None
    try:
        return mark, parse_host_key(" ".join(words[1:3]))
    except ValueError:
        return mark, None


def _names(patterns: str, name: str) -> bool:
    """Tell whether the first field of a line means this host: names with ``*`` and ``?``, ``!`` excludes, or a hash."""
    if patterns.startswith("|1|"):
        return _hashed(patterns, name)
    meant = False
    for pattern in patterns.lower().split(","):
        wild = re.escape(pattern.removeprefix("!")).replace(r"\*", ".*").replace(r"\?", ".")
        if re.fullmatch(wild, name):
            if pattern.startswith("!"):
                return False
            meant = True
    return meant


def _hashed(field: str, name: str) -> bool:
    """Compare with the form that HashKnownHosts writes: ``|1|salt|HMAC-SHA1 of the name``."""
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in field[3:].split("|"))
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)

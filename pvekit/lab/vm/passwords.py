"""Passwords for guests: SHA-256 crypt (``$5$``), as PVE keeps ``cipassword`` for everything but Windows."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping

ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ROUNDS = 5000
_HASHED = re.compile(r"\$(?:[156]|2[ay])(\$.+){2}")
_ORDER = (
    (0, 10, 20), (21, 1, 11), (12, 22, 2), (3, 13, 23), (24, 4, 14), (15, 25, 5), (6, 16, 26), (27, 7, 17),
    (18, 28, 8), (9, 19, 29),
)  # fmt: skip


def kept(password: str, config: Mapping[str, str]) -> str:
    """Return the password as the configuration keeps it: hashed, unless it is already or the guest is Windows."""
    if config.get("ostype", "").startswith("w") or _HASHED.match(password):
        return password
    salt = "".join(secrets.choice(ALPHABET) for _ in range(8))
    return sha256_crypt(password, salt)


def sha256_crypt(password: str, salt: str) -> str:
    """Return the ``crypt(3)`` hash with the default number of rounds."""
    word, seed = password.encode(), salt.encode()
    inner = _sha(word + seed + word)
    start = word + seed + _stretched(inner, len(word))
    length = len(word)
    while length:
        start += inner if length & 1 else word
        length >>= 1
    digest = _sha(start)
    words = _stretched(_sha(word * len(word)), len(word))
    seeds = _stretched(_sha(seed * (16 + digest[0])), len(seed))
    for turn in range(ROUNDS):
        odd = turn % 2
        mixed = words if odd else digest
        mixed += seeds if turn % 3 else b""
        mixed += words if turn % 7 else b""
        mixed += digest if odd else words
        digest = _sha(mixed)
    return f"$5${salt}${_encoded(digest)}"


def _sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _stretched(data: bytes, length: int) -> bytes:
    return (data * (length // len(data) + 1))[:length]


def _encoded(digest: bytes) -> str:
    text = ""
    for first, second, third in _ORDER:
        text += _letters(digest[first] << 16 | digest[second] << 8 | digest[third], 4)
    return text + _letters(digest[31] << 8 | digest[30], 3)


def _letters(value: int, count: int) -> str:
    return "".join(ALPHABET[value >> 6 * place & 63] for place in range(count))

"""Local accounts of the answer file as Linux users, so that SSH knows them."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from tests.standin.guest.answer import Account

_KEPT = Path("/c/standin/accounts")
_SYSTEM = {
    "passwd": "root:x:0:0::/root:/bin/sh\nsshd:x:74:74::/run/sshd:/bin/false\n",
    "shadow": "root:!::::::: \nsshd:!:::::::\n".replace(" ", ""),
    "group": "root:x:0:\nsshd:x:74:\n",
}
_FIRST = 1000
_USERS, _ADMINISTRATORS = 545, 544


def create(accounts: list[Account]) -> None:
    """Make the accounts; they outlive a restart."""
    texts = dict(_SYSTEM)
    admins = []
    for number, account in enumerate(accounts, _FIRST):
        home = Path("/c/Users") / account.name
        home.mkdir(parents=True, exist_ok=True)
        secret = _hash(account.password)
        # Windows does not tell names apart by case.
        for name in dict.fromkeys((account.name, account.name.casefold())):
            texts["passwd"] += f"{name}:x:{number}:{_USERS}::{home}:/bin/sh\n"
            texts["shadow"] += f"{name}:{secret}:::::::\n"
            admins += [name] if account.admin else []
    texts["group"] += f"users:x:{_USERS}:\nadministrators:x:{_ADMINISTRATORS}:{','.join(admins)}\n"
    _KEPT.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (_KEPT / name).write_text(text)
    restore()


def restore() -> None:
    """Make the accounts known to this boot."""
    for name in _SYSTEM:
        target = Path("/etc") / name
        if (_KEPT / name).exists():
            target.write_bytes((_KEPT / name).read_bytes())
    Path("/etc/shadow").chmod(0o600)


def _hash(password: str) -> str:
    """Return the password as the shadow file holds it, made by the library that SSH checks it with."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    hashed: bytes = crypt(password.encode(), b"$6$rounds=1000$" + os.urandom(8).hex().encode())
    return hashed.decode()

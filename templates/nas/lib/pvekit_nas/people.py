"""Accounts of the NAS: for SMB only, without a login. Passwords come on standard input and go to Samba the same way."""

import grp
import json
import pwd
import struct
import sys

from pvekit_nas.config import ALERT_PASSWORD, group_of
from pvekit_nas.run import run

NFS_USER = "pvekit-nfs"
"""Who NFS clients are to the NAS, whoever they are on their own machine."""


def settle(config):
    """Bring accounts, groups and passwords about; yield what was changed."""
    secrets = json.load(sys.stdin)
    for user in [each["name"] for each in config.users] + [NFS_USER]:
        yield from _account(user)
    for share in config.shares:
        yield from _group(group_of(share["name"]), sorted({*share["users"], *share["readers"]}))
    yield from _passwords(secrets["passwords"])
    yield from _strangers({each["name"] for each in config.users})
    yield from _alert_password(secrets.get("alert") or "")


def _account(name):
    try:
        pwd.getpwnam(name)
    except KeyError:
        run("useradd", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell",
            "/usr/sbin/nologin", "--comment", "Made by pvekit", name)  # fmt: skip
        yield f"changed: account {name}"


def _group(name, members):
    try:
        now = sorted(grp.getgrnam(name).gr_mem)
    except KeyError:
        run("groupadd", name)
        yield f"changed: group {name}"
        now = []
    if now != members:
        run("gpasswd", "--members", ",".join(members), name)
        yield f"changed: members of {name}"


def _passwords(passwords):
    known = _known()
    for name, password in passwords.items():
        if known.get(name) == nt_hash(password):
            continue
        run("smbpasswd", "-s", "-a", name, stdin=f"{password}\n{password}\n")
        yield f"changed: password of {name}"


def _known():
    """Return the NT hash of each account of Samba. It never leaves this process."""
    rows = [line.split(":") for line in run("pdbedit", "--list", "--smbpasswd-style", good=(0, 1)).splitlines()]
    return {row[0]: row[3].lower() for row in rows if len(row) > 4 and row[4].startswith("[U ")}


def _strangers(names):
    """Whoever left the stack file gets no access any more; the folder stays."""
    for name in sorted(set(_known()) - names):
        run("pdbedit", "--delete", "--user", name)
        yield f"changed: {name} has no access any more"


def _alert_password(text):
    now = ALERT_PASSWORD.read_text(encoding="utf-8") if ALERT_PASSWORD.exists() else ""
    if text == now:
        return
    if text:
        part = ALERT_PASSWORD.with_suffix(".part")
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        part.write_text(text, encoding="utf-8")
        part.replace(ALERT_PASSWORD)
    else:
        ALERT_PASSWORD.unlink()
    yield "changed: password of the mail account"


def nt_hash(password):
    """Return what Samba keeps of a password: MD4 of its UTF-16 text. OpenSSL does not offer MD4 any more."""
    return md4(password.encode("utf-16-le")).hex()


def md4(data):
    """Return the MD4 digest (RFC 1320)."""
    text = data + b"\x80" + bytes(-(len(data) + 9) % 64) + struct.pack("<Q", 8 * len(data))
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    rounds = (
        (lambda b, c, d: (b & c) | (~b & d), 0, range(16), (3, 7, 11, 19)),
        (
            lambda b, c, d: (b & c) | (b & d) | (c & d),
            0x5A827999,
            [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
            (3, 5, 9, 13),
        ),
        (lambda b, c, d: b ^ c ^ d, 0x6ED9EBA1, [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15], (3, 9, 11, 15)),
    )
    for start in range(0, len(text), 64):
        words = struct.unpack_from("<16I", text, start)
        a, b, c, d = state
        for mix, constant, order, shifts in rounds:
            for step, index in enumerate(order):
                value = (a + (mix(b, c, d) & 0xFFFFFFFF) + words[index] + constant) & 0xFFFFFFFF
                shift = shifts[step % 4]
                a, b, c, d = d, ((value << shift) | (value >> (32 - shift))) & 0xFFFFFFFF, b, c
        state = [(old + new) & 0xFFFFFFFF for old, new in zip(state, (a, b, c, d), strict=True)]
    return struct.pack("<4I", *state)

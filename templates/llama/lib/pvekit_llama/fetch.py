"""Downloads one file: goes on where it stopped, looks at the disk first, keeps nothing but the right file."""

import errno
import hashlib
import http.client
import shutil
import time
import urllib.error

from pvekit_llama import web
from pvekit_llama.run import Failed

TRIES = 6
PAUSE = 3.0
SPARE = 256 << 20
"""Bytes that stay free."""
CHUNK = 1 << 20


def fetch(url, sha256, part, target):
    """Download ``url`` into ``part`` and, once its sum is right, make it ``target``."""
    part.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, TRIES + 1):
        try:
            whole = _more(url, part)
        except (OSError, http.client.HTTPException) as error:
            whole, reason = False, _reason(error)
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise full(part.parent) from None
            if isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code not in (408, 429):
                raise Failed(f"{shown(url)}: the server says {error.code}. Correct the address.") from None
        else:
            reason = "the connection ended early"
        if whole:
            break
        if attempt == TRIES:
            raise Failed(
                f"{shown(url)}: {reason}. What has arrived is kept: run pvekit up again, and it goes on from there."
            )
        time.sleep(PAUSE)
    accept(part, sha256, target, shown(url))


def _more(url, part):
    """Fetch what is missing; return whether the file is whole."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        answer = web.opened(url, headers=headers)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:
            return True  # there is no more; the sum will tell
        raise
    with answer:
        if have and answer.status != 206:
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        if total is not None and shutil.disk_usage(part.parent).free < total - have + SPARE:
            raise full(part.parent, total - have)
        with part.open("ab" if have else "wb") as file:
            while data := answer.read(CHUNK):
                file.write(data)
    return total is None or part.stat().st_size >= total


def accept(part, sha256, target, name):
    """Make ``part`` the file ``target`` when its sum is right; else throw it away, and nothing else."""
    digest = hashlib.sha256()
    with part.open("rb") as file:
        while data := file.read(CHUNK):
            digest.update(data)
    found = digest.hexdigest()
    if found != sha256:
        part.unlink()
        raise Failed(
            f"the sha256 of {name} does not match. Expected: {sha256}. Found: {found}. What arrived was thrown away; "
            "what was there before is untouched. Correct sha256 or the address in the stack file."
        )
    part.chmod(0o644)
    part.replace(target)


def full(folder, needed=None):
    """Return the error of a full disk."""
    free = shutil.disk_usage(folder).free
    wanted = f", {needed / (1 << 30):.1f} GiB are needed" if needed is not None else ""
    return Failed(
        f"the disk is full: {free / (1 << 30):.1f} GiB are free in {folder}{wanted}. Grow the VM's disk (disks: size) "
        "and run pvekit up again."
    )


def shown(url):
    """Return an address without its query, in which a token may stand."""
    return url.partition("?")[0]


def _reason(error):
    inner = getattr(error, "reason", None)
    return str(inner if inner is not None else error)

"""Fetches pinned files to this machine. A file gets its name only after its sha256 was right.

An interrupted download goes on where it stopped; the part file is named by the digest, so that a part of one file is
never taken for a part of another.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import posixpath
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urljoin, urlsplit

import requests

from pvekit.adapters import redirects
from pvekit.adapters.images import Checksum, hash_file, parse_checksum
from pvekit.model.catalogue import Pinned
from pvekit.model.errors import HostUnreachable, ImageInvalid, PvekitError

# A connection that breaks costs at most this much of what had come.
_CHUNK = 64 << 10
_TIMEOUTS = (10.0, 30.0)
# Attempts in a row that bring nothing, and attempts in all.
_IDLE_ATTEMPTS = 5
_MAX_ATTEMPTS = 100
_REDIRECTS = 5
_MAX_BYTES = 16 << 30
_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")

# Bytes there so far, and in all (None: the server did not say).
Progress = Callable[[int, int | None], None]


class _Broken(Exception):
    """The connection ended early; trying again may help."""


def cache_dir() -> Path:
    """Return the folder of downloads: ``~/.cache/pvekit/downloads``, or below XDG_CACHE_HOME."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "pvekit" / "downloads"


def fetch(
    url: str,
    sha256: str,
    *,
    folder: Path | None = None,
    max_bytes: int = _MAX_BYTES,
    progress: Progress | None = None,
    pause_s: float = 1.0,
) -> Path:
    """Return the path of the file with this checksum, fetched from ``url`` unless it is there already.

    ``folder`` defaults to ``cache_dir()``; ``pause_s`` is the wait before the second attempt, doubled for each further
    one. Raises ImageInvalid (wrong sum, too large, not there), HostUnreachable, PvekitError (folder not writable).
    """
    checksum = parse_checksum(sha256)
    _check_address(url)
    place = folder if folder is not None else cache_dir()
    made = place / f"{checksum.hexdigest}{posixpath.splitext(urlsplit(url).path)[1]}"
    part = place / f"{checksum.hexdigest}.part"
    with _only_one(place, checksum.hexdigest):
        if made.exists():
            if hash_file(made) == checksum:
                return made
            made.unlink()
        resumed = part.exists() and part.stat().st_size > 0
        found = _fetch_part(url, part, max_bytes, progress, pause_s)
        if found != checksum and resumed:
            # The earlier part may be what is wrong: once more from the start.
            part.unlink()
            found = _fetch_part(url, part, max_bytes, progress, pause_s)
        if found != checksum:
            part.unlink()
            raise ImageInvalid(
                f"sha256 does not match\n  expected: {checksum.hexdigest}\n  found:    {found.hexdigest}",
                where=url,
                hint="The file at this address is another one, or was changed on the way. Nothing was kept; compare "
                "the checksum with the publisher's before you change it.",
            )
        part.replace(made)
    return made


def fetch_pinned(pinned: Pinned, *, folder: Path | None = None, progress: Progress | None = None) -> Path:
    """Return the path of a file of the catalogue, fetched unless it is there already. Raises as ``fetch``."""
    return fetch(pinned.url, pinned.sha256, folder=folder, max_bytes=2 * pinned.size, progress=progress)


def _check_address(url: str) -> None:
    """Refuse addresses without encryption, except on this machine. Raises ImageInvalid."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" and host:
        return
    if parts.scheme == "http" and _loopback(host):
        return
    raise ImageInvalid("only https addresses are fetched", where=url, hint="Write the https address, or a local path.")


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def _only_one(folder: Path, digest: str) -> Iterator[None]:
    """Let one process at a time fetch a file; the others wait, and then find it. Raises PvekitError."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / f".{digest}.lock").open("ab")
    except OSError as error:
        raise _unwritable(folder, error) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch_part(url: str, part: Path, max_bytes: int, progress: Progress | None, pause_s: float) -> Checksum:
    """Fill the part file and hash it; a broken connection is tried again while that brings bytes."""
    idle = 0
    with redirects.session() as session:
        for _attempt_number in range(_MAX_ATTEMPTS):
            before = part.stat().st_size if part.exists() else 0
            try:
                with part.open("ab") as out:
                    _attempt(session, url, out, max_bytes, progress)
                return hash_file(part)
            except (requests.exceptions.SSLError, requests.exceptions.InvalidURL) as error:
                raise _unreachable(url, error, "Check the address and the certificates of this machine.") from error
            except (requests.RequestException, _Broken) as error:
                failure = error
            except OSError as error:
                raise _unwritable(part, error) from error
            idle = 0 if part.stat().st_size > before else idle + 1
            if idle >= _IDLE_ATTEMPTS:
                break
            time.sleep(pause_s * 2**idle)
    there = f"{part.stat().st_size} bytes are there"
    raise _unreachable(
        url, failure, f"Check the network and run the command again: it goes on where it stopped, {there}."
    ) from failure


def _attempt(session: requests.Session, url: str, out: IO[bytes], max_bytes: int, progress: Progress | None) -> None:
    """Fetch what the part file lacks."""
    have = out.seek(0, os.SEEK_END)
    with _open(session, url, have) as answer:
        if answer.status_code == 416:
            # Nothing is left to fetch, or the part is longer than the file: the checksum tells which.
            return
        if answer.status_code in (200, 206):
            have = _resume(answer, out, have)
        elif answer.status_code in (408, 429) or answer.status_code >= 500:
            raise _Broken(f"{answer.status_code} {answer.reason}")
        else:
            raise ImageInvalid(
                f"the server answered {answer.status_code} {answer.reason}",
                where=url,
                hint="Check the address; the publisher may have moved the file.",
            )
        left = answer.headers.get("Content-Length", "")
        total = have + int(left) if left.isdigit() else None
        _check_size(url, total or have, max_bytes)
        for chunk in answer.iter_content(_CHUNK):
            out.write(chunk)
            have += len(chunk)
            _check_size(url, have, max_bytes)
            if progress is not None:
                progress(have, total)
        if total is not None and have < total:
            raise _Broken(f"only {have} of {total} bytes came")


def _open(session: requests.Session, url: str, have: int) -> requests.Response:
    """Ask for the rest of the file, following redirects to allowed addresses only."""
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    for _hop in range(_REDIRECTS + 1):
        answer = session.get(url, headers=headers, timeout=_TIMEOUTS, stream=True, allow_redirects=False)
        if not answer.is_redirect:
            return answer
        answer.close()
        target = urljoin(url, answer.headers["Location"])
        _check_address(target)
        if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
            raise ImageInvalid(f"the server leads away from https, to {target}", where=url, hint="Check the address.")
        url = target
    raise ImageInvalid(f"more than {_REDIRECTS} redirects", where=url, hint="Write the file's own address.")


def _resume(answer: requests.Response, out: IO[bytes], have: int) -> int:
    """Return where the answer's bytes belong; a server that sends all or another range makes us start anew."""
    if answer.status_code == 206:
        told = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if told is not None and int(told[1]) == have:
            return have
        out.truncate(0)
        raise _Broken("the server sent another part than asked for")
    out.truncate(0)
    return 0


def _check_size(url: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise ImageInvalid(
            f"the file has at least {size} bytes, more than the {max_bytes} it may have",
            where=url,
            hint="Most likely another file is at this address now.",
        )


def _unreachable(url: str, error: Exception, hint: str) -> HostUnreachable:
    """Return the error for a download that did not come through, with the core of what urllib3 has wrapped."""
    inner: object = error
    while isinstance(inner, Exception) and inner.args:
        inner = getattr(inner, "reason", None) or inner.args[0]
    why = str(inner).rpartition(": ")[2] or type(error).__name__
    return HostUnreachable(f"the download broke off: {why}", where=url, hint=hint)


def _unwritable(path: Path, error: OSError) -> PvekitError:
    return PvekitError(
        f"cannot write: {error.strerror or error}", where=str(path), hint="Check the folder's permissions and space."
    )

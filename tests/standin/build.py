"""Builds the Setup CD once and keeps it, named by what it is made from."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import tempfile
from pathlib import Path

from pvekit.lab.image.apt_host import AptHost, read_host
from pvekit.lab.image.build import cache_directory
from tests.standin import cpio, media, payload
from tests.standin.packages import PACKAGES, SUITE, run, unpack
from tests.standin.switches import Switches, variant

_HERE = Path(__file__).parent
_PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "mformat": "mtools",
    "mke2fs": "e2fsprogs",
    "genisoimage": "genisoimage",
    "wimlib-imagex": "wimtools",
    "zstd": "zstd",
}
_STATIC = {"init": "init", "udhcpc.script": "etc/udhcpc.script", "shutdown": "sbin/shutdown"}
_NAMES = {
    "etc/passwd": b"root:x:0:0::/root:/bin/sh\nsshd:x:74:74::/run/sshd:/bin/false\n",
    "etc/group": b"root:x:0:\nsshd:x:74:\n",
    "etc/nsswitch.conf": b"passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    # As the agent of Windows tells it
    "etc/os-release": b'ID=mswindows\nNAME="Microsoft Windows"\nPRETTY_NAME="Windows 11 (stand-in)"\nVERSION_ID=11\n',
}


def lacking() -> str:
    """Return the Debian packages that the build lacks on this machine; empty if it has all."""
    return " ".join(sorted(package for program, package in _PROGRAMS.items() if not shutil.which(program)))


def setup_iso(switches: Switches = Switches(), *, folder: Path | None = None) -> Path:  # noqa: B008 - frozen
    """Return the path of the Setup CD, built if the cache has none. RuntimeError says what failed.

    With switches other than the standard ones it is a copy in ``folder`` (then needed: a test's own).
    """
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    host = read_host(SUITE)
    target = cache / f"standin-setup-{_key(host)}.iso"
    with (cache / "standin.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            with tempfile.TemporaryDirectory(prefix="standin-", dir=cache) as work:
                Path(work).chmod(0o755)
                _build(host, Path(work), target)
    if switches == Switches():
        return target
    if folder is None:
        raise ValueError("a Setup CD with switches needs a folder")
    return variant(target, switches, folder)


def _key(host: AptHost) -> str:
    digest = hashlib.sha256(json.dumps([PACKAGES, host.sources, sorted(host.options.items())]).encode())
    for path in sorted(_HERE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("test_"):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _build(host: AptHost, work: Path, target: Path) -> None:
    missing = lacking()
    if missing:
        raise RuntimeError(f"building the stand-in needs: apt-get install {missing}")
    tree = unpack(host, work)
    common: payload.Files = {
        **payload.modules(tree),
        **payload.python(tree, work, ("__main__", "setup", "windows")),
        **{kept: (_HERE / "guest" / name).read_bytes() for name, kept in _STATIC.items()},
        **_NAMES,
    }
    setup = _packed({**common, **payload.programs(tree, payload.SETUP_PROGRAMS)})
    windows = _packed({**common, **payload.programs(tree, payload.WINDOWS_PROGRAMS)})
    partial = work / "setup.iso"
    media.iso(tree, work, setup, windows, partial)
    partial.rename(target)


def _packed(files: payload.Files) -> bytes:
    """Return the archive compressed: an emulated machine unpacks it faster than its firmware hashes it for the TPM."""
    return run("zstd", "-q", "-15", "-T0", "-c", stdin=cpio.archive(files))

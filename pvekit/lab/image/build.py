"""Builds the image once and keeps it: a content-addressed cache that several processes may use at the same time."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from pvekit.lab.doors import DoorError
from pvekit.lab.image import recipe
from pvekit.lab.image.apt_host import AptHost, read_host
from pvekit.lab.image.assemble import assemble
from pvekit.lab.image.bootstrap import bootstrap

Log = Callable[[str], None]

IMAGE_SUITE = recipe.SUITE
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only for scratch files in a private directory
_PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "qemu-img": "qemu-utils",
    "mke2fs": "e2fsprogs",
    "sfdisk": "fdisk",
    "mformat": "mtools",
    "grub-mkimage": "grub-common",
    "xz": "xz-utils",
    "setpriv": "util-linux",
}
_FILES = {
    "/usr/lib/grub/i386-pc/boot.img": "grub-pc-bin",
    "/usr/lib/shim/shimx64.efi.signed": "shim-signed",
    "/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed": "grub-efi-amd64-signed",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}


def cache_directory() -> Path:
    """Return where images are kept: ``$XDG_CACHE_HOME/pvekit/images``."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "pvekit" / "images"


def cache_key(host: AptHost, name: str = recipe.BASE) -> str:
    """Return the hash of all that decides what the image holds: this package's code and the host's apt setup."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name not in {"build.py", "__main__.py", "__init__.py"}:
            digest.update(path.read_bytes())
    digest.update(json.dumps(recipe.files(), sort_keys=True).encode())
    digest.update(json.dumps([host.sources, sorted(host.options.items()), name]).encode())
    for path in host.certificates:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def find(cache: Path | None = None, name: str = recipe.BASE) -> Path | None:
    """Return the image for the present recipe if it is in the cache."""
    return _lookup(cache or cache_directory(), cache_key(read_host(recipe.VARIANTS[name].suite), name))


def build(target: Path | None, log: Log, *, name: str = recipe.BASE, fresh: bool = False) -> Path:
    """Return the path of the image, built if the cache has none for this recipe (or ``fresh``).

    ``target`` is the cache directory (None: the usual one), ``name`` one of ``recipe.VARIANTS``. A second build waits
    for the first and takes its result. A build that is killed leaves no image; its scratch directory goes with the
    next build. DoorError says what is missing or failed.
    """
    cache = target or cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    host = read_host(recipe.VARIANTS[name].suite)
    key = cache_key(host, name)
    with _locked(cache / "lock", log):
        found = None if fresh else _lookup(cache, key)
        if found:
            log(f"image {found.name} is in the cache")
            return found
        _check_programs()
        work = _work_directory(cache, recipe.VARIANTS[name].work)
        try:
            return _build(cache, work, key, host, name, log)
        finally:
            _remove(work)


def _build(cache: Path, work: Path, key: str, host: AptHost, name: str, log: Log) -> Path:
    as_root = os.geteuid() == 0
    root = work / "root"
    partial = work / "disk.qcow2"
    variant = recipe.VARIANTS[name]
    clock = time.monotonic()
    log(f"building {name} from {len(recipe.PACKAGES) + len(variant.packages)} packages and what they need, in {work}")
    bootstrap(host, root if as_root else root.with_suffix(".tar"), variant=variant, as_root=as_root, log=log)
    packages = time.monotonic()
    log(f"packages installed in {packages - clock:.0f} s")
    _assemble(root, work, partial, host, variant.size, as_root=as_root)
    digest = _sha256(partial)
    filename = f"{name}-lab-{digest[:12]}.qcow2"
    arriving = cache / f".{filename}.part"  # the same file system as the final name: the rename is atomic
    shutil.move(partial, arriving)
    arriving.chmod(0o644)
    arriving.rename(cache / filename)
    _write_atomically(cache / f"{key}.json", json.dumps({"image": filename, "sha256": digest}) + "\n")
    log(f"disk {filename} written in {time.monotonic() - packages:.0f} s; {time.monotonic() - clock:.0f} s in all")
    return cache / filename


def _assemble(root: Path, work: Path, target: Path, host: AptHost, size: int, *, as_root: bool) -> None:
    identity = str(uuid.uuid4())
    if as_root:
        assemble(root, work, target, uuid=identity, size=size, host=host)
        return
    given = {
        "root": str(root), "work": str(work), "target": str(target), "uuid": identity, "size": size,
        "sources": host.sources, "options": dict(host.options), "certificates": [str(p) for p in host.certificates],
    }  # fmt: skip
    argv = ["unshare", "--user", "--map-auto", "--map-root-user", "--mount", sys.executable, "-m",
            "pvekit.lab.image.assemble"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(argv, input=json.dumps(given), capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise DoorError(f"the disk could not be made in a user namespace: {done.stderr.strip()}")


def _lookup(cache: Path, key: str) -> Path | None:
    record = cache / f"{key}.json"
    if not record.exists():
        return None
    image = cache / str(json.loads(record.read_text())["image"])
    return image if image.exists() else None


def _check_programs() -> None:
    missing = {package for program, package in _PROGRAMS.items() if not shutil.which(program)}
    missing |= {package for name, package in _FILES.items() if not Path(name).exists()}
    if missing:
        raise DoorError(f"building the image needs: apt-get install {' '.join(sorted(missing))}")


def _remove(folder: Path) -> None:
    """Delete a build's folder, but not while something is mounted in it.

    mmdebstrap binds the machine's own folders there, /dev/shm too: what is left of a killed one must not be followed.
    """
    inside = f"{folder.resolve()}/"
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    if not any(mount.startswith(inside) for mount in mounts):
        shutil.rmtree(folder, ignore_errors=True)


def _work_directory(cache: Path, needed: int) -> Path:
    """Return an empty private directory, in memory if there is room; what a killed build left there goes away."""
    name = f"pvekit-image-{hashlib.sha256(str(cache.resolve()).encode()).hexdigest()[:12]}-"
    places = (_SHARED_MEMORY, cache)
    for place in places:
        for stale in place.glob(f"{name}*"):  # we hold the lock: whoever made it is gone
            _remove(stale)
    for place in places:
        if place.is_dir() and os.access(place, os.W_OK) and shutil.disk_usage(place).free >= needed:
            if place is _SHARED_MEMORY and _memory_available() < needed:
                continue
            path = Path(tempfile.mkdtemp(prefix=name, dir=place))
            path.chmod(0o755)  # mmdebstrap's sandboxed download user must pass
            return path
    raise DoorError(f"building the image needs {needed // 1024**3} GiB in {cache} or {_SHARED_MEMORY}")


def _memory_available() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def _locked(path: Path, log: Log) -> Iterator[None]:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log("another process builds the image; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_atomically(path: Path, text: str) -> None:
    partial = path.with_suffix(".part")
    partial.write_text(text)
    partial.rename(path)

"""Builds the IOMMU host's disk from Debian packages, without root, and keeps it beside the lab's images."""

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

from pvekit.lab.image import disk
from pvekit.lab.image import recipe as lab
from pvekit.lab.image.apt_host import AptHost, read_host
from pvekit.lab.image.build import cache_directory
from tests.iommu import recipe

_PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
    "mke2fs": "e2fsprogs",
    "sfdisk": "fdisk",
    "mformat": "mtools",
    "grub-mkimage": "grub-common",
    "xz": "xz-utils",
}
_GRUB = Path("/usr/lib/grub/i386-pc")
_OLD_SECONDS = 86400.0
_UNNEEDED = ("etc/resolv.conf", "var/log/apt", "var/log/dpkg.log", "var/log/bootstrap.log", "var/log/alternatives.log")
_ROOT = Path(__file__).parents[2]
_ALONE = () if os.geteuid() else ("unshare", "--mount")
"""As root mmdebstrap mounts this machine's own /dev/shm into its tree. Nobody but the build may see that: whoever
removes the tree of a build that was killed would empty it."""


def lacking() -> str:
    """Return the Debian packages that the build lacks on this machine; empty if it has all."""
    lacks = {package for program, package in _PROGRAMS.items() if not shutil.which(program)}
    lacks |= set() if (_GRUB / "boot.img").exists() else {"grub-pc-bin"}
    return " ".join(sorted(lacks))


def image(stage: str, make: Callable[[Path], None], *files: str) -> Path:
    """Return the disk of a stage from the cache, made by ``make`` if it is not there. Others wait meanwhile.

    It is made anew when a module of the build changes: ``files`` are more of them.
    """
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / f"iommu-host-{stage}-{_key('recipe.py', 'image.py', *files)}.qcow2"
    with (cache / f"iommu-host-{stage}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            scratch = f"iommu-work-{stage}-"
            for stale in cache.glob(f"{scratch}*"):  # of a build that was killed: we hold the lock
                _run("rm", "-rf", "--one-file-system", str(stale))
            with tempfile.TemporaryDirectory(prefix=scratch, dir=cache) as work:
                Path(work).chmod(0o755)  # mmdebstrap's own users must pass
                made = Path(work) / "disk.qcow2"
                make(made)
                for old in cache.glob(f"iommu-host-{stage}-*.qcow2"):
                    if old.stat().st_mtime < time.time() - _OLD_SECONDS:  # a host may still run over a younger one
                        old.unlink()
                made.rename(target)
    return target


def bare(target: Path) -> None:
    """Write the disk as the packages leave it: it boots, but GRUB's menu is not the host's own."""
    host = read_host(recipe.SUITE)
    tree = target.with_name("root.tar")
    _bootstrap(host, tree)
    argv = ["unshare", "--mount", *(("--user", "--map-auto", "--map-root-user") if os.geteuid() else ())]
    argv += [sys.executable, "-m", "tests.iommu.image", str(tree), str(target)]
    done = subprocess.run(argv, cwd=_ROOT, capture_output=True, text=True, check=False)
    tree.unlink()
    if done.returncode:
        raise RuntimeError(f"the disk could not be made: {done.stderr.strip()}")


def _key(*files: str) -> str:
    """Return a hash of all that decides what the image holds."""
    digest = hashlib.sha256()
    for path in (*(Path(__file__).with_name(name) for name in files), Path(disk.__file__)):
        digest.update(path.read_bytes())
    host = read_host(recipe.SUITE)
    digest.update(json.dumps([sorted(recipe.FILES.items()), host.sources, sorted(host.options.items())]).encode())
    return digest.hexdigest()[:12]


def _bootstrap(host: AptHost, target: Path) -> None:
    argv = ["mmdebstrap", "--variant=apt", "--quiet", "--format=tar", "--include=" + ",".join(recipe.PACKAGES)]
    argv += ["--mode=unshare" if os.geteuid() else "--mode=root"]
    argv += [f"--dpkgopt={option}" for option in recipe.DPKG_OPTIONS]
    argv += [f'--aptopt={key} "{value}"' for key, value in sorted(host.options.items())]
    argv += ['--aptopt=Acquire::Languages "none"', recipe.SUITE, str(target), *host.sources]
    environment = {**os.environ, "TMPDIR": str(target.parent), "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["setpriv", "--pdeathsig", "TERM", *_ALONE, *argv],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"mmdebstrap ended with status {done.returncode}:\n{done.stderr[-2000:]}")


def finish(archive: Path, target: Path) -> None:
    """Make the host's disk of mmdebstrap's archive. Runs as root, or as root of a user namespace."""
    root, identity = archive.with_name("root"), str(uuid.uuid4())
    root.mkdir()
    _run("tar", "-C", str(root), "--numeric-owner", "--exclude=./dev/*", "-xpf", str(archive))
    with _null_device(root):
        _customize(root, identity)
    disk.make_disk(root, archive.parent, target, identity, recipe.SIZE)
    shutil.rmtree(root)


@contextlib.contextmanager
def _null_device(root: Path) -> Iterator[None]:
    null = root / "dev/null"
    null.parent.mkdir(exist_ok=True)
    null.touch()
    _run("mount", "--bind", "/dev/null", str(null))
    try:
        yield
    finally:
        _run("umount", str(null))
        null.unlink()


def _customize(root: Path, identity: str) -> None:
    for name in _UNNEEDED:
        _run("rm", "-rf", str(root / name))
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for name, text in {**recipe.FILES, "etc/fstab": f"UUID={identity} / ext4 defaults,noatime 0 0\n"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "etc/machine-id").write_text(uuid.uuid4().hex + "\n")
    _units(root)
    _run("chroot", str(root), "useradd", "--create-home", "--password", "*", "--shell", "/bin/sh", recipe.VISITOR)
    _plain_modules(root)
    _run("chroot", str(root), "update-initramfs", "-u", "-k", "all")
    _boot_loader(root, identity)
    for marker in ("etc/.updated", "var/.updated"):  # newer than /usr: no unit of a first boot runs
        (root / marker).touch()
        os.utime(root / marker, (2**31 - 1, 2**31 - 1))


def _units(root: Path) -> None:
    for directory, names in (
        ("systemd/system", recipe.MASKED_UNITS),
        ("systemd/system-generators", lab.MASKED_GENERATORS),
        ("udev/rules.d", recipe.MASKED_UDEV_RULES),
    ):
        for name in names:
            link = root / "etc" / directory / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to("/dev/null")
    _run("systemctl", f"--root={root}", "--quiet", "set-default", "multi-user.target")


def _plain_modules(root: Path) -> None:
    wanted = {name.replace("-", "_") for name in recipe.PLAIN_MODULES}
    for packed in sorted((root / "usr/lib/modules").glob("*/kernel/**/*.ko.xz")):
        if packed.name.removesuffix(".ko.xz").replace("-", "_") in wanted:
            _run("xz", "--decompress", "--force", str(packed))
    for version in sorted((root / "usr/lib/modules").iterdir()):
        _run("chroot", str(root), "depmod", version.name)


def _boot_loader(root: Path, identity: str) -> None:
    """Let GRUB find its modules, and boot for the first time with a menu written by hand."""
    folder = root / "boot/grub/i386-pc"
    folder.mkdir(parents=True, exist_ok=True)
    for path in (*_GRUB.glob("*.mod"), *_GRUB.glob("*.lst")):  # those that belong to the core image
        shutil.copy(path, folder)
    _run("chroot", str(root), "grub-editenv", "/boot/grub/grubenv", "create")
    (version,) = (path.name for path in (root / "usr/lib/modules").iterdir())
    options = " ".join(recipe.KERNEL_OPTIONS)
    (root / "boot/grub/grub.cfg").write_text(
        f"search --no-floppy --fs-uuid --set=root {identity}\n"
        f"linux /boot/vmlinuz-{version} root=UUID={identity} ro {options}\ninitrd /boot/initrd.img-{version}\nboot\n"
    )


def _run(*argv: str) -> None:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"{argv[0]} ended with status {done.returncode}: {(done.stdout + done.stderr).strip()}")


if __name__ == "__main__":
    finish(Path(sys.argv[1]), Path(sys.argv[2]))

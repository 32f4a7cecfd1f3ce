"""Turns a bootstrapped tree into the guest: files, masked units, apt access, a boot loader's configuration."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from pvekit.lab.doors import DoorError
from pvekit.lab.image import recipe
from pvekit.lab.image.apt_host import AptHost

_UNNEEDED = (
    "etc/hostname",
    "etc/resolv.conf",
    "etc/machine-id",
    "var/lib/dbus/machine-id",
    "var/log/apt",
    "var/log/dpkg.log",
    "var/log/bootstrap.log",
    "var/log/alternatives.log",
    "var/cache/debconf/templates.dat-old",
    "var/cache/debconf/config.dat-old",
    "var/lib/dpkg/status-old",
    "etc/update-motd.d/10-uname",
)


def customize(root: Path, host: AptHost, uuid: str) -> None:
    """Apply the recipe to the tree; ``uuid`` is the root file system's."""
    for name in _UNNEEDED:
        path = root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    _write(root / "etc/machine-id", "")
    (root / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    for name, text in recipe.files().items():
        _write(root / name, text)
        if text.startswith("#!"):
            (root / name).chmod(0o755)
    _write(root / "etc/fstab", f"UUID={uuid} / ext4 defaults,noatime 0 0\n")
    _write(root / "boot/grub/grub.cfg", grub_config(uuid))
    _trim_cloud_init(root)
    _units(root)
    _apt(root, host)
    _plain_modules(root)
    _in_tree(root, "update-tirfs")
    _in_tree(root, "apt-cache", "gencaches")
    for marker in ("etc/.updated", "var/.updated"):  # newer than /usr: no ConditionNeedsUpdate= unit runs
        _write(root / marker, "")
        os.utime(root / marker, (2**31 - 1, 2**31 - 1))


def grub_config(uuid: str) -> str:
    """Return a menu without menu: the newest kernel, through Debian's own symlinks, so that upgrades are followed."""
    arguments = " ".join((f"root=UUID={uuid}", *recipe.KERNEL_ARGUMENTS))
    return (
        "serial --unit=0 --speed=115200\nterminal_output console serial\nset timeout=0\n"
        f"search --no-floppy --fs-uuid --set=root {uuid}\n"
        f"linux /vmlinuz {arguments}\ninitrd /initrd.img\nboot\n"
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()
    path.write_text(text)


def _trim_cloud_init(root: Path) -> None:
    """Take out of cloud-init's configuration what cannot apply here: each module is an import at first boot.

    Comments go too: every stage reads these files anew, by a YAML scanner that goes character by character.
    """
    names = "|".join(re.escape(name) for name in recipe.CLOUD_MODULES_LEFT_OUT)
    main = root / "etc/cloud/cloud.cfg"
    main.write_text(re.sub(rf"(?m)^ - (?:{names})\n", "", main.read_text()))
    for path in (main, *sorted((root / "etc/cloud/cloud.cfg.d").glob("*.cfg"))):
        path.write_text(re.sub(r"(?m)^[ \t]*(?:#.*)?\n", "", path.read_text()))


def _units(root: Path) -> None:
    for directory, names in (
        ("systemd/system", recipe.MASKED_UNITS),
        ("systemd/system-generators", recipe.MASKED_GENERATORS),
        ("udev/rules.d", recipe.MASKED_UDEV_RULES),
    ):
        for name in names:
            link = root / "etc" / directory / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to("/dev/null")
    _run(["systemctl", f"--root={root}", "--quiet", "enable", *recipe.ENABLED_UNITS])
    _run(["systemctl", f"--root={root}", "--quiet", "set-default", "multi-user.target"])


def _apt(root: Path, host: AptHost) -> None:
    if host.sources:
        for path in (root / "etc/apt/sources.list.d").glob("*"):
            path.unlink()
        _write(root / "etc/apt/sources.list", "".join(f"{line}\n" for line in host.sources))
    options = "".join(f'{key} "{value}";\n' for key, value in sorted(host.guest_options().items()))
    _write(root / "etc/apt/apt.conf.d/02lab-host", options)
    (root / "etc/apt/apt.conf.d/99mmdebstrap").unlink(missing_ok=True)
    if host.certificates:
        target = root / "usr/local/share/ca-certificates"
        target.mkdir(parents=True, exist_ok=True)
        for certificate in host.certificates:
            shutil.copy(certificate, target / certificate.name)
        _in_tree(root, "update-ca-certificates")


def _plain_modules(root: Path) -> None:
    """Unpack the modules of the early boot: the emulated CPU would need longer for xz than for reading them."""
    for name in recipe.PLAIN_MODULES:
        for packed in sorted((root / "usr/lib/modules").glob(f"*/kernel/**/{name}.ko.xz")):
            _run(["xz", "--decompress", "--force", str(packed)])
    for version in sorted((root / "usr/lib/modules").iterdir()):
        _in_tree(root, "depmod", version.name)


def _in_tree(root: Path, *argv: str) -> None:
    _run(["chroot", str(root), *argv])


def _run(argv: list[str]) -> None:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise DoorError(f"{' '.join(argv)} ended with status {done.returncode}: {(done.stdout + done.stderr).strip()}")

"""The first boot: lets the host make its own boot menu, as every installed Debian has it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.iommu import image
from tests.iommu.host import Host

OFF = "intel_iommu=off"
"""What the owner of the second host once read in a guide."""


def ready() -> Path:
    """Return the disk of a host that was set up and shut down; built if the cache has none (some six minutes)."""
    return image.image("ready", lambda target: _prepared(target, ""), "prepare.py")


def switched_off() -> Path:
    """Return the disk of a host whose IOMMU a kernel option switches off; built as ``ready``."""
    return image.image("off", lambda target: _prepared(target, OFF), "prepare.py")


def _prepared(target: Path, option: str) -> None:
    host = Host(target.parent, image.image("bare", image.bare))
    try:
        host.start()
        line = f'GRUB_CMDLINE_LINUX_DEFAULT="{f"quiet {option}".strip()}"'
        host.sh(f"sed -i 's/^GRUB_CMDLINE_LINUX_DEFAULT=.*/{line}/' /etc/default/grub && update-grub")
        host.sh("rm -f /root/.ssh/authorized_keys /etc/ssh/ssh_host_*; sync")
        host.stop()
    finally:
        host.close()
    subprocess.run(["qemu-img", "convert", "-q", "-O", "qcow2", str(host.disk), str(target)], check=True)

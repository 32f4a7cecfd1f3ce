"""The first boot: lets the host make its own boot menu, as every installed Debian has it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.iommu import image
from tests.iommu.host import Host


def ready() -> Path:
    """Return the disk of a host that was set up and shut down; built if the cache has none (some six minutes)."""
    return image.image("ready", _prepared, "prepare.py")


def _prepared(target: Path) -> None:
    host = Host(target.parent, image.image("bare", image.bare))
    try:
        host.start()
        host.sh("update-grub")
        host.sh("rm -f /root/.ssh/authorized_keys /etc/ssh/ssh_host_*; sync")
        host.stop()
    finally:
        host.close()
    subprocess.run(["qemu-img", "convert", "-q", "-O", "qcow2", str(host.disk), str(target)], check=True)

"""A node to log in to: OpenSSH's own server on loopback, in a mount namespace with a private /etc, /var/lib and /sys.

Real: sshd, sh, coreutils, systemd-analyze, systemctl's enabling of units, systemd-tmpfiles. Stand-ins, first in PATH:
``qm`` (speaks to the embedded node's API as root), the running half of ``systemctl``, ``update-initramfs``,
``findmnt``. Each of them writes down how it was called.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

SHIMS = Path(__file__).parent / "shims"
_MOUNTS = """
set -eu
mount -t tmpfs tmpfs "$1/private"
for place in etc var/lib usr/sbin; do
    own="$1/private/$place"
    mkdir -p "$own/up" "$own/work"
    mount -t overlay overlay -o "lowerdir=/$place,upperdir=$own/up,workdir=$own/work" "/$place"
done
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd
for place in module devices/system/cpu kernel/mm; do mount --bind "$1/sys/$place" "/sys/$place"; done
mount --bind "$1/proc/swappiness" /proc/sys/vm/swappiness
mkdir -p "$1/private/dev/disk/by-id"
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty "$1/private/dev/"
ln -s /proc/self/fd "$1/private/dev/fd"
for letter in y z; do
    mknod "$1/private/dev/sd$letter" b 8 176
    ln -s "../../sd$letter" "$1/private/dev/disk/by-id/ata-DISK_$letter"
done
mount --bind "$1/private/dev" /dev
mkdir -p /etc/pve/qemu-server /etc/pve/lxc
cp "$1/bin/qm" /usr/sbin/qm
cp "$1/ksmtuned.service" /etc/systemd/system/
exec /usr/sbin/sshd -D -f "$1/sshd_config" -E "$1/sshd.log"
"""
LIVE = {
    "module/zfs/parameters/zfs_arc_min": "0",
    "module/zfs/parameters/zfs_arc_max": "0",
    "kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "0",
    "kernel/mm/ksm/run": "0",
    "devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave",
    "devices/system/cpu/cpu1/cpufreq/scaling_governor": "powersave",
    "devices/system/cpu/cpu0/cpufreq/scaling_available_governors": "performance powersave",
}


def need_namespaces() -> None:
    """Skip where no private mounts can be made."""
    if not Path("/usr/sbin/sshd").exists():
        pytest.skip("no OpenSSH server here (Debian: openssh-server)")
    if os.geteuid() != 0:
        pytest.skip("a node with a private /etc needs root, for mount namespaces")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine allows no mount namespaces")


@dataclass
class SshNode:
    """A running node. ``root`` is its file system as seen from here."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    host_key: str
    key: Path

    @property
    def root(self) -> Path:
        return Path(f"/proc/{self.process.pid}/root")

    def path(self, name: str) -> Path:
        """Return where a file of the node is."""
        return self.root / name.lstrip("/")

    def text(self, name: str) -> str:
        return self.path(name).read_text()

    def put(self, name: str, text: str) -> None:
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text)

    def live(self, name: str) -> str:
        return (self.folder / "sys" / name).read_text().strip()

    def calls(self, program: str = "") -> list[str]:
        """Return how the stand-ins were called so far."""
        log = self.folder / "calls.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if line.startswith(program)]

    def logins(self) -> int:
        return (self.folder / "sshd.log").read_text().count("Accepted publickey")

    def snapshot(self) -> dict[str, str]:
        """Return every file that pvekit could touch, and every live setting."""
        found = {}
        for top in ("etc/modprobe.d", "etc/sysctl.d", "etc/tmpfiles.d", "etc/systemd"):
            for path in sorted(self.path(top).rglob("*")):
                if path.is_symlink():
                    found[f"{top}/{path.name}"] = f"-> {path.readlink()}"
                elif path.is_file():
                    found[str(path.relative_to(self.root))] = path.read_bytes().hex()
        for name in LIVE:
            found[name] = self.live(name)
        found["swappiness"] = (self.folder / "proc/swappiness").read_text().strip()
        found["active"] = ",".join(sorted(path.name for path in (self.folder / "active").iterdir()))
        return found

    def yaml(self, **more: str) -> str:
        """Return the ``ssh:`` section for this node."""
        fields = {"address": "127.0.0.1", "port": str(self.port), "host_key": f"'{self.host_key}'", **more}
        inner = ", ".join(f"{key}: {value}" for key, value in fields.items())
        return f"{{key: {self.key}, nodes: {{pve: {{{inner}}}}}}}"

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def start(folder: Path, api: dict[str, str]) -> SshNode:
    """Start a node; ``api`` tells ``qm`` how to reach the embedded node (url, password)."""
    for name in ("private", "proc", "active", "bin", "sys"):
        (folder / name).mkdir(parents=True)
    for live, value in LIVE.items():
        (folder / "sys" / live).parent.mkdir(parents=True, exist_ok=True)
        (folder / "sys" / live).write_text(value + "\n")
    (folder / "proc" / "swappiness").write_text("60\n")
    (folder / "rootfs").write_text("ext4\n")
    (folder / "ksmtuned.service").write_text(
        "[Service]\nExecStart=/bin/true\n\n[Install]\nWantedBy=multi-user.target\n"
    )
    (folder / "api.json").write_text(json.dumps(api))
    (folder / "api.json").chmod(0o600)
    for shim in SHIMS.iterdir():
        made = folder / "bin" / shim.name
        shutil.copy(shim, made)
        made.write_text(made.read_text().replace("@PYTHON@", sys.executable).replace("@HOME@", str(folder)))
        made.chmod(0o755)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/user.pub\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        f"LogLevel VERBOSE\nMaxStartups 64\nSubsystem sftp internal-sftp\n"
        f"SetEnv PATH={folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
    )
    process = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", _MOUNTS, "mounts", str(folder)]
    )
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert process.poll() is None, (folder / "sshd.log").read_text()
            assert time.monotonic() < deadline, "sshd did not come up"
            time.sleep(0.05)
    host_key = " ".join((folder / "host.pub").read_text().split()[:2])
    return SshNode(folder, port, process, host_key, folder / "user")

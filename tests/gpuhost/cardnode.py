"""A node with a card: a real SSH server, a tree of files for what it starts with, and recorded evidence.

The answer to ``collect`` is a recording, given by a stand-in for ``sh`` that knows the script. All else runs for real,
on the tree: the look, the journal, the playbook. ``shutdown`` is a stand-in, too: it makes what a restart changes, a
new boot id among it, which Ansible's own reboot module waits for.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.passthrough.hosttree import CMDLINE, build
from tests.rootstep.sshnode import SshNode

CHANGES = Path(__file__).parents[1] / "passthrough" / "changes"
CARD = "0000:03:00.0"
_SH = """#!/bin/sh
case " $* " in " -s "*) ;; *) exec /bin/sh "$@" ;; esac
script=$(mktemp)
cat >"$script"
if grep -q 'pvekit-collect 1' "$script"; then
    rm "$script"
    echo collect >>@HOME@/calls.log
    exec cat @HOME@/evidence
fi
exec /bin/sh "$@" <"$script"
"""
_LIST = """#!/bin/sh
[ "$1" = list ] || exit 1
cat @HOME@/@NAME@.list
"""
_SHUTDOWN = """#!/bin/sh
set -eu
echo "shutdown $*" >>@HOME@/calls.log
[ ! -e @HOME@/after ] || mv @HOME@/after @HOME@/evidence
printf '%s intel_iommu=on\\n' '@CMDLINE@' >@TREE@/proc/cmdline
printf 'btime %s\\n' "$(($(date +%s) + 1))" >@TREE@/proc/stat
cat /proc/sys/kernel/random/uuid >@HOME@/proc/boot_id
[ ! -e @HOME@/at-restart ] || sh @HOME@/at-restart >>@HOME@/at-restart.log 2>&1
"""


def recorded(name: str, **lines: str) -> dict[str, str]:
    """Return the evidence of a Z440; ``vfio`` says that the card in slot 5 is bound to vfio-pci."""
    files: dict[str, str] = yaml.safe_load((CHANGES / f"{name}.yml").read_text())
    return files | lines


def bound(files: Mapping[str, str]) -> dict[str, str]:
    """Return the evidence with the card bound to vfio-pci."""
    before, at, card = files["lspci.txt"].partition("03:00.0 3D")
    card = card.replace("Kernel driver in use: nouveau", "Kernel driver in use: vfio-pci")
    return {**files, "lspci.txt": before + at + card}


HEALTHY = bound(recorded("z440-on"))
BROKEN = recorded("z440-off")


def answer(files: Mapping[str, str]) -> str:
    """Return what the collecting script would print."""
    parts = [f"\nMARK file {name}\n{text}" for name, text in files.items()]
    return "pvekit-collect 1 MARK\n" + "".join(parts) + "\nMARK end\n"


class CardNode:
    """The node, as the tests set it up and look at it."""

    def __init__(self, ssh: SshNode, tree: Path) -> None:
        self.ssh = ssh
        self.tree = build(tree)
        self.home = ssh.folder
        self.boot_id = self.home / "proc" / "boot_id"
        self.boot_id.write_text("5d1f3a36-0c9e-4a8e-9d0a-6f1f0e6f7a11\n")
        self._bind(self.boot_id, "/proc/sys/kernel/random/boot_id")
        self.started(int(time.time()) - 1000)
        self._program(self.home / "bin" / "sh", _SH)
        self._program(self.home / "bin" / "qm", _LIST)
        self._program(self.home / "bin" / "pct", _LIST)
        self._program(ssh.path("/usr/sbin/shutdown"), _SHUTDOWN)
        self.guests()
        self.tells(BROKEN)

    def _bind(self, source: Path, target: str) -> None:
        pid = str(self.ssh.process.pid)
        subprocess.run(["nsenter", "-t", pid, "-m", "mount", "--bind", str(source), target], check=True)

    def _program(self, path: Path, text: str) -> None:
        # Where this machine has a link of that name, only the node's own is replaced.
        path.unlink(missing_ok=True)
        words = {"HOME": str(self.home), "TREE": str(self.tree), "CMDLINE": CMDLINE, "NAME": path.name}
        for word, value in words.items():
            text = text.replace(f"@{word}@", value)
        path.write_text(text)
        path.chmod(0o755)

    def tells(self, files: Mapping[str, str], *, after_restart: bool = False) -> None:
        """Set what collect gets, now or after the next restart."""
        (self.home / ("after" if after_restart else "evidence")).write_text(answer(files))

    def started(self, at: int) -> None:
        """Set when the node was started."""
        (self.tree / "proc" / "stat").write_text(f"cpu 1 2 3\nbtime {at}\n")

    def restarted_by_hand(self, files: Mapping[str, str] = HEALTHY) -> None:
        """Do what a person's restart does, with what is then to be seen."""
        self.tells(files)
        (self.tree / "proc" / "cmdline").write_text(f"{CMDLINE} intel_iommu=on\n")
        self.started(int(time.time()) + 1)

    def guests(self, machines: str = "", containers: str = "") -> None:
        """Set what ``qm list`` and ``pct list`` tell, below their headings."""
        heading = "      VMID NAME                 STATUS     MEM(MB)    BOOTDISK(GB) PID\n"
        (self.home / "qm.list").write_text(heading + machines)
        (self.home / "pct.list").write_text("VMID       Status     Lock         Name\n" + containers)

    def calls(self, program: str) -> list[str]:
        """Return how a stand-in was called so far."""
        return self.ssh.calls(program)

    @property
    def phase(self) -> str:
        """Return the last phase in the newest journal; empty without one."""
        logs = sorted((self.tree / "var/lib/pvekit/passthrough").glob("0*/log"))
        lines = logs[-1].read_text().splitlines() if logs else []
        phases = [yaml.safe_load(line)["phase"] for line in lines if "phase" in line]
        return phases[-1] if phases else ""

    @property
    def drop_in(self) -> Path:
        """Return where the kernel's option is written."""
        return self.tree / "etc/default/grub.d/pvekit-passthrough.cfg"

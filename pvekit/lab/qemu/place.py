"""Where a running VM's files and sockets are."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from pvekit.lab.doors import DoorError

_LONGEST_SOCKET = 100  # the kernel takes 107 bytes
_TEMPORARY = Path("/tmp")  # noqa: S108 - a private directory is made in it, and checked


@dataclass(frozen=True, slots=True)
class Place:
    """The directories of one VM: records and logs in ``home``, sockets in ``sockets`` (a shorter path if need be)."""

    home: Path
    sockets: Path

    @property
    def record(self) -> Path:
        """Return the file that names the process."""
        return self.home / "process.json"

    @property
    def pidfile(self) -> Path:
        """Return the file into which QEMU writes its process id."""
        return self.home / "qemu.pid"

    def socket(self, name: str) -> Path:
        """Return the path of one of the VM's unix sockets."""
        return self.sockets / name

    def make(self) -> None:
        """Create the directories, readable by nobody else, and take old sockets away."""
        self.home.mkdir(parents=True, exist_ok=True)
        for path in (self.home, self.sockets):
            _private(path)
        for old in self.sockets.iterdir():
            if old.is_socket():
                old.unlink()


def place_of(state: Path, vmid: int) -> Place:
    """Return the place of a VM under the node's state directory."""
    home = state.resolve() / str(vmid)
    if len(os.fsencode(home)) + len("/swtpm.sock") <= _LONGEST_SOCKET:
        return Place(home, home)
    token = hashlib.sha256(os.fsencode(state.resolve())).hexdigest()[:12]
    return Place(home, _TEMPORARY / f"pvekit-{os.getuid()}-{token}" / str(vmid))


def _private(path: Path) -> None:
    """Make the directory (and the one above) ours alone; refuse one that somebody else prepared."""
    for each in (path.parent, path) if path.parent.parent == _TEMPORARY else (path,):
        each.mkdir(mode=0o700, exist_ok=True)
        found = each.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise DoorError(f"{each} belongs to somebody else; remove it or set another state directory")
        if stat.S_IMODE(found.st_mode) & 0o077:
            each.chmod(0o700)

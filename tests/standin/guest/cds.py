"""CD drives as Windows sees them: UDF names, else Joliet names. Plain ISO 9660 and Rock Ridge names do not count."""

from __future__ import annotations

from pathlib import Path

from tests.standin.guest.system import busybox

_SECTOR = 2048
_JOLIET_ESCAPES = (b"%/@", b"%/C", b"%/E")
_SEEN: dict[str, Cd | None] = {}


class Cd:
    """A CD that is mounted. ``kind`` is ``udf`` or ``joliet``."""

    def __init__(self, device: str, letter: str, kind: str, root: Path) -> None:
        self.device = device
        self.letter = letter
        self.kind = kind
        self.root = root

    def find(self, path: str) -> Path | None:
        """Return a file or folder by its path with backslashes, in whatever case; None if it is not there."""
        return find(self.root, path)


def find(root: Path, path: str) -> Path | None:
    """Return what has this Windows path below ``root``, None if nothing has."""
    here = root
    for part in path.split("\\"):
        names = {entry.name.casefold(): entry for entry in here.iterdir()} if here.is_dir() else {}
        if part.casefold() not in names:
            return None
        here = names[part.casefold()]
    return here


def cds() -> list[Cd]:
    """Return the CDs in all drives that have appeared so far, by drive letter."""
    for entry in sorted(Path("/sys/block").glob("sr*")):
        if entry.name not in _SEEN and (entry / "size").read_text().strip() != "0":
            _SEEN[entry.name] = _mount(entry.name, chr(ord("D") + len(_SEEN)))
    return [cd for cd in _SEEN.values() if cd is not None]


def _mount(device: str, letter: str) -> Cd | None:
    root = Path("/cd") / letter
    root.mkdir(parents=True, exist_ok=True)
    try:
        with Path(f"/dev/{device}").open("rb") as disc:
            disc.seek(16 * _SECTOR)
            found = kinds(disc.read(64 * _SECTOR))
    except OSError:
        return None
    for kind in found:
        options = ("-t", "udf", "-o", "ro") if kind == "udf" else ("-t", "iso9660", "-o", "ro,norock,iocharset=utf8")
        if busybox("mount", *options, f"/dev/{device}", str(root)).returncode == 0:
            return Cd(device, letter, kind, root)
    return None


def kinds(descriptors: bytes) -> list[str]:
    """Return which long names a disc has, from its sectors 16 and following."""
    found: list[str] = []
    for at in range(0, len(descriptors), _SECTOR):
        sector = descriptors[at : at + _SECTOR]
        if sector[1:6] in (b"NSR02", b"NSR03"):
            found.insert(0, "udf")
        if sector[:6] == b"\x02CD001" and sector[88:91] in _JOLIET_ESCAPES:
            found.append("joliet")
    return found

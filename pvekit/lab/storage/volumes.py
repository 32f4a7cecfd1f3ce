"""Volume ids and where they lie in a directory storage."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from pvekit.lab.errors import broken

SUBFOLDER = {
    "images": "images",
    "rootdir": "private",
    "iso": "template/iso",
    "vztmpl": "template/cache",
    "import": "import",
    "snippets": "snippets",
    "backup": "dump",
}
UPLOAD_NAMES = {
    "iso": r"[^/]+\.(?i:iso|img)",
    "vztmpl": r"[^/]+\.tar\.(gz|xz|zst|bz2)",
    "import": r"[a-zA-Z0-9\-.+=_]+\.(ova|ovf|qcow2|raw|vmdk)",
}
_IMAGE = re.compile(r"(?:(\d+)/([^/\s]+)/)?(\d+)/(((vm|base|subvol)-(\d+)-)?[^/\s]+\.(raw|qcow2|vmdk|subvol))")


@dataclass(frozen=True, slots=True)
class Volume:
    """A parsed volume id.

    ``base`` is the volume name of the template's disk under a linked clone, ``vmid`` 0 for what belongs to no VM.
    """

    storage: str
    name: str
    content: str
    path: PurePosixPath
    """Relative to the storage's folder."""
    fmt: str
    vmid: int = 0
    base: str = ""

    @property
    def id(self) -> str:
        """Return the volume id."""
        return f"{self.storage}:{self.name}"

    @property
    def is_base(self) -> bool:
        """Return whether this is a template's disk."""
        return self.path.name.startswith("base-")


def parse_volume(volume_id: str) -> Volume:
    """Return the parts of a volume id; Refused for one that is none."""
    storage, sign, name = volume_id.partition(":")
    if not sign or not name or not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]", storage):
        raise broken(f"unable to parse volume ID '{volume_id}'")
    if ".." in name.split("/"):
        raise broken(f"unable to parse directory volume name '{name}'")
    match = _IMAGE.fullmatch(name)
    if match:
        base_vmid, base_file, vmid, file = match[1], match[2], match[3], match[4]
        base = f"{base_vmid}/{base_file}" if base_vmid else ""
        path = PurePosixPath(SUBFOLDER["images"]) / vmid / file
        return Volume(storage, name, "images", path, match[8], int(vmid), base)
    kind, _sign, file = name.partition("/")
    if kind in SUBFOLDER and kind not in {"images", "rootdir"} and file and "/" not in file:
        return Volume(storage, name, kind, PurePosixPath(SUBFOLDER[kind]) / file, format_of(kind, file))
    raise broken(f"unable to parse directory volume name '{name}'")


def format_of(content: str, file: str) -> str:
    """Return the format that listings show for a file."""
    if content == "iso":
        return "iso"
    if content == "snippets":
        return "snippet"
    if content == "vztmpl":
        return "t" + file.rsplit(".", 1)[-1]
    return file.rsplit(".", 1)[-1]


def size_text(size: int) -> str:
    """Return ``4G`` for 4294967296, and the plain number for what is no whole unit."""
    units = ["", "K", "M", "G", "T"]
    unit = 0
    while unit < 4 and size and size % 1024 == 0:
        size //= 1024
        unit += 1
    return f"{size}{units[unit]}"


def size_bytes(text: str) -> int:
    """Return the bytes of ``4G``."""
    factor = {"K": 1, "M": 2, "G": 3, "T": 4}.get(text[-1:].upper(), 0)
    number = text[:-1] if factor else text
    return int(float(number) * 1024**factor)


def human(size: int) -> str:
    """Return ``64.0 MiB``, as in the progress lines of a copy."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            return f"{value:.1f} {unit}"
        value /= 1024
    return ""

"""The node's storages: plain folders in the layout of a PVE ``dir`` storage."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pvekit.lab.doors import Disks
from pvekit.lab.errors import broken
from pvekit.lab.hardware import ClaimedStorage
from pvekit.lab.storage.volumes import SUBFOLDER, Volume, parse_volume
from pvekit.lab.store import Store

IMAGE_NAME = re.compile(r"[^.].*\.(raw|qcow2|vmdk)")
EVERYTHING = "backup,images,import,iso,rootdir,snippets,vztmpl"


class Storages:
    """Their configuration, and the way from a volume id to a file."""

    def __init__(
        self, store: Store, state: Path, disks: Disks, claimed: Mapping[str, ClaimedStorage] | None = None
    ) -> None:
        """Load them; a new node has ``local`` and ``data``, or those that it claims to have."""
        self.store = store
        self.disks = disks
        self.state = state
        self.claimed = dict(claimed or {})
        if not any(True for _ in store.items()):
            for name in self.claimed or ("local", "data"):
                content = self.claimed[name].content if self.claimed else EVERYTHING
                store.put(name, {"type": "dir", "path": str(state / "storage" / name), "content": content})
        self.reserved: set[Path] = set()
        """Files that a task is about to make."""

    def config(self, name: str) -> Mapping[str, Any]:
        """Return a storage's configuration; Refused if there is none."""
        document: Mapping[str, Any] | None = self.store.get(name)
        if document is None:
            raise broken(f"storage '{name}' does not exist")
        return document

    def names(self) -> list[str]:
        """Return all storages."""
        return sorted(name for name, _config in self.store.items())

    def content(self, name: str) -> list[str]:
        """Return the content types a storage takes."""
        return sorted(str(self.config(name).get("content", "images,rootdir")).split(","))

    def demand_content(self, name: str, content: str) -> None:
        """Raise the 500 unless the storage takes this content."""
        if content not in self.content(name):
            raise broken(f"storage '{name}' does not support content-type '{content}'")

    def folder(self, name: str, content: str) -> Path:
        """Return the folder of one content type, made if it is missing."""
        folder = Path(self.config(name)["path"]) / SUBFOLDER[content]
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def path(self, volume: Volume) -> Path:
        """Return the file of a volume."""
        return Path(self.config(volume.storage)["path"]) / volume.path

    def path_of(self, volume_id: str) -> Path:
        """Return the file of a volume id, or the absolute path it is itself."""
        return Path(volume_id) if volume_id.startswith("/") else self.path(parse_volume(volume_id))

    def usage(self, name: str) -> tuple[int, int, int]:
        """Return total, used and available bytes of the file system behind a storage, or what it claims."""
        if name in self.claimed:
            row = self.claimed[name]
            return row.size, row.used, row.size - row.used
        folder = Path(self.config(name)["path"])
        folder.mkdir(parents=True, exist_ok=True)
        total, used, free = shutil.disk_usage(folder)
        return total, used, free

    def size_of(self, volume_id: str) -> int:
        """Return a volume's virtual size in bytes."""
        path = self.path_of(volume_id)
        if path.suffix in {".iso", ".img"}:
            return path.stat().st_size
        return int(self.disks.info(path)["virtual-size"])

    def free_name(self, storage: str, vmid: int, fmt: str, *, kind: str = "vm") -> Volume:
        """Claim the next free ``vm-N-disk-M`` of a VM and return it; call it with the node's lock held."""
        folder = self.folder(storage, "images") / str(vmid)
        folder.mkdir(exist_ok=True)
        taken = {
            int(match[1])
            for path in [*folder.iterdir(), *(one for one in self.reserved if one.parent == folder)]
            if (match := re.fullmatch(rf"(?:vm|base)-{vmid}-disk-(\d+)\..*", path.name))
        }
        number = next(n for n in range(len(taken) + 1) if n not in taken)
        return self.reserve(storage, vmid, f"{kind}-{vmid}-disk-{number}.{fmt}")

    def reserve(self, storage: str, vmid: int, file: str) -> Volume:
        """Claim a volume name; call it with the node's lock held."""
        volume = parse_volume(f"{storage}:{vmid}/{file}")
        path = self.path(volume)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() or path in self.reserved:
            raise broken(f"disk image '{path}' already exists")
        self.reserved.add(path)
        return volume

    def free(self, volume: Volume) -> bool:
        """Delete a volume's file; return whether it was there."""
        path = self.path(volume)
        self.reserved.discard(path)
        # What a copy that was cut off leaves behind.
        path.with_name(f"{path.name}.part").unlink(missing_ok=True)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        if volume.content == "images":
            _remove_if_empty(path.parent)
        return True

    def images_of(self, vmid: int) -> list[Volume]:
        """Return every disk image that carries this VMID, on all storages."""
        found: list[Volume] = []
        for name in self.names():
            folder = Path(self.config(name)["path"]) / SUBFOLDER["images"] / str(vmid)
            if folder.is_dir():
                files = [path.name for path in sorted(folder.iterdir()) if IMAGE_NAME.fullmatch(path.name)]
                found += [parse_volume(f"{name}:{vmid}/{file}") for file in files]
        return found


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()

"""What lies in a storage: listing, allocating, deleting, and its status."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pvekit.lab import formats
from pvekit.lab.access.permissions import allowed, may
from pvekit.lab.call import Call
from pvekit.lab.doors import DoorError
from pvekit.lab.errors import Refused, TaskFailed, bad, broken, forbidden
from pvekit.lab.params import choice, flag, integer, text
from pvekit.lab.router import route
from pvekit.lab.storage.peek import Facts, peek
from pvekit.lab.storage.storages import IMAGE_NAME, Storages
from pvekit.lab.storage.volumes import SUBFOLDER, Volume, format_of, parse_volume, size_bytes
from pvekit.lab.tasks import Task

AUDIT = may("/storage/{storage}", "Datastore.Audit", "Datastore.AllocateSpace")
STORAGE = text(check=formats.storage_id, required=True)


def rows(storages: Storages, storage: str, content: str = "", vmid: int = 0) -> list[dict[str, Any]]:
    """Return one row per volume, of one content type and VM if asked."""
    found: list[dict[str, Any]] = []
    for kind in storages.content(storage):
        folder = Path(storages.config(storage)["path"]) / SUBFOLDER[kind]
        if content not in {"", kind} or kind == "rootdir" or not folder.is_dir():
            continue
        if kind == "images":
            found += _images(storages, storage, folder, vmid)
        else:
            files = (_file_row(storage, kind, path) for path in sorted(folder.iterdir()) if _listed(kind, path))
            found += [row for row in files if row is not None]
    return found


def _listed(kind: str, path: Path) -> bool:
    if not path.is_file() or path.name.startswith(".") or path.name.endswith(".tmp"):
        return False
    return kind != "iso" or path.suffix.lower() in {".iso", ".img"}


def _file_row(storage: str, kind: str, path: Path) -> dict[str, Any] | None:
    """Return a file's row, None when it was deleted while the list was made."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return {
        "volid": f"{storage}:{kind}/{path.name}",
        "content": kind,
        "format": format_of(kind, path.name),
        "size": facts.st_size,
        "ctime": int(facts.st_ctime),
    }


def _images(storages: Storages, storage: str, folder: Path, vmid: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for owner in sorted(folder.iterdir(), key=lambda path: path.name.zfill(9)):
        if not owner.name.isdigit() or (vmid and int(owner.name) != vmid):
            continue
        for path in _inside(owner):
            row = _image_row(storages, storage, owner.name, path)
            if row is not None:
                found.append(row)
    return found


def _inside(folder: Path) -> list[Path]:
    """Return what a folder holds; nothing when it went with its last volume while the list was made."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _image_row(storages: Storages, storage: str, owner: str, path: Path) -> dict[str, Any] | None:
    if path in storages.reserved or not IMAGE_NAME.fullmatch(path.name):
        return None
    try:
        facts = peek(path) or _asked(storages, path)
        stat = path.stat()
    except (DoorError, FileNotFoundError):
        return None
    base = re.search(r"(\d+/base-[^/]+)$", facts.backing)
    prefix = f"{base[1]}/" if base else ""
    return {
        "volid": f"{storage}:{prefix}{owner}/{path.name}",
        "content": "images",
        "format": path.suffix[1:],
        "size": facts.size,
        "used": stat.st_blocks * 512,
        "parent": f"../{base[1]}" if base else None,
        "vmid": int(owner),
        "ctime": int(stat.st_ctime),
    }


def _asked(storages: Storages, path: Path) -> Facts:
    """Return what the door says about an image that is neither raw nor qcow2."""
    facts = storages.disks.info(path)
    return Facts(int(facts["virtual-size"]), str(facts.get("backing-filename") or ""))


@route(
    "GET", "/nodes/{node}/storage/{storage}/content", check=AUDIT,
    params={"storage": STORAGE, "content": text(), "vmid": integer(check=formats.vmid)},
)  # fmt: skip
def listing(call: Call) -> list[dict[str, Any]]:
    """Return the volumes of a storage."""
    vmid = call.number("vmid")
    found = rows(call.lab.storages, call.get("storage"), call.get("content"), vmid)
    return [row for row in found if "vmid" not in row or _sees(call, row["vmid"])]


def _sees(call: Call, vmid: int) -> bool:
    return allowed(call.lab, call.caller, f"/vms/{vmid}", "VM.Audit", "VM.Config.Disk", "VM.Backup") or allowed(
        call.lab, call.caller, f"/storage/{call.get('storage')}", "Datastore.Allocate"
    )


@route(
    "POST", "/nodes/{node}/storage/{storage}/content",
    check=may("/storage/{storage}", "Datastore.AllocateSpace"),
    params={"storage": STORAGE, "filename": text(required=True), "vmid": integer(check=formats.vmid, required=True),
            "size": text(pattern=r"\d+[MG]?", required=True), "format": choice("raw", "qcow2", "subvol", "vmdk")},
)  # fmt: skip
def allocate(call: Call) -> str:
    """Make an empty disk image."""
    lab, size, name = call.lab, call.get("size"), call.get("filename")
    count = size_bytes(size) if size[-1] in "MG" else int(size) << 10
    suffix = name.rsplit(".", 1)[-1]
    fmt = suffix if suffix in {"raw", "qcow2", "vmdk"} else call.get("format", "raw")
    if call.get("format", fmt) != fmt:
        raise bad(format=f"illegal name '{name}' - wrong extension for format ('{suffix}' != '{call.get('format')}')")
    file = name if suffix == fmt else f"{name}.{fmt}"
    with lab.exclusive():
        volume = lab.storages.reserve(call.get("storage"), call.vmid, file)
    path = lab.storages.path(volume)
    try:
        lab.disks.create(path, count, fmt)
    finally:
        lab.storages.reserved.discard(path)
    return volume.id


def _named(call: Call) -> Volume:
    """Return the volume that a path names, with or without the storage in front."""
    name = call.get("volume")
    return parse_volume(name if ":" in name else f"{call.get('storage')}:{name}")


@route("GET", "/nodes/{node}/storage/{storage}/content/{volume*}")
def info(call: Call) -> dict[str, Any]:
    """Return a volume's size, format and path."""
    volume = _named(call)
    _demand_volume(call, volume)
    path = call.lab.storages.path(volume)
    if not path.exists():
        raise broken(f"volume_size_info on '{volume.id}' failed - no format")
    used = path.stat().st_blocks * 512
    if volume.content == "images":
        facts = call.lab.disks.info(path)
        size, fmt = int(facts["virtual-size"]), str(facts["format"])
    else:
        size, fmt = path.stat().st_size, "raw"
    return {"path": str(path), "size": size, "used": used, "format": fmt}


def _demand_volume(call: Call, volume: Volume) -> None:
    names = ("Datastore.Audit", "Datastore.AllocateSpace")
    if not allowed(call.lab, call.caller, f"/storage/{volume.storage}", *names):
        raise forbidden(f"/storage/{volume.storage}, {'|'.join(names)}")


@route(
    "PUT", "/nodes/{node}/storage/{storage}/content/{volume*}", params={"notes": text(), "protected": flag()}
)  # fmt: skip
def annotate(call: Call) -> None:
    """Refuse: only backups have notes, and there are none here."""
    _demand_volume(call, _named(call))
    raise broken("only backups can have notes" if "notes" in call.params else "only backups can be protected")


@route("DELETE", "/nodes/{node}/storage/{storage}/content/{volume*}", params={"delay": integer(1, 30)})
def delete(call: Call) -> str:
    """Delete a volume in a task."""
    lab, volume = call.lab, _named(call)
    lab.storages.config(volume.storage)
    _demand_delete(call, volume)

    def work(task: Task) -> None:
        for vm in lab.vms.all():
            if volume.is_base and any(f":{volume.name}/" in value for value in vm.config.values()):
                raise TaskFailed(f"base volume '{volume.id}' is still in use by linked cloned")
        if not lab.storages.free(volume):
            if volume.content != "images":
                raise TaskFailed(f"unlink '{lab.storages.path(volume)}' failed: No such file or directory")
            task.log(f"disk image '{lab.storages.path(volume)}' does not exist")
        task.log(f"Removed volume '{volume.id}'")

    subject = f"{volume.vmid}@{volume.storage}" if volume.vmid else f"@{volume.storage}"
    return lab.tasks.start(lab, "imgdel", subject, call.caller.auth_id, work, node=call.node)


def _demand_delete(call: Call, volume: Volume) -> None:
    path = f"/storage/{volume.storage}"
    if allowed(call.lab, call.caller, path, "Datastore.Allocate"):
        return
    own = volume.vmid and allowed(call.lab, call.caller, f"/vms/{volume.vmid}", "VM.Config.Disk")
    if not (own and allowed(call.lab, call.caller, path, "Datastore.AllocateSpace")):
        raise forbidden(f"{path}, Datastore.Allocate")


@route("GET", "/nodes/{node}/storage/{storage}/status", check=AUDIT)
def status(call: Call) -> dict[str, Any]:
    """Return a storage's size and use."""
    name = call.get("storage")
    try:
        row = status_row(call.lab.storages, name)
    except Refused as unknown:
        raise bad(storage="No such storage.") from unknown
    return {key: value for key, value in row.items() if key not in {"storage", "used_fraction"}}


def status_row(storages: Storages, name: str) -> dict[str, Any]:
    """Return the storage as the node's list shows it."""
    config = storages.config(name)
    total, used, free = storages.usage(name)
    enabled = int(not config.get("disable"))
    return {
        "storage": name,
        "type": config["type"],
        "content": ",".join(storages.content(name)),
        "enabled": enabled,
        "active": enabled,
        "shared": int(config.get("shared", 0)),
        "total": total,
        "used": used,
        "avail": free,
        "used_fraction": used / total if total else 0,
    }


@route(
    "GET", "/nodes/{node}/storage",
    params={"content": text(), "enabled": flag(), "format": flag(), "storage": text(), "target": text()},
)  # fmt: skip
def storages(call: Call) -> list[dict[str, Any]]:
    """Return the node's storages that the caller may see."""
    names = [
        name for name in call.lab.storages.names()
        if allowed(call.lab, call.caller, f"/storage/{name}", "Datastore.Audit", "Datastore.AllocateSpace")
        and _on_node(call, name)
    ]  # fmt: skip
    wanted = set(formats.words(call.get("content")))
    names = [name for name in names if not wanted or wanted & set(call.lab.storages.content(name))]
    if call.get("storage"):
        names = [name for name in names if name == call.get("storage")]
    return [status_row(call.lab.storages, name) for name in names]


def _on_node(call: Call, name: str) -> bool:
    nodes = formats.words(str(call.lab.storages.config(name).get("nodes", "")))
    return not nodes or call.node in nodes


@route("GET", "/nodes/{node}/storage/{storage}", check=AUDIT)
def index(call: Call) -> list[dict[str, str]]:
    """Return what can be asked of a storage."""
    call.lab.storages.config(call.get("storage"))
    names = ("content", "download-url", "file-restore", "import-metadata", "oci-registry-pull", "prunebackups", "rrd",
             "rrddata", "status", "upload")  # fmt: skip
    return [{"subdir": name} for name in names]

"""The storages' configuration over the API: only ``dir`` storages can be added."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pvekit.lab import formats
from pvekit.lab.access.permissions import allowed, may
from pvekit.lab.call import Call
from pvekit.lab.errors import FormatInvalid, broken
from pvekit.lab.params import Param, choice, flag, integer, text
from pvekit.lab.router import route
from pvekit.lab.storage.content import STORAGE
from pvekit.lab.storage.volumes import SUBFOLDER, parse_volume

TYPES = (
    "btrfs", "cephfs", "cifs", "dir", "esxi", "iscsi", "iscsidirect", "lvm", "lvmthin", "nfs", "pbs", "rbd", "zfs",
    "zfspool",
)  # fmt: skip
ALLOCATE = may("/storage", "Datastore.Allocate")


def _content(value: str) -> None:
    for word in formats.words(value):
        if word not in {*SUBFOLDER, "none"}:
            raise FormatInvalid(f"invalid content type '{word}'")


_FIELDS: Mapping[str, Param] = {
    "content": text(check=_content),
    "content-dirs": text(),
    "create-base-path": flag(),
    "create-subdirs": flag(),
    "disable": flag(),
    "format": choice("raw", "qcow2", "subvol", "vmdk"),
    "is_mountpoint": text(),
    "max-protected-backups": integer(-1),
    "mkdir": flag(),
    "nodes": text(),
    "preallocation": choice("off", "metadata", "falloc", "full"),
    "prune-backups": text(),
    "shared": flag(),
    "bwlimit": text(),
}


_OTHERS: Mapping[str, Param] = dict.fromkeys(
    [
        "authsupported",
        "base",
        "blocksize",
        "comstar_hg",
        "comstar_tg",
        "data-pool",
        "datastore",
        "domain",
        "encryption-key",
        "export",
        "fingerprint",
        "fs-name",
        "fuse",
        "iscsiprovider",
        "keyring",
        "krbd",
        "lio_tpg",
        "master-pubkey",
        "monhost",
        "mountpoint",
        "namespace",
        "nocow",
        "nowritecache",
        "options",
        "password",
        "pool",
        "port",
        "portal",
        "saferemove",
        "saferemove-stepsize",
        "saferemove_throughput",
        "server",
        "share",
        "skip-cert-verification",
        "smbversion",
        "snapshot-as-volume-chain",
        "sparse",
        "subdir",
        "tagged_only",
        "target",
        "thinpool",
        "username",
        "vgname",
        "zfs-base-path",
    ],
    text(),
)
"""Parameters of the other kinds of storage, known so that the answer is about the kind and not about them."""


def _digest(call: Call) -> str:
    everything = json.dumps(dict(call.lab.storages.store.items()), sort_keys=True)
    return hashlib.sha1(everything.encode(), usedforsecurity=False).hexdigest()


def _row(call: Call, name: str) -> dict[str, Any]:
    config = dict(call.lab.storages.config(name))
    return {**config, "content": ",".join(call.lab.storages.content(name)), "storage": name, "digest": _digest(call)}


@route("GET", "/storage", params={"type": choice(*TYPES)})
def listing(call: Call) -> list[dict[str, Any]]:
    """Return the storages that the caller may see."""
    rows = [
        _row(call, name)
        for name in call.lab.storages.names()
        if allowed(call.lab, call.caller, f"/storage/{name}", "Datastore.Audit", "Datastore.AllocateSpace")
    ]
    return [row for row in rows if call.get("type", str(row["type"])) == row["type"]]


@route("GET", "/storage/{storage}", check=may("/storage/{storage}", "Datastore.Allocate"), params={"storage": STORAGE})
def read(call: Call) -> dict[str, Any]:
    """Return one storage."""
    return _row(call, call.get("storage"))


def _fields(call: Call) -> dict[str, Any]:
    return {
        key: int(value) if _FIELDS[key].kind in {"integer", "boolean"} else value
        for key, value in call.params.items()
        if key in _FIELDS
    }


@route(
    "POST",
    "/storage",
    check=ALLOCATE,
    params={
        **_OTHERS, **_FIELDS, "storage": STORAGE, "type": choice(*TYPES).needed(),
        "path": text(check=formats.absolute_path),
    },
)  # fmt: skip
def create(call: Call) -> dict[str, Any]:
    """Add a folder as storage; it is made below the state folder when the path is none of this machine."""
    name, kind = call.get("storage"), call.get("type")
    if kind != "dir":
        raise broken(f"create storage failed: the embedded node has 'dir' storages only, no '{kind}'")
    if "path" not in call.params:
        raise broken("missing value for required option 'path'")
    with call.lab.exclusive():
        if call.lab.storages.store.get(name) is not None:
            raise broken(f"create storage failed: storage ID '{name}' already defined")
        path = _usable(call, Path(call.get("path")))
        call.lab.storages.store.put(name, {"type": kind, "path": str(path), **_fields(call)})
    return {"storage": name, "type": kind}


def _usable(call: Call, path: Path) -> Path:
    """Return the path itself if it can be a storage, else its twin below the state folder."""
    state = call.lab.settings.state
    if path.is_dir() or path.is_relative_to(state):
        return path
    return state / "storage" / "paths" / path.relative_to("/")


@route(
    "PUT", "/storage/{storage}", check=ALLOCATE,
    params={**_OTHERS, **_FIELDS, "storage": STORAGE, "delete": text(), "digest": text(longest=40)},
)  # fmt: skip
def write(call: Call) -> dict[str, Any]:
    """Change a storage."""
    name = call.get("storage")
    config = call.lab.storages.store.get(name)
    if config is None:
        raise broken(f"update storage failed: storage '{name}' does not exist")
    if call.get("digest") and call.get("digest") != _digest(call):
        raise broken("update storage failed: detected modified configuration - file changed by other user? Try again.")
    removed = set(formats.words(call.get("delete")))
    changed = {key: value for key, value in {**config, **_fields(call)}.items() if key not in removed}
    call.lab.storages.store.put(name, changed)
    return {"storage": name, "type": config["type"]}


@route("DELETE", "/storage/{storage}", check=ALLOCATE, params={"storage": STORAGE})
def delete(call: Call) -> None:
    """Forget a storage; its files stay."""
    name = call.get("storage")
    if call.lab.storages.store.get(name) is None:
        raise broken(f"delete storage failed: storage '{name}' does not exist")
    call.lab.storages.store.remove(name)


@route(
    "GET", "/nodes/{node}/storage/{storage}/import-metadata",
    check=may("/storage/{storage}", "Datastore.Audit", "Datastore.AllocateSpace"),
    params={"storage": STORAGE, "volume": text(required=True)},
)  # fmt: skip
def import_metadata(call: Call) -> None:
    """Refuse: only OVA and ESXi sources have metadata, and there are none here."""
    name = call.get("volume")
    if ":" in name:
        raise broken(f"unable to parse directory volume name '{name}'")
    volume = parse_volume(f"{call.get('storage')}:{name}")
    raise broken(f"unable to get metadata: '{volume.id}' is no OVA")

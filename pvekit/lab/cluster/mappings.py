"""Mappings of PCI devices, USB devices and folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pvekit.lab import formats
from pvekit.lab.access.permissions import allowed, may
from pvekit.lab.call import Call
from pvekit.lab.cluster.documents import changing, demand_digest, digest, given, table
from pvekit.lab.cluster.mapping_check import problems
from pvekit.lab.errors import broken, forbidden
from pvekit.lab.params import Param, array, flag, text
from pvekit.lab.propstring import Spec, checker, split
from pvekit.lab.router import route

_NODE = text(required=True)
_PATH = r"([a-f0-9]{4,}:)?[a-f0-9]{2}:[a-f0-9]{2}(\.[a-f0-9])?"
_HEX_PAIR = r"[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}"
SPECS: Mapping[str, Spec] = {
    "pci": Spec(
        {
            "node": _NODE,
            "path": text(pattern=rf"{_PATH}(;{_PATH})*", required=True),
            "id": text(pattern=_HEX_PAIR, required=True),
            "subsystem-id": text(pattern=_HEX_PAIR),
            "iommugroup": Param("integer"),
            "description": text(),
        }
    ),
    "usb": Spec(
        {
            "node": _NODE,
            "id": text(pattern=_HEX_PAIR, required=True),
            "path": text(pattern=r"\d+-\d+(\.\d+)*"),
            "description": text(),
        }
    ),
    "dir": Spec({"node": _NODE, "path": text(check=formats.absolute_path, required=True)}),
}
_ID = text(check=formats.config_id, required=True)


def _fields(kind: str) -> dict[str, Param]:
    fields: dict[str, Param] = {"map": array(deep=checker(SPECS[kind])), "description": text(longest=4096)}
    return {**fields, "mdev": flag(), "live-migration-capable": flag()} if kind == "pci" else fields


def _row(name: str, kind: str, entry: Mapping[str, Any], stamp: str) -> dict[str, Any]:
    return {"id": name, "type": kind, "digest": stamp, **entry}


def _checks(call: Call, kind: str, name: str, entry: Mapping[str, Any]) -> list[dict[str, str]]:
    node = call.get("check-node")
    if kind == "pci":
        found = problems(call.lab, node, name, entry)
    elif kind == "usb":
        ids = [split(SPECS["usb"], line).get("id", "") for line in entry["map"]]
        found = [f"Invalid configuration: usb device '{one}' not found\n" for one in ids]
    else:
        paths = [split(SPECS["dir"], line)["path"] for line in entry["map"]]
        found = [f"Invalid configuration: Path {path} does not exist\n" for path in paths if not Path(path).is_dir()]
    return [{"severity": "error", "message": line} for line in found]


def _register(kind: str) -> None:
    base, document, fields = f"/cluster/mapping/{kind}", f"mapping-{kind}", _fields(kind)
    modify = may(f"/mapping/{kind}", "Mapping.Modify")
    needed = {"map": fields["map"].needed()} if kind == "usb" else {}
    change_params = {**fields, **needed, "id": _ID, "delete": text(), "digest": text(longest=64)}

    @route("GET", base, params={"check-node": text()})
    def listing(call: Call) -> list[dict[str, Any]]:
        return _listing(call, kind, document)

    @route("GET", base + "/{id}", params={"id": _ID})
    def read(call: Call) -> dict[str, Any]:
        return _read(call, kind, document)

    @route("POST", base, check=modify, params={**fields, "id": _ID, "map": fields["map"].needed()})
    def create(call: Call) -> None:
        _create(call, kind, document, fields)

    @route("PUT", base + "/{id}", check=may(f"/mapping/{kind}/{{id}}", "Mapping.Modify"), params=change_params)
    def write(call: Call) -> None:
        _write(call, kind, document, fields)

    @route("DELETE", base + "/{id}", check=modify, params={"id": _ID})
    def delete(call: Call) -> None:
        with changing(call.lab, document) as entries:
            entries.pop(call.get("id"), None)


def _sees(call: Call, kind: str, name: str) -> bool:
    names = ("Mapping.Use", "Mapping.Modify", "Mapping.Audit")
    return allowed(call.lab, call.caller, f"/mapping/{kind}/{name}", *names)


def _listing(call: Call, kind: str, document: str) -> list[dict[str, Any]]:
    entries = table(call.lab, document)
    stamp = digest(entries)
    rows: list[dict[str, Any]] = []
    for name, entry in entries.items():
        if _sees(call, kind, name):
            row = _row(name, kind, entry, stamp)
            if call.get("check-node"):
                row["errors" if kind == "usb" else "checks"] = _checks(call, kind, name, entry)
            rows.append(row)
    return rows


def _read(call: Call, kind: str, document: str) -> dict[str, Any]:
    entries, name = table(call.lab, document), call.get("id")
    if not _sees(call, kind, name):
        raise forbidden()
    if name not in entries:
        raise broken(f"mapping '{name}' not found")
    return {key: value for key, value in _row(name, kind, entries[name], digest(entries)).items() if key != "id"}


def _create(call: Call, kind: str, document: str, fields: Mapping[str, Param]) -> None:
    name = call.get("id")
    _demand_folders(kind, call.lists.get("map", []))
    with changing(call.lab, document) as entries:
        if name in entries:
            raise broken(f"create {_what(kind)} mapping failed: {kind} ID '{name}' already defined")
        entries[name] = given(call, fields)


def _what(kind: str) -> str:
    return "dir" if kind == "dir" else "hardware"


def _demand_folders(kind: str, lines: list[str]) -> None:
    for line in lines if kind == "dir" else []:
        path = split(SPECS["dir"], line)["path"]
        if not Path(path).is_dir():
            raise broken(f"Path {path} does not exist")


def _write(call: Call, kind: str, document: str, fields: Mapping[str, Param]) -> None:
    name = call.get("id")
    prefix = f"update {_what(kind)} mapping failed: "
    with changing(call.lab, document) as entries:
        demand_digest(call, entries, prefix)
        if name not in entries:
            raise broken(f"{prefix}{kind} ID '{name}' does not exist")
        if "map" not in call.lists:
            raise broken(f"{prefix}missing value for required option 'map'")
        kept = {key: value for key, value in entries[name].items() if key not in formats.words(call.get("delete"))}
        entries[name] = {**kept, **given(call, fields)}


for _kind in SPECS:
    _register(_kind)


@route("GET", "/cluster/mapping")
def index(_call: Call) -> list[dict[str, str]]:
    """Return the kinds of mappings."""
    return [{"name": kind} for kind in sorted(SPECS)]

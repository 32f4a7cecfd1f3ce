"""The cloud-init drive over the API: what it holds, what it would hold, making it anew."""

from __future__ import annotations

from typing import Any

from pvekit.lab.access.permissions import may
from pvekit.lab.call import Call
from pvekit.lab.params import choice
from pvekit.lab.router import route
from pvekit.lab.vm.cloudinit import documents
from pvekit.lab.vm.config import MASK
from pvekit.lab.vm.power import cloudinit_keys, regenerate

_BASE = "/nodes/{node}/qemu/{vmid}/cloudinit"
_FILES = {"user": "user-data", "network": "network-config", "meta": "meta-data"}


@route("GET", _BASE, check=may("/vms/{vmid}", "VM.Audit"))
def read(call: Call) -> list[dict[str, Any]]:
    """Return the keys as the drive holds them, and what differs from the configuration."""
    vm = call.lab.vms.get(call.vmid, call.node)
    now, wanted = dict(vm.cloudinit), cloudinit_keys(vm.effective)
    rows: list[dict[str, Any]] = []
    for key in sorted({*now, *wanted}):
        row: dict[str, Any] = {"key": key}
        if key in now:
            row["value"] = MASK if key == "cipassword" else now[key]
        if key not in wanted:
            row["delete"] = 1
        elif now.get(key) != wanted[key]:
            row["pending"] = MASK if key == "cipassword" else wanted[key]
        rows.append(row)
    return rows


@route("PUT", _BASE, check=may("/vms/{vmid}", "VM.Config.Cloudinit"))
def write(call: Call) -> None:
    """Make the drive anew from the configuration."""
    call.lab.vms.get(call.vmid, call.node).demand_unlocked()
    regenerate(call.lab, call.vmid)


@route(
    "GET",
    _BASE + "/dump",
    check=may("/vms/{vmid}", "VM.Audit"),
    params={"type": choice("user", "network", "meta").needed()},
)
def dump(call: Call) -> str:
    """Return one of the drive's files."""
    vm = call.lab.vms.get(call.vmid, call.node)
    return documents(call.lab, vm.vmid, vm.effective)[_FILES[call.get("type")]]

"""What a VM is doing right now, in listings and by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pvekit.lab.access.permissions import allowed, may
from pvekit.lab.call import Call
from pvekit.lab.params import flag
from pvekit.lab.propstring import split
from pvekit.lab.router import route
from pvekit.lab.settings import QEMU_VERSION
from pvekit.lab.vm.devicespec import AGENT
from pvekit.lab.vm.drives import largest_disk
from pvekit.lab.vm.vms import Vm

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab

AUDIT = may("/vms/{vmid}", "VM.Audit")


def live(lab: Lab, vmids: set[int]) -> dict[int, Mapping[str, Any]]:
    """Return the doors' status of every VM of the set that runs."""
    found: dict[int, Mapping[str, Any]] = {}
    for vmid in vmids & set(lab.machines.running()):
        status = lab.machines.status(vmid)
        if status is not None:
            found[vmid] = status
    return found


def agent_enabled(config: Mapping[str, str]) -> bool:
    """Return whether the guest agent is configured."""
    return split(AGENT, config.get("agent", "0")).get("enabled", "0") in {"1", "on", "yes", "true"}


_sizes: WeakKeyDictionary[Vm, int] = WeakKeyDictionary()


def _boot_disk_size(vm: Vm) -> int:
    """Return the boot disk's size, worked out once for each state of the VM: lists ask for it all the time."""
    size = _sizes.get(vm)
    if size is None:
        size = _sizes[vm] = largest_disk(vm.config)
    return size


def _base(vm: Vm, now: Mapping[str, Any] | None) -> dict[str, Any]:
    config = vm.config
    row: dict[str, Any] = {
        "vmid": vm.vmid,
        "name": vm.name,
        "status": "stopped" if now is None else "running",
        "cpu": 0,
        "cpus": int(config.get("cores", 1)) * int(config.get("sockets", 1)),
        "mem": 0,
        "memhost": 0,
        "maxmem": int(config.get("memory", "512").removeprefix("current=")) << 20,
        "disk": 0,
        "maxdisk": _boot_disk_size(vm),
        "netin": 0,
        "netout": 0,
        "uptime": 0,
    }
    if "tags" in config:
        row["tags"] = config["tags"]
    if vm.lock:
        row["lock"] = vm.lock
    if vm.template:
        row["template"] = 1
    if any(key in config for key in ("serial0", "serial1", "serial2", "serial3")):
        row["serial"] = 1
    if now is not None:
        row.update({"diskread": 0, "diskwrite": 0})
        row.update({key: value for key, value in now.items() if key in _LIVE_FIELDS})
        row["memhost"] = row["mem"]
        row.update(dict.fromkeys(_PRESSURE, 0))
    return row


_LIVE_FIELDS = {"pid", "uptime", "cpu", "mem", "netin", "netout", "diskread", "diskwrite"}
_PRESSURE = (
    "pressurecpusome", "pressurecpufull", "pressureiosome", "pressureiofull", "pressurememorysome",
    "pressurememoryfull",
)  # fmt: skip


def _full(vm: Vm, now: Mapping[str, Any] | None) -> dict[str, Any]:
    row = _base(vm, now)
    row["qmpstatus"] = "stopped" if now is None else str(now.get("qmpstatus", "running"))
    if now is not None:
        machine = "q35" if "q35" in vm.config.get("machine", "") else "i440fx"
        if "blockstat" in now:
            row["blockstat"] = now["blockstat"]
        row["running-qemu"] = QEMU_VERSION
        row["running-machine"] = f"pc-{machine}-{'.'.join(QEMU_VERSION.split('.')[:2])}+pve0"
        row["nics"] = {
            f"tap{vm.vmid}i{key[3:]}": {"netin": row["netin"], "netout": row["netout"]}
            for key in vm.config
            if key.startswith("net") and key[3:].isdigit()
        }
    return row


@route("GET", "/nodes/{node}/qemu/{vmid}/status/current", check=AUDIT)
def current(call: Call) -> dict[str, Any]:
    """Return the state of one VM."""
    vm = call.lab.vms.get(call.vmid, call.node)
    row = _full(vm, call.lab.machines.status(vm.vmid))
    if agent_enabled(vm.config):
        row["agent"] = 1
    row["ha"] = _ha(call, vm.vmid)
    return row


def _ha(call: Call, vmid: int) -> dict[str, Any]:
    entry = (call.lab.cluster.get("ha-resources") or {}).get(f"vm:{vmid}")
    return {"managed": 1, "state": entry.get("state")} if entry else {"managed": 0}


@route("GET", "/nodes/{node}/qemu", params={"full": flag()})
def listing(call: Call) -> list[dict[str, Any]]:
    """Return the VMs of the node that the caller may see."""
    visible = [
        vm for vm in call.lab.vms.all()
        if vm.node == call.node and allowed(call.lab, call.caller, f"/vms/{vm.vmid}", "VM.Audit")
    ]  # fmt: skip
    now = live(call.lab, {vm.vmid for vm in visible})
    shape = _full if call.flag("full") else _base
    return [shape(vm, now.get(vm.vmid)) for vm in visible]


def resource_row(lab: Lab, vm: Vm, now: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the VM as ``/cluster/resources`` shows it."""
    row = _base(vm, now)
    row = {key: value for key, value in row.items() if not key.startswith("pressure") and key not in {"pid", "serial"}}
    row["maxcpu"] = row.pop("cpus")
    row.update({"id": f"qemu/{vm.vmid}", "type": "qemu", "node": vm.node, "template": int(vm.template)})
    row.setdefault("diskread", 0)
    row.setdefault("diskwrite", 0)
    pool = lab.pool_of_vm(str(vm.vmid))
    if pool:
        row["pool"] = pool
    entry = (lab.cluster.get("ha-resources") or {}).get(f"vm:{vm.vmid}")
    if entry:
        row["hastate"] = entry.get("state", "started")
    return row

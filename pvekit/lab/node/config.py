"""The node's own notes, its hosts file, certificate, disks, CPU models and machine types."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pvekit.lab.access.permissions import allowed, may
from pvekit.lab.call import Call
from pvekit.lab.cluster.documents import changing, digest, table
from pvekit.lab.errors import TaskFailed, bad
from pvekit.lab.node.status import AUDIT
from pvekit.lab.params import choice, flag, integer, text
from pvekit.lab.router import route
from pvekit.lab.settings import QEMU_VERSION
from pvekit.lab.tasks import Task
from pvekit.lab.vm.devicespec import CPU_MODELS
from pvekit.lab.vm.monitor import FRAMES, empty_series

BLOCK = Path("/sys/block")


@route("GET", "/nodes/{node}/config", check=AUDIT, params={"property": text()})
def read(call: Call) -> dict[str, Any]:
    """Return the node's notes."""
    found = table(call.lab, f"node-{call.node}")
    return {**found, "digest": digest(found)} if found else {}


@route(
    "PUT", "/nodes/{node}/config", check=may("/nodes/{node}", "Sys.Modify"),
    params={"description": text(longest=65536), "delete": text(), "digest": text(), "wakeonlan": text(),
            "startall-onboot-delay": integer(0, 300), "ballooning-target": integer(0, 100)},
)  # fmt: skip
def write(call: Call) -> None:
    """Change the node's notes."""
    with changing(call.lab, f"node-{call.node}") as found:
        if "description" in call.params:
            found["description"] = call.get("description").rstrip("\n") + "\n"
        found.update({key: call.get(key) for key in ("wakeonlan",) if key in call.params})


@route("GET", "/nodes/{node}/hosts", check=AUDIT)
def hosts(call: Call) -> dict[str, str]:
    """Return the hosts file that a node of this name would have."""
    data = f"127.0.0.1 localhost\n127.0.0.1 {call.node}.lab.invalid {call.node}\n"
    return {"data": data, "digest": hashlib.sha1(data.encode(), usedforsecurity=False).hexdigest()}


@route("GET", "/nodes/{node}/certificates/info")
def certificates(call: Call) -> list[dict[str, Any]]:
    """Return the certificate that this server shows."""
    pem = (call.lab.settings.state / "pve-ssl.pem").read_text(encoding="ascii")
    return [{"filename": "pve-ssl.pem", "fingerprint": call.lab.fingerprint, "pem": pem, "san": ["localhost"]}]


@route(
    "GET", "/nodes/{node}/disks/list", params={"include-partitions": flag(), "skipsmart": flag(), "type": text()}
)  # fmt: skip
def disks(call: Call) -> list[dict[str, Any]]:
    """Return the machine's disks."""
    if not allowed(call.lab, call.caller, "/", "Sys.Audit", "Datastore.Allocate"):
        AUDIT(call)
    return [_disk(path) for path in sorted(BLOCK.iterdir()) if _is_disk(path)] if BLOCK.is_dir() else []


def _is_disk(path: Path) -> bool:
    return path.name.startswith(("sd", "vd", "nvme", "hd", "xvd")) and (path / "size").exists()


def _disk(path: Path) -> dict[str, Any]:
    def fact(name: str, default: str) -> str:
        file = path / name
        return file.read_text(encoding="utf-8", errors="replace").strip() if file.exists() else default

    rotating = fact("queue/rotational", "0") == "1"
    row: dict[str, Any] = {
        "devpath": f"/dev/{path.name}",
        "size": int(fact("size", "0")) * 512,
        "model": fact("device/model", "unknown"),
        "vendor": fact("device/vendor", "unknown"),
        "serial": fact("device/serial", "unknown"),
        "wwn": fact("device/wwid", "unknown"),
        "type": "nvme" if path.name.startswith("nvme") else "hdd" if rotating else "ssd",
        "rpm": -1 if rotating else 0,
        "health": "UNKNOWN",
        "wearout": "N/A",
        "gpt": 0,
        "mounted": int(_mounted(path.name)),
        "osdid": -1,
        "osdid-list": None,
    }
    if row["mounted"]:
        row["used"] = "mounted"
    link = next((one for one in Path("/dev/disk/by-id").glob("*") if one.resolve().name == path.name), None)
    return {**row, "by_id_link": str(link)} if link else row


def _mounted(name: str) -> bool:
    mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    return f"/dev/{name}" in mounts


@route("GET", "/nodes/{node}/capabilities/qemu")
def capabilities(_call: Call) -> list[dict[str, str]]:
    """Return what is known of QEMU."""
    return [{"name": name} for name in ("cpu", "cpu-flags", "machines", "migration")]


@route("GET", "/nodes/{node}/capabilities/qemu/cpu", params={"arch": text()})
def cpu_models(call: Call) -> list[dict[str, Any]]:
    """Return the CPU models that a VM may have."""
    own = [{"name": name, "custom": 1, "vendor": "default"} for name in table(call.lab, "cpu-models")]
    return [{"name": name, "custom": 0, "vendor": _vendor(name)} for name in sorted(CPU_MODELS)] + own


def _vendor(name: str) -> str:
    if name.startswith(("EPYC", "Opteron", "athlon", "phenom")):
        return "AuthenticAMD"
    return "default" if name.startswith(("qemu", "kvm", "x86-64", "host", "max")) else "GenuineIntel"


@route("GET", "/nodes/{node}/capabilities/qemu/machines", params={"arch": text()})
def machines(_call: Call) -> list[dict[str, str]]:
    """Return the machine types that a VM may have."""
    number = ".".join(QEMU_VERSION.split(".")[:2])
    return [
        {"id": f"pc-{kind}-{version}", "type": kind, "version": version}
        for version in (f"{number}+pve1", number)
        for kind in ("i440fx", "q35")
    ]


@route("GET", "/nodes/{node}/capabilities/qemu/cpu-flags", params={"accel": text(), "arch": text()})
@route("GET", "/cluster/qemu/cpu-flags", params={"accel": text(), "arch": text()})
def cpu_flags(_call: Call) -> list[dict[str, Any]]:
    """Return flags that may be set for a VM."""
    names = ("nested-virt", "md-clear", "pcid", "spec-ctrl", "ssbd", "ibpb", "virt-ssbd", "aes", "hv-tlbflush")
    return [{"name": name, "description": f"CPU flag {name}", "supported-on": []} for name in names]


@route("GET", "/nodes/{node}/capabilities/qemu/migration")
def migration(_call: Call) -> dict[str, bool]:
    """Return what migration can do."""
    return {"has-dbus-vmstate": True}


@route(
    "GET", "/nodes/{node}/rrddata", check=AUDIT,
    params={"timeframe": choice(*FRAMES).needed(), "cf": choice("AVERAGE", "MAX")},
)  # fmt: skip
def series(call: Call) -> list[dict[str, int]]:
    """Return the node's graph."""
    return empty_series(call.get("timeframe"))


@route("GET", "/nodes/{node}/vzdump/defaults", params={"storage": text()})
def backup_defaults(_call: Call) -> dict[str, Any]:
    """Return the defaults of a backup."""
    return {"mode": "snapshot", "compress": "0", "remove": 1, "storage": "local", "prune-backups": "keep-all=1"}


@route(
    "POST",
    "/nodes/{node}/vzdump",
    params={
        "vmid": text(), "storage": text(), "mode": choice("snapshot", "suspend", "stop"), "compress": text(),
        "all": flag(), "remove": flag(), "notes-template": text(), "protected": flag(), "dumpdir": text(),
        "mailto": text(), "pool": text(), "prune-backups": text(), "quiet": flag(), "stdexcludes": flag(),
    },
)  # fmt: skip
def backup(call: Call) -> str:
    """Start a backup, which then says that the embedded node makes none."""
    if not call.get("vmid") and not call.flag("all") and not call.get("pool"):
        raise bad(vmid="property is missing")
    vmid, storage = call.get("vmid"), call.get("storage", "local")
    if vmid.isdigit():
        may("/vms/{vmid}", "VM.Backup")(call)

    def work(task: Task) -> None:
        if call.lab.storages.store.get(storage) is None:
            missing = f"storage '{storage}' does not exist"
            raise TaskFailed(
                f"could not activate storage '{storage}': {missing} "
                f"could not get storage information for '{storage}': {missing}"
            )
        task.log(f"INFO: starting new backup job: vzdump {vmid} --storage {storage} --node {call.node}")
        known = vmid.isdigit() and int(vmid) in call.lab.vms
        why = "backups are not made by the embedded node" if known else f"unable to find VM '{vmid}'"
        task.log(f"ERROR: Backup of VM {vmid} failed - {why}")
        raise TaskFailed("job errors")

    return call.lab.tasks.start(call.lab, "vzdump", vmid, call.caller.auth_id, work, node=call.node)

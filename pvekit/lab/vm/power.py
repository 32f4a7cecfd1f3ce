"""Starting, stopping and everything between."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from pvekit.lab.access.permissions import may
from pvekit.lab.call import Call
from pvekit.lab.doors import DoorError, Log
from pvekit.lab.errors import TaskFailed, bad, broken
from pvekit.lab.params import Param, choice, flag, integer, text
from pvekit.lab.propstring import split
from pvekit.lab.router import route
from pvekit.lab.tasks import Task
from pvekit.lab.vm import mappings
from pvekit.lab.vm.allocate import make_cloudinit
from pvekit.lab.vm.devicespec import HOSTPCI, MACHINE
from pvekit.lab.vm.drives import drives
from pvekit.lab.vm.effective import vm_start
from pvekit.lab.vm.keys import CLOUDINIT_KEYS
from pvekit.lab.vm.vms import Vm

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab

POWER = may("/vms/{vmid}", "VM.PowerMgmt")
_COMMON: Mapping[str, Param] = {"skiplock": flag(), "timeout": integer(0)}


def cloudinit_keys(config: Mapping[str, str]) -> dict[str, str]:
    """Return the keys that the cloud-init drive is made from."""
    return {key: value for key, value in config.items() if key in CLOUDINIT_KEYS or re.fullmatch(r"ipconfig\d+", key)}


def apply_pending(lab: Lab, vmid: int) -> Vm:
    """Make everything pending the configuration in force; call it while the VM is stopped."""
    with lab.vms.locked(vmid):
        vm = lab.vms.get(vmid)
        if not vm.pending and not vm.deletions:
            return vm
        return lab.vms.save(replace(vm, config=vm.effective, pending={}, deletions=()))


def start_vm(lab: Lab, vmid: int, log: Log) -> None:
    """Start a stopped VM; TaskFailed says why not."""
    vm = lab.vms.get(vmid)
    if vm.template:
        raise TaskFailed("you can't start a vm if it's a template")
    if lab.machines.status(vmid) is not None:
        raise TaskFailed(f"VM {vmid} already running")
    vm = apply_pending(lab, vmid)
    _check_host(lab, vm)
    if any(drive.is_cloudinit for drive in drives(vm.config)):
        log("generating cloud-init ISO")
        vm = regenerate(lab, vmid)
    lab.machines.start(vm_start(lab, vm), log)


def regenerate(lab: Lab, vmid: int) -> Vm:
    """Write the cloud-init drives anew from the current keys."""
    with lab.vms.locked(vmid):
        vm = lab.vms.get(vmid)
        for drive in drives(vm.config):
            if drive.is_cloudinit and not drive.is_empty:
                path = lab.storages.path_of(drive.file)
                make_cloudinit(lab, vmid, vm.config, path, path.suffix[1:] or "raw")
        return lab.vms.save(replace(vm, cloudinit=cloudinit_keys(vm.config)))


def _check_host(lab: Lab, vm: Vm) -> None:
    """Raise for what a real node refuses at start."""
    threads = lab.settings.threads
    wanted = int(vm.config.get("cores", 1)) * int(vm.config.get("sockets", 1))
    if wanted > threads:
        raise TaskFailed(f"MAX {threads} vcpus allowed per VM on this node")
    q35 = "q35" in split(MACHINE, vm.config.get("machine", "pc")).get("type", "pc")
    for key in sorted(vm.config):
        if re.fullmatch(r"hostpci\d+", key):
            values = split(HOSTPCI, vm.config[key])
            if values.get("pcie") == "1" and not q35:
                raise TaskFailed("q35 machine model is not enabled")
            mappings.demand_usable(lab, vm, values)
    for key in sorted(key for key in vm.config if re.fullmatch(r"net\d+", key)):
        match = re.search(r"bridge=([^,]+)", vm.config[key])
        if match and match[1] not in lab.bridges(vm.node):
            raise TaskFailed(f"bridge '{match[1]}' does not exist")


def stop_vm(lab: Lab, vmid: int, log: Log) -> None:
    """Kill the VM and let what is pending take effect."""
    lab.machines.stop(vmid, log)
    if vmid in lab.vms:
        apply_pending(lab, vmid)


def _skiplock(call: Call) -> bool:
    if call.flag("skiplock") and not call.caller.is_root:
        raise bad(skiplock="Only root may use this option.")
    return call.flag("skiplock")


def _task(call: Call, kind: str, work: Callable[[Task, Vm], None]) -> str:
    skip = _skiplock(call)

    def run(task: Task) -> None:
        vm = call.lab.vms.get(call.vmid, call.node)
        if not skip and vm.lock not in {"", "suspended"}:
            vm.demand_unlocked()
        work(task, vm)

    return call.lab.tasks.start(call.lab, kind, str(call.vmid), call.caller.auth_id, run, node=call.node)


@route(
    "POST", "/nodes/{node}/qemu/{vmid}/status/start", check=POWER,
    params={**_COMMON, "machine": text(), "stateuri": text(), "targetstorage": text(), "force-cpu": text(),
            "nets-host-mtu": text(), "migratedfrom": text(), "migration_network": text(),
            "migration_type": choice("secure", "insecure"),
            "with-conntrack-state": flag()},
)  # fmt: skip
def start(call: Call) -> str:
    """Start the VM."""
    return _task(call, "qmstart", lambda task, vm: start_vm(call.lab, vm.vmid, task.log))


@route(
    "POST", "/nodes/{node}/qemu/{vmid}/status/stop", check=POWER,
    params={**_COMMON, "keepActive": flag(), "migratedfrom": text(), "overrule-shutdown": flag()},
)  # fmt: skip
def stop(call: Call) -> str:
    """Kill the VM; a lock does not hinder it."""
    call.lab.vms.get(call.vmid, call.node)
    return call.lab.tasks.start(
        call.lab, "qmstop", str(call.vmid), call.caller.auth_id,
        lambda task: stop_vm(call.lab, call.vmid, task.log), node=call.node,
    )  # fmt: skip


def _shutdown(lab: Lab, vmid: int, timeout: float, log: Log, *, force: bool) -> None:
    if lab.machines.status(vmid) is None:
        return
    if not lab.machines.shutdown(vmid, timeout, log):
        if not force:
            raise TaskFailed("VM quit/powerdown failed - got timeout")
        log("VM still running - terminating now with SIGTERM")
        lab.machines.stop(vmid, log)
    apply_pending(lab, vmid)


@route(
    "POST", "/nodes/{node}/qemu/{vmid}/status/shutdown", check=POWER,
    params={**_COMMON, "forceStop": flag(), "keepActive": flag()},
)  # fmt: skip
def shutdown(call: Call) -> str:
    """Ask the guest to shut down."""
    timeout, force = call.number("timeout", 180), call.flag("forceStop")
    return _task(call, "qmshutdown", lambda task, vm: _shutdown(call.lab, vm.vmid, timeout, task.log, force=force))


@route("POST", "/nodes/{node}/qemu/{vmid}/status/reboot", check=POWER, params={"timeout": integer(0)})
def reboot(call: Call) -> str:
    """Shut the guest down and start it again, so that pending changes take effect."""
    demand_running(call)

    def work(task: Task, vm: Vm) -> None:
        _shutdown(call.lab, vm.vmid, call.number("timeout", 180), task.log, force=False)
        start_vm(call.lab, vm.vmid, task.log)

    return _task(call, "qmreboot", work)


def demand_running(call: Call) -> Vm:
    """Return the VM; raise the 500 if it does not run."""
    vm = call.lab.vms.get(call.vmid, call.node)
    if call.lab.machines.status(vm.vmid) is None:
        raise broken(f"VM {vm.vmid} not running")
    return vm


@route("POST", "/nodes/{node}/qemu/{vmid}/status/reset", check=POWER, params={"skiplock": flag()})
def reset(call: Call) -> str:
    """Press the reset button."""
    demand_running(call)
    return _task(call, "qmreset", lambda _task, vm: call.lab.machines.reset(vm.vmid))


@route(
    "POST", "/nodes/{node}/qemu/{vmid}/status/suspend", check=POWER,
    params={"skiplock": flag(), "todisk": flag(), "statestorage": text()},
)  # fmt: skip
def suspend(call: Call) -> str:
    """Pause the VM; suspending to disk is not offered."""
    demand_running(call)
    if call.flag("todisk"):
        raise broken("suspending to disk is not supported by the embedded node")
    return _task(call, "qmpause", lambda _task, vm: call.lab.machines.pause(vm.vmid))


@route(
    "POST", "/nodes/{node}/qemu/{vmid}/status/resume", check=POWER, params={"skiplock": flag(), "nocheck": flag()}
)  # fmt: skip
def resume(call: Call) -> str:
    """Let a paused VM go on."""
    demand_running(call)
    return _task(call, "qmresume", lambda _task, vm: call.lab.machines.resume(vm.vmid))


def watch_exits(lab: Lab, stop_event: threading.Event, interval: float = 2.0) -> None:
    """Let pending changes take effect for VMs that powered themselves off; returns when the event is set."""
    before: set[int] = set()
    while not stop_event.wait(interval):
        with suppress(DoorError):
            now = set(lab.machines.running())
            for vmid in before - now:
                with lab.vms.locked(vmid):
                    if vmid in lab.vms and lab.machines.status(vmid) is None:
                        apply_pending(lab, vmid)
            before = now

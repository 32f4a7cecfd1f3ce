"""Devices that come, change and go while the VM runs. What QEMU or the guest will not do live returns False."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pvekit.lab.doors import Log, VmStart
from pvekit.lab.qemu import network, storage
from pvekit.lab.qemu.guestnet import default
from pvekit.lab.qemu.qmp import Qmp, QmpError

_GUEST_SECONDS = 10.0


def plug(qmp: Qmp, vm: VmStart, key: str, value: str, log: Log) -> bool:
    """Bring the running VM to this value of ``key``; ``vm`` holds the new configuration."""
    if key.startswith("net"):
        return _plug_card(qmp, vm, key, value, log)
    if key.rstrip("0123456789") in storage.BUSES:
        return _plug_drive(qmp, storage.drive(vm, key, value), vm.config, log)
    return False


def unplug(qmp: Qmp, vm: VmStart, key: str, log: Log) -> bool:
    """Take the device out."""
    if not _present(qmp, key):
        return True
    if key.startswith("net"):
        if not _removed(qmp, key):
            return False
        qmp.execute("netdev_del", {"id": key})
        log(f"removed {key}")
        return True
    if not (key.startswith("virtio") or (key.startswith("scsi") and storage.is_virtio_scsi(vm.config))):
        return False
    if not _removed(qmp, key):
        return False
    _drop_node(qmp, f"drive-{key}")
    log(f"removed {key}")
    return True


def _plug_drive(qmp: Qmp, of: storage.Drive, config: Mapping[str, str], log: Log) -> bool:
    if _present(qmp, of.key):
        return _change_medium(qmp, of, log) if of.cdrom else _same_disk(qmp, of)
    if of.bus == "scsi" and storage.is_virtio_scsi(config):
        place: dict[str, Any] = {}
    elif of.bus == "virtio":
        slot = _slot(qmp, config)
        if slot is None:
            return False
        place = slot
    else:
        return False
    if of.path is not None:
        qmp.execute("blockdev-add", storage.node(of))
    try:
        qmp.execute("device_add", {**storage.device(of, config, None), **place})
    except QmpError:
        if of.path is not None:
            _drop_node(qmp, of.node)
        raise
    log(f"added {of.key}")
    return True


def _change_medium(qmp: Qmp, of: storage.Drive, log: Log) -> bool:
    """Open the tray, change the medium, close it: the guest sees it as on a real drive."""
    qmp.execute("blockdev-open-tray", {"id": of.key, "force": True})
    try:
        qmp.execute("blockdev-remove-medium", {"id": of.key})
    except QmpError as error:
        if error.kind != "GenericError":
            raise
    _drop_node(qmp, of.node)
    if of.path is not None:
        qmp.execute("blockdev-add", storage.node(of))
        _insert(qmp, of)
    qmp.execute("blockdev-close-tray", {"id": of.key})
    log(f"{of.key}: {'medium changed' if of.path else 'medium taken out'}")
    return True


def _insert(qmp: Qmp, of: storage.Drive) -> None:
    """Put a medium into the open tray; a guest that just starts may have closed it meanwhile."""
    for last in (False, False, True):
        try:
            qmp.execute("blockdev-insert-medium", {"id": of.key, "node-name": of.node})
        except QmpError as error:
            if last or error.kind != "GenericError":
                raise
            qmp.execute("blockdev-open-tray", {"id": of.key, "force": True})
        else:
            return


def _same_disk(qmp: Qmp, of: storage.Drive) -> bool:
    """Return whether the running VM already has this disk: then only keys of the API (``backup``, ``size``) differ."""
    nodes = qmp.execute("query-named-block-nodes", {"flat": True})
    return any(each["node-name"] == of.node and each.get("file") == str(of.path) for each in nodes)


def _plug_card(qmp: Qmp, vm: VmStart, key: str, value: str, log: Log) -> bool:
    of = network.card(key, value)
    if _present(qmp, key):
        if _mac(qmp, key) != of.mac.lower():
            return False
        qmp.execute("set_link", {"name": key, "up": not of.link_down})
        log(f"{key}: link {'down' if of.link_down else 'up'}")
        return True
    slot = _slot(qmp, vm.config)
    if slot is None:
        return False
    qmp.execute("netdev_add", network.netdev(of, default(of.number), vm.address, ()))
    made = {name: given for name, given in network.device(of, None).items() if name != "addr"}
    try:
        qmp.execute("device_add", {**made, **slot})
    except QmpError:
        qmp.execute("netdev_del", {"id": key})
        raise
    if of.link_down:
        qmp.execute("set_link", {"name": key, "up": False})
    log(f"added {key}")
    return True


def _slot(qmp: Qmp, config: Mapping[str, str]) -> dict[str, Any] | None:
    """Return where a PCI device can go: anywhere on an i440fx, into a free hot-plug port on a q35."""
    if not storage.is_q35(config):
        return {"bus": "pci.0"}
    for bus in qmp.execute("query-pci"):
        for each in bus["devices"]:
            if str(each.get("qdev_id", "")).startswith("hot") and not each.get("pci_bridge", {}).get("devices"):
                return {"bus": each["qdev_id"]}
    return None


def _removed(qmp: Qmp, key: str) -> bool:
    """Ask the guest to let the device go; return whether it did."""
    qmp.execute("device_del", {"id": key})
    deadline = time.monotonic() + _GUEST_SECONDS
    while time.monotonic() < deadline:
        if qmp.wait_event("DEVICE_DELETED", 0.5, device=key) or not _present(qmp, key):
            return True
    return False


def _drop_node(qmp: Qmp, node: str) -> None:
    """Close the block nodes of a drive that nobody uses any more; ignore one that is not there."""
    for name in (node, node.replace("drive-", "file-", 1)):
        try:
            qmp.execute("blockdev-del", {"node-name": name})
        except QmpError as error:
            if "find" not in str(error):
                raise


def _present(qmp: Qmp, key: str) -> bool:
    return any(each["name"] == key for each in qmp.execute("qom-list", {"path": "/machine/peripheral"}))


def _mac(qmp: Qmp, key: str) -> str:
    return str(qmp.execute("qom-get", {"path": f"/machine/peripheral/{key}", "property": "mac"})).lower()

"""Mapped PCI devices: what must fit before a VM that uses one may start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pvekit.lab.doors import Passed
from pvekit.lab.errors import TaskFailed
from pvekit.lab.node.pci import devices
from pvekit.lab.propstring import split
from pvekit.lab.vm.devicespec import HOSTPCI
from pvekit.lab.vm.vms import Vm

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab


def _addresses(lab: Lab, node: str, values: Mapping[str, str]) -> set[str]:
    """Return the PCI addresses behind one hostpci value."""
    if "mapping" not in values:
        return {_full(one) for one in values.get("host", "").split(";") if one}
    entry = (lab.cluster.get("mapping-pci") or {}).get(values["mapping"])
    if entry is None:
        raise TaskFailed(f"PCI device mapping not found for '{values['mapping']}'")
    found: set[str] = set()
    for line in entry["map"]:
        pairs = dict(part.split("=", 1) for part in line.split(","))
        if pairs.get("node") == node:
            found.add(_full(pairs["path"]))
    if not found:
        raise TaskFailed(f"no PCI device mapping for '{values['mapping']}' on node '{node}'")
    return found


def passed(lab: Lab, node: str, text: str) -> tuple[Passed, ...]:
    """Return the functions of the devices behind one hostpci value; none for what is not there.

    Of several paths of a mapping the first one is taken; an address without a function means all of them.
    """
    values = split(HOSTPCI, text)
    paths = [one for one in values.get("host", "").split(";") if one]
    if "mapping" in values:
        entry = (lab.cluster.get("mapping-pci") or {}).get(values["mapping"]) or {}
        lines = [dict(part.split("=", 1) for part in line.split(",")) for line in entry.get("map", [])]
        paths = [line["path"].split(";")[0] for line in lines if line.get("node") == node][:1]
    wanted = tuple(f"{_full(path).removesuffix('.0')}." if "." not in path else _full(path) for path in paths)
    return tuple(
        Passed(f"{device.vendor}:{device.device}", device.pci_class, device.stand_in)
        for device in sorted(devices(lab.settings, node), key=lambda device: device.address)
        if wanted and device.address.startswith(wanted)
    )


def _full(address: str) -> str:
    text = address if re.match(r"[0-9a-f]{4}:", address) else f"0000:{address}"
    return text if "." in text else f"{text}.0"


def demand_usable(lab: Lab, vm: Vm, values: Mapping[str, str]) -> None:
    """Raise unless every device is there, as its mapping says, and free."""
    from pvekit.lab.cluster.mapping_check import problems

    if "mapping" in values:
        entry = (lab.cluster.get("mapping-pci") or {}).get(values["mapping"])
        wrong = problems(lab, vm.node, values["mapping"], entry) if entry else []
        if wrong:
            raise TaskFailed("PCI device mapping invalid (hardware probably changed)")
    wanted = _addresses(lab, vm.node, values)
    for other in lab.vms.all():
        if other.vmid == vm.vmid or other.node != vm.node or lab.machines.status(other.vmid) is None:
            continue
        for name, value in other.config.items():
            if re.fullmatch(r"hostpci\d+", name):
                shared = wanted & _addresses(lab, other.node, split(HOSTPCI, value))
                for address in sorted(shared):
                    raise TaskFailed(f"PCI device '{address}' already in use by VMID '{other.vmid}'")

"""PCI devices of the node: QEMU's own devices stand in for them, where the node's list names one."""

from __future__ import annotations

from pvekit.lab.doors import VmStart
from pvekit.lab.qemu.storage import is_q35
from pvekit.lab.qemu.values import numbered, options

_OPTIONS = {"pci-testdev": {"membar": "16M"}}
"""Without it, a test device has but a page of memory."""
_FIRST_CHASSIS = 32


def given(vm: VmStart) -> tuple[str, ...]:
    """Return the keys whose devices a VM here really gets."""
    return tuple(key for key, functions in vm.cards.items() if any(each.stand_in for each in functions))


def devices(vm: VmStart) -> list[str]:
    """Return the command line of all stand-ins: with PCI Express all functions behind a port, else the first one."""
    argv: list[str] = []
    for number, key, value in numbered(vm.config, "hostpci"):
        names = [each.stand_in for each in vm.cards.get(key, ()) if each.stand_in]
        pairs = options(value, "host")
        express = pairs.get("pcie") == "1" and is_q35(vm.config)
        if names and express:
            argv += ["-device", f"pcie-root-port,id=passed{number},chassis={_FIRST_CHASSIS + number}"]
        names = names if express else names[:1]
        for function, name in enumerate(names):
            words = {"id": key if len(names) == 1 else f"{key}.{function}", **_OPTIONS.get(name, {})}
            words |= {"multifunction": "on"} if function == 0 and len(names) > 1 else {}
            words |= {"bus": f"passed{number}", "addr": f"0x0.{function:#x}"} if express else {}
            words |= {"rombar": "0"} if pairs.get("rombar") == "0" else {}
            argv += ["-device", ",".join([name, *(f"{option}={text}" for option, text in words.items())])]
    return argv

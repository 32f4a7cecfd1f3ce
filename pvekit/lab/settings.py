"""How one embedded node is run: fixed when it starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pvekit.lab.hardware import Hardware

VERSION = "9.2.11"
RELEASE = "9.2"
REPOID = "pvekit-lab"
QEMU_VERSION = "10.0.2"


@dataclass(frozen=True, slots=True)
class Settings:
    """``latency`` (seconds) is added to every request; ``delays`` maps a task type to the seconds it takes longer."""

    state: Path
    nodes: tuple[str, ...] = ("pve",)
    latency: float = 0.0
    delays: Mapping[str, float] = field(default_factory=dict)
    cpus: int = 0
    """Threads of the node as the API tells them; 0 asks the host."""
    memory: int = 0
    """Bytes of RAM as the API tells them; 0 asks the host."""
    pci: Path | None = None
    """A JSON list of PCI devices in the API's form, instead of the machine's own.

    Two more keys: ``stand-in`` names a device of QEMU's that VMs get instead (see ``node.pci.STAND_INS``), ``node`` the
    only node that has the device.
    """
    hardware: Hardware | None = None
    """A machine to be told about instead of this one."""

    @property
    def threads(self) -> int:
        """Return the node's number of hardware threads."""
        if self.hardware is not None:
            return int(self.hardware.processor["cpus"])
        return self.cpus or len(os.sched_getaffinity(0))


def parse_delays(text: str) -> dict[str, float]:
    """Read ``qmcreate=2,qmstart=0.5``.

    ValueError for anything else.
    """
    delays: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        kind, sign, seconds = part.partition("=")
        if not sign:
            raise ValueError(f"'{part}' is no delay. Write TASKTYPE=SECONDS, for instance qmcreate=2.")
        delays[kind.strip()] = float(seconds)
    return delays

"""The second level: a QEMU inside the host that gets real functions, asked where it mapped their BARs."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.iommu.host import Host

_SECONDS = 240
_ROM = 6
"""QEMU lists it as one more BAR; the firmware places it only for as long as it reads from it."""


@dataclass(frozen=True, slots=True)
class Region:
    """A BAR in the guest's address space; ``address`` is None while the guest's firmware has not placed it."""

    number: int
    kind: str
    address: int | None
    size: int


@dataclass(frozen=True, slots=True)
class Second:
    """What became of it. ``functions`` has the BARs by the host's address; ``error``: what QEMU said as it gave up."""

    functions: Mapping[str, tuple[Region, ...]]
    error: str = ""

    @property
    def mapped(self) -> bool:
        """Tell whether every function has BARs, and each of them a place."""
        return bool(self.functions) and all(
            regions and all(region.address is not None for region in regions) for regions in self.functions.values()
        )


def start(host: Host, functions: Sequence[str], *, options: str = "") -> Second:
    """Start a QEMU in the host that gets these functions, and wait for its firmware to place all BARs.

    ``options`` go to each vfio-pci device: ``,romfile=/usr/share/kvm/card.rom``.
    """
    devices = [f"-device vfio-pci,host={bdf},id=f{number}{options}" for number, bdf in enumerate(functions)]
    command = (
        f"timeout {_SECONDS} qemu-system-x86_64 -accel tcg -machine q35 -m 64 -nodefaults -no-user-config "
        f"-display none -qmp stdio {' '.join(devices)}"
    )
    assert host.client is not None, "it is off"
    stdin, out, err = host.client.exec_command(command, timeout=_SECONDS)

    def say(word: str) -> Any:
        with contextlib.suppress(OSError):  # it has ended, and said why
            stdin.write(json.dumps({"execute": word}) + "\n")
            stdin.flush()
        for line in out:
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
        return None

    found = Second({})
    if say("qmp_capabilities") is not None:
        deadline = time.monotonic() + _SECONDS - 60
        while (buses := say("query-pci")) is not None:
            found = Second(dict(_functions(buses, functions)))
            if found.mapped or time.monotonic() > deadline:
                say("quit")
                break
            time.sleep(1)
    said = err.read().decode(errors="replace").strip()
    out.channel.close()
    return Second(found.functions, said)


def _functions(buses: Any, wanted: Sequence[str]) -> Iterator[tuple[str, tuple[Region, ...]]]:
    ids = {f"f{number}": bdf for number, bdf in enumerate(wanted)}
    for bus in buses:
        for device in bus["devices"]:
            if device["qdev_id"] in ids:
                yield ids[device["qdev_id"]], tuple(_region(row) for row in device["regions"] if row["bar"] != _ROM)


def _region(row: Mapping[str, Any]) -> Region:
    address = int(row["address"]) & (1 << 64) - 1
    placed = address not in {0, (1 << 64) - 1, (1 << 32) - 1}
    return Region(int(row["bar"]), str(row["type"]), address if placed else None, int(row["size"]))

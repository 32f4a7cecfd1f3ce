"""What the host loses with the card, and whether a change set may go that far. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.blast import blast
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.facts.groups import IommuGroups
from pvekit.passthrough.facts.hostuses import HostUses
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.members import CONSOLE


@dataclass(frozen=True, slots=True)
class Losses:
    """``refused`` is what the host cannot be without, ``risks`` what it can, or what the person accepts."""

    refused: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()


def losses(facts: Facts, accepted: Collection[Bdf]) -> Losses:
    """Return what is lost for sure. A host without a screen is usual; one without network, disk or keyboard is not."""
    target = facts.get(Target)
    if isinstance(target, Missing):
        return Losses()
    wanted = dict.fromkeys((*target.bdfs, *(device.bdf for device in target.functions)))
    found = blast(
        wanted, facts.get(Devices), facts.get(IommuGroups), facts.get(HostUses), facts.get(KernelLog),
        facts.get(Cmdline),
    )  # fmt: skip
    refused: list[str] = []
    risks: list[str] = []
    for loss in found.losses:
        if not loss.sure:
            continue
        if loss.kind == CONSOLE:
            risks.append(f"{loss.text}: the screen stays dark, keep SSH or a serial console")
        elif loss.bdf in accepted:
            risks.append(f"{loss.text}: the host loses it, as accepted")
        else:
            refused.append(f"the host cannot be without it: {loss.text}")
    return Losses(tuple(dict.fromkeys(refused)), tuple(dict.fromkeys(risks)))

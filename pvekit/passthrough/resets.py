"""How a card fails to come back: the messages in the order in which they were said. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pvekit.model.missing import Missing
from pvekit.passthrough.aimed import ADDRESS, Said, said_of_target
from pvekit.passthrough.facts.devices import Device
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.knowledge import AMD, RESET_BUG_IDS, architecture
from pvekit.passthrough.pattern import Pattern


class Sign(Enum):
    """What went wrong with the device."""

    ROM = "the ROM cannot be read"
    BUS = "not ready after a bus reset"
    FLR = "not ready after a function level reset"
    D3 = "cannot be woken from a sleep state"
    PENDING = "transactions pending before a function level reset"
    VENDOR = "vendor-reset failed"


_PATTERNS = {
    Sign.ROM: rf"vfio-pci {ADDRESS}: Invalid PCI ROM header signature: expecting 0xaa55, got (?P<got>0x[0-9a-f]+)",
    Sign.BUS: rf"{ADDRESS}: not ready \d+ms after bus reset; (?P<end>waiting|giving up)",
    Sign.FLR: rf"{ADDRESS}: not ready \d+ms after (?:AF_)?FLR; (?P<end>waiting|giving up)",
    Sign.D3: (
        rf"{ADDRESS}: (?:Unable to change power state from (?:D3cold|D3hot|unknown) to D0, device inaccessible"
        r"|can't change power state from (?:D3cold|D3hot|unknown) to D0 \(config space inaccessible\)"
        r"|Refused to change power state,? (?:currently in D3|from D3\w+ to D0))"
    ),
    Sign.PENDING: (
        rf"{ADDRESS}: timed out waiting for pending transaction; performing (?:AF )?function level reset anyway"
    ),
    Sign.VENDOR: rf"{ADDRESS}: (?P<family>AMD_\w+): failed to reset device",
}
_COMPILED = {sign: Pattern(pattern) for sign, pattern in _PATTERNS.items()}


@dataclass(frozen=True, slots=True)
class Failures:
    """What was said about the target by sign, each in order."""

    by_sign: dict[Sign, list[Said]]

    def of(self, sign: Sign) -> list[Said]:
        """Return everything of one sign."""
        return self.by_sign.get(sign, [])

    def gave_up(self, sign: Sign) -> list[Said]:
        """Return the messages that say that the kernel stopped waiting."""
        return [item for item in self.of(sign) if item.match["end"] == "giving up"]

    def first(self, *signs: Sign) -> Sign | None:
        """Return which of these signs was seen first."""
        seen = [(self.of(sign)[0].place, sign) for sign in signs if self.of(sign)]
        return min(seen, key=lambda item: item[0])[1] if seen else None


def failures(log: KernelLog | Missing, target: Target | Missing) -> Failures:
    """Return how the target failed, by the host's kernel log."""
    return Failures({sign: said_of_target(log, pattern, target) for sign, pattern in _COMPILED.items()})


def has_reset_bug(device: Device) -> bool:
    """Return whether this is an AMD card that is known for not coming back from a bus reset."""
    known = architecture(device.vendor, device.device, device.name)
    return device.id in RESET_BUG_IDS or (device.vendor == AMD and known == "navi2")
